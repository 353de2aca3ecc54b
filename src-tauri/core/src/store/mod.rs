//! The door to the database: one writer, readers that only read, events that leave after the commit.
//!
//! ```text
//! reconcile ──commit_index──▶ ┐                      ┌─▶ Event::IndexChanged
//! deploy ─────commit_decision─▶ executor ─▶ commit ──┤
//! faces ──────set_setting────▶ ┘ (one thread)        └─▶ Event::SettingChanged
//! faces ──────containers, history_of, index_at … ──▶ readers (cannot write)
//! ```
//!
//! Reading order: this file (what can be asked), `index` (what touches several tables at once), `executor` (who
//! runs it), then one file for each table. `opening` brings a data folder's file to the present schema with
//! `migrate`, `legacy`, `schema` and, where it is damaged, `rescue`. No type of SQLite leaves this folder.

mod backups;
mod changes;
mod connection;
mod containers;
mod engines;
mod error;
mod event_log;
mod examine;
mod executor;
mod folder;
mod gaps;
mod index;
mod last_words;
mod legacy;
mod migrate;
mod notices;
mod opening;
mod outgoing;
mod past;
mod readers;
mod recorded;
mod rescue;
mod retention;
mod retired;
mod schema;
mod secret_key;
mod settings;
#[cfg(feature = "simulation")]
mod simulated;
mod stale;
mod words;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::events::Bus;
use crate::rules::cause::Cause;
use crate::rules::diff::Change;
use crate::rules::dispatch::{Claims, Recorded, Workload};
use crate::rules::gap::Gap;
use crate::rules::ids::{ContainerId, EngineId, RowId, WorkloadId};
pub use crate::rules::plan::RowWrite;
use crate::rules::row::{Decided, LastWords, Row};

pub use backups::{Backup, BackupReason};
pub use changes::LogLine;
pub use engines::KnownEngine;
pub use error::StoreError;
pub use event_log::Happening;
pub use index::Placeholder;
pub use migrate::{LATEST, MIGRATIONS, Migration, Moment, Step, Watch};
pub use notices::NoticeWishes;
pub use opening::{OpenNote, OpenReport};
pub use outgoing::{Delivery, DeliveryState, NewDelivery, OutgoingWebhook, Try};
pub use past::{ContainerHistory, ContainerThen, IndexThen};
pub use recorded::RecordedBy;
pub use retention::{HistoryBounds, HistorySize};
pub use settings::{Allowed, KNOWN, Known, Setting, Settings};
pub use stale::{StaleKey, StaleMemory, Wish};
pub use workloads::{NewShape, NewWorkload};
#[cfg(feature = "simulation")]
pub use {executor::Access, simulated::Gate};

use error::During as _;
use executor::{Done, Executor};
use folder::Folder;
use opening::Opened;

/// Cheap to clone; all clones are one database.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    executor: Executor,
    place: Place,
    report: OpenReport,
}

/// Where a store's database is.
enum Place {
    /// Ours to write.
    Folder(Folder),
    /// A copy in memory of what a folder held.
    CopyOf(Folder),
    Memory,
}

/// What the reconciler starts from.
#[derive(Debug, Clone, Default)]
pub struct IndexLoad {
    /// The engine's rows, and those carried over from the earlier design that no engine has yet: the first commit
    /// of an engine takes them.
    pub rows: Vec<Row>,
    pub claims: Claims,
    /// Keys that rows of other engines have: a new row needs another one.
    pub taken: BTreeSet<RowId>,
    /// The last `verified_at` that was written for this engine.
    pub verified_at: Option<Timestamp>,
    /// The highest any engine's index ever had: revisions do not go back when the engine changes.
    pub revision: u64,
}

