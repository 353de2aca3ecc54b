//! A container as the engine has it, in our words: the states, the health, and the facts of one inspect.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::ContainerId;
use super::labels::{self, Labels};
use super::time::micros;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, specta::Type)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value of one of our own words, as the store and the command line write it.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words!(
    /// What a row says of its container.
    State {
        Created => "created",
        Running => "running",
        Paused => "paused",
        Restarting => "restarting",
        Removing => "removing",
        /// The engine's `exited`.
        Stopped => "stopped",
        /// The engine's `dead`.
        Failed => "failed",
        /// A workload's container that the engine no longer knows.
        Missing => "missing",
        /// A placeholder: a deploy is under way.
        Deploying => "deploying",
        /// A word of the engine that we do not know.
        Unknown => "unknown",
    }
);

words!(
    /// The container's own health check, a column of its own.
    Health {
        None => "none",
        Starting => "starting",
        Healthy => "healthy",
        Unhealthy => "unhealthy",
    }
);

impl State {
    /// The engine's word in ours. Total: a word that we do not know is `unknown`, never an error.
    /// Podman's own words stand beside Docker's.
    #[must_use]
    pub fn from_engine(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "created" | "configured" | "initialized" => Self::Created,
            "running" | "stopping" => Self::Running,
            "paused" => Self::Paused,
            "restarting" => Self::Restarting,
            "removing" => Self::Removing,
            "exited" | "stopped" => Self::Stopped,
            "dead" => Self::Failed,
            _ => Self::Unknown,
        }
    }

    /// Whether a process of the container exists: it runs, is paused, or is between two runs.
    #[must_use]
    pub fn is_alive(self) -> bool {
        match self {
            Self::Running | Self::Paused | Self::Restarting => true,
            Self::Created
            | Self::Removing
            | Self::Stopped
            | Self::Failed
            | Self::Missing
            | Self::Deploying
            | Self::Unknown => false,
        }
    }
}

impl Health {
    /// The engine's word in ours; absent, empty or unknown means that there is no check to speak of.
    #[must_use]
    pub fn from_engine(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "starting" => Self::Starting,
            "healthy" => Self::Healthy,
            "unhealthy" => Self::Unhealthy,
            _ => Self::None,
        }
    }
}

words!(
    /// What a workload is.
    WorkloadKind {
        Project => "project",
        Stack => "stack",
        Site => "site",
    }
);

/// A published or exposed port of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, specta::Type)]
pub struct Port {
    /// The port inside the container.
    pub container_port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// The address on the host; `null` where the port is exposed and not published.
    pub host_ip: Option<String>,
    /// The port on the host; `null` where it is not published.
    pub host_port: Option<u16>,
}

/// The facts of one inspect, normalised. The only thing that may say what a container's state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    pub container_id: ContainerId,
    /// The canonical name, without the leading slash and without the names that links add.
    pub name: String,
    /// The image as the container was asked for: a reference, or an id.
    pub image: String,
    pub image_id: String,
    pub state: State,
    pub health: Health,
    /// Meaningful once the container has ended.
    pub exit_code: Option<i64>,
    pub oom_killed: bool,
    pub restart_count: u32,
    /// The engine's own sentence on why a start failed.
    pub error: Option<String>,
    /// What the health check printed when it last ran, where there is one.
    pub probe: Option<String>,
    pub ports: Vec<Port>,
    pub labels: Labels,
    pub created_at: Timestamp,
    /// `None` for the year-1 zero time: it never started.
    pub started_at: Option<Timestamp>,
    /// `None` for the year-1 zero time: it never ended.
    pub finished_at: Option<Timestamp>,
    /// `no`, `always`, `unless-stopped`, `on-failure`.
    pub restart_policy: String,
    pub auto_remove: bool,
}

/// A container that a workload claims by our labels, as a managed-only listing tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedContainer {
    pub container_id: ContainerId,
    pub name: String,
    pub state: State,
    /// `tinyforge.workload.id`, absent where empty.
    pub workload_id: Option<String>,
    /// `tinyforge.workload.kind`, absent where empty or not a kind.
    pub workload_kind: Option<WorkloadKind>,
    /// `tinyforge.role`, absent where empty.
    pub role: Option<String>,
}

impl ManagedContainer {
    #[must_use]
    pub fn from_labels(container_id: ContainerId, name: String, state: State, of: &Labels) -> Self {
        Self {
            container_id,
            name,
            state,
            workload_id: labels::value(of, labels::WORKLOAD_ID).map(str::to_owned),
            workload_kind: labels::value(of, labels::WORKLOAD_KIND).and_then(WorkloadKind::parse),
            role: labels::value(of, labels::ROLE).map(str::to_owned),
        }
    }
}

