export type System = 'linux' | 'mac' | 'windows';

export const SYSTEMS: readonly System[] = ['linux', 'mac', 'windows'];

/** The system that the window runs on, as its web view names it. */
export function thisSystem(userAgent: string): System {
  if (/windows/i.test(userAgent)) return 'windows';
  if (/mac os|macintosh/i.test(userAgent)) return 'mac';
  return 'linux';
}
