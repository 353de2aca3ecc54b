//! The command list, one function for each entry: a body passes the question on and hands the answer back.

pub mod backups;
pub mod containers;
pub mod health;
pub mod notices;
pub mod outgoing;
pub mod settings;
pub mod stale;
pub mod window;
