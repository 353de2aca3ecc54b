//! The table `retired_containers`: foreign containers that are gone, as they were last.

use jiff::Timestamp;
use rusqlite::{Connection, Row as SqlRow, params};

use super::error::Sql;
use super::words::{Columns as _, time_text};
use crate::rules::container::{Health, State};
use crate::rules::ids::{ContainerId, EngineId, RowId};
use crate::rules::row::Row;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Retired {
    pub(super) engine_id: EngineId,
    pub(super) row_id: RowId,
    pub(super) container_id: ContainerId,
    pub(super) name: String,
    pub(super) image: String,
    pub(super) state: State,
    pub(super) health: Health,
    pub(super) container_created_at: Option<Timestamp>,
    pub(super) created_at: Timestamp,
    pub(super) retired_at: Timestamp,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT engine_id, row_id, container_id, name, image, state, health, container_created_at, created_at, \
             retired_at FROM retired_containers ",
            $rest
        )
    };
}

/// Keeps a row that is about to leave the index.
pub(super) fn keep(db: &Connection, row: &Row, engine: &EngineId, now: Timestamp) -> Sql<()> {
    db.prepare_cached(
        "INSERT INTO retired_containers (engine_id, row_id, container_id, workload_id, role, name, image, image_id,
             state, health, exit_code, oom_killed, container_created_at, started_at, finished_at, last_seen_at,
             created_at, retired_at)
         SELECT ?2, id, container_id, workload_id, role, name, image, image_id,
             state, health, exit_code, oom_killed, container_created_at, started_at, finished_at, last_seen_at,
             created_at, ?3
         FROM containers WHERE id = ?1",
    )?
    .execute(params![row.id.as_str(), engine.as_str(), time_text(now)])?;
    Ok(())
}

/// Those that were there at that moment and went later, the first to go first.
pub(super) fn there_at(db: &Connection, engine: &EngineId, at: Timestamp) -> Sql<Vec<Retired>> {
    db.prepare_cached(select!(
        "WHERE engine_id IN (?1, '') AND retired_at > ?2
             AND (created_at <= ?2 OR coalesce(container_created_at, created_at) <= ?2)
         ORDER BY retired_at"
    ))?
    .query_map(params![engine.as_str(), time_text(at)], read)?
    .collect()
}

pub(super) fn called(db: &Connection, name: &str) -> Sql<Vec<Retired>> {
    db.prepare_cached(select!("WHERE name = ?1 ORDER BY seq"))?.query_map([name], read)?.collect()
}

pub(super) fn any_before(db: &Connection, until: Timestamp) -> Sql<bool> {
    db.prepare_cached("SELECT 1 FROM retired_containers WHERE retired_at < ?1")?.exists([time_text(until)])
}

pub(super) fn remove_before(db: &Connection, until: Timestamp) -> Sql<()> {
    db.prepare_cached("DELETE FROM retired_containers WHERE retired_at < ?1")?.execute([time_text(until)])?;
    Ok(())
}

/// The rows of those that went at that moment or later.
pub(super) fn rows_gone_since(db: &Connection, since: Timestamp) -> Sql<Vec<RowId>> {
    db.prepare_cached("SELECT row_id FROM retired_containers WHERE retired_at >= ?1")?
        .query_map([time_text(since)], |row| Ok(RowId::new(row.get::<_, String>(0)?)))?
        .collect()
}

fn read(row: &SqlRow<'_>) -> Sql<Retired> {
    let state: String = row.get("state")?;
    let health: String = row.get("health")?;
    Ok(Retired {
        engine_id: EngineId::new(row.get::<_, String>("engine_id")?),
        row_id: RowId::new(row.get::<_, String>("row_id")?),
        container_id: ContainerId::new(row.get::<_, String>("container_id")?),
        name: row.get("name")?,
        image: row.get("image")?,
        state: State::parse(&state).unwrap_or(State::Unknown),
        health: Health::parse(&health).unwrap_or(Health::None),
        container_created_at: row.maybe_time("container_created_at")?,
        created_at: row.time("created_at")?,
        retired_at: row.time("retired_at")?,
    })
}
