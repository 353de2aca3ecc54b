//! How WebKit brings the page to the screen where there is no graphics processor.
//!
//! Its usual way hands over the processor's own buffers. Without one a software stand-in fills them, and everything a
//! user waits for takes twice as long and more: the first paint, the answer to a click, a change on the engine. Told
//! to go through plain memory instead, it spares the stand-in and its memory. WebKit takes this from its environment
//! only, and a program cannot safely change its own once it runs: so it starts anew, in its own place.

/// Set by us or by the user, whose word counts.
#[cfg(target_os = "linux")]
const PLAIN_MEMORY: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";

/// Nothing to choose: the system's own web view knows its machine.
#[cfg(not(target_os = "linux"))]
pub fn choose() {}

#[cfg(target_os = "linux")]
pub use linux::choose;

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::OsStr;
    use std::os::unix::process::CommandExt as _;
    use std::path::Path;
    use std::process::Command;

    use super::PLAIN_MEMORY;

    /// Where the kernel shows graphics processors, and how it names what can draw for a program without owning a screen.
    const DEVICES: &str = "/dev/dri";
    const DRAWS: &str = "renderD";

    /// Comes back where nothing needs to be changed, or cannot be: the window then only draws slower.
    pub fn choose() {
        let users = std::env::var_os(PLAIN_MEMORY);
        if !plain_memory_is_better(users.as_deref(), Path::new(DEVICES)) {
            return;
        }
        let mut args = std::env::args_os();
        let (Ok(program), Some(name)) = (std::env::current_exe(), args.next()) else { return };
        let failed = Command::new(program).arg0(name).args(args).env(PLAIN_MEMORY, "1").exec();
        eprintln!("tinyforge: the window draws the slow way: it could not be started anew: {failed}");
    }

    fn plain_memory_is_better(users: Option<&OsStr>, devices: &Path) -> bool {
        let draws = |name: &OsStr| name.to_string_lossy().starts_with(DRAWS);
        users.is_none()
            && !std::fs::read_dir(devices)
                .is_ok_and(|found| found.flatten().any(|device| draws(&device.file_name())))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn plain_memory_is_chosen_only_where_nothing_draws_and_the_user_said_nothing() {
            let devices = tempfile::tempdir().unwrap();
            let nowhere = devices.path().join("nowhere");
            assert!(plain_memory_is_better(None, &nowhere), "a machine without graphics");
            std::fs::write(devices.path().join("card0"), b"").unwrap();
            assert!(plain_memory_is_better(None, devices.path()), "a screen alone draws nothing");
            std::fs::write(devices.path().join("renderD128"), b"").unwrap();
            assert!(!plain_memory_is_better(None, devices.path()));
            for said in ["0", "1", ""] {
                assert!(
                    !plain_memory_is_better(Some(OsStr::new(said)), &nowhere),
                    "{said:?} is the user's word"
                );
            }
        }
    }
}
