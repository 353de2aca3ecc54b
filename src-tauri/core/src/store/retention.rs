//! What of the past is kept, and removing the rest, a part at a time so that nobody waits long for the writer.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::Connection;

use super::error::{During as _, Sql, StoreError};
use super::executor::Done;
use super::{Store, changes, containers, event_log, gaps, retired};
use crate::rules::ids::{EngineId, RowId};
use crate::rules::retention::{OldLine, doomed, horizon};

/// Lines that one transaction removes: some ten milliseconds.
const AT_ONCE: usize = 2_000;

/// Happenings that are kept at most.
const HAPPENINGS: u32 = 100_000;

const READ: &str = "reading what is kept of the history";
const FORGET: &str = "removing what is too old";

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryBounds {
    pub days: u32,
    /// Changes of containers, at most.
    pub lines: u32,
}

/// How much of the past there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistorySize {
    /// Changes of containers.
    pub lines: u64,
    /// When the first of them was; `None` where there is none.
    pub from: Option<Timestamp>,
}

/// A container in the row that stood for it.
type Life = (EngineId, RowId, String);

impl Store {
    pub async fn history_size(&self) -> Result<HistorySize, StoreError> {
        self.executor().read(READ, |db| changes::size(db).during(READ)).await
    }

    /// Removes what is older than what is kept. Answers how many changes that were. Where nothing is, nothing is written.
    pub async fn forget_the_past(&self, bounds: HistoryBounds, now: Timestamp) -> Result<u64, StoreError> {
        let (until, lines, more) =
            self.executor().read(READ, move |db| old(db, bounds, now).during(READ)).await?;
        if lines.is_empty() && !more {
            return Ok(0);
        }
        // First it is said from when on everything is there; only then does the rest go.
        let begin = move |db: &rusqlite::Transaction<'_>| begin(db, until).during(FORGET).map(Done::quietly);
        self.executor().write(FORGET, begin).await?;
        let mut removed = 0;
        for part in lines.chunks(AT_ONCE) {
            let part = part.to_vec();
            removed += part.len() as u64;
            let remove = move |db: &rusqlite::Transaction<'_>| {
                changes::remove(db, &part).during(FORGET).map(Done::quietly)
            };
            self.executor().write(FORGET, remove).await?;
        }
        Ok(removed)
    }
}

/// From when on everything is kept, the changes that go, and whether anything else does.
fn old(db: &Connection, bounds: HistoryBounds, now: Timestamp) -> Sql<(Timestamp, Vec<u64>, bool)> {
    let until = horizon(now, bounds.days, changes::moment_of(db, bounds.lines)?);
    let lines: Vec<OldLine<Life>> = changes::before(db, until)?;
    let there = lives_at(db, &lines, until)?;
    let more = retired::any_before(db, until)?
        || gaps::any_before(db, until)?
        || event_log::any_before(db, until, HAPPENINGS)?;
    Ok((until, doomed(&lines, |life| there.contains(life)), more))
}

/// The lives that old lines tell of and that had not ended at that moment: the last of a row that is there or went later,
/// and each that the next one replaced later.
fn lives_at(db: &Connection, lines: &[OldLine<Life>], at: Timestamp) -> Sql<BTreeSet<Life>> {
    let mut rows: BTreeSet<RowId> = containers::all(db)?.into_iter().map(|row| row.id).collect();
    rows.extend(retired::rows_gone_since(db, at)?);
    let told: BTreeMap<&RowId, &EngineId> = lines.iter().map(|line| (&line.life.1, &line.life.0)).collect();
    let mut there = BTreeSet::new();
    for (row, engine) in told {
        let lives = changes::lives(db, engine, row)?;
        for (nth, life) in lives.iter().enumerate() {
            let ended_before = match lives.get(nth + 1) {
                Some(next) => next.at < at,
                None => !rows.contains(row),
            };
            if !ended_before {
                there.insert((engine.clone(), row.clone(), life.container.clone()));
            }
        }
    }
    Ok(there)
}

fn begin(db: &Connection, until: Timestamp) -> Sql<()> {
    changes::keep_from(db, until)?;
    retired::remove_before(db, until)?;
    gaps::remove_before(db, until)?;
    event_log::remove_before(db, until, HAPPENINGS)
}
