//! What changes or reads several tables of the index at once: the two write paths, and what the reconciler starts
//! from.
//!
//! The reconciler's path is [`commit`], the deployer's [`decide`], [`place`] and [`unplace`]. They share a table and
//! no column: `commit` cannot name what was decided, and what was decided cannot touch a fact. Only a placeholder
//! is made by one and filled by the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;

use super::changes::{self, Subject};
use super::containers::{Absence, Observation};
use super::error::{During as _, StoreError};
use super::executor::Done;
use super::{
    IndexCommit, IndexLoad, RowWrite, containers, engines, gaps, last_words, recorded, retired, workloads,
};
use crate::events::{Event, IndexChange, Recorded};
use crate::rules::container::{Health, State};
use crate::rules::course::Course;
use crate::rules::diff::{Change, Field};
use crate::rules::dispatch::{Claims, LegacyInstance};
use crate::rules::ids::{ContainerId, EngineId, RowId, WorkloadId};
use crate::rules::labels::Labels;
use crate::rules::planted::{self as fault, Bug};
use crate::rules::row::{Decided, Facts, LastWords, Owner, Row};

const COMMIT: &str = "writing the index";
const LOAD: &str = "reading the index";

/// A deploy under way, before there is a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    pub id: RowId,
    pub engine_id: EngineId,
    pub owner: Owner,
    pub name: String,
    pub image: String,
    /// Names the deploy that will end the placeholder.
    pub decided: Decided,
}

pub(super) fn load(db: &Connection, engine: &EngineId) -> Result<IndexLoad, StoreError> {
    let rows = containers::of_engine(db, engine).during(LOAD)?;
    let claims = Claims {
        recorded: recorded::of_engine(db, engine).during(LOAD)?,
        workloads: workloads::all(db).during(LOAD)?,
        legacy_instances: legacy_instances(&rows),
        compose_projects: workloads::compose_projects(db).during(LOAD)?,
    };
    Ok(IndexLoad {
        claims,
        rows,
        taken: containers::keys_of_others(db, engine).during(LOAD)?.into_iter().collect(),
        verified_at: engines::verified_at(db, engine).during(LOAD)?,
        revision: engines::revision(db).during(LOAD)?,
    })
}

fn legacy_instances(rows: &[Row]) -> BTreeMap<String, LegacyInstance> {
    let carried = |row: &Row| -> Option<(String, LegacyInstance)> {
        let legacy = row.legacy_instance_id.clone()?;
        match &row.owner {
            Owner::Workload { id, role, .. } => Some((
                legacy,
                LegacyInstance { row: row.id.clone(), workload_id: id.clone(), role: role.clone() },
            )),
            Owner::Foreign { .. } => None,
        }
    };
    rows.iter().filter_map(carried).collect()
}

/// Whether a commit says anything.
pub(super) fn is_empty(commit: &IndexCommit) -> bool {
    commit.writes.is_empty()
        && commit.seen.is_none()
        && commit.gaps.is_empty()
        && commit.recasts.is_empty()
        && commit.verified_at.is_none()
}

pub(super) fn commit(db: &Connection, commit: &IndexCommit) -> Result<Done<u64>, StoreError> {
    let engine = &commit.engine_id;
    let mut changed = Changed::default();
    containers::claim(db, engine).during(COMMIT)?;
    for gap in &commit.gaps {
        gaps::insert(db, engine, gap).during(COMMIT)?;
    }
    for recast in &commit.recasts {
        let ended = changes::recast(db, engine, recast).during(COMMIT)?;
        if ended && containers::recast(db, &recast.row_id, recast.cause, commit.now).during(COMMIT)? {
            changed.rows.insert(recast.row_id.clone());
        }
    }
    // Before the writes: a row that was seen running and then ended has its end from the engine.
    if let Some(at) = commit.seen {
        containers::seen(db, engine, at).during(COMMIT)?;
    }
    for write in &commit.writes {
        changed.apply(db, commit, write)?;
    }
    let mut done = changed.announce(db, engine, commit.verified_at, commit.now)?;
    done.announce.extend(commit.gaps.iter().cloned().map(Event::GapRecorded));
    Ok(done)
}

