//! The daemon is killed a hundred times while containers change without a pause.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::engine::{IMAGE, RealEngine};
use harness::sandbox::Sandbox;
use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::Value;

use super::beside;
use super::ground::{Churn, HEALED, ends_whole, is_equal, is_intact, nothing_panicked, within};

const KILLS: u32 = 100;
/// The longest that a daemon lives after it said that it works.
const LIFE_MS: u64 = 500;

#[test]
fn killed_a_hundred_times_under_churn_the_database_is_intact_and_the_history_one_story() {
    let _machine = beside();
    let engine = RealEngine::start();
    let ids: Vec<_> = (0..4).map(|n| engine.run(&["--name", &format!("c{n}"), IMAGE])).collect();
    let sandbox = Sandbox::on(&engine);
    let churn = Churn::of_every_kind(engine.socket(), ids.clone());
    for _ in 0..KILLS {
        let mut daemon = sandbox.serve(&[]);
        // The span itself is the subject: a life of any length.
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..LIFE_MS)));
        daemon.signal(Signal::KILL);
        daemon.ends();
        nothing_panicked(&sandbox.home(), &daemon.stderr());
        is_intact(&sandbox.home());
    }
    let acts = churn.end();
    let mut daemon = sandbox.serve(&[]);
    let took = within(HEALED, "equal after the last", || is_equal(&sandbox));
    eprintln!("{KILLS} kills under {acts} acts; equal {} ms after the last start", took.as_millis());
    let mut lines = 0;
    for id in &ids {
        let history = sandbox.run(&["history", id.as_str(), "--json"]).exits(0).json();
        lines += contradicts_nothing(history.as_array().unwrap());
    }
    assert!(lines > KILLS as usize, "the churn left a history: {lines} lines");
    ends_whole(&sandbox, &mut daemon);
}

/// Every change begins where the one before it ended, and is recorded no earlier; a gap between them is none. Tells how
/// many there are.
#[track_caller]
fn contradicts_nothing(history: &[Value]) -> usize {
    let mut stands: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut recorded = Timestamp::UNIX_EPOCH;
    for line in history.iter().filter(|line| line["field"] != "gap") {
        let field = line["field"].as_str().unwrap();
        if let Some(before) = stands.insert(field, &line["to"]) {
            assert_eq!(before, &line["from"], "{line:#}");
        }
        assert_ne!(line["from"], line["to"], "{line:#}");
        let now = line["recorded_at"].as_str().unwrap().parse().unwrap();
        assert!(recorded <= now, "recorded before the one before it: {line:#}");
        recorded = now;
    }
    history.iter().filter(|line| line["field"] != "gap").count()
}
