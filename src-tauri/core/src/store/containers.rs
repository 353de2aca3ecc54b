//! The table `containers`: the index. Three groups of columns, and a write for each: the reconciler's, the
//! deployer's, and the making and taking away of whole rows.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow, named_params, params};

use super::error::Sql;
use super::words::{self, Columns as _, map_text, ports_text, time_text, times_text};
use crate::rules::cause::Cause;
use crate::rules::container::{Health, State, WorkloadKind};
use crate::rules::course::{Complaint, Course, End};
use crate::rules::ids::{ContainerId, EngineId, RowId, WorkloadId};
use crate::rules::row::{Decided, Facts, LastWords, Owner, Row};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, engine_id, workload_id, workload_kind, role, foreign_reason, container_id, name, image, \
             image_id, state, health, exit_code, oom_killed, restart_count, error, ports, labels, \
             container_created_at, started_at, finished_at, restart_policy, auto_remove, last_seen_at, \
             missing_since, stage_id, release_id, deploy_id, image_tag, subdomain, proxy_route_id, created_at, \
             updated_at, legacy_instance_id, ended_at, end_cause, end_detail, restarts, unhealthy_since, \
             probe_output, superseded_by, run_ended_at, said FROM containers \
             LEFT JOIN last_words ON row_id = id AND of_container = container_id ",
            $rest
        )
    };
}

/// What an observation says: the columns of the reconciler, and none of the deployer.
pub(super) struct Observation<'a> {
    pub(super) owner: &'a Owner,
    pub(super) container_id: &'a ContainerId,
    pub(super) facts: &'a Facts,
    pub(super) course: &'a Course,
    pub(super) last_seen_at: Option<Timestamp>,
}

pub(super) fn get(db: &Connection, id: &RowId) -> Sql<Option<Row>> {
    db.prepare_cached(select!("WHERE id = ?1"))?.query_row([id.as_str()], read).optional()
}

pub(super) fn all(db: &Connection) -> Sql<Vec<Row>> {
    db.prepare_cached(select!("ORDER BY created_at DESC, id"))?.query_map([], read)?.collect()
}

/// The rows of an engine, and those that belong to none yet: the first engine that commits takes them.
pub(super) fn of_engine(db: &Connection, engine: &EngineId) -> Sql<Vec<Row>> {
    let mut rows: Vec<Row> = db
        .prepare_cached(select!("WHERE engine_id IN (?1, '') ORDER BY created_at DESC, id"))?
        .query_map([engine.as_str()], read)?
        .collect::<Sql<_>>()?;
    for row in &mut rows {
        row.engine_id = engine.clone();
    }
    Ok(rows)
}

/// The keys that other engines' rows have.
pub(super) fn keys_of_others(db: &Connection, engine: &EngineId) -> Sql<Vec<RowId>> {
    db.prepare_cached("SELECT id FROM containers WHERE engine_id NOT IN (?1, '')")?
        .query_map([engine.as_str()], |row| Ok(RowId::new(row.get::<_, String>(0)?)))?
        .collect()
}

/// Gives the rows that were carried over, and belong to no engine yet, to this one.
pub(super) fn claim(db: &Connection, engine: &EngineId) -> Sql<usize> {
    db.prepare_cached("UPDATE containers SET engine_id = ?1 WHERE engine_id = ''")?.execute([engine.as_str()])
}

