/** What assistive technology would stumble over, page by page. Contrast is the tokens' own test: nothing is painted here. */
import { fireEvent } from '@testing-library/svelte';
import axe from 'axe-core';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { example } from '$lib/api/example';
import type { Fake } from '$lib/api/fake';

import { open, settle } from './page-harness';

/** It walks over every element, in a browser that is simulated: seconds where a real one takes a tenth of one. */
vi.setConfig({ testTimeout: 60_000 });

async function findings(): Promise<string[]> {
  const { violations } = await axe.run(document.body, {
    rules: { 'color-contrast': { enabled: false } },
    resultTypes: ['violations'],
  });
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)}`));
}

const world = (weather = ''): Fake => example(new URLSearchParams(weather));
const command = (key: string) =>
  fireEvent.keyDown(document.activeElement ?? document.body, { key, ctrlKey: true });

// It asks whether letters are drawn as pictures; here none are drawn at all.
HTMLCanvasElement.prototype.getContext = () => null;

beforeEach(() => localStorage.setItem('tinyforge.seen', `${Date.now() - 5 * 3_600_000}`));

describe('axe finds nothing', () => {
  it.each([
    ['on Home', '', '#/'],
    ['on Containers', '', '#/containers'],
    ['where all are foreign', 'foreign', '#/containers'],
    ['on Stale', '', '#/containers/stale'],
    ['on Health', '', '#/health'],
    ['on Settings', '', '#/settings'],
    ['in the gallery', '', '#/gallery'],
    ['in a pane', '', '#/containers?open=c1'],
    ['in a timeline', '', '#/containers?open=c1&tab=timeline'],
    ['in an inspect', '', '#/containers?open=c1&tab=inspect'],
    ['at the first start', 'empty&engine=absent', '#/'],
    ['without permission', 'empty&engine=denied', '#/containers'],
    ['while the engine is away', 'engine=away', '#/'],
    ['without containers', 'empty', '#/containers'],
  ])('%s', async (_, weather, hash) => {
    await open(world(weather), hash);
    await settle();
    await settle();
    expect(await findings()).toEqual([]);
  });

  it('in the palette', async () => {
    await open(world(), '#/');
    await command('k');
    await settle();
    expect(await findings()).toEqual([]);
  });

  it('in the sheet of shortcuts', async () => {
    await open(world(), '#/');
    await fireEvent.keyDown(document.body, { key: '?' });
    await settle();
    expect(await findings()).toEqual([]);
  });

  it('among many that are selected, and in the question before they are touched', async () => {
    await open(world(), '#/containers');
    await command('a');
    await settle();
    expect(await findings()).toEqual([]);
    const stop = [...document.querySelectorAll('.bar button')].find((button) =>
      button.textContent?.includes('Stop'),
    );
    await fireEvent.click(stop as Element);
    await settle();
    expect(await findings()).toEqual([]);
  });
});
