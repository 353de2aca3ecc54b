import { describe, expect, it } from 'vitest';

import { aContainer, Fake } from '$lib/api/fake';
import { Containers } from '$lib/state/containers.svelte';

import { workloadsOf } from './workloads';

const of = (workload: string, role: string, facts: Parameters<typeof aContainer>[1] = {}) => ({
  workload_id: workload,
  workload_name: workload,
  workload_kind: 'project' as const,
  role,
  ...facts,
});

function cards(...all: ReturnType<typeof aContainer>[]) {
  const containers = new Containers(new Fake());
  containers.reset(all);
  return workloadsOf(containers.rows).map((card) => ({
    name: card.name,
    running: card.running,
    shows: card.rows.map((row) => row.id),
  }));
}

describe('a workload’s card', () => {
  it('counts by .state alone, whatever else is said of a container', () => {
    const [shop] = cards(
      aContainer('a', of('shop', 'dev', { state: 'running' })),
      aContainer('b', of('shop', 'rel', { state: 'paused', health: 'healthy' })),
      aContainer('c', of('shop', 'prod', { state: 'stopped', last_seen_at: '2026-01-02T12:00:00Z' })),
    );
    expect(shop?.running).toBe(1);
  });

  it('shows what lives of a role, and without that the newest that did', () => {
    const at = (n: number) => ({ created_at: new Date(1e12 + n).toISOString() });
    const [shop] = cards(
      aContainer('old', of('shop', 'dev', { ...at(1), state: 'stopped' })),
      aContainer('live', of('shop', 'dev', at(2))),
      aContainer('older', of('shop', 'prod', { ...at(3), state: 'stopped' })),
      aContainer('newest', of('shop', 'prod', { ...at(4), state: 'failed' })),
    );
    expect(shop?.shows).toEqual(['live', 'newest']);
  });

  it('is there for each workload, by name, and for no foreign container', () => {
    expect(
      cards(aContainer('z', of('zoo', 'web')), aContainer('stray'), aContainer('b', of('blog', 'db'))).map(
        ({ name }) => name,
      ),
    ).toEqual(['blog', 'zoo']);
  });
});
