import type { Face } from '$lib/format/face';
import { en } from '$lib/i18n/en';
import type { Trust } from '$lib/state/status.svelte';

/** How far the index can be trusted, drawn the same wherever it is said. */
export const TRUST: Record<Trust, Face> = {
  exact: { shape: 'disc', tone: 'good', word: en.age.exact },
  late: { shape: 'triangle', tone: 'warn', word: en.age.late },
  reading: { shape: 'half', tone: 'busy', word: en.age.reading },
  away: { shape: 'triangle', tone: 'danger', word: en.age.away },
  denied: { shape: 'cross', tone: 'danger', word: en.age.denied },
  absent: { shape: 'dotted', tone: 'danger', word: en.age.absent },
  no_core: { shape: 'cross', tone: 'danger', word: en.age.noCore },
};
