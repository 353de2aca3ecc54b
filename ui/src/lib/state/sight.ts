import type { Containers } from './containers.svelte';
import type { System } from './status.svelte';

/**
 * What the window can say about the containers. Without a row, an empty list may mean that there are none, that they
 * are still being read, or that nobody knows: only the first is ever drawn as a nought.
 */
export type Sight = 'known' | 'reading' | 'unknown' | 'failed';

export function sight(containers: Containers, system: System): Sight {
  if (containers.rows.length > 0) return 'known';
  if (system.standing.state === 'starting') return 'reading';
  if (!containers.loaded && containers.failure !== null) return 'failed';
  if (!system.stands) return 'unknown';
  if (!containers.loaded || system.seeking) return 'reading';
  if (!system.live) return 'unknown';
  return system.verified ? 'known' : 'reading';
}
