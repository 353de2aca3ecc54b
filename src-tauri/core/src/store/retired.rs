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

pub(super) fn of_engine(db: &Connection, engine: &EngineId) -> Sql<Vec<Retired>> {
    db.prepare_cached(select!("WHERE engine_id IN (?1, '') ORDER BY seq"))?
        .query_map([engine.as_str()], read)?
        .collect()
}

pub(super) fn called(db: &Connection, name: &str) -> Sql<Vec<Retired>> {
    db.prepare_cached(select!("WHERE name = ?1 ORDER BY seq"))?.query_map([name], read)?.collect()
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
