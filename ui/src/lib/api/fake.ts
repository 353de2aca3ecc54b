/**
 * A shell in memory, for component tests and for working on the pages in a browser. It holds an index with a
 * revision, announces what changes as the real one does, and counts what it was asked.
 */
import {
  Failure,
  type Acted,
  type Announcement,
  type Backend,
  type Container,
  type EngineState,
  type Level,
  type Snapshot,
  type Standing,
  type State,
  type Status,
  type Unlisten,
  type Verdict,
  type Verb,
  type Verification,
} from './client';

const NOW = Date.parse('2026-01-02T12:00:00Z');

/** A verdict of which only this much matters. */
export function aVerdict(level: Level, text: string): Verdict {
  return { level, text, kind: KINDS[level], since: null, cause: null, evidence: [], fix: null };
}

const KINDS = { fine: 'fine', info: 'completed', warn: 'paused', bad: 'crashed' } as const;

export function aContainer(id: string, facts: Partial<Container> = {}): Container {
  return {
    id,
    workload_id: null,
    workload_kind: null,
    workload_name: null,
    role: null,
    stage_id: null,
    container_id: `${id}-container`,
    name: id,
    image: 'nginx:1.27',
    image_tag: '1.27',
    image_id: 'sha256:1',
    image_digest: null,
    state: 'running',
    health: 'none',
    exit_code: null,
    oom_killed: false,
    restart_count: 0,
    ports: [],
    host: null,
    subdomain: null,
    proxy_route_id: null,
    url: null,
    release_id: null,
    verdict: aVerdict('fine', 'Running'),
    created_at: new Date(NOW - 3_600_000).toISOString(),
    started_at: new Date(NOW - 600_000).toISOString(),
    last_seen_at: new Date(NOW).toISOString(),
    updated_at: new Date(NOW).toISOString(),
    ...facts,
  } as Container;
}

export class Fake implements Backend {
  /** How often each command was asked. */
  readonly asked = { standing: 0, snapshot: 0, verify: 0, act: 0, tryAgain: 0, keepRunning: 0, quit: 0 };
  /** Commands that fail, and how. */
  readonly refuses: Partial<Record<'snapshot' | 'act' | 'verify', Failure>> = {};

  #rows = new Map<string, Container>();
  #revision = 1;
  #standing: Standing = { state: 'own', home: '/home/u/.local/share/tinyforge' };
  #status: Status = aStatus();
  #announced = new Set<(announcement: Announcement) => void>();
  #stood = new Set<(standing: Standing) => void>();
  #closing = new Set<() => void>();
  #chosen = new Set<(row: string) => void>();
  #places = new Set<(place: string) => void>();

  constructor(containers: readonly Container[] = []) {
    for (const container of containers) this.#rows.set(container.id, container);
  }

  /** One commit: the rows as they now stand, and one patch with them. */
  change(...containers: Container[]): void {
    for (const container of containers) this.#rows.set(container.id, container);
    this.#patch(containers, []);
  }

  remove(...ids: string[]): void {
    for (const id of ids) this.#rows.delete(id);
    this.#patch([], ids);
  }

  become(id: string, facts: Partial<Container>): void {
    const before = this.#rows.get(id);
    if (before) this.change({ ...before, ...facts });
  }

  /** The same, lost on the way: the window hears of it only that something was missed. */
  miss(...containers: Container[]): void {
    for (const container of containers) this.#rows.set(container.id, container);
    this.#revision += 1;
    this.announce({ type: 'lagged', missed: 1 } as Announcement);
  }

  /** The same, and nothing says so: the next patch leaves a gap. */
  lose(...containers: Container[]): void {
    for (const container of containers) this.#rows.set(container.id, container);
    this.#revision += 1;
  }

  engine(state: EngineState, facts: Partial<Status['engine']> = {}): void {
    this.#status = { ...this.#status, engine: { ...this.#status.engine, state, ...facts } };
    this.#tell();
  }

  index(facts: Partial<Status['index']>): void {
    this.#status = { ...this.#status, index: { ...this.#status.index, ...facts } };
    this.#tell();
  }

