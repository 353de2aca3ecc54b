//! The outgoing webhook's promises: what a receiver gets, whom it is never sent to, when it is sent again, and that its
//! secrets are found nowhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod keyring;
mod program;
mod receiver;
mod retries;
mod sending;
