//! The table `container_changes`: the history. Appended to; only a cause may turn out to have been another one.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow, named_params, params};

use super::error::Sql;
use super::words::{self, Columns as _, time_text};
use super::{HistorySize, Line, Recast};
use crate::events::Recorded;
use crate::rules::container::{Health, State};
use crate::rules::diff::{Change, Field};
use crate::rules::ids::{ContainerId, EngineId, RowId, WorkloadId};
use crate::rules::retention::OldLine;
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
    image: String,
    health: Health,
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
            image: row.facts.image.clone(),
            health: row.facts.health,
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
    let state = (change.field == Field::State).then_some(change.from.as_deref());
    let first = state == Some(None);
    let comes = first || state == Some(Some(State::Missing.as_str()));
    let at = if first && went_at(db, of)?.is_some_and(|went| change.at <= went) { now } else { change.at };
    let at = last_at(db, of, change.field)?.filter(|last| is_out_of_order(at, *last)).unwrap_or(at);
    let change = &Change { at, ..change.clone() };
    db.prepare_cached(
        "INSERT INTO container_changes (engine_id, row_id, container_id, name, workload_id, role, field,
             from_value, to_value, at, recorded_at, cause, detail, image, health)
         VALUES (:engine_id, :row_id, :container_id, :name, :workload_id, :role, :field,
             :from_value, :to_value, :at, :recorded_at, :cause, :detail, :image, :health)",
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
        ":image": comes.then_some(&of.image),
        ":health": comes.then_some(of.health.as_str()),
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

/// How far the times of an engine go back against its own order: of a run that is over at once it notes the start after
/// the end, and a removal is told with a time before that of the look which found it under way. What goes back further
/// is a clock that was set.
const OUT_OF_ORDER: SignedDuration = SignedDuration::from_secs(5);

/// Whether a line would stand before the one that it follows.
fn is_out_of_order(at: Timestamp, last: Timestamp) -> bool {
    at < last && last.duration_since(at) <= OUT_OF_ORDER
}

/// The time of the last line of that field.
fn last_at(db: &Connection, of: &Subject, field: Field) -> Sql<Option<Timestamp>> {
    db.prepare_cached(
        "SELECT at FROM container_changes WHERE row_id = ?1 AND container_id = ?2 AND field = ?3
         ORDER BY seq DESC LIMIT 1",
    )?
    .query_row(
        params![
            of.row_id.as_str(),
            of.container_id.as_ref().map_or("", ContainerId::as_str),
            words::field(field)
        ],
        |row| row.time(0),
    )
    .optional()
}

