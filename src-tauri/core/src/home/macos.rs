//! macOS's place for a program's data.

use std::ffi::OsString;
use std::path::PathBuf;

pub fn data_folder(variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    super::set(variable, "HOME").map(|home| home.join("Library/Application Support"))
}