/// A new row. What the deployer decides stays empty: [`decide`] writes it.
pub(super) fn insert(db: &Connection, row: &Row) -> Sql<()> {
    let columns = OwnerColumns::of(&row.owner);
    let facts = &row.facts;
    let course = CourseColumns::of(&row.course);
    db.prepare_cached(
        "INSERT INTO containers (id, engine_id, workload_id, workload_kind, role, foreign_reason, container_id,
             name, image, image_id, state, health, exit_code, oom_killed, restart_count, error, ports, labels,
             container_created_at, started_at, finished_at, restart_policy, auto_remove, last_seen_at,
             missing_since, created_at, updated_at, legacy_instance_id, ended_at, end_cause, end_detail, restarts,
             unhealthy_since, probe_output, superseded_by)
         VALUES (:id, :engine_id, :workload_id, :workload_kind, :role, :foreign_reason, :container_id,
             :name, :image, :image_id, :state, :health, :exit_code, :oom_killed, :restart_count, :error, :ports,
             :labels, :container_created_at, :started_at, :finished_at, :restart_policy, :auto_remove,
             :last_seen_at, :missing_since, :created_at, :updated_at, :legacy_instance_id, :ended_at, :end_cause,
             :end_detail, :restarts, :unhealthy_since, :probe_output, :superseded_by)",
    )?
    .execute(named_params! {
        ":id": row.id.as_str(),
        ":engine_id": row.engine_id.as_str(),
        ":workload_id": columns.workload_id,
        ":workload_kind": columns.kind,
        ":role": columns.role,
        ":foreign_reason": columns.reason,
        ":container_id": row.container_id.as_ref().map_or("", ContainerId::as_str),
        ":name": facts.name,
        ":image": facts.image,
        ":image_id": facts.image_id,
        ":state": facts.state.as_str(),
        ":health": facts.health.as_str(),
        ":exit_code": facts.exit_code,
        ":oom_killed": facts.oom_killed,
        ":restart_count": facts.restart_count,
        ":error": facts.error,
        ":ports": ports_text(&facts.ports),
        ":labels": map_text(&facts.labels),
        ":container_created_at": facts.container_created_at.map(time_text),
        ":started_at": facts.started_at.map(time_text),
        ":finished_at": facts.finished_at.map(time_text),
        ":restart_policy": facts.restart_policy,
        ":auto_remove": facts.auto_remove,
        ":last_seen_at": row.last_seen_at.map(time_text),
        ":missing_since": row.missing_since.map(time_text),
        ":created_at": time_text(row.created_at),
        ":updated_at": time_text(row.updated_at),
        ":legacy_instance_id": row.legacy_instance_id,
        ":ended_at": course.ended_at,
        ":end_cause": course.cause,
        ":end_detail": course.detail,
        ":restarts": course.restarts,
        ":unhealthy_since": course.unhealthy_since,
        ":probe_output": course.output,
        ":superseded_by": course.superseded_by,
    })?;
    Ok(())
}

/// The reconciler's write. An observed container is not missing.
pub(super) fn observe(db: &Connection, id: &RowId, seen: &Observation<'_>, now: Timestamp) -> Sql<()> {
    let columns = OwnerColumns::of(seen.owner);
    let facts = seen.facts;
    let course = CourseColumns::of(seen.course);
    db.prepare_cached(
        "UPDATE containers SET workload_id = :workload_id, workload_kind = :workload_kind, role = :role,
             foreign_reason = :foreign_reason, container_id = :container_id, name = :name, image = :image,
             image_id = :image_id, state = :state, health = :health, exit_code = :exit_code,
             oom_killed = :oom_killed, restart_count = :restart_count, error = :error, ports = :ports,
             labels = :labels, container_created_at = :container_created_at, started_at = :started_at,
             finished_at = :finished_at, restart_policy = :restart_policy, auto_remove = :auto_remove,
             last_seen_at = :last_seen_at, missing_since = NULL, updated_at = :now, ended_at = :ended_at,
             end_cause = :end_cause, end_detail = :end_detail, restarts = :restarts,
             unhealthy_since = :unhealthy_since, probe_output = :probe_output, superseded_by = :superseded_by
         WHERE id = :id",
    )?
    .execute(named_params! {
        ":id": id.as_str(),
        ":workload_id": columns.workload_id,
        ":workload_kind": columns.kind,
        ":role": columns.role,
        ":foreign_reason": columns.reason,
        ":container_id": seen.container_id.as_str(),
        ":name": facts.name,
        ":image": facts.image,
        ":image_id": facts.image_id,
        ":state": facts.state.as_str(),
        ":health": facts.health.as_str(),
        ":exit_code": facts.exit_code,
        ":oom_killed": facts.oom_killed,
        ":restart_count": facts.restart_count,
        ":error": facts.error,
        ":ports": ports_text(&facts.ports),
        ":labels": map_text(&facts.labels),
        ":container_created_at": facts.container_created_at.map(time_text),
        ":started_at": facts.started_at.map(time_text),
        ":finished_at": facts.finished_at.map(time_text),
        ":restart_policy": facts.restart_policy,
        ":auto_remove": facts.auto_remove,
        ":last_seen_at": seen.last_seen_at.map(time_text),
        ":now": time_text(now),
        ":ended_at": course.ended_at,
        ":end_cause": course.cause,
        ":end_detail": course.detail,
        ":restarts": course.restarts,
        ":unhealthy_since": course.unhealthy_since,
        ":probe_output": course.output,
        ":superseded_by": course.superseded_by,
    })?;
    Ok(())
}

