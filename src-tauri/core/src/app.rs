//! The only place that knows every part: builds them, starts them and stops them in order.
//!
//! Start: lock, database, engine, subscribe, first pass, notices, jobs, the command socket. Stop in reverse.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tracing::info;

use crate::clock::{Clock, SharedClock, SystemClock};
use crate::control::client::SilentDaemon;
use crate::control::protocol::Desk;
use crate::control::server::Server;
use crate::control::shapes::{ApiError, Backup, ErrorCode};
use crate::control::{AsWritten, Control, ControlParts};
use crate::docker::fake::Demo;
use crate::docker::{EngineError, SharedEngine, seeking};
use crate::events::{Bus, Event, Heard};
use crate::home::Home;
use crate::jobs::stale_scan::{Passes, Scan};
use crate::jobs::{self, Board, Jobs, last_words};
use crate::notify;
use crate::notify::webhook::post::HttpPost;
use crate::notify::webhook::{Outgoing, Sending};
use crate::reconcile::{Link, OwnActs, Parts, Pulse, Reconciler, Rhythm};
use crate::rules::ids::EngineId;
use crate::rules::notice::policy::Line;
use crate::rules::secret::KeyRecord;
use crate::secrets::{Ledger, Vault, keyring};
use crate::store::{Happening, Store, StoreError};

/// How long a command waits for the first pass before it answers from what the index has: an engine that hangs must
/// not hang the command.
const FIRST_PASS: Duration = Duration::from_secs(15);
/// How long what is written last may wait, all of it together, for a lock that another program holds: the line of the
/// event log and what of the index lived in memory. Longer than a slow disk needs, shorter than a service manager waits
/// before it kills.
const LAST_COMMIT: Duration = Duration::from_secs(5);
/// How long the start waits to see its line in the event log written. Beyond that the line stays with the writer, before
/// every later one.
const FIRST_NOTE: Duration = Duration::from_millis(500);
/// How long a command that is done with its own work still answers others that came to it meanwhile: as long as a stop
/// may take whose container has a long grace.
const GUESTS: Duration = Duration::from_secs(150);

/// Which engine the core works on.
#[derive(Clone, Default)]
pub enum EngineChoice {
    /// `DOCKER_HOST`, the Docker context, or the first of the usual sockets; sought anew whenever none answers.
    #[default]
    Discover,
    /// The fake engine, with a life of its own and behind a socket of its own.
    Demo,
    /// One that the caller brings.
    Given(SharedEngine),
}

pub struct AppOptions {
    pub home: Home,
    pub engine: EngineChoice,
}

/// The running core.
pub struct App {
    control: Control,
    board: Board,
    core: Core,
    server: Option<Server>,
    /// Whether it is one command's, and gone with it.
    in_place: bool,
    jobs: Option<Jobs>,
    /// Asks for the last lines of what crashes; only a daemon does.
    listener: Option<JoinHandle<()>>,
    /// Sends what is told to the user's receiver; only a daemon does.
    sending: Option<Sending>,
    /// Tells users what deserves it; only a daemon does.
    notifier: Option<JoinHandle<()>>,
}

/// What this process is to the data folder.
enum Role {
    /// It holds the folder and writes.
    Keeper,
    /// It only looks, beside a daemon that does not answer or where none runs.
    Observer { silent: Option<SilentDaemon>, as_written: AsWritten },
}

/// The store, the engine and what keeps the one true to the other.
struct Core {
    engine: SharedEngine,
    store: Store,
    bus: Bus,
    index: Reconciler,
    /// Follows announcements.
    follower: JoinHandle<()>,
    /// The engine itself, where it is the demo's.
    demo: Option<Box<Demo>>,
}

