//! Brings a data folder to where the store can work on it, and says what it found and did.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;

use super::backups::{self, Backup, BackupReason};
use super::error::{During as _, Sql, StoreError};
use super::event_log::{self, Happening};
use super::examine::{self, Condition, examine};
use super::folder::{self, Folder, Lock};
use super::migrate::{self, LATEST, Watch};
use super::{connection, rescue, settings};

/// What was found and done when the database was opened. Empty for an ordinary start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenReport {
    pub notes: Vec<OpenNote>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenNote {
    /// The file was damaged; the index goes on from a copy, or from nothing and the engine.
    Rebuilt {
        reason: String,
        set_aside: PathBuf,
        from: Option<String>,
    },
    /// Found by a command that only observes: the next daemon sets it aside.
    Damaged {
        reason: String,
        from: Option<String>,
    },
    Migrated {
        from: u32,
        to: u32,
        backup: Option<String>,
    },
}

impl OpenReport {
    /// Whether the database was found damaged.
    #[must_use]
    pub fn was_damaged(&self) -> bool {
        self.notes.iter().any(|note| match note {
            OpenNote::Rebuilt { .. } | OpenNote::Damaged { .. } => true,
            OpenNote::Migrated { .. } => false,
        })
    }

    /// Whether the file is damaged still: a command that only observes sets nothing aside.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.notes.iter().any(|note| matches!(note, OpenNote::Damaged { .. }))
    }
}

impl fmt::Display for OpenNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rebuilt { reason, set_aside, from } => {
                write!(
                    f,
                    "the database was damaged ({reason}); it was set aside as {}, ",
                    set_aside.display()
                )?;
                write_source(f, from.as_deref())
            }
            Self::Damaged { reason, from } => {
                write!(
                    f,
                    "the database is damaged ({reason}); `tinyforge serve` will set it aside; for now, "
                )?;
                write_source(f, from.as_deref())
            }
            Self::Migrated { from: 0, to, backup } => {
                write!(f, "the earlier design's database was carried over to schema {to}")?;
                write_backup(f, backup.as_deref())
            }
            Self::Migrated { from, to, backup } => {
                write!(f, "the database was brought from schema {from} to {to}")?;
                write_backup(f, backup.as_deref())
            }
        }
    }
}

fn write_source(f: &mut fmt::Formatter<'_>, from: Option<&str>) -> fmt::Result {
    match from {
        Some(name) => write!(f, "the copy {name} took its place and the engine completes it"),
        None => write!(f, "no copy could be used, and the index is built anew from the engine"),
    }
}

fn write_backup(f: &mut fmt::Formatter<'_>, backup: Option<&str>) -> fmt::Result {
    backup.map_or(Ok(()), |name| write!(f, "; as it was, it is kept as {name}"))
}

/// A folder that is ours to write.
pub(super) struct Opened {
    pub(super) lock: Lock,
    pub(super) folder: Folder,
    pub(super) writer: Connection,
    pub(super) report: OpenReport,
}

/// Lock, look, rescue, back up, migrate: in this order, so that a folder of someone else's or of a newer program is
/// left as it was.
pub(super) fn open(home: &Path, now: Timestamp, watch: Watch<'_>) -> Result<Opened, StoreError> {
    let folder = Folder::prepare(home)?;
    let lock = Lock::take(&folder)?;
    rescue::finish(&folder)?;
    let mut report = OpenReport::default();
    let mut condition = examine_ours(&folder)?;
    if let Condition::Damaged(reason) = condition {
        let rescued = rescue::rescue(&folder, now)?;
        tracing::error!(reason, set_aside = %rescued.set_aside.display(), "the database was damaged");
        let from = rescued.from.map(|backup| backup.name);
        report.notes.push(OpenNote::Rebuilt { reason, set_aside: rescued.set_aside, from });
        condition = examine(&folder.database())?;
    }
    if let Condition::Newer(found) = condition {
        return Err(newer(&folder, found));
    }
    let database = folder.database();
    drop(folder::private_file(&database)?);
    let mut writer = connection::writer(&database)?;
    if let Some(note) = bring_up(&mut writer, &folder, &condition, now, watch)? {
        report.notes.push(note);
    }
    record_rebuilding(&writer, &report, now).during("writing the event log")?;
    Ok(Opened { lock, folder, writer, report })
}

