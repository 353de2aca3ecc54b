//! Another program holds the database's lock for a minute while the engine's containers change fifty times a second.

use std::time::{Duration, Instant};

use harness::engine::{RealEngine, ask};
use harness::sandbox::Sandbox;

use super::beside;
use super::ground::{
    Churn, HEALED, created, ends_in_order, ends_whole, is_equal, is_intact, serves_equal, status, within,
};

const LOCKED: Duration = Duration::from_secs(60);
const EVENTS_PER_SECOND: u32 = 50;

/// What the daemon gives its last writes, and what a busy machine takes to end a process.
const STOPPED: Duration = Duration::from_secs(5 + 3);

#[test]
fn a_daemon_starts_and_stops_although_another_program_holds_the_databases_lock() {
    let _machine = beside();
    let sandbox = Sandbox::new();
    ends_in_order(&mut sandbox.serve(&[]));
    let other = rusqlite::Connection::open(sandbox.home().join("tinyforge.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut daemon = sandbox.serve(&[]);
    status(&sandbox);
    let asked = Instant::now();
    ends_in_order(&mut daemon);
    assert!(asked.elapsed() < STOPPED, "it stopped after {:?}", asked.elapsed());
    other.execute_batch("ROLLBACK").unwrap();
    drop(other);
    ends_in_order(&mut sandbox.serve(&[]));
    is_intact(&sandbox.home());
}

#[test]
fn while_the_database_is_locked_for_a_minute_events_are_read_on_and_nobody_waits() {
    let _machine = beside();
    let engine = RealEngine::start();
    let ids = created(&engine, 8);
    let sandbox = Sandbox::on(&engine);
    let mut daemon = serves_equal(&sandbox);
    let events = || status(&sandbox)["index"]["events"].as_u64().unwrap();
    let before = events();

    let other = rusqlite::Connection::open(sandbox.home().join("tinyforge.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = Instant::now();
    let churn = Churn::renames(engine.socket(), ids, EVENTS_PER_SECOND);
    let mut asked = vec![];
    while locked.elapsed() < LOCKED {
        // The span itself is the subject: the lock is held.
        std::thread::sleep(Duration::from_secs(1));
        let began = Instant::now();
        assert!(ask(&engine.socket(), "GET", "/version").unwrap().contains(" 200 "));
        asked.push(began.elapsed());
        let due = locked.elapsed().as_secs().saturating_sub(2) * u64::from(EVENTS_PER_SECOND) / 2;
        assert!(events() - before >= due, "events are read while the database is locked");
    }
    let database = status(&sandbox)["database"].clone();
    assert_eq!(database["ok"], false, "that nothing is written meanwhile is said: {database}");
    let findings = sandbox.run(&["doctor", "--json"]).exits(1).json();
    let finding = findings.as_array().unwrap().iter().find(|finding| finding["part"] == "database").unwrap();
    assert!(finding["cure"].as_str().unwrap().contains("has tinyforge.db open"), "{finding}");
    let renames = churn.end();
    assert!(renames >= LOCKED.as_secs() * u64::from(EVENTS_PER_SECOND) * 9 / 10, "{renames} renames");
    other.execute_batch("ROLLBACK").unwrap();
    let equal = within(HEALED, "equal after the lock", || is_equal(&sandbox));
    within(HEALED, "every event is counted", || events() - before >= renames);
    assert_eq!(status(&sandbox)["database"]["ok"], true);
    asked.sort();
    eprintln!(
        "{renames} renames in {} s of lock; equal {} ms after it; the engine answered in {} µs (median), {} ms at most",
        LOCKED.as_secs(),
        equal.as_millis(),
        asked[asked.len() / 2].as_micros(),
        asked.last().unwrap().as_millis()
    );
    assert!(asked.last().unwrap() < &Duration::from_secs(1), "nobody waits for our reader");
    ends_whole(&sandbox, &mut daemon);
}
