//! What was: a container's history by whatever name the user has for it, and the index as it stood at a moment.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::Connection;

use super::changes::{self, Beginning, Life, LogLine, Told};
use super::error::{During as _, Sql, StoreError};
use super::retired::{self, Retired};
use super::{containers, engines, gaps};
use crate::rules::container::{Health, State};
use crate::rules::diff::{Field, image_named};
use crate::rules::gap::Gap;
use crate::rules::ids::{ContainerId, EngineId, RowId, WorkloadId};
use crate::rules::row::{Owner, Row};

const READ: &str = "reading the history";

/// A container's history, and which container that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerHistory {
    pub row_id: RowId,
    pub container_id: Option<ContainerId>,
    pub name: String,
    /// Whether it is no longer in the index.
    pub gone: bool,
    /// Oldest first.
    pub lines: Vec<LogLine>,
    /// The spans of its life that nobody verified, oldest first.
    pub gaps: Vec<Gap>,
    /// Until when its engine's index has been verified, while it is there.
    pub verified_until: Option<Timestamp>,
}

/// The index as it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexThen {
    pub at: Timestamp,
    /// The gap that the moment lies in: what stands here was not verified then.
    pub gap: Option<Gap>,
    /// When this engine was first looked at. What stands here of an earlier moment is worked out from what was found
    /// then. `None` for an engine that never was.
    pub known_from: Option<Timestamp>,
    /// What was before was removed for its age; `None` where all of the history is there.
    pub kept_from: Option<Timestamp>,
    /// Until when the index has been verified; a later moment has not been looked at yet.
    pub verified_until: Option<Timestamp>,
    pub containers: Vec<ContainerThen>,
}

/// A container as it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerThen {
    pub row_id: RowId,
    pub container_id: Option<ContainerId>,
    pub name: String,
    pub image: String,
    pub workload_id: Option<WorkloadId>,
    pub role: Option<String>,
    pub state: State,
    pub health: Health,
    /// Since when it had been in that state.
    pub since: Timestamp,
}

/// One container that a query may mean.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Candidate {
    /// A row of the index, with the container it stands for now.
    Row { engine: EngineId, id: RowId, container: Option<ContainerId>, name: String, began: Timestamp },
    /// A container that no row stands for any more.
    Gone { container: ContainerId, name: String },
}

impl Candidate {
    fn of_row(row: &Row) -> Self {
        Self::Row {
            engine: row.engine_id.clone(),
            id: row.id.clone(),
            container: row.container_id.clone(),
            name: row.facts.name.clone(),
            began: row.facts.container_created_at.unwrap_or(row.created_at),
        }
    }

    fn of_retired(gone: &Retired) -> Self {
        Self::Gone { container: gone.container_id.clone(), name: gone.name.clone() }
    }

    fn describe(&self) -> String {
        match self {
            Self::Row { container, name, id, .. } => {
                format!("{name} ({})", container.as_ref().map_or(id.as_str(), ContainerId::short))
            }
            Self::Gone { container, name } => format!("{name} ({}, gone)", container.short()),
        }
    }
}

/// By the name or the id of what is in the index, else of what is gone, else by the beginning of an id of either.
pub(super) fn history(
    db: &Connection,
    engine: Option<&EngineId>,
    query: &str,
) -> Result<ContainerHistory, StoreError> {
    let query = query.trim();
    let rows = match engine {
        Some(engine) => containers::of_engine(db, engine),
        None => containers::all(db),
    }
    .during(READ)?;
    let finders: [&dyn Fn() -> Result<Vec<Candidate>, StoreError>; 5] = [
        &|| Ok(rows.iter().filter(|row| is_called(row, query)).map(Candidate::of_row).collect()),
        &|| gone_called(db, query),
        &|| Ok(rows.iter().filter(|row| begins(row, query)).map(Candidate::of_row).collect()),
        &|| gone_beginning(db, query),
        &|| once_called(db, query, &rows),
    ];
    if query.is_empty() {
        return Err(StoreError::NoSuchContainer(query.to_owned()));
    }
    for find in finders {
        let mut found = find()?;
        found.sort();
        found.dedup();
        match found.len() {
            0 => {}
            1 => return found.swap_remove(0).history(db),
            _ => {
                let candidates = found.iter().map(Candidate::describe).collect();
                return Err(StoreError::AmbiguousContainer { query: query.to_owned(), candidates });
            }
        }
    }
    Err(StoreError::NoSuchContainer(query.to_owned()))
}

fn is_called(row: &Row, query: &str) -> bool {
    row.facts.name == query
        || row.id.as_str() == query
        || row.container_id.as_ref().is_some_and(|id| id.as_str() == query)
}

