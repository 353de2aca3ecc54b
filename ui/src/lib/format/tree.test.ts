import { expect, it } from 'vitest';

import { inSight, lines } from './tree';

const document = {
  Name: '/web',
  Config: { Env: ['TOKEN=s3cret'], Labels: {}, Image: 'nginx' },
  State: { Running: true, Health: { Log: [{ Output: 'ok' }] } },
};

const keys = (opened: readonly string[], words = '') =>
  inSight(lines(document), new Set(opened), words).map((line) => line.key);

it('shows what is opened, and nothing within what is closed', () => {
  expect(keys([])).toEqual(['Name', 'Config', 'State']);
  expect(keys(['Config'])).toEqual(['Name', 'Config', 'Env', 'Labels', 'Image', 'State']);
});

it('shows what leads to what is searched, whatever is opened', () => {
  expect(keys([], 'output')).toEqual(['State', 'Health', 'Log', '0', 'Output']);
  expect(keys([], 'NGINX')).toEqual(['Config', 'Image']);
  expect(keys([], 'nowhere')).toEqual([]);
});

it('what is empty is a value, and the environment is a secret that no search gives away', () => {
  const all = lines(document);
  expect(all.find((line) => line.key === 'Labels')?.value).toBe('{}');
  expect(all.filter((line) => line.secret).map((line) => line.value)).toEqual(['TOKEN=s3cret']);
  expect(keys([], 's3cret')).toEqual([]);
});

it.each([[null], ['text'], [7], [[]]])('what is no document (%o) has no lines', (nothing) => {
  expect(lines(nothing)).toEqual([]);
});
