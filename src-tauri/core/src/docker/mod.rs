//! The door to the engine, in our own types.
//!
//! [`Engine`] is what the core may ask of an engine. [`bollard`] is the only place that speaks Docker's protocol;
//! [`fake`] is a world of containers that moves, for tests and for the demo. Every call has a deadline; every error
//! says what was tried; nothing here decides.

mod answers;
pub mod bollard;
pub mod deadline;
pub mod discover;
pub mod endpoint;
pub mod fake;
pub mod seeking;
mod wire;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::Stream;
use jiff::Timestamp;

use crate::rules::container::{Health, ManagedContainer, Observed, State};
use crate::rules::disk::{Holdings, Usage};
use crate::rules::ids::{ContainerId, EngineId};
use crate::rules::labels::Labels;

pub type SharedEngine = Arc<dyn Engine>;

/// What the core may ask of an engine.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Where this door leads, for messages: `unix:///var/run/docker.sock`.
    fn endpoint(&self) -> String;

    /// Who answers. The first call of every connection, and the one that tells another engine behind the same socket.
    async fn identify(&self) -> Result<EngineIdentity, EngineError>;

    /// A sign of life, as cheap as the engine has one.
    async fn ping(&self) -> Result<(), EngineError>;

    /// Every container in any state. Lags behind events by up to 600 ms: it only says which rows to inspect.
    async fn list(&self) -> Result<Vec<Listed>, EngineError>;

    /// Only those labelled `tinyforge.managed=true`.
    async fn list_managed(&self) -> Result<Vec<ManagedContainer>, EngineError>;

    /// The truth about one container. `Ok(None)` is the engine's 404 and certain.
    async fn inspect(&self, id: &ContainerId) -> Result<Option<Observed>, EngineError>;

    /// All that the engine tells of one container, word for word: a JSON document, with the environment and whatever
    /// else a row leaves out. `Ok(None)` is the engine's 404 and certain.
    async fn inspect_whole(&self, id: &ContainerId) -> Result<Option<String>, EngineError>;

    /// The last lines that the container's program wrote, both of its streams as they came, oldest first; bytes that are
    /// no text are replaced. Refused where the container's log driver keeps nothing to read.
    async fn logs(&self, id: &ContainerId, lines: u32) -> Result<Vec<String>, EngineError>;

    /// What the engine's images and volumes take on its disk. It measures them for the answer, which may take long.
    async fn usage(&self) -> Result<Usage, EngineError>;

    /// What one container holds, its writable layer measured. `Ok(None)` is the engine's 404 and certain.
    async fn holdings(&self, id: &ContainerId) -> Result<Option<Holdings>, EngineError>;

    /// Subscribes to the container events that can change a row, from `since` on. The stream ends with an error or
    /// without one when the connection ends; both mean the same.
    async fn events(&self, since: Timestamp) -> Result<EventStream, EngineError>;

    async fn start(&self, id: &ContainerId) -> Result<(), EngineError>;

    /// Stops with the container's own grace; `grace` overrides it. The deadline of the call is beyond either.
    async fn stop(&self, id: &ContainerId, grace: Option<Duration>) -> Result<(), EngineError>;

    async fn restart(&self, id: &ContainerId, grace: Option<Duration>) -> Result<(), EngineError>;
}

pub type EventStream = Pin<Box<dyn Stream<Item = Result<EngineEvent, EngineError>> + Send>>;

/// Who answers behind an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineIdentity {
    /// Stable: `/info` ID for Docker; for Podman, whose id is new at every call, endpoint and graph root.
    pub id: EngineId,
    pub dialect: Dialect,
    /// The engine's own version: `20.10.24`.
    pub version: String,
    /// The newest API it speaks: `1.41`.
    pub api_version: String,
    /// The engine's clock, for `since`; absent where it does not say.
    pub system_time: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Docker,
    Podman,
}

/// One line of a listing: enough to see whether a row needs an inspect, never enough to write one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub container_id: ContainerId,
    pub name: String,
    pub image: String,
    pub state: State,
    /// From the `Health` field, or read off the status text of engines before API 1.52.
    pub health: Health,
}

