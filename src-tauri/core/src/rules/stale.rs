//! Which containers nobody needs any more, and of each of the others why not.
//!
//! Stale is what does not run and has not for longer than a threshold. What is to be asked of a container is asked in
//! one order: its state, what it is kept for, what its user said of it, its age, whose it is. The first answer that
//! speaks for it is told. Everything is counted in the engine's own times, so that the time in which nobody watched
//! counts too.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::cause::Cause;
use super::container::State;
use super::row::{Owner, Row};

/// A day of the threshold. Ages are spans, not dates: a change of the clocks neither adds nor takes an hour.
const DAY_S: i64 = 86_400;

/// How long a container may have stood still. It is stale once that is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// Whole days; 0 is no threshold: whatever does not run is stale.
    pub days: u32,
}

impl Threshold {
    /// What is asked for counts most, then the workload's own, then the setting.
    #[must_use]
    pub fn of(asked: Option<u32>, workload: Option<u32>, setting: u32) -> Self {
        Self { days: asked.or(workload).unwrap_or(setting) }
    }

    fn is_exceeded_by(self, age: SignedDuration) -> bool {
        self.days == 0 || age > self.span()
    }

    fn span(self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.days) * DAY_S)
    }
}

/// Whose containers are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Workloads,
    /// Foreign ones too.
    Everybody,
}

/// What a user said of a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Since when it is to be left alone for good.
    pub pinned_at: Option<Timestamp>,
    pub snoozed_until: Option<Timestamp>,
}

/// What a container is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Yardstick {
    pub threshold: Threshold,
    pub scope: Scope,
    pub wishes: Wishes,
    pub now: Timestamp,
}

/// Whether a container is stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    Stale(Stale),
    Not(Why),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale {
    pub still: Standstill,
    /// Whole days since, rounded down.
    pub days: u32,
}

/// Since when a container has stood still, and by what sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standstill {
    pub since: Timestamp,
    pub sign: Sign,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// When it was last known to run: of one that has ended, the engine's finish time.
    LastRan,
    /// Its creation: it never ran.
    Created,
    /// When it was found to be gone.
    WentMissing,
}

/// Why a container is not stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    Runs,
    Paused,
    Restarting,
    /// A deploy is under way that will fill the row.
    Placeholder,
    BeingRemoved,
    /// In a word of the engine's that we do not know: it may run.
    StateUnknown,
    /// A release's stopped container, there for rollback.
    Kept,
    /// Removed already, until its grace ends.
    InTheBin,
    Pinned {
        since: Timestamp,
    },
    Snoozed {
        until: Timestamp,
    },
    /// It becomes stale after that moment, if nothing happens.
    Young {
        still: Standstill,
        days: u32,
        stale_after: Timestamp,
    },
    /// It would be stale, but is nobody's here: listed only if foreign ones are asked for.
    Foreign {
        would_be: Stale,
    },
}