/// One commit of the reconciler: all of it, or nothing.
#[derive(Debug, Clone)]
pub struct IndexCommit {
    pub engine_id: EngineId,
    pub now: Timestamp,
    /// Rides along with any commit; alone it is written at most every five minutes.
    pub verified_at: Option<Timestamp>,
    pub writes: Vec<RowWrite>,
    /// `last_seen_at` of the rows that run, which otherwise lives in memory.
    pub seen: Option<Timestamp>,
    pub gaps: Vec<Gap>,
    pub recasts: Vec<Recast>,
}

/// A line of history that turned out to have another cause: an engine that stops kills its containers before anyone can
/// know that it is the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recast {
    pub row_id: RowId,
    pub line: Line,
    /// Only if it was recorded at or after this.
    pub since: Timestamp,
    pub cause: Cause,
}

/// Which of the lines that tell a row's states is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// The latest, whatever it tells.
    Latest,
    /// The latest, if it tells an end.
    End,
    /// The one in which it went on from a pause: an engine that stops lets what is paused go on before it ends it.
    Unpaused,
}

/// Opening and closing.
impl Store {
    /// Takes the folder's lock, sets a damaged file aside and rebuilds it, backs up, migrates, opens for writing.
    /// Whoever comes second is refused at once with [`StoreError::Locked`].
    pub fn open(home: &Path, bus: Bus, now: Timestamp) -> Result<Self, StoreError> {
        Self::open_watched(home, bus, now, &mut migrate::unwatched)
    }

    /// [`Store::open`], telling every step of the migrations; `watch` may cut them there.
    pub fn open_watched(home: &Path, bus: Bus, now: Timestamp, watch: Watch<'_>) -> Result<Self, StoreError> {
        let Opened { lock, folder, writer, report } = opening::open(home, now, watch)?;
        let executor = Executor::on_file(&folder.database(), writer, lock, bus)?;
        Ok(Self::of(executor, Place::Folder(folder), report))
    }

    /// The same database in memory, for tests and simulations. Every call runs at once on the caller's thread.
    pub fn in_memory(bus: Bus) -> Result<Self, StoreError> {
        let db = migrate::fresh()?;
        Ok(Self::of(Executor::in_memory(db, bus), Place::Memory, OpenReport::default()))
    }

    /// A copy in memory of what a folder holds, for commands that only read while no daemon runs. Nothing in the
    /// folder is made, written or locked; what is written to the copy vanishes with it. A folder without a
    /// database is an empty index.
    pub fn observe(home: &Path, bus: Bus, now: Timestamp) -> Result<Self, StoreError> {
        let (db, report) = opening::observe(home, now)?;
        Ok(Self::of(Executor::in_memory(db, bus), Place::CopyOf(Folder::at(home)), report))
    }

    /// Puts a backup in the place of a folder's database, which is itself backed up first. Takes the folder's lock:
    /// no daemon may run. Returns what was restored.
    pub fn restore(home: &Path, name: &str, now: Timestamp) -> Result<Backup, StoreError> {
        opening::restore(home, name, now)
    }

    /// Lets the queued writes finish, closes the database and gives up the folder. Every later call answers
    /// [`StoreError::Closed`]. Dropping the last clone does the same.
    pub async fn close(&self) {
        let store = self.clone();
        if tokio::task::spawn_blocking(move || store.executor().close()).await.is_err() {
            tracing::error!("closing the database panicked");
        }
    }

    fn of(executor: Executor, place: Place, report: OpenReport) -> Self {
        Self { inner: Arc::new(Inner { executor, place, report }) }
    }
}

/// The reconciler's.
impl Store {
    pub async fn load_index(&self, engine: &EngineId) -> Result<IndexLoad, StoreError> {
        let engine = engine.clone();
        self.executor().read("reading the index", move |db| index::load(db, &engine)).await
    }

    /// Returns the revision that now stands. Announces after the commit, once, and only if a face could tell the
    /// difference: then the revision is one higher. A commit that says nothing writes nothing; one that only carries
    /// `verified_at`, `seen` or `gaps` writes those and leaves the revision.
    pub async fn commit_index(&self, commit: IndexCommit) -> Result<u64, StoreError> {
        if index::is_empty(&commit) {
            return self.revision().await;
        }
        self.executor().write("writing the index", move |db| index::commit(db, &commit)).await
    }

