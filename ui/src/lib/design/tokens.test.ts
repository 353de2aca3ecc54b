import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

const css = readFileSync(`${import.meta.dirname}/tokens.css`, 'utf8');

/** What is written upon what. States are words in their tone's colour, on every surface a row can have. */
const GROUNDS = ['--surface', '--canvas', '--surface-hover', '--surface-selected'];
const WORDS = ['--text', '--text-muted', '--text-faint', '--good', '--busy', '--warn', '--danger', '--idle'];
const TEXT: [string, string][] = [
  ...GROUNDS.flatMap((ground) => WORDS.map((word): [string, string] => [word, ground])),
  ['--text', '--surface-sunken'],
  ['--text', '--warn-fill'],
  ['--text', '--danger-fill'],
  ['--text-muted', '--warn-fill'],
  ['--text-muted', '--danger-fill'],
  ['--busy', '--busy-fill'],
  ['--text-on-accent', '--accent'],
  ['--text-on-accent', '--accent-hover'],
  ['--text-on-accent', '--danger-strong'],
  ['--text-on-accent', '--danger-strong-hover'],
  ['--accent-text', '--surface'],
  ['--accent-text', '--canvas'],
  ['--accent-text', '--surface-hover'],
  ['--accent-text', '--accent-fill'],
  ['--text', '--accent-fill'],
  ['--text-muted', '--surface-sunken'],
  ...(['good', 'warn', 'danger', 'idle'] as const).map((tone): [string, string] => [
    `--${tone}`,
    `--${tone}-fill`,
  ]),
];
/** Marks, borders of controls and the focus, on what they stand upon. */
const MARKS: [string, string][] = [
  ...GROUNDS.flatMap((ground): [string, string][] => [
    ['--line-strong', ground],
    ['--focus', ground],
  ]),
  ['--warn', '--warn-fill'],
  ['--danger', '--danger-fill'],
];

const themes = {
  light: tokens(':root {'),
  dark: { ...tokens(':root {'), ...tokens(":root[data-theme='dark'] {") },
};

describe.each(Object.entries(themes))('in %s', (_, theme) => {
  const contrast = ([mark, ground]: [string, string]) => {
    const [a, b] = [mark, ground].map((name) => luminance(theme[name] ?? '')) as [number, number];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };

  it.each(TEXT)('%s can be read on %s', (...pair) => {
    expect(contrast(pair)).toBeGreaterThanOrEqual(4.5);
  });

  it.each(MARKS)('%s can be seen on %s', (...pair) => {
    expect(contrast(pair)).toBeGreaterThanOrEqual(3);
  });
});

/** The colours of one block of tokens. */
function tokens(opening: string): Record<string, string> {
  const block = css.split(opening)[1]?.split('}')[0] ?? '';
  return Object.fromEntries([...block.matchAll(/(--[\w-]+): (#[0-9a-f]{6});/g)].map(([, k, v]) => [k, v]));
}

/** As WCAG 2 defines it. */
function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
