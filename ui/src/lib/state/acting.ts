import type { Verb } from '$lib/api/client';
import { shown } from '$lib/format/text';
import { en } from '$lib/i18n/en';

import type { App } from './app';
import type { Row } from './containers.svelte';

/** Acts on one container and tells what came of it, where the row itself does not. A stop can be taken back. */
export async function actOn(app: App, verb: Verb, row: Row): Promise<void> {
  const name = shown(row.latest.name);
  const failed = await app.containers.act(verb, row);
  if (failed) app.toasts.say(en.act.failed(en.act[verb], name), failed.message);
  else if (verb === 'stop')
    app.toasts.did(en.act.stopped(name), {
      label: en.act.startAgain,
      act: () => void actOn(app, 'start', row),
    });
}

/** How many are asked at once: an engine that stops many has enough to do. */
const AT_ONCE = 8;

/** The same for many: each row shows its own, and one message tells of all. */
export async function actOnAll(app: App, verb: Verb, rows: readonly Row[]): Promise<void> {
  const waiting = [...rows];
  const failures: string[] = [];
  const work = async () => {
    for (let row = waiting.shift(); row; row = waiting.shift()) {
      const failed = await app.containers.act(verb, row);
      if (failed) failures.push(`${shown(row.latest.name)}: ${failed.message}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const word = en.act[verb];
  if (failures.length > 0)
    app.toasts.say(en.bulk.someFailed(word, failures.length, rows.length), failures.slice(0, 3).join('\n'));
  else
    app.toasts.did(
      en.bulk.done(word, rows.length),
      verb === 'stop' ? { label: en.act.startAgain, act: () => void actOnAll(app, 'start', rows) } : null,
    );
}
