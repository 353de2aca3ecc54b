//! What the window needs of the system, looked for before the libraries that would panic without it.

use std::fmt;

/// What is not there, and the cure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    Display { tried: String },
    TrayLibrary,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Display { tried } => write!(
                f,
                "no screen to draw on: {tried}. Start it inside a graphical session, or run `tinyforge serve`, \
                 which needs none."
            ),
            Self::TrayLibrary => write!(
                f,
                "the library for the tray icon is not installed (libayatana-appindicator3.so.1). On Debian and \
                 Ubuntu: apt install libayatana-appindicator3-1. Or run `tinyforge serve`, which needs no tray."
            ),
        }
    }
}

impl std::error::Error for Missing {}

/// Nothing to look for: the system's own libraries are always there.
#[cfg(not(target_os = "linux"))]
pub fn check() -> Result<(), Missing> {
    Ok(())
}

#[cfg(target_os = "linux")]
pub use linux::check;

#[cfg(target_os = "linux")]
mod linux {
    use std::env;
    use std::path::Path;

    use super::Missing;

    /// The names under which the tray's library is loaded, in the order in which it is looked for.
    const TRAY_LIBRARIES: [&str; 2] = ["libayatana-appindicator3.so.1", "libappindicator3.so.1"];
    /// The dynamic linker's own index of every library it finds by name.
    const LINKER_CACHE: &str = "/etc/ld.so.cache";

    pub fn check() -> Result<(), Missing> {
        gtk::init().map_err(|_| Missing::Display { tried: display_words() })?;
        if tray_library_is_there() { Ok(()) } else { Err(Missing::TrayLibrary) }
    }

    fn display_words() -> String {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        match (set("WAYLAND_DISPLAY"), set("DISPLAY")) {
            (None, None) => "neither DISPLAY nor WAYLAND_DISPLAY is set".to_owned(),
            (Some(wayland), None) => format!("WAYLAND_DISPLAY={wayland} does not answer"),
            (None, Some(x11)) => format!("DISPLAY={x11} does not answer"),
            (Some(wayland), Some(x11)) => {
                format!("neither WAYLAND_DISPLAY={wayland} nor DISPLAY={x11} answers")
            }
        }
    }

    fn tray_library_is_there() -> bool {
        in_search_path(&env::var("LD_LIBRARY_PATH").unwrap_or_default())
            || std::fs::read(LINKER_CACHE).map_or(true, |cache| names_tray_library(&cache))
    }

    fn in_search_path(search_path: &str) -> bool {
        search_path
            .split(':')
            .filter(|dir| !dir.is_empty())
            .any(|dir| TRAY_LIBRARIES.iter().any(|library| Path::new(dir).join(library).exists()))
    }

    /// A system without that index finds its libraries by other means, and is believed.
    fn names_tray_library(cache: &[u8]) -> bool {
        TRAY_LIBRARIES
            .iter()
            .any(|library| cache.windows(library.len()).any(|window| window == library.as_bytes()))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_tray_library_is_found_by_its_name_in_the_linkers_index() {
            assert!(names_tray_library(b"glibc-ld.so.cache1.1\0libayatana-appindicator3.so.1\0/usr/lib/\0"));
            assert!(names_tray_library(b"\0libappindicator3.so.1\0"));
            assert!(!names_tray_library(b"\0libgtk-3.so.0\0"));
            assert!(!names_tray_library(b""));
        }

        #[test]
        fn a_library_beside_the_program_counts() {
            let dir = tempfile::tempdir().unwrap();
            assert!(!in_search_path(&format!(":{}", dir.path().display())));
            std::fs::write(dir.path().join(TRAY_LIBRARIES[0]), b"").unwrap();
            assert!(in_search_path(&format!("/nowhere:{}", dir.path().display())));
        }
    }
}
