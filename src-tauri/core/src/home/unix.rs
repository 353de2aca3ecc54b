//! Folders and files that only their owner can open, by owner and mode.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::Mode;

use super::HomeError;

const OWNER_ONLY_FOLDER: u32 = 0o700;
const OWNER_ONLY_FILE: u32 = 0o600;
const OF_OTHERS: u32 = 0o077;

pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

pub fn close_to_others() {
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
}

pub fn create_folder(path: &Path) -> Result<(), HomeError> {
    DirBuilder::new().recursive(true).mode(OWNER_ONLY_FOLDER).create(path).map_err(|source| {
        match source.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                HomeError::NotAFolder { path: path.to_owned() }
            }
            _ => HomeError::Io { tried: "make", path: path.to_owned(), source },
        }
    })
}

pub fn check_owner(path: &Path) -> Result<(), HomeError> {
    let facts = std::fs::metadata(path).map_err(unreadable(path))?;
    if facts.uid() == user() {
        Ok(())
    } else {
        Err(HomeError::NotOurs { path: path.to_owned(), owner: facts.uid() })
    }
}

/// In a folder that everyone may write to, such as the system's temporary one, another user can be first to make
/// what we are looking for: it must be a real folder, ours, and closed.
pub fn check_private(path: &Path) -> Result<(), HomeError> {
    let facts = std::fs::symlink_metadata(path).map_err(unreadable(path))?;
    if !facts.is_dir() {
        return Err(HomeError::NotAFolder { path: path.to_owned() });
    }
    if facts.uid() != user() {
        return Err(HomeError::NotOurs { path: path.to_owned(), owner: facts.uid() });
    }
    let mode = facts.mode() & 0o777;
    if mode & OF_OTHERS != 0 {
        return Err(HomeError::Open { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Written beside and renamed, so that a reader finds the old or the new and never a part.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(OWNER_ONLY_FILE).open(&beside)?;
    file.set_permissions(Permissions::from_mode(OWNER_ONLY_FILE))?;
    file.write_all(bytes)?;
    std::fs::rename(&beside, path)
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> HomeError {
    let path = path.to_owned();
    move |source| HomeError::Io { tried: "look at", path, source }
}
