//! The door to secrets: seals what must not be read in the database, and opens it again.
//!
//! *Expected flow.* The first secret that is sealed makes the key: in the keyring of the user's session where one is
//! unlocked, else in a file of the data folder that only its owner can read. The database records where, and a check that
//! tells this key from every other. From then on that place is asked, and no other.
//!
//! *Guarantees.* There is never a second key: where the recorded one is not to be had, secrets are unavailable and
//! nothing is overwritten. A key that was kept and, because the machine stopped in between, not recorded is found and
//! taken. What was sealed for one [`Purpose`] cannot be opened for another. Nobody is prompted: a keyring that is locked
//! is told as such.
//!
//! *Assumptions.* One process at a time seals: the one that holds the data folder.
//!
//! *Caveats.* Whoever reads the user's files and memory reads the secrets: the key guards copies, backups and a database
//! that is shown to somebody.

mod cipher;
mod file;
pub mod keyring;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use crate::rules::secret::{KeyPlace, KeyRecord, Purpose, Sealed, Secret};
use cipher::Key;
pub use cipher::{random_text, sign};
use keyring::{Keyring, KeyringError, Named};

/// Why a secret cannot be had. None passes by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    #[error(
        "the key of the secrets lies in the system's keyring, and {0}; unlock it (log in to the desktop) and try again"
    )]
    KeyringAway(KeyringError),
    #[error(
        "the key of the secrets is not in {place} any more; put it back as it was, for no other key opens what is sealed"
    )]
    KeyGone { place: String },
    #[error(
        "what lies in {place} is not the key of this database's secrets; put the right one back, for no other opens them"
    )]
    OtherKey { place: String },
    #[error("the key of the secrets in {place} cannot be used: {reason}")]
    KeyUnusable { place: String, reason: String },
    #[error("the database does not say where the key of the secrets lies: {0}")]
    Record(String),
    #[error("this secret cannot be opened: it is damaged, or was sealed for something else; set it anew")]
    Damaged,
    #[error("the system gives no random bytes")]
    NoRandomness,
}

/// Where it is recorded which key there is.
#[async_trait]
pub trait Ledger: Send + Sync {
    async fn key_record(&self) -> Result<Option<KeyRecord>, String>;
    /// Records it where nothing is recorded yet. Answers with what stands.
    async fn record_key(&self, record: KeyRecord) -> Result<KeyRecord, String>;
}

/// What is done where no key was ever made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhereNone {
    Make,
    Fail,
}

/// Seals and opens. Cheap to clone; all clones share the key.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    ledger: Arc<dyn Ledger>,
    folder: PathBuf,
    keyring: Option<Arc<dyn Keyring>>,
    key: Mutex<Option<Arc<Key>>>,
}

impl Vault {
    /// `folder` is the data folder; `keyring` is none where the key is to lie in a file in any case.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>, folder: &Path, keyring: Option<Arc<dyn Keyring>>) -> Self {
        let inner = Inner { ledger, folder: folder.to_owned(), keyring, key: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Makes the key where none was ever made.
    pub async fn seal(&self, secret: &Secret, purpose: Purpose) -> Result<Sealed, SecretsError> {
        self.key(WhereNone::Make).await?.seal(secret, purpose)
    }

    pub async fn open(&self, sealed: &Sealed, purpose: Purpose) -> Result<Secret, SecretsError> {
        self.key(WhereNone::Fail).await?.open(sealed, purpose)
    }

    /// Where the key lies; `None` before there is one.
    pub async fn place(&self) -> Result<Option<KeyPlace>, SecretsError> {
        let record = self.inner.ledger.key_record().await.map_err(SecretsError::Record)?;
        Ok(record.map(|record| record.place))
    }

    /// The key, asked for once; whoever comes meanwhile waits.
    async fn key(&self, where_none: WhereNone) -> Result<Arc<Key>, SecretsError> {
        let mut known = self.inner.key.lock().await;
        if let Some(key) = &*known {
            return Ok(Arc::clone(key));
        }
        let key = match where_none {
            WhereNone::Make => self.inner.known_or_made().await?,
            WhereNone::Fail => self.inner.known().await?,
        };
        let key = Arc::new(key);
        *known = Some(Arc::clone(&key));
        Ok(key)
    }
}

impl Inner {
    async fn known(&self) -> Result<Key, SecretsError> {
        match self.ledger.key_record().await.map_err(SecretsError::Record)? {
            Some(record) => self.recorded(&record).await,
            // Something is sealed, and the record of its key is gone: the file is tried, for it names no other.
            None => match self.left_behind().await? {
                Some((_, key)) => Ok(key),
                None => Err(SecretsError::KeyGone { place: self.called(KeyPlace::File) }),
            },
        }
    }