/// A migration is on record in its own table; a rebuilding is only here.
fn record_rebuilding(db: &Connection, report: &OpenReport, now: Timestamp) -> Sql<()> {
    let rebuilt = |note: &&OpenNote| matches!(note, OpenNote::Rebuilt { .. });
    for note in report.notes.iter().filter(rebuilt) {
        let happening = Happening {
            at: now,
            kind: "database_rebuilt".to_owned(),
            subject: "tinyforge.db".to_owned(),
            text: note.to_string(),
            detail: BTreeMap::new(),
        };
        event_log::append(db, &happening)?;
    }
    Ok(())
}

/// A file without a byte is a new one, unless copies say that there was something in it.
fn examine_ours(folder: &Folder) -> Result<Condition, StoreError> {
    let database = folder.database();
    let condition = examine(&database)?;
    let bytes = std::fs::metadata(&database).map_or(0, |m| m.len());
    if condition == Condition::Empty && bytes == 0 && !backups::list(folder)?.is_empty() {
        return Ok(Condition::Damaged("the file is empty and was not before".to_owned()));
    }
    Ok(condition)
}

/// Migrates, after a copy where there is something to lose.
fn bring_up(
    writer: &mut Connection,
    folder: &Folder,
    condition: &Condition,
    now: Timestamp,
    watch: Watch<'_>,
) -> Result<Option<OpenNote>, StoreError> {
    let Condition::Sound(from) = *condition else {
        migrate::run(writer, LATEST, now, watch)?;
        return Ok(None);
    };
    if migrate::is_current(writer).during("reading which migrations were applied")? {
        return Ok(None);
    }
    let keep = migrate_keep(writer);
    let backup = backups::make(writer, folder, BackupReason::BeforeMigration, keep, now)?;
    match migrate::run(writer, LATEST, now, watch) {
        Ok(_) => Ok(Some(OpenNote::Migrated { from, to: LATEST, backup: Some(backup.name) })),
        Err(StoreError::Migration { migration, statement, reason, .. }) => {
            let backup = format!(" and is also kept as {}", backup.name);
            Err(StoreError::Migration { migration, statement, reason, backup })
        }
        Err(other) => Err(other),
    }
}

/// How many copies to keep, also of a database whose settings cannot be read yet.
fn migrate_keep(db: &Connection) -> u32 {
    settings::typed(db).map_or(settings::BACKUPS_KEPT, |s| s.backup_keep)
}

fn newer(folder: &Folder, found: u32) -> StoreError {
    StoreError::Newer { path: folder.database().display().to_string(), found, known: LATEST }
}

/// How often a copy is tried while somebody writes.
const COPY_TRIES: u32 = 20;

/// Between two tries; longer than a commit takes.
const COPY_PAUSE: std::time::Duration = std::time::Duration::from_millis(25);

/// A copy in memory of what a folder holds. Nothing in the folder is made, written or locked.
pub(super) fn observe(home: &Path, now: Timestamp) -> Result<(Connection, OpenReport), StoreError> {
    let folder = Folder::at(home);
    let mut report = OpenReport::default();
    let mut copy = connection::in_memory()?;
    let Some(aside) = quiet_copy(&folder.database())? else {
        migrate::run(&mut copy, LATEST, now, &mut migrate::unwatched)?;
        return Ok((copy, report));
    };
    let copied = examine::copied(&aside);
    match examine(&copied)? {
        Condition::Absent | Condition::Empty => {}
        Condition::Sound(_) => load(&copied, &mut copy)?,
        Condition::Newer(found) => return Err(newer(&folder, found)),
        Condition::Damaged(reason) => {
            let good = rescue::newest_good(&folder)?;
            if let Some((_, path)) = &good {
                load(path, &mut copy)?;
            }
            report.notes.push(OpenNote::Damaged { reason, from: good.map(|(backup, _)| backup.name) });
        }
    }
    migrate::run(&mut copy, LATEST, now, &mut migrate::unwatched)?;
    Ok((copy, report))
}

