import { fireEvent, render, screen, within } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';

import { Failure } from '$lib/api/client';
import { aContainer, aVerdict, Fake } from '$lib/api/fake';
import { createApp } from '$lib/state/app';

import App from './App.svelte';
import { open, pointAt, row, settle } from './page-harness';

describe('the containers page', () => {
  it('draws one row again for one change, and no other', async () => {
    const fake = new Fake([aContainer('web'), aContainer('db'), aContainer('cache')]);
    await open(fake);
    const touched = new Set<string>();
    const watch = new MutationObserver((records) => {
      for (const record of records) {
        const node = record.target instanceof Element ? record.target : record.target.parentElement;
        const of = node?.closest<HTMLElement>('[data-container]');
        if (of?.dataset.container) touched.add(of.dataset.container);
      }
    });
    watch.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
    fake.become('db', { state: 'stopped', exit_code: 143, verdict: aVerdict('info', 'Stopped') });
    await settle();
    watch.disconnect();
    expect([...touched]).toEqual(['db']);
    expect(within(row('db')).getByText('stopped')).toBeTruthy();
    expect(fake.asked.snapshot).toBe(1);
  });

  it('says what to do where there is nothing yet', async () => {
    await open(new Fake());
    expect(screen.getByText('No containers yet')).toBeTruthy();
  });

  it('says so when nothing matches, and clears the filters', async () => {
    await open(new Fake([aContainer('web')]));
    await fireEvent.input(screen.getByLabelText('Search containers'), { target: { value: 'nothing' } });
    expect(screen.getByText('Nothing matches')).toBeTruthy();
    await fireEvent.click(screen.getByText('Clear filters'));
    expect(row('web')).toBeTruthy();
  });

  it('marks foreign ones in words where all are foreign too', async () => {
    await open(new Fake([aContainer('stray')]));
    expect(screen.getByText('all foreign')).toBeTruthy();
    expect(within(row('stray')).getByText('foreign')).toBeTruthy();
  });

  it('marks foreign and missing ones in words', async () => {
    await open(
      new Fake([
        aContainer('stray'),
        aContainer('lost', { workload_kind: 'project', workload_name: 'shop', state: 'missing' }),
      ]),
    );
    expect(within(row('stray')).getByText('foreign')).toBeTruthy();
    expect(within(row('lost')).getByText('missing')).toBeTruthy();
    expect(within(row('lost')).queryByText('foreign')).toBeNull();
  });

  it('shows what a container is called as text, whatever it is called', async () => {
    await open(new Fake([aContainer('x', { image: '<img src=x onerror=alert(1)>\u202egnp' })]));
    expect(document.querySelector('img')).toBeNull();
    expect(within(row('x')).getByText('<img src=x onerror=alert(1)>\ufffdgnp')).toBeTruthy();
  });

  it('says stopping until the engine says stopped', async () => {
    const fake = new Fake([aContainer('web')]);
    await open(fake);
    await pointAt('web');
    await fireEvent.click(screen.getByLabelText('Stop web'));
    await settle();
    expect(within(row('web')).getByText('stopping…')).toBeTruthy();
    fake.become('web', { state: 'stopped', exit_code: 143 });
    await settle();
    expect(within(row('web')).getByText('stopped')).toBeTruthy();
  });

  it('tells why an act failed, and the row is as before', async () => {
    const fake = new Fake([aContainer('web')]);
    fake.refuses.act = new Failure('refused', 'the engine said no');
    await open(fake);
    await pointAt('web');
    await fireEvent.click(screen.getByLabelText('Restart web'));
    await settle();
    expect(screen.getByRole('alert').textContent).toContain('the engine said no');
    expect(within(row('web')).getByText('running')).toBeTruthy();
  });

  it('goes by keyboard: / searches, j and k move, Escape lets go', async () => {
    await open(new Fake([aContainer('a', { created_at: '2026-01-02T23:00:00Z' }), aContainer('b')]));
    await fireEvent.keyDown(window, { key: 'j' });
    expect(row('a').getAttribute('aria-selected')).toBe('true');
    await fireEvent.keyDown(window, { key: 'j' });
    expect(row('b').getAttribute('aria-selected')).toBe('true');
    await fireEvent.keyDown(window, { key: 'k' });
    expect(row('a').getAttribute('aria-selected')).toBe('true');
    await fireEvent.keyDown(window, { key: '/' });
    expect(document.activeElement).toBe(screen.getByLabelText('Search containers'));
    await fireEvent.keyDown(window, { key: 'Escape' });
    expect(row('a').getAttribute('aria-selected')).toBe('false');
  });

  it('draws only the rows that are in sight', async () => {
    await open(new Fake(Array.from({ length: 10_000 }, (_, n) => aContainer(`c${n}`))));
    expect(screen.getByText('10,000 containers')).toBeTruthy();
    expect(document.querySelectorAll('[data-container]').length).toBeLessThan(60);
  });
});

