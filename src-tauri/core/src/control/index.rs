//! What is, what was, and when it changed: `ps`, `history`, `at`, `events`.

use std::cmp::Reverse;

use jiff::Timestamp;

use super::commands::{At, Events, History, Ps};
use super::shapes::{ApiError, Container, ContainerAt, ErrorCode, Gap, HistoryEntry, IndexAt, LogEntry};
use super::{Answers, Control, present};
use crate::reconcile::Link;
use crate::rules::gap::{self, GapReason};
use crate::rules::ids::EngineId;
use crate::rules::row::Row;
use crate::store::{IndexThen, KnownEngine};

/// Lines of the event log that are shown where no number is given.
const EVENTS: u32 = 200;

impl Answers<Ps> for Control {
    async fn answer(&self, asked: Ps) -> Result<Vec<Container>, ApiError> {
        let names = self.parts.store.workload_names().await?;
        if let Some(workload) = &asked.workload {
            let known = names.iter().any(|(id, known)| id.as_str() == workload || known.name == *workload);
            if !known {
                let message =
                    format!("there is no workload {workload:?}; `tinyforge ps --all` shows every container");
                return Err(ApiError::new(ErrorCode::NotFound, message));
            }
        }
        let seen = self.seen();
        let (_, rows) = self.rows_and_revision().await?;
        let shown = rows.iter().map(|row| present::container(row, &names, seen));
        Ok(shown.filter(|container| matches(&asked, container)).collect())
    }
}

fn matches(asked: &Ps, container: &Container) -> bool {
    let is = |wanted: &Option<String>| {
        wanted.as_ref().is_none_or(|workload| {
            container.workload_id.as_ref() == Some(workload)
                || container.workload_name.as_ref() == Some(workload)
        })
    };
    (asked.all || container.workload_id.is_some())
        && asked.kind.is_none_or(|kind| container.workload_kind == Some(kind))
        && asked.state.is_none_or(|state| container.state == state)
        && is(&asked.workload)
}

impl Answers<History> for Control {
    async fn answer(&self, asked: History) -> Result<Vec<HistoryEntry>, ApiError> {
        let engine = self.engine_shown().await?;
        let history = self.parts.store.history_of(engine.as_ref(), &asked.container).await?;
        let lines = history.lines.iter().map(|line| &line.recorded);
        let lines = lines.map(|line| present::history(line.recorded_at, &line.change)).collect();
        let mut gaps = history.gaps;
        if !history.gone {
            gaps.extend(self.lasting_gap(history.verified_until, self.parts.clock.now()));
        }
        let gaps = gaps.iter().map(present::gap).collect();
        Ok(present::with_gaps(lines, gaps, |entry| entry.at))
    }
}

impl Answers<Events> for Control {
    async fn answer(&self, asked: Events) -> Result<Vec<LogEntry>, ApiError> {
        let limit = asked.limit.unwrap_or(EVENTS);
        let engine = self.engine_shown().await?;
        let lines = self.parts.store.log(engine.as_ref(), limit).await?;
        let lines: Vec<_> =
            lines.into_iter().map(|line| present::log_entry(&line.recorded, line.workload_name)).collect();
        let Some(engine) = engine else { return Ok(lines) };
        // Those before the first line shown belong to what is not shown.
        let shown_from = lines.first().map_or(Timestamp::MIN, |line| line.entry.recorded_at);
        let mut gaps = self.parts.store.gaps(&engine).await?;
        gaps.retain(|gap| shown_from <= gap.to);
        gaps.reverse();
        let verified_until = self.parts.store.verified_at(&engine).await?;
        gaps.extend(self.lasting_gap(verified_until, self.parts.clock.now()));
        let gaps = gaps.iter().map(|gap| LogEntry::of_gap(present::gap(gap))).collect();
        Ok(present::with_gaps(lines, gaps, |line| line.entry.at))
    }
}

