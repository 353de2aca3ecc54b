import {
  failure,
  type Announcement,
  type Backend,
  type Failure,
  type StaleContainer,
  type Unlisten,
} from '$lib/api/client';

import { Answer } from './answer.svelte';
import type { Hearing } from './hearing';

/** A burst of changes is one question: each of them costs the engine a measure of its disk. */
const AT_MOST_EVERY_MS = 1000;

/** A snooze must end in the future; this is as good as now. */
const SOON_MS = 500;

/** The containers that nobody needs any more. Stale is asked, not stored: what touches one of them asks anew. */
export class Stale {
  readonly #backend: Backend;
  readonly #hearing: Hearing;
  readonly #answer = new Answer<StaleContainer[]>();
  #days = $state<number | null>(null);
  #foreign = $state(false);
  #soon: ReturnType<typeof setTimeout> | undefined;

  constructor(backend: Backend, hearing: Hearing) {
    this.#backend = backend;
    this.#hearing = hearing;
  }

  /** Longest first; `null` until they were read. */
  readonly all: readonly StaleContainer[] | null = $derived(
    this.#answer.value?.toSorted((a, b) => Date.parse(a.since) - Date.parse(b.since)) ?? null,
  );

  /** What all of them free in all; `null` where the engine could not be asked of any. */
  readonly frees: number | null = $derived.by(() => {
    const sizes = (this.all ?? []).map((one) => one.frees_bytes).filter((size) => size !== null);
    return sizes.length > 0 ? sizes.reduce((sum, size) => sum + size, 0) : null;
  });

  get failure(): Failure | null {
    return this.#answer.failure;
  }

  get days(): number | null {
    return this.#days;
  }

  get foreign(): boolean {
    return this.#foreign;
  }

  /** Asks with other wishes than the settings'. */
  look(days: number | null, foreign: boolean): void {
    this.#days = days;
    this.#foreign = foreign;
    this.ask();
  }

  ask(): void {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    const [days, foreign] = [this.#days, this.#foreign];
    void this.#answer.ask(() => this.#backend.stale(days, foreign));
  }

  /** Hears of what became stale, for who only counts. It does not ask: nothing is looked at yet. */
  listen(): Unlisten {
    return this.#hearing.on(({ type }) => {
      if (type === 'stale') this.ask();
    });
  }

  /** Keeps the list true until it is let go. */
  follow(): Unlisten {
    const end = this.#hearing.on((announcement) => {
      if (this.#touches(announcement)) this.#soon ??= setTimeout(() => this.ask(), AT_MOST_EVERY_MS);
    });
    this.ask();
    return () => {
      end();
      clearTimeout(this.#soon);
      this.#soon = undefined;
      this.#answer.letGo();
    };
  }

  pin(container: string): Promise<Failure | null> {
    return this.#wish(() => this.#backend.pin(container));
  }

  unpin(container: string): Promise<Failure | null> {
    return this.#wish(() => this.#backend.unpin(container));
  }

  snooze(container: string, until: Date): Promise<Failure | null> {
    return this.#wish(() => this.#backend.snooze(container, until.toISOString()));
  }

  /** Takes a snooze back: it ends at once, or as near to it as one may ask for. */
  async wake(container: string): Promise<Failure | null> {
    const failed = await this.snooze(container, new Date(Date.now() + SOON_MS));
    this.#soon ??= setTimeout(() => this.ask(), 2 * SOON_MS);
    return failed;
  }

  async #wish(ask: () => Promise<unknown>): Promise<Failure | null> {
    try {
      await ask();
      return null;
    } catch (cause) {
      return failure(cause);
    } finally {
      this.ask();
    }
  }

  #touches(announcement: Announcement): boolean {
    switch (announcement.type) {
      case 'patch': {
        const shown = new Set(this.#answer.value?.map((one) => one.id));
        const stopped = announcement.upserts.some((one) => one.state !== 'running');
        return (
          stopped ||
          announcement.upserts.some((one) => shown.has(one.id)) ||
          announcement.removals.some((id) => shown.has(id))
        );
      }
      case 'stale':
      case 'setting':
      case 'lagged':
        return true;
      case 'gap':
      case 'status':
      case 'notice':
      case 'notice_rules':
      case 'gone':
        return false;
    }
  }
}