    /// Notes that an engine was identified; writes only what is new.
    pub async fn remember_engine(
        &self,
        engine: &EngineId,
        endpoint: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const REMEMBER: &str = "remembering the engine";
        let (engine, endpoint) = (engine.clone(), endpoint.to_owned());
        let asked = (engine.clone(), endpoint.clone());
        let known = self
            .executor()
            .read(REMEMBER, move |db| engines::endpoint(db, &asked.0).during(REMEMBER))
            .await?;
        if known.as_ref() == Some(&endpoint) {
            return Ok(());
        }
        let write = move |db: &rusqlite::Transaction<'_>| {
            engines::remember(db, &engine, &endpoint, now).during(REMEMBER).map(Done::quietly)
        };
        self.executor().write(REMEMBER, write).await
    }
}

/// Of whoever asks for logs.
impl Store {
    /// Keeps what a container's program wrote last before it ended, in the place of what it wrote before an earlier end,
    /// and announces its row. Nothing happens where the row has another container by now. Returns the revision.
    pub async fn keep_last_words(
        &self,
        row: &RowId,
        container: &ContainerId,
        words: LastWords,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let (row, container) = (row.clone(), container.clone());
        self.executor()
            .write("writing a container's last words", move |db| {
                index::keep_last_words(db, &row, &container, &words, now)
            })
            .await
    }
}

/// The deployer's, and the user's acts on workloads.
impl Store {
    /// Writes the columns that the deployer decides, all of them and no other. Returns the revision.
    pub async fn commit_decision(
        &self,
        row: &RowId,
        decided: Decided,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let row = row.clone();
        self.executor().write("writing a decision", move |db| index::decide(db, &row, &decided, now)).await
    }

    /// Makes the row of a deploy that has no container yet. Returns the revision.
    pub async fn insert_placeholder(&self, new: Placeholder, now: Timestamp) -> Result<u64, StoreError> {
        self.executor().write("writing a placeholder", move |db| index::place(db, &new, now)).await
    }

    /// Ends a placeholder that no container filled; only the deploy it names can. Returns the revision.
    pub async fn end_placeholder(
        &self,
        row: &RowId,
        deploy_id: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let (row, deploy) = (row.clone(), deploy_id.to_owned());
        self.executor()
            .write("removing a placeholder", move |db| index::unplace(db, &row, &deploy, now))
            .await
    }

    /// Makes the strongest claim there is: this container belongs to that workload.
    pub async fn record_container(
        &self,
        engine: &EngineId,
        container: &ContainerId,
        to: Recorded,
        by: RecordedBy,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const RECORD: &str = "recording whose a container is";
        let (engine, container) = (engine.clone(), container.clone());
        self.executor()
            .write(RECORD, move |db| {
                index::must_exist(db, &to.workload_id)?;
                recorded::record(db, &engine, &container, &to, by, now).during(RECORD).map(Done::quietly)
            })
            .await
    }

    pub async fn add_workload(&self, new: NewWorkload, now: Timestamp) -> Result<(), StoreError> {
        const ADD: &str = "writing a workload";
        self.executor()
            .write(ADD, move |db| workloads::insert(db, &new, now).during(ADD).map(Done::quietly))
            .await
    }
}

/// Reading.
impl Store {
    /// The rows of one engine, or of all, newest first.
    pub async fn containers(&self, engine: Option<&EngineId>) -> Result<Vec<Row>, StoreError> {
        let engine = engine.cloned();
        let read = move |db: &rusqlite::Connection| match &engine {
            Some(engine) => containers::of_engine(db, engine),
            None => containers::all(db),
        };
        self.executor().read("reading the index", move |db| read(db).during("reading the index")).await
    }