impl App {
    /// Starts the daemon: takes the folder, opens the database, watches the engine, opens the command socket.
    pub async fn start(options: AppOptions) -> Result<Self, ApiError> {
        let mut app = Self::without_a_socket(options).await?;
        let (engine, store) = (Arc::clone(&app.core.engine), app.core.store.clone());
        app.listener = Some(last_words::listen(engine, store, &app.core.bus, app.control.clock()));
        app.sending = Some(app.control.outgoing().start(&app.core.bus));
        app.notifier = Some(notify::listen(notify::Parts {
            store: app.core.store.clone(),
            bus: app.core.bus.clone(),
            clock: app.control.clock(),
            index: Arc::new(app.core.index.clone()),
        }));
        let desk = app.desk();
        let started = app.control.started();
        let scan = Scan {
            store: app.core.store.clone(),
            clock: app.control.clock(),
            passes: Arc::new(app.core.index.clone()),
        };
        let (store, clock) = (app.core.store.clone(), app.control.clock());
        let jobs = vec![
            jobs::daily_backup(store.clone(), Arc::clone(&clock)),
            scan.job(),
            jobs::retention::job(store, clock),
        ];
        app.jobs = Some(Jobs::start(jobs, &app.board, &app.control.clock()));
        match Server::start(app.control.home(), desk, started).await {
            Ok(server) => app.server = Some(server),
            Err(error) => {
                app.stop().await;
                return Err(error);
            }
        }
        let noted =
            note(&app.core.store, daemon_happening("daemon_started", "the daemon has started", started));
        if tokio::time::timeout(FIRST_NOTE, noted).await.is_err() {
            tracing::warn!("the database is locked by another program: the start is noted when it lets go");
        }
        Ok(app)
    }

    async fn without_a_socket(options: AppOptions) -> Result<Self, ApiError> {
        let bus = Bus::default();
        let clock: SharedClock = Arc::new(SystemClock);
        let folder = options.home.folder().to_path_buf();
        let (opening, now) = (bus.clone(), clock.now());
        let opened = tokio::task::spawn_blocking(move || Store::open(&folder, opening, now)).await;
        let store = opened.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))??;
        Self::upon(options, store, bus, clock, Role::Keeper).await
    }

    async fn upon(
        options: AppOptions,
        store: Store,
        bus: Bus,
        clock: SharedClock,
        role: Role,
    ) -> Result<Self, ApiError> {
        let (observes_only, silent_daemon, as_written) = match role {
            Role::Keeper => (false, None, None),
            Role::Observer { silent, as_written } => (true, silent, Some(as_written)),
        };
        let outgoing = outgoing(&options, &store, &clock).await?;
        let (engine, demo) = engine(options.engine)?;
        let rhythm = read_rhythm(&store).await?;
        let index = Reconciler::start(Parts {
            engine: Arc::clone(&engine),
            store: store.clone(),
            bus: bus.clone(),
            clock: Arc::clone(&clock),
            own: OwnActs::default(),
            rhythm,
        });
        info!(version = crate::VERSION, endpoint = %engine.endpoint(), "the index is watched");
        let follower = tokio::spawn(follow(
            bus.clone(),
            store.clone(),
            index.clone(),
            Arc::clone(&clock),
            observes_only,
        ));
        let board = Board::default();
        let control = Control::new(ControlParts {
            home: options.home,
            engine: Arc::clone(&engine),
            store: store.clone(),
            index: index.clone(),
            jobs: board.clone(),
            outgoing,
            bus: bus.clone(),
            started: clock.now(),
            clock,
            observes_only,
            silent_daemon,
            as_written,
        });
        let core = Core { engine, store, bus, index, follower, demo };
        Ok(Self {
            control,
            board,
            core,
            server: None,
            in_place: false,
            jobs: None,
            listener: None,
            notifier: None,
            sending: None,
        })
    }

    /// What answers commands.
    #[must_use]
    pub fn desk(&self) -> Arc<dyn Desk> {
        Arc::new(self.control.clone())
    }

    /// Returns once the first pass is through, the engine is known to be out of reach, or it took too long.
    pub async fn settled(&self) {
        let _ = tokio::time::timeout(FIRST_PASS, self.core.index.settled()).await;
    }

    /// Stops everything in the reverse order of its start; what lived in memory is written.
    pub async fn stop(self) {
        let mut last_note = None;
        if let Some(server) = self.server {
            if self.in_place {
                server.see_guests_off(GUESTS).await;
            } else {
                let now = self.control.clock().now();
                last_note = Some(daemon_happening("daemon_stopped", "the daemon has stopped in order", now));
            }
            server.stop().await;
        }
        if let Some(jobs) = self.jobs {
            jobs.stop().await;
        }
        // What is being written is written to its end all the same.
        for listener in self.notifier.into_iter().chain(self.listener) {
            listener.abort();
        }
        drop(self.sending);
        self.core.follower.abort();
        let written = async {
            if let Some(happening) = last_note {
                note(&self.core.store, happening).await;
            }
            self.core.index.stop().await;
        };
        if tokio::time::timeout(LAST_COMMIT, written).await.is_err() {
            tracing::warn!("the database is locked by another program: what lived in memory is not written");
        }
        drop(self.core.demo);
        self.core.store.close().await;
    }
}