fn begins(row: &Row, query: &str) -> bool {
    row.container_id.as_ref().is_some_and(|id| id.as_str().starts_with(query))
}

fn gone_called(db: &Connection, query: &str) -> Result<Vec<Candidate>, StoreError> {
    let by_name = retired::called(db, query).during(READ)?;
    if !by_name.is_empty() {
        return Ok(by_name.iter().map(Candidate::of_retired).collect());
    }
    let id = ContainerId::new(query);
    let lines = changes::of_container(db, &id).during(READ)?;
    Ok(lines
        .last()
        .map(|line| Candidate::Gone { container: id, name: line.recorded.name.clone() })
        .into_iter()
        .collect())
}

/// Whatever bore the name at some time: a row may have gone over to another container, and a container to another name.
fn once_called(db: &Connection, query: &str, rows: &[Row]) -> Result<Vec<Candidate>, StoreError> {
    let bearers = changes::containers_once_called(db, query).during(READ)?;
    let found = bearers.into_iter().map(|container| {
        let row = rows.iter().find(|row| row.container_id.as_ref() == Some(&container));
        row.map_or_else(|| Candidate::Gone { container, name: query.to_owned() }, Candidate::of_row)
    });
    Ok(found.collect())
}

fn gone_beginning(db: &Connection, query: &str) -> Result<Vec<Candidate>, StoreError> {
    let mut found = Vec::new();
    for container in changes::containers_like(db, query).during(READ)? {
        let lines = changes::of_container(db, &container).during(READ)?;
        let name = lines.last().map(|line| line.recorded.name.clone()).unwrap_or_default();
        found.push(Candidate::Gone { container, name });
    }
    Ok(found)
}

impl Candidate {
    fn history(self, db: &Connection) -> Result<ContainerHistory, StoreError> {
        match self {
            Self::Row { engine, id, container, name, began } => {
                let lines = changes::of_row(db, &engine, &id).during(READ)?;
                let began = lines.first().map_or(began, |line| line.recorded.change.at.min(began));
                Ok(ContainerHistory {
                    row_id: id,
                    container_id: container,
                    name,
                    gone: false,
                    lines,
                    gaps: unverified(db, &engine, began, None)?,
                    verified_until: engines::verified_at(db, &engine).during(READ)?,
                })
            }
            Self::Gone { container, name } => {
                let lines = changes::of_container(db, &container).during(READ)?;
                let row_id = lines.last().map(|line| line.recorded.row_id.clone());
                let row_id = row_id.unwrap_or_else(|| RowId::new(container.as_str()));
                let gaps = match (lines.first(), lines.last()) {
                    (Some(first), Some(last)) => {
                        let began = first.recorded.change.at;
                        unverified(db, &last.engine_id, began, Some(last.recorded.recorded_at))?
                    }
                    _ => Vec::new(),
                };
                Ok(ContainerHistory {
                    row_id,
                    container_id: Some(container),
                    name,
                    gone: true,
                    lines,
                    gaps,
                    verified_until: None,
                })
            }
        }
    }
}

/// The gaps between two moments, oldest first.
fn unverified(
    db: &Connection,
    engine: &EngineId,
    began: Timestamp,
    ended: Option<Timestamp>,
) -> Result<Vec<Gap>, StoreError> {
    let mut gaps = gaps::of_engine(db, engine).during(READ)?;
    gaps.retain(|gap| gap.concerns(began, ended));
    gaps.reverse();
    Ok(gaps)
}

/// A row that was there, with what is known of it at its end.
struct Ending {
    row_id: RowId,
    container_id: Option<ContainerId>,
    name: String,
    image: String,
    state: State,
    health: Health,
    owner: Option<(WorkloadId, String)>,
    /// From when on there was the container that it has at its end.
    began: Timestamp,
}

/// Each value is the last one recorded up to the moment; before the first record, what that record says it replaced;
/// without any, what stands at the end.
pub(super) fn index_at(db: &Connection, engine: &EngineId, at: Timestamp) -> Result<IndexThen, StoreError> {
    let mut containers = Vec::new();
    for ending in endings(db, engine, at)? {
        containers.extend(as_it_stood(db, engine, ending, at).during(READ)?);
    }
    containers.sort_by(|a, b| (&a.name, &a.row_id).cmp(&(&b.name, &b.row_id)));
    let gaps = gaps::of_engine(db, engine).during(READ)?;
    Ok(IndexThen {
        at,
        gap: gaps.into_iter().find(|gap| gap.covers(at)),
        known_from: engines::first_seen_at(db, engine).during(READ)?,
        kept_from: changes::kept_from(db).during(READ)?,
        verified_until: engines::verified_at(db, engine).during(READ)?,
        containers,
    })
}