    /// The revision that stands, and the rows that it has, of one moment.
    pub async fn index_of(&self, engine: Option<&EngineId>) -> Result<(u64, Vec<Row>), StoreError> {
        const READ: &str = "reading the index";
        let engine = engine.cloned();
        let read = move |db: &rusqlite::Connection| {
            let rows = match &engine {
                Some(engine) => containers::of_engine(db, engine)?,
                None => containers::all(db)?,
            };
            Ok((engines::revision(db)?, rows))
        };
        self.executor().read(READ, move |db| read(db).during(READ)).await
    }

    pub async fn revision(&self) -> Result<u64, StoreError> {
        const READ: &str = "reading the revision";
        self.executor().read(READ, |db| engines::revision(db).during(READ)).await
    }

    /// Every workload by its id.
    pub async fn workload_names(&self) -> Result<BTreeMap<WorkloadId, Workload>, StoreError> {
        const READ: &str = "reading the workloads";
        self.executor().read(READ, |db| workloads::all(db).during(READ)).await
    }

    /// Every engine that was ever identified, the one verified last first.
    pub async fn engines(&self) -> Result<Vec<KnownEngine>, StoreError> {
        const READ: &str = "reading the engines";
        self.executor().read(READ, |db| engines::all(db).during(READ)).await
    }

    /// The latest lines of one engine's history, or of every engine's, oldest first.
    pub async fn log(&self, engine: Option<&EngineId>, limit: u32) -> Result<Vec<LogLine>, StoreError> {
        const READ: &str = "reading the history";
        let engine = engine.cloned();
        self.executor().read(READ, move |db| changes::latest(db, engine.as_ref(), limit).during(READ)).await
    }

    /// A container's history, by its name, its id, or the beginning of its id; also of one that is gone. With an
    /// engine only its rows are searched, though what is gone is found whatever engine it was on.
    pub async fn history_of(
        &self,
        engine: Option<&EngineId>,
        container: &str,
    ) -> Result<ContainerHistory, StoreError> {
        let (engine, query) = (engine.cloned(), container.to_owned());
        self.executor()
            .read("reading the history", move |db| past::history(db, engine.as_ref(), &query))
            .await
    }

    /// How each of these containers last came to an end, where the history tells one.
    pub async fn last_ends(
        &self,
        of: Vec<(RowId, Option<ContainerId>)>,
    ) -> Result<BTreeMap<RowId, Change>, StoreError> {
        const READ: &str = "reading the history";
        let read = move |db: &rusqlite::Connection| {
            let mut ends = BTreeMap::new();
            for (row, container) in of {
                ends.extend(changes::last_end(db, &row, container.as_ref())?.map(|end| (row, end)));
            }
            Ok(ends)
        };
        self.executor().read(READ, move |db| read(db).during(READ)).await
    }

    /// The index as it stood at a moment.
    pub async fn index_at(&self, engine: &EngineId, at: Timestamp) -> Result<IndexThen, StoreError> {
        let engine = engine.clone();
        self.executor().read("reading the history", move |db| past::index_at(db, &engine, at)).await
    }

    /// Until when an engine's index has been verified, as last written.
    pub async fn verified_at(&self, engine: &EngineId) -> Result<Option<Timestamp>, StoreError> {
        const READ: &str = "reading the engines";
        let engine = engine.clone();
        self.executor().read(READ, move |db| engines::verified_at(db, &engine).during(READ)).await
    }

    /// The spans of an engine's index that could not be verified, newest first.
    pub async fn gaps(&self, engine: &EngineId) -> Result<Vec<Gap>, StoreError> {
        const READ: &str = "reading the gaps";
        let engine = engine.clone();
        self.executor().read(READ, move |db| gaps::of_engine(db, &engine).during(READ)).await
    }
}

/// Settings and the event log.
impl Store {
    pub async fn settings(&self) -> Result<Vec<Setting>, StoreError> {
        self.executor().read("reading the settings", settings::all).await
    }