/// For commands that only read, where no daemon runs or `silent` does not answer: the index in memory, brought up to
/// date by one pass. Nothing is written to the folder, which need not exist.
pub async fn observe(home: &Home, silent: Option<SilentDaemon>) -> Result<Arc<dyn Desk>, ApiError> {
    home.check().map_err(|error| ApiError::new(ErrorCode::Usage, error.to_string()))?;
    let bus = Bus::default();
    let folder = home.folder().to_path_buf();
    let copying = bus.clone();
    let copied =
        tokio::task::spawn_blocking(move || Store::observe(&folder, copying, SystemClock.now())).await;
    let store = copied.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))??;
    let options = AppOptions { home: home.clone(), engine: EngineChoice::Discover };
    let role = Role::Observer { silent, as_written: AsWritten::of(&store).await? };
    let app = App::upon(options, store, bus, Arc::new(SystemClock), role).await?;
    app.settled().await;
    Ok(app.desk())
}

/// For a command that acts, where no daemon runs: takes the folder, and answers others that act or look meanwhile, so
/// that none has to wait until this one is done. [`ErrorCode::Locked`] where another process has the folder.
pub async fn work_in_place(home: &Home) -> Result<App, ApiError> {
    let options = AppOptions { home: home.clone(), engine: EngineChoice::Discover };
    let mut app = App::without_a_socket(options).await?;
    app.in_place = true;
    match Server::start(app.control.home(), app.desk(), app.control.started()).await {
        Ok(server) => app.server = Some(server),
        // It can do its own work all the same; others wait for the folder.
        Err(error) => tracing::warn!("other commands cannot be answered meanwhile: {error}"),
    }
    app.settled().await;
    Ok(app)
}

fn engine(choice: EngineChoice) -> Result<(SharedEngine, Option<Box<Demo>>), EngineError> {
    match choice {
        EngineChoice::Given(engine) => Ok((engine, None)),
        EngineChoice::Discover => Ok((seeking::from_environment(), None)),
        EngineChoice::Demo => {
            let demo = Demo::begin(Timestamp::now)?;
            Ok((demo.door(), Some(Box::new(demo))))
        }
    }
}

/// The key of secrets goes into the keyring where the user has one and wants it there; the demo's never does: its
/// folder is thrown away.
async fn outgoing(options: &AppOptions, store: &Store, clock: &SharedClock) -> Result<Outgoing, StoreError> {
    let wanted = store.typed_settings().await?.use_keyring && !matches!(options.engine, EngineChoice::Demo);
    let keyring = if wanted { keyring::of_the_system() } else { None };
    let ledger = Arc::new(Records { store: store.clone(), clock: Arc::clone(clock) });
    let vault = Vault::new(ledger, options.home.folder(), keyring);
    Ok(Outgoing::new(store.clone(), vault, Arc::clone(clock), Arc::new(HttpPost::default())))
}

/// The database records where the key of secrets lies.
struct Records {
    store: Store,
    clock: SharedClock,
}

#[async_trait]
impl Ledger for Records {
    async fn key_record(&self) -> Result<Option<KeyRecord>, String> {
        self.store.key_record().await.map_err(|error| error.to_string())
    }

    async fn record_key(&self, record: KeyRecord) -> Result<KeyRecord, String> {
        self.store.record_key(record, self.clock.now()).await.map_err(|error| error.to_string())
    }
}

async fn read_rhythm(store: &Store) -> Result<Rhythm, StoreError> {
    let pass = store.typed_settings().await?.pass_interval;
    Ok(Rhythm { pass, ..Rhythm::default() })
}

