export type Page = 'home' | 'containers' | 'health';

const PAGES: Record<string, Page> = {
  '/': 'home',
  '/containers': 'containers',
  '/health': 'health',
};

/** Where the window is, as its address says after the hash: `#/containers?row=…`. */
export class Route {
  #hash = $state(location.hash);

  get page(): Page {
    return PAGES[this.#path] ?? 'home';
  }

  /** The container that was asked for from outside. */
  get row(): string | null {
    return new URLSearchParams(this.#hash.split('?')[1] ?? '').get('row');
  }

  start(): () => void {
    const follow = () => {
      this.#hash = location.hash;
    };
    window.addEventListener('hashchange', follow);
    return () => window.removeEventListener('hashchange', follow);
  }

  get #path(): string {
    return this.#hash.replace(/^#/, '').split('?')[0] || '/';
  }
}

export const to = {
  home: '#/',
  containers: '#/containers',
  health: '#/health',
  container: (row: string) => `#/containers?row=${encodeURIComponent(row)}`,
};