describe('where nothing is known', () => {
  const noEngine = (fake: Fake) => {
    fake.index({ verified_at: null, age_ms: null });
    fake.engine('absent', { reason: 'why', cure: 'do this' });
  };

  it.each([
    ['#/', 'Get an engine, and its containers appear here'],
    ['#/containers', 'Nothing is known of the containers'],
  ])('%s draws no nought', async (page, says) => {
    const fake = new Fake();
    noEngine(fake);
    await open(fake, page);
    expect(screen.getByText(says)).toBeTruthy();
    expect(document.querySelector('main')?.textContent).not.toMatch(/\d/);
    expect(screen.getByRole('navigation').textContent).not.toMatch(/\d/);
  });

  it('says so, and not that it reads, when there was no core from the start', async () => {
    const fake = new Fake();
    fake.stand({ state: 'version_differs', ours: '0.1.0', reason: 'the daemon is 0.2.0' });
    await open(fake);
    expect(screen.getByText('Nothing is known of the containers')).toBeTruthy();
    expect(screen.queryByLabelText('Reading the containers…')).toBeNull();
  });

  it('an engine that is looked for is being read, and nothing is called wrong', async () => {
    const fake = new Fake();
    fake.index({ verified_at: null, age_ms: null });
    fake.engine('away');
    await open(fake);
    expect(screen.getByLabelText(/^Index: reading the engine…/)).toBeTruthy();
    expect(screen.getByLabelText('Reading the containers…')).toBeTruthy();
    expect(screen.queryByText('The engine does not answer.')).toBeNull();
  });
});

describe('the home page', () => {
  const all = [
    aContainer('web'),
    aContainer('loop', {
      state: 'restarting',
      verdict: aVerdict('bad', 'Restarting again and again: 3 so far'),
    }),
    aContainer('new', { state: 'created', verdict: aVerdict('info', 'Created, never started') }),
  ];

  it('counts as the filters of the containers page do, and leads to what it counts', async () => {
    await open(new Fake(all), '#/');
    const figure = (text: string) => screen.getByRole('link', { name: text });
    expect(figure('1 running')).toBeTruthy();
    expect(figure('0 stopped')).toBeTruthy();
    expect(figure('1 needs a look')).toBeTruthy();
    location.hash = figure('1 restarting').getAttribute('href') ?? '';
    await settle();
    await settle();
    expect(screen.getByRole('button', { name: 'Restarting 1' }).getAttribute('aria-pressed')).toBe('true');
    expect(screen.getByRole('button', { name: 'Running 1' })).toBeTruthy();
    expect([...document.querySelectorAll('[data-container]')].length).toBe(1);
  });

  it('keeps every line in its place while the pointer is on it', async () => {
    const fake = new Fake(all);
    await open(fake, '#/');
    const lines = () => [...document.querySelectorAll('li .name')].map((line) => line.textContent);
    vi.spyOn(document, 'hasFocus').mockReturnValue(true);
    const list = document.querySelector('li .name')?.closest('ul') as HTMLElement;
    await fireEvent.pointerMove(list);
    fake.become('web', { state: 'paused', verdict: aVerdict('warn', 'Paused') });
    fake.become('loop', { verdict: aVerdict('fine', 'Running') });
    await settle();
    expect(lines()).toEqual(['loop']);
    await fireEvent.pointerLeave(list);
    expect(lines()).toEqual(['web']);
  });
});

it('says beside the title, not in it, that the engine is a simulated one', async () => {
  const fake = new Fake([aContainer('web')]);
  await open(fake);
  expect(screen.queryByText('Demo')).toBeNull();
  fake.engine('connected', { simulated: true });
  await settle();
  expect(screen.getByText('Demo').closest('h1')).toBeNull();
  expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('Containers');
});

