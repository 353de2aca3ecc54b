//! What can go wrong with the database, by what was tried, each with its cure.

use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode, ffi};

/// Retryable by itself: [`StoreError::Busy`]. Needs somebody: every other.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Who holds it, as far as the lock file tells.
    #[error("another tinyforge holds {0}; stop it, or try again when it is done")]
    Locked(String),
    #[error(
        "the database {path} was written by a newer tinyforge (schema {found}; this one knows {known}): \
         nothing was changed; update tinyforge, or point TINYFORGE_HOME at another folder"
    )]
    Newer { path: String, found: u32, known: u32 },
    #[error(
        "the database was locked by another program for too long while {during}; \
         close whatever has tinyforge.db open and try again"
    )]
    Busy { during: String },
    #[error("no space is left for the database while {during}; free some and try again")]
    DiskFull { during: String },
    #[error(
        "the database may not be written while {during}: check the owner and the permissions of the data folder, \
         and that its file system is not mounted read-only"
    )]
    ReadOnly { during: String },
    #[error("the database's file could not be read or written while {during} ({reason}); check the disk")]
    Io { during: String, reason: String },
    #[error(
        "the database is damaged ({reason}, while {during}); restart tinyforge: \
         it sets the file aside and rebuilds the index"
    )]
    Damaged { during: String, reason: String },
    #[error(
        "{what} {path} failed: {source}; check the owner, the permissions and the space of the data folder"
    )]
    Folder { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error(
        "migration {migration}, statement {statement} failed: {reason}; the database was left as it was{backup}"
    )]
    Migration { migration: String, statement: usize, reason: String, backup: String },
    #[error("the database's schema is not the expected one after all migrations: {0}")]
    SchemaDiffers(String),
    #[error("the migration was interrupted before it was done; the database was left as it was")]
    Interrupted,
    #[error("there is no setting {key:?}; there are: {known}")]
    NoSuchSetting { key: String, known: String },
    #[error("{key} cannot be {value:?}: {allowed}")]
    BadSetting { key: String, value: String, allowed: String },
    #[error("no container is called {0:?}, none has that id, and the history knows none")]
    NoSuchContainer(String),
    #[error("{query:?} fits several containers: {}; give more of the id", candidates.join(", "))]
    AmbiguousContainer { query: String, candidates: Vec<String> },
    #[error("there is no backup {0:?}; `tinyforge backup list` names them")]
    NoSuchBackup(String),
    #[error("the backup {name} cannot be used: {reason}")]
    BadBackup { name: String, reason: String },
    #[error("a database in memory has no {0}")]
    InMemory(&'static str),
    /// What was asked contradicts what the index holds; nothing of it was written.
    #[error("{0}; nothing was written")]
    Conflict(String),
    #[error("the database refused {during}: {reason}")]
    Refused { during: String, reason: String },
    #[error("the database is closed")]
    Closed,
}

/// A failure of SQLite before it is said what was tried. Never leaves this folder.
pub(super) type Sql<T> = Result<T, rusqlite::Error>;

impl StoreError {
    /// What somebody can do about an index that could not be written. It is tried again in any case.
    #[must_use]
    pub fn cure(&self) -> &'static str {
        match self {
            Self::Locked(_) | Self::Busy { .. } => {
                "Close whatever has tinyforge.db open; what could not be written is tried again."
            }
            Self::DiskFull { .. } => "Free some space; what could not be written is tried again.",
            Self::ReadOnly { .. } => {
                "Check the owner and the permissions of the data folder, and that its file system is not mounted \
                 read-only; what could not be written is tried again."
            }
            Self::Io { .. } | Self::Folder { .. } => {
                "Check the disk, and the owner and the permissions of the data folder; what could not be written is \
                 tried again."
            }
            Self::Damaged { .. } => {
                "Stop the daemon and start it again: the file is set aside and rebuilt from the last backup and the \
                 engine."
            }
            Self::Closed => "Start the daemon again: it has closed its database.",
            Self::Newer { .. }
            | Self::Migration { .. }
            | Self::SchemaDiffers(_)
            | Self::Interrupted
            | Self::NoSuchSetting { .. }
            | Self::BadSetting { .. }
            | Self::NoSuchContainer(_)
            | Self::AmbiguousContainer { .. }
            | Self::NoSuchBackup(_)
            | Self::BadBackup { .. }
            | Self::InMemory(_)
            | Self::Conflict(_)
            | Self::Refused { .. } => {
                "Report what the daemon's log says: this is a fault of the program. It tries again by itself."
            }
        }
    }

    pub(super) fn folder(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Folder { what, path, source }
    }

    pub(super) fn sql(during: &str, error: rusqlite::Error) -> Self {
        let during = during.to_owned();
        let Some(code) = error.sqlite_error_code() else {
            return Self::Refused { during, reason: error.to_string() };
        };
        let reason = in_our_words(&error);
        if error.sqlite_error().is_some_and(|e| e.extended_code == ffi::SQLITE_IOERR_SHMSIZE) {
            // The log's index could not grow: so SQLite says of a full disk before there is a log to be written.
            return Self::DiskFull { during };
        }
        match code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy { during },
            ErrorCode::DiskFull => Self::DiskFull { during },
            ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => {
                Self::ReadOnly { during }
            }
            ErrorCode::SystemIoFailure => Self::Io { during, reason },
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Self::Damaged { during, reason },
            _ => Self::Refused { during, reason },
        }
    }
}

