//! The command surface: one list of commands for every face, the shapes they answer with, and the socket that
//! carries both to a face in another process.
//!
//! [`commands`] is the list. [`shapes`] are the JSON shapes of the contract, built from domain types by [`present`].
//! [`Control`] answers in this process; [`client::Client`] asks a daemon over [`server`]'s socket. A face holds a
//! [`Face`], which is either, and cannot tell.

pub mod client;
pub mod commands;
pub mod protocol;
pub mod server;
pub mod shapes;
pub mod socket;
