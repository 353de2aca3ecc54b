import type { Containers, Row } from '$lib/state/containers.svelte';

import { GROUPS, isIn, kindOf, KINDS, Tally, type Group, type Kind } from './groups';
import { inOrder, type SortKey, type Sorted } from './order';

interface Found {
  rows: readonly Row[];
  tally: Tally;
}

interface Chosen {
  kinds: ReadonlySet<Kind>;
  groups: readonly Group[];
  words: readonly string[];
}

/**
 * Which containers the table shows, and in which order. Chips of one group widen each other, the groups and the search narrow.
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
  #sorted = $state.raw<Sorted | null>(null);
  #checked = $state.raw<ReadonlySet<string>>(new Set());
  /** Where a range of checks begins. */
  #anchor: string | null = null;
  #before: readonly Row[] = [];
  /** What had a container since the page was opened: a filter that has once been offered stays where it is. */
  readonly #seen = new Set<Kind | Group>();

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

  /** How the rows are sorted; `null` is newest first. */
  get sorted(): Sorted | null {
    return this.#sorted;
  }

  /** Up, down, and back to newest first. */
  sort(key: SortKey): void {
    const { key: before, down } = this.#sorted ?? { key: null, down: false };
    if (before !== key) this.#sorted = { key, down: false };
    else this.#sorted = down ? null : { key, down: true };
    this.release();
  }

  /** The rows that are checked and shown: what is out of sight is never acted upon. */
  readonly checked: readonly Row[] = $derived.by(() =>
    this.#checked.size === 0 ? NONE : this.rows.filter((row) => this.#checked.has(row.id)),
  );

  isChecked(id: string): boolean {
    return this.#checked.has(id);
  }

  get allChecked(): boolean {
    return this.checked.length > 0 && this.checked.length === this.rows.length;
  }

  check(id: string): void {
    this.#checked = toggled(this.#checked, id);
    this.#anchor = id;
  }

  /** Checks everything from the last one that was checked to this one. */
  checkTo(id: string): void {
    const at = (wanted: string | null) => this.rows.findIndex((row) => row.id === wanted);
    const [from, to] = [at(this.#anchor), at(id)].sort((a, b) => a - b) as [number, number];
    if (from < 0) return this.check(id);
    const range = this.rows.slice(from, to + 1).map((row) => row.id);
    this.#checked = new Set([...this.#checked, ...range]);
  }

  checkAll(): void {
    this.#checked = new Set(this.rows.map((row) => row.id));
  }

  uncheckAll(): void {
    this.#checked = new Set();
    this.#anchor = null;
  }

  countOfKind(kind: Kind): number {
    return this.#found.tally.kinds[kind];
  }

  countOfGroup(group: Group): number {
    return this.#found.tally.groups[group];
  }

  /** The states worth a filter. */
  get groupsOffered(): readonly Group[] {
    void this.#found;
    return GROUPS.filter((group) => this.#seen.has(group) || this.#groups.has(group));
  }

  /** The kinds worth a filter: none where all are of one. */
  get kindsOffered(): readonly Kind[] {
    void this.#found;
    const kinds = KINDS.filter((kind) => this.#seen.has(kind) || this.#kinds.has(kind));
    return kinds.length > 1 || this.#kinds.size > 0 ? kinds : [];
  }

  /** Whether any container at all is of a workload. */
  get hasWorkloads(): boolean {
    return this.#found.tally.kinds.foreign < this.#containers.rows.length;
  }

  toggleKind(kind: Kind): void {
    this.#kinds = toggled(this.#kinds, kind);
    this.release();
  }

  toggleGroup(group: Group): void {
    this.#groups = toggled(this.#groups, group);
    this.release();
  }

  /** Shows those of one group, and nothing else narrows. */
  narrowTo(group: Group): void {
    this.clear();
    this.#groups = new Set([group]);
  }

  clear(): void {
    this.#kinds = new Set();
    this.#groups = new Set();
    this.search = '';
  }

  select(id: string | null): void {
    this.#selected = id;
  }

  /** Selects a container, past any filter that hides it, and returns where it is. */
  show(id: string): number {
    const at = () => this.rows.findIndex((row) => row.id === id);
    this.release();
    if (at() < 0) this.clear();
    this.#selected = id;
    return at();
  }

  /** Moves the selection by so many rows, from beyond the end that it comes from where there is none. */
  move(by: number): number {
    const rows = this.rows;
    const at = rows.findIndex((row) => row.id === this.#selected);
    const from = at >= 0 ? at : by > 0 ? -1 : rows.length;
    const to = Math.min(Math.max(from + by, 0), rows.length - 1);
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

  /** One walk over everything. What is chosen is read before it: to read it for each row costs more than the rows. */
  #find(): Found {
    void this.#containers.version;
    const chosen: Chosen = {
      kinds: this.#kinds,
      groups: [...this.#groups],
      words: this.#search.toLowerCase().split(/\s+/).filter(Boolean),
    };
    const tally = new Tally();
    const rows: Row[] = [];
    for (const row of this.#containers.rows) {
      tally.add(row.latest);
      if (fits(row, chosen)) rows.push(row);
    }
    if (this.#sorted) inOrder(rows, this.#sorted);
    for (const kind of KINDS) if (tally.kinds[kind] > 0) this.#seen.add(kind);
    for (const group of GROUPS) if (tally.groups[group] > 0) this.#seen.add(group);
    if (!sameRows(rows, this.#before)) this.#before = rows;
    return { rows: this.#before, tally };
  }
}

const NONE: readonly Row[] = [];

function fits(row: Row, { kinds, groups, words }: Chosen): boolean {
  const container = row.latest;
  if (kinds.size > 0 && !kinds.has(kindOf(container))) return false;
  if (groups.length > 0 && !groups.some((group) => isIn(group, container))) return false;
  return words.every((word) => row.text.includes(word));
}

function toggled<T>(set: ReadonlySet<T>, member: T): ReadonlySet<T> {
  const next = new Set(set);
  if (!next.delete(member)) next.add(member);
  return next;
}

function sameRows(a: readonly Row[], b: readonly Row[]): boolean {
  return a.length === b.length && a.every((row, n) => row === b[n]);
}
