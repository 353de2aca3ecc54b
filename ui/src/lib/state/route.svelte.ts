export type Page = 'home' | 'containers' | 'stale' | 'health' | 'settings' | 'gallery';

const PAGES: Record<string, Page> = {
  '/': 'home',
  '/containers': 'containers',
  '/containers/stale': 'stale',
  '/health': 'health',
  '/settings': 'settings',
  '/gallery': 'gallery',
};

/** What the pane shows of a container. */
export type Tab = 'overview' | 'timeline' | 'inspect';

const TABS: readonly string[] = ['overview', 'timeline', 'inspect'];

/**
 * Where the window is, as its address says after the hash: a page, `?row=…`, `?show=…` or `?find=…` for what is
 * to be looked at there, and `?open=…&tab=…` for the container whose pane lies over it.
 */
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

  /** The words that were to be searched for. */
  get find(): string | null {
    return this.#asked('find');
  }

  /** The container whose pane is open. */
  get open(): string | null {
    return this.#asked('open');
  }

  get tab(): Tab {
    const tab = this.#asked('tab');
    return tab !== null && TABS.includes(tab) ? (tab as Tab) : 'overview';
  }

  /** What was asked for is on the screen; asking for it again is a new wish. */
  arrived(): void {
    this.#replace({ row: null, show: null, find: null });
  }

  /** Opens a container's pane over the page as it is; the way back closes it. */
  openPane(row: string): void {
    if (this.open === null) location.hash = this.#with({ open: row });
    else this.#replace({ open: row });
    this.#hash = location.hash;
  }

  choose(tab: Tab): void {
    this.#replace({ tab: tab === 'overview' ? null : tab });
  }

  closePane(): void {
    this.#replace({ open: null, tab: null });
  }

  start(): () => void {
    const follow = () => {
      this.#hash = location.hash;
    };
    window.addEventListener('hashchange', follow);
    return () => window.removeEventListener('hashchange', follow);
  }

  #replace(parts: Record<string, string | null>): void {
    this.#hash = this.#with(parts);
    history.replaceState(null, '', this.#hash);
  }

  #with(parts: Record<string, string | null>): string {
    const query = this.#query;
    for (const [name, value] of Object.entries(parts))
      if (value === null) query.delete(name);
      else query.set(name, value);
    const text = query.toString();
    return `#${this.#path}${text && `?${text}`}`;
  }

  #asked(what: string): string | null {
    return this.#query.get(what);
  }

  get #query(): URLSearchParams {
    return new URLSearchParams(this.#hash.split('?')[1] ?? '');
  }

  get #path(): string {
    return this.#hash.replace(/^#/, '').split('?')[0] || '/';
  }
}

export const to = {
  home: '#/',
  containers: '#/containers',
  stale: '#/containers/stale',
  health: '#/health',
  settings: '#/settings',
  gallery: '#/gallery',
  group: (group: string) => `#/containers?show=${encodeURIComponent(group)}`,
  container: (row: string) => `#/containers?row=${encodeURIComponent(row)}`,
  search: (words: string) => `#/containers?find=${encodeURIComponent(words)}`,
  /** What a pane is opened with for a container that is no longer in the index. */
  gone: (containerId: string, name: string) => `${GONE}${containerId}:${name}`,
};

const GONE = 'gone:';

/** Of what {@link to.gone} made. */
export function goneOf(open: string): { containerId: string; name: string } | null {
  if (!open.startsWith(GONE)) return null;
  const [containerId = '', ...name] = open.slice(GONE.length).split(':');
  return { containerId, name: name.join(':') };
}
