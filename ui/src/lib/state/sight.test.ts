import { describe, expect, it } from 'vitest';

import { Failure, type EngineState, type Standing, type Status } from '$lib/api/client';
import { aContainer, Fake } from '$lib/api/fake';

import { Containers } from './containers.svelte';
import { sight } from './sight';
import { System } from './status.svelte';

const NOW = Date.parse('2026-01-02T12:00:00Z');
const own: Standing = { state: 'own', home: '/h' };
const verified = { verified_at: '2026-01-02T11:59:00Z', age_ms: 60_000 };
const never = { verified_at: null, age_ms: null };

/** What the window is told before it is looked at. */
interface Told {
  standing: Standing;
  engine?: EngineState;
  reason?: string | null;
  index?: Pick<Status['index'], 'verified_at' | 'age_ms'>;
  rows?: number;
  failed?: boolean;
}

async function world({ standing, engine, reason = null, index = never, rows, failed }: Told) {
  const containers = new Containers(new Fake());
  const system = new System();
  system.stand(standing);
  if (engine) {
    const { status } = await new Fake().snapshot();
    const facts = { state: engine, reason };
    system.is(
      { ...status, engine: { ...status.engine, ...facts }, index: { ...status.index, ...index } },
      NOW,
    );
  }
  if (failed) containers.failed(new Failure('internal', 'why'));
  if (rows !== undefined) containers.reset(Array.from({ length: rows }, (_, n) => aContainer(`c${n}`)));
  return { containers, system };
}

describe('what the window can say of the containers', () => {
  it.each<[string, Told, string]>([
    ['at the start', { standing: { state: 'starting' } }, 'reading'],
    ['before the first answer', { standing: own }, 'reading'],
    ['while an engine is looked for', { standing: own, engine: 'away', rows: 0 }, 'reading'],
    ['before the first pass has ended', { standing: own, engine: 'connected', rows: 0 }, 'reading'],
    ['when there are none', { standing: own, engine: 'connected', index: verified, rows: 0 }, 'known'],
    ['without an engine', { standing: own, engine: 'absent', reason: 'why', rows: 0 }, 'unknown'],
    ['without permission', { standing: own, engine: 'denied', reason: 'why', rows: 0 }, 'unknown'],
    [
      'when an engine that had none went',
      { standing: own, engine: 'away', reason: 'why', index: verified, rows: 0 },
      'unknown',
    ],
    ['without a core', { standing: { state: 'lost', reason: 'why' } }, 'unknown'],
    ['when the reading failed', { standing: own, failed: true }, 'failed'],
    [
      'with rows of an engine that is away',
      { standing: own, engine: 'away', reason: 'why', rows: 2 },
      'known',
    ],
    ['with rows of a core that is gone', { standing: { state: 'lost', reason: 'why' }, rows: 2 }, 'known'],
  ])('%s', async (_, told, expected) => {
    const { containers, system } = await world(told);
    expect(sight(containers, system)).toBe(expected);
  });
});

it('an engine that is looked for is not called away', async () => {
  const { system } = await world({ standing: own, engine: 'away' });
  expect(system.trust(NOW)).toBe('reading');
  const gone = await world({ standing: own, engine: 'away', reason: 'it broke' });
  expect(gone.system.trust(NOW)).toBe('away');
});

it('what is no longer kept true stands still where it last was', async () => {
  const { system } = await world({ standing: own, engine: 'away', reason: 'why', index: verified });
  expect(system.stoodStillAt).toBe(NOW - 60_000);
  const live = await world({ standing: own, engine: 'connected', index: verified });
  expect(live.system.stoodStillAt).toBeNull();
});
