import { getContext, setContext } from 'svelte';

import type { Backend } from '$lib/api/client';

import { Away } from './away.svelte';
import { Clock } from './clock.svelte';
import { Containers } from './containers.svelte';
import { Doctor } from './doctor.svelte';
import { Feed, type Schedule } from './feed';
import { Hearing } from './hearing';
import { Looks } from './looks.svelte';
import { Route } from './route.svelte';
import { Settings } from './settings.svelte';
import { Stale } from './stale.svelte';
import { System } from './status.svelte';
import { Toasts } from './toasts.svelte';

/** Everything that pages read, made once. */
export interface App {
  backend: Backend;
  away: Away;
  clock: Clock;
  containers: Containers;
  doctor: Doctor;
  feed: Feed;
  hearing: Hearing;
  looks: Looks;
  route: Route;
  settings: Settings;
  stale: Stale;
  system: System;
  toasts: Toasts;
}

const KEY = Symbol('app');

export function createApp(backend: Backend, schedule?: Schedule): App {
  const containers = new Containers(backend);
  const hearing = new Hearing();
  const system = new System();
  const feed = new Feed(
    backend,
    {
      stand: (standing) => system.stand(standing),
      reset: (snapshot) => {
        system.is(snapshot.status, Date.now());
        containers.reset(snapshot.containers);
      },
      apply: (patches) => containers.apply(patches),
      status: (status) => system.is(status, Date.now()),
      failed: (why) => containers.failed(why),
      heard: (announcement) => hearing.tell(announcement),
    },
    schedule,
  );
  return {
    backend,
    away: new Away(backend),
    clock: new Clock(),
    containers,
    doctor: new Doctor(backend),
    feed,
    hearing,
    looks: new Looks(),
    route: new Route(),
    settings: new Settings(backend, hearing),
    stale: new Stale(backend, hearing),
    system,
    toasts: new Toasts(),
  };
}

export function provideApp(app: App): App {
  return setContext(KEY, app);
}

export function useApp(): App {
  return getContext<App>(KEY);
}