  stand(standing: Standing): void {
    this.#standing = standing;
    this.#stood.forEach((hear) => hear(standing));
  }

  announce(announcement: Announcement): void {
    this.#announced.forEach((hear) => hear(announcement));
  }

  askToClose(): void {
    this.#closing.forEach((hear) => hear());
  }

  choose(row: string): void {
    this.#chosen.forEach((hear) => hear(row));
  }

  choosePlace(place: string): void {
    this.#places.forEach((hear) => hear(place));
  }

  get listeners(): number {
    return (
      this.#announced.size + this.#stood.size + this.#closing.size + this.#chosen.size + this.#places.size
    );
  }

  async standing(): Promise<Standing> {
    this.asked.standing += 1;
    return this.#standing;
  }

  async snapshot(): Promise<Snapshot> {
    this.asked.snapshot += 1;
    if (this.refuses.snapshot) throw this.refuses.snapshot;
    return { revision: this.#revision, containers: [...this.#rows.values()], status: this.#status };
  }

  async verify(): Promise<Verification> {
    this.asked.verify += 1;
    if (this.refuses.verify) throw this.refuses.verify;
    return { equal: true, checked: this.#rows.size, differences: [] };
  }

  async act(verb: Verb, containerId: string): Promise<Acted> {
    this.asked.act += 1;
    if (this.refuses.act) throw this.refuses.act;
    const row = [...this.#rows.values()].find((container) => container.container_id === containerId);
    if (!row) throw new Failure('not_found', `nothing is called ${containerId}`);
    const state: State = verb === 'stop' ? 'stopped' : 'running';
    return { container_id: containerId, name: row.name, state, error: null };
  }

  async tryAgain(): Promise<void> {
    this.asked.tryAgain += 1;
  }

  async keepRunning(): Promise<void> {
    this.asked.keepRunning += 1;
  }

  async quit(): Promise<void> {
    this.asked.quit += 1;
  }

  onAnnounced(hear: (announcement: Announcement) => void): Promise<Unlisten> {
    return listen(this.#announced, hear);
  }

  onStanding(hear: (standing: Standing) => void): Promise<Unlisten> {
    return listen(this.#stood, hear);
  }

  onCloseAsked(hear: () => void): Promise<Unlisten> {
    return listen(this.#closing, hear);
  }

  onContainerChosen(hear: (row: string) => void): Promise<Unlisten> {
    return listen(this.#chosen, hear);
  }

  onPlaceChosen(hear: (place: string) => void): Promise<Unlisten> {
    return listen(this.#places, hear);
  }

  #tell(): void {
    this.announce({ type: 'status', ...this.#status } as Announcement);
  }

  #patch(upserts: Container[], removals: string[]): void {
    this.#revision += 1;
    this.announce({
      type: 'patch',
      revision: this.#revision,
      upserts,
      removals,
      history: [],
    } as Announcement);
  }
}

async function listen<Hear>(to: Set<Hear>, hear: Hear): Promise<Unlisten> {
  to.add(hear);
  return () => to.delete(hear);
}

function aStatus(): Status {
  return {
    version: '0.1.0',
    pid: 4242,
    uptime_s: 3600,
    engine: {
      state: 'connected',
      endpoint: 'unix:///var/run/docker.sock',
      simulated: false,
      version: '20.10.24',
      api_version: '1.41',
      id: 'ENGINE',
      latency_ms: 0.4,
      since: new Date(NOW - 3_600_000).toISOString(),
      reason: null,
      cure: null,
    },
    index: {
      containers: 0,
      revision: 1,
      verified_at: new Date(NOW).toISOString(),
      age_ms: 0,
      last_pass_ms: 7.2,
      passes: 120,
      events: 340,
      divergences: 0,
    },
    database: {
      path: '/home/u/.local/share/tinyforge/tinyforge.db',
      bytes: 184_320,
      schema_version: 2,
      ok: true,
      note: null,
    },
    proxy: { address: null, state: 'off', routes: 0 },
    webhook: { address: null, enabled: false },
    dns: { address: null, zone: 'test', enabled: false },
    verdicts: { worst: 'fine', bad: 0, warn: 0 },
  };
}
