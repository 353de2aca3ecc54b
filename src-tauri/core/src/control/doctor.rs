//! `doctor`: each part, its state, and the cure.

use std::time::Duration;

use jiff::Timestamp;

use super::client::SilentDaemon;
use super::commands::Doctor;
use super::shapes::{ApiError, EngineState, Finding, PartState, Status};
use super::words::{bytes, count, span, without_error_numbers};
use super::{Answers, Control};
use crate::jobs::JobStatus;
use crate::reconcile::Pulse;
use crate::rules::attention::{self, Attention, IndexFacts};
use crate::rules::row::Row;
use crate::rules::verdict::{self, Level, Verdict};

impl Answers<Doctor> for Control {
    async fn answer(&self, _: Doctor) -> Result<Vec<Finding>, ApiError> {
        let status = self.status().await?;
        let pulse = self.parts.index.pulse();
        let now = self.parts.clock.now();
        let pass_interval = self.parts.store.typed_settings().await?.pass_interval;
        let mut findings: Vec<Finding> = self.parts.silent_daemon.as_ref().map(silent).into_iter().collect();
        findings.extend([
            engine(&status),
            index(&status, &pulse, pass_interval, now),
            self.database(&status, &pulse),
        ]);
        findings.extend(self.containers(now).await?);
        // What is held in memory instead of a damaged file says nothing about the file.
        if !self.parts.store.report().is_damaged() {
            findings.push(self.integrity().await);
        }
        findings.push(self.backups(now).await);
        if !self.parts.observes_only {
            findings.push(self.reconciler());
        }
        findings.extend(self.parts.jobs.read().iter().map(|(name, status)| job(name, status, now)));
        Ok(findings)
    }
}

fn finding(part: &str, state: PartState, text: String, cure: Option<&str>) -> Finding {
    let (part, text) = (part.to_owned(), without_error_numbers(&text));
    Finding { part, state, text, cure: cure.map(str::to_owned) }
}

fn silent(daemon: &SilentDaemon) -> Finding {
    finding("daemon", PartState::Fail, daemon.text.clone(), Some(&daemon.cure()))
}

fn engine(status: &Status) -> Finding {
    let engine = &status.engine;
    let text = match engine.state {
        EngineState::Connected if engine.reason.is_some() => {
            format!("it answers, and not as an engine does: {}", engine.reason.as_deref().unwrap_or_default())
        }
        EngineState::Connected => format!(
            "{} answers at {} in {:.1} ms (API {})",
            engine.version.as_deref().unwrap_or("an engine"),
            engine.endpoint,
            engine.latency_ms.unwrap_or_default(),
            engine.api_version.as_deref().unwrap_or("unknown")
        ),
        EngineState::Away | EngineState::Denied | EngineState::Absent => {
            engine.reason.clone().unwrap_or_else(|| format!("{} has not answered yet", engine.endpoint))
        }
    };
    let well = engine.state == EngineState::Connected && engine.reason.is_none();
    let state = if well { PartState::Ok } else { PartState::Fail };
    finding("engine", state, text, engine.cure.as_deref())
}

fn index(status: &Status, pulse: &Pulse, pass_interval: Duration, now: Timestamp) -> Finding {
    let index = &status.index;
    let facts = IndexFacts {
        age: index.age_ms.map(Duration::from_millis),
        pass_interval,
        engine_answers: status.engine.state == EngineState::Connected,
        stuck: pulse.stuck,
        surprised: pulse.last_divergence.map(|last| since(last, now)),
    };
    let said = match facts.age {
        None => "it was never verified".to_owned(),
        Some(age) => {
            format!("{}, verified {} ago", count(index.containers, "container"), span(age.as_secs()))
        }
    };
    let surprises = || match pulse.last_divergence {
        None => said.clone(),
        Some(last) => {
            let came = count(pulse.divergences, "change");
            format!("{said}; {came} came without an event since the start, the last {}", ago(last, now))
        }
    };
    let attention = attention::to_index(&facts);
    let (text, cure) = match attention {
        None => (surprises(), None),
        Some(Attention::NeverVerified) => {
            (said, Some("It is made by the first pass over an engine that answers."))
        }
        Some(Attention::Stuck) => (
            format!(
                "{said}; {} cannot be inspected or written: those known stand as they were, others are not shown",
                pulse.stuck
            ),
            Some("Look at the daemon's log: an inspect of these hangs or fails, or what it says is refused."),
        ),
        Some(Attention::Surprised) => {
            (surprises(), Some("Nothing is lost: a pass found it. An engine under heavy load drops events."))
        }
        Some(Attention::Overdue) => {
            (surprises(), Some("Look at the daemon's log: its passes do not get through."))
        }
    };
    let state = if attention.is_none() { PartState::Ok } else { PartState::Warn };
    finding("index", state, text, cure)
}

