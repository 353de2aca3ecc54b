//! The table `engines`: every engine that was ever identified, and how far its index is.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::error::Sql;
use super::words::{Columns as _, time_text};
use crate::rules::ids::EngineId;

/// An engine that was identified at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownEngine {
    pub id: EngineId,
    /// Where it answered last.
    pub endpoint: String,
    pub verified_at: Option<Timestamp>,
    pub first_seen_at: Timestamp,
}

/// The highest revision any engine's index has: revisions never go back, also when the engine changes.
pub(super) fn revision(db: &Connection) -> Sql<u64> {
    db.prepare_cached("SELECT coalesce(max(revision), 0) FROM engines")?.query_row([], |row| row.count(0))
}

pub(super) fn verified_at(db: &Connection, engine: &EngineId) -> Sql<Option<Timestamp>> {
    db.prepare_cached("SELECT verified_at FROM engines WHERE engine_id = ?1")?
        .query_row([engine.as_str()], |row| row.maybe_time(0))
        .optional()
        .map(Option::flatten)
}

/// `None` for an engine that was never identified.
pub(super) fn first_seen_at(db: &Connection, engine: &EngineId) -> Sql<Option<Timestamp>> {
    db.prepare_cached("SELECT first_seen_at FROM engines WHERE engine_id = ?1")?
        .query_row([engine.as_str()], |row| row.time(0))
        .optional()
}

/// `None` for an engine that was never identified.
pub(super) fn endpoint(db: &Connection, engine: &EngineId) -> Sql<Option<String>> {
    db.prepare_cached("SELECT endpoint FROM engines WHERE engine_id = ?1")?
        .query_row([engine.as_str()], |row| row.get(0))
        .optional()
}

pub(super) fn remember(db: &Connection, engine: &EngineId, endpoint: &str, now: Timestamp) -> Sql<()> {
    db.prepare_cached(
        "INSERT INTO engines (engine_id, endpoint, first_seen_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (engine_id) DO UPDATE SET endpoint = excluded.endpoint WHERE endpoint <> excluded.endpoint",
    )?
    .execute(params![engine.as_str(), endpoint, time_text(now)])?;
    Ok(())
}

pub(super) fn advance(
    db: &Connection,
    engine: &EngineId,
    revision: u64,
    verified_at: Option<Timestamp>,
    now: Timestamp,
) -> Sql<()> {
    let revision = i64::try_from(revision).unwrap_or(i64::MAX);
    db.prepare_cached(
        "INSERT INTO engines (engine_id, revision, verified_at, first_seen_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (engine_id) DO UPDATE
             SET revision = excluded.revision, verified_at = coalesce(excluded.verified_at, verified_at)",
    )?
    .execute(params![engine.as_str(), revision, verified_at.map(time_text), time_text(now)])?;
    Ok(())
}

/// Says until when the index was verified, and nothing else.
pub(super) fn verify(db: &Connection, engine: &EngineId, at: Timestamp, now: Timestamp) -> Sql<()> {
    db.prepare_cached(
        "INSERT INTO engines (engine_id, verified_at, first_seen_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (engine_id) DO UPDATE SET verified_at = excluded.verified_at",
    )?
    .execute(params![engine.as_str(), time_text(at), time_text(now)])?;
    Ok(())
}

/// The one verified last first.
pub(super) fn all(db: &Connection) -> Sql<Vec<KnownEngine>> {
    db.prepare_cached(
        "SELECT engine_id, endpoint, verified_at, first_seen_at FROM engines
         ORDER BY verified_at DESC NULLS LAST, first_seen_at DESC, engine_id",
    )?
    .query_map([], |row| {
        Ok(KnownEngine {
            id: EngineId::new(row.get::<_, String>(0)?),
            endpoint: row.get(1)?,
            verified_at: row.maybe_time(2)?,
            first_seen_at: row.time(3)?,
        })
    })?
    .collect()
}
