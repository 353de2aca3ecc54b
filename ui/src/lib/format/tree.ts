/** A document as lines that can be opened and searched. */

export interface Leaf {
  /** Where it stands, from the root: what it is known by. */
  path: string;
  depth: number;
  key: string;
  /** The value as it is read; `null` where it has parts of its own. */
  value: string | null;
  /** How many parts it has. */
  parts: number;
  /** A value of the environment: shown only when asked for. */
  secret: boolean;
}

/** All lines, parents before their parts. */
export function lines(document: unknown): readonly Leaf[] {
  const found: Leaf[] = [];
  for (const [key, value] of entries(document)) walk(key, value, '', 0, found);
  return found;
}

/** Those that are in sight: what was opened, or, while something is searched, what leads to what fits. */
export function inSight(all: readonly Leaf[], opened: ReadonlySet<string>, words: string): readonly Leaf[] {
  const wanted = words.trim().toLowerCase();
  if (wanted === '') return all.filter(({ path }) => parents(path).every((parent) => opened.has(parent)));
  const fitting = new Set<string>();
  for (const leaf of all) {
    const value = leaf.secret ? '' : (leaf.value ?? '');
    if (!`${leaf.key} ${value}`.toLowerCase().includes(wanted)) continue;
    fitting.add(leaf.path);
    for (const parent of parents(leaf.path)) fitting.add(parent);
  }
  return all.filter(({ path }) => fitting.has(path));
}

const SEPARATOR = '\u0000';

function parents(path: string): readonly string[] {
  const parts = path.split(SEPARATOR);
  return parts.slice(1).map((_, n) => parts.slice(0, n + 1).join(SEPARATOR));
}

function entries(of: unknown): readonly (readonly [string, unknown])[] {
  return typeof of === 'object' && of !== null ? Object.entries(of) : [];
}

function walk(key: string, value: unknown, above: string, depth: number, found: Leaf[]): void {
  const path = above === '' ? key : `${above}${SEPARATOR}${key}`;
  const parts = entries(value);
  const inner = typeof value === 'object' && value !== null && parts.length > 0;
  found.push({
    path,
    depth,
    key,
    value: inner ? null : read(value),
    parts: parts.length,
    secret: above.split(SEPARATOR).at(-1) === 'Env',
  });
  if (inner) for (const [name, part] of parts) walk(name, part, path, depth + 1, found);
}

function read(value: unknown): string {
  if (typeof value === 'string') return value;
  return JSON.stringify(value) ?? '';
}
