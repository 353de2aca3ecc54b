import type { Announcement, Unlisten } from '$lib/api/client';

/** Who wants to hear what is announced, beside the lists that the feed keeps: a page that is open, a pane. */
export class Hearing {
  readonly #ears = new Set<(announcement: Announcement) => void>();

  on(hear: (announcement: Announcement) => void): Unlisten {
    this.#ears.add(hear);
    return () => this.#ears.delete(hear);
  }

  tell(announcement: Announcement): void {
    this.#ears.forEach((hear) => hear(announcement));
  }
}
