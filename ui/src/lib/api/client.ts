/**
 * The only door to the shell. Everything else in the window speaks {@link Backend}, which the shell answers here and
 * a fake answers in component tests.
 */
import { commands, events } from './bindings';
import type {
  Acted,
  Announcement,
  ApiError,
  Backup,
  Container,
  ErrorCode,
  Finding,
  HistoryEntry,
  LogEntry,
  Setting,
  Snapshot,
  StaleAnswer,
  StaleContainer,
  Standing,
  Verification,
} from './bindings';

export type {
  Acted,
  Announcement,
  Backup,
  Cause,
  Container,
  EngineState,
  ErrorCode,
  Exhibit,
  Finding,
  HistoryEntry,
  Level,
  LogEntry,
  PartState,
  Patch,
  Port,
  Setting,
  Snapshot,
  StaleAnswer,
  StaleContainer,
  Standing,
  State,
  Status,
  Verdict,
  Verification,
  WorkloadKind,
} from './bindings';

/** A container of the index, where it is spoken of as one of a workload's. */
export type Instance = Container;

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
  /** A container's changes, oldest first; also of one that is gone. */
  history(container: string): Promise<HistoryEntry[]>;
  /** The latest lines of everything's history, oldest first. */
  log(limit: number): Promise<LogEntry[]>;
  /** All that the engine tells of a container, as it tells it. */
  inspect(container: string): Promise<unknown>;
  doctor(): Promise<Finding[]>;
  settings(): Promise<Setting[]>;
  setSetting(key: string, value: string): Promise<Setting>;
  backups(): Promise<Backup[]>;
  backUp(): Promise<Backup>;
  /** `days` in place of the setting's and the workloads' own thresholds; `null` for those. */
  stale(days: number | null, foreign: boolean): Promise<StaleContainer[]>;
  staleWhy(container: string): Promise<StaleAnswer>;
  pin(container: string): Promise<StaleAnswer>;
  unpin(container: string): Promise<StaleAnswer>;
  snooze(container: string, until: string): Promise<StaleAnswer>;
  tryAgain(): Promise<void>;
  /** Goes on with a simulated engine. */
  tryDemo(): Promise<void>;
  leaveDemo(): Promise<void>;
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
  act: async (verb, containerId) =>
    only(await ask(commands[verb]({ containers: [containerId] })), containerId),
  history: (container) => ask(commands.history({ container })),
  log: (limit) => ask(commands.events({ limit })),
  inspect: async (container) => JSON.parse((await ask(commands.inspect({ container }))).json) as unknown,
  doctor: () => ask(commands.doctor()),
  settings: () => ask(commands.settings({})),
  setSetting: (key, value) => ask(commands.setSetting({ key, value })),
  backups: () => ask(commands.backupList()),
  backUp: () => ask(commands.backupCreate()),
  stale: (days, foreign) => ask(commands.stale({ days, foreign })),
  staleWhy: (container) => ask(commands.staleWhy({ container })),
  pin: async (container) => only(await ask(commands.pin({ containers: [container] })), container),
  unpin: async (container) => only(await ask(commands.unpin({ containers: [container] })), container),
  snooze: async (container, until) =>
    only(await ask(commands.snooze({ containers: [container], until })), container),
  tryAgain: async () => void (await ask(commands.tryAgain())),
  tryDemo: async () => void (await ask(commands.tryDemo())),
  leaveDemo: async () => void (await ask(commands.leaveDemo())),
  keepRunning: async () => void (await ask(commands.keepRunning())),
  quit: async () => void (await ask(commands.quit())),
  onAnnounced: (hear) => events.announced.listen(({ payload }) => hear(payload)),
  onStanding: (hear) => events.standingChanged.listen(({ payload }) => hear(payload)),
  onCloseAsked: (hear) => events.closeAsked.listen(() => hear()),
  onContainerChosen: (hear) => events.containerChosen.listen(({ payload }) => hear(payload)),
  onPlaceChosen: (hear) => events.placeChosen.listen(({ payload }) => hear(payload)),
};

/** The one answer about the one that was named. */
function only<Answer>([answer]: Answer[], about: string): Answer {
  if (answer === undefined) throw new Failure('internal', `no answer came about ${about}`);
  return answer;
}

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
