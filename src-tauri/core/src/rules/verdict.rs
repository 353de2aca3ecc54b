//! The judgement on a container: what is wrong, since when, why, and what to do.
//!
//! [`judge`] is total: it looks at one row and the time, and always comes to a [`Kind`]. A program that did its work and
//! one that somebody stopped are never broken, whatever code they ended with; what counts is who ended them
//! ([`super::cause`]). The time matters for one kind only, the crash loop.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cause::Cause;
use super::container::{Health, State};
use super::course::LOOP_SPAN;
use super::diff::{self, Change, Field};
use super::row::Row;
use super::text::first_line;

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

    /// What it weighs beside others. A container that nobody gave into our care never weighs more than a warning: it may
    /// be somebody's experiment, and bad means that something of the user's is broken.
    #[must_use]
    pub fn weight(self, is_foreign: bool) -> Self {
        if is_foreign { self.min(Self::Warn) } else { self }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $word:literal, $level:ident;)+) => {
        /// What a container is found to be.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, specta::Type)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind { $($(#[$doc])* $kind),+ }

        impl Kind {
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $word),+ }
            }

            #[must_use]
            pub fn level(self) -> Level {
                match self { $(Self::$kind => Level::$level),+ }
            }
        }
    };
}

kinds! {
    /// It runs, and its health check, if there is one, is content.
    Fine => "fine", Fine;
    /// It runs, and its health check has not passed yet.
    Starting => "starting", Info;
    /// It did its work and ended with 0.
    Completed => "completed", Info;
    /// Somebody stopped it: we, a user, Compose. Also where a signal ended it and who sent that is not known.
    Stopped => "stopped", Info;
    /// It ended with the engine or the machine, and was not started again.
    StoppedWithEngine => "stopped_with_engine", Warn;
    /// It ended by itself, and not well.
    Crashed => "crashed", Bad;
    OutOfMemory => "out_of_memory", Bad;
    /// Its policy starts it again and again.
    CrashLooping => "crash_looping", Bad;
    /// It ended and its policy is about to start it again, which is no loop so far.
    Restarting => "restarting", Warn;
    Unhealthy => "unhealthy", Bad;
    /// A workload's container that the engine no longer knows.
    Vanished => "vanished", Bad;
    /// The same, where we or Compose took it away.
    Removed => "removed", Info;
    /// A start was tried and failed.
    NeverStarted => "never_started", Bad;
    /// No start was tried.
    Created => "created", Info;
    /// It does not live, and a newer container of its role does.
    Superseded => "superseded", Info;
    Paused => "paused", Warn;
    BeingRemoved => "being_removed", Info;
    /// The engine tried to remove it and could not.
    Dead => "dead", Bad;
    BeingDeployed => "being_deployed", Info;
    /// In a state that this version does not know.
    Unknown => "unknown", Warn;
}

/// What a piece of evidence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The exit code, and what it means.
    Exit,
    /// Who ended it.
    By,
    /// How often it was restarted within which time, and the latest time.
    Restarts,
    /// The engine's own sentence.
    Engine,
    /// What the health check printed.
    Probe,
    /// The last lines of its log.
    Log,
    /// The name of the container that serves in its place.
    Successor,
    /// Why nobody's claim on it holds.
    Foreign,
}

/// One piece of evidence. The text is of others: a log, an engine, a check. It is shown with care and never believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct Exhibit {
    pub what: What,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub kind: Kind,
    pub level: Level,
    /// One sentence.
    pub text: String,
    /// Since when it is so, as far as that is known.
    pub since: Option<Timestamp>,
    /// Who or what ended it, of one that does not run.
    pub cause: Option<Cause>,
    pub evidence: Vec<Exhibit>,
    /// What to do, in one sentence; `None` where nothing is to be done.
    pub fix: Option<String>,
}

/// How much of what others wrote fits into our sentence.
const QUOTED_BYTES: usize = 200;

/// Judges a container.
#[must_use]
pub fn judge(row: &Row, now: Timestamp) -> Verdict {
    let kind = kind(row, now);
    Verdict {
        kind,
        level: kind.level(),
        text: sentence(row, kind, now),
        since: since(row, kind, now),
        cause: cause(row),
        evidence: evidence(row, kind, now),
        fix: fix(row, kind).map(str::to_owned),
    }
}

