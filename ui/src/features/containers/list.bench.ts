/** How long any filter over ten thousand containers takes; `make bench` prints the slowest. */
import { bench } from 'vitest';

import { aContainer, Fake } from '$lib/api/fake';
import { Containers } from '$lib/state/containers.svelte';

import { List } from './list.svelte';

const CONTAINERS = 10_000;

const containers = new Containers(new Fake());
containers.reset(Array.from({ length: CONTAINERS }, (_, n) => aContainer(`c${n}`)));
const list = new List(containers);

/** Every call changes the filter, and reads what it leaves. */
function filter(name: string, change: (turn: number) => void): void {
  let turn = 0;
  bench(name, () => {
    change((turn += 1));
    void list.rows.length;
  });
}

filter('a search for one word', (turn) => (list.search = `c${turn % CONTAINERS}`));
filter('a search for several words', (turn) => (list.search = `c${turn % CONTAINERS} running nginx`));
filter('a state', () => list.toggleGroup('attention'));
filter('a kind', () => list.toggleKind('foreign'));
filter('a search that finds nothing', (turn) => (list.search = `nothing is called ${turn}`));
