//! The index's promises as stories: the real reconciler and the real store on an engine that can be told to misbehave.
//! Time is tokio's paused clock; nothing here sleeps.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod acts;
mod causes;
mod health;
mod identity;
mod missing;
mod notices;
mod past;
mod quiet;
mod stale;
mod sync;
mod verdicts;
mod weather;
