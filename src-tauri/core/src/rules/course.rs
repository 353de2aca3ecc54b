//! What befell a container and its present facts do not tell: how its last run ended and by whom, when its policy
//! started it again, what its health check complained of, and which newer container serves in its place.
//!
//! The reconciler writes it with the facts, from the same changes that make the history.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::cause::Cause;
use super::container::{Health, State};
use super::diff::{Change, Field};
use super::labels;
use super::row::{Facts, Owner, Row};
use super::text;
use super::time::micros;

/// A container that its policy restarts so often within this span is in a crash loop. The engine waits up to a minute
/// between two turns, so one that ends at once turns ten times in it.
pub const LOOP_SPAN: Duration = Duration::from_secs(600);
pub const LOOP_RESTARTS: usize = 3;

/// Restarts that are kept of a container: enough to tell a loop, and how fast it turns.
const RESTARTS_KEPT: usize = 10;

/// How much of a health check's output is kept; the engine itself keeps 4 kB.
const COMPLAINT_BYTES: usize = 1024;
/// How much is kept of the sentence that goes with an end.
const DETAIL_BYTES: usize = 1024;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Course {
    /// How the last run ended that did; also of a container that runs again. For one that is missing, how it went.
    pub last_end: Option<End>,
    /// When its policy last started it again, oldest first.
    pub restarts: Vec<Timestamp>,
    /// Of a container that is unhealthy.
    pub complaint: Option<Complaint>,
    /// The name of a newer container of the same workload and role that lives.
    pub superseded_by: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub at: Timestamp,
    pub cause: Cause,
    /// The exit code, the signal, the engine's own sentence.
    pub detail: Option<String>,
}

/// That a health check turned bad, and what it said then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub since: Timestamp,
    /// Whatever the check printed; nothing of it may be trusted.
    pub output: String,
}

/// One observation of a container, as far as its course depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// The facts before; `None` at the first look at a container.
    pub was: Option<&'a Facts>,
    pub is: &'a Facts,
    /// What the history gains.
    pub history: &'a [Change],
    /// What the health check printed last.
    pub probe: Option<&'a str>,
    pub now: Timestamp,
}

impl Course {
    /// The course after an observation. Where nothing befell the container it is the same, so that nothing is written.
    #[must_use]
    pub fn after(&self, turn: &Turn<'_>) -> Self {
        let mut next = self.clone();
        if let Some(end) = turn.history.iter().rev().find_map(|change| end(change, turn.is)) {
            next.last_end = Some(end);
        }
        next.note_restarts(turn);
        next.note_health(turn);
        if turn.is.state.is_alive() {
            next.superseded_by = None;
        }
        next
    }

    /// The course of one that the engine no longer knows.
    #[must_use]
    pub fn after_vanishing(&self, change: &Change) -> Self {
        let end = End { at: change.at, cause: change.cause, detail: None };
        Self { last_end: Some(end), restarts: vec![], complaint: None, ..self.clone() }
    }

    /// How many of the restarts lie within the span of a loop.
    #[must_use]
    pub fn recent_restarts(&self, now: Timestamp) -> usize {
        self.restarts.iter().filter(|at| is_recent(**at, now)).count()
    }

    #[must_use]
    pub fn is_loop(&self, now: Timestamp) -> bool {
        self.recent_restarts(now) >= LOOP_RESTARTS
    }

    /// Whether it was a loop and is none any more, by nothing but the time: somebody must look and say so.
    #[must_use]
    pub fn has_calmed(&self, now: Timestamp) -> bool {
        self.restarts.len() >= LOOP_RESTARTS && !self.is_loop(now)
    }

    fn note_restarts(&mut self, turn: &Turn<'_>) {
        let begun_by_somebody = turn.history.iter().any(|change| {
            let began = change.field == Field::State && change.to.as_deref() == Some(State::Running.as_str());
            began && matches!(change.cause, Cause::Own | Cause::Foreign | Cause::Compose)
        });
        if begun_by_somebody {
            self.restarts.clear();
        }
        let fresh = turn.was.map_or_else(Vec::new, |was| restarts(self.restarts.last().copied(), was, turn));
        if fresh.is_empty() && !self.has_calmed(turn.now) {
            return;
        }
        self.restarts.extend(fresh);
        self.restarts.retain(|at| is_recent(*at, turn.now));
        let surplus = self.restarts.len().saturating_sub(RESTARTS_KEPT);
        self.restarts.drain(..surplus);
    }

