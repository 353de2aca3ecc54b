import { describe, expect, it } from 'vitest';

import { Finder, type Entry, type Kind } from './find';

const entry = (kind: Kind, name: string, detail = ''): Entry => ({
  id: `${kind}:${name}`,
  kind,
  name,
  detail,
  icon: null,
  face: null,
  act: () => undefined,
});

const names = (finder: Finder, words: string) => finder.find(words).map((found) => found.entry.name);

describe('the palette', () => {
  const finder = new Finder([
    entry('page', 'Containers'),
    entry('command', 'Theme: dark'),
    entry('workload', 'shop', 'project'),
    entry('container', 'tf-shop-prod-14', 'shop / prod · shop:v1.4'),
    entry('container', 'blog-db-1', 'blog / db · postgres:16'),
    entry('removed', 'shop-hotfix', 'f00dfeed'),
  ]);

  it('offers pages and commands before anything is typed', () => {
    expect(names(finder, ' ')).toEqual(['Containers', 'Theme: dark']);
  });

  it.each([
    ['shop', ['shop', 'tf-shop-prod-14', 'shop-hotfix']],
    ['tfprod', ['tf-shop-prod-14']],
    ['postgres', ['blog-db-1']],
    ['f00d', ['shop-hotfix']],
    ['nothing at all', []],
  ])('finds by %s', (words, expected) => {
    expect(names(finder, words).sort()).toEqual([...expected].sort());
  });

  it('puts what is called so before what only resembles it, and what is gone last', () => {
    expect(names(finder, 'shop')).toEqual(['shop', 'tf-shop-prod-14', 'shop-hotfix']);
  });

  it('marks the letters that fit, and none of what is not drawn there', () => {
    const [found] = finder.find('postgres');
    expect(found?.pieces).toEqual([{ text: 'blog-db-1', fits: false }]);
    expect(
      finder
        .find('tfprod')[0]
        ?.pieces.filter((piece) => piece.fits)
        .map((piece) => piece.text),
    ).toEqual(['tf', 'prod']);
  });

  it('finds among ten thousand in less than a frame', () => {
    const many = new Finder(
      Array.from({ length: 10_000 }, (_, n) =>
        entry('container', `tf-shop-${['dev', 'rel', 'prod'][n % 3]}-${n}`, `shop / dev · shop:dev-${n}`),
      ),
    );
    const words = ['s', 'shop', 'tfprod99', 'dev-77', 'zzz', 'pr9'];
    const took = words.map((word) =>
      Math.min(
        ...Array.from({ length: 8 }, () => {
          const began = process.cpuUsage();
          many.find(word);
          return process.cpuUsage(began).user / 1000;
        }),
      ),
    );
    expect(Math.max(...took), 'milliseconds of our own for the slowest word, the best of eight').toBeLessThan(
      16,
    );
  });
});
