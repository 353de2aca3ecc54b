//! The local socket between a daemon and its faces: who may open it, where it is found, and when it is dead.
//!
//! A daemon binds the socket in the runtime folder, then writes a [`Pointer`] into the data folder. A face reads the
//! pointer; without a usable one it tries where a daemon of this environment would listen. Nobody answering at either
//! means that no daemon runs: a daemon that was killed leaves both files behind, and they are taken for what they are.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[cfg(unix)]
#[path = "socket/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "socket/windows.rs"]
mod system;

pub use system::{Connection, Listener, ReadHalf, WriteHalf, bind, connect, is_ours, split};

use crate::home::Home;

/// What the data folder says about the daemon that works in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    pub socket: PathBuf,
    pub pid: u32,
    pub version: String,
    pub protocol: u32,
    pub started_at: Timestamp,
}

impl Pointer {
    /// What stands in the data folder. One that cannot be read or understood counts as absent: the socket decides.
    #[must_use]
    pub fn read(home: &Home) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(home.pointer()).ok()?).ok()
    }

    pub fn write(&self, home: &Home) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        crate::home::private::write_file(&home.pointer(), &text)
    }
}

/// Whether this failure to connect means that nobody listens, rather than that somebody may not be asked.
#[must_use]
pub fn means_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)
}

/// Whether it means that so many wait to be let in that no further one may: whoever listens has long let nobody in.
#[must_use]
pub fn means_crowd(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Removes a daemon's socket and pointer when it is dropped, so that they go whichever way the daemon ends.
#[derive(Debug)]
pub struct Presence {
    socket: PathBuf,
    pointer: PathBuf,
}

impl Presence {
    #[must_use]
    pub fn new(socket: &Path, home: &Home) -> Self {
        Self { socket: socket.to_owned(), pointer: home.pointer() }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // The pointer first: a face then sees no daemon rather than one that refuses.
        for path in [&self.pointer, &self.socket] {
            if let Err(error) = std::fs::remove_file(path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "could not take away a file of the stopped daemon");
            }
        }
    }
}
