import { describe, expect, it } from 'vitest';

import { aContainer, aVerdict, Fake } from '$lib/api/fake';
import { Containers } from '$lib/state/containers.svelte';

import { List } from './list.svelte';

const at = (n: number) => ({ created_at: new Date(1e12 + n * 1000).toISOString() });

function listOf(...all: ReturnType<typeof aContainer>[]) {
  const containers = new Containers(new Fake());
  containers.reset(all);
  const list = new List(containers);
  const names = () => list.rows.map((row) => row.now.name);
  const change = (...upserts: ReturnType<typeof aContainer>[]) =>
    containers.apply([{ revision: 2, upserts, removals: [], history: [] }]);
  const remove = (...removals: string[]) =>
    containers.apply([{ revision: 3, upserts: [], removals, history: [] }]);
  return { containers, list, names, change, remove };
}

const project = { workload_kind: 'project', workload_id: 'w', workload_name: 'shop', role: 'dev' } as const;

describe('the filters', () => {
  const all = [
    aContainer('shop-dev', { ...project, ...at(4) }),
    aContainer('blog', { workload_kind: 'stack', workload_name: 'blog', role: 'web', ...at(3) }),
    aContainer('stray', { state: 'stopped', verdict: aVerdict('bad', 'Crashed: exit 3'), ...at(2) }),
    aContainer('lost', { ...project, state: 'missing', ...at(1) }),
  ];

  it('widen within a group and narrow between groups', () => {
    const { list, names } = listOf(...all);
    list.toggleKind('project');
    expect(names()).toEqual(['shop-dev', 'lost']);
    list.toggleKind('foreign');
    expect(names()).toEqual(['shop-dev', 'stray', 'lost']);
    list.toggleGroup('missing');
    expect(names()).toEqual(['lost']);
    list.clear();
    expect(names().length).toBe(4);
  });

  it('count each kind and state over everything', () => {
    const { list } = listOf(...all);
    list.toggleKind('site');
    expect(list.countOfKind('foreign')).toBe(1);
    expect(list.countOfGroup('attention')).toBe(1);
    expect(list.countOfGroup('running')).toBe(2);
    expect(list.rows.length).toBe(0);
  });

  it.each([
    ['SHOP', ['shop-dev', 'lost']],
    ['exit 3', ['stray']],
    ['shop missing', ['lost']],
    ['nginx', ['shop-dev', 'blog', 'stray', 'lost']],
    ['8080', []],
  ])('search %s over every column', (text, expected) => {
    const { list, names } = listOf(...all);
    list.search = text;
    expect(names()).toEqual(expected);
  });

  it('show a row as soon as it fits and let it go as soon as it does not', () => {
    const { list, names, change } = listOf(...all);
    list.toggleGroup('running');
    change(aContainer('stray', { ...at(2), verdict: aVerdict('fine', 'Running') }));
    expect(names()).toContain('stray');
    change(aContainer('blog', { ...at(3), state: 'stopped' }));
    expect(names()).not.toContain('blog');
  });
});

describe('the filters that are offered', () => {
  it('are those that find something, and stay where they are once offered', () => {
    const { list, change } = listOf(aContainer('a', { ...at(1), state: 'restarting' }));
    expect(list.groupsOffered).toEqual(['restarting']);
    change(aContainer('a', at(1)));
    expect(list.groupsOffered, 'none goes under a pointer that aims at it').toEqual([
      'running',
      'restarting',
    ]);
    expect(list.countOfGroup('restarting')).toBe(0);
  });

  it('are none by kind while all containers are of one', () => {
    const { list, change } = listOf(aContainer('a', at(1)));
    expect(list.kindsOffered).toEqual([]);
    change(aContainer('shop-dev', { ...project, ...at(2) }));
    expect(list.kindsOffered).toEqual(['project', 'foreign']);
  });
});

it('one group that is asked for replaces what was filtered before', () => {
  const { list, names } = listOf(aContainer('a', at(1)), aContainer('b', { ...at(2), state: 'paused' }));
  list.search = 'nothing';
  list.toggleGroup('running');
  list.narrowTo('paused');
  expect(names()).toEqual(['b']);
});

describe('under the pointer', () => {
  it('rows keep their places; what is new is counted and shown on leaving', () => {
    const { list, names, change, remove } = listOf(aContainer('a', at(1)), aContainer('b', at(2)));
    list.hold();
    change(aContainer('c', at(3)));
    remove('a');
    expect(names()).toEqual(['b', 'a']);
    expect(list.rows[1]?.gone, 'and is said to be gone').toBe(true);
    expect(list.waiting).toBe(1);
    list.release();
    expect(names()).toEqual(['c', 'b']);
    expect(list.waiting).toBe(0);
  });

  it('a row that stays is still kept true', () => {
    const { list, change } = listOf(aContainer('a', at(1)));
    list.hold();
    change(aContainer('a', { ...at(1), state: 'paused' }));
    expect(list.rows[0]?.now.state).toBe('paused');
  });
});

describe('the selection', () => {
  it('moves by rows, stops at the ends, and begins at the end it comes from', () => {
    const { list } = listOf(aContainer('a', at(3)), aContainer('b', at(2)), aContainer('c', at(1)));
    expect(list.move(1)).toBe(0);
    expect(list.move(1)).toBe(1);
    expect(list.move(5)).toBe(2);
    expect(list.selected).toBe('c');
    list.select(null);
    expect(list.move(-1)).toBe(2);
    list.select(null);
    expect(list.move(3), 'to the last one at once').toBe(2);
    list.select(null);
    expect(list.move(-3), 'and to the first').toBe(0);
  });
});

it('a container that is asked for is shown past the filters that hide it', () => {
  const { list } = listOf(aContainer('a', at(2)), aContainer('b', { ...at(1), state: 'stopped' }));
  list.toggleGroup('running');
  expect(list.show('b')).toBe(1);
  expect(list.selected).toBe('b');
  expect(list.filtered).toBe(false);
});

it('ten thousand rows are filtered in less than a frame', () => {
  const many = Array.from({ length: 10_000 }, (_, n) => aContainer(`c${n}`, at(n)));
  const { list } = listOf(...many);
  // The best of many: the first ones are still being compiled, and the machine does other things.
  const texts = ['c99', 'c88', 'c77', 'c66', 'c55'];
  const took = Array.from({ length: 8 }, () => texts)
    .flat()
    .map((text) => {
      const began = process.cpuUsage();
      list.search = text;
      expect(list.rows.length).toBe(111);
      return process.cpuUsage(began).user / 1000;
    });
  expect(Math.min(...took), 'milliseconds of our own, the best of forty').toBeLessThan(16);
});
