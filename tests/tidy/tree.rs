//! The files of the checkout, or made-up ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Path from the root, with forward slashes → text. Files that are not text are left out.
pub struct Tree {
    files: BTreeMap<String, String>,
    root: Option<PathBuf>,
}

/// What is generated, fetched or built, by its path from the root.
const LEFT_OUT: [&str; 8] = [
    ".git",
    "target",
    "ui/node_modules",
    "ui/dist",
    "src-tauri/gen",
    "Cargo.lock",
    "ui/package-lock.json",
    "tests/tidy",
];

impl Tree {
    pub fn of_the_checkout() -> Self {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the checkout").to_owned();
        let mut files = BTreeMap::new();
        read(&root, &root, &mut files);
        assert!(files.contains_key("Cargo.toml"), "{} is not the checkout", root.display());
        Self { files, root: Some(root) }
    }

    pub fn made_up(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Self { files, root: None }
    }

    /// Where the checkout lies; a made-up tree lies nowhere.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Files below a folder with one of the endings.
    pub fn below(&self, folder: &str, endings: &[&str]) -> impl Iterator<Item = (&str, &str)> {
        self.all().filter(move |(path, _)| {
            path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
                && endings.iter().any(|ending| path.ends_with(ending))
        })
    }
}

/// A module in a file of its own that is compiled for tests only.
pub fn is_test_module(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.ends_with("_tests.rs") || path.contains("/tests/")
}

fn read(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let from_root = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        if LEFT_OUT.contains(&from_root.as_str()) || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            read(root, &path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            files.insert(from_root, text);
        }
    }
}
