//! What differs between a row and a fresh inspect, and which of it belongs into the history.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cause::Cause;

/// What the history keeps of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    State,
    Health,
    Image,
    Name,
}

/// One change, as it goes into the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub field: Field,
    /// `None` where there was nothing before.
    pub from: Option<String>,
    /// `None` where there is nothing any more.
    pub to: Option<String>,
    /// When it happened: the engine's own time where it tells one.
    pub at: Timestamp,
    pub cause: Cause,
    /// The exit code, the signal, the engine's own sentence.
    pub detail: Option<String>,
}
