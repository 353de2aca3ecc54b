import { getContext, setContext } from 'svelte';

import type { Backend } from '$lib/api/client';

import { Clock } from './clock.svelte';
import { Containers } from './containers.svelte';
import { Feed, type Schedule } from './feed';
import { Route } from './route.svelte';
import { System } from './status.svelte';
import { Toasts } from './toasts.svelte';

/** Everything that pages read, made once. */
export interface App {
  backend: Backend;
  clock: Clock;
  containers: Containers;
  feed: Feed;
  route: Route;
  system: System;
  toasts: Toasts;
}

const KEY = Symbol('app');

export function createApp(backend: Backend, schedule?: Schedule): App {
  const containers = new Containers(backend);
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
    },
    schedule,
  );
  return { backend, clock: new Clock(), containers, feed, route: new Route(), system, toasts: new Toasts() };
}

export function provideApp(app: App): App {
  return setContext(KEY, app);
}

export function useApp(): App {
  return getContext<App>(KEY);
}
