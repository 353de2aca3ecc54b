//! The n-th call to the system on the database's files fails, for n = 1, 2, 3 … until a whole life of the daemon passes
//! without: a start, a change on the engine, a setting, a copy, an orderly end.
//!
//! `strace` makes the calls fail. It counts for each thread: the n-th call of whoever opens the database and of whoever
//! writes to it afterwards.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::engine::{IMAGE, RealEngine};
use harness::sandbox::{Running, Sandbox};
use rustix::process::Signal;

use super::ground::{HEALED, is_equal, is_intact, nothing_panicked, state_of, within};
use super::{beside, soaks};

/// What `make test` tries; `make soak` tries every n.
const CHOSEN: [u32; 9] = [1, 2, 3, 5, 8, 13, 21, 34, 55];

#[test]
fn the_nth_write_fails() {
    every_nth("pwrite64", "EIO");
}

#[test]
fn the_nth_write_finds_no_space() {
    every_nth("pwrite64", "ENOSPC");
}

#[test]
fn the_nth_sync_fails() {
    every_nth("fsync,fdatasync", "EIO");
}

#[test]
fn the_nth_opening_fails() {
    every_nth("openat", "EIO");
}

#[test]
fn the_nth_read_fails() {
    every_nth("pread64", "EIO");
}

#[test]
fn the_nth_cut_or_removal_of_a_file_fails() {
    every_nth("ftruncate,unlink", "EIO");
}

fn every_nth(calls: &str, error: &str) {
    let _machine = beside();
    let engine = RealEngine::start();
    engine.create(&["--name", "web-0", IMAGE]);
    let life = Life { engine, used: a_used_folder() };
    let mut tried = vec![];
    let mut ns: Box<dyn Iterator<Item = u32>> =
        if soaks() { Box::new(1..) } else { Box::new(CHOSEN.into_iter()) };
    let all = loop {
        let Some(n) = ns.next() else { break false };
        if !life.fails_at(n, calls, error) {
            break true;
        }
        tried.push(n);
    };
    assert!(!tried.is_empty(), "no {calls} was made to fail");
    assert!(all || !soaks());
    let end = if all { "a life passed without" } else { "later ones are left to the soak" };
    eprintln!("{calls} failed with {error} at n = {tried:?}; {end}");
}

/// A data folder that has been worked in, to be copied: its database is opened, not made.
fn a_used_folder() -> Sandbox {
    let sandbox = Sandbox::used();
    is_intact(&sandbox.home());
    sandbox
}

struct Life {
    engine: RealEngine,
    used: Sandbox,
}

impl Life {
    /// Lives through it with the n-th of these calls failing; `false` where there was no n-th one.
    fn fails_at(&self, n: u32, calls: &str, error: &str) -> bool {
        let sandbox = Sandbox::on(&self.engine);
        copy(&self.used.home(), &sandbox.home());
        let trace = sandbox.path().join("trace");
        let mut daemon = Running::start(under_fire(&sandbox, &trace, n, calls, error));
        let what = format!("{calls} {error} n = {n}");
        if daemon.line_or_end().is_some() {
            self.is_worked_with(&sandbox, n, &what);
            daemon.signal(Signal::TERM);
        } else {
            let code = daemon.ends();
            let stderr = daemon.stderr();
            assert_eq!(code, Some(1), "{what}: a start that cannot be says why: {stderr}");
            assert!(stderr.contains("database") || stderr.contains("tinyforge.db"), "{what}: {stderr}");
            nothing_panicked(&sandbox.home(), &stderr);
            return self.next_start_mends(&sandbox, &trace, &what);
        }
        let code = daemon.ends();
        let stderr = daemon.stderr();
        assert_eq!(code, Some(0), "{what}: {stderr}");
        nothing_panicked(&sandbox.home(), &stderr);
        self.next_start_mends(&sandbox, &trace, &what)
    }

    /// One failure passes: what could not be written is written a moment later.
    fn is_worked_with(&self, sandbox: &Sandbox, n: u32, what: &str) {
        let name = self.engine.docker(&["ps", "-a", "--format", "{{.Names}}"]).ok();
        self.engine.docker(&["rename", &name, &format!("web-{n}-{}", fastrand::u32(..))]).ok();
        for args in [&["settings", "set", "backup_keep", "3"][..], &["backup", "create"]] {
            let ran = sandbox.run(args);
            assert!(matches!(ran.code, Some(0 | 1)), "{what}: {ran:?}");
        }
        within(HEALED, what, || is_equal(sandbox));
    }

    fn next_start_mends(&self, sandbox: &Sandbox, trace: &Path, what: &str) -> bool {
        is_intact(&sandbox.home());
        let mut daemon = sandbox.serve(&[]);
        sandbox.run(&["verify"]).exits(0);
        sandbox.run(&["doctor"]).exits(0).says("no page is damaged");
        let name = self.engine.docker(&["ps", "-a", "--format", "{{.Names}}"]).ok();
        assert_eq!(state_of(sandbox, &name).as_deref(), Some("created"), "{what}");
        super::ground::ends_in_order(&mut daemon);
        std::fs::read_to_string(trace).unwrap().contains("(INJECTED)")
    }
}

/// The tracer is the daemon's grandchild and not its parent: the daemon is ours to signal.
fn under_fire(sandbox: &Sandbox, trace: &Path, n: u32, calls: &str, error: &str) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "--seccomp-bpf", "-o"]).arg(trace).args(["-e", &format!("trace={calls}")]);
    strace.args(["-e", &format!("inject={calls}:error={error}:when={n}")]);
    for name in ["tinyforge.db", "tinyforge.db-wal", "tinyforge.db-shm"] {
        strace.arg("-P").arg(sandbox.home().join(name));
    }
    sandbox.command_under(strace, &["serve"])
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target)
        } else {
            let _ = std::fs::copy(&path, &target).unwrap();
        }
    }
}
