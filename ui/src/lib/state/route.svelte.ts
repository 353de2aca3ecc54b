export type Page = 'home' | 'containers' | 'health';

const PAGES: Record<string, Page> = {
  '/': 'home',
  '/containers': 'containers',
  '/health': 'health',
};

/** Where the window is, as its address says after the hash: `#/containers?row=…` or `?show=…`. */
export class Route {
  #hash = $state(location.hash);

  get page(): Page {
    return PAGES[this.#path] ?? 'home';
  }

  /** The container that was asked for from outside. */
  get row(): string | null {
    return this.#asked('row');
  }

  /** The group of containers that was asked for. */
  get group(): string | null {
    return this.#asked('show');
  }

  /** What was asked for is on the screen; asking for it again is a new wish. */
  arrived(): void {
    this.#hash = `#${this.#path}`;
    history.replaceState(null, '', this.#hash);
  }

  start(): () => void {
    const follow = () => {
      this.#hash = location.hash;
    };
    window.addEventListener('hashchange', follow);
    return () => window.removeEventListener('hashchange', follow);
  }

  #asked(what: string): string | null {
    return new URLSearchParams(this.#hash.split('?')[1] ?? '').get(what);
  }

  get #path(): string {
    return this.#hash.replace(/^#/, '').split('?')[0] || '/';
  }
}

export const to = {
  home: '#/',
  containers: '#/containers',
  health: '#/health',
  group: (group: string) => `#/containers?show=${encodeURIComponent(group)}`,
  container: (row: string) => `#/containers?row=${encodeURIComponent(row)}`,
};
