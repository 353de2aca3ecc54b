import { describe, expect, it, vi } from 'vitest';

import { Failure } from '$lib/api/client';
import { aContainer, Fake } from '$lib/api/fake';

import { Containers, type Row } from './containers.svelte';

const created = (minutesAgo: number) => ({ created_at: new Date(1e12 - minutesAgo * 60_000).toISOString() });

function withRows(): { fake: Fake; containers: Containers; row: Row } {
  const all = [aContainer('old', created(9)), aContainer('new', created(1))];
  const fake = new Fake(all);
  const containers = new Containers(fake);
  containers.reset(all);
  const row = containers.find('new');
  if (!row) throw new Error('no row');
  return { fake, containers, row };
}

const patch = (...upserts: ReturnType<typeof aContainer>[]) => [
  { revision: 2, upserts, removals: [], history: [] },
];

describe('the containers', () => {
  it('stand newest first, and a change of state moves none of them', () => {
    const { containers } = withRows();
    const before = containers.rows;
    expect(before.map((row) => row.id)).toEqual(['new', 'old']);
    containers.apply(patch(aContainer('old', { ...created(9), state: 'stopped' })));
    expect(containers.rows, 'the very same list').toBe(before);
  });

  it('keep the row of a container through a snapshot', () => {
    const { containers, row } = withRows();
    containers.reset([aContainer('new', { ...created(1), name: 'renamed' })]);
    expect(containers.find('new')).toBe(row);
    expect(row.now.name).toBe('renamed');
    expect(containers.find('old')).toBeUndefined();
  });

  it('are busy from the click until the index says what came of it', async () => {
    const { containers, row } = withRows();
    const done = containers.act('stop', row);
    expect(row.doing).toBe('stop');
    expect(await done).toBeNull();
    expect(row.doing, 'the engine answered, the index has not caught up').toBe('stop');
    containers.apply(patch(aContainer('new', { ...created(1), state: 'stopped' })));
    expect(row.doing).toBeNull();
  });

  it('are not busy when the index knew before the answer came', async () => {
    const { containers, row } = withRows();
    const done = containers.act('stop', row);
    containers.apply(patch(aContainer('new', { ...created(1), state: 'stopped' })));
    await done;
    expect(row.doing).toBeNull();
  });

  it('say why an act failed and are free again', async () => {
    const { fake, containers, row } = withRows();
    fake.refuses.act = new Failure('engine_away', 'the engine does not answer');
    const failed = await containers.act('restart', row);
    expect(failed?.message).toBe('the engine does not answer');
    expect(row.doing).toBeNull();
  });

  it('take one act at a time', async () => {
    const { fake, containers, row } = withRows();
    const act = vi.spyOn(fake, 'act');
    await Promise.all([containers.act('stop', row), containers.act('stop', row)]);
    expect(act).toHaveBeenCalledTimes(1);
  });
});