/// How a job last went. One that failed is tried again by itself, and is worth a look all the same.
fn job(name: &str, job: &JobStatus, now: Timestamp) -> Finding {
    let part = format!("job {name}");
    let every = format!("{}; a turn every {}", job.purpose, span(job.period.as_secs()));
    match &job.last {
        None => finding(&part, PartState::Ok, format!("{every}, the first is under way"), None),
        Some(turn) => {
            let last = ago(turn.at, now);
            match &turn.error {
                None => finding(&part, PartState::Ok, format!("{every}, the last {last}"), None),
                Some(error) => {
                    let text = format!("{every}; the last, {last}, failed: {error}");
                    let cure = "It is tried again at its next turn; the daemon's log says more.";
                    finding(&part, PartState::Warn, text, Some(cure))
                }
            }
        }
    }
}

fn ago(then: Timestamp, now: Timestamp) -> String {
    format!("{} ago", span(since(then, now).as_secs()))
}

/// Nothing, where the clock was set back.
fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

/// One line for each container that needs somebody, the worst first; beyond so many they are counted.
const MOST_CONTAINERS: usize = 20;

impl Control {
    fn database(&self, status: &Status, pulse: &Pulse) -> Finding {
        let database = &status.database;
        if let Some(trouble) = &pulse.store_trouble {
            return finding("database", PartState::Fail, trouble.text.clone(), Some(trouble.cure));
        }
        let report = self.parts.store.report();
        let said =
            format!("{}, {}, schema {}", database.path, bytes(database.bytes), database.schema_version);
        let (state, cure) = match &database.note {
            None => return finding("database", PartState::Ok, said, None),
            Some(_) if report.is_damaged() => (
                PartState::Fail,
                "Start the daemon (tinyforge serve): it sets the file aside and goes on from the last good copy and the engine.",
            ),
            Some(_) if report.was_damaged() => (
                PartState::Warn,
                "Nothing more is to be done; if something is missing, look at `tinyforge backup list`, and check the disk.",
            ),
            Some(_) => (PartState::Ok, ""),
        };
        let said = format!("{said}; {}", database.note.as_deref().unwrap_or_default());
        finding("database", state, said, Some(cure).filter(|cure| !cure.is_empty()))
    }

    async fn containers(&self, now: Timestamp) -> Result<Vec<Finding>, ApiError> {
        const PART: &str = "containers";
        let (_, rows) = self.rows_and_revision().await?;
        let mut found: Vec<(Level, &Row, Verdict)> = rows
            .iter()
            .map(|row| (row, verdict::judge(row, now)))
            .map(|(row, verdict)| (verdict.level.weight(row.owner.is_foreign()), row, verdict))
            .filter(|(weight, ..)| *weight >= Level::Warn)
            .collect();
        if found.is_empty() {
            let all = count(u64::try_from(rows.len()).unwrap_or(u64::MAX), "container");
            return Ok(vec![finding(PART, PartState::Ok, format!("{all}, none needs anybody"), None)]);
        }
        found.sort_by(|(one, a, _), (other, b, _)| {
            other.cmp(one).then_with(|| a.facts.name.cmp(&b.facts.name))
        });
        let more = found.split_off(found.len().min(MOST_CONTAINERS));
        let mut findings: Vec<Finding> = found
            .iter()
            .map(|(weight, row, verdict)| {
                let state = if *weight == Level::Bad { PartState::Fail } else { PartState::Warn };
                let text = format!("{}: {}", row.facts.name, verdict.text);
                finding(PART, state, text, verdict.fix.as_deref())
            })
            .collect();
        if !more.is_empty() {
            let cure = "See all of them with `tinyforge ps --all`.";
            let text = format!("{} more need somebody", more.len());
            findings.push(finding(PART, PartState::Warn, text, Some(cure)));
        }
        Ok(findings)
    }

    async fn integrity(&self) -> Finding {
        match self.parts.store.integrity().await {
            Ok(Ok(())) => finding("database pages", PartState::Ok, "no page is damaged".into(), None),
            Ok(Err(damage)) => {
                let cure = "Stop the daemon and start it again: the file is set aside and rebuilt from the last backup and the engine.";
                finding("database pages", PartState::Fail, damage, Some(cure))
            }
            Err(error) => finding("database pages", PartState::Warn, error.to_string(), None),
        }
    }

    async fn backups(&self, now: Timestamp) -> Finding {
        match self.parts.store.backups().await {
            Ok(found) => match found.first() {
                Some(latest) => {
                    let copies = count(u64::try_from(found.len()).unwrap_or(u64::MAX), "copy");
                    let latest = format!("{} ({})", ago(latest.created_at, now), bytes(latest.bytes));
                    let text = format!("{copies}, the latest made {latest}");
                    finding("backups", PartState::Ok, text, None)
                }
                None => {
                    finding("backups", PartState::Ok, "none yet; the daemon makes one a day".into(), None)
                }
            },
            Err(error) => finding("backups", PartState::Warn, error.to_string(), None),
        }
    }

    fn reconciler(&self) -> Finding {
        if self.parts.index.is_alive() {
            return finding("reconciler", PartState::Ok, "at work".into(), None);
        }
        let cure = "Restart the daemon, and report what its log says: this is a fault of the program.";
        finding("reconciler", PartState::Fail, "it has stopped".into(), Some(cure))
    }
}
