/** How rows are compared, column by column. Where two are alike, the newer one stays before the older. */
import { faceOf, sinceOf } from '$lib/format/face';
import type { Container, Level } from '$lib/api/client';
import type { Row } from '$lib/state/containers.svelte';

export type SortKey = 'state' | 'name' | 'workload' | 'image' | 'ports' | 'since' | 'verdict';

export interface Sorted {
  key: SortKey;
  down: boolean;
}

/** What needs somebody comes first when it is sorted upwards: that is what one sorts for. */
const WORST_FIRST: Record<Level, number> = { bad: 0, warn: 1, info: 2, fine: 3 };

/** After every letter: what has none of it stands at the end. */
const LAST = '\uffff';

/** What a column compares. Made once for each row, not for each comparison. */
const KEYS: Record<SortKey, (of: Container) => string | number> = {
  state: (of) => faceOf(of).word,
  name: (of) => of.name.toLowerCase(),
  workload: (of) => (of.workload_name === null ? LAST : `${of.workload_name}/${of.role ?? ''}`.toLowerCase()),
  image: (of) => of.image.toLowerCase(),
  ports: (of) => of.ports.find((port) => port.host_port !== null)?.host_port ?? Number.MAX_SAFE_INTEGER,
  // The latest first: what changed just now is what is looked for.
  since: (of) => -Date.parse(sinceOf(of) ?? of.created_at),
  verdict: (of) => WORST_FIRST[of.verdict.level],
};

export function inOrder(rows: Row[], { key, down }: Sorted): Row[] {
  const keyOf = KEYS[key];
  const keys = new Map(rows.map((row) => [row, keyOf(row.latest)]));
  const sign = down ? -1 : 1;
  return rows.sort((a, b) => sign * compare(keys.get(a) ?? 0, keys.get(b) ?? 0));
}

function compare(a: string | number, b: string | number): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