/// The engine's timestamp. Its zero time, the year 1, means never.
#[must_use]
pub fn engine_time(text: &str) -> Option<Timestamp> {
    let time: Timestamp = text.trim().parse().ok()?;
    let never = Timestamp::UNIX_EPOCH;
    (time > never).then(|| micros(time))
}

/// The canonical one of a container's names: the only one with a single slash. Links add `/other/alias`.
#[must_use]
pub fn canonical_name<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut fallback = None;
    for name in names {
        let bare = name.strip_prefix('/').unwrap_or(name);
        if !bare.contains('/') {
            return bare.to_owned();
        }
        fallback.get_or_insert(bare);
    }
    fallback.unwrap_or_default().to_owned()
}

/// The digest a reference was pinned by (`name@sha256:…`), if it was.
#[must_use]
pub fn pinned_digest(reference: &str) -> Option<&str> {
    reference.rsplit_once('@').map(|(_, digest)| digest).filter(|d| d.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_engine_has_a_state_and_an_unknown_one_does_not_fail() {
        let cases = [
            ("created", State::Created),
            ("running", State::Running),
            ("paused", State::Paused),
            ("restarting", State::Restarting),
            ("removing", State::Removing),
            ("exited", State::Stopped),
            ("dead", State::Failed),
            ("Exited", State::Stopped),
            (" running ", State::Running),
            ("configured", State::Created),
            ("initialized", State::Created),
            ("stopped", State::Stopped),
            ("stopping", State::Running),
            ("", State::Unknown),
            ("hibernating", State::Unknown),
            ("missing", State::Unknown),
            ("deploying", State::Unknown),
        ];
        for (word, expected) in cases {
            assert_eq!(State::from_engine(word), expected, "{word:?}");
        }
    }

    #[test]
    fn our_own_words_read_back() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(*state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str(), "serde and the store agree");
        }
        for health in Health::ALL {
            assert_eq!(Health::parse(health.as_str()), Some(*health));
            assert_eq!(serde_json::to_value(health).unwrap(), health.as_str());
        }
    }

    #[test]
    fn health_is_none_unless_the_engine_says_otherwise() {
        let cases = [
            ("starting", Health::Starting),
            ("healthy", Health::Healthy),
            ("unhealthy", Health::Unhealthy),
            ("none", Health::None),
            ("", Health::None),
            ("brilliant", Health::None),
        ];
        for (word, expected) in cases {
            assert_eq!(Health::from_engine(word), expected, "{word:?}");
        }
    }

    #[test]
    fn the_year_one_means_never() {
        assert_eq!(engine_time("0001-01-01T00:00:00Z"), None);
        assert_eq!(engine_time(""), None);
        assert_eq!(engine_time("yesterday"), None);
        let t = engine_time("2026-02-03T04:05:06.123456789+02:00").unwrap();
        assert_eq!(t.to_string(), "2026-02-03T02:05:06.123456Z");
    }

    #[test]
    fn the_canonical_name_has_a_single_slash() {
        assert_eq!(canonical_name(["/a1"]), "a1");
        assert_eq!(canonical_name(["/a2/alias1", "/a1"]), "a1");
        assert_eq!(canonical_name(["a1"]), "a1");
        assert_eq!(canonical_name(["/a2/alias"]), "a2/alias");
        assert_eq!(canonical_name([]), "");
    }

    #[test]
    fn a_digest_is_read_only_where_the_reference_is_pinned() {
        assert_eq!(pinned_digest("shop:v1"), None);
        assert_eq!(pinned_digest("localhost:5000/shop@sha256:ab"), Some("sha256:ab"));
        assert_eq!(pinned_digest("odd@tag"), None);
    }

    #[test]
    fn a_managed_container_exposes_its_labels_and_takes_empty_ones_for_absent() {
        let of = |pairs: &[(&str, &str)]| -> ManagedContainer {
            let labels = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            ManagedContainer::from_labels(ContainerId::new("c"), "n".into(), State::Running, &labels)
        };
        let whole =
            of(&[(labels::WORKLOAD_ID, "w"), (labels::WORKLOAD_KIND, "stack"), (labels::ROLE, "web")]);
        assert_eq!(whole.workload_id.as_deref(), Some("w"));
        assert_eq!(whole.workload_kind, Some(WorkloadKind::Stack));
        assert_eq!(whole.role.as_deref(), Some("web"));
        let hollow = of(&[(labels::WORKLOAD_ID, ""), (labels::WORKLOAD_KIND, "castle"), (labels::ROLE, " ")]);
        assert_eq!((hollow.workload_id, hollow.workload_kind, hollow.role), (None, None, None));
    }
}
