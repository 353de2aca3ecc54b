import { describe, expect, it } from 'vitest';

import { aContainer, aVerdict, Fake } from '$lib/api/fake';
import { Containers } from '$lib/state/containers.svelte';

import { List } from './list.svelte';

const at = (n: number) => ({ created_at: new Date(1e12 + n * 1000).toISOString() });
const port = (host_port: number) => ({
  container_port: 80,
  protocol: 'tcp',
  host_ip: '127.0.0.1',
  host_port,
});
const minutesAgo = (n: number) => new Date(1e12 - n * 60_000).toISOString();

function listOf(...all: ReturnType<typeof aContainer>[]) {
  const containers = new Containers(new Fake());
  containers.reset(all);
  const list = new List(containers);
  return { containers, list, names: () => list.rows.map((row) => row.now.name) };
}

describe('sorting', () => {
  const all = [
    aContainer('b', {
      ...at(3),
      workload_name: 'shop',
      workload_kind: 'project',
      role: 'prod',
      image: 'web:1',
      ports: [port(9000)],
      started_at: minutesAgo(5),
      verdict: aVerdict('warn', 'Paused'),
    }),
    aContainer('C', { ...at(2), image: 'api:1', ports: [port(80)], started_at: minutesAgo(1) }),
    aContainer('a', {
      ...at(1),
      workload_name: 'blog',
      workload_kind: 'stack',
      role: 'web',
      image: 'db:1',
      state: 'stopped',
      last_seen_at: minutesAgo(9),
      verdict: aVerdict('bad', 'Crashed'),
    }),
  ];

  it.each([
    ['name', ['a', 'b', 'C']],
    ['workload', ['a', 'b', 'C']],
    ['image', ['C', 'a', 'b']],
    ['ports', ['C', 'b', 'a']],
    ['since', ['C', 'b', 'a']],
    ['state', ['a', 'b', 'C']],
    ['verdict', ['a', 'b', 'C']],
  ] as const)('by %s puts first what is looked for', (key, expected) => {
    const { list, names } = listOf(...all);
    list.sort(key);
    expect(names()).toEqual(expected);
  });

  it('goes up, down, and back to newest first', () => {
    const { list, names } = listOf(...all);
    list.sort('name');
    list.sort('name');
    expect(names()).toEqual(['C', 'b', 'a']);
    list.sort('name');
    expect(list.sorted).toBeNull();
    expect(names()).toEqual(['b', 'C', 'a']);
  });

  it('moves no row under the pointer', () => {
    const { containers, list, names } = listOf(...all);
    list.sort('verdict');
    list.hold();
    const bad = { verdict: aVerdict('bad', 'Unhealthy') };
    containers.apply([
      { revision: 2, upserts: [aContainer('C', { ...at(2), ...bad })], removals: [], history: [] },
    ]);
    expect(names()).toEqual(['a', 'b', 'C']);
    list.release();
    expect(names()).toEqual(['C', 'a', 'b']);
  });

  it('of ten thousand takes less than a frame', () => {
    const many = Array.from({ length: 10_000 }, (_, n) => aContainer(`c${(n * 7919) % 10_000}`, at(n)));
    const { list } = listOf(...many);
    const took = Array.from({ length: 20 }, () => {
      const began = process.cpuUsage();
      list.sort('name');
      expect(list.rows.length).toBe(10_000);
      return process.cpuUsage(began).user / 1000;
    });
    expect(Math.min(...took), 'milliseconds of our own, the best of twenty').toBeLessThan(16);
  });
});

describe('checking', () => {
  const rows = ['a', 'b', 'c', 'd'].map((name, n) => aContainer(name, at(9 - n)));
  const checked = (list: List) => list.checked.map((row) => row.id);

  it('takes a row in and out, a range, and all', () => {
    const { list } = listOf(...rows);
    list.check('b');
    list.checkTo('d');
    expect(checked(list)).toEqual(['b', 'c', 'd']);
    list.check('c');
    expect(checked(list)).toEqual(['b', 'd']);
    list.checkAll();
    expect(list.allChecked).toBe(true);
    list.uncheckAll();
    expect(checked(list)).toEqual([]);
  });

  it('a range from nowhere is the one row', () => {
    const { list } = listOf(...rows);
    list.checkTo('c');
    expect(checked(list)).toEqual(['c']);
  });

  it('never counts what a filter hides: that is not acted upon', () => {
    const { list } = listOf(...rows);
    list.checkAll();
    list.search = 'a-container';
    expect(checked(list)).toEqual(['a']);
  });

  it('lets go of what left the index', () => {
    const { containers, list } = listOf(...rows);
    list.checkAll();
    containers.apply([{ revision: 2, upserts: [], removals: ['a'], history: [] }]);
    expect(checked(list)).toEqual(['b', 'c', 'd']);
  });
});
