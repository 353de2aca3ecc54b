//! The shapes every face receives, one struct for each JSON document of the contract.
//!
//! Names are snake_case, times RFC 3339 in UTC, what is absent is `null`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use specta::Type;

use super::words;
use crate::rules::cause::Cause;
use crate::rules::container::{Health, Port, State, WorkloadKind};
use crate::rules::diff::Field;
use crate::rules::notice::{Notice, NoticeKind};
use crate::rules::secret::{KeyPlace, Secret};
use crate::rules::verdict::{Exhibit, Kind, Level, Tally};

/// A container of the index: the single source of truth for project, stack and site containers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Container {
    pub id: String,
    pub workload_id: Option<String>,
    pub workload_kind: Option<WorkloadKind>,
    pub workload_name: Option<String>,
    pub role: Option<String>,
    pub stage_id: Option<String>,
    /// `null` for a placeholder.
    pub container_id: Option<String>,
    pub name: String,
    pub image: String,
    pub image_tag: Option<String>,
    pub image_id: Option<String>,
    pub image_digest: Option<String>,
    pub state: State,
    pub health: Health,
    /// `null` while it runs or where it never ran.
    pub exit_code: Option<i64>,
    pub oom_killed: bool,
    pub restart_count: u32,
    pub ports: Vec<Port>,
    /// The name under which a route serves it.
    pub host: Option<String>,
    pub subdomain: Option<String>,
    pub proxy_route_id: Option<String>,
    pub url: Option<String>,
    pub release_id: Option<String>,
    pub verdict: Verdict,
    #[specta(type = String)]
    pub created_at: Timestamp,
    #[specta(type = Option<String>)]
    pub started_at: Option<Timestamp>,
    /// When it was last known to run.
    #[specta(type = Option<String>)]
    pub last_seen_at: Option<Timestamp>,
    #[specta(type = String)]
    pub updated_at: Timestamp,
}

