/**
 * How containers are grouped, for every figure and every filter alike: by the state the engine says, each state its
 * own group, and beside them what somebody should look at, whatever its state.
 */
import type { Container, State, WorkloadKind } from '$lib/api/client';
import type { Row } from '$lib/state/containers.svelte';

export type Kind = WorkloadKind | 'foreign';
export type Group = State | 'attention';

export const KINDS: readonly Kind[] = ['project', 'stack', 'site', 'foreign'];

/** The steady ones first: a group that comes and goes moves none of those before it. */
export const GROUPS: readonly Group[] = [
  'running',
  'stopped',
  'attention',
  'missing',
  'paused',
  'created',
  'restarting',
  'deploying',
  'failed',
  'removing',
  'unknown',
];

export const isGroup = (word: string): word is Group => (GROUPS as readonly string[]).includes(word);

export const kindOf = (container: Container): Kind => container.workload_kind ?? 'foreign';

export const isIn = (group: Group, container: Container): boolean =>
  group === 'attention' ? wantsALook(container) : container.state === group;

export const wantsALook = ({ verdict }: Container): boolean =>
  verdict.level === 'warn' || verdict.level === 'bad';

export class Tally {
  readonly kinds: Record<Kind, number> = { project: 0, stack: 0, site: 0, foreign: 0 };
  readonly groups: Record<Group, number> = {
    running: 0,
    stopped: 0,
    attention: 0,
    missing: 0,
    paused: 0,
    created: 0,
    restarting: 0,
    deploying: 0,
    failed: 0,
    removing: 0,
    unknown: 0,
  };

  add(container: Container): void {
    this.kinds[kindOf(container)] += 1;
    this.groups[container.state] += 1;
    if (wantsALook(container)) this.groups.attention += 1;
  }

  static of(rows: readonly Row[]): Tally {
    const tally = new Tally();
    for (const row of rows) tally.add(row.latest);
    return tally;
  }
}
