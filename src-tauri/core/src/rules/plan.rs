//! From what an inspect answered to what is written: which row, whose it is, and what its history gains.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::cause::{self, Cause, Clue, Deed, Evidence};
use super::container::{Observed, State};
use super::course::{self, Course, Turn};
use super::diff::{self, Change, Field};
use super::dispatch::{self, Claims};
use super::ids::{ContainerId, EngineId, RowId, WorkloadId};
use super::planted::{self as fault, Bug};
use super::row::{Decided, Facts, Owner, Row};

/// One row's write on the reconciler's path. It cannot name a column that the deployer decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowWrite {
    /// A container that had no row.
    Insert { row: Box<Row>, history: Vec<Change> },
    /// A row as freshly observed. An absent row may take on another container here.
    Observe {
        id: RowId,
        owner: Owner,
        container_id: ContainerId,
        facts: Box<Facts>,
        course: Box<Course>,
        last_seen_at: Option<Timestamp>,
        history: Vec<Change>,
    },
    /// A workload's container that the engine no longer knows.
    Missing {
        id: RowId,
        since: Timestamp,
        course: Box<Course>,
        last_seen_at: Option<Timestamp>,
        history: Vec<Change>,
    },
    /// A newer container serves in its place, or none does any more.
    Supersede { id: RowId, by: Option<String> },
    /// A foreign container that is gone: out of the index, into history.
    Retire { id: RowId, history: Vec<Change> },
}

impl RowWrite {
    /// Whether its history has a state: what led to it is explained by that.
    #[must_use]
    pub fn tells_a_state(&self) -> bool {
        self.history().iter().any(|change| change.field == Field::State)
    }

    /// Whether something of it has no cause yet: the event that explains it may be on its way.
    #[must_use]
    pub fn is_unexplained(&self) -> bool {
        self.history().iter().any(|change| change.cause == Cause::Unknown)
    }

    /// The same, but for the ends it tells.
    #[must_use]
    pub fn is_unexplained_beyond_ends(&self) -> bool {
        let ends = |change: &Change| {
            let to = change.to.as_deref().and_then(State::parse);
            change.field == Field::State
                && matches!(to, Some(State::Stopped | State::Failed | State::Restarting))
        };
        self.history().iter().any(|change| change.cause == Cause::Unknown && !ends(change))
    }

    /// What brought about the state that its history tells last, if it tells one.
    #[must_use]
    pub fn cause_of_state(&self) -> Option<Cause> {
        self.state_line().map(|change| change.cause)
    }

    /// The state that its history tells last, if it tells one.
    #[must_use]
    pub fn told_state(&self) -> Option<State> {
        State::parse(self.state_line()?.to.as_deref()?)
    }

    fn state_line(&self) -> Option<&Change> {
        self.history().iter().rev().find(|change| change.field == Field::State)
    }

    #[must_use]
    pub fn row_id(&self) -> &RowId {
        match self {
            Self::Insert { row, .. } => &row.id,
            Self::Observe { id, .. }
            | Self::Missing { id, .. }
            | Self::Supersede { id, .. }
            | Self::Retire { id, .. } => id,
        }
    }

    fn history(&self) -> &[Change] {
        match self {
            Self::Insert { history, .. }
            | Self::Observe { history, .. }
            | Self::Missing { history, .. }
            | Self::Retire { history, .. } => history,
            Self::Supersede { .. } => &[],
        }
    }
}

/// The rows of one engine, as they were last committed, with what a plan looks them up by.
#[derive(Debug, Clone, Default)]
pub struct IndexView {
    rows: BTreeMap<RowId, Row>,
    by_container: BTreeMap<ContainerId, RowId>,
    by_workload: BTreeMap<WorkloadId, BTreeSet<RowId>>,
    /// Keys in use by other engines' rows.
    taken: BTreeSet<RowId>,
}

