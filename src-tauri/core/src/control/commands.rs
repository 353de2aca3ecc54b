//! The one list of commands. Every face speaks these and nothing else.
//!
//! A command is a struct with its arguments; [`Command`] ties it to its name on the wire and to its answer. Adding
//! one means a struct here, a line in the list at the end, and its `answer` in `control/`.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use specta::Type;

use super::shapes::{
    Acted, Backup, Container, Finding, HistoryEntry, IndexAt, Inspection, LogEntry, NoticeRules,
    OutgoingDelivery, OutgoingTest, OutgoingWebhook, OutgoingWebhookSet, Setting, Snapshot, StaleAnswer,
    StaleContainer, StaleThreshold, Status, Verification,
};
use crate::rules::container::{State, WorkloadKind};
use crate::rules::notice::{Notice, NoticeKind};
use crate::rules::secret::Secret;

/// What a command needs of the daemon, so that the command line knows what to do where none runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Answers from the index, observing the engine where it can: never writes.
    Reads,
    /// Answers from the index, and is pointless without the engine.
    NeedsEngine,
    /// Changes something and is done when it returns.
    Acts,
}

pub trait Command: Clone + Serialize + DeserializeOwned + Send + 'static {
    const NAME: &'static str;
    const NATURE: Nature;
    type Answer: Serialize + DeserializeOwned + Send + 'static;
}

