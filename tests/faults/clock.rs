//! Somebody sets the machine's clock, by an hour forwards and back, under a running daemon.
//!
//! `libfaketime` sets the wall clock of one process alone, and leaves the steady ones as they are.

use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::engine::{IMAGE, RealEngine};
use harness::sandbox::{Running, Sandbox};
use jiff::Timestamp;

use super::beside;
use super::ground::{ends_whole, is_equal, state_of, status, within};

/// Two turns of the loop and a pass: far less than the time between two passes, which is set to ten minutes.
const NOTICED: Duration = Duration::from_secs(10);
const HOUR_S: i64 = 3_600;

#[test]
fn a_clock_that_jumps_makes_a_pass_at_once_and_no_change() {
    let _machine = beside();
    let engine = RealEngine::start();
    engine.run(&["--name", "web", IMAGE]);
    let sandbox = Sandbox::on(&engine);
    sandbox.run(&["settings", "set", "pass_interval_s", "600"]).exits(0);
    let offset = sandbox.path().join("offset");
    set(&offset, 0);
    let mut command = sandbox.command(&["serve"]);
    command
        .env("LD_PRELOAD", library())
        .env("FAKETIME_TIMESTAMP_FILE", &offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
    let mut daemon = Running::start(command);
    daemon.line();
    sandbox.run(&["verify"]).exits(0);
    let lines = || sandbox.run(&["history", "web", "--json"]).exits(0).json().as_array().unwrap().len();
    let (passes, told) = (passes(&sandbox), lines());

    for (nth, seconds) in [(1, HOUR_S), (2, -HOUR_S), (3, 0)] {
        set(&offset, seconds);
        let took = within(NOTICED, "a jump makes a pass", || self::passes(&sandbox) >= passes + nth);
        eprintln!("set by {seconds} s: a pass {} ms later", took.as_millis());
        let status = status(&sandbox);
        let verified: Timestamp = status["index"]["verified_at"].as_str().unwrap().parse().unwrap();
        let ahead = verified.duration_since(Timestamp::now()).as_secs();
        assert!((ahead - seconds).abs() < 60, "verified by the clock that stands: {ahead} s ahead");
        assert_eq!(status["engine"]["state"], "connected");
        sandbox.run(&["verify"]).exits(0);
        assert_eq!(lines(), told, "the clock is no change of a container");
        assert_eq!(state_of(&sandbox, "web").as_deref(), Some("running"));
    }
    engine.docker(&["stop", "web"]).ok();
    within(NOTICED, "changes are seen as before", || state_of(&sandbox, "web").as_deref() == Some("stopped"));
    assert!(is_equal(&sandbox));
    ends_whole(&sandbox, &mut daemon);
}

fn passes(sandbox: &Sandbox) -> u64 {
    status(sandbox)["index"]["passes"].as_u64().unwrap()
}

/// Whole at every moment: the daemon reads it whenever it looks at the clock.
fn set(offset: &Path, seconds: i64) {
    let unfinished = offset.with_extension("new");
    std::fs::write(&unfinished, format!("{seconds:+}\n")).unwrap();
    std::fs::rename(&unfinished, offset).unwrap();
}

fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut found =
        folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).filter(|path| path.exists());
    found.next().expect("libfaketime is there: `make test` installs it")
}
