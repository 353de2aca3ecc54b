//! How the index is doing, for `status`, `doctor` and the header of the window.

use std::time::Duration;

use jiff::Timestamp;

use crate::docker::{EngineError, EngineIdentity};
use crate::rules::gap::GapReason;

/// The state of the connection to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// No answer yet since the start.
    Seeking,
    Connected,
    /// Out of reach, with the reason.
    Away(EngineError),
}

/// What keeps the index from being written, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub text: String,
    pub cure: &'static str,
}

/// A snapshot; the loop sends a new one whenever something of it changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Pulse {
    pub link: Link,
    /// Since when the link is what it is.
    pub since: Timestamp,
    /// Who answers, or answered last.
    pub engine: Option<EngineIdentity>,
    /// The engine's latest answer to a ping or a first call.
    pub latency: Option<Duration>,
    pub verified_at: Option<Timestamp>,
    /// Why, and since when, nothing is verified: the gap that a pass will close and the store then record.
    pub unverified: Option<(GapReason, Timestamp)>,
    pub last_pass: Option<Duration>,
    /// Passes over this engine completed since the start.
    pub passes: u64,
    pub events: u64,
    pub divergences: u64,
    /// When the latest of them was found to be one.
    pub last_divergence: Option<Timestamp>,
    pub revision: u64,
    pub containers: u64,
    /// Containers whose inspect keeps failing; their rows stand as last known.
    pub stuck: u64,
    /// Why the engine's containers cannot be listed, while it answers and they cannot.
    pub unlisted: Option<EngineError>,
    /// Why the index cannot be written, while it cannot.
    pub store_trouble: Option<Trouble>,
}

impl Pulse {
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            link: Link::Seeking,
            since: now,
            engine: None,
            latency: None,
            verified_at: None,
            unverified: None,
            last_pass: None,
            passes: 0,
            events: 0,
            divergences: 0,
            last_divergence: None,
            revision: 0,
            containers: 0,
            stuck: 0,
            unlisted: None,
            store_trouble: None,
        }
    }

    /// Whether the first pass is through, or the engine turned out to be out of reach: nothing more is to be waited
    /// for before answering.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.passes > 0 || matches!(self.link, Link::Away(_))
    }
}