/// The judgement on a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Verdict {
    pub level: Level,
    /// One sentence.
    pub text: String,
    pub kind: Kind,
    /// Since when it is so; `null` where that is not known.
    #[specta(type = Option<String>)]
    pub since: Option<Timestamp>,
    /// Who or what ended it; `null` of one that has not ended.
    pub cause: Option<Cause>,
    /// What the judgement rests on. The texts are of others: logs, checks, the engine.
    pub evidence: Vec<Exhibit>,
    /// What to do, in one sentence; `null` where nothing is to be done.
    pub fix: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Status {
    pub version: String,
    /// The daemon's; `null`, as its uptime, where none answers and a command only looks in its place.
    pub pid: Option<u32>,
    pub uptime_s: Option<u64>,
    pub engine: EngineStatus,
    pub index: IndexStatus,
    pub database: DatabaseStatus,
    pub proxy: ProxyStatus,
    pub webhook: WebhookStatus,
    pub dns: DnsStatus,
    /// The verdicts on all containers; a foreign one weighs no more than a warning.
    pub verdicts: Tally,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum EngineState {
    Connected,
    /// It answered before and does not now.
    Away,
    /// The socket may not be used by this user.
    Denied,
    /// No engine was found.
    Absent,
}

impl EngineState {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Away => "away",
            Self::Denied => "denied",
            Self::Absent => "absent",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct EngineStatus {
    pub state: EngineState,
    pub endpoint: String,
    pub version: Option<String>,
    pub api_version: Option<String>,
    pub id: Option<String>,
    pub latency_ms: Option<f64>,
    /// Since when the state is what it is.
    #[specta(type = String)]
    pub since: Timestamp,
    /// Why it is not connected, and the cure.
    pub reason: Option<String>,
    pub cure: Option<String>,
    /// Whether it is the demo's.
    pub simulated: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct IndexStatus {
    pub containers: u64,
    pub revision: u64,
    #[specta(type = Option<String>)]
    pub verified_at: Option<Timestamp>,
    pub age_ms: Option<u64>,
    pub last_pass_ms: Option<f64>,
    pub passes: u64,
    /// Events received from the engine since the start.
    pub events: u64,
    /// Changes that a pass found and no event had announced.
    pub divergences: u64,
    /// Containers that cannot be inspected: their rows stand as last known, and those never seen have none.
    pub unreadable: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct DatabaseStatus {
    pub path: String,
    pub bytes: u64,
    pub schema_version: u32,
    pub ok: bool,
    /// What is wrong, where `ok` is false, or what was mended at the start.
    pub note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct ProxyStatus {
    pub address: Option<String>,
    pub state: String,
    pub routes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct WebhookStatus {
    pub address: Option<String>,
    pub enabled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct DnsStatus {
    pub address: Option<String>,
    pub zone: String,
    pub enabled: bool,
}

/// The index held against the engine, container by container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Verification {
    pub equal: bool,
    pub checked: u64,
    pub differences: Vec<Difference>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Difference {
    pub container_id: String,
    pub field: String,
    pub index: Option<String>,
    pub engine: Option<String>,
}

/// What a line of the history tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum HistoryField {
    State,
    Health,
    Image,
    Name,
    /// A span that nobody verified: `at` is its beginning, `to` its end, `detail` the reason, as in [`Gap`].
    Gap,
}

impl From<Field> for HistoryField {
    fn from(field: Field) -> Self {
        match field {
            Field::State => Self::State,
            Field::Health => Self::Health,
            Field::Image => Self::Image,
            Field::Name => Self::Name,
        }
    }
}

/// One line of a container's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct HistoryEntry {
    /// When it happened, by the engine's time where that is known.
    #[specta(type = String)]
    pub at: Timestamp,
    #[specta(type = String)]
    pub recorded_at: Timestamp,
    pub field: HistoryField,
    pub from: Option<String>,
    pub to: Option<String>,
    pub cause: Cause,
    pub detail: Option<String>,
}

/// A line of the event log: a history entry and whose it is. A gap is everybody's: it names no container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct LogEntry {
    /// The order of writing; `null` for a gap.
    pub seq: Option<u64>,
    pub container_id: Option<String>,
    pub name: String,
    pub workload_name: Option<String>,
    pub role: Option<String>,
    #[serde(flatten)]
    pub entry: HistoryEntry,
    /// How bad it was when it happened; of a foreign container no more than a warning.
    pub level: Level,
}

impl LogEntry {
    /// A gap as the log has it.
    #[must_use]
    pub fn of_gap(entry: HistoryEntry) -> Self {
        Self {
            seq: None,
            container_id: None,
            name: String::new(),
            workload_name: None,
            role: None,
            level: Level::Info,
            entry,
        }
    }
}

/// A span that could not be verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Gap {
    /// `null` where nothing is known before: the time until the engine was first looked at.
    #[specta(type = Option<String>)]
    pub from: Option<Timestamp>,
    #[specta(type = String)]
    pub to: Timestamp,
    /// `not_running`, `engine_away`, `asleep`, `before_first_look`, `never_looked`, `no_longer_kept`.
    pub reason: String,
}

/// The index as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct IndexAt {
    #[specta(type = String)]
    pub at: Timestamp,
    /// The gap that the moment falls into: what is shown was not verified then.
    pub gap: Option<Gap>,
    pub containers: Vec<ContainerAt>,
}

/// A container as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct ContainerAt {
    pub container_id: Option<String>,
    pub name: String,
    pub image: String,
    pub workload_name: Option<String>,
    pub role: Option<String>,
    pub state: State,
    pub health: Health,
    /// Since when it had been in that state.
    #[specta(type = String)]
    pub since: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    Ok,
    Warn,
    Fail,
}

impl PartState {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One part of the doctor's report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Finding {
    pub part: String,
    pub state: PartState,
    pub text: String,
    /// What to do about it; `null` where nothing is to be done.
    pub cure: Option<String>,
}

/// One setting, its value and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Setting {
    pub key: String,
    pub value: String,
    pub default: String,
    pub explanation: String,
    /// What it bounds, as it is now; `null` where there is nothing to tell.
    pub now: Option<String>,
}