/// How bad a line of the history was when it happened.
#[must_use]
pub fn of_change(change: &Change) -> Level {
    let to = change.to.as_deref().unwrap_or_default();
    match change.field {
        Field::Image | Field::Name => Level::Info,
        Field::Health => match Health::parse(to) {
            Some(Health::Unhealthy) => Kind::Unhealthy.level(),
            Some(Health::None | Health::Starting | Health::Healthy) | None => Level::Info,
        },
        Field::State => match State::parse(to) {
            Some(State::Stopped | State::Failed | State::Restarting) if change.from.is_some() => {
                let code = change.detail.as_deref().and_then(diff::exit_code_in);
                kind_of_end(change.cause, code, false).level()
            }
            Some(State::Missing) => kind_of_removal(change.cause).level(),
            Some(State::Paused) => Kind::Paused.level(),
            Some(
                State::Created
                | State::Running
                | State::Removing
                | State::Stopped
                | State::Failed
                | State::Restarting
                | State::Deploying
                | State::Unknown,
            )
            | None => Level::Info,
        },
    }
}

/// The verdicts on many: the worst, and how many need somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct Tally {
    pub worst: Level,
    pub bad: u64,
    pub warn: u64,
}

impl Tally {
    #[must_use]
    pub fn of<'a>(rows: impl IntoIterator<Item = &'a Row>, now: Timestamp) -> Self {
        let mut tally = Self { worst: Level::Fine, bad: 0, warn: 0 };
        for row in rows {
            let weight = kind(row, now).level().weight(row.owner.is_foreign());
            tally.worst = tally.worst.max(weight);
            tally.bad += u64::from(weight == Level::Bad);
            tally.warn += u64::from(weight == Level::Warn);
        }
        tally
    }
}

// ---- which kind -----------------------------------------------------------------------------------------------

fn kind(row: &Row, now: Timestamp) -> Kind {
    let facts = &row.facts;
    if row.course.superseded_by.is_some() && !facts.state.is_alive() {
        return Kind::Superseded;
    }
    match facts.state {
        State::Running | State::Restarting if row.course.is_loop(now) => Kind::CrashLooping,
        State::Running => match facts.health {
            Health::None | Health::Healthy => Kind::Fine,
            Health::Starting => Kind::Starting,
            Health::Unhealthy => Kind::Unhealthy,
        },
        State::Restarting => Kind::Restarting,
        State::Paused => Kind::Paused,
        State::Created if facts.error.is_some() => Kind::NeverStarted,
        State::Created => Kind::Created,
        // A start that fails leaves a container as it was: stopped, with the engine's sentence.
        State::Stopped if facts.started_at.is_none() && facts.error.is_some() => Kind::NeverStarted,
        State::Stopped => {
            let gave_up = row.course.is_loop(now) && ended_by_itself(row);
            if gave_up {
                Kind::CrashLooping
            } else {
                kind_of_end(end_cause(row), facts.exit_code, facts.oom_killed)
            }
        }
        State::Failed => Kind::Dead,
        State::Missing if facts.auto_remove => kind_of_end(end_cause(row), facts.exit_code, facts.oom_killed),
        State::Missing => kind_of_removal(end_cause(row)),
        State::Removing => Kind::BeingRemoved,
        State::Deploying => Kind::BeingDeployed,
        State::Unknown => Kind::Unknown,
    }
}

/// Exit codes of a program that a signal ended: 128 and its number. Asked to stop: INT, KILL, TERM.
const ENDED_BY_REQUEST: [i64; 3] = [130, 137, 143];

/// The same code means something else by who ended it.
fn kind_of_end(cause: Cause, code: Option<i64>, oom_killed: bool) -> Kind {
    match cause {
        Cause::Own | Cause::Foreign | Cause::Compose => Kind::Stopped,
        Cause::Oom => Kind::OutOfMemory,
        Cause::EngineRestart => Kind::StoppedWithEngine,
        Cause::Exit if code.unwrap_or(0) == 0 => Kind::Completed,
        Cause::Exit => Kind::Crashed,
        Cause::Sleep | Cause::Unknown => match code {
            None | Some(137) if oom_killed => Kind::OutOfMemory,
            None | Some(0) => Kind::Completed,
            Some(code) if ENDED_BY_REQUEST.contains(&code) => Kind::Stopped,
            Some(_) => Kind::Crashed,
        },
    }
}

