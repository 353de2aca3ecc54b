import { mount } from 'svelte';

import '$lib/design/tokens.css';
import '$lib/design/base.css';
import { shell, type Backend } from '$lib/api/client';
import { createApp } from '$lib/state/app';

import App from './App.svelte';

/** Behind a browser's page there is no shell; while pages are worked on, a fake one stands in. */
async function backend(): Promise<Backend> {
  if (!import.meta.env.DEV || '__TAURI_INTERNALS__' in window) return shell;
  const { example } = await import('$lib/api/example');
  return example(new URLSearchParams(location.search));
}

const target = document.getElementById('app');
if (target) mount(App, { target, props: { app: createApp(await backend()) } });
