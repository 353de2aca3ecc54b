//! The command line on a real engine, alone and with a daemon.

use std::thread;
use std::time::{Duration, Instant};

use harness::engine::{IMAGE, RealEngine};
use rustix::process::Signal;
use serde_json::Value;

use harness::sandbox::{GLANCE, PATIENCE, Running, Sandbox};

#[test]
fn alone_it_sees_the_engine_as_it_is_and_acts_in_place() {
    let engine = RealEngine::start();
    let id = engine.run(&["--name", "web", IMAGE]);
    let sandbox = Sandbox::on(&engine);

    assert_eq!(
        state_of(&sandbox, "web"),
        Some("running".into()),
        "seen without a daemon and without a folder"
    );
    sandbox.run(&["verify"]).exits(1).says_nothing().tells("no index of this engine has been written yet");
    sandbox.run(&["status"]).exits(0).says("● connected").tells_nothing();
    assert!(!sandbox.home().exists(), "reading made nothing");

    sandbox.run(&["stop", "web"]).exits(0).says("web stopped").tells_nothing();
    assert_eq!(engine.docker(&["inspect", "-f", "{{.State.Status}}", "web"]).ok(), "exited");
    sandbox.run(&["start", &id.as_str()[..12]]).exits(0).says("web running");
    sandbox.run(&["restart", "web"]).exits(0).says("web running");
    assert_eq!(engine.docker(&["inspect", "-f", "{{.State.Status}}", "web"]).ok(), "running");
    let history = sandbox.run(&["history", "web", "--json"]).exits(0).json();
    let stop = history
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["to"] == "stopped")
        .expect("the stop is remembered");
    assert_eq!(stop["cause"], "own", "{history:#}");

    sandbox.run(&["stop", "nobody"]).exits(1).tells("nobody");
    engine.docker(&["rm", "-f", "web"]).ok();
    assert_eq!(state_of(&sandbox, "web"), None);
    sandbox.run(&["history", "web"]).exits(0).says("running");
}

/// The pass that an observer makes in memory is the engine's own word: held against the engine it cannot differ.
#[test]
fn without_a_daemon_verify_holds_what_was_last_written_against_the_engine() {
    let engine = RealEngine::start();
    let sandbox = Sandbox::on(&engine);
    let id = engine.run(&["--name", "web", IMAGE]);
    let mut daemon = sandbox.serve(&[]);
    sandbox.run(&["verify"]).exits(0).says("equal: 1 container checked").tells_nothing();

    daemon.signal(Signal::STOP);
    let pid = format!("pid {}", daemon.pid());
    sandbox.run(&["verify"]).exits(0).says("equal: 1 container checked").tells(&pid);
    engine.docker(&["rename", "web", "moved"]).ok();
    let new = engine.create(&["--name", "new", IMAGE]);
    let differs = |differs: Value| {
        assert_eq!(differs["equal"], false, "{differs:#}");
        let of = |id: &str, field: &str| {
            let mut all = differs["differences"].as_array().unwrap().iter();
            all.find(|found| found["container_id"] == id && found["field"] == field).cloned()
        };
        let name = of(id.as_str(), "name").unwrap_or_else(|| panic!("{differs:#}"));
        assert_eq!((&name["index"], &name["engine"]), (&"web".into(), &"moved".into()));
        let unknown = of(new.as_str(), "state").unwrap_or_else(|| panic!("{differs:#}"));
        assert_eq!((&unknown["index"], &unknown["engine"]), (&Value::Null, &"created".into()));
    };
    differs(sandbox.run(&["verify", "--json"]).exits(1).tells(&pid).tells("does not answer").json());
    daemon.signal(Signal::CONT);
    until("awake it follows", || sandbox.run(&["verify"]).code == Some(0));

    engine.docker(&["rename", "moved", "web"]).ok();
    engine.docker(&["rm", "new"]).ok();
    until("it follows", || state_of(&sandbox, "new").is_none() && state_of(&sandbox, "web").is_some());
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ends(), Some(0), "{}", daemon.stderr());
    sandbox.run(&["verify"]).exits(0).says("equal: 1 container checked").tells_nothing();
    engine.docker(&["rm", "-f", "web"]).ok();
    let gone = sandbox.run(&["verify", "--json"]).exits(1).tells("no daemon keeps the index now").json();
    assert_eq!(gone["differences"][0]["index"], "running", "{gone:#}");
    assert_eq!(gone["differences"][0]["engine"], Value::Null, "{gone:#}");
    let _daemon = sandbox.serve(&[]);
    sandbox.run(&["verify"]).exits(0).tells_nothing();
}

