/**
 * How the window stays true: subscribe, then ask for a snapshot, then apply only what is newer. A patch carries what
 * one commit changed and is applied as it is; the list is asked for again only when something was missed.
 */
import { failure, type Announcement, type Backend, type Failure, type Patch } from '$lib/api/client';
import type { Snapshot, Standing, Status, Unlisten } from '$lib/api/client';

/** What is told, in order. */
export interface Sink {
  stand(standing: Standing): void;
  reset(snapshot: Snapshot): void;
  apply(patches: readonly Patch[]): void;
  status(status: Status): void;
  failed(why: Failure): void;
  /** Everything that is announced, as it comes: for what asks again when it is touched. */
  heard(announcement: Announcement): void;
}

/** Runs `apply` before the next frame is drawn; a burst of patches is then one pass over the list. */
export type Schedule = (apply: () => void) => void;

/** A hidden window draws no frames; what was heard must not pile up until it is looked at again. */
const HIDDEN_MS = 250;

export const beforeNextFrame: Schedule = (apply) => {
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    apply();
  };
  const frame = requestAnimationFrame(once);
  const timer = setTimeout(once, HIDDEN_MS);
};

export class Feed {
  readonly #backend: Backend;
  readonly #sink: Sink;
  readonly #schedule: Schedule;

  #unlisten: Unlisten[] = [];
  #listening = false;
  #standing: string | undefined;
  /** The revision that is on the screen, or will be with the next frame. */
  #revision = 0;
  /** The engine whose containers these are: another one has a list of its own. */
  #engine: string | null | undefined;
  /** Patches that wait for the next frame. */
  #heard: Patch[] = [];
  /** Whether a snapshot is on its way; patches then wait for it. */
  #asking = false;
  /** What was said of the system while a snapshot was on its way: every later state is said too, so it is the newer. */
  #said: Status | undefined;
  /** Whether something was missed while a snapshot was on its way. */
  #doubt = false;
  #scheduled = false;

  constructor(backend: Backend, sink: Sink, schedule: Schedule = beforeNextFrame) {
    this.#backend = backend;
    this.#sink = sink;
    this.#schedule = schedule;
  }

  async start(): Promise<void> {
    this.#listening = true;
    const unlisten = await Promise.all([
      this.#backend.onAnnounced((announcement) => this.#hear(announcement)),
      this.#backend.onStanding((standing) => this.#stand(standing)),
    ]);
    if (!this.#listening) return unlisten.forEach((end) => end());
    this.#unlisten = unlisten;
    this.#stand(await this.#backend.standing());
  }

  stop(): void {
    this.#listening = false;
    this.#unlisten.forEach((end) => end());
    this.#unlisten = [];
  }

  /** Asks for everything anew. */
  async refresh(): Promise<void> {
    if (this.#asking) {
      this.#doubt = true;
      return;
    }
    this.#asking = true;
    do {
      this.#doubt = false;
      this.#said = undefined;
      try {
        const snapshot = await this.#backend.snapshot();
        if (!this.#listening) break;
        this.#reset(snapshot);
      } catch (cause) {
        if (this.#listening) this.#sink.failed(failure(cause));
      }
      // The compiler cannot know that an announcement may have come in between.
    } while (this.#doubt as boolean);
    this.#asking = false;
    this.#later();
  }

  #stand(standing: Standing): void {
    const text = JSON.stringify(standing);
    if (!this.#listening || text === this.#standing) return;
    this.#standing = text;
    this.#sink.stand(standing);
    if (standing.state === 'own' || standing.state === 'attached') void this.refresh();
  }

  #hear(announcement: Announcement): void {
    if (!this.#listening) return;
    this.#sink.heard(announcement);
    switch (announcement.type) {
      case 'patch':
        this.#heard.push(announcement);
        this.#later();
        break;
      case 'status':
        if (this.#asking) this.#said = announcement;
        this.#sink.status(announcement);
        if (this.#engine !== undefined && announcement.engine.id !== null)
          this.#engineIs(announcement.engine.id);
        break;
      case 'lagged':
        void this.refresh();
        break;
      case 'gap':
      case 'stale':
      case 'notice':
      case 'notice_rules':
      case 'setting':
      case 'gone':
        break;
    }
  }

  #engineIs(id: string): void {
    const another = this.#engine !== null && this.#engine !== id;
    this.#engine = id;
    if (another) void this.refresh();
  }

  #reset(snapshot: Snapshot): void {
    this.#revision = snapshot.revision;
    this.#engine = snapshot.status.engine.id;
    this.#sink.reset(snapshot);
    if (this.#said) this.#sink.status(this.#said);
  }

  #later(): void {
    if (this.#scheduled || this.#asking || this.#heard.length === 0) return;
    this.#scheduled = true;
    this.#schedule(() => {
      this.#scheduled = false;
      if (this.#listening && !this.#asking) this.#apply();
    });
  }

  #apply(): void {
    const newer = this.#heard.filter((patch) => patch.revision > this.#revision);
    this.#heard = [];
    const inOrder = newer.every((patch, n) => patch.revision === this.#revision + 1 + n);
    if (!inOrder) return void this.refresh();
    const last = newer.at(-1);
    if (!last) return;
    this.#revision = last.revision;
    this.#sink.apply(newer);
  }
}
