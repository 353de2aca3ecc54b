//! What a container of the fake world is made of.

use std::time::Duration;

use crate::rules::container::WorkloadKind;
use crate::rules::labels::{self, Labels};

/// What to create: only the name matters to most stories, so everything else has a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Empty: the engine makes one up, as Docker does.
    pub name: String,
    pub image: String,
    pub image_id: String,
    pub labels: Labels,
    /// Ports published on `127.0.0.1` at a host port that is dealt anew at every start.
    pub published: Vec<u16>,
    /// Ports that are exposed and not published.
    pub exposed: Vec<u16>,
    pub restart: RestartPolicy,
    pub auto_remove: bool,
    /// Whether the image has a HEALTHCHECK: health is `starting` after every start.
    pub health_check: bool,
    pub on_term: OnTerm,
    /// What its image takes, and how much of that other images have too.
    pub image_bytes: u64,
    pub image_shared_bytes: u64,
    /// What it has written outside of its volumes.
    pub writable_bytes: u64,
    /// The volumes it mounts, each with what lies in it. A volume of a name is one, whoever mounts it.
    pub volumes: Vec<(String, u64)>,
    /// The engine's sentence, if starting it fails. The container then stays `created`.
    pub start_error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartPolicy {
    No,
    Always,
    UnlessStopped,
    OnFailure,
}

/// What the program does with a SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnTerm {
    /// Ends, with this code: 143 from the bare signal, 0 from a tidy program.
    Exit(i64),
    /// Goes on, until the grace is over and SIGKILL ends it with 137.
    Ignore,
}

impl OnTerm {
    #[must_use]
    pub(super) fn exit_code(self) -> i64 {
        match self {
            Self::Exit(code) => code,
            Self::Ignore => 137,
        }
    }
}

impl RestartPolicy {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
            Self::OnFailure => "on-failure",
        }
    }

    /// Whether a program that ended by itself is started again.
    #[must_use]
    pub(super) fn revives(self, exit_code: i64) -> bool {
        match self {
            Self::No => false,
            Self::Always | Self::UnlessStopped => true,
            Self::OnFailure => exit_code != 0,
        }
    }

    /// Whether an engine that boots starts it.
    #[must_use]
    pub(super) fn starts_at_boot(self, ran_at_the_end: bool, exit_code: i64) -> bool {
        match self {
            Self::No => false,
            Self::Always => true,
            Self::UnlessStopped => ran_at_the_end,
            Self::OnFailure => ran_at_the_end && exit_code != 0,
        }
    }
}

impl Spec {
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            image: "busybox:1".to_owned(),
            image_id: "sha256:1111111111111111111111111111111111111111111111111111111111111111".to_owned(),
            labels: Labels::new(),
            published: Vec::new(),
            exposed: Vec::new(),
            restart: RestartPolicy::No,
            auto_remove: false,
            health_check: false,
            on_term: OnTerm::Exit(143),
            start_error: None,
            image_bytes: 2_000_000,
            image_shared_bytes: 0,
            writable_bytes: 0,
            volumes: Vec::new(),
        }
    }

    #[must_use]
    pub fn image(mut self, reference: &str) -> Self {
        reference.clone_into(&mut self.image);
        self
    }

    /// An image of its own: its id, its size, and how much of that other images have too.
    #[must_use]
    pub fn image_of(mut self, reference: &str, id: &str, bytes: u64, shared_bytes: u64) -> Self {
        reference.clone_into(&mut self.image);
        id.clone_into(&mut self.image_id);
        self.image_bytes = bytes;
        self.image_shared_bytes = shared_bytes;
        self
    }

    #[must_use]
    pub fn writes(mut self, bytes: u64) -> Self {
        self.writable_bytes = bytes;
        self
    }

    #[must_use]
    pub fn volume(mut self, name: &str, bytes: u64) -> Self {
        self.volumes.push((name.to_owned(), bytes));
        self
    }

    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// All four of our labels.
    #[must_use]
    pub fn managed(self, workload: &str, kind: WorkloadKind, role: &str) -> Self {
        self.label(labels::MANAGED, "true")
            .label(labels::WORKLOAD_ID, workload)
            .label(labels::WORKLOAD_KIND, kind.as_str())
            .label(labels::ROLE, role)
    }

    /// The labels of a service of a compose project.
    #[must_use]
    pub fn compose(self, project: &str, service: &str) -> Self {
        self.label(labels::COMPOSE_PROJECT, project).label(labels::COMPOSE_SERVICE, service)
    }

    #[must_use]
    pub fn publish(mut self, port: u16) -> Self {
        self.published.push(port);
        self
    }

    #[must_use]
    pub fn expose(mut self, port: u16) -> Self {
        self.exposed.push(port);
        self
    }

    #[must_use]
    pub fn restart(mut self, policy: RestartPolicy) -> Self {
        self.restart = policy;
        self
    }

    #[must_use]
    pub fn auto_remove(mut self) -> Self {
        self.auto_remove = true;
        self
    }

    #[must_use]
    pub fn health_check(mut self) -> Self {
        self.health_check = true;
        self
    }

    #[must_use]
    pub fn on_term(mut self, what: OnTerm) -> Self {
        self.on_term = what;
        self
    }

    #[must_use]
    pub fn fails_to_start(mut self, sentence: &str) -> Self {
        self.start_error = Some(sentence.to_owned());
        self
    }
}

/// The measured defects of engines and connections, each as a parameter. The default is fair weather: every event
/// comes once and in order, lists are current, calls take no time.
#[derive(Debug, Clone, PartialEq)]
pub struct Weather {
    /// After `die`, `pause` and `unpause` a listing says the old state for up to this long (measured: 0–600 ms).
    pub list_lag: Duration,
    /// Every call takes this long: half before the engine looks, half before the answer arrives.
    pub latency: Duration,
    /// An event reaches its reader up to this much later.
    pub event_delay: Duration,
    /// Delayed events overtake one another.
    pub event_shuffle: bool,
    /// The share of events that come twice, from 0 to 1.
    pub event_duplicates: f64,
    /// The share of events that never come, from 0 to 1.
    pub event_losses: f64,
    /// How many undelivered events a reader may have before further ones are silently dropped.
    pub reader_capacity: usize,
    /// A stop says `stop` before `die`, as engines of version 26 often do (20.10 never does).
    pub stop_before_die: bool,
    /// Whether `since` replays the ring (with live-restore it returns nothing).
    pub replays: bool,
    /// How long connections hang while the engine restarts (measured: about 10 s).
    pub restart_takes: Duration,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            list_lag: Duration::ZERO,
            latency: Duration::ZERO,
            event_delay: Duration::ZERO,
            event_shuffle: false,
            event_duplicates: 0.0,
            event_losses: 0.0,
            reader_capacity: usize::MAX,
            stop_before_die: false,
            replays: true,
            restart_takes: Duration::from_secs(10),
        }
    }
}

impl Weather {
    /// What was measured on a real engine under load, events kept.
    #[must_use]
    pub fn measured() -> Self {
        Self {
            list_lag: Duration::from_millis(600),
            latency: Duration::from_millis(1),
            event_delay: Duration::from_millis(4),
            reader_capacity: 1024,
            ..Self::default()
        }
    }

    /// Everything at once, events lost, doubled and out of order.
    #[must_use]
    pub fn foul() -> Self {
        Self {
            event_delay: Duration::from_millis(200),
            event_shuffle: true,
            event_duplicates: 0.2,
            event_losses: 0.2,
            latency: Duration::from_millis(20),
            ..Self::measured()
        }
    }
}
