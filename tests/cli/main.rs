//! The promises of the command line, on the built program: its exit codes, its one document on standard output, what
//! it leaves of a folder, and how a daemon begins and ends.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod alone;
mod daemon;
mod demo;
mod engine;
mod others;
mod output;
mod ssh;
mod usage;
