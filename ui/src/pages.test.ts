/** What each page is for, done in the whole window. */
import { fireEvent, screen, within } from '@testing-library/svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Failure } from '$lib/api/client';
import { aContainer, aLine, aStale, aVerdict, Fake } from '$lib/api/fake';

import { open, pointAt, row, settle } from './page-harness';

const shop = { workload_id: 'w', workload_kind: 'project', workload_name: 'shop' } as const;
const stopped = { state: 'stopped', exit_code: 143, verdict: aVerdict('info', 'Stopped') } as const;
const press = (key: string, facts: KeyboardEventInit = {}) =>
  fireEvent.keyDown(document.activeElement ?? document.body, { key, ...facts });

beforeEach(() => localStorage.clear());
// A pane that is open is the address's; the next window begins without.
afterEach(() => {
  location.hash = '#/';
});

describe('many at once', () => {
  const at = (n: number) => ({ created_at: new Date(1e12 + n * 1000).toISOString() });
  const three = () =>
    new Fake([
      aContainer('a', { ...shop, role: 'x', ...at(3) }),
      aContainer('b', at(2)),
      aContainer('c', { ...stopped, ...at(1) }),
    ]);

  it('are checked by keyboard, and what will be done is said before it is done', async () => {
    const fake = three();
    await open(fake);
    for (let n = 0; n < 3; n += 1) {
      await press('j');
      await press(' ');
    }
    const bar = screen.getByRole('region', { name: 'What is selected' });
    expect(within(bar).getByText('3 selected')).toBeTruthy();
    await fireEvent.click(within(bar).getByRole('button', { name: 'Stop 2' }));
    const dialog = screen.getByRole('dialog', { name: 'Stop 2 containers?' });
    expect(within(dialog).getByText('1 of them is foreign: no workload owns it.')).toBeTruthy();
    expect(within(dialog).getByText(/1 selected container is left out/)).toBeTruthy();
    expect(fake.asked.act, 'nothing has been done yet').toBe(0);
    await fireEvent.click(within(dialog).getByRole('button', { name: 'Stop 2 containers' }));
    await settle();
    expect(fake.asked.act).toBe(2);
    expect(within(row('a')).getByText('stopping…')).toBeTruthy();
    expect(screen.getByText('Start again'), 'and it can be taken back').toBeTruthy();
  });

  it('are left alone when the question is closed', async () => {
    const fake = three();
    await open(fake);
    await press('a', { ctrlKey: true });
    await fireEvent.click(screen.getByRole('button', { name: 'Restart 2' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Cancel' }));
    await settle();
    expect(fake.asked.act).toBe(0);
    expect(screen.getByText('3 selected')).toBeTruthy();
  });

  it('tell which of them failed', async () => {
    const fake = three();
    fake.refuses.act = new Failure('refused', 'the engine said no');
    await open(fake);
    await press('a', { ctrlKey: true });
    await fireEvent.click(screen.getByRole('button', { name: 'Stop 2' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Stop 2 containers' }));
    await settle();
    expect(screen.getByRole('alert').textContent).toContain('Stop: 2 of 2 failed');
  });
});

describe('a container’s pane', () => {
  const crashed = aContainer('web', {
    ...shop,
    role: 'dev',
    state: 'stopped',
    exit_code: 3,
    verdict: {
      ...aVerdict('bad', 'Crashed: exit 3'),
      evidence: [{ what: 'log', text: 'panic: <b>no</b>\u001b[31m\nat main' }],
      fix: 'Look at `config.yml`.',
    },
  });

  it('opens with Enter over the list, tells the verdict and its evidence, and closes with Escape', async () => {
    await open(new Fake([crashed]));
    await press('j');
    await press('Enter');
    await settle();
    const pane = screen.getByRole('dialog', { name: 'web' });
    expect(within(pane).getByText('Crashed: exit 3')).toBeTruthy();
    expect(within(pane).getByText(/<b>no<\/b>\ufffd\[31m/)).toBeTruthy();
    expect(within(pane).getByText('config.yml').tagName).toBe('CODE');
    expect(row('web'), 'the list is still there').toBeTruthy();
    await press('Escape');
    await settle();
    expect(screen.queryByRole('dialog')).toBeNull();
    expect(row('web').getAttribute('aria-selected'), 'and keeps its place').toBe('true');
  });

  it('follows who goes through the list', async () => {
    const at = (n: number) => ({ created_at: new Date(1e12 + n).toISOString() });
    await open(new Fake([aContainer('one', at(2)), aContainer('two', at(1))]));
    await press('j');
    await press('Enter');
    await settle();
    await press('j');
    await settle();
    expect(screen.getByRole('dialog', { name: 'two' })).toBeTruthy();
  });

  it('tells what befell it, with causes and gaps, while it goes on', async () => {
    const fake = new Fake([crashed]);
    fake.lines.push(
      aLine(crashed, { from: null, to: 'running', cause: 'foreign' }),
      aLine(crashed, {
        container_id: null,
        field: 'gap',
        at: '2026-01-02T10:00:00Z',
        to: '2026-01-02T10:06:00Z',
        detail: 'engine_away',
      }),
    );
    await open(fake, '#/containers?open=web&tab=timeline');
    await settle();
    const pane = screen.getByRole('dialog', { name: 'web' });
    expect(within(pane).getByText('Nobody looked for 6 min')).toBeTruthy();
    expect(within(pane).getByText('The engine did not answer.')).toBeTruthy();
    fake.happen(aLine(crashed, { from: 'running', to: 'stopped', cause: 'oom', detail: 'exit 137' }));
    await settle();
    const words = [...pane.querySelectorAll('li')].map((line) =>
      line.textContent?.replace(/\s+/g, ' ').trim(),
    );
    expect(words[0]).toContain('State: running → stopped out of memory · exit 137');
  });

  it('shows all that the engine tells, searched, and hides the environment until it is asked for', async () => {
    await open(new Fake([crashed]), '#/containers?open=web&tab=inspect');
    await settle();
    const pane = screen.getByRole('dialog', { name: 'web' });
    await fireEvent.click(within(pane).getByRole('button', { name: /^Env/ }));
    expect(pane.textContent).toContain('TOKEN=…');
    expect(pane.textContent).not.toContain('s3cret');
    const write = vi.fn(async () => undefined);
    vi.stubGlobal('navigator', Object.assign(Object.create(navigator), { clipboard: { writeText: write } }));
    await fireEvent.click(within(pane).getByText('Copy as docker run'));
    expect(write).toHaveBeenCalledWith(expect.stringContaining("-e 'TOKEN=…'"));
    await fireEvent.click(within(pane).getByRole('switch', { name: 'Show environment' }));
    expect(pane.textContent).toContain('TOKEN=s3cret');
    vi.unstubAllGlobals();
    await fireEvent.input(within(pane).getByLabelText('Search what the engine tells'), {
      target: { value: 'destination' },
    });
    expect([...pane.querySelectorAll('.key')].map((key) => key.textContent)).toEqual([
      'Mounts',
      '0',
      'Destination',
    ]);
  });

  it('stays and says so when its container goes', async () => {
    const fake = new Fake([crashed]);
    await open(fake, '#/containers?open=web');
    fake.remove('web');
    await settle();
    expect(within(screen.getByRole('dialog', { name: 'web' })).getByText('gone')).toBeTruthy();
  });

  it('tells the past of one that is gone', async () => {
    const fake = new Fake([]);
    fake.lines.push(aLine(aContainer('old'), { to: null, cause: 'foreign' }));
    await open(fake, `#/?open=${encodeURIComponent('gone:old-container:old')}`);
    await settle();
    const pane = screen.getByRole('dialog', { name: 'old' });
    expect(within(pane).getByText('Left the engine')).toBeTruthy();
  });
});

describe('the palette', () => {
  const fake = () => {
    const all = [aContainer('web', { ...shop, role: 'dev' })];
    const made = new Fake(all);
    made.lines.push(aLine(aContainer('webold'), { to: null }));
    return made;
  };

  it('finds a container from any page, and opens it there', async () => {
    await open(fake(), '#/health');
    await press('k', { ctrlKey: true });
    await settle();
    const field = screen.getByRole('combobox');
    await fireEvent.input(field, { target: { value: 'web' } });
    expect(
      screen.getAllByRole('option').map((option) => option.textContent?.replace(/\s+/g, ' ').trim()),
    ).toEqual([expect.stringContaining('web'), expect.stringContaining('webold')]);
    await fireEvent.keyDown(field, { key: 'Enter' });
    await settle();
    expect(screen.getByRole('dialog', { name: 'web' })).toBeTruthy();
    expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('Health');
  });

  it('goes by arrows, around the ends, and does what was chosen', async () => {
    await open(fake(), '#/');
    await press('k', { ctrlKey: true });
    await settle();
    const field = screen.getByRole('combobox');
    await fireEvent.keyDown(field, { key: 'ArrowUp' });
    expect(screen.getAllByRole('option').at(-1)?.getAttribute('aria-selected')).toBe('true');
    await fireEvent.input(field, { target: { value: 'dark' } });
    await fireEvent.keyDown(field, { key: 'Enter' });
    await settle();
    expect(document.documentElement.dataset.theme).toBe('dark');
  });
});

it('g and a letter go to a page, ? tells every shortcut, and a letter that is written is a letter', async () => {
  await open(new Fake([aContainer('web')]));
  await press('g');
  await press('y');
  await settle();
  expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('Health');
  await press('?');
  await settle();
  expect(screen.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeTruthy();
  await press('Escape');
  location.hash = '#/containers';
  await settle();
  await settle();
  const field = screen.getByLabelText('Search containers');
  field.focus();
  await press('?');
  expect(screen.queryByRole('dialog')).toBeNull();
});

describe('the stale page', () => {
  const still = aContainer('old', { ...shop, role: 'dev', ...stopped });
  const fakeOf = () => {
    const fake = new Fake([still]);
    fake.stales.push(aStale(still));
    return fake;
  };

  it('tells since when, why, and what comes free', async () => {
    await open(fakeOf(), '#/containers/stale');
    const card = screen.getByRole('article', { name: 'old' });
    expect(within(card).getByText('still for 12 days')).toBeTruthy();
    expect(within(card).getByText(/stopped by somebody else/)).toBeTruthy();
    expect(card.textContent).toContain('312 MB');
    expect(
      within(screen.getByRole('navigation')).getByText('1', { selector: 'a[href$=stale] .count' }),
    ).toBeTruthy();
  });

  it('a pin takes a card away, and Undo brings it back', async () => {
    await open(fakeOf(), '#/containers/stale');
    await fireEvent.click(screen.getByRole('button', { name: 'Pin old' }));
    await settle();
    expect(screen.getByText('Nothing stands still')).toBeTruthy();
    await fireEvent.click(screen.getByText('Undo'));
    await settle();
    await settle();
    expect(screen.getByRole('article', { name: 'old' })).toBeTruthy();
  });

  it('asks for foreign ones only when told to', async () => {
    const fake = new Fake([aContainer('stray', stopped)]);
    fake.stales.push(aStale(aContainer('stray', stopped)));
    await open(fake, '#/containers/stale');
    expect(screen.getByText('Nothing stands still')).toBeTruthy();
    await fireEvent.click(screen.getByRole('switch', { name: 'Foreign ones too' }));
    await settle();
    expect(screen.getByRole('article', { name: 'stray' })).toBeTruthy();
  });

  it('says why it cannot be told, and asks again', async () => {
    const fake = fakeOf();
    fake.refuses.stale = new Failure('engine_away', 'the engine does not answer');
    await open(fake, '#/containers/stale');
    expect(screen.getByText('the engine does not answer')).toBeTruthy();
    delete fake.refuses.stale;
    await fireEvent.click(screen.getByText('Try again'));
    await settle();
    expect(screen.getByRole('article', { name: 'old' })).toBeTruthy();
  });

  it('no card moves under the pointer', async () => {
    const fake = fakeOf();
    await open(fake, '#/containers/stale');
    vi.spyOn(document, 'hasFocus').mockReturnValue(true);
    const cards = screen.getByRole('article').parentElement as HTMLElement;
    await fireEvent.pointerMove(cards);
    fake.stales.length = 0;
    fake.announce({ type: 'stale', at: '2026-01-02T12:00:00Z', containers: [] });
    await settle();
    expect(screen.getByRole('article', { name: 'old' })).toBeTruthy();
    await fireEvent.pointerLeave(cards);
    expect(screen.queryByRole('article')).toBeNull();
  });
});

describe('the settings page', () => {
  it('changes a value, and takes it back', async () => {
    const fake = new Fake([]);
    await open(fake, '#/settings');
    const value = () => fake.known.find((one) => one.key === 'stale_threshold_days')?.value;
    const field = screen.getByLabelText<HTMLInputElement>('Stale after');
    await fireEvent.change(field, { target: { value: '14' } });
    await settle();
    expect(value()).toBe('14');
    await fireEvent.click(screen.getByText('Undo'));
    await settle();
    expect(value()).toBe('7');
  });

  it('leaves what is refused as it was, and says why', async () => {
    const fake = new Fake([]);
    fake.refuses.setSetting = new Failure('usage', 'at most 3650');
    await open(fake, '#/settings');
    const field = screen.getByLabelText<HTMLInputElement>('Stale after');
    await fireEvent.change(field, { target: { value: '9999' } });
    await settle();
    expect(screen.getByRole('alert').textContent).toContain('at most 3650');
    expect(field.value).toBe('7');
  });

  it('finds a setting by what it is for', async () => {
    await open(new Fake([]), '#/settings');
    await fireEvent.input(screen.getByLabelText('Search settings'), { target: { value: 'tray' } });
    expect(screen.getByText('Close to the tray')).toBeTruthy();
    expect(screen.queryByText('Theme')).toBeNull();
    await fireEvent.input(screen.getByLabelText('Search settings'), { target: { value: 'xyzzy' } });
    expect(screen.getByText('No setting matches')).toBeTruthy();
  });
});

describe('the health page', () => {
  it('tells each part with its cure, examines again, verifies, and copies the database', async () => {
    const fake = new Fake([aContainer('web')]);
    fake.findings.push({
      part: 'backup',
      state: 'warn',
      text: 'the last copy is old',
      cure: 'Make `one` now.',
    });
    await open(fake, '#/health');
    expect(screen.getByText('the last copy is old')).toBeTruthy();
    expect(screen.getByText('one').tagName).toBe('CODE');
    await fireEvent.click(screen.getByText('Examine again'));
    await settle();
    expect(fake.asked.doctor).toBe(2);
    await fireEvent.click(screen.getByText('Verify now'));
    await settle();
    expect(screen.getByText(/Equal: 1 held against the engine/)).toBeTruthy();
    await fireEvent.click(screen.getByText('Copy now'));
    await settle();
    expect(screen.getByText('manual-1.db')).toBeTruthy();
  });
});

describe('the home page', () => {
  it('tells what happened while nobody looked, and leads to it', async () => {
    localStorage.setItem('tinyforge.seen', `${Date.now() - 3_600_000 * 5}`);
    const web = aContainer('web', { ...shop, role: 'dev' });
    const fake = new Fake([web]);
    const now = new Date().toISOString();
    fake.lines.push(aLine(web, { at: now, recorded_at: now, level: 'bad', to: 'stopped', cause: 'oom' }));
    await open(fake, '#/');
    await settle();
    const card = screen.getByRole('region', { name: 'While you were away' });
    await fireEvent.click(within(card).getByRole('button', { name: /web/ }));
    await settle();
    expect(screen.getByRole('dialog', { name: 'web' })).toBeTruthy();
    await fireEvent.click(screen.getByText('Dismiss'));
    expect(screen.queryByRole('region', { name: 'While you were away' })).toBeNull();
  });

  it('acts on what needs somebody without leaving the page', async () => {
    const fake = new Fake([
      aContainer('web', { state: 'stopped', exit_code: 1, verdict: aVerdict('bad', 'Crashed: exit 1') }),
    ]);
    await open(fake, '#/');
    await fireEvent.click(screen.getByRole('button', { name: 'Start web' }));
    expect(fake.asked.act).toBe(1);
  });

  it('draws a card for a workload, whose lines are in the state that .state says', async () => {
    const fake = new Fake([
      aContainer('web', { ...shop, role: 'web' }),
      aContainer('db', { ...shop, role: 'db', ...stopped, last_seen_at: '2025-01-02T12:00:00Z' }),
    ]);
    await open(fake, '#/');
    const card = screen.getByRole('region', { name: 'shop' });
    expect(within(card).getByText('1 of 2 running')).toBeTruthy();
    const time = card.querySelector('[data-instance=db] time');
    expect(time?.getAttribute('datetime'), 'its time is .last_seen_at').toBe('2025-01-02T12:00:00Z');
  });

  it('says how to get an engine where there is none, for each system, and looks again', async () => {
    const fake = new Fake();
    fake.index({ verified_at: null, age_ms: null });
    fake.engine('absent', { reason: 'why' });
    await open(fake, '#/');
    expect(screen.getByText('sudo apt install docker.io')).toBeTruthy();
    await fireEvent.click(screen.getByLabelText('macOS'));
    expect(screen.getByText('brew install orbstack')).toBeTruthy();
    await fireEvent.click(screen.getByText('Look again'));
    expect(fake.asked.tryAgain).toBe(1);
    await fireEvent.click(screen.getByText('Try the demo'));
    expect(fake.asked.tryDemo).toBe(1);
  });

  it('leads back from the demo, which this window began', async () => {
    const fake = new Fake([aContainer('web')]);
    fake.engine('connected', { simulated: true });
    await open(fake, '#/');
    await fireEvent.click(screen.getByText('Leave the demo'));
    expect(fake.asked.leaveDemo).toBe(1);
    fake.stand({ state: 'attached', home: '/h', ours: '0.1.0', daemon: '0.1.0' });
    await settle();
    expect(screen.queryByText('Leave the demo'), 'another’s demo is not ours to end').toBeNull();
  });
});

it('says when the index is behind, and stops saying so when it has caught up', async () => {
  const fake = new Fake([aContainer('web')]);
  const verified = (ago: number) =>
    fake.index({ verified_at: new Date(Date.now() - ago).toISOString(), age_ms: ago });
  await open(fake, '#/');
  expect(screen.queryByText('The index is behind.')).toBeNull();
  verified(90_000);
  await settle();
  expect(screen.getByText('The index is behind.')).toBeTruthy();
  verified(0);
  await settle();
  expect(screen.queryByText('The index is behind.')).toBeNull();
});

it('a stop can be taken back from its message', async () => {
  const fake = new Fake([aContainer('web')]);
  await open(fake);
  await pointAt('web');
  await fireEvent.click(screen.getByLabelText('Stop web'));
  await settle();
  fake.become('web', stopped);
  await settle();
  const act = vi.spyOn(fake, 'act');
  await fireEvent.click(screen.getByText('Start again'));
  expect(act).toHaveBeenCalledWith('start', 'web-container');
});
