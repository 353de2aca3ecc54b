import { failure, type Failure } from '$lib/api/client';

/**
 * One question and its answer. Asked anew, it keeps the old answer on the screen until the new one comes; an answer
 * that comes after it was let go, or after a later question, is dropped.
 */
export class Answer<T> {
  #turn = 0;
  #value = $state.raw<T | null>(null);
  #failure = $state.raw<Failure | null>(null);
  #asking = $state(false);
  #at = $state<number | null>(null);

  get value(): T | null {
    return this.#value;
  }

  /** Why the last question was not answered. */
  get failure(): Failure | null {
    return this.#failure;
  }

  get asking(): boolean {
    return this.#asking;
  }

  /** When it was last answered. */
  get at(): number | null {
    return this.#at;
  }

  async ask(question: () => Promise<T>): Promise<void> {
    const turn = (this.#turn += 1);
    this.#asking = true;
    try {
      const value = await question();
      if (turn === this.#turn) this.is(value);
    } catch (cause) {
      if (turn === this.#turn) this.#failure = failure(cause);
    }
    if (turn === this.#turn) this.#asking = false;
  }

  /** What is now known without asking. */
  is(value: T): void {
    this.#value = value;
    this.#failure = null;
    this.#at = Date.now();
  }

  /** Nobody looks any more: what is still on its way is dropped. */
  letGo(): void {
    this.#turn += 1;
    this.#asking = false;
  }

  /** The same, and nothing is known any more: what follows is about something else. */
  forget(): void {
    this.letGo();
    this.#value = null;
    this.#failure = null;
    this.#at = null;
  }
}
