//! `doctor`: each part, its state, and the cure.

use super::commands::Doctor;
use super::shapes::{ApiError, EngineState, Finding, PartState, Status};
use super::{Answers, Control};
use crate::reconcile::Pulse;

/// An index that was verified longer ago than this, with the engine there, is worth a look: three passes were missed.
const OLD_MS: u64 = 100_000;

impl Answers<Doctor> for Control {
    async fn answer(&self, _: Doctor) -> Result<Vec<Finding>, ApiError> {
        let status = self.status().await?;
        let pulse = self.parts.index.pulse();
        let mut findings = vec![engine(&status), index(&status, &pulse), database(&status)];
        findings.push(self.integrity().await);
        findings.push(self.backups().await);
        if !self.parts.observes_only {
            findings.push(self.reconciler());
        }
        Ok(findings)
    }
}

fn finding(part: &str, state: PartState, text: String, cure: Option<&str>) -> Finding {
    Finding { part: part.to_owned(), state, text, cure: cure.map(str::to_owned) }
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

fn index(status: &Status, pulse: &Pulse) -> Finding {
    let index = &status.index;
    let Some(age) = index.age_ms else {
        let cure = "It is made by the first pass over an engine that answers.";
        return finding("index", PartState::Warn, "it was never verified".into(), Some(cure));
    };
    let said = format!("{} containers, verified {} s ago", index.containers, age / 1000);
    if pulse.stuck > 0 {
        let text = format!("{said}; {} cannot be inspected and stand as last known", pulse.stuck);
        return finding(
            "index",
            PartState::Warn,
            text,
            Some("Look at the engine's log: an inspect of these hangs or fails."),
        );
    }
    if index.divergences > 0 {
        let text =
            format!("{said}; {} changes came without an event and were found by a pass", index.divergences);
        return finding(
            "index",
            PartState::Warn,
            text,
            Some("Nothing is lost; an engine under heavy load drops events."),
        );
    }
    if age > OLD_MS && status.engine.state == EngineState::Connected {
        let cure = "Look at the daemon's log: its passes do not get through.";
        return finding("index", PartState::Warn, said, Some(cure));
    }
    finding("index", PartState::Ok, said, None)
}

fn database(status: &Status) -> Finding {
    let database = &status.database;
    let said = format!("{}, schema {}, {} bytes", database.path, database.schema_version, database.bytes);
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

    async fn backups(&self) -> Finding {
        match self.parts.store.backups().await {
            Ok(found) => match found.first() {
                Some(latest) => {
                    let text = format!("{} copies, the latest of {}", found.len(), latest.created_at);
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
