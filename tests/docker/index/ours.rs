//! What befalls our own process: it is frozen while containers change, and killed under churn.

use std::time::{Duration, Instant};

use harness::engine::{IMAGE, RealEngine};
use harness::sandbox::{GLANCE, PATIENCE, Running, Sandbox};
use jiff::Timestamp;
use rustix::process::Signal;
use serde_json::Value;

/// How long the program is frozen: a laptop's lid is closed for longer, what counts is more than a pass's interval.
fn frozen() -> Duration {
    let soak = std::env::var_os("TINYFORGE_SOAK").is_some();
    Duration::from_secs(if soak { 120 } else { 60 })
}

#[test]
fn frozen_for_a_minute_it_is_equal_again_at_once_and_tells_the_gap() {
    let engine = RealEngine::start();
    engine.run(&["--name", "stays", IMAGE]);
    engine.run(&["--name", "goes", IMAGE]);
    let sandbox = Sandbox::on(&engine);
    let mut daemon = sandbox.serve(&[]);
    sandbox.run(&["verify"]).exits(0);

    daemon.signal(Signal::STOP);
    let began = Instant::now();
    let id = engine.docker(&["inspect", "-f", "{{.Id}}", "goes"]).ok();
    engine.docker(&["rm", "-f", "goes"]).ok();
    engine.docker(&["stop", "stays"]).ok();
    for n in 0..120 {
        engine.create(&["--name", &format!("new-{n}"), IMAGE]);
    }
    // Far more than the engine's ring of 256 events holds, and than the stream's buffers.
    while began.elapsed() < frozen() {
        engine.docker(&["rename", "stays", "stayed"]).ok();
        engine.docker(&["rename", "stayed", "stays"]).ok();
    }
    daemon.signal(Signal::CONT);

    let woken = Instant::now();
    wait_until(&sandbox, |containers| {
        named(containers, "new-119").is_some() && named(containers, "goes").is_none()
    });
    let equal = sandbox.run(&["verify"]).exits(0);
    eprintln!("awake after {} s: equal {} ms later", frozen().as_secs(), woken.elapsed().as_millis());
    assert!(woken.elapsed() < Duration::from_secs(5) + equal.took);
    let stays = sandbox.run(&["ps", "--all", "--json"]).json();
    assert_eq!(named(&stays, "stays").unwrap()["state"], "stopped");
    let history = sandbox.run(&["history", &id, "--json"]).exits(0).json();
    assert_eq!(
        history.as_array().unwrap().last().unwrap()["to"],
        Value::Null,
        "the removed one is told: {history:#}"
    );
    let told = sandbox.run(&["history", "stays", "--json"]).exits(0).json();
    let gap = told.as_array().unwrap().iter().find(|line| line["field"] == "gap").unwrap_or_else(|| {
        panic!("nobody says that it was not watched: {told:#}");
    });
    let seconds = |key: &str| gap[key].as_str().unwrap().parse::<Timestamp>().unwrap().as_second();
    let unwatched = u64::try_from(seconds("to") - seconds("at")).unwrap();
    assert!((frozen().as_secs() - 5..frozen().as_secs() + 30).contains(&unwatched), "{gap:#}");
    assert_eq!(gap["detail"], "asleep", "{gap:#}");
    sandbox.run(&["history", "stays"]).exits(0).says("not verified until").says("tinyforge was frozen");
    let all = sandbox.run(&["events", "--json"]).exits(0).json();
    let the_same = |line: &Value| ["field", "at", "detail"].iter().all(|key| line[key] == gap[key]);
    assert!(all.as_array().unwrap().iter().any(the_same), "everybody's log has it too: {all:#}");
    ends_in_order(&mut daemon);
}

#[test]
fn killed_under_churn_and_started_again_it_is_equal_each_time() {
    let engine = RealEngine::start();
    let sandbox = Sandbox::on(&engine);
    engine.run(&["--name", "steady", IMAGE]);
    for round in 0..5 {
        let mut daemon = sandbox.serve(&[]);
        sandbox.run(&["verify"]).exits(0).says("equal");
        for n in 0..4 {
            let name = format!("churn-{round}-{n}");
            engine.run(&["--name", &name, IMAGE]);
            engine.docker(&["kill", &name]).ok();
        }
        daemon.signal(Signal::KILL);
        daemon.ends();
        engine.docker(&["rm", "-f", &format!("churn-{round}-0")]).ok();
        let left = sandbox.run(&["ps", "--all", "--json"]).exits(0).json();
        assert_eq!(named(&left, &format!("churn-{round}-1")).unwrap()["state"], "stopped");
    }
    let mut daemon = sandbox.serve(&[]);
    sandbox.run(&["verify"]).exits(0).says("equal");
    sandbox.run(&["doctor"]).exits(0).says("no page is damaged");
    let history = sandbox.run(&["history", "churn-0-0", "--json"]).exits(0).json();
    assert!(history.as_array().unwrap().len() >= 2, "what was recorded before the kill is kept: {history:#}");
    ends_in_order(&mut daemon);
}

fn ends_in_order(daemon: &mut Running) {
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ends(), Some(0), "{}", daemon.stderr());
}

fn named<'a>(containers: &'a Value, name: &str) -> Option<&'a Value> {
    containers.as_array().unwrap().iter().find(|container| container["name"] == name)
}

fn wait_until(sandbox: &Sandbox, is: impl Fn(&Value) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let containers = sandbox.run(&["ps", "--all", "--json"]).exits(0).json();
        if is(&containers) {
            return;
        }
        assert!(Instant::now() < deadline, "{containers:#}");
        std::thread::sleep(GLANCE);
    }
}