#[test]
fn reading_beside_an_engine_leaves_every_file_as_it_is() {
    let engine = RealEngine::start();
    let sandbox = Sandbox::on(&engine);
    engine.run(&["--name", "first", IMAGE]);
    sandbox.run(&["restart", "first"]).exits(0);
    // Something to write, were anything written.
    engine.run(&["--name", "second", IMAGE]);
    let before = sandbox.files();
    for (args, code) in [
        (&["ps", "--all"][..], 0),
        (&["status"], 0),
        // The second one is not written.
        (&["verify"], 1),
        (&["history", "second"], 0),
        (&["events"], 0),
        (&["at", "now"], 0),
        (&["doctor"], 0),
    ] {
        sandbox.run(args).exits(code);
        assert_eq!(before, sandbox.files(), "{args:?}");
    }
    sandbox.run(&["ps", "--all"]).exits(0).says("first").says("second");
}

/// Each takes its whole grace, which is longer than a command waits for the data folder.
#[test]
fn parallel_acts_without_a_daemon_do_not_keep_each_other_waiting() {
    let engine = RealEngine::start();
    let sandbox = Sandbox::on(&engine);
    let names = ["one", "two", "three", "four", "five"];
    for name in names {
        engine.run(&["--name", name, "--stop-signal", "SIGWINCH", IMAGE]);
    }
    let began = Instant::now();
    thread::scope(|scope| {
        let runs: Vec<_> =
            names.map(|name| scope.spawn(|| sandbox.run(&["stop", name]))).into_iter().collect();
        for run in runs {
            run.join().unwrap().exits(0);
        }
    });
    let took = began.elapsed();
    assert!(
        took < Duration::from_secs(25),
        "one grace after the other would be 50 s, and this took {took:?}"
    );
    for name in names {
        assert_eq!(state_of(&sandbox, name), Some("stopped".into()));
        let story = sandbox.run(&["history", name, "--json"]).exits(0).json();
        let mut states = story.as_array().unwrap().iter().filter(|line| line["field"] == "state");
        let last = states.next_back().unwrap();
        assert_eq!((&last["to"], &last["cause"]), (&"stopped".into(), &"own".into()), "{last}");
    }
    assert!(!sandbox.files().keys().any(|path| path.ends_with("daemon.json")), "nobody is there any more");
}

#[test]
fn with_a_daemon_the_engine_may_go_and_come_back() {
    let engine = RealEngine::start();
    let sandbox = Sandbox::on(&engine);
    let _daemon = sandbox.serve(&[]);
    engine.run(&["--name", "web", IMAGE]);
    until("the container is in the index", || state_of(&sandbox, "web").is_some());
    sandbox.run(&["verify"]).exits(0);

    engine.stop_term();
    until("the engine is known to be away", || engine_state(&sandbox) != "connected");
    let away = sandbox.run(&["ps", "--all", "--json"]).exits(0).tells("the engine is ").json();
    assert_eq!(away[0]["name"], "web", "the index answers");
    assert_ne!(away[0]["state"], "missing", "an engine that is away makes nothing missing");
    sandbox.run(&["verify"]).exits(3).says_nothing();
    sandbox.run(&["start", "web"]).exits(3).says_nothing();

    engine.start_again();
    until("the engine is connected again", || engine_state(&sandbox) == "connected");
    sandbox.run(&["verify"]).exits(0);
    sandbox.run(&["start", "web"]).exits(0).says("running");
}

#[test]
fn an_engine_that_hangs_is_not_waited_for() {
    let engine = RealEngine::start();
    let sandbox = Sandbox::on(&engine);
    engine.run(&["--name", "web", IMAGE]);
    sandbox.run(&["restart", "web"]).exits(0);
    engine.freeze();
    let shown = sandbox.run(&["ps", "--all"]).exits(0).says("web").tells("the engine is ");
    let refused = sandbox.run(&["stop", "web"]).exits(3).says_nothing();
    engine.thaw();
    for ran in [shown, refused] {
        assert!(ran.took < Duration::from_secs(30), "{ran:?}");
    }
}

#[test]
fn changes_can_be_followed_without_a_daemon() {
    let engine = RealEngine::start();
    let sandbox = Sandbox::on(&engine);
    engine.run(&["--name", "web", IMAGE]);
    let mut follower = Running::start(sandbox.command(&["events", "--follow", "--json"]));
    let mut line = || -> Value { serde_json::from_str(&follower.line()).unwrap() };
    while line()["name"] != "web" {}
    engine.docker(&["kill", "web"]).ok();
    while line()["to"] != "stopped" {}
    assert!(!sandbox.home().exists(), "and nothing is written");
}

fn state_of(sandbox: &Sandbox, name: &str) -> Option<String> {
    let list: Vec<Value> = sandbox.run(&["ps", "--all", "--json"]).exits(0).read();
    let container = list.into_iter().find(|container| container["name"] == name)?;
    container["state"].as_str().map(str::to_owned)
}

fn engine_state(sandbox: &Sandbox) -> String {
    sandbox.run(&["status", "--json"]).exits(0).json()["engine"]["state"].as_str().unwrap().to_owned()
}

#[track_caller]
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "it never comes to this: {what}");
        thread::sleep(GLANCE);
    }
}