/// A copy during which nobody wrote; `None` where there is no database.
fn quiet_copy(database: &Path) -> Result<Option<tempfile::TempDir>, StoreError> {
    for _ in 0..COPY_TRIES {
        if !database.exists() {
            return Ok(None);
        }
        let before = Stamp::of(database);
        let aside = examine::copy_aside(database);
        match aside {
            Ok(aside) if before == Stamp::of(database) => return Ok(Some(aside)),
            Ok(_) => {}
            Err(StoreError::Folder { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        std::thread::sleep(COPY_PAUSE);
    }
    Err(StoreError::Busy { during: "copying it to look at it".to_owned() })
}

/// What tells that a file was written: its size and time, and the log's.
#[derive(PartialEq, Eq)]
struct Stamp(Vec<(PathBuf, u64, Option<std::time::SystemTime>)>);

impl Stamp {
    fn of(database: &Path) -> Self {
        let companions = folder::companions(database).map(|(_, path)| path).filter(|p| !is_shared_memory(p));
        let files = std::iter::once(database.to_owned()).chain(companions);
        let stamp = |path: PathBuf| {
            let meta = std::fs::metadata(&path).ok();
            let bytes = meta.as_ref().map_or(0, std::fs::Metadata::len);
            (path, bytes, meta.and_then(|m| m.modified().ok()))
        };
        Self(files.map(stamp).collect())
    }
}

/// The log's index changes with every reader.
fn is_shared_memory(path: &Path) -> bool {
    path.to_string_lossy().ends_with("-shm")
}

fn load(file: &Path, memory: &mut Connection) -> Result<(), StoreError> {
    const ALL_PAGES: std::ffi::c_int = -1;
    let mut copy = || -> Sql<()> {
        let source = Connection::open(file)?;
        rusqlite::backup::Backup::new(&source, memory)?.step(ALL_PAGES)?;
        Ok(())
    };
    copy().during("reading a copy into memory")
}

/// Puts a copy in the place of the database, which is itself copied first. For a folder without a daemon.
pub(super) fn restore(home: &Path, name: &str, now: Timestamp) -> Result<Backup, StoreError> {
    let folder = Folder::prepare(home)?;
    let _lock = Lock::take(&folder)?;
    rescue::finish(&folder)?;
    let (backup, path) = backups::find(&folder, name)?;
    rescue::usable(&path).map_err(|reason| StoreError::BadBackup { name: backup.name.clone(), reason })?;
    // Laid beside first: making room for the copy of the present one must not take this one away.
    rescue::lay_beside(&path, &folder)?;
    match examine(&folder.database())? {
        Condition::Absent => {}
        Condition::Damaged(_) => drop(rescue::set_aside(&folder, now)?),
        Condition::Newer(found) => {
            folder::remove_if_there(&folder.incoming())?;
            return Err(newer(&folder, found));
        }
        Condition::Empty | Condition::Sound(_) => replace(&folder, now)?,
    }
    rescue::finish(&folder)?;
    Ok(backup)
}

/// Copies the present database, closes its log into it, and takes it away.
fn replace(folder: &Folder, now: Timestamp) -> Result<(), StoreError> {
    let database = folder.database();
    let writer = connection::writer(&database)?;
    backups::make(&writer, folder, BackupReason::BeforeRestore, migrate_keep(&writer), now)?;
    writer.close().map_err(|(_, error)| StoreError::sql("closing it to restore another", error))?;
    folder::rename_durably(&folder.incoming(), &database)
}
