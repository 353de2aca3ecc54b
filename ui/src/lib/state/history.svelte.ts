import type { Announcement, Backend, Failure, HistoryEntry, Unlisten } from '$lib/api/client';

import { Answer } from './answer.svelte';
import type { Hearing } from './hearing';

/** What befell one container, for as long as somebody looks. A cause may be thought over: every change asks anew. */
export class History {
  readonly #backend: Backend;
  readonly #hearing: Hearing;
  readonly #answer = new Answer<HistoryEntry[]>();

  constructor(backend: Backend, hearing: Hearing) {
    this.#backend = backend;
    this.#hearing = hearing;
  }

  /** Newest first. */
  readonly entries: readonly HistoryEntry[] | null = $derived(this.#answer.value?.toReversed() ?? null);

  get failure(): Failure | null {
    return this.#answer.failure;
  }

  /** Follows one container until it is let go. */
  follow(containerId: string): Unlisten {
    this.#answer.forget();
    const ask = () => void this.#answer.ask(() => this.#backend.history(containerId));
    const end = this.#hearing.on((announcement) => {
      if (concerns(announcement, containerId)) ask();
    });
    ask();
    return () => {
      end();
      this.#answer.letGo();
    };
  }
}

function concerns(announcement: Announcement, containerId: string): boolean {
  switch (announcement.type) {
    case 'patch':
      return announcement.history.some((line) => line.container_id === containerId);
    case 'gap':
    case 'lagged':
      return true;
    case 'status':
    case 'stale':
    case 'setting':
    case 'notice':
    case 'notice_rules':
    case 'gone':
      return false;
  }
}