/// What follows from announcements: a new pass interval holds without a restart, and the event log tells when the
/// engine went and came back.
async fn follow(bus: Bus, store: Store, index: Reconciler, clock: SharedClock, observes_only: bool) {
    let mut heard = bus.subscribe();
    let mut connected = true;
    loop {
        match heard.next().await {
            Heard::Event(Event::SettingChanged { .. }) | Heard::Lagged(_) => {
                if let Ok(rhythm) = read_rhythm(&store).await {
                    index.pass_every(rhythm.pass).await;
                }
            }
            Heard::Event(Event::StatusChanged) if !observes_only => {
                let now_connected = !matches!(index.pulse().link, Link::Away(_));
                if std::mem::replace(&mut connected, now_connected) != now_connected {
                    note(&store, engine_happening(&index.pulse(), clock.now())).await;
                }
            }
            Heard::Event(
                Event::IndexChanged(_)
                | Event::GapRecorded(_)
                | Event::StatusChanged
                | Event::NewlyStale(_)
                | Event::Noticed(_)
                | Event::NoticeRulesChanged,
            ) => {}
            Heard::Closed => return,
        }
    }
}

#[async_trait]
impl Passes for Reconciler {
    async fn two_more(&self) -> EngineId {
        let mut pulse = self.watch();
        // Before the first engine has answered there was no pass that would not count.
        let mut from_the_start = pulse.borrow().link == Link::Seeking;
        let mut counted: Option<(EngineId, u64)> = None;
        loop {
            let now = pulse.borrow_and_update().clone();
            counted = match (&now.link, &now.engine) {
                (Link::Connected, Some(engine)) => {
                    let same = counted.filter(|(id, from)| *id == engine.id && *from <= now.passes);
                    let from = if std::mem::take(&mut from_the_start) { 0 } else { now.passes };
                    same.or_else(|| Some((engine.id.clone(), from)))
                }
                (Link::Connected | Link::Seeking | Link::Away(_), _) => None,
            };
            if let Some((engine, from)) = &counted
                && now.passes >= from + 2
            {
                return engine.clone();
            }
            if pulse.changed().await.is_err() {
                // The index is kept no more: nothing is to be judged by it.
                return std::future::pending().await;
            }
        }
    }
}

#[async_trait]
impl notify::Index for Reconciler {
    fn line(&self) -> Line {
        match self.pulse().link {
            Link::Seeking => Line::Sought,
            Link::Connected => Line::Answers,
            Link::Away(error) => Line::Silent { reason: error.to_string() },
        }
    }

    async fn held_against_its_engine(&self) {
        self.two_more().await;
    }
}

fn engine_happening(pulse: &Pulse, at: Timestamp) -> Happening {
    let (kind, text) = match &pulse.link {
        Link::Away(error) => ("engine_away", error.to_string()),
        Link::Connected | Link::Seeking => ("engine_back", "the engine answers again".to_owned()),
    };
    let subject = pulse.engine.as_ref().map(|engine| engine.id.to_string()).unwrap_or_default();
    Happening { at, kind: kind.to_owned(), subject, text, detail: [].into() }
}

fn daemon_happening(kind: &str, text: &str, at: Timestamp) -> Happening {
    let detail = [("version".to_owned(), crate::VERSION.to_owned())].into();
    Happening { at, kind: kind.to_owned(), subject: String::new(), text: text.to_owned(), detail }
}

/// The event log is worth a warning where it cannot be written, and stops nothing.
async fn note(store: &Store, happening: Happening) {
    let kind = happening.kind.clone();
    if let Err(error) = store.note(happening).await {
        tracing::warn!("{kind} could not be noted: {error}");
    }
}

/// Puts a copy in the place of the database. No daemon may run: it takes the folder.
pub async fn restore_backup(home: &Home, name: &str) -> Result<Backup, ApiError> {
    let (folder, name) = (home.folder().to_path_buf(), name.to_owned());
    let restored =
        tokio::task::spawn_blocking(move || Store::restore(&folder, &name, SystemClock.now())).await;
    let restored = restored.map_err(|error| ApiError::new(ErrorCode::Internal, error.to_string()))??;
    Ok(crate::control::backup(restored))
}
