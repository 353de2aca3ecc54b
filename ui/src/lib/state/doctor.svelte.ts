import type { Backend, Failure, Finding } from '$lib/api/client';

import { Answer } from './answer.svelte';

/** What the last examination of every part found. It is made when asked for: it costs a walk through the database. */
export class Doctor {
  readonly #backend: Backend;
  readonly #answer = new Answer<Finding[]>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  get findings(): readonly Finding[] | null {
    return this.#answer.value;
  }

  get failure(): Failure | null {
    return this.#answer.failure;
  }

  get examining(): boolean {
    return this.#answer.asking;
  }

  /** When it was last made. */
  get at(): number | null {
    return this.#answer.at;
  }

  examine(): Promise<void> {
    return this.#answer.ask(() => this.#backend.doctor());
  }

  letGo(): void {
    this.#answer.letGo();
  }
}
