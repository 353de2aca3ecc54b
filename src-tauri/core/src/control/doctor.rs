//! `doctor`: each part, its state, and the cure.

use jiff::{SignedDuration, Timestamp};

use super::client::SilentDaemon;
use super::commands::Doctor;
use super::shapes::{ApiError, EngineState, Finding, PartState, Status};
use super::words::{bytes, count, span};
use super::{Answers, Control};
use crate::jobs::JobStatus;
use crate::reconcile::Pulse;

/// An index that was verified longer ago than this, with the engine there, is worth a look: three passes were missed.
const OLD_MS: u64 = 100_000;
/// How long a change that came without an event is worth a warning. It was found and mended; one of last week says
/// nothing about the engine of today.
const RECENT: SignedDuration = SignedDuration::from_hours(1);

impl Answers<Doctor> for Control {
    async fn answer(&self, _: Doctor) -> Result<Vec<Finding>, ApiError> {
        let status = self.status().await?;
        let pulse = self.parts.index.pulse();
        let now = self.parts.clock.now();
        let mut findings: Vec<Finding> = self.parts.silent_daemon.as_ref().map(silent).into_iter().collect();
        findings.extend([engine(&status), index(&status, &pulse, now), database(&status)]);
        findings.push(self.integrity().await);
        findings.push(self.backups(now).await);
        if !self.parts.observes_only {
            findings.push(self.reconciler());
        }
        findings.extend(self.parts.jobs.read().iter().map(|(name, status)| job(name, status, now)));
        Ok(findings)
    }
}

fn finding(part: &str, state: PartState, text: String, cure: Option<&str>) -> Finding {
    Finding { part: part.to_owned(), state, text, cure: cure.map(str::to_owned) }
}

fn silent(daemon: &SilentDaemon) -> Finding {
    finding("daemon", PartState::Fail, daemon.text.clone(), Some(&daemon.cure()))
}

fn engine(status: &Status) -> Finding {
    let engine = &status.engine;
    let text = match engine.state {
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
    let state = if engine.state == EngineState::Connected { PartState::Ok } else { PartState::Fail };
    finding("engine", state, text, engine.cure.as_deref())
}

fn index(status: &Status, pulse: &Pulse, now: Timestamp) -> Finding {
    let index = &status.index;
    let Some(age) = index.age_ms else {
        let cure = "It is made by the first pass over an engine that answers.";
        return finding("index", PartState::Warn, "it was never verified".into(), Some(cure));
    };
    let said = format!("{}, verified {} ago", count(index.containers, "container"), span(age / 1000));
    if pulse.stuck > 0 {
        let text = format!("{said}; {} cannot be inspected and stand as last known", pulse.stuck);
        return finding(
            "index",
            PartState::Warn,
            text,
            Some("Look at the engine's log: an inspect of these hangs or fails."),
        );
    }
    let said = match pulse.last_divergence {
        None => said,
        Some(last) => {
            let came = count(pulse.divergences, "change");
            let text =
                format!("{said}; {came} came without an event since the start, the last {}", ago(last, now));
            if now.duration_since(last) < RECENT {
                let cure = "Nothing is lost: a pass found it. An engine under heavy load drops events.";
                return finding("index", PartState::Warn, text, Some(cure));
            }
            text
        }
    };
    if age > OLD_MS && status.engine.state == EngineState::Connected {
        let cure = "Look at the daemon's log: its passes do not get through.";
        return finding("index", PartState::Warn, said, Some(cure));
    }
    finding("index", PartState::Ok, said, None)
}

fn database(status: &Status) -> Finding {
    let database = &status.database;
    let said = format!("{}, {}, schema {}", database.path, bytes(database.bytes), database.schema_version);
    match (&database.note, database.ok) {
        (Some(note), true) => finding("database", PartState::Warn, format!("{said}; {note}"), None),
        (Some(note), false) => {
            let cure = "Free some space and check the folder's permissions; what could not be written is tried again.";
            finding("database", PartState::Fail, note.clone(), Some(cure))
        }
        (None, true) => finding("database", PartState::Ok, said, None),
        (None, false) => finding("database", PartState::Fail, said, Some("Look at the daemon's log.")),
    }
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
    format!("{} ago", span(u64::try_from(now.duration_since(then).as_secs()).unwrap_or(0)))
}

impl Control {
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
