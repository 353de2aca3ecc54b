/** What is asked for while somebody looks: it is kept true, and dropped when it comes too late. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Failure, type Announcement, type HistoryEntry } from '$lib/api/client';
import { aContainer, aLine, aStale, Fake } from '$lib/api/fake';

import { Answer } from './answer.svelte';
import { Away } from './away.svelte';
import { Hearing } from './hearing';
import { History } from './history.svelte';
import { Looks } from './looks.svelte';
import { Settings } from './settings.svelte';
import { Stale } from './stale.svelte';

const settle = () => new Promise((done) => setTimeout(done));
const web = aContainer('web');
const db = aContainer('db');

function world(...rows: ReturnType<typeof aContainer>[]) {
  const fake = new Fake(rows);
  const hearing = new Hearing();
  void fake.onAnnounced((announcement) => hearing.tell(announcement));
  return { fake, hearing };
}

describe('an answer', () => {
  it('that comes after it was let go is dropped', async () => {
    const answer = new Answer<number>();
    const asked = answer.ask(async () => 1);
    answer.letGo();
    await asked;
    expect(answer.value).toBeNull();
  });

  it('that comes after a later one is dropped', async () => {
    const answer = new Answer<string>();
    let late: (text: string) => void = () => undefined;
    const first = answer.ask(() => new Promise((done) => (late = done)));
    await answer.ask(async () => 'second');
    late('first');
    await first;
    expect(answer.value).toBe('second');
  });

  it('stays on the screen while it is asked for anew, also when that fails', async () => {
    const answer = new Answer<number>();
    await answer.ask(async () => 1);
    await answer.ask(async () => {
      throw new Failure('engine_away', 'gone');
    });
    expect([answer.value, answer.failure?.message]).toEqual([1, 'gone']);
  });
});

describe('a history', () => {
  it('is newest first, and asked for again by each change of its container, and by no other', async () => {
    const { fake, hearing } = world(web, db);
    fake.lines.push(aLine(web, { to: 'running' }), aLine(web, { to: 'stopped' }));
    const history = new History(fake, hearing);
    const end = history.follow('web-container');
    await settle();
    expect(history.entries?.map((entry) => entry.to)).toEqual(['stopped', 'running']);
    fake.happen(aLine(db));
    expect(fake.asked.history).toBe(1);
    fake.happen(aLine(web, { to: 'paused' }));
    await settle();
    expect(history.entries?.[0]?.to).toBe('paused');
    end();
    fake.happen(aLine(web));
    expect(fake.asked.history, 'nobody looks any more').toBe(2);
  });

  it('of one container is never shown as that of another', async () => {
    const { fake, hearing } = world(web, db);
    let late: (entries: HistoryEntry[]) => void = () => undefined;
    vi.spyOn(fake, 'history').mockImplementationOnce(() => new Promise((done) => (late = done)));
    const history = new History(fake, hearing);
    const end = history.follow('web-container');
    end();
    fake.lines.push(aLine(db, { to: 'of db' }));
    history.follow('db-container');
    late([aLine(web, { to: 'of web' })]);
    await settle();
    expect(history.entries?.map((entry) => entry.to)).toEqual(['of db']);
  });

  it('is asked for again when something was missed', async () => {
    const { fake, hearing } = world(web);
    const history = new History(fake, hearing);
    history.follow('web-container');
    fake.announce({ type: 'lagged', missed: 3 } as Announcement);
    expect(fake.asked.history).toBe(2);
  });
});

describe('what is stale', () => {
  const shop = { workload_name: 'shop', role: 'dev' };

  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const flush = () => vi.advanceTimersByTimeAsync(0);

  it('stands the longest first, and says what all of it frees', async () => {
    const { fake, hearing } = world(web, db);
    fake.stales.push(
      aStale(web, { ...shop, since: '2026-01-01T00:00:00Z', frees_bytes: 5 }),
      aStale(db, { ...shop, since: '2025-01-01T00:00:00Z', frees_bytes: null }),
    );
    const stale = new Stale(fake, hearing);
    stale.follow();
    await flush();
    expect(stale.all?.map((one) => one.name)).toEqual(['db', 'web']);
    expect(stale.frees).toBe(5);
  });

  it('is asked for once for a burst of changes, each of which costs the engine a measure', async () => {
    const { fake, hearing } = world(web);
    const stale = new Stale(fake, hearing);
    const end = stale.follow();
    await flush();
    for (let n = 0; n < 50; n += 1) fake.become('web', { state: 'stopped', restart_count: n });
    expect(fake.asked.stale).toBe(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(fake.asked.stale).toBe(2);
    fake.become('web', { state: 'paused' });
    end();
    await vi.advanceTimersByTimeAsync(5000);
    expect(fake.asked.stale, 'nobody looks any more').toBe(2);
  });

  it('is without what was pinned, until it is taken back', async () => {
    const { fake, hearing } = world(web);
    fake.stales.push(aStale(web, shop));
    const stale = new Stale(fake, hearing);
    stale.follow();
    await flush();
    expect(await stale.pin('web')).toBeNull();
    await flush();
    expect(stale.all).toEqual([]);
    await stale.unpin('web');
    await flush();
    expect(stale.all?.length).toBe(1);
  });

  it('says why a wish was refused', async () => {
    const { fake, hearing } = world();
    const stale = new Stale(fake, hearing);
    expect((await stale.pin('nobody'))?.code).toBe('not_found');
  });
});

describe('the settings', () => {
  it('say what stood there before, and follow what another face changes', async () => {
    const { fake, hearing } = world();
    const settings = new Settings(fake, hearing);
    settings.follow();
    await settle();
    expect(await settings.set('backup_keep', '3')).toEqual({ before: '7' });
    await fake.setSetting('pass_interval_s', '60');
    await settle();
    const value = (key: string) => settings.all?.find((one) => one.key === key)?.value;
    expect([value('backup_keep'), value('pass_interval_s')]).toEqual(['3', '60']);
  });

  it('that are refused change nothing', async () => {
    const { fake, hearing } = world();
    const settings = new Settings(fake, hearing);
    settings.follow();
    await settle();
    fake.refuses.setSetting = new Failure('usage', 'at most 100');
    const came = await settings.set('backup_keep', '9000');
    expect(came instanceof Failure && came.message).toBe('at most 100');
    expect(settings.all?.find((one) => one.key === 'backup_keep')?.value).toBe('7');
  });
});

describe('what happened while nobody looked', () => {
  const HOUR = 3_600_000;
  const lines = (fake: Fake, hoursAgo: number, facts: Parameters<typeof aLine>[1]) =>
    fake.lines.push(
      aLine(web, {
        at: new Date(Date.now() - hoursAgo * HOUR).toISOString(),
        recorded_at: new Date(Date.now() - hoursAgo * HOUR).toISOString(),
        ...facts,
      }),
    );

  beforeEach(() => localStorage.clear());

  it('is told: what was bad, what came from the engine, and the gaps, newest first', async () => {
    localStorage.setItem('tinyforge.seen', `${Date.now() - 5 * HOUR}`);
    const { fake } = world(web);
    lines(fake, 9, { level: 'bad', to: 'before' });
    lines(fake, 4, { level: 'bad', to: 'crashed' });
    lines(fake, 3, { level: 'info', to: 'usual' });
    lines(fake, 2, { level: 'info', cause: 'engine_restart', to: 'restarted' });
    lines(fake, 1, { field: 'gap', container_id: null, to: 'gap' });
    const away = new Away(fake);
    const end = away.start();
    await settle();
    expect(away.told.map((line) => line.to)).toEqual(['gap', 'restarted', 'crashed']);
    away.dismiss();
    expect(away.since).toBeNull();
    end();
  });

  it.each([
    ['somebody who just looked', 60_000],
    ['who opens it for the first time', null],
  ])('is not told to %s', async (_, ago) => {
    if (ago !== null) localStorage.setItem('tinyforge.seen', `${Date.now() - ago}`);
    const { fake } = world(web);
    lines(fake, 0, { level: 'bad' });
    const away = new Away(fake);
    const end = away.start();
    await settle();
    expect(away.since).toBeNull();
    expect(fake.asked.log).toBe(0);
    end();
  });

  it('is not told when the window is closed before the answer comes', async () => {
    localStorage.setItem('tinyforge.seen', `${Date.now() - 5 * HOUR}`);
    const { fake } = world(web);
    lines(fake, 1, { level: 'bad' });
    const away = new Away(fake);
    away.start()();
    await settle();
    expect(away.since).toBeNull();
  });
});

describe('the looks', () => {
  beforeEach(() => localStorage.clear());

  it('are as the system says, until the user chooses, and stay chosen', () => {
    const end = new Looks().start();
    expect(document.documentElement.dataset.theme).toBe('light');
    end();
    const looks = new Looks();
    looks.theme = 'dark';
    looks.density = 'compact';
    expect(document.documentElement.dataset).toMatchObject({ theme: 'dark', density: 'compact' });
    const next = new Looks();
    expect([next.theme, next.density, next.rowHeight]).toEqual(['dark', 'compact', 28]);
  });

  it('that nobody knows are as good as none', () => {
    localStorage.setItem('tinyforge.theme', 'sepia');
    expect(new Looks().theme).toBe('system');
  });
});
