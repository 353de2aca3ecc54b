//! Secrets: what no log, no event and no face may see, and what of it may lie in the database.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that only those may know who need it. It never prints itself: whoever shows it says so by [`Secret::reveal`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Each place that calls this is one where it may leak.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A secret as it may be stored: nothing can be read from it without the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    #[must_use]
    pub fn of(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// What a secret is for. One that was sealed for one purpose cannot be opened for another, so that nobody who can write
/// the database can make us send one secret as if it were another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The address of the outgoing webhook: with many receivers it is all that authorises.
    OutgoingUrl,
    /// What the outgoing webhook signs with.
    OutgoingSecret,
}

impl Purpose {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OutgoingUrl => "outgoing url",
            Self::OutgoingSecret => "outgoing secret",
        }
    }
}

/// Where the key of all secrets lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum KeyPlace {
    /// The keyring of the user's session.
    Keyring,
    /// A file of the data folder that only its owner can read.
    File,
}

impl KeyPlace {
    pub const ALL: [Self; 2] = [Self::Keyring, Self::File];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::File => "file",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.as_str() == word)
    }
}

/// What the database knows of the key: where it lies, and how to tell it from every other. Nothing can be worked out of
/// the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    pub place: KeyPlace,
    pub check: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::new("canary-1234");
        for printed in [format!("{secret}"), format!("{secret:?}"), format!("{:?}", Some(&secret))] {
            assert!(!printed.contains("canary"), "{printed}");
        }
        assert!(!format!("{:?}", Sealed::of(b"canary".to_vec())).contains("99"), "not as numbers either");
        assert_eq!(secret.reveal(), "canary-1234");
    }
}
