import type { Container, Level } from '$lib/api/client';
import { en } from '$lib/i18n/en';

/** How a state is drawn: a shape, a word and a tone, never the tone alone. */
export type Shape =
  | 'disc'
  | 'half'
  | 'ring'
  | 'check'
  | 'triangle'
  | 'turn'
  | 'bars'
  | 'cross'
  | 'dash'
  | 'dotted'
  | 'question';
export type Tone = 'good' | 'busy' | 'warn' | 'danger' | 'idle';

export interface Face {
  shape: Shape;
  word: string;
  tone: Tone;
}

const face = (shape: Shape, word: string, tone: Tone): Face => ({ shape, word, tone });

/** How a judgement is drawn, where it is not the state that is told of. */
export const LEVEL: Record<Level, { shape: Shape; tone: Tone }> = {
  fine: { shape: 'disc', tone: 'good' },
  info: { shape: 'ring', tone: 'idle' },
  warn: { shape: 'triangle', tone: 'warn' },
  bad: { shape: 'triangle', tone: 'danger' },
};

export function faceOf(container: Pick<Container, 'state' | 'health' | 'exit_code' | 'verdict'>): Face {
  switch (container.state) {
    case 'running':
      if (container.health === 'unhealthy') return face('triangle', en.state.unhealthy, 'danger');
      if (container.health === 'starting') return face('half', en.state.healthStarting, 'busy');
      return face('disc', en.state.running, 'good');
    case 'created':
      if (container.verdict.level === 'bad') return face('cross', en.state.neverStarted, 'danger');
      return face('half', en.state.created, 'idle');
    case 'deploying':
      return face('half', en.state.deploying, 'busy');
    case 'stopped':
      if (container.verdict.level === 'bad') return face('triangle', en.state.crashed, 'danger');
      if (container.exit_code === 0) return face('check', en.state.completed, 'idle');
      return face('ring', en.state.stopped, 'idle');
    case 'restarting':
      return face('turn', en.state.restarting, 'warn');
    case 'paused':
      return face('bars', en.state.paused, 'idle');
    case 'failed':
      return face('cross', en.state.failed, 'danger');
    case 'removing':
      return face('dash', en.state.removing, 'idle');
    case 'missing':
      return face('dotted', en.state.missing, 'danger');
    case 'unknown':
      return face('question', en.state.unknown, 'idle');
  }
}

/** Since when the state is what it is, as far as the engine tells. */
export function sinceOf(
  container: Pick<Container, 'state' | 'started_at' | 'last_seen_at' | 'created_at'>,
): string | null {
  switch (container.state) {
    case 'running':
    case 'paused':
    case 'restarting':
      return container.started_at;
    case 'created':
    case 'deploying':
      return container.created_at;
    case 'stopped':
    case 'failed':
    case 'removing':
    case 'missing':
    case 'unknown':
      return container.last_seen_at;
  }
}
