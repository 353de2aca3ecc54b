/** The whole window in a simulated browser, on a fake shell: for the tests of pages. */
import { fireEvent, render } from '@testing-library/svelte';
import { tick } from 'svelte';

import type { Fake } from '$lib/api/fake';
import { createApp } from '$lib/state/app';

import App from './App.svelte';

/** Lets everything that was promised happen, and the page be drawn. */
export async function settle(): Promise<void> {
  await new Promise((done) => setTimeout(done));
  await tick();
}

export async function open(fake: Fake, hash = '#/containers') {
  location.hash = hash;
  const rendered = render(App, { app: createApp(fake, (draw) => draw()) });
  await settle();
  return rendered;
}

/** A container's row in the table. */
export function row(name: string): HTMLElement {
  const found = document.querySelector<HTMLElement>(`[data-container="${name}"]`);
  if (!found) throw new Error(`no row of ${name}`);
  return found;
}

/** The pointer rests on a container's row: its buttons are there. */
export async function pointAt(name: string): Promise<void> {
  await fireEvent.pointerEnter(row(name));
}