fn kind_of_removal(cause: Cause) -> Kind {
    match cause {
        Cause::Own | Cause::Compose => Kind::Removed,
        Cause::Foreign | Cause::Exit | Cause::Oom | Cause::EngineRestart | Cause::Sleep | Cause::Unknown => {
            Kind::Vanished
        }
    }
}

fn end_cause(row: &Row) -> Cause {
    row.course.last_end.as_ref().map_or(Cause::Unknown, |end| end.cause)
}

fn ended_by_itself(row: &Row) -> bool {
    matches!(end_cause(row), Cause::Exit | Cause::Oom)
}

/// Who or what ended it; nobody where it lives or never did.
fn cause(row: &Row) -> Option<Cause> {
    match row.facts.state {
        State::Stopped | State::Failed | State::Restarting | State::Missing => Some(end_cause(row)),
        State::Created
        | State::Running
        | State::Paused
        | State::Removing
        | State::Deploying
        | State::Unknown => None,
    }
}

// ---- since when -----------------------------------------------------------------------------------------------

fn since(row: &Row, kind: Kind, now: Timestamp) -> Option<Timestamp> {
    let (facts, course) = (&row.facts, &row.course);
    let ended = course.last_end.as_ref().map(|end| end.at).or(facts.finished_at);
    match kind {
        Kind::Fine | Kind::Starting => facts.started_at,
        Kind::Unhealthy => course.complaint.as_ref().map(|complaint| complaint.since),
        Kind::CrashLooping => course.restarts.iter().copied().find(|at| *at <= now).or(ended),
        Kind::Completed
        | Kind::Stopped
        | Kind::StoppedWithEngine
        | Kind::Crashed
        | Kind::OutOfMemory
        | Kind::Restarting
        | Kind::Dead => ended,
        Kind::Vanished | Kind::Removed => row.missing_since.or(ended),
        Kind::NeverStarted | Kind::Created => facts.container_created_at,
        Kind::Superseded => row.missing_since.or(ended).or(facts.container_created_at),
        Kind::BeingDeployed => Some(row.created_at),
        // The row changed when it came to be so, or later: no time is better than a wrong one.
        Kind::Paused | Kind::BeingRemoved | Kind::Unknown => None,
    }
}

// ---- in words -------------------------------------------------------------------------------------------------

fn sentence(row: &Row, kind: Kind, now: Timestamp) -> String {
    let facts = &row.facts;
    match kind {
        Kind::Fine if facts.health == Health::Healthy => "Running and healthy".to_owned(),
        Kind::Fine => "Running".to_owned(),
        Kind::Starting => "Starting: its health check has not passed yet".to_owned(),
        Kind::Completed => "Completed".to_owned() + &exit_in_brackets(row),
        Kind::Stopped => format!("Stopped {}{}", by(end_cause(row)), exit_in_brackets(row)),
        Kind::StoppedWithEngine => {
            format!("Stopped when the engine went, and not started again{}", exit_in_brackets(row))
        }
        Kind::Crashed => {
            format!("Crashed: {}", exit(row).unwrap_or_else(|| "the exit code is not known".to_owned()))
        }
        Kind::OutOfMemory => "Out of memory: the kernel killed it".to_owned(),
        Kind::CrashLooping => {
            let times = row.course.recent_restarts(now);
            let last = exit(row).or_else(|| last_detail(row)).map(|exit| format!(", last {exit}"));
            format!(
                "Crash loop: restarted {times} times in {} min{}",
                LOOP_SPAN.as_secs() / 60,
                last.unwrap_or_default()
            )
        }
        Kind::Restarting => {
            let exit = exit(row).map(|exit| format!(" ({exit})")).unwrap_or_default();
            format!("Ended{exit}: its policy is about to start it again")
        }
        Kind::Unhealthy => {
            let said = row.course.complaint.as_ref().map(|complaint| quoted(&complaint.output));
            match said.filter(|said| !said.is_empty()) {
                Some(said) => format!("Unhealthy: {said}"),
                None => "Unhealthy: its health check fails".to_owned(),
            }
        }
        Kind::Vanished => match end_cause(row) {
            Cause::Foreign => "Missing: somebody removed it".to_owned(),
            Cause::Own
            | Cause::Compose
            | Cause::Exit
            | Cause::Oom
            | Cause::EngineRestart
            | Cause::Sleep
            | Cause::Unknown => "Missing: the engine no longer knows it".to_owned(),
        },
        Kind::Removed => format!("Removed {}", by(end_cause(row))),
        Kind::NeverStarted => {
            format!("Never started: {}", quoted(facts.error.as_deref().unwrap_or_default()))
        }
        Kind::Created => "Created, never started".to_owned(),
        Kind::Superseded => {
            format!("Superseded by {}", quoted(row.course.superseded_by.as_deref().unwrap_or_default()))
        }
        Kind::Paused => "Paused".to_owned(),
        Kind::BeingRemoved => "Being removed".to_owned(),
        Kind::Dead => "Dead: the engine could not remove it whole".to_owned(),
        Kind::BeingDeployed => "Being deployed".to_owned(),
        Kind::Unknown => "In a state that this version does not know".to_owned(),
    }
}