    pub async fn setting(&self, key: &str) -> Result<Setting, StoreError> {
        let known = settings::known(key)?;
        let all = self.settings().await?;
        all.into_iter().find(|s| s.key == known.key).ok_or(StoreError::Closed)
    }

    /// The settings in the types of those who read them.
    pub async fn typed_settings(&self) -> Result<Settings, StoreError> {
        self.executor().read("reading the settings", settings::typed).await
    }

    /// Checks and stores a value, announces it if it is another one, and answers with the setting as it now is.
    pub async fn set_setting(&self, key: &str, value: &str, now: Timestamp) -> Result<Setting, StoreError> {
        let (known, value) = (settings::known(key)?, value.to_owned());
        self.executor().write("writing a setting", move |db| settings::set(db, known, &value, now)).await
    }

    /// Appends to the event log. Returns its place in the order of writing.
    pub async fn note(&self, happening: Happening) -> Result<u64, StoreError> {
        const NOTE: &str = "writing the event log";
        self.executor()
            .write(NOTE, move |db| event_log::append(db, &happening).during(NOTE).map(Done::quietly))
            .await
    }

    /// The latest happenings, oldest first.
    pub async fn happenings(&self, limit: u32) -> Result<Vec<(u64, Happening)>, StoreError> {
        const READ: &str = "reading the event log";
        self.executor().read(READ, move |db| event_log::latest(db, limit).during(READ)).await
    }
}

/// The database itself.
impl Store {
    /// What was found and done when it was opened.
    #[must_use]
    pub fn report(&self) -> &OpenReport {
        &self.inner.report
    }

    /// Where the database is, or would be; `None` for one that was never to be a file.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        self.folder().map(Folder::database)
    }

    /// What the database occupies on the disk, its log included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.folder().map_or(0, |folder| folder::bytes(&folder.database()))
    }

    #[must_use]
    pub fn schema_version(&self) -> u32 {
        LATEST
    }

    /// Checks the file's structure. The inner `Err` says what is wrong with it.
    pub async fn integrity(&self) -> Result<Result<(), String>, StoreError> {
        const CHECK: &str = "checking it";
        self.executor().read(CHECK, |db| examine::quick_check(db).during(CHECK)).await
    }

    /// The copies of the database, newest first.
    pub async fn backups(&self) -> Result<Vec<Backup>, StoreError> {
        match self.folder().cloned() {
            None => Ok(Vec::new()),
            Some(folder) => blocking(move || backups::list(&folder)).await,
        }
    }

    /// Copies the database while it is in use, and keeps the newest copies of that kind, as many as the setting says.
    pub async fn backup(&self, reason: BackupReason, now: Timestamp) -> Result<Backup, StoreError> {
        let Place::Folder(folder) = &self.inner.place else {
            return Err(StoreError::InMemory("copies: it is gone when the command ends"));
        };
        let (folder, keep) = (folder.clone(), self.typed_settings().await?.backup_keep);
        let source = move || backups::make(&backups::source(&folder.database())?, &folder, reason, keep, now);
        let backup = blocking(source).await?;
        self.note(backups::happening(&backup, now)).await?;
        Ok(backup)
    }

    /// Makes the day's copy, if the newest one is a day old or there is none.
    pub async fn backup_if_due(&self, now: Timestamp) -> Result<Option<Backup>, StoreError> {
        let Place::Folder(folder) = &self.inner.place else { return Ok(None) };
        let folder = folder.clone();
        match blocking(move || backups::is_due(&folder, now)).await? {
            true => self.backup(BackupReason::Daily, now).await.map(Some),
            false => Ok(None),
        }
    }

    fn folder(&self) -> Option<&Folder> {
        match &self.inner.place {
            Place::Folder(folder) | Place::CopyOf(folder) => Some(folder),
            Place::Memory => None,
        }
    }

    fn executor(&self) -> &Executor {
        &self.inner.executor
    }
}

/// Work on files, off the runtime's own threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Closed))
}
