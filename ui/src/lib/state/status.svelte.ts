import type { Standing, Status } from '$lib/api/client';

/** What the header says of the index, in one word and one age. */
export type Trust = 'exact' | 'late' | 'reading' | 'away' | 'denied' | 'absent' | 'no_core';

/** A pass runs every 30 s; an index that was verified longer ago than two of them is late. */
const LATE_MS = 60_000;

/** How the core, the engine and the index are. */
export class System {
  #standing = $state.raw<Standing>({ state: 'starting' });
  #status = $state.raw<Status | null>(null);
  /** When the index was last verified, on this window's clock: an age survives a clock that differs. */
  #verifiedAt = $state<number | null>(null);
  /** When the core started, on the same clock. */
  #startedAt = $state<number | null>(null);

  get standing(): Standing {
    return this.#standing;
  }

  get status(): Status | null {
    return this.#status;
  }

  /** Whether a core answers. */
  get stands(): boolean {
    return this.#standing.state === 'own' || this.#standing.state === 'attached';
  }

  /** Whether what is on the screen is being kept true. */
  get live(): boolean {
    return this.stands && this.#status?.engine.state === 'connected';
  }

  /** Whether an engine is still being looked for: it is called away, and nothing says why. */
  get seeking(): boolean {
    const engine = this.#status?.engine;
    return this.stands && (engine === undefined || (engine.state === 'away' && engine.reason === null));
  }

  /** Whether the index was ever held against an engine. */
  get verified(): boolean {
    return this.#verifiedAt !== null;
  }

  /** Where what is on the screen is no longer kept true: the moment it last was. Whatever counts stands still there. */
  get stoodStillAt(): number | null {
    return this.live ? null : this.#verifiedAt;
  }

  /** Whether the engine is the simulated one. */
  get demo(): boolean {
    return this.#status?.engine.simulated ?? false;
  }

  stand(standing: Standing): void {
    this.#standing = standing;
  }

  is(status: Status, now: number): void {
    this.#status = status;
    this.#startedAt = status.uptime_s === null ? null : now - status.uptime_s * 1000;
    const age = status.index.age_ms;
    if (age !== null) this.#verifiedAt = now - age;
    else if (status.index.verified_at !== null) this.#verifiedAt = Date.parse(status.index.verified_at);
    else this.#verifiedAt = null;
  }

  /** How long the core has been up; nothing where none answers. */
  upFor(now: number): number | null {
    return this.stands && this.#startedAt !== null ? Math.max(0, now - this.#startedAt) : null;
  }

  age(now: number): number | null {
    return this.#verifiedAt === null ? null : Math.max(0, now - this.#verifiedAt);
  }

  trust(now: number): Trust {
    if (this.#standing.state === 'starting') return 'reading';
    if (!this.stands) return 'no_core';
    const engine = this.#status?.engine.state;
    if (engine === undefined || this.seeking) return 'reading';
    if (engine !== 'connected') return engine;
    const age = this.age(now);
    if (age === null) return 'reading';
    return age > LATE_MS ? 'late' : 'exact';
  }
}
