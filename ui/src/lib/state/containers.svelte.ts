import { failure, type Backend, type Container, type Failure, type Patch, type State } from '$lib/api/client';
import type { Verb } from '$lib/api/client';
import { port } from '$lib/format/ports';

/** One container on the screen. A patch changes the one row it names; nothing else is drawn again. */
export class Row {
  readonly id: string;
  #now: Container = $state.raw() as Container;
  #doing = $state<Verb | null>(null);
  /** The state the engine said it reached; the row is busy until the index says so too. */
  #awaited: State | null = null;
  /** The same as {@link now}, for what walks over all rows and watches {@link Containers.version} instead. */
  latest: Container = this.#now;
  /** What a search looks through. */
  text = '';

  constructor(container: Container) {
    this.id = container.id;
    this.is(container);
  }

  get now(): Container {
    return this.#now;
  }

  /** What was asked of the engine and is not yet so. */
  get doing(): Verb | null {
    return this.#doing;
  }

  is(container: Container): void {
    this.#now = container;
    this.latest = container;
    this.text = searchable(container);
    this.#settle();
  }

  asked(verb: Verb): void {
    this.#doing = verb;
    this.#awaited = null;
  }

  reached(state: State): void {
    this.#awaited = state;
    this.#settle();
  }

  refused(): void {
    this.#doing = null;
    this.#awaited = null;
  }

  #settle(): void {
    if (this.#awaited !== null && this.#awaited === this.#now.state) this.refused();
  }
}

/** Every container of the index, by its row's id. */
export class Containers {
  readonly #backend: Backend;
  readonly #byId = new Map<string, Row>();
  #rows = $state.raw<readonly Row[]>([]);
  #version = $state(0);
  #loaded = $state(false);
  #failure = $state.raw<Failure | null>(null);

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Newest first. The order of what is there never changes. */
  get rows(): readonly Row[] {
    return this.#rows;
  }

  /** Moves with every change to any row: for what looks at all of them at once. */
  get version(): number {
    return this.#version;
  }

  get loaded(): boolean {
    return this.#loaded;
  }

  /** Why the last snapshot could not be had. */
  get failure(): Failure | null {
    return this.#failure;
  }

  find(id: string): Row | undefined {
    return this.#byId.get(id);
  }

  reset(containers: readonly Container[]): void {
    const stay = new Set(containers.map((container) => container.id));
    for (const id of this.#byId.keys()) if (!stay.has(id)) this.#byId.delete(id);
    for (const container of containers) this.#put(container);
    this.#rows = [...this.#byId.values()].sort(newestFirst);
    this.#loaded = true;
    this.#failure = null;
    this.#version += 1;
  }

  apply(patches: readonly Patch[]): void {
    let moved = false;
    for (const patch of patches) {
      for (const id of patch.removals) moved = this.#byId.delete(id) || moved;
      for (const container of patch.upserts) moved = this.#put(container) || moved;
    }
    if (moved) this.#rows = [...this.#byId.values()].sort(newestFirst);
    this.#version += 1;
  }

  failed(why: Failure): void {
    this.#failure = why;
  }

  /** Asks the engine to act on one container; the row is busy until the index shows what came of it. */
  async act(verb: Verb, row: Row): Promise<Failure | null> {
    const id = row.now.container_id;
    if (id === null || row.doing !== null) return null;
    row.asked(verb);
    try {
      const acted = await this.#backend.act(verb, id);
      if (acted.error !== null) throw new Error(acted.error);
      row.reached(acted.state);
      return null;
    } catch (cause) {
      row.refused();
      return failure(cause);
    }
  }

  /** Whether it is new. */
  #put(container: Container): boolean {
    const row = this.#byId.get(container.id);
    if (row) row.is(container);
    else this.#byId.set(container.id, new Row(container));
    return !row;
  }
}

function newestFirst(a: Row, b: Row): number {
  const [x, y] = [a.now, b.now];
  if (x.created_at !== y.created_at) return x.created_at < y.created_at ? 1 : -1;
  return a.id < b.id ? -1 : 1;
}

function searchable(c: Container): string {
  const ports = c.ports.map(port);
  return [c.name, c.workload_name, c.role, c.image, c.container_id, c.state, c.verdict.text, ...ports]
    .filter((part) => part !== null)
    .join('\n')
    .toLowerCase();
}
