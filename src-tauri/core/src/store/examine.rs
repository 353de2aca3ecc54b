//! Looks at a database's file without touching it: whose it is, how old, whether it is whole.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::error::{CONTRADICTING_PAGES, During as _, Sql, StoreError, in_our_words, is_damage};
use super::folder;
use super::migrate;

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    Absent,
    /// No table at all.
    Empty,
    /// Whole, and of this version; 0 for the earlier design's.
    Sound(u32),
    /// Whole, and of a version that we do not know.
    Newer(u32),
    Damaged(String),
}

/// Nothing is written, not even the files that SQLite keeps beside an open database. While a log lies beside the
/// file it is a part of it, so then a copy of both is examined.
pub(super) fn examine(path: &Path) -> Result<Condition, StoreError> {
    let bytes = match fs::metadata(path) {
        Ok(meta) => meta.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Condition::Absent),
        Err(error) => return Err(StoreError::folder("reading", path)(error)),
    };
    if !has_log(path) {
        return if bytes == 0 { Ok(Condition::Empty) } else { condition(path, "?immutable=1") };
    }
    if bytes == 0 {
        // SQLite would take the log for a left-over and delete it.
        return Ok(Condition::Damaged("the file is empty and its log is not".to_owned()));
    }
    let copy = copy_aside(path)?;
    condition(&copy.path().join(COPY), "")
}

const COPY: &str = "copy.db";

/// Copies the file and what lies beside it to a folder of its own, which vanishes when dropped.
pub(super) fn copy_aside(path: &Path) -> Result<tempfile::TempDir, StoreError> {
    let aside = tempfile::Builder::new()
        .prefix("tinyforge-")
        .tempdir()
        .map_err(StoreError::folder("making a folder to copy to for", path))?;
    let target = aside.path().join(COPY);
    fs::copy(path, &target).map_err(StoreError::folder("copying", path))?;
    for (suffix, companion) in folder::companions(path).filter(|(suffix, _)| *suffix != "-shm") {
        match fs::copy(&companion, folder::beside(&target, suffix)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => drop(other.map_err(StoreError::folder("copying", &companion))?),
        }
    }
    Ok(aside)
}

pub(super) fn copied(aside: &tempfile::TempDir) -> std::path::PathBuf {
    aside.path().join(COPY)
}

fn has_log(path: &Path) -> bool {
    folder::companions(path)
        .filter(|(suffix, _)| *suffix != "-shm")
        .any(|(_, companion)| fs::metadata(companion).is_ok_and(|m| m.len() > 0))
}

fn condition(path: &Path, query: &str) -> Result<Condition, StoreError> {
    match look(path, query) {
        Ok(condition) => Ok(condition),
        Err(error) if is_damage(&error) => Ok(Condition::Damaged(in_our_words(&error))),
        Err(error) => Err(error).during("examining it"),
    }
}

fn look(path: &Path, query: &str) -> Sql<Condition> {
    // Examining a copy may replay its log, which needs a connection that can write.
    let access =
        if query.is_empty() { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let flags = access | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(format!("file:{}{query}", uri_path(path)), flags)?;
    // The version first: a newer program may know checks that its file passes and we do not.
    let version = migrate::version(&db)?;
    if version > migrate::LATEST {
        return Ok(Condition::Newer(version));
    }
    if let Err(reason) = quick_check(&db)? {
        return Ok(Condition::Damaged(reason));
    }
    let tables: u32 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(if tables == 0 { Condition::Empty } else { Condition::Sound(version) })
}

/// `Err` says what is wrong with the file.
pub(super) fn quick_check(db: &Connection) -> Sql<Result<(), String>> {
    let first: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if first == "ok" {
        return Ok(Ok(()));
    }
    tracing::error!(found = first, "the database is damaged");
    Ok(Err(CONTRADICTING_PAGES.to_owned()))
}

/// The path as the part of a `file:` address.
fn uri_path(path: &Path) -> String {
    let mut text = String::new();
    for c in path.to_string_lossy().chars() {
        match c {
            '%' => text.push_str("%25"),
            '?' => text.push_str("%3f"),
            '#' => text.push_str("%23"),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_odd_characters_is_one_path() {
        assert_eq!(uri_path(Path::new("/a b/50%?#x.db")), "/a b/50%25%3f%23x.db");
    }
}
