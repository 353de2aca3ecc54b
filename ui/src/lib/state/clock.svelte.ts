/** Wall time, a second at a time, and only while somebody can see it. */
export class Clock {
  #now = $state(Date.now());
  #timer: ReturnType<typeof setInterval> | undefined;

  get now(): number {
    return this.#now;
  }

  start(): () => void {
    const tick = () => {
      this.#now = Date.now();
    };
    const run = () => {
      clearInterval(this.#timer);
      this.#timer = undefined;
      if (document.hidden) return;
      tick();
      this.#timer = setInterval(tick, 1000);
    };
    document.addEventListener('visibilitychange', run);
    run();
    return () => {
      document.removeEventListener('visibilitychange', run);
      clearInterval(this.#timer);
    };
  }
}
