//! What was: a container's history by whatever name the user has for it, and the index as it stood at a moment.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::Connection;

use super::changes::{self, LogLine};
use super::error::{During as _, StoreError};
use super::retired::{self, Retired};
use super::{containers, engines, gaps};
use crate::rules::container::{Health, State};
use crate::rules::diff::Field;
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
    let finders: [&dyn Fn() -> Result<Vec<Candidate>, StoreError>; 4] = [
        &|| Ok(rows.iter().filter(|row| is_called(row, query)).map(Candidate::of_row).collect()),
        &|| gone_called(db, query),
        &|| Ok(rows.iter().filter(|row| begins(row, query)).map(Candidate::of_row).collect()),
        &|| gone_beginning(db, query),
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

/// What a row stood for over a time: a row may stand for several containers, one after another.
type Life = (RowId, Option<ContainerId>);

/// A life, with what is known of it at its end.
struct Ending {
    name: String,
    image: String,
    state: State,
    health: Health,
    workload_id: Option<WorkloadId>,
    role: Option<String>,
    /// From when on there was such a container.
    began: Timestamp,
    /// When it left the index; `None` while it is there.
    ended: Option<Timestamp>,
}

/// Each value is the last one recorded up to the moment; before the first record, what that record says it replaced;
/// without any, what stands at the end.
pub(super) fn index_at(db: &Connection, engine: &EngineId, at: Timestamp) -> Result<IndexThen, StoreError> {
    let lives = lives(db, engine)?;
    let mut told: BTreeMap<Life, Vec<LogLine>> = BTreeMap::new();
    for line in changes::of_engine(db, engine).during(READ)? {
        told.entry((line.recorded.row_id.clone(), line.recorded.container_id.clone()))
            .or_default()
            .push(line);
    }
    let succeeded = successions(&told);
    let mut containers = Vec::new();
    for (life, ending) in with_the_replaced(lives, &told, &succeeded) {
        let mut lines = told.remove(&life).unwrap_or_default();
        lines.sort_by_key(|line| (line.recorded.change.at, line.recorded.seq));
        containers.extend(as_it_stood(life, &ending, &lines, at));
    }
    containers.sort_by(|a, b| (&a.name, &a.row_id).cmp(&(&b.name, &b.row_id)));
    let gaps = gaps::of_engine(db, engine).during(READ)?;
    Ok(IndexThen {
        at,
        gap: gaps.into_iter().find(|gap| gap.covers(at)),
        known_from: engines::first_seen_at(db, engine).during(READ)?,
        verified_until: engines::verified_at(db, engine).during(READ)?,
        containers,
    })
}

/// The containers that rows stand for now, and those that were retired.
fn lives(db: &Connection, engine: &EngineId) -> Result<Vec<(Life, Ending)>, StoreError> {
    let mut lives = Vec::new();
    for row in containers::of_engine(db, engine).during(READ)? {
        lives.push(((row.id.clone(), row.container_id.clone()), Ending::of_row(row)));
    }
    for gone in retired::of_engine(db, engine).during(READ)? {
        lives.push(((gone.row_id.clone(), Some(gone.container_id.clone())), Ending::of_retired(gone)));
    }
    Ok(lives)
}

impl Ending {
    fn of_row(row: Row) -> Self {
        let (workload_id, role) = match row.owner {
            Owner::Workload { id, role, .. } => (Some(id), Some(role)),
            Owner::Foreign { .. } => (None, None),
        };
        Self {
            name: row.facts.name,
            image: row.facts.image,
            state: row.facts.state,
            health: row.facts.health,
            workload_id,
            role,
            began: row.facts.container_created_at.unwrap_or(row.created_at),
            ended: None,
        }
    }

    fn of_retired(gone: Retired) -> Self {
        Self {
            name: gone.name,
            image: gone.image,
            state: gone.state,
            health: gone.health,
            workload_id: None,
            role: None,
            began: gone.container_created_at.unwrap_or(gone.created_at),
            ended: Some(gone.retired_at),
        }
    }

    /// A container whose row stands for another one now: known only from its history.
    fn of_replaced(lines: &[LogLine], ended: Timestamp) -> Option<Self> {
        let (first, last) = (lines.first()?, lines.last()?);
        Some(Self {
            name: last.recorded.name.clone(),
            image: String::new(),
            state: State::Unknown,
            health: Health::None,
            workload_id: last.recorded.workload_id.clone(),
            role: last.recorded.role.clone(),
            began: first.recorded.change.at,
            ended: Some(ended),
        })
    }
}

/// When each life of a row gave way to the next one.
fn successions(told: &BTreeMap<Life, Vec<LogLine>>) -> BTreeMap<Life, Timestamp> {
    let mut by_row: BTreeMap<&RowId, Vec<(u64, Timestamp, &Life)>> = BTreeMap::new();
    for (life, lines) in told {
        if let Some(first) = lines.first() {
            let began = (first.recorded.seq, first.recorded.change.at, life);
            by_row.entry(&life.0).or_default().push(began);
        }
    }
    let mut ends = BTreeMap::new();
    for mut lives in by_row.into_values() {
        lives.sort();
        for pair in lives.windows(2) {
            if let [(_, _, life), (_, next, _)] = pair {
                ends.insert((*life).clone(), *next);
            }
        }
    }
    ends
}

fn with_the_replaced(
    mut lives: Vec<(Life, Ending)>,
    told: &BTreeMap<Life, Vec<LogLine>>,
    ends: &BTreeMap<Life, Timestamp>,
) -> Vec<(Life, Ending)> {
    for (life, lines) in told {
        if lives.iter().any(|(known, _)| known == life) {
            continue;
        }
        let last = lines.last().map_or(Timestamp::MIN, |line| line.recorded.change.at);
        let ended = ends.get(life).copied().unwrap_or(last);
        lives.extend(Ending::of_replaced(lines, ended).map(|ending| (life.clone(), ending)));
    }
    lives
}

fn as_it_stood(life: Life, of: &Ending, lines: &[LogLine], at: Timestamp) -> Option<ContainerThen> {
    if at < of.began || of.ended.is_some_and(|ended| ended <= at) {
        return None;
    }
    let state = value_at(lines, Field::State, Some(of.state.as_str()), at)?;
    let state = State::parse(state).unwrap_or(State::Unknown);
    let health = match state {
        State::Missing => None,
        _ => value_at(lines, Field::Health, Some(of.health.as_str()), at),
    };
    let last_turn = lines.iter().rev().map(|line| &line.recorded.change);
    let since = last_turn.filter(|c| c.field == Field::State).map(|c| c.at).find(|turned| *turned <= at);
    Some(ContainerThen {
        row_id: life.0,
        container_id: life.1,
        name: value_at(lines, Field::Name, Some(&of.name), at).unwrap_or_default().to_owned(),
        image: value_at(lines, Field::Image, Some(&of.image), at).unwrap_or_default().to_owned(),
        workload_id: of.workload_id.clone(),
        role: of.role.clone(),
        state,
        health: health.and_then(Health::parse).unwrap_or(Health::None),
        since: since.unwrap_or(of.began),
    })
}

/// The value that a field had. `lines` are in the order in which things happened.
fn value_at<'a>(
    lines: &'a [LogLine],
    field: Field,
    at_the_end: Option<&'a str>,
    at: Timestamp,
) -> Option<&'a str> {
    let of_field = || lines.iter().map(|line| &line.recorded.change).filter(|change| change.field == field);
    if let Some(last) = of_field().rfind(|change| change.at <= at) {
        return last.to.as_deref();
    }
    match of_field().next() {
        Some(first) => first.from.as_deref(),
        None => at_the_end,
    }
}
