import { expect, it } from 'vitest';

import type { Container, State } from '$lib/api/client';
import { aContainer, aVerdict, Fake } from '$lib/api/fake';
import { en } from '$lib/i18n/en';
import { Containers } from '$lib/state/containers.svelte';

import { GROUPS, isIn, Tally } from './groups';

const STATES = Object.keys(new Tally().groups).filter((group) => group !== 'attention') as State[];

it('every state is a group of its own, so that no container is in two or in none', () => {
  for (const state of STATES) {
    const container: Container = aContainer('c', { state });
    expect(GROUPS.filter((group) => isIn(group, container))).toEqual([state]);
  }
  expect(new Set(GROUPS)).toEqual(new Set([...STATES, 'attention']));
});

it('what needs a look does so in any state', () => {
  const paused = aContainer('c', { state: 'paused', verdict: aVerdict('warn', 'Paused') });
  expect(GROUPS.filter((group) => isIn(group, paused))).toEqual(['attention', 'paused']);
});

it('the figures are those of the groups', () => {
  const containers = new Containers(new Fake());
  containers.reset([
    aContainer('a'),
    aContainer('b', { state: 'restarting', verdict: aVerdict('bad', 'Restarting') }),
    aContainer('c', { state: 'created', workload_kind: 'stack' }),
  ]);
  const tally = Tally.of(containers.rows);
  for (const group of GROUPS) {
    const among = containers.rows.filter((row) => isIn(group, row.latest)).length;
    expect(tally.groups[group], en.containers.states[group]).toBe(among);
  }
  expect(tally.kinds).toEqual({ project: 0, stack: 1, site: 0, foreign: 2 });
});
