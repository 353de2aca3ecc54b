//! The judgement on a container: a level and one sentence.

use serde::{Deserialize, Serialize};

use super::container::{Health, State};
use super::row::Facts;

/// How much a container needs somebody. Ordered: the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Fine,
    /// Worth knowing, nothing to do.
    Info,
    /// Somebody should look.
    Warn,
    /// Broken.
    Bad,
}

impl Level {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// A level and the sentence that stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub level: Level,
    pub text: String,
}

/// Exit codes of a program that a signal ended: 128 and its number. Asked to stop: INT, KILL, TERM.
const ENDED_BY_REQUEST: [i64; 3] = [130, 137, 143];

/// Judges a container by its facts.
#[must_use]
pub fn judge(facts: &Facts) -> Verdict {
    let verdict = |level, text: String| Verdict { level, text };
    match facts.state {
        State::Running => running(facts.health),
        State::Paused => verdict(Level::Warn, "Paused".into()),
        State::Restarting => {
            let exit = facts.exit_code.map(|code| format!(", last exit {code}")).unwrap_or_default();
            verdict(Level::Bad, format!("Restarting again and again: {} so far{exit}", facts.restart_count))
        }
        State::Created => match &facts.error {
            Some(error) => verdict(Level::Bad, format!("Never started: {error}")),
            None => verdict(Level::Info, "Created, never started".into()),
        },
        State::Stopped => stopped(facts),
        State::Failed => verdict(Level::Bad, "Dead: the engine could not remove it whole".into()),
        State::Missing => verdict(Level::Bad, "Missing: the engine no longer knows it".into()),
        State::Removing => verdict(Level::Info, "Being removed".into()),
        State::Deploying => verdict(Level::Info, "Being deployed".into()),
        State::Unknown => verdict(Level::Warn, "In a state that this version does not know".into()),
    }
}

fn running(health: Health) -> Verdict {
    let (level, text) = match health {
        Health::None => (Level::Fine, "Running"),
        Health::Healthy => (Level::Fine, "Running and healthy"),
        Health::Starting => (Level::Info, "Starting: its health check has not passed yet"),
        Health::Unhealthy => (Level::Bad, "Unhealthy: its health check fails"),
    };
    Verdict { level, text: text.to_owned() }
}

fn stopped(facts: &Facts) -> Verdict {
    let (level, text) = match facts.exit_code {
        _ if facts.oom_killed => (Level::Bad, "Out of memory: the kernel killed it".to_owned()),
        None | Some(0) => (Level::Info, "Completed".to_owned()),
        Some(code) if ENDED_BY_REQUEST.contains(&code) => {
            (Level::Info, format!("Stopped by signal {} (exit {code})", code - 128))
        }
        Some(code) => (Level::Bad, format!("Crashed: exit {code}")),
    };
    Verdict { level, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::container::Observed;
    use crate::rules::ids::ContainerId;
    use jiff::Timestamp;

    fn facts(state: State) -> Facts {
        Facts::of(&Observed {
            container_id: ContainerId::new("c"),
            name: "c".into(),
            image: "i".into(),
            image_id: "sha256:1".into(),
            state,
            health: Health::None,
            exit_code: None,
            oom_killed: false,
            restart_count: 0,
            error: None,
            ports: vec![],
            labels: [].into(),
            created_at: Timestamp::UNIX_EPOCH,
            started_at: None,
            finished_at: None,
            restart_policy: "no".into(),
            auto_remove: false,
        })
    }

    #[test]
    fn every_state_has_a_sentence() {
        let exit = |code| Facts { exit_code: Some(code), ..facts(State::Stopped) };
        let health = |health| Facts { health, ..facts(State::Running) };
        let cases = [
            (facts(State::Running), Level::Fine, "Running"),
            (health(Health::Healthy), Level::Fine, "Running and healthy"),
            (health(Health::Starting), Level::Info, "Starting: its health check has not passed yet"),
            (health(Health::Unhealthy), Level::Bad, "Unhealthy: its health check fails"),
            (facts(State::Paused), Level::Warn, "Paused"),
            (exit(0), Level::Info, "Completed"),
            (exit(143), Level::Info, "Stopped by signal 15 (exit 143)"),
            (exit(3), Level::Bad, "Crashed: exit 3"),
            (Facts { oom_killed: true, ..exit(137) }, Level::Bad, "Out of memory: the kernel killed it"),
            (facts(State::Created), Level::Info, "Created, never started"),
            (
                Facts { error: Some("no such file".into()), ..facts(State::Created) },
                Level::Bad,
                "Never started: no such file",
            ),
            (facts(State::Missing), Level::Bad, "Missing: the engine no longer knows it"),
        ];
        for (facts, level, text) in cases {
            assert_eq!(judge(&facts), Verdict { level, text: text.to_owned() });
        }
        for state in State::ALL {
            assert!(!judge(&facts(*state)).text.is_empty());
        }
    }
}
