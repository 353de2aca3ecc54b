import type { Container, WorkloadKind } from '$lib/api/client';
import type { Containers, Row } from '$lib/state/containers.svelte';

export type Kind = WorkloadKind | 'foreign';
export type Group = 'running' | 'stopped' | 'attention' | 'missing';

export const KINDS: readonly Kind[] = ['project', 'stack', 'site', 'foreign'];
export const GROUPS: readonly Group[] = ['running', 'stopped', 'attention', 'missing'];

export const kindOf = (container: Container): Kind => container.workload_kind ?? 'foreign';

const IN_GROUP: Record<Group, (container: Container) => boolean> = {
  running: (c) => c.state === 'running' || c.state === 'restarting' || c.state === 'paused',
  stopped: (c) => c.state === 'stopped' || c.state === 'failed' || c.state === 'created',
  attention: (c) => c.verdict.level === 'warn' || c.verdict.level === 'bad',
  missing: (c) => c.state === 'missing',
};

interface Found {
  rows: readonly Row[];
  kinds: Record<Kind, number>;
  groups: Record<Group, number>;
}

const NOTHING: Found = {
  rows: [],
  kinds: { project: 0, stack: 0, site: 0, foreign: 0 },
  groups: { running: 0, stopped: 0, attention: 0, missing: 0 },
};

/**
 * Which containers the table shows. Chips of one group widen each other, the groups and the search narrow.
 *
 * While the pointer works on the table its rows keep their places: what appears is counted and waits, what goes
 * stays as it was, until the pointer leaves or asks for it.
 */
export class List {
  readonly #containers: Containers;
  #kinds = $state.raw<ReadonlySet<Kind>>(new Set());
  #groups = $state.raw<ReadonlySet<Group>>(new Set());
  #search = $state('');
  #held = $state.raw<readonly Row[] | null>(null);
  #selected = $state<string | null>(null);
  #before: readonly Row[] = [];

  constructor(containers: Containers) {
    this.#containers = containers;
  }

  readonly #found: Found = $derived.by(() => this.#find());

  get rows(): readonly Row[] {
    return this.#held ?? this.#found.rows;
  }

  /** New rows that wait for the pointer to leave. */
  get waiting(): number {
    if (this.#held === null) return 0;
    const held = new Set(this.#held);
    return this.#found.rows.filter((row) => !held.has(row)).length;
  }

  get kinds(): ReadonlySet<Kind> {
    return this.#kinds;
  }

  get groups(): ReadonlySet<Group> {
    return this.#groups;
  }

  get search(): string {
    return this.#search;
  }

  set search(text: string) {
    this.#search = text;
    this.release();
  }

  get filtered(): boolean {
    return this.#kinds.size > 0 || this.#groups.size > 0 || this.#search.trim() !== '';
  }

  get selected(): string | null {
    return this.#selected;
  }

  countOfKind(kind: Kind): number {
    return this.#found.kinds[kind];
  }

  countOfGroup(group: Group): number {
    return this.#found.groups[group];
  }

  toggleKind(kind: Kind): void {
    this.#kinds = toggled(this.#kinds, kind);
    this.release();
  }

  toggleGroup(group: Group): void {
    this.#groups = toggled(this.#groups, group);
    this.release();
  }

  clear(): void {
    this.#kinds = new Set();
    this.#groups = new Set();
    this.search = '';
  }

  select(id: string | null): void {
    this.#selected = id;
  }

  /** Moves the selection by so many rows and returns where it then is. */
  move(by: number): number {
    const rows = this.rows;
    const at = rows.findIndex((row) => row.id === this.#selected);
    const to = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1);
    this.#selected = rows[to]?.id ?? null;
    return to;
  }

  /** Keeps every row in its place. */
  hold(): void {
    this.#held ??= this.#found.rows;
  }

  /** Lets the rows be what they are. */
  release(): void {
    this.#held = null;
  }

  /** One walk over everything: ten thousand rows in about a millisecond. */
  #find(): Found {
    void this.#containers.version;
    const words = this.#search.toLowerCase().split(/\s+/).filter(Boolean);
    const found: Found = { ...NOTHING, kinds: { ...NOTHING.kinds }, groups: { ...NOTHING.groups } };
    const rows: Row[] = [];
    for (const row of this.#containers.rows) {
      const container = row.latest;
      const kind = kindOf(container);
      found.kinds[kind] += 1;
      for (const group of GROUPS) if (IN_GROUP[group](container)) found.groups[group] += 1;
      if (this.#fits(row, kind, words)) rows.push(row);
    }
    if (!sameRows(rows, this.#before)) this.#before = rows;
    return { ...found, rows: this.#before };
  }

  #fits(row: Row, kind: Kind, words: readonly string[]): boolean {
    if (this.#kinds.size > 0 && !this.#kinds.has(kind)) return false;
    if (this.#groups.size > 0 && ![...this.#groups].some((group) => IN_GROUP[group](row.latest)))
      return false;
    return words.every((word) => row.text.includes(word));
  }
}

function toggled<T>(set: ReadonlySet<T>, member: T): ReadonlySet<T> {
  const next = new Set(set);
  if (!next.delete(member)) next.add(member);
  return next;
}

function sameRows(a: readonly Row[], b: readonly Row[]): boolean {
  return a.length === b.length && a.every((row, n) => row === b[n]);
}
