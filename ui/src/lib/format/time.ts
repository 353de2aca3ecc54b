import { en } from '$lib/i18n/en';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A span in its one greatest unit, as a glance takes it in: `4 s`, `12 min`, `3 h`, `9 days`. */
export function span(ms: number): string {
  const whole = Math.max(0, ms);
  if (whole < MINUTE) return en.time.seconds(Math.floor(whole / SECOND));
  if (whole < HOUR) return en.time.minutes(Math.floor(whole / MINUTE));
  if (whole < DAY) return en.time.hours(Math.floor(whole / HOUR));
  return en.time.days(Math.floor(whole / DAY));
}

/** How long ago a moment was. A clock that is a little ahead makes no negative age. */
export function ago(moment: string, now: number): string {
  const past = now - Date.parse(moment);
  return past < SECOND ? en.time.now : en.time.ago(span(past));
}

/** The exact moment, in the reader's own zone. */
export function exact(moment: string): string {
  return new Date(moment).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
}
