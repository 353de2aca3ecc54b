//! What is done about a damaged file, and how a copy takes the database's place.
//!
//! A copy is laid beside the database under a name of its own, whole and on the disk, before anything is moved. From
//! then on every step is one rename, and a start after a crash between two of them finds the copy and goes on. The
//! damaged file's log is moved before the file: a log must never lie beside a file that is not its own.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::backups::{self, Backup};
use super::error::StoreError;
use super::examine::{Condition, examine};
use super::folder::{self, Folder};
use super::migrate::LATEST;

/// What became of a damaged database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rescued {
    pub(super) set_aside: PathBuf,
    /// `None`: no copy could be used, so the index starts empty and the engine fills it.
    pub(super) from: Option<Backup>,
}

/// Finishes what a crash left half done: a whole copy without a database takes its place.
pub(super) fn finish(folder: &Folder) -> Result<(), StoreError> {
    let (incoming, database) = (folder.incoming(), folder.database());
    if !incoming.exists() {
        return Ok(());
    }
    if database.exists() {
        return folder::remove_if_there(&incoming);
    }
    folder::rename_durably(&incoming, &database)
}

/// Sets the damaged file aside, with all that lies beside it, and puts the last good copy in its place.
pub(super) fn rescue(folder: &Folder, now: Timestamp) -> Result<Rescued, StoreError> {
    let good = newest_good(folder)?;
    if let Some((_, path)) = &good {
        lay_beside(path, folder)?;
    }
    let set_aside = set_aside(folder, now)?;
    finish(folder)?;
    Ok(Rescued { set_aside, from: good.map(|(backup, _)| backup) })
}

/// The newest copy that can be used.
pub(super) fn newest_good(folder: &Folder) -> Result<Option<(Backup, PathBuf)>, StoreError> {
    for backup in backups::list(folder)? {
        let path = folder.backups().join(&backup.name);
        if usable(&path).is_ok() {
            return Ok(Some((backup, path)));
        }
    }
    Ok(None)
}

/// `Err` says why a copy cannot be used.
pub(super) fn usable(path: &Path) -> Result<(), String> {
    match examine(path) {
        Ok(Condition::Sound(_)) => Ok(()),
        Ok(Condition::Absent | Condition::Empty) => Err("it is empty".to_owned()),
        Ok(Condition::Newer(found)) => {
            Err(format!("a newer tinyforge made it (schema {found}; this one knows {LATEST})"))
        }
        Ok(Condition::Damaged(reason)) => Err(format!("it is damaged: {reason}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Copies a file to where it waits to become the database.
pub(super) fn lay_beside(copy: &Path, folder: &Folder) -> Result<(), StoreError> {
    let unfinished = folder::beside(&folder.incoming(), ".unfinished");
    folder::copy_durably(copy, &unfinished)?;
    folder::rename_durably(&unfinished, &folder.incoming())
}

/// Renames the database and what lies beside it. Returns the file's new path.
pub(super) fn set_aside(folder: &Folder, now: Timestamp) -> Result<PathBuf, StoreError> {
    let database = folder.database();
    let aside = free_path(&database, now);
    for (suffix, companion) in folder::companions(&database) {
        folder::rename_durably(&companion, &folder::beside(&aside, suffix))?;
    }
    folder::rename_durably(&database, &aside)?;
    Ok(aside)
}

fn free_path(database: &Path, now: Timestamp) -> PathBuf {
    let named = folder::beside(database, &format!(".damaged-{}", folder::name_of_time(now)));
    let numbered = (2..).map(|n| folder::beside(&named, &format!("-{n}")));
    std::iter::once(named.clone()).chain(numbered).find(|path| !path.exists()).unwrap_or(named)
}
