//! Another user on this machine: nothing is shown to them and nothing done for them.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::{Gid, Uid};

use harness::sandbox::{Sandbox, program};

const NOBODY: u32 = 65_534;

/// The program where everybody may run it.
fn for_everybody(folder: &Path) -> std::path::PathBuf {
    let copy = folder.join("tinyforge");
    std::fs::copy(program(), &copy).unwrap();
    open(folder, 0o755);
    open(&copy, 0o755);
    copy
}

fn open(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Code and standard error of the same command as another user.
fn as_nobody(program: &Path, of: &Command) -> (Option<i32>, String) {
    let mut command = Command::new(program);
    command.args(of.get_args()).env_clear().stdin(Stdio::null()).uid(NOBODY).gid(NOBODY);
    command.envs(of.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().unwrap();
    assert!(output.stdout.is_empty(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!told.contains("panicked"), "{told}");
    (output.status.code(), told)
}

#[test]
fn another_user_is_turned_away_and_told_so() {
    let sandbox = Sandbox::used();
    let _daemon = sandbox.serve(&[]);
    let public = tempfile::tempdir().unwrap();
    let program = for_everybody(public.path());
    for args in [
        &["status"][..],
        &["ps", "--all", "--json"],
        &["verify"],
        &["settings", "set", "stale_threshold_days", "1"],
        &["stop", "web"],
    ] {
        let (code, told) = as_nobody(&program, &sandbox.command(args));
        assert_eq!(code, Some(1), "{args:?}: {told}");
        assert!(told.contains("it opens only for its owner"), "{args:?}: {told}");
    }
    for args in [&["serve"][..], &["backup", "restore", "x"]] {
        let (code, told) = as_nobody(&program, &sandbox.command(args));
        assert_eq!(code, Some(1), "{args:?}: {told}");
        assert!(
            told.contains("belongs to another user") || told.contains("ermission denied"),
            "{args:?}: {told}"
        );
    }
    sandbox.run(&["settings", "get", "stale_threshold_days"]).exits(0).says("9");
}

#[test]
fn also_where_every_door_was_left_open_each_side_looks_who_the_other_is() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.serve(&[]);
    let run = sandbox.path().join("run");
    open(sandbox.path(), 0o755);
    open(&run, 0o755);
    let socket = std::fs::read_dir(run.join("tinyforge")).unwrap().next().unwrap().unwrap().path();
    open(&run.join("tinyforge"), 0o755);
    open(&socket, 0o666);

    let public = tempfile::tempdir().unwrap();
    let program = for_everybody(public.path());
    let (code, told) = as_nobody(&program, &sandbox.command(&["status"]));
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("belongs to another user; nothing was sent"), "{told}");

    // A program that does not look, as one of somebody else's would not.
    let heard = thread::spawn(move || {
        rustix::thread::set_thread_res_gid(
            Gid::from_raw(NOBODY),
            Gid::from_raw(NOBODY),
            Gid::from_raw(NOBODY),
        )
        .unwrap();
        rustix::thread::set_thread_res_uid(
            Uid::from_raw(NOBODY),
            Uid::from_raw(NOBODY),
            Uid::from_raw(NOBODY),
        )
        .unwrap();
        let mut heard = String::new();
        UnixStream::connect(&socket).unwrap().read_to_string(&mut heard).unwrap();
        heard
    });
    let heard = heard.join().unwrap();
    assert!(heard.contains("serves only processes of the user"), "{heard}");
    assert!(!heard.contains("hello") && heard.lines().count() == 1, "and says nothing else: {heard}");
}