/// Since when a container is gone and how it went, and until when it was known to run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Absence<'a> {
    pub(super) since: Timestamp,
    pub(super) course: &'a Course,
    pub(super) last_seen_at: Option<Timestamp>,
}

/// What has no container has no health either.
pub(super) fn miss(db: &Connection, id: &RowId, absence: Absence<'_>, now: Timestamp) -> Sql<()> {
    let Absence { since, course, last_seen_at } = absence;
    let course = CourseColumns::of(course);
    db.prepare_cached(
        "UPDATE containers SET state = 'missing', health = 'none', missing_since = :since, updated_at = :now,
             last_seen_at = :last_seen_at, ended_at = :ended_at, end_cause = :end_cause, end_detail = :end_detail,
             restarts = :restarts, unhealthy_since = :unhealthy_since, probe_output = :probe_output,
             superseded_by = :superseded_by
         WHERE id = :id",
    )?
    .execute(named_params! {
        ":id": id.as_str(),
        ":since": time_text(since),
        ":now": time_text(now),
        ":last_seen_at": last_seen_at.map(time_text),
        ":ended_at": course.ended_at,
        ":end_cause": course.cause,
        ":end_detail": course.detail,
        ":restarts": course.restarts,
        ":unhealthy_since": course.unhealthy_since,
        ":probe_output": course.output,
        ":superseded_by": course.superseded_by,
    })?;
    Ok(())
}

/// Names the container that serves in its place, or none.
pub(super) fn supersede(db: &Connection, id: &RowId, by: Option<&str>, now: Timestamp) -> Sql<()> {
    db.prepare_cached("UPDATE containers SET superseded_by = ?2, updated_at = ?3 WHERE id = ?1")?
        .execute(params![id.as_str(), by, time_text(now)])?;
    Ok(())
}

/// Says that the last end had another cause. Tells whether there is such a row and it said otherwise.
pub(super) fn recast(db: &Connection, id: &RowId, cause: Cause, now: Timestamp) -> Sql<bool> {
    let changed = db
        .prepare_cached(
            "UPDATE containers SET end_cause = ?2, updated_at = ?3
             WHERE id = ?1 AND ended_at IS NOT NULL AND end_cause <> ?2",
        )?
        .execute(params![id.as_str(), words::cause(cause), time_text(now)])?;
    Ok(changed > 0)
}

/// Says when the containers that run were last known to; never takes back a later moment.
pub(super) fn seen(db: &Connection, engine: &EngineId, at: Timestamp) -> Sql<()> {
    db.prepare_cached(
        "UPDATE containers SET last_seen_at = ?2
         WHERE engine_id = ?1 AND state IN ('running', 'paused') AND (last_seen_at IS NULL OR last_seen_at < ?2)",
    )?
    .execute(params![engine.as_str(), time_text(at)])?;
    Ok(())
}

/// The deployer's write. Tells whether there is such a row.
pub(super) fn decide(db: &Connection, id: &RowId, decided: &Decided, now: Timestamp) -> Sql<bool> {
    let changed = db
        .prepare_cached(
            "UPDATE containers SET stage_id = ?2, release_id = ?3, deploy_id = ?4, image_tag = ?5,
                 subdomain = ?6, proxy_route_id = ?7, updated_at = ?8
             WHERE id = ?1",
        )?
        .execute(params![
            id.as_str(),
            decided.stage_id,
            decided.release_id,
            decided.deploy_id,
            decided.image_tag,
            decided.subdomain,
            decided.proxy_route_id,
            time_text(now),
        ])?;
    Ok(changed > 0)
}

pub(super) fn delete(db: &Connection, id: &RowId) -> Sql<bool> {
    let changed = db.prepare_cached("DELETE FROM containers WHERE id = ?1")?.execute([id.as_str()])?;
    Ok(changed > 0)
}

struct CourseColumns<'a> {
    ended_at: Option<String>,
    cause: Option<&'static str>,
    detail: Option<&'a str>,
    restarts: String,
    unhealthy_since: Option<String>,
    output: Option<&'a str>,
    superseded_by: Option<&'a str>,
}