fn by(cause: Cause) -> &'static str {
    match cause {
        Cause::Own => "by Tinyforge",
        Cause::Foreign => "by somebody",
        Cause::Compose => "by Compose",
        Cause::Exit => "by itself",
        Cause::Oom => "by the kernel, for want of memory",
        Cause::EngineRestart => "with the engine",
        Cause::Sleep => "while the machine slept, by whom is not known",
        Cause::Unknown => "by a signal, whose is not known",
    }
}

/// The first line of what others wrote, short enough for a sentence.
fn quoted(text: &str) -> String {
    first_line(text, QUOTED_BYTES).to_owned()
}

fn exit_in_brackets(row: &Row) -> String {
    exit(row).map(|exit| format!(" ({exit})")).unwrap_or_default()
}

/// The exit code, and what is known of its meaning.
fn exit(row: &Row) -> Option<String> {
    row.facts.exit_code.map(meaning)
}

fn meaning(code: i64) -> String {
    match code {
        126 => "exit 126, the command cannot be run".to_owned(),
        127 => "exit 127, the command was not found".to_owned(),
        129..=192 => {
            let number = code - 128;
            let known = SIGNALS.iter().find(|(known, _)| *known == number);
            let signal = known.map_or_else(|| format!("signal {number}"), |(_, name)| format!("SIG{name}"));
            format!("exit {code}, {signal}")
        }
        _ => format!("exit {code}"),
    }
}

/// Signals as Linux numbers them, which is what an engine's containers see.
const SIGNALS: [(i64, &str); 15] = [
    (1, "HUP"),
    (2, "INT"),
    (3, "QUIT"),
    (4, "ILL"),
    (5, "TRAP"),
    (6, "ABRT"),
    (7, "BUS"),
    (8, "FPE"),
    (9, "KILL"),
    (10, "USR1"),
    (11, "SEGV"),
    (12, "USR2"),
    (13, "PIPE"),
    (14, "ALRM"),
    (15, "TERM"),
];

/// What is known of the last end of a container that lives again.
fn last_detail(row: &Row) -> Option<String> {
    let end = row.course.last_end.as_ref()?;
    let code = end.detail.as_deref().and_then(diff::exit_code_in)?;
    Some(meaning(code))
}

// ---- the evidence ---------------------------------------------------------------------------------------------

