/** What the palette finds, and how. Pure: what there is comes in, what fits comes out, the best first. */
import fuzzysort, { type SnapshotKey } from 'fuzzysort';

import type { IconName } from '$lib/design/Icon.svelte';
import type { Face } from '$lib/format/face';

export type Kind = 'page' | 'command' | 'workload' | 'container' | 'removed';

export interface Entry {
  id: string;
  kind: Kind;
  name: string;
  /** What tells it from another of the same name. */
  detail: string;
  /** How it is drawn: a page's icon, a container's state. */
  icon: IconName | null;
  face: Face | null;
  act: () => void;
}

export interface Found {
  entry: Entry;
  /** The name, in pieces: those that made it fit are marked. */
  pieces: readonly { text: string; fits: boolean }[];
}

/** More than one reads; who wants another one writes another letter. */
const MOST = 40;

/** Of two that fit alike, what leads somewhere comes before what is one of thousands. */
const WEIGHT: Record<Kind, number> = {
  page: 1.15,
  command: 1.1,
  workload: 1.05,
  container: 1,
  removed: 0.85,
};

export class Finder {
  readonly #entries: readonly Entry[];
  readonly #prepared: SnapshotKey<Entry>;

  constructor(entries: readonly Entry[]) {
    this.#entries = entries;
    this.#prepared = fuzzysort.snapshot(entries, { key: searched });
  }

  find(words: string): readonly Found[] {
    if (words.trim() === '') return this.#entries.filter(isOfferedUnasked).map(plain);
    const results = fuzzysort.go(words, this.#prepared, {
      limit: MOST,
      scoreFn: (result) => result.score * WEIGHT[result.obj.kind],
    });
    return results.map((result) => ({
      entry: result.obj,
      pieces: pieces(result.obj.name, new Set(result.indexes)),
    }));
  }
}

const searched = (entry: Entry): string => `${entry.name} ${entry.detail}`;

const isOfferedUnasked = ({ kind }: Entry): boolean => kind === 'page' || kind === 'command';

const plain = (entry: Entry): Found => ({ entry, pieces: [{ text: entry.name, fits: false }] });

/** Neighbours that both fit, or both do not, are one piece. */
function pieces(name: string, fitting: ReadonlySet<number>): Found['pieces'] {
  const found: { text: string; fits: boolean }[] = [];
  for (let n = 0; n < name.length; n += 1) {
    const fits = fitting.has(n);
    const last = found.at(-1);
    if (last?.fits === fits) last.text += name[n];
    else found.push({ text: name[n] ?? '', fits });
  }
  return found;
}
