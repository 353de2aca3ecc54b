//! The table `gaps`: spans that could not be verified.

use jiff::Timestamp;
use rusqlite::{Connection, Row as SqlRow, params};

use super::error::Sql;
use super::words::{Columns as _, time_text};
use crate::rules::gap::{Gap, GapReason};
use crate::rules::ids::EngineId;

/// A gap that grew is written again with its later end; it never shrinks.
pub(super) fn insert(db: &Connection, engine: &EngineId, gap: &Gap) -> Sql<()> {
    db.prepare_cached(
        "INSERT INTO gaps (engine_id, from_at, to_at, reason) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (engine_id, from_at, reason) DO UPDATE SET to_at = max(to_at, excluded.to_at)",
    )?
    .execute(params![engine.as_str(), time_text(gap.from), time_text(gap.to), gap.reason.as_str()])?;
    Ok(())
}

/// Newest first.
pub(super) fn of_engine(db: &Connection, engine: &EngineId) -> Sql<Vec<Gap>> {
    db.prepare_cached(
        "SELECT from_at, to_at, reason FROM gaps WHERE engine_id = ?1 ORDER BY from_at DESC, to_at DESC",
    )?
    .query_map([engine.as_str()], read)?
    .collect()
}

pub(super) fn any_before(db: &Connection, until: Timestamp) -> Sql<bool> {
    db.prepare_cached("SELECT 1 FROM gaps WHERE to_at < ?1")?.exists([time_text(until)])
}

pub(super) fn remove_before(db: &Connection, until: Timestamp) -> Sql<()> {
    db.prepare_cached("DELETE FROM gaps WHERE to_at < ?1")?.execute([time_text(until)])?;
    Ok(())
}

fn read(row: &SqlRow<'_>) -> Sql<Gap> {
    let reason: String = row.get("reason")?;
    Ok(Gap {
        from: row.time("from_at")?,
        to: row.time("to_at")?,
        reason: GapReason::parse(&reason).unwrap_or(GapReason::NotRunning),
    })
}
