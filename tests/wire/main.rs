//! The fake engine on the wire, and the real adapter and the whole program against it: every idiom, every way in which
//! an answer can break.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod answers;
mod earlier;
mod idioms;
mod program;
mod stream;
