//! The table `container_changes`: the history. Appended to; only a cause may turn out to have been another one.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow, named_params, params};

use super::error::Sql;
use super::words::{self, Columns as _, time_text};
use super::{Line, Recast};
use crate::events::Recorded;
use crate::rules::diff::{Change, Field};
use crate::rules::ids::{ContainerId, EngineId, RowId, WorkloadId};
use crate::rules::row::{Owner, Row};

/// Whose change it is, as it was when it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) engine_id: EngineId,
    pub(super) row_id: RowId,
    pub(super) container_id: Option<ContainerId>,
    pub(super) name: String,
    pub(super) workload_id: Option<WorkloadId>,
    pub(super) role: Option<String>,
}

impl Subject {
    pub(super) fn of(row: &Row, engine: &EngineId) -> Self {
        let (workload_id, role) = match &row.owner {
            Owner::Workload { id, role, .. } => (Some(id.clone()), Some(role.clone())),
            Owner::Foreign { .. } => (None, None),
        };
        Self {
            engine_id: engine.clone(),
            row_id: row.id.clone(),
            container_id: row.container_id.clone(),
            name: row.facts.name.clone(),
            workload_id,
            role,
        }
    }
}

/// One line of the history and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub recorded: Recorded,
    pub engine_id: EngineId,
    /// The workload's name as it is now; `None` for a foreign container, or where the workload is gone.
    pub workload_name: Option<String>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT c.seq, c.engine_id, c.row_id, c.container_id, c.name, c.workload_id, w.name AS workload_name, \
             c.role, c.field, c.from_value, c.to_value, c.at, c.recorded_at, c.cause, c.detail \
             FROM container_changes c LEFT JOIN workloads w ON w.id = c.workload_id ",
            $rest
        )
    };
}

pub(super) fn append(db: &Connection, of: &Subject, change: &Change, now: Timestamp) -> Sql<Recorded> {
    db.prepare_cached(
        "INSERT INTO container_changes (engine_id, row_id, container_id, name, workload_id, role, field,
             from_value, to_value, at, recorded_at, cause, detail)
         VALUES (:engine_id, :row_id, :container_id, :name, :workload_id, :role, :field,
             :from_value, :to_value, :at, :recorded_at, :cause, :detail)",
    )?
    .execute(named_params! {
        ":engine_id": of.engine_id.as_str(),
        ":row_id": of.row_id.as_str(),
        ":container_id": of.container_id.as_ref().map_or("", ContainerId::as_str),
        ":name": of.name,
        ":workload_id": of.workload_id.as_ref().map(WorkloadId::as_str),
        ":role": of.role,
        ":field": words::field(change.field),
        ":from_value": change.from,
        ":to_value": change.to,
        ":at": time_text(change.at),
        ":recorded_at": time_text(now),
        ":cause": words::cause(change.cause),
        ":detail": change.detail,
    })?;
    let seq = u64::try_from(db.last_insert_rowid()).unwrap_or(0);
    Ok(Recorded {
        seq,
        row_id: of.row_id.clone(),
        container_id: of.container_id.clone(),
        name: of.name.clone(),
        workload_id: of.workload_id.clone(),
        role: of.role.clone(),
        recorded_at: now,
        change: change.clone(),
    })
}

/// Gives the line that is meant another cause, if it was recorded at or after `since`. Tells whether there was one that
/// told an end.
pub(super) fn recast(db: &Connection, engine: &EngineId, recast: &Recast) -> Sql<bool> {
    let ended: Vec<bool> = db
        .prepare_cached(meant(recast.line))?
        .query_map(
            params![
                engine.as_str(),
                recast.row_id.as_str(),
                time_text(recast.since),
                words::cause(recast.cause),
            ],
            |line| line.get(0),
        )?
        .collect::<Sql<_>>()?;
    Ok(ended.contains(&true))
}

fn meant(line: Line) -> &'static str {
    macro_rules! recast {
        ($which:literal) => {
            concat!(
                "UPDATE container_changes SET cause = ?4
                 WHERE engine_id = ?1 AND row_id = ?2 AND field = 'state' AND recorded_at >= ?3 AND ",
                $which,
                " RETURNING coalesce(to_value, '') IN ('stopped', 'failed', 'restarting', 'missing')"
            )
        };
    }
    match line {
        Line::Latest => recast!(
            "seq = (SELECT max(seq) FROM container_changes
            WHERE engine_id = ?1 AND row_id = ?2 AND field = 'state')"
        ),
        Line::End => recast!(
            "to_value IN ('stopped', 'failed') AND seq = (SELECT max(seq) FROM container_changes
            WHERE engine_id = ?1 AND row_id = ?2 AND field = 'state')"
        ),
        Line::Unpaused => recast!("from_value = 'paused' AND to_value = 'running'"),
    }
}

