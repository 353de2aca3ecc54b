//! The door to the database: one writer, readers that only read, events that leave after the commit.
//!
//! ```text
//! reconcile ──commit_index──▶ ┐                      ┌─▶ Event::IndexChanged
//! deploy ─────commit_decision─▶ executor ─▶ commit ──┤
//! faces ──────set_setting────▶ ┘ (one thread)        └─▶ Event::SettingChanged
//! faces ──────containers, history_of, index_at … ──▶ readers (cannot write)
//! ```
//!
//! Reading order: this file (what can be asked), [`index`] (what touches several tables at once), `executor` (who
//! runs it), then one file for each table. `opening` brings a data folder's file to the present schema with
//! `migrate`, `legacy`, `schema` and, where it is damaged, `rescue`. No type of SQLite leaves this folder.

mod changes;
mod connection;
mod containers;
mod engines;
mod error;
mod event_log;
mod executor;
mod folder;
mod gaps;
mod index;
mod legacy;
mod migrate;
mod recorded;
mod retired;
mod schema;
mod settings;
mod words;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::events::Bus;
use crate::rules::cause::Cause;
use crate::rules::diff::Field;
use crate::rules::dispatch::{Claims, Recorded, Workload};
use crate::rules::ids::{ContainerId, EngineId, RowId, WorkloadId};
pub use crate::rules::plan::RowWrite;
use crate::rules::row::{Decided, Row};

pub use changes::LogLine;
pub use engines::KnownEngine;
pub use error::StoreError;
pub use event_log::Happening;
pub use index::Placeholder;
pub use migrate::{LATEST, MIGRATIONS, Migration, Moment, Step, Watch};
pub use recorded::RecordedBy;
pub use settings::{Allowed, KNOWN, Known, Setting, Settings};
pub use workloads::{NewShape, NewWorkload};

use error::During as _;
use executor::{Done, Executor};

/// Cheap to clone; all clones are one database.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    executor: Executor,
    path: Option<PathBuf>,
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
    /// `last_seen_at` of running rows, which otherwise lives in memory.
    pub seen: Vec<(RowId, Timestamp)>,
    pub gaps: Vec<Gap>,
    pub recasts: Vec<Recast>,
}

/// A line of history that turned out to have another cause: an engine that stops kills its containers before anyone can
/// know that it is the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recast {
    pub row_id: RowId,
    /// The latest change of this field, if it was recorded at or after `since`.
    pub field: Field,
    pub since: Timestamp,
    pub cause: Cause,
}

/// A span that could not be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    pub from: Timestamp,
    pub to: Timestamp,
    pub reason: GapReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    NotRunning,
    EngineAway,
    /// The machine slept, or the process was frozen.
    Asleep,
}

/// Opening.
impl Store {
    /// Takes the folder's lock, backs up, migrates, opens for writing.
    pub fn open(home: &Path, bus: Bus, now: Timestamp) -> Result<Self, StoreError> {
        let folder = folder::Folder::prepare(home)?;
        let lock = folder::Lock::take(&folder)?;
        let path = folder.database();
        folder::private_file(&path)?;
        let mut writer = connection::writer(&path)?;
        migrate::run(&mut writer, LATEST, now, &mut migrate::unwatched)?;
        let executor = Executor::on_file(&path, writer, lock, bus)?;
        Ok(Self { inner: Arc::new(Inner { executor, path: Some(path) }) })
    }

    /// The same database in memory, for tests and for commands that only observe. Every call runs at once on the
    /// caller's thread.
    pub fn in_memory(bus: Bus) -> Result<Self, StoreError> {
        let mut db = connection::in_memory()?;
        migrate::run(&mut db, LATEST, Timestamp::UNIX_EPOCH, &mut migrate::unwatched)?;
        Ok(Self { inner: Arc::new(Inner { executor: Executor::in_memory(db, bus), path: None }) })
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
        self.executor()
            .write("writing a decision", move |db| index::decide(db, &row, &decided, now))
            .await
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

    /// The latest lines of the history, oldest first.
    pub async fn log(&self, limit: u32) -> Result<Vec<LogLine>, StoreError> {
        const READ: &str = "reading the history";
        self.executor().read(READ, move |db| changes::latest(db, limit).during(READ)).await
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
    /// Where the database is; `None` for one in memory.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.inner.path.as_deref()
    }

    fn executor(&self) -> &Executor {
        &self.inner.executor
    }
}
