//! What the faults happen on: a sandbox on a real engine, what must hold of it afterwards, and changes to be missed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use harness::engine::{IMAGE, RealEngine, ask};
use harness::sandbox::{GLANCE, PATIENCE, Running, Sandbox};
use rustix::process::Signal;
use serde_json::Value;
use tinyforge_core::rules::ids::ContainerId;

/// How long after a fault has ended the index may still differ.
pub const HEALED: Duration = Duration::from_secs(5);

#[track_caller]
pub fn until(what: &str, condition: impl FnMut() -> bool) -> Duration {
    within(PATIENCE, what, condition)
}

/// Waits for a condition, at most so long; tells how long it took.
#[track_caller]
pub fn within(time: Duration, what: &str, mut condition: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < time, "not within {time:?}: {what}");
        std::thread::sleep(GLANCE);
    }
    began.elapsed()
}

pub fn status(sandbox: &Sandbox) -> Value {
    sandbox.run(&["status", "--json"]).exits(0).json()
}

pub fn is_equal(sandbox: &Sandbox) -> bool {
    sandbox.run(&["verify"]).code == Some(0)
}

/// What the database's part of the status says, while something is wrong with it.
pub fn trouble(sandbox: &Sandbox) -> Option<String> {
    let database = &status(sandbox)["database"];
    let note = database["note"].as_str().unwrap_or_default().to_owned();
    (database["ok"] == false).then_some(note)
}

pub fn state_of(sandbox: &Sandbox, name: &str) -> Option<String> {
    let listed = sandbox.run(&["ps", "--all", "--json"]).exits(0).json();
    let container = listed.as_array().unwrap().iter().find(|container| container["name"] == name)?;
    container["state"].as_str().map(str::to_owned)
}

/// Containers that do not run, called `c0` and on.
pub fn created(engine: &RealEngine, many: usize) -> Vec<ContainerId> {
    (0..many).map(|n| engine.create(&["--name", &format!("c{n}"), IMAGE])).collect()
}

/// A daemon whose index equals its engine.
#[track_caller]
pub fn serves_equal(sandbox: &Sandbox) -> Running {
    let daemon = sandbox.serve(&[]);
    sandbox.run(&["verify"]).exits(0);
    daemon
}

/// It ends when it is told to, no part of it panicked, and it leaves a whole database.
#[track_caller]
pub fn ends_whole(sandbox: &Sandbox, daemon: &mut Running) {
    ends_in_order(daemon);
    nothing_panicked(&sandbox.home(), &daemon.stderr());
    is_intact(&sandbox.home());
}

#[track_caller]
pub fn ends_in_order(daemon: &mut Running) {
    daemon.signal(Signal::TERM);
    let code = daemon.ends();
    assert_eq!(code, Some(0), "{}", daemon.stderr());
}

/// Every page and every reference of the database as it lies there, in a copy, so that the next start finds what the last
/// one left.
#[track_caller]
pub fn is_intact(home: &Path) {
    let aside = tempfile::tempdir().unwrap();
    for name in ["tinyforge.db", "tinyforge.db-wal"] {
        if home.join(name).exists() {
            std::fs::copy(home.join(name), aside.path().join(name)).unwrap();
        }
    }
    let db = rusqlite::Connection::open(aside.path().join("tinyforge.db")).unwrap();
    let pages: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(pages, "ok");
    let mut check = db.prepare("PRAGMA foreign_key_check").unwrap();
    assert!(!check.exists([]).unwrap(), "a reference leads nowhere");
}

/// No part of the program panicked: nothing says so on standard error or in its log.
#[track_caller]
pub fn nothing_panicked(home: &Path, stderr: &str) {
    assert!(!stderr.contains("panicked"), "{stderr}");
    for entry in std::fs::read_dir(home.join("logs")).into_iter().flatten() {
        let log = std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// Somebody who works on an engine's containers and does not stop: renames at a pace, and of some an end and a start.
pub struct Churn {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Churn {
    /// Renames these, one after the other, so many times a second.
    pub fn renames(socket: PathBuf, ids: Vec<ContainerId>, per_second: u32) -> Self {
        let pause = Duration::from_secs(1) / per_second;
        Self::of(move |n, began| {
            let id = &ids[usize::try_from(n).unwrap() % ids.len()];
            let told = ask(&socket, "POST", &format!("/containers/{id}/rename?name=r{n}-{}", id.short()));
            assert!(told.is_ok_and(|answer| answer.contains(" 204 ")), "a rename is refused");
            let due = pause * u32::try_from(n + 1).unwrap();
            // The span itself is the subject: a pace.
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        })
    }

    /// Kills, starts and renames these as fast as the engine does it.
    pub fn of_every_kind(socket: PathBuf, ids: Vec<ContainerId>) -> Self {
        Self::of(move |n, _| {
            let id = &ids[usize::try_from(n / 6).unwrap() % ids.len()];
            let act = match n % 6 {
                0 => "kill".to_owned(),
                3 => "start".to_owned(),
                _ => format!("rename?name=r{n}-{}", id.short()),
            };
            // One that has just ended by itself cannot be killed: the engine's refusal is as good as its consent.
            ask(&socket, "POST", &format!("/containers/{id}/{act}")).expect("the engine answers");
        })
    }

    fn of(mut act: impl FnMut(u64, Instant) + Send + 'static) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let began = Instant::now();
            let mut acts = 0;
            while !stopped.load(Ordering::Relaxed) {
                act(acts, began);
                acts += 1;
            }
            acts
        });
        Self { stop, thread: Some(thread) }
    }

    /// Stops, and tells how many acts there were.
    #[track_caller]
    pub fn end(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().expect("whoever works on the containers is let to")
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