/// The rows that may have been there: those that went later, each as it was when it went the first time after the
/// moment, and those that are there.
fn endings(db: &Connection, engine: &EngineId, at: Timestamp) -> Result<Vec<Ending>, StoreError> {
    let mut endings: BTreeMap<RowId, Ending> = BTreeMap::new();
    for gone in retired::there_at(db, engine, at).during(READ)? {
        endings.entry(gone.row_id.clone()).or_insert_with(|| Ending::of_retired(gone));
    }
    for row in containers::of_engine(db, engine).during(READ)? {
        endings.entry(row.id.clone()).or_insert_with(|| Ending::of_row(row));
    }
    Ok(endings.into_values().collect())
}

impl Ending {
    fn of_row(row: Row) -> Self {
        let owner = match row.owner {
            Owner::Workload { id, role, .. } => Some((id, role)),
            Owner::Foreign { .. } => None,
        };
        Self {
            row_id: row.id,
            container_id: row.container_id,
            name: row.facts.name,
            image: row.facts.image,
            state: row.facts.state,
            health: row.facts.health,
            owner,
            began: row.facts.container_created_at.unwrap_or(row.created_at),
        }
    }

    fn of_retired(gone: Retired) -> Self {
        Self {
            row_id: gone.row_id,
            container_id: Some(gone.container_id),
            name: gone.name,
            image: gone.image,
            state: gone.state,
            health: gone.health,
            owner: None,
            began: gone.container_created_at.unwrap_or(gone.created_at),
        }
    }

    /// The same row while it stood for a container that another one has replaced: that is known only from its history.
    fn replaced(self, life: &Beginning) -> Self {
        Self {
            row_id: self.row_id,
            container_id: (!life.container.is_empty()).then(|| ContainerId::new(&life.container)),
            name: String::new(),
            image: String::new(),
            state: State::Unknown,
            health: Health::None,
            owner: None,
            began: life.at,
        }
    }

    /// The row as it was with the container that it had at that moment: of those that had begun, the last.
    fn at(self, lives: &[Beginning], at: Timestamp) -> Self {
        let own = self.container_id.as_ref().map_or("", ContainerId::as_str).to_owned();
        let then = lives.iter().rfind(|life| life.at <= at).or(lives.first());
        match then {
            Some(life) if life.container != own => self.replaced(life),
            Some(_) | None => self,
        }
    }
}

fn as_it_stood(
    db: &Connection,
    engine: &EngineId,
    ending: Ending,
    at: Timestamp,
) -> Sql<Option<ContainerThen>> {
    let lives = changes::lives(db, engine, &ending.row_id)?;
    let of = ending.at(&lives, at);
    if at < of.began {
        return Ok(None);
    }
    let container = of.container_id.as_ref().map_or("", ContainerId::as_str);
    let life = Life { engine, row: &of.row_id, container };
    let come = changes::come(db, life, at)?;
    let since = come.as_ref().map_or(Timestamp::MIN, |come| come.at);
    // As it came it was until its first change, whatever became of the row: one that is missing has no health.
    let value = |field, came: Option<String>, at_the_end: &str| -> Sql<Option<String>> {
        Ok(match changes::told(db, life, field, since, at)? {
            Told::Turned { to, .. } => to,
            Told::NotYet { from } => came.or(from),
            Told::Nothing => came.or_else(|| Some(at_the_end.to_owned())),
        })
    };
    let (state, turned, name, owner) = match changes::told(db, life, Field::State, since, at)? {
        Told::Turned { to, at, name, owner } => (to, at, name, owner),
        Told::NotYet { from } => (from, of.began, of.name.clone(), of.owner.clone()),
        Told::Nothing => (Some(of.state.as_str().to_owned()), of.began, of.name.clone(), of.owner.clone()),
    };
    let Some(state) = state else { return Ok(None) };
    let state = State::parse(&state).unwrap_or(State::Unknown);
    let health = match state {
        State::Missing => None,
        _ => value(Field::Health, come.as_ref().and_then(|come| come.health.clone()), of.health.as_str())?,
    };
    // Of the container that the row has at its end it knows best whose it is.
    let (workload_id, role) = of.owner.clone().or(owner).unzip();
    let name_at_the_end = if of.name.is_empty() { name } else { of.name.clone() };
    let image = value(Field::Image, come.as_ref().and_then(|come| come.image.clone()), &of.image)?;
    Ok(Some(ContainerThen {
        name: value(Field::Name, come.map(|come| come.name), &name_at_the_end)?.unwrap_or_default(),
        image: image.as_deref().map(image_named).unwrap_or_default().to_owned(),
        workload_id,
        role,
        state,
        health: health.as_deref().and_then(Health::parse).unwrap_or(Health::None),
        since: turned,
        row_id: of.row_id,
        container_id: of.container_id,
    }))
}
