//! Who or what brought a change about.

use serde::{Deserialize, Serialize};

/// The cause of a change, as far as there is evidence for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An operation of ours.
    Own,
    /// Someone else's act on the engine: `docker stop`, `docker rm`, `docker run`.
    Foreign,
    /// Compose, at work on one of its projects.
    Compose,
    /// The program ended by itself, or its own health check changed its mind.
    Exit,
    /// The kernel killed it for want of memory.
    Oom,
    /// The engine stopped, started or restarted.
    EngineRestart,
    /// It happened while the machine slept or we were frozen.
    Sleep,
    /// The evidence was lost.
    Unknown,
}
