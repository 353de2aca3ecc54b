//! Where everything of one user lies: the data folder, and the runtime folder with the daemon's socket.
//!
//! The data folder holds what must last; the runtime folder holds the socket, because a socket's path may have a
//! hundred bytes at most and a data folder may lie on a file system that knows no sockets. Both belong to one user
//! and are closed to everyone else. Building a [`Home`] looks at the environment and touches no file, so that a
//! command that only reads leaves no trace.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

#[cfg_attr(not(any(target_os = "macos", windows)), path = "home/linux.rs")]
#[cfg_attr(target_os = "macos", path = "home/macos.rs")]
#[cfg_attr(windows, path = "home/windows.rs")]
pub(crate) mod system;
#[cfg(unix)]
pub(crate) mod unix;

#[cfg(windows)]
pub(crate) use system as private;
#[cfg(unix)]
pub(crate) use unix as private;

/// The variable that names the data folder.
pub const VARIABLE: &str = "TINYFORGE_HOME";

/// What every folder of ours is called under the system's own.
const NAME: &str = "tinyforge";

/// The longest path a socket may have, in bytes: macOS allows 103 and a terminator, Linux 107.
const LONGEST_SOCKET_PATH: usize = 103;

/// The folders of one user's tinyforge. One daemon at a time works in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    folder: PathBuf,
    /// Where the socket may lie, the best first.
    runtime: Vec<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    #[error(
        "there is no place for tinyforge's data: neither {VARIABLE} nor a home folder is set; set {VARIABLE} to a folder of yours"
    )]
    Nowhere,
    #[error("cannot {tried} {}: {source}", path.display())]
    Io { tried: &'static str, path: PathBuf, source: io::Error },
    #[error("{} belongs to another user ({owner}), so nothing private may be kept in it; remove it or let {VARIABLE} and XDG_RUNTIME_DIR name folders of yours", path.display())]
    NotOurs { path: PathBuf, owner: u32 },
    #[error("{} is not a folder but something else (a link, a file), so nothing private may be kept in it; remove it", path.display())]
    NotAFolder { path: PathBuf },
    #[error("{} is a file, and tinyforge's data needs a folder; let {VARIABLE} name another", path.display())]
    DataIsAFile { path: PathBuf },
    #[error("{} is open to other users (mode {mode:o}); close it with: chmod 700 {}", path.display(), path.display())]
    Open { path: PathBuf, mode: u32 },
    #[error("{} is too long for a socket's path ({LONGEST_SOCKET_PATH} bytes at most); set XDG_RUNTIME_DIR to a shorter one", path.display())]
    TooLong { path: PathBuf },
}

impl Home {
    /// As the environment says: [`VARIABLE`], else the system's place for a program's data.
    pub fn from_environment() -> Result<Self, HomeError> {
        let variable = |name: &str| std::env::var_os(name);
        let folder = chosen_folder(&variable).ok_or(HomeError::Nowhere)?;
        let folder = std::path::absolute(&folder).map_err(|source| HomeError::Io {
            tried: "find",
            path: folder,
            source,
        })?;
        Ok(Self { folder, runtime: runtime_folders(&variable) })
    }

