//! Whether the engine that a caller means is the one that the daemon watches.

use std::fmt;

use super::shapes::{ApiError, ErrorCode, Status};
use crate::docker::discover::Environment;
use crate::docker::endpoint::Endpoint;
use crate::docker::fake::Demo;
use crate::home;

/// Where the engine is that a caller names by `DOCKER_HOST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meant {
    endpoint: String,
}

impl Meant {
    /// `None` where this process's environment leaves it to the daemon.
    #[must_use]
    pub fn by_this_process() -> Option<Self> {
        let host = Environment::of_process().docker_host?;
        Some(Self { endpoint: read(&host) })
    }

    /// What differs, if anything does. Who asks a demo means the demo, whatever else the environment says.
    #[must_use]
    pub fn elsewhere(self, daemon: &Status) -> Option<Elsewhere> {
        let watched = read(&daemon.engine.endpoint);
        let differs = self.endpoint != watched && !Demo::is_at(&watched);
        differs.then_some(Elsewhere { meant: self.endpoint, watched, pid: daemon.pid })
    }
}

/// `DOCKER_HOST` says one engine, and the daemon that answers watches another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    meant: String,
    watched: String,
    pid: Option<u32>,
}

impl Elsewhere {
    /// An act is not done on an engine that was not meant.
    #[must_use]
    pub fn refusal(&self) -> ApiError {
        let message = format!(
            "{self}, so nothing was done. Unset DOCKER_HOST to act on the engine that is watched; to act on the other, \
             end the daemon and start it with this DOCKER_HOST, or give it a data folder of its own with {}",
            home::VARIABLE
        );
        ApiError::new(ErrorCode::Conflict, message)
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { meant, watched, pid } = self;
        let which = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
        write!(f, "DOCKER_HOST names {meant}, and the daemon{which} watches {watched}")
    }
}

/// The same engine is written in several ways; what cannot be read stands as it is.
fn read(text: &str) -> String {
    Endpoint::parse(text).map_or_else(|_| text.to_owned(), |endpoint| endpoint.to_string())
}