impl IndexView {
    #[must_use]
    pub fn new(rows: impl IntoIterator<Item = Row>, taken: BTreeSet<RowId>) -> Self {
        let mut view = Self { taken, ..Self::default() };
        for row in rows {
            view.put(row);
        }
        view
    }

    #[must_use]
    pub fn of_container(&self, id: &ContainerId) -> Option<&Row> {
        self.rows.get(self.by_container.get(id)?)
    }

    #[must_use]
    pub fn row(&self, id: &RowId) -> Option<&Row> {
        self.rows.get(id)
    }

    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn put(&mut self, row: Row) {
        self.remove(&row.id);
        if let Some(container) = &row.container_id {
            self.by_container.insert(container.clone(), row.id.clone());
        }
        if let Some(workload) = row.owner.workload_id() {
            self.by_workload.entry(workload.clone()).or_default().insert(row.id.clone());
        }
        self.rows.insert(row.id.clone(), row);
    }

    fn remove(&mut self, id: &RowId) {
        let Some(row) = self.rows.remove(id) else { return };
        if let Some(container) = row.container_id {
            self.by_container.remove(&container);
        }
        if let Some(workload) = row.owner.workload_id()
            && let Some(rows) = self.by_workload.get_mut(workload)
        {
            rows.remove(id);
            if rows.is_empty() {
                self.by_workload.remove(workload);
            }
        }
    }

    /// The rows of a workload.
    fn of_workload(&self, id: &WorkloadId) -> impl Iterator<Item = &Row> {
        self.by_workload.get(id).into_iter().flatten().filter_map(|row| self.rows.get(row))
    }

    /// Takes over that a row's last end had another cause.
    pub fn recast(&mut self, id: &RowId, cause: Cause) {
        if let Some(end) = self.rows.get_mut(id).and_then(|row| row.course.last_end.as_mut()) {
            end.cause = cause;
        }
    }

    /// Takes a write over, as the store does.
    pub fn apply(&mut self, write: &RowWrite, now: Timestamp) {
        match write {
            RowWrite::Insert { row, .. } => self.put((**row).clone()),
            RowWrite::Observe { id, owner, container_id, facts, course, last_seen_at, .. } => {
                let Some(mut row) = self.rows.get(id).cloned() else { return };
                row.owner = owner.clone();
                row.container_id = Some(container_id.clone());
                row.facts = (**facts).clone();
                row.course = (**course).clone();
                row.last_seen_at = *last_seen_at;
                row.missing_since = None;
                row.updated_at = now;
                self.put(row);
            }
            RowWrite::Missing { id, since, course, last_seen_at, .. } => {
                if let Some(row) = self.rows.get_mut(id) {
                    row.course = (**course).clone();
                    row.facts.state = State::Missing;
                    row.facts.health = super::container::Health::None;
                    row.missing_since = Some(*since);
                    row.last_seen_at = *last_seen_at;
                    row.updated_at = now;
                }
            }
            RowWrite::Supersede { id, by } => {
                if let Some(row) = self.rows.get_mut(id) {
                    row.course.superseded_by.clone_from(by);
                    row.updated_at = now;
                }
            }
            RowWrite::Retire { id, .. } => self.remove(id),
        }
    }

    fn is_free(&self, id: &RowId) -> bool {
        !self.rows.contains_key(id) && !self.taken.contains(id)
    }
}

/// What the reconciler knows of the world when it plans.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    pub engine: &'a EngineId,
    pub claims: &'a Claims,
    pub now: Timestamp,
    /// Up to when running rows were known to run.
    pub verified_at: Option<Timestamp>,
}