/// The deployer's columns of one row, and nothing else of it.
pub(super) fn decide(
    db: &Connection,
    id: &RowId,
    decided: &Decided,
    now: Timestamp,
) -> Result<Done<u64>, StoreError> {
    let before = existing(db, id)?;
    let mut changed = Changed::default();
    if before.decided != *decided {
        containers::decide(db, id, decided, now).during("writing a decision")?;
        changed.rows.insert(id.clone());
    }
    changed.announce(db, &before.engine_id, None, now)
}

/// What a container's program said last. Nothing where the row has another container by now.
pub(super) fn keep_last_words(
    db: &Connection,
    id: &RowId,
    container: &ContainerId,
    words: &LastWords,
    now: Timestamp,
) -> Result<Done<u64>, StoreError> {
    const KEEP: &str = "writing a container's last words";
    let row = containers::get(db, id).during(KEEP)?;
    let theirs = row.filter(|row| row.container_id.as_ref() == Some(container));
    let Some(row) = theirs.filter(|row| row.last_words.as_ref() != Some(words)) else {
        return Ok(Done::quietly(engines::revision(db).during(KEEP)?));
    };
    last_words::keep(db, id, container, words).during(KEEP)?;
    let mut changed = Changed::default();
    changed.rows.insert(id.clone());
    changed.announce(db, &row.engine_id, None, now)
}

pub(super) fn place(db: &Connection, new: &Placeholder, now: Timestamp) -> Result<Done<u64>, StoreError> {
    const PLACE: &str = "writing a placeholder";
    if new.decided.deploy_id.is_none() {
        return Err(StoreError::Conflict(format!("the placeholder {} names no deploy to end it", new.id)));
    }
    if let Some(there) = containers::get(db, &new.id).during(PLACE)? {
        return Err(StoreError::Conflict(format!("a row has the key {} already: {there}", new.id)));
    }
    containers::insert(db, &empty_row(new, now)).during(PLACE)?;
    containers::decide(db, &new.id, &new.decided, now).during(PLACE)?;
    let mut changed = Changed::default();
    changed.rows.insert(new.id.clone());
    changed.announce(db, &new.engine_id, None, now)
}

/// Ends a placeholder that no container ever filled; only the deploy it names may.
pub(super) fn unplace(
    db: &Connection,
    id: &RowId,
    deploy: &str,
    now: Timestamp,
) -> Result<Done<u64>, StoreError> {
    let row = existing(db, id)?;
    if row.container_id.is_some() || row.decided.deploy_id.as_deref() != Some(deploy) {
        return Err(StoreError::Conflict(format!("{row} is no placeholder of the deploy {deploy}")));
    }
    containers::delete(db, id).during("removing a placeholder")?;
    let changed = Changed { removals: vec![id.clone()], ..Changed::default() };
    changed.announce(db, &row.engine_id, None, now)
}

fn empty_row(new: &Placeholder, now: Timestamp) -> Row {
    Row {
        id: new.id.clone(),
        engine_id: new.engine_id.clone(),
        owner: new.owner.clone(),
        container_id: None,
        facts: Facts {
            name: new.name.clone(),
            image: new.image.clone(),
            image_id: String::new(),
            state: State::Deploying,
            health: Health::None,
            exit_code: None,
            oom_killed: false,
            restart_count: 0,
            error: None,
            ports: Vec::new(),
            labels: Labels::new(),
            container_created_at: None,
            started_at: None,
            finished_at: None,
            restart_policy: String::new(),
            auto_remove: false,
        },
        course: Course::default(),
        decided: Decided::default(),
        created_at: now,
        updated_at: now,
        last_seen_at: None,
        missing_since: None,
        legacy_instance_id: None,
        last_words: None,
    }
}