impl<'a> CourseColumns<'a> {
    fn of(course: &'a Course) -> Self {
        let (end, complaint) = (course.last_end.as_ref(), course.complaint.as_ref());
        Self {
            ended_at: end.map(|end| time_text(end.at)),
            cause: end.map(|end| words::cause(end.cause)),
            detail: end.and_then(|end| end.detail.as_deref()),
            restarts: times_text(&course.restarts),
            unhealthy_since: complaint.map(|complaint| time_text(complaint.since)),
            output: complaint.map(|complaint| complaint.output.as_str()),
            superseded_by: course.superseded_by.as_deref(),
        }
    }
}

struct OwnerColumns<'a> {
    workload_id: Option<&'a str>,
    kind: Option<&'static str>,
    role: Option<&'a str>,
    reason: Option<&'a str>,
}

impl<'a> OwnerColumns<'a> {
    fn of(owner: &'a Owner) -> Self {
        match owner {
            Owner::Workload { id, kind, role } => Self {
                workload_id: Some(id.as_str()),
                kind: Some(kind.as_str()),
                role: Some(role),
                reason: None,
            },
            Owner::Foreign { reason } => {
                Self { workload_id: None, kind: None, role: None, reason: reason.as_deref() }
            }
        }
    }
}

fn read(row: &SqlRow<'_>) -> Sql<Row> {
    let container_id: String = row.get("container_id")?;
    Ok(Row {
        id: RowId::new(row.get::<_, String>("id")?),
        engine_id: EngineId::new(row.get::<_, String>("engine_id")?),
        owner: read_owner(row)?,
        container_id: (!container_id.is_empty()).then(|| ContainerId::new(container_id)),
        facts: read_facts(row)?,
        course: read_course(row)?,
        decided: Decided {
            stage_id: row.get("stage_id")?,
            release_id: row.get("release_id")?,
            deploy_id: row.get("deploy_id")?,
            image_tag: row.get("image_tag")?,
            subdomain: row.get("subdomain")?,
            proxy_route_id: row.get("proxy_route_id")?,
        },
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        last_seen_at: row.maybe_time("last_seen_at")?,
        missing_since: row.maybe_time("missing_since")?,
        legacy_instance_id: row.get("legacy_instance_id")?,
        last_words: match (row.maybe_time("run_ended_at")?, row.get("said")?) {
            (Some(ended_at), Some(text)) => Some(LastWords { ended_at, text }),
            _ => None,
        },
    })
}

fn read_course(row: &SqlRow<'_>) -> Sql<Course> {
    let cause: Option<String> = row.get("end_cause")?;
    let end = row.maybe_time("ended_at")?.zip(cause);
    let detail = row.get("end_detail")?;
    let output: Option<String> = row.get("probe_output")?;
    Ok(Course {
        last_end: end.map(|(at, cause)| End { at, cause: words::cause_of(&cause), detail }),
        restarts: row.times("restarts")?,
        complaint: row
            .maybe_time("unhealthy_since")?
            .map(|since| Complaint { since, output: output.unwrap_or_default() }),
        superseded_by: row.get("superseded_by")?,
    })
}

fn read_owner(row: &SqlRow<'_>) -> Sql<Owner> {
    let id: Option<String> = row.get("workload_id")?;
    let kind: Option<String> = row.get("workload_kind")?;
    let role: Option<String> = row.get("role")?;
    Ok(match (id, kind.as_deref().and_then(WorkloadKind::parse)) {
        (Some(id), Some(kind)) => {
            Owner::Workload { id: WorkloadId::new(id), kind, role: role.unwrap_or_default() }
        }
        _ => Owner::Foreign { reason: row.get("foreign_reason")? },
    })
}

fn read_facts(row: &SqlRow<'_>) -> Sql<Facts> {
    let state: String = row.get("state")?;
    let health: String = row.get("health")?;
    Ok(Facts {
        name: row.get("name")?,
        image: row.get("image")?,
        image_id: row.get("image_id")?,
        state: State::parse(&state).unwrap_or(State::Unknown),
        health: Health::parse(&health).unwrap_or(Health::None),
        exit_code: row.get("exit_code")?,
        oom_killed: row.get("oom_killed")?,
        restart_count: row.get("restart_count")?,
        error: row.get("error")?,
        ports: row.json("ports")?,
        labels: row.json("labels")?,
        container_created_at: row.maybe_time("container_created_at")?,
        started_at: row.maybe_time("started_at")?,
        finished_at: row.maybe_time("finished_at")?,
        restart_policy: row.get("restart_policy")?,
        auto_remove: row.get("auto_remove")?,
    })
}
