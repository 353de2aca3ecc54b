/**
 * The only door to the shell. Everything else in the window speaks {@link Backend}, which the shell answers here and
 * a fake answers in component tests.
 */
import { commands, events } from './bindings';
import type { Acted, Announcement, ApiError, ErrorCode, Snapshot, Standing, Verification } from './bindings';

export type {
  Acted,
  Announcement,
  Container,
  EngineState,
  ErrorCode,
  Level,
  Patch,
  Port,
  Snapshot,
  Standing,
  State,
  Status,
  Verdict,
  Verification,
  WorkloadKind,
} from './bindings';

/** A command that failed, with the core's own sentence: what was tried and what to do next. */
export class Failure extends Error {
  override readonly name = 'Failure';

  constructor(
    readonly code: ErrorCode,
    message: string,
  ) {
    super(message);
  }
}

export type Verb = 'start' | 'stop' | 'restart';

/** Ends a subscription. */
export type Unlisten = () => void;

export interface Backend {
  standing(): Promise<Standing>;
  snapshot(): Promise<Snapshot>;
  verify(): Promise<Verification>;
  act(verb: Verb, containerId: string): Promise<Acted>;
  tryAgain(): Promise<void>;
  keepRunning(): Promise<void>;
  quit(): Promise<void>;
  onAnnounced(hear: (announcement: Announcement) => void): Promise<Unlisten>;
  onStanding(hear: (standing: Standing) => void): Promise<Unlisten>;
  onCloseAsked(hear: () => void): Promise<Unlisten>;
  onContainerChosen(hear: (row: string) => void): Promise<Unlisten>;
  onPlaceChosen(hear: (place: string) => void): Promise<Unlisten>;
}

export const shell: Backend = {
  standing: () => ask(commands.standing()),
  snapshot: () => ask(commands.snapshot()),
  verify: () => ask(commands.verify()),
  act: async (verb, containerId) => {
    const [acted] = await ask(commands[verb]({ containers: [containerId] }));
    if (!acted) throw new Failure('internal', `${verb}: no answer about ${containerId}`);
    return acted;
  },
  tryAgain: async () => void (await ask(commands.tryAgain())),
  keepRunning: async () => void (await ask(commands.keepRunning())),
  quit: async () => void (await ask(commands.quit())),
  onAnnounced: (hear) => events.announced.listen(({ payload }) => hear(payload)),
  onStanding: (hear) => events.standingChanged.listen(({ payload }) => hear(payload)),
  onCloseAsked: (hear) => events.closeAsked.listen(() => hear()),
  onContainerChosen: (hear) => events.containerChosen.listen(({ payload }) => hear(payload)),
  onPlaceChosen: (hear) => events.placeChosen.listen(({ payload }) => hear(payload)),
};

/** The same answer, with every way to fail made a {@link Failure}. */
async function ask<Answer>(asked: Promise<Answer>): Promise<Answer> {
  try {
    return await asked;
  } catch (cause) {
    throw failure(cause);
  }
}

export function failure(cause: unknown): Failure {
  if (cause instanceof Failure) return cause;
  if (isApiError(cause)) return new Failure(cause.code, cause.message);
  return new Failure('internal', cause instanceof Error ? cause.message : String(cause));
}

function isApiError(cause: unknown): cause is ApiError {
  return typeof cause === 'object' && cause !== null && 'code' in cause && 'message' in cause;
}
