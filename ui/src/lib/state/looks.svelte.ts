/** How the window is drawn: what the user chose, kept for the next time, and what the system says where nothing is. */
export type Theme = 'system' | 'light' | 'dark';
export type Density = 'normal' | 'compact';

export const THEMES: readonly Theme[] = ['system', 'light', 'dark'];
export const DENSITIES: readonly Density[] = ['normal', 'compact'];

/** The heights of `--row`: a virtual list must know them beforehand. */
const ROW_HEIGHT: Record<Density, number> = { normal: 36, compact: 28 };

const THEME_KEY = 'tinyforge.theme';
const DENSITY_KEY = 'tinyforge.density';

export class Looks {
  #theme = $state<Theme>(kept(THEME_KEY, THEMES, 'system'));
  #density = $state<Density>(kept(DENSITY_KEY, DENSITIES, 'normal'));
  readonly #dark = matchMedia('(prefers-color-scheme: dark)');

  get theme(): Theme {
    return this.#theme;
  }

  set theme(theme: Theme) {
    this.#theme = theme;
    keep(THEME_KEY, theme);
    this.#draw();
  }

  get density(): Density {
    return this.#density;
  }

  set density(density: Density) {
    this.#density = density;
    keep(DENSITY_KEY, density);
    this.#draw();
  }

  get rowHeight(): number {
    return ROW_HEIGHT[this.#density];
  }

  /** Draws as chosen, and follows the system where that is the choice. */
  start(): () => void {
    const follow = () => this.#draw();
    this.#dark.addEventListener('change', follow);
    this.#draw();
    return () => this.#dark.removeEventListener('change', follow);
  }

  #draw(): void {
    const { dataset } = document.documentElement;
    dataset.theme = this.#theme === 'system' ? (this.#dark.matches ? 'dark' : 'light') : this.#theme;
    dataset.density = this.#density;
  }
}

function kept<T extends string>(key: string, known: readonly T[], otherwise: T): T {
  const word = localStorage.getItem(key);
  return known.find((one) => one === word) ?? otherwise;
}

/** A store that takes nothing costs the choice of the next time, and nothing now. */
function keep(key: string, word: string): void {
  try {
    localStorage.setItem(key, word);
  } catch {
    // It is drawn as chosen all the same.
  }
}
