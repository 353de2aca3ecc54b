//! What the promises are checked with: stories on the fake engine, and a guard around a real one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod engine;
pub mod sandbox;
pub mod ssh;
pub mod wire;
pub mod world;