/// Where notices are sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct OutgoingWebhook {
    /// Scheme, host and port. The rest of the URL may be all that authorises, and is shown to nobody.
    pub receiver: String,
    pub signed: bool,
    /// Where the key lies that its secrets are sealed with.
    pub key_place: Option<KeyPlace>,
    #[specta(type = String)]
    pub set_at: Timestamp,
    /// How many deliveries wait.
    pub waiting: u64,
    /// The last delivery that was tried.
    pub last: Option<OutgoingDelivery>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct OutgoingWebhookSet {
    pub webhook: OutgoingWebhook,
    /// What is signed with, where it was made now: shown this once.
    pub secret: Option<Secret>,
}

/// What came of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct OutgoingTest {
    pub delivered: bool,
    pub receiver: String,
    /// The receiver's; `null` where it did not answer.
    pub status: Option<u16>,
    pub latency_ms: u32,
    /// What came of it, in a sentence.
    pub text: String,
    pub cure: Option<String>,
}

/// Something that was or is to be sent, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct OutgoingDelivery {
    /// As the receiver hears it, the same in every try.
    pub delivery_id: String,
    pub event: String,
    pub title: String,
    #[specta(type = String)]
    pub at: Timestamp,
    /// `waiting`, `delivered` or `given_up`.
    pub state: String,
    pub attempts: u32,
    /// When it is tried next, while it waits.
    #[specta(type = Option<String>)]
    pub next_at: Option<Timestamp>,
    /// Of the last try, as the three that follow.
    #[specta(type = Option<String>)]
    pub tried_at: Option<Timestamp>,
    pub status: Option<u16>,
    pub latency_ms: Option<u32>,
    pub error: Option<String>,
}

/// All that the engine tells of one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Inspection {
    pub container_id: String,
    /// The engine's own document, in the form of its release.
    pub json: String,
}

/// A copy of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Backup {
    pub name: String,
    #[specta(type = String)]
    pub created_at: Timestamp,
    pub bytes: u64,
    pub schema_version: u32,
    /// `daily`, `before-migration`, `before-restore`, `manual`.
    pub reason: String,
}

/// What a start, stop or restart did to one container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Acted {
    pub container_id: String,
    pub name: String,
    /// The state that the engine then said it is in.
    pub state: State,
    /// Why it failed, where it did.
    pub error: Option<String>,
}

/// A container that nobody needs any more. The first six are the contract's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct StaleContainer {
    /// What `history` and `rm` take for it: its name, or its id where another container has that name too.
    pub container: String,
    /// `null`, as its role, for a foreign one.
    pub workload_name: Option<String>,
    pub role: Option<String>,
    /// Whole days since it stood still, rounded down.
    pub days_stale: u32,
    /// A sentence for each: since when and by whom, what took its place, what refers to it.
    pub reasons: Vec<String>,
    /// What comes free with it in all: its writable layer, the image that only it uses, the volumes that only it holds.
    /// `null`, as the two parts below, where the engine could not be asked.
    pub frees_bytes: Option<u64>,
    /// Of that, what its removal frees at once: nothing where it waits in the bin.
    pub frees_bytes_now: Option<u64>,
    /// Of that, what is free when its time in the bin is over. Volumes are in neither part.
    pub frees_bytes_later: Option<u64>,
    /// The volumes that only it holds. They go only when they are removed by their names.
    pub volumes: Vec<HeldVolume>,
    pub networks: Vec<String>,
    pub id: String,
    pub container_id: Option<String>,
    pub name: String,
    pub state: State,
    /// Since when it has stood still: it last ran, was created, or was found missing.
    #[specta(type = String)]
    pub since: Timestamp,
    pub exit_code: Option<i64>,
    /// Of its end; `null` where the history does not tell one.
    pub cause: Option<Cause>,
    /// The name of the container that took its place.
    pub superseded_by: Option<String>,
    /// The route that still leads to it.
    pub proxy_route_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct HeldVolume {
    pub name: String,
    /// `null` where its driver does not tell.
    pub bytes: Option<u64>,
}