    /// With this data folder, and the runtime folder that the environment says.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), runtime: runtime_folders(&|name| std::env::var_os(name)) }
    }

    /// With both folders given: for what must not meet the user's own.
    #[must_use]
    pub fn within(folder: impl Into<PathBuf>, runtime: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), runtime: vec![runtime.into()] }
    }

    /// The data folder. It need not exist.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[must_use]
    pub fn exists(&self) -> bool {
        self.folder.is_dir()
    }

    /// Refuses what cannot be or become a data folder.
    pub fn check(&self) -> Result<(), HomeError> {
        match self.folder.exists() && !self.exists() {
            true => Err(HomeError::DataIsAFile { path: self.folder.clone() }),
            false => Ok(()),
        }
    }

    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.folder.join("tinyforge.db")
    }

    /// Held by the one daemon that works in the folder.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.folder.join("engine.lock")
    }

    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    #[must_use]
    pub fn backups(&self) -> PathBuf {
        self.folder.join("backups")
    }

    /// Says where the daemon listens, so that a face finds it whatever its own environment says.
    #[must_use]
    pub fn pointer(&self) -> PathBuf {
        self.folder.join("daemon.json")
    }

    /// Makes the data folder, closed to others. One that exists keeps its mode, but must be ours.
    pub fn create(&self) -> Result<(), HomeError> {
        private::create_folder(&self.folder)?;
        private::check_owner(&self.folder)
    }

    /// Makes a folder inside the data folder, closed to others.
    pub fn create_inside(&self, folder: &Path) -> Result<(), HomeError> {
        self.create()?;
        private::create_folder(folder)
    }

    /// The socket's path, in a folder that is made if need be and checked to be ours alone.
    pub fn prepare_socket(&self) -> Result<PathBuf, HomeError> {
        let mut refused = None;
        for folder in &self.runtime {
            match self.socket_in(folder) {
                Ok(socket) => {
                    match private::create_folder(folder).and_then(|()| private::check_private(folder)) {
                        Ok(()) => return Ok(socket),
                        Err(error) => refused = refused.or(Some(error)),
                    }
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or(HomeError::Nowhere))
    }

    /// Where a daemon of this folder may listen, the best first; none of them need exist.
    #[must_use]
    pub fn possible_sockets(&self) -> Vec<PathBuf> {
        self.runtime.iter().filter_map(|folder| self.socket_in(folder).ok()).collect()
    }

    fn socket_in(&self, runtime: &Path) -> Result<PathBuf, HomeError> {
        let path = runtime.join(self.socket_name());
        if path.as_os_str().len() > LONGEST_SOCKET_PATH {
            return Err(HomeError::TooLong { path });
        }
        Ok(path)
    }

    /// One name for each data folder however it is spelled, short whatever the folder's length.
    fn socket_name(&self) -> String {
        let one_spelling = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        format!("{:016x}.sock", fnv1a(one_spelling.as_os_str().as_encoded_bytes()))
    }
}

/// What this process creates from now on is closed to others: the database's side files, logs, backups.
pub fn create_privately() {
    private::close_to_others();
}

fn chosen_folder(variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    set(variable, VARIABLE).or_else(|| system::data_folder(variable).map(|folder| folder.join(NAME)))
}

fn runtime_folders(variable: &impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let own = set(variable, "XDG_RUNTIME_DIR").filter(|folder| folder.is_absolute());
    let shared = std::env::temp_dir().join(format!("{NAME}-{}", private::user()));
    own.filter(|folder| folder.is_dir()).map(|folder| folder.join(NAME)).into_iter().chain([shared]).collect()
}

/// A variable's path; an empty one counts as absent.
fn set(variable: &impl Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    variable(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// FNV-1a: the same in every build and version of ours, which the standard library's hash does not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_variable_wins_then_the_systems_place_then_nothing() {
        type Case = (&'static [(&'static str, &'static str)], Option<&'static str>);
        let cases: [Case; 7] = [
            (&[("TINYFORGE_HOME", "/x"), ("XDG_DATA_HOME", "/d"), ("HOME", "/h")], Some("/x")),
            (&[("TINYFORGE_HOME", ""), ("XDG_DATA_HOME", "/d"), ("HOME", "/h")], Some("/d/tinyforge")),
            (&[("XDG_DATA_HOME", ""), ("HOME", "/h")], Some("/h/.local/share/tinyforge")),
            (&[("XDG_DATA_HOME", "relative"), ("HOME", "/h")], Some("/h/.local/share/tinyforge")),
            (&[("HOME", "/h")], Some("/h/.local/share/tinyforge")),
            (&[("HOME", "")], None),
            (&[], None),
        ];
        for (pairs, expected) in cases {
            assert_eq!(chosen_folder(&variables(pairs)), expected.map(PathBuf::from), "{pairs:?}");
        }
    }

    #[test]
    fn a_runtime_folder_that_is_absent_or_relative_is_passed_over() {
        let shared = vec![std::env::temp_dir().join(format!("tinyforge-{}", private::user()))];
        assert_eq!(runtime_folders(&variables(&[("XDG_RUNTIME_DIR", "/no/such/folder")])), shared);
        assert_eq!(runtime_folders(&variables(&[("XDG_RUNTIME_DIR", "run")])), shared);
        assert_eq!(runtime_folders(&variables(&[])), shared);
    }

    #[test]
    fn looking_for_the_folder_makes_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let home = Home::within(temp.path().join("data"), temp.path().join("run"));
        assert!(!home.exists());
        assert_eq!(home.possible_sockets().len(), 1);
        assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_folder_has_one_socket_however_it_is_spelled_and_two_folders_have_two() {
        let temp = tempfile::tempdir().unwrap();
        let home = |folder: PathBuf| Home::within(folder, temp.path().join("run"));
        let plain = home(temp.path().join("a"));
        plain.create().unwrap();
        let roundabout = home(temp.path().join("a").join("..").join("a"));
        let other = home(temp.path().join("b"));
        other.create().unwrap();
        assert_eq!(plain.possible_sockets(), roundabout.possible_sockets());
        assert_ne!(plain.possible_sockets(), other.possible_sockets());
    }

    #[test]
    fn a_data_folder_of_any_length_has_a_socket() {
        let temp = tempfile::tempdir().unwrap();
        let deep = temp.path().join("a".repeat(200)).join("b".repeat(200));
        let home = Home::within(&deep, temp.path().join("run"));
        home.create().unwrap();
        assert!(home.prepare_socket().unwrap().as_os_str().len() <= LONGEST_SOCKET_PATH);
    }

    #[test]
    fn a_runtime_folder_too_long_for_a_socket_is_said() {
        let temp = tempfile::tempdir().unwrap();
        let home = Home::within(temp.path().join("data"), temp.path().join("r".repeat(120)));
        assert!(matches!(home.prepare_socket(), Err(HomeError::TooLong { .. })));
        assert!(home.possible_sockets().is_empty());
    }

    #[cfg(unix)]
    mod on_unix {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

        use super::*;

        fn mode(path: &Path) -> u32 {
            std::fs::metadata(path).unwrap().mode() & 0o777
        }

        #[test]
        fn folders_are_made_for_the_owner_only() {
            let temp = tempfile::tempdir().unwrap();
            let home = Home::within(temp.path().join("data"), temp.path().join("run"));
            home.create_inside(&home.logs()).unwrap();
            home.prepare_socket().unwrap();
            for folder in [home.folder(), &home.logs(), &temp.path().join("run")] {
                assert_eq!(mode(folder), 0o700, "{}", folder.display());
            }
        }

        #[test]
        fn a_runtime_folder_that_others_can_enter_is_refused_with_its_cure() {
            let temp = tempfile::tempdir().unwrap();
            let run = temp.path().join("run");
            std::fs::create_dir(&run).unwrap();
            std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o755)).unwrap();
            let error = Home::within(temp.path(), &run).prepare_socket().unwrap_err();
            assert!(error.to_string().contains("chmod 700"), "{error}");
        }

        #[test]
        fn a_runtime_folder_that_is_a_link_or_a_file_is_refused() {
            let temp = tempfile::tempdir().unwrap();
            let (real, link, file) =
                (temp.path().join("real"), temp.path().join("link"), temp.path().join("file"));
            std::fs::create_dir(&real).unwrap();
            std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o700)).unwrap();
            symlink(&real, &link).unwrap();
            std::fs::write(&file, "").unwrap();
            for run in [link, file] {
                let error = Home::within(temp.path(), &run).prepare_socket().unwrap_err();
                assert!(matches!(error, HomeError::NotAFolder { .. }), "{error}");
            }
        }
    }
}
