//! What is worth interrupting somebody for, and when.
//!
//! [`Notice`] is what a user is told: which workload, what is wrong and why, what to do. [`policy`] decides whether and
//! when, [`words`] says it, [`mute`] are a user's wishes. Only workloads are spoken of, and only what deserves it: what somebody did on purpose, a
//! container that nobody gave into our care, and a start that was tried and failed (whoever tried has the answer) do not.

pub mod mute;
pub mod policy;
pub mod words;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use specta::Type;

use super::cause::Cause;
use super::ids::{RowId, WorkloadId};
use super::verdict::{Kind, Level};

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $word:literal, $level:ident;)+) => {
        /// What a notice is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Type)]
        #[serde(rename_all = "snake_case")]
        pub enum NoticeKind { $($(#[$doc])* $kind),+ }

        impl NoticeKind {
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $word),+ }
            }

            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.as_str() == word)
            }

            /// Of a notice that tells nothing else.
            #[must_use]
            pub fn level(self) -> Level {
                match self { $(Self::$kind => Level::$level),+ }
            }
        }
    };
}

kinds! {
    /// A container ended by itself, and not well.
    Crashed => "crashed", Bad;
    OutOfMemory => "out_of_memory", Bad;
    CrashLooping => "crash_looping", Bad;
    Unhealthy => "unhealthy", Bad;
    /// The engine no longer knows a container.
    Vanished => "vanished", Bad;
    /// A container turns between good and bad faster than either lasts.
    Flapping => "flapping", Warn;
    /// Containers have become stale.
    Stale => "stale", Info;
    /// The engine has not answered for a while.
    EngineGone => "engine_gone", Bad;
    /// It answers again, after that was told.
    EngineBack => "engine_back", Info;
    /// It was away so briefly that only its restart is worth a word.
    EngineRestarted => "engine_restarted", Info;
    /// Several findings at once.
    Digest => "digest", Bad;
    /// How much was not told while notifications were paused.
    AfterPause => "after_pause", Info;
}

impl NoticeKind {
    /// What a finding is told as; `None` where it does not deserve to be told.
    #[must_use]
    pub fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Crashed => Some(Self::Crashed),
            Kind::OutOfMemory => Some(Self::OutOfMemory),
            Kind::CrashLooping => Some(Self::CrashLooping),
            Kind::Unhealthy => Some(Self::Unhealthy),
            Kind::Vanished => Some(Self::Vanished),
            Kind::Fine
            | Kind::Starting
            | Kind::Completed
            | Kind::Stopped
            // Told with the engine, all of them at once.
            | Kind::StoppedWithEngine
            // Its policy acts; if that does not help, it is a crash loop.
            | Kind::Restarting
            | Kind::Removed
            | Kind::NeverStarted
            | Kind::Created
            | Kind::Superseded
            | Kind::Paused
            | Kind::BeingRemoved
            | Kind::Dead
            | Kind::BeingDeployed
            | Kind::Unknown => None,
        }
    }
}

/// What a user is told. Every text in it is harmless: what others wrote has been made so by [`super::text::inert`]. It
/// is plain text all the same: what draws it escapes what its own format takes for markup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
pub struct Notice {
    /// Counted through the life of the database.
    pub id: u64,
    #[specta(type = String)]
    pub at: Timestamp,
    pub kind: NoticeKind,
    pub level: Level,
    /// Which workload and role, and what: `shop/dev crashed`.
    pub title: String,
    /// What is known, and what to do.
    pub body: String,
    /// The name of the only workload it is about.
    pub workload: Option<String>,
    /// The role of the only container it is about.
    pub role: Option<String>,
    /// All workloads it is about.
    #[specta(type = Vec<String>)]
    pub workload_ids: Vec<WorkloadId>,
    /// The rows of the containers it is about.
    #[specta(type = Vec<String>)]
    pub row_ids: Vec<RowId>,
    /// Who or what ended the only container it is about.
    pub cause: Option<Cause>,
    /// What to do, in one sentence.
    pub fix: Option<String>,
    /// The window's page that shows more: `#/containers?row=…`.
    pub target: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_word_of_its_own_that_reads_back_and_is_the_same_in_json() {
        for kind in NoticeKind::ALL {
            assert_eq!(NoticeKind::parse(kind.as_str()), Some(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert_eq!(NoticeKind::parse("cheese"), None);
    }

    #[test]
    fn what_is_told_of_a_container_is_bad_and_what_is_not_bad_is_not_told() {
        let told: Vec<Kind> =
            Kind::ALL.iter().copied().filter(|kind| NoticeKind::of(*kind).is_some()).collect();
        assert_eq!(
            told,
            [Kind::Crashed, Kind::OutOfMemory, Kind::CrashLooping, Kind::Unhealthy, Kind::Vanished]
        );
        assert!(told.iter().all(|kind| kind.level() == Level::Bad));
    }
}