fn evidence(row: &Row, kind: Kind, now: Timestamp) -> Vec<Exhibit> {
    let (facts, course) = (&row.facts, &row.course);
    let exhibit = |what, text: String| (!text.is_empty()).then_some(Exhibit { what, text });
    let ended = cause(row).is_some() || kind == Kind::CrashLooping;
    let is_broken = matches!(
        kind,
        Kind::Crashed
            | Kind::OutOfMemory
            | Kind::CrashLooping
            | Kind::Restarting
            | Kind::Unhealthy
            | Kind::Dead
    );
    let exit = exit(row).or_else(|| last_detail(row)).filter(|_| ended);
    let by_whom = cause(row).map(|cause| match cause {
        Cause::Oom | Cause::Own | Cause::Foreign | Cause::Compose | Cause::Exit | Cause::EngineRestart => {
            by(cause).to_owned()
        }
        Cause::Sleep | Cause::Unknown => "the evidence is lost".to_owned(),
    });
    let restarts = course.recent_restarts(now);
    let turned = || {
        let last = course.restarts.last().map(|at| format!(", the last at {at}")).unwrap_or_default();
        format!("{restarts} in {} min{last}, {} in all", LOOP_SPAN.as_secs() / 60, facts.restart_count)
    };
    let of_the_log = row.last_words.as_ref().filter(|_| is_broken || kind == Kind::Completed);
    let found = [
        exit.and_then(|exit| exhibit(What::Exit, exit)),
        by_whom.and_then(|by| exhibit(What::By, by)),
        (restarts > 0).then(turned).and_then(|turned| exhibit(What::Restarts, turned)),
        facts.error.clone().and_then(|error| exhibit(What::Engine, error)),
        course.complaint.as_ref().and_then(|said| exhibit(What::Probe, said.output.clone())),
        of_the_log.and_then(|words| exhibit(What::Log, words.text.clone())),
        course.superseded_by.clone().and_then(|name| exhibit(What::Successor, name)),
        foreign_reason(row).and_then(|reason| exhibit(What::Foreign, reason)),
    ];
    found.into_iter().flatten().collect()
}

fn foreign_reason(row: &Row) -> Option<String> {
    match &row.owner {
        super::row::Owner::Foreign { reason } => reason.clone(),
        super::row::Owner::Workload { .. } => None,
    }
}

// ---- the cure -------------------------------------------------------------------------------------------------

fn fix(row: &Row, kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Fine
        | Kind::Starting
        | Kind::Completed
        | Kind::Stopped
        | Kind::Removed
        | Kind::Superseded
        | Kind::BeingRemoved
        | Kind::BeingDeployed => None,
        Kind::StoppedWithEngine => {
            Some("Start it; with the restart policy `unless-stopped` the engine would have done so.")
        }
        Kind::Crashed => Some(match row.facts.exit_code {
            Some(126 | 127) => {
                "Correct its command or its image: what it is told to run is not there or cannot be run."
            }
            _ => "Read the last lines of its log, mend what they complain about, and start it again.",
        }),
        Kind::OutOfMemory => {
            Some("Give it a higher memory limit, or let the program use less, and start it again.")
        }
        Kind::CrashLooping => Some(
            "Read the last lines of its log and mend what they complain about; until then stop it, so that it does not go on.",
        ),
        Kind::Restarting => {
            Some("Wait for its policy to start it; if it ends again, read the last lines of its log.")
        }
        Kind::Unhealthy => {
            Some("Look at what its health check says; restart the container if its program hangs.")
        }
        Kind::Vanished => {
            Some("Create it again from its image or compose file: the engine has nothing left of it.")
        }
        Kind::NeverStarted => Some(cure_of_start(row.facts.error.as_deref().unwrap_or_default())),
        Kind::Created => Some("Start it, or remove it if nobody needs it."),
        Kind::Paused => Some("Unpause it when it is to go on."),
        Kind::Dead => {
            Some("Remove it by force; if the engine cannot, restart the engine: something holds its files.")
        }
        Kind::Unknown => {
            Some("Ask the engine about it with `docker inspect`; a newer version may know the state.")
        }
    }
}

/// By the engine's own sentence; what it says in no known words gets the general cure.
fn cure_of_start(error: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if says(&["address already in use", "port is already allocated"]) {
        "Free the port that it wants, or publish it at another one, and start it."
    } else if says(&["executable file not found", "no such file or directory"]) {
        "Correct its command, image or mounts: something that it names is not there."
    } else if says(&["permission denied"]) {
        "Make the file that it is to run executable, or correct who may use what it mounts."
    } else if says(&["network"]) {
        "Connect it to a network that exists, and start it."
    } else {
        "Mend what the engine complains about, and start it."
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
