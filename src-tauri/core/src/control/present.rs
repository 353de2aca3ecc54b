//! From domain types to the shapes that faces receive.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::shapes::{Container, HistoryEntry, HistoryField, LogEntry, Verdict};
use crate::events::Recorded;
use crate::rules::cause::Cause;
use crate::rules::container::{State, pinned_digest};
use crate::rules::diff::Change;
use crate::rules::dispatch::Workload;
use crate::rules::gap::{Gap, GapReason};
use crate::rules::ids::WorkloadId;
use crate::rules::row::{Owner, Row};
use crate::rules::{time, verdict};

/// Workloads by id, for their names.
pub(super) type Names = BTreeMap<WorkloadId, Workload>;

/// A row as a face sees it. A running one was last seen when the index was last verified.
pub(super) fn container(row: &Row, names: &Names, seen: Seen) -> Container {
    let facts = &row.facts;
    let (workload_id, workload_kind, role) = match &row.owner {
        Owner::Workload { id, kind, role } => (Some(id), Some(*kind), Some(role.clone())),
        Owner::Foreign { .. } => (None, None, None),
    };
    Container {
        id: row.id.to_string(),
        workload_id: workload_id.map(ToString::to_string),
        workload_kind,
        workload_name: workload_id.and_then(|id| names.get(id)).map(|workload| workload.name.clone()),
        role,
        stage_id: row.decided.stage_id.clone(),
        container_id: row.container_id.as_ref().map(ToString::to_string),
        name: facts.name.clone(),
        image: facts.image.clone(),
        image_tag: row.decided.image_tag.clone(),
        image_id: Some(facts.image_id.clone()).filter(|id| !id.is_empty()),
        image_digest: pinned_digest(&facts.image).map(str::to_owned),
        state: facts.state,
        health: facts.health,
        exit_code: facts.exit_code,
        oom_killed: facts.oom_killed,
        restart_count: facts.restart_count,
        ports: facts.ports.clone(),
        host: None,
        subdomain: row.decided.subdomain.clone(),
        proxy_route_id: row.decided.proxy_route_id.clone(),
        url: None,
        release_id: row.decided.release_id.clone(),
        verdict: judged(row, seen.now),
        created_at: facts.container_created_at.unwrap_or(row.created_at),
        started_at: facts.started_at,
        last_seen_at: last_seen(row, seen.verified_at),
        updated_at: row.updated_at,
    }
}

/// When rows are looked at, and up to when they were verified.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) now: Timestamp,
    pub(super) verified_at: Option<Timestamp>,
}

fn judged(row: &Row, now: Timestamp) -> Verdict {
    let verdict::Verdict { kind, level, text, since, cause, evidence, fix } = verdict::judge(row, now);
    Verdict { level, text, kind, since, cause, evidence, fix }
}

fn last_seen(row: &Row, verified_at: Option<Timestamp>) -> Option<Timestamp> {
    match row.facts.state {
        State::Running | State::Paused => row.last_seen_at.max(verified_at),
        State::Created
        | State::Restarting
        | State::Removing
        | State::Stopped
        | State::Failed
        | State::Missing
        | State::Deploying
        | State::Unknown => row.last_seen_at,
    }
}

pub(super) fn history(recorded_at: Timestamp, change: &Change) -> HistoryEntry {
    HistoryEntry {
        at: change.at,
        recorded_at,
        field: change.field.into(),
        from: change.from.clone(),
        to: change.to.clone(),
        cause: change.cause,
        detail: change.detail.clone(),
    }
}

pub(super) fn log_entry(recorded: &Recorded, workload_name: Option<String>) -> LogEntry {
    LogEntry {
        seq: Some(recorded.seq),
        container_id: recorded.container_id.as_ref().map(ToString::to_string),
        name: recorded.name.clone(),
        workload_name,
        role: recorded.role.clone(),
        level: verdict::of_change(&recorded.change).weight(recorded.workload_id.is_none()),
        entry: history(recorded.recorded_at, &recorded.change),
    }
}

/// A gap as a line of the history.
pub(super) fn gap(gap: &Gap) -> HistoryEntry {
    HistoryEntry {
        at: gap.from,
        recorded_at: gap.to,
        field: HistoryField::Gap,
        from: None,
        to: Some(time::text(gap.to)),
        cause: match gap.reason {
            GapReason::Asleep => Cause::Sleep,
            GapReason::NotRunning | GapReason::EngineAway => Cause::Unknown,
        },
        detail: Some(gap.reason.as_str().to_owned()),
    }
}

/// The lines as they are, each gap before the first of them that happened in it or later.
pub(super) fn with_gaps<T>(lines: Vec<T>, gaps: Vec<T>, at: impl Fn(&T) -> Timestamp) -> Vec<T> {
    let mut told = Vec::with_capacity(lines.len() + gaps.len());
    let mut gaps = gaps.into_iter().peekable();
    for line in lines {
        while let Some(gap) = gaps.next_if(|gap| at(gap) <= at(&line)) {
            told.push(gap);
        }
        told.push(line);
    }
    told.extend(gaps);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_stands_before_what_happened_in_it() {
        let at = |second| Timestamp::from_second(second).unwrap();
        // The fourth line was written last and happened early, as one that an engine told late.
        let lines = vec![(10, "created"), (20, "started"), (30, "stopped"), (25, "renamed")];
        let gaps = vec![(5, "gap a"), (20, "gap b"), (28, "gap c"), (40, "gap d")];
        let told = with_gaps(lines, gaps, |(second, _)| at(*second));
        let words: Vec<_> = told.into_iter().map(|(_, word)| word).collect();
        assert_eq!(words, ["gap a", "created", "gap b", "started", "gap c", "stopped", "renamed", "gap d"]);
    }
}
