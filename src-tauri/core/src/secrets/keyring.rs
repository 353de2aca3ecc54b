//! The keyring of the user's session, where the system has one that we can speak to.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use crate::rules::secret::Secret;

#[cfg_attr(target_os = "linux", path = "keyring/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "keyring/none.rs")]
mod system;

/// What the entry is called where a person looks through the keyring.
pub const LABEL: &str = "Tinyforge's key";

/// Why the keyring cannot be used, as the middle of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyringError(pub String);

/// Which entry is meant.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    pub folder: &'a Path,
    /// Without it, whichever is of that folder: one whose record was lost.
    pub check: Option<&'a str>,
}

#[async_trait]
pub trait Keyring: Send + Sync {
    /// Whether something can be kept in it now without anybody being asked for anything.
    async fn is_open(&self) -> bool;
    /// `Ok(None)` only of a keyring that is open and has no such entry.
    async fn look_up(&self, named: &Named<'_>) -> Result<Option<Secret>, KeyringError>;
    async fn keep(&self, named: &Named<'_>, secret: &Secret) -> Result<(), KeyringError>;
}

/// This system's.
#[must_use]
pub fn of_the_system() -> Option<Arc<dyn Keyring>> {
    system::keyring()
}