describe('the system', () => {
  it('lets no uptime count on while the engine is away', async () => {
    const started = new Date(Date.now() - 2 * 3_600_000 - 60_000).toISOString();
    const fake = new Fake([aContainer('web', { started_at: started })]);
    await open(fake);
    expect(row('web').querySelector('time')?.textContent).toBe('2 h');
    const hourAgo = 3_600_000 + 5_000;
    fake.index({ verified_at: new Date(Date.now() - hourAgo).toISOString(), age_ms: hourAgo });
    fake.engine('away', { reason: 'it broke' });
    await settle();
    expect(row('web').querySelector('time')?.textContent).toBe('1 h');
    expect(screen.getByLabelText(/^Index: engine away/).textContent).toContain('last exact 1 h ago');
  });

  it('tells an engine that cannot be chosen from one that is silent', async () => {
    const fake = new Fake();
    await open(fake);
    const why = "Docker's context 'nope' does not exist or cannot be read";
    fake.engine('away', { endpoint: why, reason: why });
    await settle();
    expect(screen.getByText('Which engine is meant cannot be told.')).toBeTruthy();
    expect(screen.queryByText('The engine does not answer.')).toBeNull();
  });

  it('draws what is to be typed as such', async () => {
    const fake = new Fake();
    await open(fake);
    fake.engine('denied', { reason: 'why', cure: 'Say `sudo <b>this</b>`, then log in again.' });
    await settle();
    expect(screen.getByText('sudo <b>this</b>').tagName).toBe('CODE');
    expect(document.body.textContent).not.toContain('`');
  });

  it('keeps the index’s age in sight on every page', async () => {
    const fake = new Fake();
    await open(fake, '#/');
    expect(screen.getByLabelText(/^Index: exact/)).toBeTruthy();
    location.hash = '#/health';
    await settle();
    expect(screen.getByLabelText(/^Index: exact/)).toBeTruthy();
    expect(screen.getByText('unix:///var/run/docker.sock')).toBeTruthy();
  });

  it.each([
    ['away', 'The engine does not answer.'],
    ['denied', 'The engine may not be used by this user.'],
    ['absent', 'No engine was found.'],
  ] as const)('says that the engine is %s, with its cure, and keeps the last truth', async (state, title) => {
    const fake = new Fake([aContainer('web')]);
    await open(fake);
    fake.engine(state, { reason: 'why', cure: 'do this' });
    await settle();
    expect(screen.getByText(title)).toBeTruthy();
    expect(screen.getByText('do this')).toBeTruthy();
    expect(row('web').closest('.outdated')).toBeTruthy();
    await pointAt('web');
    expect(screen.getByLabelText<HTMLButtonElement>('Stop web').disabled).toBe(true);
    fake.engine('connected');
    await settle();
    expect(screen.queryByText(title)).toBeNull();
    expect(row('web').closest('.outdated')).toBeNull();
  });

  it('says that the daemon is gone and tries again when asked to', async () => {
    const fake = new Fake([aContainer('web')]);
    await open(fake);
    fake.stand({ state: 'lost', reason: 'it was killed' });
    await settle();
    expect(screen.getByText('it was killed')).toBeTruthy();
    await fireEvent.click(screen.getByText('Try again'));
    expect(fake.asked.tryAgain).toBe(1);
    fake.stand({ state: 'own', home: '/h' });
    await settle();
    expect(screen.queryByText('it was killed')).toBeNull();
  });

  it('claims nothing of a core that is gone', async () => {
    const fake = new Fake();
    await open(fake, '#/health');
    expect(screen.getAllByText('ok').length, 'three parts, the database and the program').toBe(5);
    expect(screen.getByText('Up for').nextElementSibling?.textContent).toMatch(/^(59 min|1 h)$/);
    fake.stand({ state: 'lost', reason: 'it was killed' });
    await settle();
    for (const claim of ['ok', 'connected', 'exact', 'Up for', 'runs in this window'])
      expect(screen.queryByText(claim), claim).toBeNull();
  });

  it('says that the daemon has another version', async () => {
    const fake = new Fake();
    await open(fake);
    fake.stand({ state: 'version_differs', ours: '0.1.0', reason: 'the daemon is 0.2.0' });
    await settle();
    expect(screen.getByText('the daemon is 0.2.0')).toBeTruthy();
  });
});

it('says that a daemon it understands is of another version', async () => {
  const fake = new Fake([aContainer('web')]);
  fake.stand({ state: 'attached', home: '/h', ours: '0.1.0', daemon: '0.1.1' });
  await open(fake);
  expect(screen.getByText(/It is 0.1.1, this window is 0.1.0/)).toBeTruthy();
  fake.stand({ state: 'attached', home: '/h', ours: '0.1.1', daemon: '0.1.1' });
  await settle();
  expect(screen.queryByText(/this window is/)).toBeNull();
});

describe('closing', () => {
  it('asks where no tray is shown, and does as it is told', async () => {
    const fake = new Fake();
    await open(fake);
    fake.askToClose();
    await settle();
    await fireEvent.click(screen.getByText('Keep running without a window'));
    await fireEvent.click(screen.getByText('Quit Tinyforge'));
    expect([fake.asked.keepRunning, fake.asked.quit]).toEqual([1, 1]);
  });
});

it('goes to the container that was chosen in the tray', async () => {
  const fake = new Fake([aContainer('web'), aContainer('db')]);
  await open(fake, '#/');
  fake.choose('db');
  await settle();
  await settle();
  expect(row('db').getAttribute('aria-selected')).toBe('true');
});

it('leaves nothing listening when it is closed', async () => {
  const fake = new Fake();
  location.hash = '#/';
  const { unmount } = render(App, { app: createApp(fake) });
  await settle();
  expect(fake.listeners).toBe(5);
  unmount();
  expect(fake.listeners).toBe(0);
});
