import type { LogEntry } from '$lib/api/client';
import { faceOf } from '$lib/format/face';
import { image } from '$lib/format/image';
import { shown } from '$lib/format/text';
import { en } from '$lib/i18n/en';
import type { App } from '$lib/state/app';
import type { Row } from '$lib/state/containers.svelte';
import { to } from '$lib/state/route.svelte';
import { DENSITIES, THEMES } from '$lib/state/looks.svelte';

import type { Entry } from './find';

const go = (href: string) => () => {
  location.hash = href;
};

export function pages(): Entry[] {
  const page = (icon: 'home' | 'containers' | 'stale' | 'health' | 'settings'): Entry => ({
    id: `page:${icon}`,
    kind: 'page',
    name: en.nav[icon],
    detail: '',
    icon,
    face: null,
    act: go(to[icon]),
  });
  return [page('home'), page('containers'), page('stale'), page('health'), page('settings')];
}

export function commands(app: App, onsheet: () => void): Entry[] {
  const command = (id: string, name: string, icon: Entry['icon'], act: () => void): Entry => ({
    id: `command:${id}`,
    kind: 'command',
    name,
    detail: '',
    icon,
    face: null,
    act,
  });
  const words = en.palette.commands;
  return [
    command('attention', words.attention, 'health', go(to.group('attention'))),
    command('examine', words.examine, 'health', () => {
      go(to.health)();
      void app.doctor.examine();
    }),
    command('tryAgain', words.tryAgain, 'restart', () => void app.backend.tryAgain()),
    ...THEMES.map((theme) =>
      command(`theme:${theme}`, words[theme], 'theme', () => {
        app.looks.theme = theme;
      }),
    ),
    ...DENSITIES.map((density) =>
      command(`density:${density}`, words[density], 'density', () => {
        app.looks.density = density;
      }),
    ),
    command('shortcuts', words.shortcuts, 'keyboard', onsheet),
  ];
}

export function containers(app: App, rows: readonly Row[]): Entry[] {
  return rows.map((row) => {
    const container = row.latest;
    const of = [container.workload_name, container.role].filter((part) => part !== null).join(' / ');
    return {
      id: row.id,
      kind: 'container',
      name: shown(container.name),
      detail: shown([of, image(container.image)].filter(Boolean).join(' · ')),
      icon: null,
      face: faceOf(container),
      act: () => app.route.openPane(row.id),
    };
  });
}

/** Each leads to its containers. */
export function workloads(rows: readonly Row[]): Entry[] {
  const found = new Map<string, Entry>();
  for (const { latest } of rows) {
    const { workload_id: id, workload_name: name, workload_kind: kind } = latest;
    if (id === null || name === null || kind === null || found.has(id)) continue;
    found.set(id, {
      id: `workload:${id}`,
      kind: 'workload',
      name: shown(name),
      detail: en.containers.kindOne[kind],
      icon: 'density',
      face: null,
      act: go(to.search(name)),
    });
  }
  return [...found.values()];
}

/** Those that the log still tells of and the index no longer has; the pane shows what befell them. */
export function removed(app: App, lines: readonly LogEntry[], rows: readonly Row[]): Entry[] {
  const here = new Set(rows.map((row) => row.latest.container_id));
  const found = new Map<string, Entry>();
  for (const line of lines.toReversed()) {
    const id = line.container_id;
    if (id === null || here.has(id) || found.has(id)) continue;
    found.set(id, {
      id: `removed:${id}`,
      kind: 'removed',
      name: shown(line.name),
      detail: id.slice(0, 12),
      icon: null,
      face: { shape: 'dash', tone: 'idle', word: en.containers.gone },
      act: () => app.route.openPane(to.gone(id, line.name)),
    });
  }
  return [...found.values()];
}