/// The containers that are stale, in the order in which they come, each by its own yardstick.
pub fn find_stale_containers<'a>(
    rows: &'a [Row],
    yardstick: impl Fn(&Row) -> Yardstick + 'a,
) -> impl Iterator<Item = (&'a Row, Stale)> + 'a {
    rows.iter().filter_map(move |row| match judge(row, &yardstick(row)) {
        Judgement::Stale(stale) => Some((row, stale)),
        Judgement::Not(_) => None,
    })
}

#[must_use]
pub fn judge(row: &Row, by: &Yardstick) -> Judgement {
    let spoken_for = by_state(row.facts.state).or_else(|| by_place(row)).or_else(|| by_wish(by));
    if let Some(why) = spoken_for {
        return Judgement::Not(why);
    }
    let still = standstill(row);
    let age = by.now.duration_since(still.since);
    let days = days(age);
    if !by.threshold.is_exceeded_by(age) {
        let stale_after = still.since.checked_add(by.threshold.span()).unwrap_or(Timestamp::MAX);
        return Judgement::Not(Why::Young { still, days, stale_after });
    }
    let stale = Stale { still, days };
    match by.scope {
        Scope::Workloads if row.owner.is_foreign() => Judgement::Not(Why::Foreign { would_be: stale }),
        Scope::Workloads | Scope::Everybody => Judgement::Stale(stale),
    }
}

fn by_state(state: State) -> Option<Why> {
    match state {
        State::Running => Some(Why::Runs),
        State::Paused => Some(Why::Paused),
        State::Restarting => Some(Why::Restarting),
        State::Deploying => Some(Why::Placeholder),
        State::Removing => Some(Why::BeingRemoved),
        State::Unknown => Some(Why::StateUnknown),
        State::Created | State::Stopped | State::Failed | State::Missing => None,
    }
}

/// What a workload's container is there for although it does not run. A foreign one's name and row mean nothing.
fn by_place(row: &Row) -> Option<Why> {
    if row.owner.is_foreign() || row.facts.state == State::Missing {
        return None;
    }
    let binned = row.container_id.as_ref().map(|id| format!("tf-bin-{}-", id.short()));
    if binned.is_some_and(|prefix| row.facts.name.starts_with(&prefix)) {
        return Some(Why::InTheBin);
    }
    row.decided.release_id.as_ref().map(|_| Why::Kept)
}

fn by_wish(by: &Yardstick) -> Option<Why> {
    let pinned = by.wishes.pinned_at.map(|since| Why::Pinned { since });
    let snoozed = by.wishes.snoozed_until.filter(|until| *until > by.now);
    pinned.or(snoozed.map(|until| Why::Snoozed { until }))
}

/// Since when a container that does not run has not.
#[must_use]
pub fn standstill(row: &Row) -> Standstill {
    let created = row.facts.container_created_at.unwrap_or(row.created_at);
    let ran = row.last_seen_at.or(row.facts.finished_at).or(row.facts.started_at);
    let of = |sign, since| Standstill { since, sign };
    match (row.facts.state, ran) {
        (State::Missing, _) => of(Sign::WentMissing, row.missing_since.or(ran).unwrap_or(created)),
        (_, Some(ran)) => of(Sign::LastRan, ran),
        (_, None) => of(Sign::Created, created),
    }
}

/// Whole days, rounded down; what lies in the future is no day old.
fn days(age: SignedDuration) -> u32 {
    u32::try_from(age.as_secs() / DAY_S).unwrap_or(0)
}

/// The container that took this one's place: the newest of the same workload and role that is younger, one that runs
/// before one that does not.
#[must_use]
pub fn successor<'a>(of: &Row, rows: &'a [Row]) -> Option<&'a Row> {
    let Owner::Workload { id: workload, role, .. } = &of.owner else { return None };
    let created = |row: &Row| row.facts.container_created_at.unwrap_or(row.created_at);
    let follows = |row: &&Row| {
        let same_place =
            matches!(&row.owner, Owner::Workload { id, role: other, .. } if id == workload && other == role);
        let there = !matches!(row.facts.state, State::Missing | State::Deploying);
        same_place && there && row.id != of.id && created(row) > created(of)
    };
    rows.iter().filter(follows).max_by_key(|row| (row.facts.state.is_alive(), created(row), row.id.clone()))
}

/// What is known of a stale container, for the sentences that are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence<'a> {
    pub stale: Stale,
    pub state: State,
    pub exit_code: Option<i64>,
    /// Why a start failed, in the engine's words.
    pub error: Option<&'a str>,
    /// Of its last end; `None` where the history does not tell one.
    pub ended_by: Option<Cause>,
    pub successor: Option<&'a Row>,
    /// The route that still leads to it.
    pub route: Option<&'a str>,
    /// The volumes that only it holds.
    pub volumes: &'a [String],
    pub networks: &'a [String],
}

/// A sentence for each thing that is to be known: since when and by whom, what took its place, what refers to it.
#[must_use]
pub fn reasons(of: &Evidence<'_>) -> Vec<String> {
    let mut told = vec![first(of)];
    if let Some(next) = of.successor {
        let how = if next.facts.state.is_alive() { "which runs" } else { "which does not run either" };
        told.push(format!("Superseded by {}, {how}.", next.facts.name));
    }
    if let Some(route) = of.route {
        told.push(format!("The route {route} still leads to it."));
    }
    for volume in of.volumes {
        told.push(format!("Only it holds the volume {volume}, which stays until it is removed by name."));
    }
    if !of.networks.is_empty() {
        let many = if of.networks.len() == 1 { "network" } else { "networks" };
        told.push(format!("It is in the {many} {}.", of.networks.join(", ")));
    }
    told
}