/// A line of the event stream. Says which container to look at; its facts are evidence for a cause only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEvent {
    pub container_id: ContainerId,
    pub action: Action,
    /// The engine's time of it.
    pub at: Timestamp,
    /// The event's attributes, labels among them: `signal`, `exitCode`, `name`, `oldName`.
    pub attributes: Labels,
}

/// What an event says was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    Create,
    Start,
    /// A signal was sent; see the `signal` attribute.
    Kill,
    Die,
    Stop,
    Restart,
    Pause,
    Unpause,
    Oom,
    Rename,
    Update,
    Destroy,
    HealthStatus(Health),
    /// It was connected to a network or disconnected: the only sign of a start that failed.
    Network,
    /// Podman's additions and whatever comes later: the container is looked at all the same.
    Other(String),
}

/// Why a call to the engine failed, by what the caller can do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No socket, or nothing listens on it. Retryable: engines come and go.
    #[error("no engine answers at {endpoint}: {detail}")]
    Absent { endpoint: String, detail: String },
    /// The socket is there and this user may not use it. Not retryable without a change outside.
    #[error("permission denied at {endpoint}: {detail}")]
    Denied { endpoint: String, detail: String },
    /// It accepted and did not answer within the deadline. Retryable.
    #[error("{tried}: no answer from {endpoint} within {} s", deadline.as_secs())]
    Hung { endpoint: String, tried: String, deadline: Duration },
    /// The connection broke under the call; whether it took effect is not known. Retryable after a look.
    #[error("{tried}: the connection to {endpoint} broke: {detail}")]
    Broken { endpoint: String, tried: String, detail: String },
    /// The thing the call named does not exist (404).
    #[error("{tried}: {detail}")]
    NotFound { tried: String, detail: String },
    /// The engine refused: a conflict, a taken port, a bad argument.
    #[error("{tried}: the engine refused ({status}): {detail}")]
    Refused { tried: String, status: u16, detail: String },
    /// An answer that cannot be read. Retryable, and worth a report.
    #[error("{tried}: an answer that cannot be read: {detail}")]
    Garbled { tried: String, detail: String },
    /// The endpoint's configuration is not usable: a context that does not exist, an unknown scheme.
    #[error("{0}")]
    Endpoint(String),
}

impl EngineError {
    /// Whether what was asked cannot have had an effect: nobody was there to be asked.
    #[must_use]
    pub fn never_reached_it(&self) -> bool {
        match self {
            Self::Absent { .. } | Self::Denied { .. } | Self::Endpoint(_) => true,
            Self::Hung { .. }
            | Self::Broken { .. }
            | Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::Garbled { .. } => false,
        }
    }

    /// Whether the engine itself is out of reach, as against a call that it turned down.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            Self::Absent { .. }
            | Self::Denied { .. }
            | Self::Hung { .. }
            | Self::Broken { .. }
            | Self::Endpoint(_) => true,
            Self::NotFound { .. } | Self::Refused { .. } | Self::Garbled { .. } => false,
        }
    }

    /// What the user can do about it, in one sentence.
    #[must_use]
    pub fn cure(&self) -> &'static str {
        match self {
            Self::Absent { .. } => {
                "Start the engine (`sudo systemctl start docker`, or Docker Desktop), or point DOCKER_HOST at one that runs."
            }
            Self::Denied { .. } => {
                "Join the group that owns the socket (`ls -l` shows it; for Docker `sudo usermod -aG docker $USER`, then log in again), or use a rootless engine."
            }
            Self::Hung { .. } => {
                "The engine accepts and does not answer: look at its log (`journalctl -u docker`) or restart it."
            }
            Self::Broken { .. } => "It may be restarting; it is asked again by itself.",
            Self::NotFound { .. } => "It is gone; look at what there is with `tinyforge ps --all`.",
            Self::Refused { .. } => "The engine's own words say why; mend that and try again.",
            Self::Garbled { .. } => {
                "Check that the endpoint is a Docker or Podman API of version 1.41 or newer."
            }
            Self::Endpoint(_) => "Set DOCKER_HOST or choose a context that exists (`docker context ls`).",
        }
    }
}

/// Attributes by name, for tests and stories.
#[must_use]
pub fn attributes<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    BTreeMap::from(pairs.map(|(k, v)| (k.to_owned(), v.to_owned())))
}
