//! What the promises are checked with: stories on the fake engine, a guard around a real one, and a desktop for the
//! window.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

pub mod desktop;
pub mod engine;
pub mod notifications;
pub mod page;
pub mod sandbox;
pub mod screen;
pub mod ssh;
pub mod tray;
pub mod wire;
pub mod world;
