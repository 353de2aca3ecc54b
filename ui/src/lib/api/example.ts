/**
 * `npm run dev` in a browser: a fake shell with a container of every sort, so that pages can be worked on without an
 * engine. What stands after `?` chooses the weather: `?empty`, `?many`, `?busy`, `?foreign`, `?long`, `?demo`,
 * `?engine=away`, `?unread`, `?standing=lost`.
 */
import type { Container, EngineState, Standing } from './client';
import { aContainer, aLine, aStale, aVerdict, Fake } from './fake';

export function example(weather: URLSearchParams): Fake {
  const all = containers(weather);
  const fake = new Fake(all);
  if (!weather.has('empty')) past(fake, all);
  const engine = weather.get('engine');
  fake.index({ verified_at: before(0), age_ms: 4000 });
  if (weather.has('demo')) fake.engine('connected', { simulated: true });
  if (weather.has('unread')) fake.index({ verified_at: null, age_ms: null });
  if (engine) {
    const reason = 'cannot connect to unix:///var/run/docker.sock';
    const cure = 'Start the engine (`sudo systemctl start docker`), or point DOCKER_HOST at one that runs.';
    fake.index(
      weather.has('empty')
        ? { verified_at: null, age_ms: null }
        : { verified_at: before(4), age_ms: 4 * 60_000 },
    );
    fake.engine(engine as EngineState, { since: before(4), reason, cure });
  }
  if (weather.has('busy')) setInterval(() => stir(fake, all), 100);
  if (weather.get('standing')) {
    const standing: Standing = {
      state: 'lost',
      reason: 'the daemon does not answer: it closed the connection',
    };
    setTimeout(() => fake.stand(standing), 50);
  }
  return fake;
}

/** Ten of them change, so that a hundred do in a second. */
function stir(fake: Fake, all: readonly Container[]): void {
  const now = new Date().toISOString();
  const some = Array.from({ length: 10 }, () => all[Math.floor(Math.random() * all.length)]);
  fake.change(...some.filter((one) => one !== undefined).map((one) => ({ ...one, updated_at: now })));
}

/** What happened, and what stands still since. */
function past(fake: Fake, all: readonly Container[]): void {
  const [web, dev, , , , api, nightly] = all;
  const old = all.find((one) => one.name.includes('old-cache')) ?? all.at(-2);
  if (!web || !dev || !api || !nightly || !old) return;
  const ago = (minutes: number) => ({ at: before(minutes), recorded_at: before(minutes) });
  fake.lines.push(
    aLine(dev, { ...ago(3000), from: null, to: 'created', cause: 'own' }),
    aLine(dev, { ...ago(2999), from: 'created', to: 'running', cause: 'own' }),
    aLine({ ...old, container_id: 'f00dfeedcafe0123', name: 'shop-hotfix' }, { ...ago(900), to: null }),
    aLine(dev, {
      ...ago(70),
      container_id: null,
      field: 'gap',
      from: null,
      to: before(64),
      cause: 'unknown',
      detail: 'not_running',
    }),
    aLine(api, {
      ...ago(40),
      field: 'health',
      from: 'healthy',
      to: 'unhealthy',
      cause: 'exit',
      level: 'bad',
    }),
    aLine(web, { ...ago(30), cause: 'engine_restart', level: 'warn' }),
    aLine(dev, { ...ago(4), cause: 'oom', level: 'bad', detail: 'exit 137' }),
  );
  fake.stales.push(
    aStale(old, {
      workload_name: 'shop',
      role: 'cache',
      days_stale: 34,
      since: before(34 * 1440),
      reasons: [
        'Has not run for 34 days: stopped by somebody else, exit code 143.',
        'Superseded by tf-shop-prod-14, which runs.',
        'Only it holds the volume cache-data, which stays until it is removed by name.',
      ],
      volumes: [{ name: 'cache-data', bytes: 84_000_000 }],
    }),
    aStale(nightly, { workload_name: 'shop', role: 'nightly', days_stale: 12, since: before(12 * 1440) }),
    aStale(api, { days_stale: 9, since: before(9 * 1440), frees_bytes: null }),
  );
  fake.findings.push({
    part: 'stale_scan',
    state: 'warn',
    text: 'the last look failed 4 min ago: the engine did not answer in time',
    cure: 'It is tried again within the hour; look at `docker system df` if it stays so.',
  });
}

const before = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

function containers(weather: URLSearchParams): Container[] {
  if (weather.has('empty')) return [];
  if (weather.has('foreign')) return SORTS.map((facts, n) => one(n, { ...facts, ...FOREIGN }));
  if (weather.has('long')) return SORTS.map((facts, n) => one(n, { ...facts, ...long(n) }));
  if (weather.has('many')) return Array.from({ length: 10_000 }, (_, n) => one(n, many(n)));
  return SORTS.map((facts, n) => one(n, facts));
}