fn first(of: &Evidence<'_>) -> String {
    let span = span(of.stale.days);
    match of.stale.still.sign {
        Sign::Created => match of.error {
            Some(error) => format!("Never started in {span}: {}.", error.trim_end_matches('.')),
            None => format!("Never started in {span}."),
        },
        Sign::WentMissing => format!("Missing for {span}: {}.", who(of.ended_by, "removed")),
        Sign::LastRan => {
            let code = of.exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
            format!("Has not run for {span}: {}{code}.", who(of.ended_by, "stopped"))
        }
    }
}

/// `less than a day`, `1 day`, `12 days`.
fn span(days: u32) -> String {
    match days {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        _ => format!("{days} days"),
    }
}

fn who(cause: Option<Cause>, done: &str) -> String {
    match cause {
        Some(Cause::Own) => format!("{done} by Tinyforge"),
        Some(Cause::Foreign) => format!("{done} by somebody else"),
        Some(Cause::Compose) => format!("{done} by Compose"),
        Some(Cause::Exit) => "it ended by itself".to_owned(),
        Some(Cause::Oom) => "it ran out of memory".to_owned(),
        Some(Cause::EngineRestart) => "the engine stopped".to_owned(),
        Some(Cause::Sleep) => "it went while the machine slept".to_owned(),
        Some(Cause::Unknown) | None => "nobody saw why".to_owned(),
    }
}

impl Why {
    /// One word for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Runs => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Placeholder => "placeholder",
            Self::BeingRemoved => "removing",
            Self::StateUnknown => "unknown",
            Self::Kept => "kept",
            Self::InTheBin => "in_the_bin",
            Self::Pinned { .. } => "pinned",
            Self::Snoozed { .. } => "snoozed",
            Self::Young { .. } => "young",
            Self::Foreign { .. } => "foreign",
        }
    }

    /// Until when it holds, where a moment is known.
    #[must_use]
    pub fn until(self) -> Option<Timestamp> {
        match self {
            Self::Snoozed { until } => Some(until),
            Self::Young { stale_after, .. } => Some(stale_after),
            Self::Runs
            | Self::Paused
            | Self::Restarting
            | Self::Placeholder
            | Self::BeingRemoved
            | Self::StateUnknown
            | Self::Kept
            | Self::InTheBin
            | Self::Pinned { .. }
            | Self::Foreign { .. } => None,
        }
    }

    /// Since when it has stood still, where that was asked at all.
    #[must_use]
    pub fn still(self) -> Option<(Standstill, u32)> {
        match self {
            Self::Young { still, days, .. } => Some((still, days)),
            Self::Foreign { would_be } => Some((would_be.still, would_be.days)),
            Self::Runs
            | Self::Paused
            | Self::Restarting
            | Self::Placeholder
            | Self::BeingRemoved
            | Self::StateUnknown
            | Self::Kept
            | Self::InTheBin
            | Self::Pinned { .. }
            | Self::Snoozed { .. } => None,
        }
    }
}

/// One sentence for people.
impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Runs => "it runs",
            Self::Paused => "it is paused: its program is there and only stands still",
            Self::Restarting => "it is restarting",
            Self::Placeholder => "it is being deployed",
            Self::BeingRemoved => "it is being removed",
            Self::StateUnknown => "it is in a state that this version does not know, and may run",
            Self::Kept => "it is kept: a release's container, there to go back to",
            Self::InTheBin => "it is in the bin already",
            Self::Pinned { .. } => "it is pinned",
            Self::Snoozed { .. } => "it is snoozed",
            Self::Young { still, days, .. } => {
                let what = match still.sign {
                    Sign::LastRan => "has not run for",
                    Sign::Created => "was created, and has not started in",
                    Sign::WentMissing => "has been missing for",
                };
                return write!(f, "it {what} {}, which is not long enough", span(*days));
            }
            Self::Foreign { would_be } => {
                let days = span(would_be.days);
                return write!(f, "no workload owns it (it has stood still for {days}): ask with --foreign");
            }
        };
        f.write_str(text)
    }
}

#[cfg(test)]
mod tests;
