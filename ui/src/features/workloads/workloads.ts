import type { Instance, WorkloadKind } from '$lib/api/client';
import type { Row } from '$lib/state/containers.svelte';

/** What a user manages, as far as its containers tell. */
export interface Workload {
  id: string;
  name: string;
  kind: WorkloadKind;
  /** Those that stand in the front line, by role: what lives, else the newest of its role. */
  rows: readonly Row[];
  running: number;
}

export const runs = (instance: Pick<Instance, 'state'>): boolean => instance.state === 'running';

/** Those that are there at all: what was replaced and stands behind its successor tells nothing of how it is now. */
const isAlive = ({ state }: Pick<Instance, 'state'>): boolean =>
  state === 'running' || state === 'paused' || state === 'restarting' || state === 'deploying';

/** By name, so that no card changes its place while states do. */
export function workloadsOf(rows: readonly Row[]): readonly Workload[] {
  const found = new Map<string, Row[]>();
  for (const row of rows) {
    const id = row.latest.workload_id;
    if (id === null) continue;
    const of = found.get(id);
    if (of) of.push(row);
    else found.set(id, [row]);
  }
  return [...found].map(([id, all]) => workload(id, all)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function workload(id: string, all: readonly Row[]): Workload {
  const front = frontLine(all);
  const { workload_name, workload_kind } = (all[0] as Row).latest;
  return {
    id,
    name: workload_name ?? id,
    kind: workload_kind ?? 'project',
    rows: front,
    running: front.filter((row) => runs(row.latest)).length,
  };
}

function frontLine(all: readonly Row[]): readonly Row[] {
  const roles = new Map<string, Row[]>();
  for (const row of all) {
    const role = row.latest.role ?? '';
    roles.set(role, [...(roles.get(role) ?? []), row]);
  }
  return [...roles]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, of]) => {
      const alive = of.filter((row) => isAlive(row.latest));
      return alive.length > 0 ? alive : of.slice(0, 1);
    });
}
