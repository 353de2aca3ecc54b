//! The door to the database: one writer, readers that only read, events that leave after the commit.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;

use crate::events::Bus;
use crate::rules::cause::Cause;
use crate::rules::diff::Field;
use crate::rules::dispatch::Claims;
use crate::rules::ids::{EngineId, RowId};
pub use crate::rules::plan::RowWrite;
use crate::rules::row::Row;

/// Cheap to clone; all clones are one database.
#[derive(Clone)]
pub struct Store {}

/// What the reconciler starts from.
#[derive(Debug, Clone, Default)]
pub struct IndexLoad {
    pub rows: Vec<Row>,
    pub claims: Claims,
    /// Row ids in use by other engines' rows.
    pub taken: BTreeSet<RowId>,
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
