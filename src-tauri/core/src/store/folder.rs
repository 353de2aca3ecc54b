//! The data folder: its files, their permissions, and the lock that lets one daemon write.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::error::StoreError;

const DATABASE: &str = "tinyforge.db";
const LOCK: &str = "engine.lock";
const BACKUPS: &str = "backups";

/// What SQLite keeps beside a database: its write-ahead log, the log's index, and an older mode's journal.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// The data folder by its parts.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    home: PathBuf,
}

impl Folder {
    pub(super) fn at(home: &Path) -> Self {
        Self { home: home.to_owned() }
    }

    /// Makes what is missing, for the owner only.
    pub(super) fn prepare(home: &Path) -> Result<Self, StoreError> {
        make_private(home)?;
        Ok(Self::at(home))
    }

    pub(super) fn database(&self) -> PathBuf {
        self.home.join(DATABASE)
    }

    /// A whole copy that is about to take the database's place; see [`super::rescue`].
    pub(super) fn incoming(&self) -> PathBuf {
        self.home.join("tinyforge.db.incoming")
    }

    pub(super) fn backups(&self) -> PathBuf {
        self.home.join(BACKUPS)
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.home.join(LOCK)
    }
}

/// Held by the one daemon of a data folder. Given up when dropped, or with the process, whatever way it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Never waits.
    pub(super) fn take(folder: &Folder) -> Result<Self, StoreError> {
        let path = folder.lock();
        let mut file = private(OpenOptions::new().read(true).write(true).create(true).truncate(false))
            .open(&path)
            .map_err(StoreError::folder("opening", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked(holder(folder, &mut file))),
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::Folder { what: "locking", path, source });
            }
        }
        let mut write = || -> std::io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write().map_err(StoreError::folder("writing", &path))?;
        Ok(Self { _file: file })
    }
}

fn holder(folder: &Folder, file: &mut File) -> String {
    let mut text = String::new();
    let home = folder.home.display();
    match file.read_to_string(&mut text).map(|_| text.trim().parse::<u32>()) {
        Ok(Ok(pid)) => format!("{home} (process {pid})"),
        _ => home.to_string(),
    }
}

/// A folder only its owner can enter. One that others share, such as `/tmp`, keeps its permissions.
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(StoreError::folder("making the folder", path))?;
    tighten(path, 0o700)
}

/// A file only its owner can read, made empty where it is absent. SQLite gives its companions the same permissions.
pub(super) fn private_file(path: &Path) -> Result<File, StoreError> {
    let file = private(OpenOptions::new().read(true).write(true).create(true).truncate(false))
        .open(path)
        .map_err(StoreError::folder("making", path))?;
    tighten(path, 0o600)?;
    Ok(file)
}

#[cfg(unix)]
fn tighten(path: &Path, mode: u32) -> Result<(), StoreError> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    const STICKY: u32 = 0o1000;
    let meta = fs::metadata(path).map_err(StoreError::folder("reading the permissions of", path))?;
    let ours = meta.uid() == rustix::process::geteuid().as_raw();
    if meta.mode() & 0o077 == 0 || meta.mode() & STICKY != 0 || !ours {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(StoreError::folder("setting the permissions of", path))
}

#[cfg(not(unix))]
fn tighten(_path: &Path, _mode: u32) -> Result<(), StoreError> {
    Ok(())
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// The file's name with something behind it.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The companions of `database` that are there.
pub(super) fn companions(database: &Path) -> impl Iterator<Item = (&'static str, PathBuf)> {
    COMPANIONS.into_iter().map(|suffix| (suffix, beside(database, suffix))).filter(|(_, path)| path.exists())
}

/// Copies the bytes to a new private file and waits until they are on the disk.
pub(super) fn copy_durably(from: &Path, to: &Path) -> Result<(), StoreError> {
    let mut source = File::open(from).map_err(StoreError::folder("reading", from))?;
    let mut target = private_file(to)?;
    let mut copy = || -> std::io::Result<()> {
        target.set_len(0)?;
        std::io::copy(&mut source, &mut target)?;
        target.sync_all()
    };
    copy().map_err(StoreError::folder("copying to", to))
}

/// Renames, and waits until the folder's entry is on the disk.
pub(super) fn rename_durably(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(StoreError::folder("renaming", from))?;
    sync_parent(to)
}

fn sync_parent(path: &Path) -> Result<(), StoreError> {
    // Windows cannot open a folder as a file; its renames are journaled.
    if cfg!(unix)
        && let Some(parent) = path.parent()
    {
        File::open(parent).and_then(|d| d.sync_all()).map_err(StoreError::folder("syncing", parent))?;
    }
    Ok(())
}

pub(super) fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(StoreError::folder("removing", path)),
    }
}

/// A time as part of a file's name: sorts, and every file system takes it.
pub(super) fn name_of_time(t: Timestamp) -> String {
    crate::rules::time::text(t).replace([':', '-'], "")
}

/// What a database occupies, its companions included.
pub(super) fn bytes(database: &Path) -> u64 {
    let files = std::iter::once(database.to_owned()).chain(companions(database).map(|(_, path)| path));
    files.map(|path| fs::metadata(path).map_or(0, |meta| meta.len())).sum()
}
