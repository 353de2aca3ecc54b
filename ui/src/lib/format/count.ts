import { en } from '$lib/i18n/en';

/** A whole number as it is read: `10,000`. */
export const count = (n: number): string => n.toLocaleString(en.locale);
