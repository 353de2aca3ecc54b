import { describe, expect, it } from 'vitest';

import { aContainer, aVerdict } from '$lib/api/fake';

import { bytes } from './bytes';
import { faceOf, sinceOf } from './face';
import { image } from './image';
import { port, published } from './ports';
import { parts } from './prose';
import { shown } from './text';
import { ago, span } from './time';

describe('times', () => {
  it.each([
    [-5000, '0 s'],
    [4900, '4 s'],
    [60_000, '1 min'],
    [3_599_000, '59 min'],
    [7_200_000, '2 h'],
    [86_400_000, '1 day'],
    [30 * 86_400_000, '30 days'],
  ])('%i ms is %s', (ms, text) => expect(span(ms)).toBe(text));

  it('a clock that is ahead makes no negative age', () => {
    expect(ago('2026-01-02T00:00:05Z', Date.parse('2026-01-02T00:00:00Z'))).toBe('just now');
    expect(ago('2026-01-02T00:00:00Z', Date.parse('2026-01-02T00:03:00Z'))).toBe('3 min ago');
  });
});

it('what is to be typed is taken out of a sentence, and a lone backtick is itself', () => {
  expect(parts('Say `a b`, or `c`.')).toEqual([
    { text: 'Say ', code: false },
    { text: 'a b', code: true },
    { text: ', or ', code: false },
    { text: 'c', code: true },
    { text: '.', code: false },
  ]);
  expect(parts('a ` b')).toEqual([{ text: 'a ` b', code: false }]);
  expect(parts('')).toEqual([]);
});

it('sizes are decimal and have at most one digit behind the point', () => {
  expect([0, 999, 1000, 184_320, 5_300_000_000].map(bytes)).toEqual([
    '0 B',
    '999 B',
    '1.0 kB',
    '184 kB',
    '5.3 GB',
  ]);
});

it('a port that is listed for both address families is shown once', () => {
  const at = (host_ip: string | null, host_port: number | null, protocol = 'tcp') => ({
    container_port: 80,
    protocol,
    host_ip,
    host_port,
  });
  expect(published([at('0.0.0.0', 8080), at('::', 8080), at(null, null)])).toEqual(['8080→80']);
  expect(port(at('127.0.0.1', 53, 'udp'))).toBe('53→80/udp');
});

it.each([
  ['nginx:1.27', 'nginx:1.27'],
  ['registry.local:5000/team/shop:v1', 'team/shop:v1'],
  ['localhost/shop', 'shop'],
  ['grafana/loki:3', 'grafana/loki:3'],
  [`sha256:${'a1'.repeat(32)}`, 'a1a1a1a1a1a1'],
])('the image %s is shown as %s', (reference, text) => expect(image(reference)).toBe(text));

it('control bytes and marks that turn the direction of reading are made visible', () => {
  expect(shown('a\u001b[31mb\u202ec\n')).toBe('a\ufffd[31mb\ufffdc\ufffd');
  expect(shown('größer ≥ 日本')).toBe('größer ≥ 日本');
});

describe('a state', () => {
  const bad = aVerdict('bad', '');
  it.each([
    [{}, 'disc', 'running'],
    [{ health: 'starting' as const }, 'half', 'starting'],
    [{ health: 'unhealthy' as const }, 'triangle', 'unhealthy'],
    [{ state: 'created' as const }, 'half', 'created'],
    [{ state: 'created' as const, verdict: bad }, 'cross', 'not started'],
    [{ state: 'deploying' as const }, 'half', 'deploying'],
    [{ state: 'stopped' as const, exit_code: 0 }, 'check', 'completed'],
    [{ state: 'stopped' as const, exit_code: 143 }, 'ring', 'stopped'],
    [{ state: 'stopped' as const, exit_code: 1, verdict: bad }, 'triangle', 'crashed'],
    [{ state: 'restarting' as const }, 'turn', 'restarting'],
    [{ state: 'paused' as const }, 'bars', 'paused'],
    [{ state: 'failed' as const }, 'cross', 'failed'],
    [{ state: 'removing' as const }, 'dash', 'removing'],
    [{ state: 'missing' as const }, 'dotted', 'missing'],
    [{ state: 'unknown' as const }, 'question', 'unknown'],
  ])('%o has its own shape and word', (facts, shape, word) => {
    const { shape: drawn, word: said } = faceOf(aContainer('c', facts));
    expect([drawn, said]).toEqual([shape, word]);
  });

  it('lasts since the engine says so', () => {
    const times = { created_at: 'c', started_at: 's', last_seen_at: 'l' };
    expect(sinceOf({ state: 'running', ...times })).toBe('s');
    expect(sinceOf({ state: 'stopped', ...times })).toBe('l');
    expect(sinceOf({ state: 'created', ...times })).toBe('c');
  });
});
