//! The table `recorded_containers`: the strongest claim on a container there is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::error::Sql;
use super::words::time_text;
use crate::rules::dispatch::Recorded;
use crate::rules::ids::{ContainerId, EngineId, WorkloadId};

/// By whose word a container belongs to a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordedBy {
    /// We made it.
    Journal,
    /// The user said so.
    Adopt,
}

impl RecordedBy {
    fn as_str(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Adopt => "adopt",
        }
    }
}

/// The earlier design recorded which container was an instance's; what has been said since stands above that.
pub(super) fn of_engine(db: &Connection, engine: &EngineId) -> Sql<BTreeMap<ContainerId, Recorded>> {
    db.prepare_cached(
        "SELECT container_id, workload_id, role, NULL AS deploy_id FROM containers
         WHERE engine_id IN (?1, '') AND legacy_instance_id IS NOT NULL AND workload_id IS NOT NULL
            AND container_id <> ''
         UNION ALL
         SELECT container_id, workload_id, role, deploy_id FROM recorded_containers WHERE engine_id = ?1",
    )?
    .query_map([engine.as_str()], |row| {
        let workload_id = WorkloadId::new(row.get::<_, String>(1)?);
        let to = Recorded { workload_id, role: row.get(2)?, deploy_id: row.get(3)? };
        Ok((ContainerId::new(row.get::<_, String>(0)?), to))
    })?
    .collect()
}

/// The deploy that made the container, where one did.
pub(super) fn deploy_of(db: &Connection, engine: &EngineId, container: &ContainerId) -> Sql<Option<String>> {
    let found = db
        .prepare_cached(
            "SELECT deploy_id FROM recorded_containers WHERE engine_id = ?1 AND container_id = ?2",
        )?
        .query_row([engine.as_str(), container.as_str()], |row| row.get(0))
        .optional()?;
    Ok(found.flatten())
}

/// The later word stands.
pub(super) fn record(
    db: &Connection,
    engine: &EngineId,
    container: &ContainerId,
    to: &Recorded,
    by: RecordedBy,
    now: Timestamp,
) -> Sql<()> {
    db.prepare_cached(
        "INSERT INTO recorded_containers (engine_id, container_id, workload_id, role, source, at, deploy_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (engine_id, container_id) DO UPDATE SET workload_id = excluded.workload_id,
             role = excluded.role, source = excluded.source, at = excluded.at,
             deploy_id = excluded.deploy_id",
    )?
    .execute(params![
        engine.as_str(),
        container.as_str(),
        to.workload_id.as_str(),
        to.role,
        by.as_str(),
        time_text(now),
        to.deploy_id,
    ])?;
    Ok(())
}
