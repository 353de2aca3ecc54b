import { mount } from 'svelte';

import '$lib/design/tokens.css';
import '$lib/design/base.css';
import { shell } from '$lib/api/client';
import { createApp } from '$lib/state/app';

import App from './App.svelte';

const target = document.getElementById('app');
if (target) mount(App, { target, props: { app: createApp(shell) } });
