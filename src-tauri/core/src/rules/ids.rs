//! Identities. Each is text, and none can be taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// The engine's id of a container: the whole of it, never the short form.
    ContainerId
);
id!(
    /// Which engine a row belongs to: `/info` ID for Docker, endpoint and graph root for Podman.
    EngineId
);
id!(
    /// The primary key of a row in `containers`.
    RowId
);
id!(
    /// The primary key of a row in `workloads`.
    WorkloadId
);

impl ContainerId {
    /// Whether a text can be a whole id: 64 hexadecimal digits, as every engine writes them.
    #[must_use]
    pub fn is_whole(text: &str) -> bool {
        text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// The first twelve characters, as Docker prints them.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}