/// What a fresh inspect makes of the index: nothing where it agrees.
#[must_use]
pub fn of_inspect(
    view: &IndexView,
    seen: &Observed,
    evidence: &Evidence,
    around: &Circumstances<'_>,
) -> Option<RowWrite> {
    let ruling = dispatch::owner_of(&seen.container_id, &seen.labels, around.claims);
    let facts = Facts::of(seen);
    let named = |row: &&Row| fault::is(Bug::TheNameIsTheIdentity) && row.facts.name == seen.name;
    if let Some(row) = view.of_container(&seen.container_id).or_else(|| view.rows().find(named)) {
        return observe(row, ruling.owner, seen, facts, evidence, around);
    }
    match vacant_row(view, &ruling) {
        Some(row) => observe(row, ruling.owner, seen, facts, evidence, around),
        None => Some(insert(view, ruling.owner, seen, facts, evidence, around)),
    }
}

/// What a 404 makes of the index.
#[must_use]
pub fn of_absence(
    view: &IndexView,
    id: &ContainerId,
    evidence: &Evidence,
    around: &Circumstances<'_>,
) -> Option<RowWrite> {
    let row = view.of_container(id)?;
    if row.facts.state == State::Missing {
        return None;
    }
    let ended = row.course.last_end.as_ref().map(|end| end.cause);
    let change = diff::vanished(&row.facts, ended, evidence, around.now);
    let (id, since) = (row.id.clone(), change.at);
    Some(match &row.owner {
        Owner::Workload { .. } => {
            let ran_until = ran_until(row, evidence, around);
            let course = Box::new(row.course.after_vanishing(&change));
            RowWrite::Missing { id, since, course, last_seen_at: ran_until, history: vec![change] }
        }
        Owner::Foreign { .. } if fault::is(Bug::AForeignRowStays) => return None,
        Owner::Foreign { .. } => RowWrite::Retire { id, history: vec![Change { to: None, ..change }] },
    })
}

/// A container that is gone ran until an event said otherwise, else until it was last known to.
fn ran_until(row: &Row, evidence: &Evidence, around: &Circumstances<'_>) -> Option<Timestamp> {
    if !row.facts.state.is_alive() {
        return row.last_seen_at;
    }
    let told = evidence.last(Deed::Die).or(evidence.last(Deed::Destroy)).map(|clue| clue.at);
    told.or(row.last_seen_at.max(around.verified_at))
}

/// The row under the deterministic key, or the one a legacy label names: only a placeholder of the same deploy, or
/// one whose container is confirmed absent. A row whose container lives is never stolen.
fn vacant_row<'a>(view: &'a IndexView, ruling: &dispatch::Ruling) -> Option<&'a Row> {
    let Owner::Workload { id, role, .. } = &ruling.owner else { return None };
    let by_key = view.row(&RowId::new(format!("{id}:{role}")));
    let by_label = ruling.carried_over.as_ref().and_then(|row| view.row(row));
    [by_label, by_key].into_iter().flatten().find(|row| {
        let absent = row.facts.state == State::Missing || fault::is(Bug::ALivingRowIsAdopted);
        (absent || is_placeholder_of(row, ruling.deploy_id.as_deref())) && row.owner == ruling.owner
    })
}

fn is_placeholder_of(row: &Row, deploy: Option<&str>) -> bool {
    let same = deploy.is_some() && row.decided.deploy_id.as_deref() == deploy;
    row.container_id.is_none() && (same || fault::is(Bug::AnyContainerFillsAPlaceholder))
}

fn observe(
    row: &Row,
    owner: Owner,
    seen: &Observed,
    facts: Facts,
    evidence: &Evidence,
    around: &Circumstances<'_>,
) -> Option<RowWrite> {
    let same_container = row.container_id.as_ref() == Some(&seen.container_id);
    let same = same_container && row.facts == facts && row.owner == owner;
    let history = if same { vec![] } else { diff::changed(&row.facts, &facts, evidence, around.now) };
    let turn =
        |was| Turn { was, is: &facts, history: &history, probe: seen.probe.as_deref(), now: around.now };
    let course = match same_container {
        true => row.course.after(&turn(Some(&row.facts))),
        false => Course::default().after(&turn(None)),
    };
    if same && row.course == course {
        return None;
    }
    Some(RowWrite::Observe {
        id: row.id.clone(),
        owner,
        container_id: seen.container_id.clone(),
        last_seen_at: last_seen(&facts, row.last_seen_at, around),
        facts: Box::new(facts),
        course: Box::new(course),
        history,
    })
}

