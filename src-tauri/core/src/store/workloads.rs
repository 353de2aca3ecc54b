//! The table `workloads` and the one of its kind: `projects`, `stacks` or `sites`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::error::Sql;
use super::words::time_text;
use crate::rules::container::WorkloadKind;
use crate::rules::dispatch::Workload;
use crate::rules::ids::WorkloadId;

/// A workload to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkload {
    pub id: WorkloadId,
    pub name: String,
    pub shape: NewShape,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewShape {
    Project { image: String },
    Stack { compose_project: String },
    Site { source: String },
}

impl NewShape {
    fn kind(&self) -> WorkloadKind {
        match self {
            Self::Project { .. } => WorkloadKind::Project,
            Self::Stack { .. } => WorkloadKind::Stack,
            Self::Site { .. } => WorkloadKind::Site,
        }
    }
}

pub(super) fn all(db: &Connection) -> Sql<BTreeMap<WorkloadId, Workload>> {
    let mut statement = db.prepare_cached("SELECT id, kind, name FROM workloads")?;
    let mut rows = statement.query([])?;
    let mut workloads = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let kind: String = row.get(1)?;
        if let Some(kind) = WorkloadKind::parse(&kind) {
            workloads.insert(WorkloadId::new(row.get::<_, String>(0)?), Workload { kind, name: row.get(2)? });
        }
    }
    Ok(workloads)
}

pub(super) fn compose_projects(db: &Connection) -> Sql<BTreeMap<String, WorkloadId>> {
    db.prepare_cached("SELECT compose_project, workload_id FROM stacks")?
        .query_map([], |row| Ok((row.get(0)?, WorkloadId::new(row.get::<_, String>(1)?))))?
        .collect()
}

pub(super) fn insert(db: &Connection, new: &NewWorkload, now: Timestamp) -> Sql<()> {
    let id = new.id.as_str();
    db.prepare_cached(
        "INSERT INTO workloads (id, kind, name, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)",
    )?
    .execute(params![id, new.shape.kind().as_str(), new.name, time_text(now)])?;
    match &new.shape {
        NewShape::Project { image } => db
            .prepare_cached("INSERT INTO projects (workload_id, image) VALUES (?1, ?2)")?
            .execute([id, image.as_str()])?,
        NewShape::Stack { compose_project } => db
            .prepare_cached("INSERT INTO stacks (workload_id, compose_project) VALUES (?1, ?2)")?
            .execute([id, compose_project.as_str()])?,
        NewShape::Site { source } => db
            .prepare_cached("INSERT INTO sites (workload_id, source) VALUES (?1, ?2)")?
            .execute([id, source.as_str()])?,
    };
    Ok(())
}