function one(n: number, facts: Partial<Container>): Container {
  const minutes = 3 ** (n % 11);
  return aContainer(`c${n}`, {
    created_at: before(minutes + 1),
    started_at: before(minutes),
    last_seen_at: before(minutes),
    ...facts,
  });
}

const many = (n: number): Partial<Container> => ({ ...SORTS[n % SORTS.length], name: `worker-${n}` });

const FOREIGN = { workload_id: null, workload_kind: null, workload_name: null, role: null };

const long = (n: number): Partial<Container> => ({
  name: `a-name-as-long-as-an-engine-takes-${'and-longer-'.repeat(8)}${n}`,
  image: `registry.example.com:5000/some/team/with/many/folders/${'deep/'.repeat(6)}service:v1.2.3-rc.${n}`,
});

const port = (host_port: number, container_port = 80) => ({
  container_port,
  protocol: 'tcp',
  host_ip: '127.0.0.1',
  host_port,
});

const shop = { workload_id: 'w1', workload_kind: 'project', workload_name: 'shop' } as const;
const blog = { workload_id: 'w2', workload_kind: 'stack', workload_name: 'blog' } as const;

const SORTS: Partial<Container>[] = [
  {
    ...shop,
    role: 'prod',
    name: 'tf-shop-prod-14',
    image: 'registry.local:5000/shop:v1.4',
    ports: [port(32768, 8080)],
    health: 'healthy',
    verdict: aVerdict('fine', 'Running and healthy'),
  },
  {
    ...shop,
    role: 'dev',
    name: 'tf-shop-dev-52',
    image: 'registry.local:5000/shop:dev-52',
    state: 'stopped',
    exit_code: 137,
    oom_killed: true,
    verdict: {
      ...aVerdict('bad', 'Out of memory: the kernel killed it'),
      kind: 'out_of_memory',
      since: before(4),
      cause: 'oom',
      evidence: [
        { what: 'exit', text: '137: killed by SIGKILL' },
        { what: 'by', text: 'the kernel, for want of memory' },
        { what: 'log', text: 'GET /cart 200 3 ms\nheap 498 MB of 512 MB\nGET /export 200 2911 ms' },
      ],
      fix: 'Give it more memory (`docker update --memory 1g tf-shop-dev-52`), or find what holds it.',
    },
  },
  {
    ...blog,
    role: 'web',
    name: 'blog-web-1',
    image: 'nginx:1.27',
    ports: [port(8080), port(8443, 443), port(9000, 9000)],
  },
  {
    ...blog,
    role: 'db',
    name: 'blog-db-1',
    image: 'postgres:16',
    health: 'starting',
    verdict: aVerdict('info', 'Starting: its health check has not passed yet'),
  },
  { name: 'quizzical_lamarr', image: 'alpine:3.20' },
  {
    name: 'api-under-test',
    image: 'api:latest',
    health: 'unhealthy',
    ports: [port(3000, 3000)],
    verdict: aVerdict('bad', 'Unhealthy: its health check fails'),
  },
  {
    name: 'nightly-import',
    image: 'importer:2',
    state: 'stopped',
    exit_code: 0,
    verdict: aVerdict('info', 'Completed'),
  },
  {
    ...shop,
    role: 'rel',
    name: 'tf-shop-rel-9',
    image: 'registry.local:5000/shop:rel-9',
    state: 'missing',
    verdict: aVerdict('bad', 'Missing: the engine no longer knows it'),
  },
  {
    name: 'flaky',
    image: 'flaky:1',
    state: 'restarting',
    restart_count: 12,
    verdict: aVerdict('bad', 'Restarting again and again: 12 so far, last exit 1'),
  },
  { name: 'frozen', image: 'redis:7', state: 'paused', verdict: aVerdict('warn', 'Paused') },
  {
    name: 'old-cache',
    image: 'memcached:1.6',
    state: 'stopped',
    exit_code: 143,
    verdict: aVerdict('info', 'Stopped by signal 15 (exit 143)'),
  },
  {
    workload_id: 'w3',
    workload_kind: 'site',
    workload_name: 'docs',
    role: 'site',
    name: 'tf-docs-site-3',
    image: 'static-web:1',
    ports: [port(32770)],
  },
  {
    name: 'never-started',
    image: 'nginx:1.27',
    state: 'created',
    started_at: null,
    last_seen_at: null,
    verdict: aVerdict('bad', 'Never started: address already in use'),
  },
];