impl Answers<At> for Control {
    async fn answer(&self, asked: At) -> Result<IndexAt, ApiError> {
        let now = self.parts.clock.now();
        let at = asked.time.unwrap_or(now);
        if at > now {
            let message = format!("{at} is in the future; the index knows the past");
            return Err(ApiError::new(ErrorCode::Usage, message));
        }
        let names = self.parts.store.workload_names().await?;
        let Some(engine) = self.engine_shown().await? else {
            return Ok(IndexAt { at, gap: Some(unknown_before(now, "never_looked")), containers: vec![] });
        };
        let was = self.parts.store.index_at(&engine, at).await?;
        let gap = self.gap_at(at, &was, now);
        let containers = was.containers.into_iter().map(|container| ContainerAt {
            container_id: container.container_id.map(|id| id.to_string()),
            name: container.name,
            image: container.image,
            workload_name: container
                .workload_id
                .and_then(|id| names.get(&id))
                .map(|known| known.name.clone()),
            role: container.role,
            state: container.state,
            health: container.health,
            since: container.since,
        });
        Ok(IndexAt { at, gap, containers: containers.collect() })
    }
}

fn unknown_before(to: Timestamp, reason: &str) -> Gap {
    Gap { from: None, to, reason: reason.to_owned() }
}

impl Control {
    /// Why what is shown of a moment was not verified then: nobody had looked at the engine yet, a recorded gap, or
    /// the one that lasts while the engine is away and will be recorded when it is back.
    fn gap_at(&self, at: Timestamp, was: &IndexThen, now: Timestamp) -> Option<Gap> {
        let known_from = was.known_from.unwrap_or(now);
        if at < known_from {
            return Some(unknown_before(known_from, "before_first_look"));
        }
        if let Some(kept_from) = was.kept_from.filter(|kept_from| at < *kept_from) {
            return Some(unknown_before(kept_from, "no_longer_kept"));
        }
        let lasting = || self.lasting_gap(Some(was.verified_until.unwrap_or(known_from)), now);
        let gap = was.gap.clone().or_else(|| lasting().filter(|gap| gap.from < at))?;
        Some(Gap { from: Some(gap.from), to: gap.to, reason: gap.reason.as_str().to_owned() })
    }

    /// The gap that lasts, and is recorded when a pass has ended it.
    fn lasting_gap(&self, verified_until: Option<Timestamp>, now: Timestamp) -> Option<gap::Gap> {
        let pulse = self.parts.index.pulse();
        // An engine that has not been reached since our start leaves nothing to doubt yet.
        let not_reached = || {
            let away = matches!(pulse.link, Link::Away(_));
            pulse.verified_at.max(verified_until).filter(|_| away).map(|from| (GapReason::EngineAway, from))
        };
        let (reason, from) = pulse.unverified.or_else(not_reached)?;
        (from < now).then_some(gap::Gap { from, to: now, reason })
    }

    /// The rows of the engine that answers, or answered last, newest first, and the revision they have.
    pub(super) async fn rows_and_revision(&self) -> Result<(u64, Vec<Row>), ApiError> {
        let engine = self.engine_shown().await?;
        let (revision, mut rows) = self.parts.store.index_of(engine.as_ref()).await?;
        rows.sort_by_key(|row| {
            Reverse((row.facts.container_created_at.unwrap_or(row.created_at), row.id.clone()))
        });
        Ok((revision, rows))
    }

    /// The engine that answers; where none has answered yet, the one whose index was verified last.
    pub(super) async fn engine_shown(&self) -> Result<Option<EngineId>, ApiError> {
        match self.settled().await.engine {
            Some(engine) => Ok(Some(engine.id)),
            None => Ok(self.last_engine().await?.map(|engine| engine.id)),
        }
    }

    /// The engine whose index was verified last.
    pub(super) async fn last_engine(&self) -> Result<Option<KnownEngine>, ApiError> {
        Ok(self.parts.store.engines().await?.into_iter().next())
    }
}
