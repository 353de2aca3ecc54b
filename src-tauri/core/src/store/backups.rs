//! Copies of the database: whole, checked before use, the newest few of each kind kept.
//!
//! A copy's name says all there is to know of it (when, of which schema, why), so that listing opens no file. It
//! takes its name only when all of it is on the disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, ToSpan as _};
use rusqlite::Connection;

use super::error::{During as _, StoreError};
use super::event_log::Happening;
use super::folder::{self, Folder};
use super::{connection, migrate};

/// A copy of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The file's name in the folder `backups`.
    pub name: String,
    pub created_at: Timestamp,
    pub bytes: u64,
    pub schema_version: u32,
    pub reason: BackupReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupReason {
    Daily,
    BeforeMigration,
    BeforeRestore,
    Manual,
}

impl BackupReason {
    pub const ALL: &'static [Self] = &[Self::Daily, Self::BeforeMigration, Self::BeforeRestore, Self::Manual];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::BeforeMigration => "before-migration",
            Self::BeforeRestore => "before-restore",
            Self::Manual => "manual",
        }
    }
}

/// How old the newest copy may be before another one is due.
const DAY_HOURS: i64 = 24;

const PREFIX: &str = "tinyforge-";
const SUFFIX: &str = ".db";

/// Copies the database through `source`, which need not be able to write, and keeps the newest `keep` copies of its kind.
pub(super) fn make(
    source: &Connection,
    folder: &Folder,
    reason: BackupReason,
    keep: u32,
    now: Timestamp,
) -> Result<Backup, StoreError> {
    let backups = folder.backups();
    folder::make_private(&backups)?;
    let version = migrate::version(source).during("reading the schema's version")?;
    let (name, created_at) = free_name(&backups, reason, version, now);
    let path = backups.join(&name);
    let unfinished = folder::beside(&path, ".unfinished");
    let copied = copy_whole(source, &unfinished).and_then(|()| folder::rename_durably(&unfinished, &path));
    if let Err(error) = copied {
        let _ = folder::remove_if_there(&unfinished);
        return Err(error);
    }
    prune(folder, reason, keep)?;
    Ok(Backup { name, created_at, bytes: size(&path), schema_version: version, reason })
}

fn copy_whole(source: &Connection, target: &Path) -> Result<(), StoreError> {
    // SQLite fills an empty file that is there: so it has our permissions from the first byte on.
    folder::remove_if_there(target)?;
    drop(folder::private_file(target)?);
    let text = target.to_string_lossy();
    source.execute("VACUUM INTO ?1", [text.as_ref()]).during("copying the database")?;
    let file = folder::private_file(target)?;
    file.sync_all().map_err(StoreError::folder("syncing", target))
}

/// Newest first. What is not called like a copy is none.
pub(super) fn list(folder: &Folder) -> Result<Vec<Backup>, StoreError> {
    let path = folder.backups();
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::folder("listing", &path)(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(StoreError::folder("listing", &path))?;
        if let Some((created_at, schema_version, reason)) = entry.file_name().to_str().and_then(parse) {
            let name = entry.file_name().to_string_lossy().into_owned();
            found.push(Backup { name, created_at, bytes: size(&entry.path()), schema_version, reason });
        }
    }
    found.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.name.cmp(&a.name)));
    Ok(found)
}

/// Whether the newest copy is a day old, or there is none. A clock set back does not hold the next one off.
pub(super) fn is_due(folder: &Folder, now: Timestamp) -> Result<bool, StoreError> {
    let newest = list(folder)?.into_iter().map(|b| b.created_at).find(|at| *at <= now);
    Ok(newest.is_none_or(|at| at.saturating_add(DAY_HOURS.hours()).is_ok_and(|due| due <= now)))
}

/// The path of a copy, by its name or its name without the ending.
pub(super) fn find(folder: &Folder, name: &str) -> Result<(Backup, PathBuf), StoreError> {
    let wanted = |backup: &Backup| backup.name == name || backup.name.strip_suffix(SUFFIX) == Some(name);
    let backup = list(folder)?.into_iter().find(wanted);
    let backup = backup.ok_or_else(|| StoreError::NoSuchBackup(name.to_owned()))?;
    let path = folder.backups().join(&backup.name);
    Ok((backup, path))
}

/// Copies of one kind give way to newer ones of that kind only: what somebody asked for does not go because days pass.
fn prune(folder: &Folder, reason: BackupReason, keep: u32) -> Result<(), StoreError> {
    let keep = usize::try_from(keep.max(1)).unwrap_or(usize::MAX);
    for old in list(folder)?.into_iter().filter(|copy| copy.reason == reason).skip(keep) {
        folder::remove_if_there(&folder.backups().join(old.name))?;
    }
    Ok(())
}

/// Copies keep their order also when two are made in one microsecond.
fn free_name(backups: &Path, reason: BackupReason, version: u32, now: Timestamp) -> (String, Timestamp) {
    let mut at = crate::rules::time::micros(now);
    loop {
        let time = folder::name_of_time(at);
        let name = format!("{PREFIX}{time}-v{version}-{}{SUFFIX}", reason.as_str());
        let taken = backups.join(&name).exists();
        match at.checked_add(1.microsecond()) {
            Ok(next) if taken => at = next,
            _ => return (name, at),
        }
    }
}

fn parse(name: &str) -> Option<(Timestamp, u32, BackupReason)> {
    let (time, rest) = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.split_once("-v")?;
    let (version, reason) = rest.split_once('-')?;
    let reason = BackupReason::ALL.iter().copied().find(|r| r.as_str() == reason)?;
    Some((crate::rules::time::parse(time)?, version.parse().ok()?, reason))
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |m| m.len())
}

/// What the event log says of a copy.
pub(super) fn happening(backup: &Backup, now: Timestamp) -> Happening {
    Happening {
        at: now,
        kind: "backup".to_owned(),
        subject: backup.name.clone(),
        text: format!("the database was copied to {} ({} bytes)", backup.name, backup.bytes),
        detail: BTreeMap::from([("reason".to_owned(), backup.reason.as_str().to_owned())]),
    }
}

/// Opens the database only to copy it.
pub(super) fn source(path: &Path) -> Result<Connection, StoreError> {
    connection::only_reading(path).during("opening the database to copy it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_when_of_which_schema_and_why() {
        let now: Timestamp = "2026-02-03T04:05:06.000007Z".parse().unwrap();
        for reason in BackupReason::ALL {
            let (name, at) = free_name(Path::new("/nowhere"), *reason, 2, now);
            assert_eq!(parse(&name), Some((now, 2, *reason)), "{name}");
            assert_eq!(at, now);
        }
        for other in ["", "tinyforge-.db", "tinyforge-20260203T040506Z-v2-daily.db.unfinished", "notes.txt"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
