//! Where Linux, and every other system that follows the XDG rules, keeps a program's data.

use std::ffi::OsString;
use std::path::PathBuf;

pub fn data_folder(variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let chosen = super::set(variable, "XDG_DATA_HOME").filter(|folder| folder.is_absolute());
    chosen.or_else(|| super::set(variable, "HOME").map(|home| home.join(".local/share")))
}
