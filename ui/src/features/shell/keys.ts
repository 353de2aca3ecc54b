import { en } from '$lib/i18n/en';
import { to } from '$lib/state/route.svelte';

/** Every shortcut there is, as the sheet tells it; those of lists are the list's own. */
export interface Shortcut {
  keys: readonly string[];
  text: string;
}

const isMac = (): boolean => /mac/i.test(navigator.userAgent);

/** The key that makes a letter a command on this system. */
export const commandKey = (): string => (isMac() ? '⌘' : 'Ctrl');

/** After `g`, a letter leads to a page. */
export const PAGE_KEYS: Record<string, { href: string; name: string }> = {
  h: { href: to.home, name: en.nav.home },
  c: { href: to.containers, name: en.nav.containers },
  s: { href: to.stale, name: en.nav.stale },
  y: { href: to.health, name: en.nav.health },
  ',': { href: to.settings, name: en.nav.settings },
};

export const shortcuts = (): readonly { title: string; all: readonly Shortcut[] }[] => [
  {
    title: en.shortcuts.everywhere,
    all: [
      { keys: [commandKey(), 'K'], text: en.shortcuts.palette },
      { keys: ['?'], text: en.shortcuts.sheet },
      { keys: ['Esc'], text: en.shortcuts.close },
    ],
  },
  {
    title: en.shortcuts.lists,
    all: [
      { keys: ['/'], text: en.shortcuts.search },
      { keys: ['j'], text: en.shortcuts.next },
      { keys: ['k'], text: en.shortcuts.previous },
      { keys: ['Space'], text: en.shortcuts.select },
      { keys: [commandKey(), 'A'], text: en.shortcuts.all },
      { keys: ['Enter'], text: en.shortcuts.open },
    ],
  },
  {
    title: en.shortcuts.pages,
    all: Object.entries(PAGE_KEYS).map(([key, page]) => ({
      keys: ['g', key],
      text: en.shortcuts.go(page.name),
    })),
  },
];

/** Whether somebody is writing: then a letter is a letter. */
export function isWriting(event: KeyboardEvent): boolean {
  const { target } = event;
  return (
    target instanceof HTMLTextAreaElement ||
    (target instanceof HTMLInputElement && !['checkbox', 'radio'].includes(target.type))
  );
}
