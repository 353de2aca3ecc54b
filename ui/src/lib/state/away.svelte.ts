import type { Backend, LogEntry, Unlisten } from '$lib/api/client';

const SEEN_KEY = 'tinyforge.seen';

/** Somebody who was gone for less than this has missed nothing worth a summary. */
const AWAY_MS = 10 * 60_000;

/** How often it is noted that somebody looks. */
const NOTE_MS = 30_000;

/** As many lines as are worth reading at once. */
const ASKED = 1000;
export const MOST_TOLD = 8;

/** What happened while nobody looked at the window: gaps, and what was bad or came from the engine. */
export class Away {
  readonly #backend: Backend;
  #since = $state<number | null>(null);
  #told = $state.raw<readonly LogEntry[]>([]);

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** When somebody last looked; `null` where nothing is to be told. */
  get since(): number | null {
    return this.#since;
  }

  /** Newest first. */
  get told(): readonly LogEntry[] {
    return this.#told;
  }

  dismiss(): void {
    this.#since = null;
    this.#told = [];
  }

  /** Asks once for what was missed, and from then on notes that somebody looks. */
  start(): Unlisten {
    let over = false;
    const seen = Number(localStorage.getItem(SEEN_KEY) ?? Number.NaN);
    if (Date.now() - seen > AWAY_MS) void this.#ask(seen, () => over);
    const note = () => {
      if (!document.hidden) localStorage.setItem(SEEN_KEY, `${Date.now()}`);
    };
    note();
    const timer = setInterval(note, NOTE_MS);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }

  /** Without an answer there is nothing to tell, and nothing to complain about either. */
  async #ask(seen: number, over: () => boolean): Promise<void> {
    const lines = await this.#backend.log(ASKED).catch((): LogEntry[] => []);
    if (over()) return;
    const told = lines.filter((line) => Date.parse(line.recorded_at) > seen && isWorthTelling(line));
    if (told.length === 0) return;
    this.#told = told.toReversed();
    this.#since = seen;
  }
}

function isWorthTelling(line: LogEntry): boolean {
  if (line.field === 'gap') return true;
  return line.level === 'bad' || line.level === 'warn' || line.cause === 'engine_restart';
}
