import { cleanup } from '@testing-library/svelte';
import { afterEach } from 'vitest';

/** The simulated browser lays nothing out, so there is never a size to report. */
class NoLayout implements ResizeObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

globalThis.ResizeObserver = NoLayout;

afterEach(cleanup);