macro_rules! command {
    ($(#[$doc:meta])* $name:ident($wire:literal, $nature:ident) -> $answer:ty { $($(#[$fdoc:meta])* $field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Type)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name { $($(#[$fdoc])* pub $field: $type),* }

        impl Command for $name {
            const NAME: &'static str = $wire;
            const NATURE: Nature = Nature::$nature;
            type Answer = $answer;
        }
    };
}

command!(
    /// Version, engine, index, database, listeners.
    GetStatus("status", Reads) -> Status {}
);
command!(
    /// Holds every row against a fresh inspect; without a daemon, every row as it was last written.
    Verify("verify", NeedsEngine) -> Verification {}
);
command!(
    /// Each part, its state, and the cure.
    Doctor("doctor", Reads) -> Vec<Finding> {}
);
command!(
    /// The containers of the index, newest first.
    Ps("ps", Reads) -> Vec<Container> {
        /// Foreign ones too.
        all: bool,
        kind: Option<WorkloadKind>,
        state: Option<State>,
        /// A workload's name or id.
        workload: Option<String>,
    }
);
command!(
    /// All containers and the status, for a window to draw itself; patches follow.
    GetSnapshot("snapshot", Reads) -> Snapshot {}
);
command!(
    /// A container's changes, oldest first. Also of one that is gone.
    History("history", Reads) -> Vec<HistoryEntry> {
        /// Name, id, or the beginning of an id.
        container: String,
    }
);
command!(
    /// The index as it was.
    At("at", Reads) -> IndexAt {
        #[specta(type = Option<String>)]
        time: Option<Timestamp>,
    }
);
command!(
    /// The latest lines of the event log of the engine that answers, or answered last, oldest first.
    Events("events", Reads) -> Vec<LogEntry> {
        /// At most so many; absent: 200.
        limit: Option<u32>,
    }
);
command!(
    Start("start", Acts) -> Vec<Acted> { containers: Vec<String> }
);
command!(
    Stop("stop", Acts) -> Vec<Acted> { containers: Vec<String> }
);
command!(
    Restart("restart", Acts) -> Vec<Acted> { containers: Vec<String> }
);
command!(
    /// Every setting, or the one that is named.
    GetSettings("settings", Reads) -> Vec<Setting> { key: Option<String> }
);
command!(
    /// Checks and stores a value; answers with the setting as it now is.
    SetSetting("set_setting", Acts) -> Setting { key: String, value: String }
);
command!(
    /// The copies of the database, newest first.
    ListBackups("backup_list", Reads) -> Vec<Backup> {}
);
command!(
    CreateBackup("backup_create", Acts) -> Backup {}
);

command!(
    /// The containers that nobody needs any more, newest first.
    FindStaleContainers("stale", Reads) -> Vec<StaleContainer> {
        /// Days in place of the setting's and the workloads' own; 0 is no threshold: whatever does not run.
        days: Option<u32>,
        /// Foreign ones too.
        foreign: bool,
    }
);
command!(
    /// Why a container is stale, or why not.
    ExplainStale("stale_why", Reads) -> StaleAnswer {
        /// Name, id, or the beginning of an id.
        container: String,
        /// As of [`FindStaleContainers`].
        days: Option<u32>,
    }
);
command!(
    /// These never become stale.
    Pin("pin", Acts) -> Vec<StaleAnswer> { containers: Vec<String> }
);
command!(
    Unpin("unpin", Acts) -> Vec<StaleAnswer> { containers: Vec<String> }
);
command!(
    /// These do not count as stale before that moment; then they are announced anew.
    Snooze("snooze", Acts) -> Vec<StaleAnswer> {
        containers: Vec<String>,
        #[specta(type = Option<String>)]
        until: Option<Timestamp>,
    }
);
command!(
    /// A workload's own threshold, in the setting's place.
    SetStaleThreshold("stale_threshold", Acts) -> StaleThreshold {
        /// Its name or id.
        workload: String,
        /// Days, 0 for no threshold; `null` gives it back to the setting.
        days: Option<u32>,
    }
);

command!(
    /// All that the engine tells of one container, its environment included: for who asks to see it.
    Inspect("inspect", NeedsEngine) -> Inspection {
        /// Name, id, or the beginning of an id.
        container: String,
    }
);

command!(
    /// What was notified, newest first.
    ListNotices("notices", Reads) -> Vec<Notice> {
        /// At most so many; absent: 100.
        limit: Option<u32>,
    }
);
command!(
    /// Whether there is a pause, and what is muted.
    GetNoticeRules("notice_rules", Reads) -> NoticeRules {}
);
command!(
    /// Nothing is notified until then; what happens meanwhile is counted, and the count told at the end.
    PauseNotices("notices_pause", Acts) -> NoticeRules {
        #[specta(type = Option<String>)]
        until: Option<Timestamp>,
        /// Or so many seconds from now.
        for_s: Option<u32>,
    }
);
command!(
    ResumeNotices("notices_resume", Acts) -> NoticeRules {}
);
command!(
    /// A wish for one workload or all, of one kind or all.
    MuteNotices("notices_mute", Acts) -> NoticeRules {
        /// Its name or id.
        workload: Option<String>,
        kind: Option<NoticeKind>,
        muted: bool,
    }
);
command!(
    /// Where notices are sent to; `null` where nowhere.
    GetOutgoingWebhook("outgoing_webhook", Reads) -> Option<OutgoingWebhook> {}
);
command!(
    /// Where notices are sent to from now on, in the place of any other.
    SetOutgoingWebhook("set_outgoing_webhook", Acts) -> OutgoingWebhookSet {
        url: Option<Secret>,
        /// What is signed with; absent, one is made and answered, once.
        secret: Option<Secret>,
        /// Nothing is signed.
        unsigned: bool,
    }
);
command!(
    /// Notices are sent nowhere; what waits is given up. Answers whether they were sent anywhere before.
    RemoveOutgoingWebhook("remove_outgoing_webhook", Acts) -> bool {}
);
command!(
    /// Sends a test now, once.
    TestOutgoingWebhook("test_outgoing_webhook", Acts) -> OutgoingTest {}
);
command!(
    /// What was sent and what came of it, newest first.
    ListOutgoingDeliveries("outgoing_deliveries", Reads) -> Vec<OutgoingDelivery> {
        /// At most so many; absent: all that are remembered.
        limit: Option<u32>,
    }
);

/// Calls the macro it is given with the list of all commands.
#[macro_export]
macro_rules! every_command {
    ($use:ident) => {
        $use! {
            GetStatus, Verify, Doctor, Ps, GetSnapshot, History, At, Events, Start, Stop, Restart, GetSettings,
            SetSetting, ListBackups, CreateBackup, FindStaleContainers, ExplainStale, Pin, Unpin, Snooze,
            SetStaleThreshold, Inspect, ListNotices, GetNoticeRules, PauseNotices, ResumeNotices, MuteNotices,
            GetOutgoingWebhook, SetOutgoingWebhook, RemoveOutgoingWebhook, TestOutgoingWebhook,
            ListOutgoingDeliveries
        }
    };
}
