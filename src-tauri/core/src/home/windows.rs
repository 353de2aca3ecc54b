//! Windows's place for a program's data. It lies in the user's profile, which the system closes to others, so that
//! nothing needs to be closed or checked here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::HomeError;

pub fn data_folder(variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    super::set(variable, "APPDATA")
}

pub fn user() -> String {
    std::env::var("USERNAME").unwrap_or_default()
}

pub fn close_to_others() {}

pub fn create_folder(path: &Path) -> Result<(), HomeError> {
    std::fs::create_dir_all(path).map_err(|source| HomeError::Io {
        tried: "make",
        path: path.to_owned(),
        source,
    })
}

pub fn check_owner(_path: &Path) -> Result<(), HomeError> {
    Ok(())
}

pub fn check_private(_path: &Path) -> Result<(), HomeError> {
    Ok(())
}

pub fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::write(path, bytes)
}
