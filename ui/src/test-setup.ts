import { cleanup } from '@testing-library/svelte';
import { afterEach } from 'vitest';

/** The simulated browser lays nothing out, so there is never a size to report. */
class NoLayout implements ResizeObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

globalThis.ResizeObserver = NoLayout;

/** Nor is there a width: no query ever matches. */
class NoMedia extends EventTarget implements MediaQueryList {
  readonly matches = false;
  readonly onchange = null;
  constructor(readonly media: string) {
    super();
  }
  addListener(): void {}
  removeListener(): void {}
}

globalThis.matchMedia = (query) => new NoMedia(query);

/** What lies over a page looks for the pointer and for what to scroll; here there is neither. */
Element.prototype.scrollIntoView = () => undefined;
Element.prototype.hasPointerCapture = () => false;

afterEach(cleanup);
