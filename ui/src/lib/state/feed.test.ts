import { beforeEach, describe, expect, it, vi } from 'vitest';

import type { Announcement, Snapshot } from '$lib/api/client';
import { Failure } from '$lib/api/client';
import { aContainer, Fake } from '$lib/api/fake';

import { Containers } from './containers.svelte';
import { Feed } from './feed';

/** Lets everything that was promised happen. */
const settle = () => new Promise((done) => setTimeout(done));

describe('the feed', () => {
  let fake: Fake;
  let containers: Containers;
  let feed: Feed;
  let frames: (() => void)[];
  let applied: number[];
  let failed: string[];

  let passes: number;
  const frame = () => frames.splice(0).forEach((draw) => draw());
  const names = () => containers.rows.map((row) => row.now.name);
  const state = (id: string) => containers.find(id)?.now.state;

  beforeEach(() => {
    fake = new Fake([aContainer('web'), aContainer('db')]);
    containers = new Containers(fake);
    frames = [];
    applied = [];
    failed = [];
    feed = new Feed(
      fake,
      {
        stand: () => undefined,
        reset: (snapshot) => {
          containers.reset(snapshot.containers);
          passes = snapshot.status.index.passes;
        },
        apply: (patches) => {
          applied.push(...patches.map((patch) => patch.upserts.length + patch.removals.length));
          containers.apply(patches);
        },
        status: (status) => (passes = status.index.passes),
        failed: (why) => failed.push(why.message),
        heard: () => undefined,
      },
      (draw) => frames.push(draw),
    );
  });

  it('asks for one snapshot at the start', async () => {
    await feed.start();
    await settle();
    expect(names().sort()).toEqual(['db', 'web']);
    expect(fake.asked.snapshot).toBe(1);
  });

  it('applies one change as one patch with one entry, and never asks for the list again', async () => {
    await feed.start();
    await settle();
    fake.become('web', { state: 'stopped' });
    frame();
    expect(state('web')).toBe('stopped');
    expect(applied, 'one patch, one entry').toEqual([1]);
    for (let n = 0; n < 100; n += 1) {
      fake.become('db', { state: n % 2 ? 'running' : 'stopped' });
      frame();
    }
    await settle();
    expect(applied.length).toBe(101);
    expect(fake.asked.snapshot, 'the list is never fetched for a patch').toBe(1);
  });

  it('applies a burst before one frame in one walk', async () => {
    await feed.start();
    await settle();
    const apply = vi.spyOn(containers, 'apply');
    for (let n = 0; n < 50; n += 1) fake.change(aContainer(`new-${n}`));
    expect(apply).not.toHaveBeenCalled();
    frame();
    expect(apply).toHaveBeenCalledTimes(1);
    expect(containers.rows.length).toBe(52);
  });

  it('drops a patch that is older than the snapshot', async () => {
    const held = holdSnapshot();
    await feed.start();
    const before = await fake.snapshot();
    fake.become('web', { state: 'paused' });
    const after = await fake.snapshot();
    expect(after.revision).toBe(before.revision + 1);
    held.resolve(after);
    await settle();
    frame();
    expect(state('web')).toBe('paused');
    expect(applied, 'the snapshot held it already').toEqual([]);
  });

  it('keeps a patch that came while an older snapshot was on its way', async () => {
    const held = holdSnapshot();
    await feed.start();
    const before = await fake.snapshot();
    fake.become('web', { state: 'paused' });
    held.resolve(before);
    await settle();
    frame();
    expect(state('web')).toBe('paused');
    expect(applied).toEqual([1]);
  });

  it('keeps what was said of the system while an older snapshot was on its way', async () => {
    const held = holdSnapshot();
    await feed.start();
    const before = await fake.snapshot();
    const { index } = before.status;
    fake.announce({
      type: 'status',
      ...before.status,
      index: { ...index, passes: index.passes + 1 },
    } as Announcement);
    held.resolve(before);
    await settle();
    expect(passes).toBe(index.passes + 1);
  });

  it('asks again when told that something was missed', async () => {
    await feed.start();
    await settle();
    fake.miss(aContainer('unheard'));
    await settle();
    expect(names()).toContain('unheard');
    expect(fake.asked.snapshot).toBe(2);
  });

  it('asks again when a revision is left out', async () => {
    await feed.start();
    await settle();
    fake.lose(aContainer('unheard'));
    fake.change(aContainer('heard'));
    frame();
    await settle();
    expect(names()).toEqual(expect.arrayContaining(['heard', 'unheard']));
    expect(fake.asked.snapshot).toBe(2);
  });

  it('asks once more, not many times, when several lags come while a snapshot is on its way', async () => {
    await feed.start();
    await settle();
    fake.miss(aContainer('one'));
    fake.miss(aContainer('two'));
    fake.miss(aContainer('three'));
    await settle();
    expect(fake.asked.snapshot).toBe(3);
    expect(names()).toContain('three');
  });

  it('asks again when another core stands behind the window', async () => {
    await feed.start();
    await settle();
    fake.stand({ state: 'lost', reason: 'killed' });
    await settle();
    expect(fake.asked.snapshot, 'nobody is there to ask').toBe(1);
    expect(names().length, 'the last truth stays').toBe(2);
    fake.stand({ state: 'attached', home: '/h', ours: '1', daemon: '1' });
    await settle();
    expect(fake.asked.snapshot).toBe(2);
  });

  it('asks again when another engine answers', async () => {
    await feed.start();
    await settle();
    fake.engine('away');
    fake.engine('connected');
    await settle();
    expect(fake.asked.snapshot, 'the same engine is back: patches suffice').toBe(1);
    fake.engine('connected', { id: 'ANOTHER' });
    await settle();
    expect(fake.asked.snapshot).toBe(2);
  });

  it('says why a snapshot cannot be had', async () => {
    fake.refuses.snapshot = new Failure('database', 'the disk is full');
    await feed.start();
    await settle();
    expect(failed).toEqual(['the disk is full']);
  });

  it('hears nothing after it was stopped', async () => {
    await feed.start();
    await settle();
    fake.become('web', { state: 'stopped' });
    feed.stop();
    frame();
    expect(state('web')).toBe('running');
    expect(fake.listeners).toBe(0);
  });

  /** The next snapshot comes when the test lets it. */
  function holdSnapshot(): { resolve: (snapshot: Snapshot) => void } {
    let resolve: (snapshot: Snapshot) => void = () => undefined;
    const held = new Promise<Snapshot>((let_go) => {
      resolve = let_go;
    });
    vi.spyOn(fake, 'snapshot').mockImplementationOnce(() => held);
    return { resolve };
  }
});