/// Whether one container is stale, and why, or why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct StaleAnswer {
    /// As of [`StaleContainer`].
    pub container: String,
    pub workload_name: Option<String>,
    pub role: Option<String>,
    pub stale: bool,
    /// `stale`, or what speaks for it: `running`, `paused`, `restarting`, `placeholder`, `removing`, `unknown`, `kept`,
    /// `in_the_bin`, `pinned`, `snoozed`, `young`, `foreign`.
    pub why: String,
    /// The same for people.
    pub text: String,
    /// Until when that holds, if nothing happens; `null` where no moment is known.
    #[specta(type = Option<String>)]
    pub until: Option<Timestamp>,
    /// Since when it has stood still; `null`, as the days, where that does not count.
    #[specta(type = Option<String>)]
    pub since: Option<Timestamp>,
    pub days_stale: Option<u32>,
    /// What it is measured by; 0 is no threshold.
    pub threshold_days: u32,
    #[specta(type = Option<String>)]
    pub pinned_at: Option<Timestamp>,
    #[specta(type = Option<String>)]
    pub snoozed_until: Option<Timestamp>,
    pub id: String,
    pub container_id: Option<String>,
    pub name: String,
    pub state: State,
}

/// How long the containers of a workload may stand still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct StaleThreshold {
    pub workload_id: String,
    pub workload_name: String,
    /// 0 is no threshold.
    pub days: u32,
    /// Whether that is the workload's own, and not the setting's.
    pub own: bool,
}

/// What one scan found to have become stale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct StaleDigest {
    #[specta(type = String)]
    pub at: Timestamp,
    pub containers: Vec<StaleNews>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct StaleNews {
    pub id: String,
    pub container_id: Option<String>,
    pub name: String,
    pub workload_name: Option<String>,
    pub role: Option<String>,
    #[specta(type = String)]
    pub since: Timestamp,
    pub days_stale: u32,
}

/// What is to be notified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct NoticeRules {
    /// The setting.
    pub enabled: bool,
    /// `null` where there is no pause.
    #[specta(type = Option<String>)]
    pub paused_until: Option<Timestamp>,
    /// What would have been told in the present pause.
    pub unheard: u32,
    pub mutes: Vec<Mute>,
}

/// One wish. The most specific counts, and a workload is more specific than a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Mute {
    /// `null` for all.
    pub workload_id: Option<String>,
    pub workload_name: Option<String>,
    /// `null` for all.
    pub kind: Option<NoticeKind>,
    /// Not muted is heard although something broader is muted.
    pub muted: bool,
}

/// Everything a window needs to draw itself; patches with a higher revision follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Snapshot {
    pub revision: u64,
    pub containers: Vec<Container>,
    pub status: Status,
}

/// What one commit changed: as many entries as rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
pub struct Patch {
    pub revision: u64,
    pub upserts: Vec<Container>,
    /// Ids of rows that are no longer in the index.
    pub removals: Vec<String>,
    pub history: Vec<LogEntry>,
}

/// What a face hears without asking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Type)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Announcement {
    Patch(Patch),
    /// A span turned out to be one that nobody verified.
    Gap(HistoryEntry),
    Status(Box<Status>),
    /// Containers have become stale that were not announced before.
    Stale(StaleDigest),
    /// Somebody is to be told of this, once.
    Notice(Box<Notice>),
    /// A pause began or ended, or something was muted or is heard again.
    NoticeRules(NoticeRules),
    Setting {
        key: String,
        value: String,
    },
    /// Some were missed: ask for a snapshot.
    Lagged {
        missed: u64,
    },
    /// The daemon is stopping, or the connection to it ended.
    Gone {
        reason: String,
    },
}

/// Why a command failed, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The arguments cannot be used.
    Usage,
    /// Nothing has that name.
    NotFound,
    /// Several things have that name.
    Ambiguous,
    /// The engine itself is needed and out of reach.
    EngineAway,
    /// The engine turned it down.
    Refused,
    /// It clashes with what is there or under way.
    Conflict,
    /// Another daemon holds the data folder.
    Locked,
    /// The database cannot be used.
    Database,
    /// Face and daemon are of versions that do not understand each other.
    Version,
    /// The daemon went away under the call.
    DaemonGone,
    /// A fault of ours.
    Internal,
}

/// The only error a face sees: what was tried and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    pub code: ErrorCode,
    pub message: String,
}

impl ApiError {
    /// The system's words for an error are plain; the number that Rust puts behind them is not.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: words::without_error_numbers(&message.into()) }
    }
}
