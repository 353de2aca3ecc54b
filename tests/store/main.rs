//! The database's promises: what is written stays, whole or not at all, whatever happens in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod backup;
mod damage;
mod folder;
mod index;
mod legacy;
mod migration;
mod notices;
mod past;
mod retention;
mod settings;
mod stale;
mod world;
