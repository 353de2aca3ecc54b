import { failure, type Backend, type Failure, type Setting, type Unlisten } from '$lib/api/client';

import { Answer } from './answer.svelte';
import type { Hearing } from './hearing';

/** Every setting of the core, kept true while somebody looks: another face may change one too. */
export class Settings {
  readonly #backend: Backend;
  readonly #hearing: Hearing;
  readonly #answer = new Answer<Setting[]>();

  constructor(backend: Backend, hearing: Hearing) {
    this.#backend = backend;
    this.#hearing = hearing;
  }

  get all(): readonly Setting[] | null {
    return this.#answer.value;
  }

  get failure(): Failure | null {
    return this.#answer.failure;
  }

  ask(): void {
    void this.#answer.ask(() => this.#backend.settings());
  }

  follow(): Unlisten {
    const end = this.#hearing.on((announcement) => {
      if (announcement.type === 'setting' || announcement.type === 'lagged') this.ask();
    });
    this.ask();
    return () => {
      end();
      this.#answer.letGo();
    };
  }

  /** Says what stood there before, so that it can be taken back; a value that is refused changes nothing. */
  async set(key: string, value: string): Promise<{ before: string } | Failure> {
    const before = this.all?.find((setting) => setting.key === key)?.value ?? '';
    try {
      const now = await this.#backend.setSetting(key, value);
      this.#answer.is((this.all ?? []).map((setting) => (setting.key === key ? now : setting)));
      return { before };
    } catch (cause) {
      return failure(cause);
    }
  }
}
