export interface Toast {
  id: number;
  /** `danger` where something failed; `idle` where something was done. */
  tone: 'danger' | 'idle';
  title: string;
  text: string;
  /** What can be done about it, once. */
  action: ToastAction | null;
}

export interface ToastAction {
  label: string;
  act: () => void;
}

/** Long enough to read two sentences. */
const SHOWN_MS = 8000;
const MOST = 4;

/** Messages at the bottom right. */
export class Toasts {
  #all = $state.raw<readonly Toast[]>([]);
  #next = 1;
  readonly #ends = new Map<number, ReturnType<typeof setTimeout>>();

  get all(): readonly Toast[] {
    return this.#all;
  }

  /** Something failed. */
  say(title: string, text: string): void {
    this.#show({ tone: 'danger', title, text, action: null });
  }

  /** Something was done, and may be taken back. */
  did(title: string, action: ToastAction | null = null, text = ''): void {
    this.#show({ tone: 'idle', title, text, action });
  }

  dismiss(id: number): void {
    this.keep(id);
    this.#all = this.#all.filter((toast) => toast.id !== id);
  }

  /** Under the pointer it stays: who aims at its button must find it there. */
  keep(id: number): void {
    clearTimeout(this.#ends.get(id));
    this.#ends.delete(id);
  }

  letGo(id: number): void {
    this.keep(id);
    this.#ends.set(
      id,
      setTimeout(() => this.dismiss(id), SHOWN_MS),
    );
  }

  #show(toast: Omit<Toast, 'id'>): void {
    const id = this.#next;
    this.#next += 1;
    this.#all = [...this.#all, { id, ...toast }].slice(-MOST);
    this.letGo(id);
  }
}
