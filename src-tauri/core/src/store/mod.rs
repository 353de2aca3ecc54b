//! The door to the database: one writer, readers that only read, events that leave after the commit.

use std::path::Path;

use jiff::Timestamp;

use crate::events::Bus;
use crate::rules::diff::Change;
use crate::rules::dispatch::Claims;
use crate::rules::ids::{ContainerId, EngineId, RowId};
use crate::rules::row::{Facts, Owner, Row};

/// Cheap to clone; all clones are one database.
#[derive(Clone)]
pub struct Store {}

/// What the reconciler starts from.
#[derive(Debug, Clone, Default)]
pub struct IndexLoad {
    pub rows: Vec<Row>,
    pub claims: Claims,
    /// The last `verified_at` that was written for this engine.
    pub verified_at: Option<Timestamp>,
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
}

/// The reconciler's write path. It cannot name a column that the deployer decides.
#[derive(Debug, Clone)]
pub enum RowWrite {
    /// A container that had no row.
    Insert { row: Row, history: Vec<Change> },
    /// A row as freshly observed; a placeholder or an absent row may take on a container here.
    Observe {
        id: RowId,
        owner: Owner,
        container_id: ContainerId,
        facts: Box<Facts>,
        last_seen_at: Option<Timestamp>,
        history: Vec<Change>,
    },
    /// A workload's container that the engine no longer knows.
    Missing { id: RowId, since: Timestamp, history: Vec<Change> },
    /// A foreign container that is gone: out of the index, into history.
    Retire { id: RowId, history: Vec<Change> },
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

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("another tinyforge holds {0}")]
    Locked(String),
}

impl Store {
    /// Takes the folder's lock, backs up, migrates, opens for writing.
    pub fn open(_home: &Path, _bus: Bus, _now: Timestamp) -> Result<Self, StoreError> {
        todo!()
    }

    /// The same database in memory, for tests and for commands that only observe.
    pub fn in_memory(_bus: Bus) -> Result<Self, StoreError> {
        todo!()
    }

    pub async fn load_index(&self, _engine: &EngineId) -> Result<IndexLoad, StoreError> {
        todo!()
    }

    /// Returns the revision that now stands. Announces after the commit.
    pub async fn commit_index(&self, _commit: IndexCommit) -> Result<u64, StoreError> {
        todo!()
    }
}
