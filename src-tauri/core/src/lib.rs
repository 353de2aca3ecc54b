//! Tinyforge's core: the exact, journaled index of the local Docker engine, and what is decided upon it.
//!
//! ```text
//! Docker ──events+list──▶ reconcile ──plan──▶ store ──after commit──▶ events ──▶ control's shapes ──▶ faces
//! face ──command──▶ app ──▶ Docker          (what Docker then does comes back on the upper line)
//! ```
//!
//! Reading order: [`rules`] (what is decided, pure), [`docker`] and [`store`] (the doors), [`reconcile`]
//! (the actor that keeps the index true), [`app`] (builds, starts and stops all of them in order),
//! [`control`] (what a face may ask, and the shapes it gets).

pub mod app;
pub mod clock;
pub mod control;
pub mod docker;
pub mod events;
pub mod home;
pub mod jobs;
pub mod notify;
pub mod reconcile;
pub mod rules;
pub mod secrets;
pub mod store;

/// The program's version, as `status` and the handshake between faces and daemon say it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