/// What the cause of a row's last end turns out to be by what was told after it was written.
#[must_use]
pub fn second_thought(row: &Row, clues: &[Clue]) -> Option<Cause> {
    let end = row.course.last_end.as_ref().filter(|_| row.facts.state == State::Stopped)?;
    match end.cause {
        Cause::Exit | Cause::Unknown if !row.facts.has_a_policy() => cause::of_a_late_stop(clues, end.at),
        Cause::Foreign => cause::of_a_stop_that_ends_in_removal(clues, end.at),
        Cause::Exit
        | Cause::Own
        | Cause::Compose
        | Cause::Oom
        | Cause::EngineRestart
        | Cause::Sleep
        | Cause::Unknown => None,
    }
}

/// Who of these workloads' containers is superseded now and was not, or no longer is.
#[must_use]
pub fn supersessions<'a>(
    view: &IndexView,
    workloads: impl IntoIterator<Item = &'a WorkloadId>,
) -> Vec<RowWrite> {
    let mut writes = vec![];
    for workload in workloads {
        let living: Vec<&Row> = view.of_workload(workload).filter(|row| row.facts.state.is_alive()).collect();
        for row in view.of_workload(workload) {
            let by = course::successor(row, living.iter().copied()).map(|newer| newer.facts.name.clone());
            if by != row.course.superseded_by {
                writes.push(RowWrite::Supersede { id: row.id.clone(), by });
            }
        }
    }
    writes
}

fn insert(
    view: &IndexView,
    owner: Owner,
    seen: &Observed,
    facts: Facts,
    evidence: &Evidence,
    around: &Circumstances<'_>,
) -> RowWrite {
    let history = diff::appeared(&facts, evidence, around.now);
    let probe = seen.probe.as_deref();
    let turn = Turn { was: None, is: &facts, history: &history, probe, now: around.now };
    let row = Row {
        course: Course::default().after(&turn),
        id: new_key(view, &owner, &seen.container_id, around.engine),
        engine_id: around.engine.clone(),
        container_id: Some(seen.container_id.clone()),
        last_seen_at: last_seen(&facts, None, around),
        owner,
        facts,
        decided: Decided::default(),
        created_at: around.now,
        updated_at: around.now,
        missing_since: None,
        legacy_instance_id: None,
        last_words: None,
    };
    RowWrite::Insert { row: Box::new(row), history }
}

/// When a container was last known to run: for one that ended the engine's own time, for a running one now.
#[must_use]
pub fn last_seen(facts: &Facts, before: Option<Timestamp>, around: &Circumstances<'_>) -> Option<Timestamp> {
    match facts.state {
        State::Running | State::Paused => Some(around.now),
        State::Restarting | State::Stopped | State::Failed | State::Removing | State::Created => {
            facts.finished_at.or(before)
        }
        State::Missing | State::Deploying | State::Unknown => before,
    }
}

/// The deterministic key where it is free, else longer and longer ones.
fn new_key(view: &IndexView, owner: &Owner, container: &ContainerId, engine: &EngineId) -> RowId {
    let base = match owner {
        Owner::Workload { id, role, .. } => format!("{id}:{role}"),
        Owner::Foreign { .. } => format!("foreign:{}", container.short()),
    };
    let candidates = [
        base.clone(),
        format!("{base}:{}", container.short()),
        format!("{base}:{container}"),
        format!("{base}:{container}@{engine}"),
    ];
    let free = candidates.iter().find(|key| view.is_free(&RowId::new(key.as_str())));
    RowId::new(free.unwrap_or(&candidates[3]).as_str())
}
