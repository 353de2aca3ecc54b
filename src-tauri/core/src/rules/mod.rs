//! What is decided, without any means to act: no IO, no clock, no SQL, no engine, no logging.
//!
//! Facts and `now` come in, a decision goes out. Everything here is tested by tables.

pub mod attention;
pub mod cause;
pub mod container;
pub mod course;
pub mod diff;
pub mod disk;
pub mod dispatch;
pub mod gap;
pub mod ids;
pub mod labels;
pub mod missing;
pub mod notice;
pub mod outgoing;
pub mod pace;
pub mod plan;
pub mod planted;
pub mod retention;
pub mod row;
pub mod secret;
pub mod stale;
pub mod text;
pub mod time;
pub mod verdict;
pub mod volley;