fn existing(db: &Connection, id: &RowId) -> Result<Row, StoreError> {
    containers::get(db, id)
        .during(LOAD)?
        .ok_or_else(|| StoreError::Conflict(format!("the index has no row {id}")))
}

/// What a transaction has changed so far.
#[derive(Default)]
struct Changed {
    rows: BTreeSet<RowId>,
    removals: Vec<RowId>,
    history: Vec<Recorded>,
}

impl Changed {
    fn apply(&mut self, db: &Connection, of: &IndexCommit, write: &RowWrite) -> Result<(), StoreError> {
        match write {
            RowWrite::Insert { row, history } => self.insert(db, of, row, history),
            RowWrite::Observe { id, owner, container_id, facts, course, last_seen_at, history } => {
                let seen = Observation { owner, container_id, facts, course, last_seen_at: *last_seen_at };
                self.observe(db, of, id, &seen, history)
            }
            RowWrite::Missing { id, since, course, last_seen_at, history } => {
                let absence = Absence { since: *since, course, last_seen_at: *last_seen_at };
                self.miss(db, of, id, absence, history)
            }
            RowWrite::Supersede { id, by } => self.supersede(db, of, id, by.as_deref()),
            RowWrite::Retire { id, history } => self.retire(db, of, id, history),
        }
    }

    fn insert(
        &mut self,
        db: &Connection,
        of: &IndexCommit,
        row: &Row,
        history: &[Change],
    ) -> Result<(), StoreError> {
        if row.engine_id != of.engine_id {
            let (id, theirs, ours) = (&row.id, &row.engine_id, &of.engine_id);
            return Err(StoreError::Conflict(format!("{id} belongs to the engine {theirs}, not to {ours}")));
        }
        if row.container_id.is_none() {
            return Err(StoreError::Conflict(format!(
                "{} has no container: only a deploy places one",
                row.id
            )));
        }
        if let Some(there) = containers::get(db, &row.id).during(COMMIT)? {
            return Err(StoreError::Conflict(format!("a row has the key {} already: {there}", row.id)));
        }
        containers::insert(db, row).during(COMMIT)?;
        self.rows.insert(row.id.clone());
        self.record(db, of, &Subject::of(row, &of.engine_id), history)
    }

    fn observe(
        &mut self,
        db: &Connection,
        of: &IndexCommit,
        id: &RowId,
        seen: &Observation<'_>,
        history: &[Change],
    ) -> Result<(), StoreError> {
        let before = self.existing_of(db, of, id)?;
        // Planned upon a placeholder that has given way to another deploy's, it would fill that one.
        if before.container_id.is_none() && before.facts.state == State::Deploying {
            let filled_by = recorded::deploy_of(db, &of.engine_id, seen.container_id).during(COMMIT)?;
            if filled_by != before.decided.deploy_id && !fault::is(Bug::AnyContainerFillsAPlaceholder) {
                let other = seen.container_id.short();
                return Err(StoreError::Conflict(format!(
                    "{before} waits for another deploy's than {other}"
                )));
            }
        }
        if !says_the_same(&before, seen) {
            containers::observe(db, id, seen, of.now).during(COMMIT)?;
            if fault::is(Bug::ADecisionIsOverwritten) {
                containers::decide(db, id, &Decided::default(), of.now).during(COMMIT)?;
            }
            self.rows.insert(id.clone());
        }
        if history.is_empty() {
            return Ok(());
        }
        let now = Row {
            owner: seen.owner.clone(),
            container_id: Some(seen.container_id.clone()),
            facts: seen.facts.clone(),
            ..before
        };
        self.record(db, of, &Subject::of(&now, &of.engine_id), history)
    }