    async fn known_or_made(&self) -> Result<Key, SecretsError> {
        if let Some(record) = self.ledger.key_record().await.map_err(SecretsError::Record)? {
            return self.recorded(&record).await;
        }
        let (place, key) = match self.left_behind().await? {
            Some(found) => found,
            None => self.made().await?,
        };
        let record = KeyRecord { place, check: key.check() };
        let stands = self.ledger.record_key(record.clone()).await.map_err(SecretsError::Record)?;
        if stands == record { Ok(key) } else { self.recorded(&stands).await }
    }

    /// From the place that is recorded, and from no other.
    async fn recorded(&self, record: &KeyRecord) -> Result<Key, SecretsError> {
        let place = || self.called(record.place);
        let found = match record.place {
            KeyPlace::File => file::read(&self.folder).await?,
            KeyPlace::Keyring => self.kept_in_keyring(Some(&record.check)).await?,
        };
        let key = found.ok_or_else(|| SecretsError::KeyGone { place: place() })?;
        if key.check() == record.check { Ok(key) } else { Err(SecretsError::OtherKey { place: place() }) }
    }

    async fn kept_in_keyring(&self, check: Option<&str>) -> Result<Option<Key>, SecretsError> {
        let none = || SecretsError::KeyringAway(KeyringError("none can be asked here".to_owned()));
        let keyring = self.keyring.as_ref().ok_or_else(none)?;
        let found = keyring.look_up(&self.named(check)).await.map_err(SecretsError::KeyringAway)?;
        found.map(|text| Key::parse(text.reveal()).ok_or_else(|| self.garbled(KeyPlace::Keyring))).transpose()
    }

    /// One that was kept before it could be recorded.
    async fn left_behind(&self) -> Result<Option<(KeyPlace, Key)>, SecretsError> {
        if let Some(key) = file::read(&self.folder).await? {
            return Ok(Some((KeyPlace::File, key)));
        }
        match &self.keyring {
            Some(keyring) if keyring.is_open().await => {
                Ok(self.kept_in_keyring(None).await?.map(|key| (KeyPlace::Keyring, key)))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// A new one, kept in the keyring where that is open, else in the file.
    async fn made(&self) -> Result<(KeyPlace, Key), SecretsError> {
        let key = Key::random()?;
        if let Some(keyring) = &self.keyring
            && keyring.is_open().await
        {
            match keyring.keep(&self.named(Some(&key.check())), &key.text()).await {
                Ok(()) => return Ok((KeyPlace::Keyring, key)),
                Err(error) => tracing::warn!("the key of the secrets goes into a file, because {error}"),
            }
        }
        file::keep(&self.folder, &key).await?;
        Ok((KeyPlace::File, key))
    }

    fn named<'a>(&'a self, check: Option<&'a str>) -> Named<'a> {
        Named { folder: &self.folder, check }
    }

    fn garbled(&self, place: KeyPlace) -> SecretsError {
        SecretsError::KeyUnusable { place: self.called(place), reason: "it is no key".to_owned() }
    }

    /// The place, as a person finds it.
    fn called(&self, place: KeyPlace) -> String {
        match place {
            KeyPlace::File => file::path(&self.folder).display().to_string(),
            KeyPlace::Keyring => format!("the system's keyring (its entry {:?})", keyring::LABEL),
        }
    }
}

#[cfg(test)]
mod tests;