    fn note_health(&mut self, turn: &Turn<'_>) {
        if turn.is.health != Health::Unhealthy {
            self.complaint = None;
            return;
        }
        let told = turn.history.iter().rev().find(|change| change.field == Field::Health);
        if self.complaint.is_some() && told.is_none() {
            return;
        }
        let since = told.map_or(turn.now, |change| change.at);
        let output = text::tail(turn.probe.unwrap_or_default(), COMPLAINT_BYTES).to_owned();
        self.complaint = Some(Complaint { since, output });
    }
}

/// The end that a change tells, if it tells one.
fn end(change: &Change, is: &Facts) -> Option<End> {
    let to = change.to.as_deref().and_then(State::parse)?;
    let ran = change.from.as_deref().and_then(State::parse).is_some_and(State::is_alive);
    let ended =
        matches!(to, State::Stopped | State::Failed | State::Restarting) || to == State::Removing && ran;
    if change.field != Field::State || !ended {
        return None;
    }
    // Of what had ended before it was ever seen only the engine's flag tells.
    let cause = match change.from {
        Some(_) => change.cause,
        None if is.oom_killed => Cause::Oom,
        None => Cause::Unknown,
    };
    let detail = change.detail.as_deref().map(|detail| text::head(detail, DETAIL_BYTES).to_owned());
    Some(End { at: change.at, cause, detail })
}

/// When the policy acted between two observations: as often as the engine counted, evenly between what is known, for
/// it tells the time of the last turn only.
fn restarts(last: Option<Timestamp>, was: &Facts, turn: &Turn<'_>) -> Vec<Timestamp> {
    let is = turn.is;
    let counted = match is.restart_count.checked_sub(was.restart_count) {
        Some(more) => more,
        // Somebody's start makes the engine count anew.
        None => is.restart_count,
    };
    let until = match is.state {
        State::Restarting | State::Stopped | State::Failed => is.finished_at,
        State::Created
        | State::Running
        | State::Paused
        | State::Removing
        | State::Missing
        | State::Deploying
        | State::Unknown => is.started_at,
    };
    let until = until.unwrap_or(turn.now);
    let from = last.max(was.started_at).or(is.container_created_at).unwrap_or(until).min(until);
    let span = until.duration_since(from).as_nanos();
    let total = i128::from(counted);
    let kept = total.min(RESTARTS_KEPT as i128);
    (total - kept + 1..=total)
        .map(|nth| {
            let back = span.saturating_mul(total - nth) / total;
            let back = SignedDuration::from_nanos(i64::try_from(back).unwrap_or(i64::MAX));
            micros(until.checked_sub(back).unwrap_or(until))
        })
        .collect()
}

/// What the engine's clock says is ahead of ours has just happened.
fn is_recent(at: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(at)).unwrap_or_default() < LOOP_SPAN
}

/// The container that serves in the place of one that does not live: a newer one of the same workload and role. One
/// that fails beside its living sibling was not replaced by it; one that came after the end was.
#[must_use]
pub fn successor<'a>(row: &Row, of_the_workload: impl IntoIterator<Item = &'a Row>) -> Option<&'a Row> {
    match row.facts.state {
        State::Stopped | State::Failed | State::Missing | State::Created => {}
        State::Running
        | State::Paused
        | State::Restarting
        | State::Removing
        | State::Deploying
        | State::Unknown => return None,
    }
    let created = row.facts.container_created_at?;
    let takes_its_place = |other: &&Row| {
        let Some(born) = other.facts.container_created_at else { return false };
        is_same_role(&row.owner, &other.owner)
            && copy_number(row) == copy_number(other)
            && other.facts.state.is_alive()
            && born > created
            && (went_on_purpose(row) || ended_at(row).is_none_or(|ended| born >= ended))
    };
    let candidates = of_the_workload.into_iter().filter(takes_its_place);
    candidates.max_by_key(|other| (other.facts.container_created_at, other.id.clone()))
}

fn is_same_role(one: &Owner, other: &Owner) -> bool {
    match (one, other) {
        (Owner::Workload { id, role, .. }, Owner::Workload { id: theirs, role: their_role, .. }) => {
            id == theirs && role == their_role
        }
        (Owner::Workload { .. } | Owner::Foreign { .. }, _) => false,
    }
}

/// Which of a scaled service's containers it is: those do not replace each other.
fn copy_number(row: &Row) -> Option<&str> {
    labels::value(&row.facts.labels, labels::COMPOSE_NUMBER)
}

fn went_on_purpose(row: &Row) -> bool {
    let cause = row.course.last_end.as_ref().map(|end| end.cause);
    matches!(cause, Some(Cause::Own | Cause::Foreign | Cause::Compose)) || row.facts.exit_code == Some(0)
}

fn ended_at(row: &Row) -> Option<Timestamp> {
    row.course.last_end.as_ref().map(|end| end.at).or(row.facts.finished_at)
}

#[cfg(test)]
#[path = "course_tests.rs"]
mod tests;