/// When the container was last found to have left the index. One that comes back was not there before that, whatever its
/// own times say.
fn went_at(db: &Connection, of: &Subject) -> Sql<Option<Timestamp>> {
    db.prepare_cached(
        "SELECT max(at) FROM container_changes
         WHERE row_id = ?1 AND container_id = ?2 AND field = 'state' AND to_value IS NULL",
    )?
    .query_row(params![of.row_id.as_str(), of.container_id.as_ref().map_or("", ContainerId::as_str)], |row| {
        row.maybe_time(0)
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

/// The containers of which something was told under that name.
pub(super) fn containers_once_called(db: &Connection, name: &str) -> Sql<Vec<ContainerId>> {
    db.prepare_cached(
        "SELECT DISTINCT container_id FROM container_changes WHERE name = ?1 AND container_id <> ''",
    )?
    .query_map([name], |row| row.get::<_, String>(0).map(ContainerId::new))?
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

/// What a row stood for over a time: a row may stand for several containers, one after another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life<'a> {
    pub(super) engine: &'a EngineId,
    pub(super) row: &'a RowId,
    /// Empty for a placeholder.
    pub(super) container: &'a str,
}

/// The line that tells of a life first, as far as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Beginning {
    pub(super) container: String,
    seq: u64,
    pub(super) at: Timestamp,
}

/// The lives of a row in their order.
pub(super) fn lives(db: &Connection, engine: &EngineId, row: &RowId) -> Sql<Vec<Beginning>> {
    const NEXT: &str = "SELECT container_id FROM container_changes WHERE row_id = ?1 AND container_id > ?2
         ORDER BY container_id LIMIT 1";
    const FIRST: &str = "SELECT seq, at FROM container_changes
         WHERE row_id = ?1 AND container_id = ?2 AND field = 'state' AND engine_id IN (?3, '')
         ORDER BY at, seq LIMIT 1";
    let mut next = db.prepare_cached(NEXT)?;
    let mut first = db.prepare_cached(FIRST)?;
    let mut found = Vec::new();
    // A placeholder's is empty, and sorts before every other.
    let mut container = Some(String::new());
    while let Some(id) = container {
        let beginning = first.query_row(params![row.as_str(), id, engine.as_str()], |line| {
            Ok(Beginning { container: id.clone(), seq: line.count("seq")?, at: line.time("at")? })
        });
        found.extend(beginning.optional()?);
        container = next.query_row(params![row.as_str(), id], |line| line.get(0)).optional()?;
    }
    found.sort_by_key(|life| life.seq);
    Ok(found)
}

/// As a container was when it was last found to have come, before a moment: one may go and come back.
#[derive(Debug, Clone)]
pub(super) struct Come {
    pub(super) at: Timestamp,
    pub(super) name: String,
    pub(super) image: Option<String>,
    pub(super) health: Option<String>,
}

/// `None` also where an older version wrote the line.
pub(super) fn come(db: &Connection, of: Life<'_>, at: Timestamp) -> Sql<Option<Come>> {
    db.prepare_cached(
        "SELECT at, name, image, health FROM container_changes
         WHERE row_id = ?1 AND container_id = ?2 AND image IS NOT NULL AND at <= ?3
             AND engine_id IN (?4, '')
         ORDER BY at DESC, seq DESC LIMIT 1",
    )?
    .query_row(params![of.row.as_str(), of.container, time_text(at), of.engine.as_str()], |line| {
        Ok(Come {
            at: line.time("at")?,
            name: line.get("name")?,
            image: line.get("image")?,
            health: line.get("health")?,
        })
    })
    .optional()
}

/// What the history tells of a field at a moment.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// It turned to this at that moment, the last time before.
    Turned {
        to: Option<String>,
        at: Timestamp,
        name: String,
        owner: Option<(WorkloadId, String)>,
    },
    /// It turned from this later, and not before.
    NotYet {
        from: Option<String>,
    },
    Nothing,
}

/// Of what was told since `since`.
pub(super) fn told(
    db: &Connection,
    of: Life<'_>,
    field: Field,
    since: Timestamp,
    at: Timestamp,
) -> Sql<Told> {
    let (row, container, engine) = (of.row.as_str(), of.container, of.engine.as_str());
    let before = db
        .prepare_cached(
            "SELECT to_value, at, name, workload_id, role FROM container_changes
             WHERE row_id = ?1 AND container_id = ?2 AND field = ?3 AND at BETWEEN ?6 AND ?4 AND engine_id IN (?5, '')
             ORDER BY at DESC, seq DESC LIMIT 1",
        )?
        .query_row(params![row, container, words::field(field), time_text(at), engine, time_text(since)], |line| {
            let workload: Option<String> = line.get("workload_id")?;
            let role: Option<String> = line.get("role")?;
            Ok(Told::Turned {
                to: line.get("to_value")?,
                at: line.time("at")?,
                name: line.get("name")?,
                owner: workload.map(WorkloadId::new).zip(role),
            })
        })
        .optional()?;
    if let Some(turned) = before {
        return Ok(turned);
    }
    let after = db
        .prepare_cached(
            "SELECT from_value FROM container_changes
             WHERE row_id = ?1 AND container_id = ?2 AND field = ?3 AND at > ?4 AND engine_id IN (?5, '')
             ORDER BY at, seq LIMIT 1",
        )?
        .query_row(params![row, container, words::field(field), time_text(at), engine], |line| {
            Ok(Told::NotYet { from: line.get("from_value")? })
        })
        .optional()?;
    Ok(after.unwrap_or(Told::Nothing))
}

/// From when on all of the history is there; `None` while nothing of it was removed.
pub(super) fn kept_from(db: &Connection) -> Sql<Option<Timestamp>> {
    db.prepare_cached("SELECT kept_from FROM history_kept")?.query_row([], |row| row.time(0)).optional()
}

/// Never goes back: what was removed does not come again.
pub(super) fn keep_from(db: &Connection, from: Timestamp) -> Sql<()> {
    db.prepare_cached(
        "INSERT INTO history_kept (id, kept_from) VALUES (1, ?1)
         ON CONFLICT (id) DO UPDATE SET kept_from = max(kept_from, excluded.kept_from)",
    )?
    .execute([time_text(from)])?;
    Ok(())
}

pub(super) fn size(db: &Connection) -> Sql<HistorySize> {
    db.prepare_cached(
        "SELECT count(*), coalesce((SELECT kept_from FROM history_kept), min(at)) FROM container_changes",
    )?
    .query_row([], |row| Ok(HistorySize { lines: row.count(0)?, from: row.maybe_time(1)? }))
}

/// When the oldest of the latest so many was; `None` where there are not so many.
pub(super) fn moment_of(db: &Connection, lines: u32) -> Sql<Option<Timestamp>> {
    db.prepare_cached("SELECT at FROM container_changes ORDER BY at DESC LIMIT 1 OFFSET ?1")?
        .query_row([lines.saturating_sub(1)], |row| row.time(0))
        .optional()
}

/// The lines of before that moment, each with whose it is.
pub(super) fn before(db: &Connection, until: Timestamp) -> Sql<Vec<OldLine<(EngineId, RowId, String)>>> {
    db.prepare_cached(
        "SELECT seq, engine_id, row_id, container_id, field, at, (from_value IS NULL OR image IS NOT NULL) AS begins
         FROM container_changes WHERE at < ?1",
    )?
    .query_map([time_text(until)], |row| {
        let field: String = row.get("field")?;
        Ok(OldLine {
            seq: row.count("seq")?,
            life: (
                EngineId::new(row.get::<_, String>("engine_id")?),
                RowId::new(row.get::<_, String>("row_id")?),
                row.get("container_id")?,
            ),
            field: words::field_of(&field).unwrap_or(Field::State),
            at: row.time("at")?,
            begins: row.get("begins")?,
        })
    })?
    .collect()
}

pub(super) fn remove(db: &Connection, lines: &[u64]) -> Sql<()> {
    let mut statement = db.prepare_cached("DELETE FROM container_changes WHERE seq = ?1")?;
    for line in lines {
        statement.execute([i64::try_from(*line).unwrap_or(i64::MAX)])?;
    }
    Ok(())
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