/// Says what was tried.
pub(super) trait During<T> {
    fn during(self, what: &str) -> Result<T, StoreError>;
}

impl<T> During<T> for Sql<T> {
    fn during(self, what: &str) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::sql(what, error))
    }
}

/// What is wrong with the file or its disk. What is neither is a fault of the program, told as SQLite tells it.
pub(super) fn in_our_words(error: &rusqlite::Error) -> String {
    let extended = error.sqlite_error().map_or(0, |e| e.extended_code);
    let words = match (error.sqlite_error_code(), extended) {
        (Some(ErrorCode::DatabaseCorrupt), _) => CONTRADICTING_PAGES,
        (Some(ErrorCode::NotADatabase), _) => "the file is no database",
        (Some(ErrorCode::SystemIoFailure), ffi::SQLITE_IOERR_READ) => "reading failed",
        (Some(ErrorCode::SystemIoFailure), ffi::SQLITE_IOERR_SHORT_READ) => "the file ends too early",
        (Some(ErrorCode::SystemIoFailure), ffi::SQLITE_IOERR_WRITE) => "writing failed",
        (Some(ErrorCode::SystemIoFailure), ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) => {
            "what was written did not reach the disk"
        }
        (Some(ErrorCode::SystemIoFailure), _) => "the disk failed",
        _ => return error.to_string(),
    };
    words.to_owned()
}

/// What a check of a damaged file comes down to, whichever page it names.
pub(super) const CONTRADICTING_PAGES: &str = "its pages contradict each other";

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_weather_has_its_own_error_and_cure() {
        let of =
            |code| StoreError::sql("trying", rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
        assert!(matches!(of(ffi::SQLITE_BUSY), StoreError::Busy { .. }));
        assert!(matches!(of(ffi::SQLITE_FULL), StoreError::DiskFull { .. }));
        assert!(matches!(of(ffi::SQLITE_IOERR_SHMSIZE), StoreError::DiskFull { .. }));
        assert!(matches!(of(ffi::SQLITE_READONLY), StoreError::ReadOnly { .. }));
        assert!(matches!(of(ffi::SQLITE_CANTOPEN), StoreError::ReadOnly { .. }));
        assert!(matches!(of(ffi::SQLITE_IOERR_FSYNC), StoreError::Io { .. }));
        assert!(matches!(of(ffi::SQLITE_CORRUPT), StoreError::Damaged { .. }));
        assert!(matches!(of(ffi::SQLITE_NOTADB), StoreError::Damaged { .. }));
        assert!(matches!(of(ffi::SQLITE_CONSTRAINT), StoreError::Refused { .. }));
        for code in
            [ffi::SQLITE_BUSY, ffi::SQLITE_FULL, ffi::SQLITE_READONLY, ffi::SQLITE_IOERR, ffi::SQLITE_CORRUPT]
        {
            let text = of(code).to_string();
            assert!(
                text.contains("while trying") && text.contains(';') || text.contains(": check"),
                "{text}"
            );
        }
    }

    /// As a full disk does: the page that is needed cannot be had.
    #[test]
    fn a_database_that_cannot_grow_says_that_no_space_is_left() {
        let db = super::super::connection::in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (x); PRAGMA max_page_count = 4").unwrap();
        let error = db.execute("INSERT INTO t VALUES (zeroblob(100000))", []).during("writing").unwrap_err();
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    }
}
