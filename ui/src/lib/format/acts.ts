import type { Container, Verb } from '$lib/api/client';

/** Whether an act makes sense for a container as it is. What the engine then says decides. */
export function suits(verb: Verb, container: Pick<Container, 'state' | 'container_id'>): boolean {
  if (container.container_id === null) return false;
  switch (container.state) {
    case 'running':
    case 'paused':
    case 'restarting':
      return verb !== 'start';
    case 'created':
    case 'stopped':
    case 'failed':
      return verb === 'start';
    case 'unknown':
      return true;
    case 'deploying':
    case 'missing':
    case 'removing':
      return false;
  }
}
