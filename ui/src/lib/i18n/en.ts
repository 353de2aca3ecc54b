/** Every text of the window. A language is one file like this one. */
export const en = {
  /** How numbers are written in this language. */
  locale: 'en',

  product: 'Tinyforge',

  nav: {
    label: 'Pages',
    home: 'Home',
    containers: 'Containers',
    health: 'Health',
  },

  age: {
    exact: 'exact',
    late: 'late',
    reading: 'reading the engine…',
    away: 'engine away',
    denied: 'no permission',
    absent: 'no engine',
    noCore: 'no core',
    /** How old the last verified truth is. */
    lastExact: (age: string) => `last exact ${age} ago`,
    lastTrue: (moment: string) => `Last verified ${moment}`,
    label: 'Index',
  },

  state: {
    running: 'running',
    healthStarting: 'starting',
    unhealthy: 'unhealthy',
    created: 'created',
    deploying: 'deploying',
    stopped: 'stopped',
    completed: 'completed',
    crashed: 'crashed',
    restarting: 'restarting',
    paused: 'paused',
    failed: 'failed',
    removing: 'removing',
    missing: 'missing',
    unknown: 'unknown',
  },

  act: {
    start: 'Start',
    stop: 'Stop',
    restart: 'Restart',
    starting: 'starting…',
    stopping: 'stopping…',
    restarting: 'restarting…',
    on: (verb: string, name: string) => `${verb} ${name}`,
    failed: (verb: string, name: string) => `${verb} ${name} failed`,
  },

  containers: {
    title: 'Containers',
    search: 'Search name, image, port, id…',
    searchLabel: 'Search containers',
    searchKey: '/',
    clearSearch: 'Clear search',
    columns: {
      state: 'State',
      name: 'Name',
      workload: 'Workload',
      image: 'Image',
      ports: 'Ports',
      since: 'Since',
      verdict: 'Verdict',
      acts: 'Actions',
    },
    kinds: { project: 'Projects', stack: 'Stacks', site: 'Sites', foreign: 'Foreign' },
    states: {
      running: 'Running',
      stopped: 'Stopped',
      attention: 'Needs a look',
      missing: 'Missing',
      paused: 'Paused',
      created: 'Created',
      restarting: 'Restarting',
      deploying: 'Deploying',
      failed: 'Failed',
      removing: 'Removing',
      unknown: 'Unknown',
    },
    kindLabel: 'Kind',
    stateLabel: 'State',
    foreign: 'foreign',
    foreignWhy: 'No workload owns it. Shown and judged, never touched unless you name it.',
    gone: 'gone',
    shown: (shown: number, all: number) =>
      shown === all
        ? `${all.toLocaleString('en')} ${all === 1 ? 'container' : 'containers'}`
        : `${shown.toLocaleString('en')} of ${all.toLocaleString('en')}`,
    /** Said once of all of them, where a word in every row would tell nothing apart. */
    allForeign: 'all foreign',
    held: (count: number) => `${count} new ${count === 1 ? 'container' : 'containers'}: show`,
    emptyTitle: 'No containers yet',
    emptyText: 'Start one in a terminal and it appears here at once:',
    emptyCommand: 'docker run -d --name hello nginx',
    unknownTitle: 'Nothing is known of the containers',
    unknownEngine: 'They appear here by themselves as soon as an engine answers.',
    unknownCore: 'They appear here by themselves as soon as a core answers.',
    noMatchTitle: 'Nothing matches',
    noMatchText: 'No container fits the filters and the search.',
    clearFilters: 'Clear filters',
    loading: 'Reading the containers…',
    morePorts: (count: number) => `+${count}`,
    neverRan: 'never ran',
  },

  engine: {
    away: {
      title: 'The engine does not answer',
      cure: 'Start it again, for example with `sudo systemctl start docker`.',
    },
    denied: {
      title: 'The engine may not be used by this user',
      text: (endpoint: string) => `Permission is denied at \`${endpoint}\`.`,
      cure: 'Add yourself to the docker group (`sudo usermod -aG docker $USER`), then log in again.',
    },
    unusable: {
      title: 'Which engine is meant cannot be told',
      text: (why: string) => `${why}.`,
      cure: 'Set `DOCKER_HOST`, or choose a context that exists (`docker context ls`).',
    },
    absent: {
      title: 'No engine was found',
      text: (endpoint: string) => `Nothing answers at \`${endpoint}\`.`,
      cure: 'Install Docker Engine or Podman, or point `DOCKER_HOST` at one. It is picked up by itself.',
    },
    /** Before the age of what is on the screen. */
    lastTrue: 'What you see was last verified',
  },

  standing: {
    lostTitle: 'The daemon is gone',
    lostText: 'Reconnecting by itself.',
    versionTitle: 'The daemon has another version',
    versionText: (ours: string) =>
      `This window is version ${ours}. Stop the running daemon, or start a window of its version.`,
    mixedTitle: 'The daemon has another version',
    mixedText: (daemon: string, ours: string) =>
      `It is ${daemon}, this window is ${ours}. Both understand each other; what only one of them knows is missing.`,
    mixedCure: 'Restart the daemon after an update: stop `tinyforge serve` and start it again.',
    failedTitle: 'Tinyforge could not start its core',
    failedText: 'It is tried again by itself every few seconds.',
    tryAgain: 'Try again',
    attached: 'attached to a running daemon',
    own: 'runs in this window',
  },

  demo: {
    pill: 'Demo',
    why: 'A simulated engine. Nothing you do here touches a real one.',
  },

  home: {
    system: 'Containers',
    needsYou: 'Needs a look',
    nothing: 'All quiet. Nothing needs you.',
    nothingThen: 'Nothing needed you when it was last looked at.',
    attention: (count: number) => (count === 1 ? 'needs a look' : 'need a look'),
    more: (count: number) => `and ${count} more`,
  },

  health: {
    engine: 'Engine',
    index: 'Index',
    database: 'Database',
    program: 'Program',
    verification: 'Verification',
    verificationText: 'Holds every container of the index against a fresh look at the engine.',
    verify: 'Verify now',
    verifying: 'Verifying…',
    equal: (checked: number) => `Equal: ${checked} held against the engine, no difference.`,
    differs: (count: number) => `${count} ${count === 1 ? 'difference' : 'differences'} found.`,
    connected: 'connected',
    fields: {
      endpoint: 'Endpoint',
      version: 'Version',
      api: 'API',
      latency: 'Latency',
      since: 'Since',
      reason: 'Reason',
      cure: 'What to do',
      containers: 'Containers',
      revision: 'Revision',
      verified: 'Verified',
      lastPass: 'Last pass',
      passes: 'Passes',
      events: 'Events',
      divergences: 'Divergences',
      path: 'File',
      size: 'Size',
      schema: 'Schema',
      note: 'Note',
      process: 'Process',
      uptime: 'Up for',
      core: 'Core',
    },
    ok: 'ok',
    faulty: 'needs a look',
    notYet: 'not yet',
    figuresLoading: 'Reading the figures…',
  },

  close: {
    title: 'Close the window?',
    text: 'No tray shows Tinyforge on this desktop, so a closed window can only be had back by starting it again.',
    keep: 'Keep running without a window',
    quit: 'Quit Tinyforge',
    cancel: 'Cancel',
  },

  error: {
    title: 'This page failed to draw',
    text: 'The index goes on. Draw the page again, or start the window anew.',
    again: 'Draw again',
    snapshot: 'The containers could not be read',
  },

  toast: { dismiss: 'Dismiss', region: 'Messages' },

  time: {
    now: 'just now',
    ago: (span: string) => `${span} ago`,
    milliseconds: (n: string) => `${n} ms`,
    seconds: (n: number) => `${n} s`,
    minutes: (n: number) => `${n} min`,
    hours: (n: number) => `${n} h`,
    days: (n: number) => `${n} ${n === 1 ? 'day' : 'days'}`,
  },

  bytes: ['B', 'kB', 'MB', 'GB', 'TB'],
};