/// The latest lines of one engine, and of what no engine has taken over yet; without an engine, of all. Oldest first.
pub(super) fn latest(db: &Connection, engine: Option<&EngineId>, limit: u32) -> Sql<Vec<LogLine>> {
    let mut lines: Vec<LogLine> = db
        .prepare_cached(select!("WHERE ?1 IS NULL OR c.engine_id IN (?1, '') ORDER BY c.seq DESC LIMIT ?2"))?
        .query_map(params![engine.map(EngineId::as_str), limit], read)?
        .collect::<Sql<_>>()?;
    lines.reverse();
    Ok(lines)
}

/// What was recorded of one row, whichever container it stood for, oldest first.
pub(super) fn of_row(db: &Connection, engine: &EngineId, row: &RowId) -> Sql<Vec<LogLine>> {
    db.prepare_cached(select!("WHERE c.row_id = ?1 AND c.engine_id IN (?2, '') ORDER BY c.seq"))?
        .query_map(params![row.as_str(), engine.as_str()], read)?
        .collect()
}

/// The latest line that tells how a row's container came to its end.
pub(super) fn last_end(db: &Connection, row: &RowId, container: Option<&ContainerId>) -> Sql<Option<Change>> {
    db.prepare_cached(select!(
        "WHERE c.row_id = ?1 AND c.container_id = ?2 AND c.field = 'state'
         AND c.to_value IN ('stopped', 'failed', 'missing') ORDER BY c.seq DESC LIMIT 1"
    ))?
    .query_row(params![row.as_str(), container.map_or("", ContainerId::as_str)], |row| {
        read(row).map(|line| line.recorded.change)
    })
    .optional()
}

/// What was recorded of one container, in whichever row, oldest first.
pub(super) fn of_container(db: &Connection, container: &ContainerId) -> Sql<Vec<LogLine>> {
    db.prepare_cached(select!("WHERE c.container_id = ?1 ORDER BY c.seq"))?
        .query_map([container.as_str()], read)?
        .collect()
}

/// All of an engine's history, oldest first.
pub(super) fn of_engine(db: &Connection, engine: &EngineId) -> Sql<Vec<LogLine>> {
    db.prepare_cached(select!("WHERE c.engine_id IN (?1, '') ORDER BY c.seq"))?
        .query_map([engine.as_str()], read)?
        .collect()
}

/// Containers the history knows whose id begins so.
pub(super) fn containers_like(db: &Connection, prefix: &str) -> Sql<Vec<ContainerId>> {
    db.prepare_cached(
        "SELECT DISTINCT container_id FROM container_changes
         WHERE container_id >= ?1 AND container_id < ?1 || char(0x10FFFF) AND container_id <> '' LIMIT 20",
    )?
    .query_map([prefix], |row| Ok(ContainerId::new(row.get::<_, String>(0)?)))?
    .collect()
}

fn read(row: &SqlRow<'_>) -> Sql<LogLine> {
    let container_id: String = row.get("container_id")?;
    let field: String = row.get("field")?;
    let cause: String = row.get("cause")?;
    let workload_id: Option<String> = row.get("workload_id")?;
    Ok(LogLine {
        recorded: Recorded {
            seq: row.count("seq")?,
            row_id: RowId::new(row.get::<_, String>("row_id")?),
            container_id: (!container_id.is_empty()).then(|| ContainerId::new(container_id)),
            name: row.get("name")?,
            workload_id: workload_id.map(WorkloadId::new),
            role: row.get("role")?,
            recorded_at: row.time("recorded_at")?,
            change: Change {
                field: words::field_of(&field).unwrap_or(Field::State),
                from: row.get("from_value")?,
                to: row.get("to_value")?,
                at: row.time("at")?,
                cause: words::cause_of(&cause),
                detail: row.get("detail")?,
            },
        },
        engine_id: EngineId::new(row.get::<_, String>("engine_id")?),
        workload_name: row.get("workload_name")?,
    })
}