    fn miss(
        &mut self,
        db: &Connection,
        of: &IndexCommit,
        id: &RowId,
        absence: Absence<'_>,
        history: &[Change],
    ) -> Result<(), StoreError> {
        let before = self.existing_of(db, of, id)?;
        if before.container_id.is_none() && before.facts.state == State::Deploying {
            return Err(StoreError::Conflict(format!("{before} is a placeholder: its deploy ends it")));
        }
        containers::miss(db, id, absence, of.now).during(COMMIT)?;
        self.rows.insert(id.clone());
        self.record(db, of, &Subject::of(&before, &of.engine_id), history)
    }

    fn supersede(
        &mut self,
        db: &Connection,
        of: &IndexCommit,
        id: &RowId,
        by: Option<&str>,
    ) -> Result<(), StoreError> {
        let before = self.existing_of(db, of, id)?;
        if before.course.superseded_by.as_deref() != by {
            containers::supersede(db, id, by, of.now).during(COMMIT)?;
            self.rows.insert(id.clone());
        }
        Ok(())
    }

    fn retire(
        &mut self,
        db: &Connection,
        of: &IndexCommit,
        id: &RowId,
        history: &[Change],
    ) -> Result<(), StoreError> {
        let before = self.existing_of(db, of, id)?;
        self.record(db, of, &Subject::of(&before, &of.engine_id), history)?;
        let gone = when_it_went(history).unwrap_or(of.now);
        retired::keep(db, &before, &of.engine_id, gone).during(COMMIT)?;
        containers::delete(db, id).during(COMMIT)?;
        self.rows.remove(id);
        self.removals.push(id.clone());
        Ok(())
    }

    fn existing_of(&self, db: &Connection, of: &IndexCommit, id: &RowId) -> Result<Row, StoreError> {
        let row = existing(db, id)?;
        if row.engine_id == of.engine_id {
            return Ok(row);
        }
        let (theirs, ours) = (&row.engine_id, &of.engine_id);
        Err(StoreError::Conflict(format!("{id} belongs to the engine {theirs}, not to {ours}")))
    }

    fn record(
        &mut self,
        db: &Connection,
        of: &IndexCommit,
        subject: &Subject,
        history: &[Change],
    ) -> Result<(), StoreError> {
        for change in history {
            self.history.push(changes::append(db, subject, change, of.now).during(COMMIT)?);
        }
        Ok(())
    }

    /// Raises the revision if a face could tell the difference, and hands back what to tell it.
    fn announce(
        self,
        db: &Connection,
        engine: &EngineId,
        verified_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Done<u64>, StoreError> {
        let revision = engines::revision(db).during(COMMIT)?;
        if self.rows.is_empty() && self.removals.is_empty() && self.history.is_empty() {
            if let Some(at) = verified_at {
                engines::verify(db, engine, at, now).during(COMMIT)?;
            }
            return Ok(Done::quietly(revision));
        }
        let revision = revision + 1;
        engines::advance(db, engine, revision, verified_at, now).during(COMMIT)?;
        let mut upserts = Vec::with_capacity(self.rows.len());
        for id in &self.rows {
            upserts.push(existing(db, id)?);
        }
        let change = IndexChange { revision, upserts, removals: self.removals, history: self.history };
        Ok(Done { answer: revision, announce: vec![Event::IndexChanged(Arc::new(change))] })
    }
}

fn says_the_same(row: &Row, seen: &Observation<'_>) -> bool {
    row.owner == *seen.owner
        && row.container_id.as_ref() == Some(seen.container_id)
        && row.facts == *seen.facts
        && row.course == *seen.course
        && row.last_seen_at == seen.last_seen_at
        && row.missing_since.is_none()
}

fn when_it_went(history: &[Change]) -> Option<Timestamp> {
    history.iter().find(|c| c.field == Field::State && c.to.is_none()).map(|c| c.at)
}

/// The workload a claim names, for [`super::Store::record_container`].
pub(super) fn must_exist(db: &Connection, workload: &WorkloadId) -> Result<(), StoreError> {
    match workloads::all(db).during(LOAD)?.contains_key(workload) {
        true => Ok(()),
        false => Err(StoreError::Conflict(format!("there is no workload {workload}"))),
    }
}
