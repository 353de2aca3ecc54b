/**
 * A shell in memory, for component tests and for working on the pages in a browser. It holds an index with a
 * revision, announces what changes as the real one does, and counts what it was asked.
 */
import {
  Failure,
  type Acted,
  type Announcement,
  type Backend,
  type Backup,
  type Container,
  type EngineState,
  type Finding,
  type HistoryEntry,
  type Level,
  type LogEntry,
  type Setting,
  type Snapshot,
  type StaleAnswer,
  type StaleContainer,
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
  readonly asked = {
    standing: 0,
    snapshot: 0,
    verify: 0,
    act: 0,
    history: 0,
    log: 0,
    doctor: 0,
    stale: 0,
    tryAgain: 0,
    tryDemo: 0,
    leaveDemo: 0,
    keepRunning: 0,
    quit: 0,
  };
  /** Commands that fail, and how. */
  readonly refuses: Partial<
    Record<
      'snapshot' | 'act' | 'verify' | 'history' | 'doctor' | 'settings' | 'setSetting' | 'stale',
      Failure
    >
  > = {};
  /** Every line of the log there is, oldest first. */
  readonly lines: LogEntry[] = [];
  readonly findings: Finding[] = [
    { part: 'engine', state: 'ok', text: '20.10.24 answers in 0.4 ms (API 1.41)', cure: null },
    { part: 'index', state: 'ok', text: 'verified 4 s ago', cure: null },
    { part: 'database', state: 'ok', text: '184 kB, schema 2', cure: null },
  ];
  readonly known: Setting[] = someSettings();
  readonly copies: Backup[] = [];
  /** What would be stale if nobody wished otherwise. */
  readonly stales: StaleContainer[] = [];
  readonly pinned = new Set<string>();
  readonly snoozed = new Map<string, string>();

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

  /** One more line of the log, and the patch that carries it. */
  happen(line: LogEntry): void {
    this.lines.push(line);
    this.#revision += 1;
    const patch = { revision: this.#revision, upserts: [], removals: [], history: [line] };
    this.announce({ type: 'patch', ...patch } as Announcement);
  }

  async history(container: string): Promise<HistoryEntry[]> {
    this.asked.history += 1;
    if (this.refuses.history) throw this.refuses.history;
    return this.lines.filter((line) => line.container_id === container || line.container_id === null);
  }

  async log(limit: number): Promise<LogEntry[]> {
    this.asked.log += 1;
    return this.lines.slice(-limit);
  }

  async inspect(container: string): Promise<unknown> {
    const row = [...this.#rows.values()].find((one) => one.container_id === container);
    if (!row) throw new Failure('not_found', `nothing is called ${container}`);
    return {
      Id: container,
      Name: `/${row.name}`,
      State: { Status: row.state, ExitCode: row.exit_code, StartedAt: row.started_at },
      Config: {
        Image: row.image,
        Env: ['PATH=/usr/bin', 'TOKEN=s3cret'],
        Cmd: ['serve', '--all'],
        Labels: {},
      },
      HostConfig: {
        NetworkMode: 'shop_default',
        RestartPolicy: { Name: 'unless-stopped', MaximumRetryCount: 0 },
        PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }] },
      },
      Mounts: [{ Type: 'volume', Name: 'data', Destination: '/data', RW: true }],
    };
  }

  async doctor(): Promise<Finding[]> {
    this.asked.doctor += 1;
    if (this.refuses.doctor) throw this.refuses.doctor;
    return [...this.findings];
  }

  async settings(): Promise<Setting[]> {
    if (this.refuses.settings) throw this.refuses.settings;
    return this.known.map((setting) => ({ ...setting }));
  }

  async setSetting(key: string, value: string): Promise<Setting> {
    if (this.refuses.setSetting) throw this.refuses.setSetting;
    const setting = this.known.find((one) => one.key === key);
    if (!setting) throw new Failure('not_found', `there is no setting ${key}`);
    setting.value = value;
    this.announce({ type: 'setting', key, value } as Announcement);
    return { ...setting };
  }

  async backups(): Promise<Backup[]> {
    return [...this.copies];
  }

  async backUp(): Promise<Backup> {
    const copy: Backup = {
      name: `manual-${this.copies.length + 1}.db`,
      created_at: new Date(NOW).toISOString(),
      bytes: 184_320,
      schema_version: 2,
      reason: 'manual',
    };
    this.copies.unshift(copy);
    return copy;
  }

  async stale(days: number | null, foreign: boolean): Promise<StaleContainer[]> {
    this.asked.stale += 1;
    if (this.refuses.stale) throw this.refuses.stale;
    return this.stales.filter(
      (one) =>
        one.days_stale >= (days ?? 7) &&
        (foreign || one.workload_name !== null) &&
        !this.pinned.has(one.container) &&
        !this.snoozed.has(one.container),
    );
  }

  async staleWhy(container: string): Promise<StaleAnswer> {
    const row = [...this.#rows.values()].find(
      (one) => one.name === container || one.container_id === container,
    );
    if (!row) throw new Failure('not_found', `nothing is called ${container}`);
    const stale = this.stales.find((one) => one.container === row.name);
    const pinned = this.pinned.has(row.name);
    return {
      container: row.name,
      workload_name: row.workload_name,
      role: row.role,
      stale: stale !== undefined && !pinned,
      why: pinned ? 'pinned' : stale ? 'stale' : 'running',
      text: pinned ? 'It is pinned: it never becomes stale.' : stale ? 'It is stale.' : 'It runs.',
      until: null,
      since: stale?.since ?? null,
      days_stale: stale?.days_stale ?? null,
      threshold_days: 7,
      pinned_at: pinned ? new Date(NOW).toISOString() : null,
      snoozed_until: this.snoozed.get(row.name) ?? null,
      id: row.id,
      container_id: row.container_id,
      name: row.name,
      state: row.state,
    };
  }

  async pin(container: string): Promise<StaleAnswer> {
    const answer = await this.staleWhy(container);
    this.pinned.add(answer.container);
    return this.staleWhy(container);
  }

  async unpin(container: string): Promise<StaleAnswer> {
    const answer = await this.staleWhy(container);
    this.pinned.delete(answer.container);
    return this.staleWhy(container);
  }

  async snooze(container: string, until: string): Promise<StaleAnswer> {
    const answer = await this.staleWhy(container);
    this.snoozed.set(answer.container, until);
    return this.staleWhy(container);
  }

  async tryAgain(): Promise<void> {
    this.asked.tryAgain += 1;
  }

  async tryDemo(): Promise<void> {
    this.asked.tryDemo += 1;
  }

  async leaveDemo(): Promise<void> {
    this.asked.leaveDemo += 1;
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

/** A line of the log of which only this much matters. */
export function aLine(of: Container, facts: Partial<LogEntry> = {}): LogEntry {
  return {
    seq: 1,
    container_id: of.container_id,
    name: of.name,
    workload_name: of.workload_name,
    role: of.role,
    level: 'info',
    at: new Date(NOW - 60_000).toISOString(),
    recorded_at: new Date(NOW - 60_000).toISOString(),
    field: 'state',
    from: 'running',
    to: 'stopped',
    cause: 'foreign',
    detail: null,
    ...facts,
  };
}

/** A stale container of which only this much matters. */
export function aStale(of: Container, facts: Partial<StaleContainer> = {}): StaleContainer {
  return {
    container: of.name,
    workload_name: of.workload_name,
    role: of.role,
    days_stale: 12,
    reasons: ['Has not run for 12 days: stopped by somebody else, exit code 143.'],
    frees_bytes: 312_000_000,
    frees_bytes_now: 0,
    frees_bytes_later: 312_000_000,
    volumes: [],
    networks: [],
    id: of.id,
    container_id: of.container_id,
    name: of.name,
    state: of.state,
    since: new Date(NOW - 12 * 86_400_000).toISOString(),
    exit_code: of.exit_code,
    cause: 'foreign',
    superseded_by: null,
    proxy_route_id: null,
    ...facts,
  };
}

function someSettings(): Setting[] {
  const setting = (key: string, value: string, explanation: string): Setting => ({
    key,
    value,
    default: value,
    explanation,
    now: null,
  });
  return [
    setting('stale_threshold_days', '7', 'Days after which a container that does not run counts as stale'),
    setting('pass_interval_s', '30', "Seconds between two full passes over the engine's containers"),
    setting('close_to_tray', 'true', 'Whether closing the window keeps Tinyforge running in the tray'),
    setting('backup_keep', '7', 'How many copies of the database are kept'),
  ];
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
      unreadable: 0,
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
