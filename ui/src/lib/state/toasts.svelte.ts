export interface Toast {
  id: number;
  title: string;
  text: string;
}

/** Long enough to read two sentences. */
const SHOWN_MS = 8000;
const MOST = 4;

/** Messages at the bottom right. */
export class Toasts {
  #all = $state.raw<readonly Toast[]>([]);
  #next = 1;

  get all(): readonly Toast[] {
    return this.#all;
  }

  say(title: string, text: string): void {
    const toast = { id: this.#next, title, text };
    this.#next += 1;
    this.#all = [...this.#all, toast].slice(-MOST);
    setTimeout(() => this.dismiss(toast.id), SHOWN_MS);
  }

  dismiss(id: number): void {
    this.#all = this.#all.filter((toast) => toast.id !== id);
  }
}
