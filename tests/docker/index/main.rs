//! The index on a real engine: every transition a container can make, every way an engine can go and come back.
//!
//! The core runs in this process on a database of its own; everything happens through Docker's command line, as
//! somebody else would do it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod engine;
mod ours;
mod relay;
mod site;
mod transitions;
mod verdicts;
