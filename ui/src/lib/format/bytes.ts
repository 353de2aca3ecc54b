import { en } from '$lib/i18n/en';

/** A size in decimal units, as engines and file managers print it. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < en.bytes.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 10 ? 1 : 0;
  return `${value.toFixed(digits)} ${en.bytes[unit] ?? ''}`;
}
