//! `tinyforge serve --demo`: the whole core on a simulated engine, and every command on containers that move.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use harness::sandbox::{PATIENCE, Running, Sandbox};
use harness::wire::ask;

/// A demo, and a sandbox that sees its folder.
struct Demo {
    daemon: Running,
    sandbox: Sandbox,
}

impl Demo {
    fn start() -> Self {
        let sandbox = Sandbox::new();
        let daemon = sandbox.serve(&["--demo"]);
        let folder = folder_in(&daemon.greeting);
        let demo = Self { daemon, sandbox: sandbox.in_folder(&folder) };
        demo.until_exact();
        demo
    }

    fn until_exact(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.sandbox.run(&["status", "--json"]).json()["index"]["verified_at"].is_null() {
            assert!(Instant::now() < deadline, "the first pass does not come through");
        }
    }

    fn containers(&self) -> Vec<Value> {
        self.sandbox.run(&["ps", "--all", "--json"]).exits(0).tells_nothing().read()
    }

    /// One that runs and that the demo's own life leaves alone.
    fn steady(&self) -> Value {
        let of_name = |container: &Value| container["name"] == "shop-cache-1";
        self.containers().into_iter().find(of_name).expect("the demo has a cache")
    }
}

/// The folder that a demo's first line names.
pub fn folder_in(greeting: &str) -> PathBuf {
    let (_, rest) = greeting.split_once(" in ").expect(greeting);
    let (folder, _) = rest.split_once(" (pid").expect(greeting);
    PathBuf::from(folder)
}

#[test]
fn the_demo_shows_containers_and_leaves_no_folder_behind() {
    let mut demo = Demo::start();
    let folder = demo.sandbox.home();
    assert!(demo.containers().len() > 5);
    demo.sandbox.run(&["ps", "--all"]).exits(0).says("shop-cache-1").says("● running").tells_nothing();
    demo.sandbox.run(&["status"]).exits(0).says("● connected").tells_nothing();
    demo.daemon.signal(Signal::TERM);
    assert_eq!(demo.daemon.ends(), Some(0));
    assert!(!folder.exists(), "{} is still there", folder.display());
}

#[test]
fn ps_filters_as_its_flags_say() {
    let demo = Demo::start();
    let all = demo.containers();
    let of = |args: &[&str]| -> Vec<Value> {
        demo.sandbox.run(&[&["ps", "--json"], args].concat()).exits(0).read()
    };
    assert!(of(&[]).iter().all(|container| !container["workload_id"].is_null()), "foreign ones need --all");
    let paused = of(&["--all", "--state", "paused"]);
    assert!(!paused.is_empty() && paused.iter().all(|container| container["state"] == "paused"));
    assert_eq!(of(&["--all", "--state", "deploying"]), Vec::<Value>::new());
    assert_eq!(of(&["--all", "--kind", "site"]), Vec::<Value>::new());
    let fields = [
        "id",
        "workload_id",
        "workload_kind",
        "workload_name",
        "role",
        "stage_id",
        "container_id",
        "name",
        "image",
        "image_tag",
        "image_id",
        "image_digest",
        "state",
        "health",
        "exit_code",
        "oom_killed",
        "restart_count",
        "ports",
        "host",
        "subdomain",
        "proxy_route_id",
        "url",
        "release_id",
        "verdict",
        "created_at",
        "started_at",
        "last_seen_at",
        "updated_at",
    ];
    for container in &all {
        let object = container.as_object().unwrap();
        for field in fields {
            assert!(object.contains_key(field), "no {field} in {container:#}");
        }
        assert!(container["verdict"]["level"].is_string() && container["verdict"]["text"].is_string());
    }
}

#[test]
fn stopping_and_starting_is_done_seen_and_remembered() {
    let demo = Demo::start();
    let steady = demo.steady();
    let (name, id) = (steady["name"].as_str().unwrap(), steady["container_id"].as_str().unwrap());

    let acted = demo.sandbox.run(&["stop", name, "--json"]).exits(0).json();
    assert_eq!(
        (&acted[0]["state"], &acted[0]["error"]),
        (&Value::from("stopped"), &Value::Null),
        "{acted:#}"
    );
    assert_eq!(demo.steady()["state"], "stopped");
    demo.sandbox.run(&["start", &id[..12]]).exits(0).says(name).says("running");
    assert_eq!(demo.steady()["state"], "running");
    demo.sandbox.run(&["restart", id]).exits(0).says("running");

    for named in [name, id, &id[..12]] {
        let history = demo.sandbox.run(&["history", named, "--json"]).exits(0).json();
        let stop = history
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["to"] == "stopped")
            .expect("the stop is remembered");
        assert_eq!(stop["cause"], "own", "{history:#}");
        for field in ["at", "recorded_at", "field", "from", "to", "cause", "detail"] {
            assert!(stop.as_object().unwrap().contains_key(field), "no {field} in {stop:#}");
        }
    }
    demo.sandbox.run(&["history", name]).exits(0).says("running → stopped").says("tinyforge");
}

#[test]
fn a_name_that_nobody_has_fails_and_touches_nobody() {
    let demo = Demo::start();
    let steady = demo.steady();
    let name = steady["name"].as_str().unwrap();
    demo.sandbox.run(&["stop", name, "nobody"]).exits(1).says_nothing().tells("nobody");
    assert_eq!(demo.steady()["state"], "running", "all names are found before anything is touched");
    demo.sandbox.run(&["history", "nobody"]).exits(1).tells("nobody");
}

#[test]
fn the_beginning_of_several_ids_lists_the_candidates() {
    let demo = Demo::start();
    let ids: Vec<String> = demo
        .containers()
        .iter()
        .map(|container| container["container_id"].as_str().unwrap().to_owned())
        .collect();
    let shared = ids.iter().find_map(|id| {
        let first = &id[..1];
        (ids.iter().filter(|other| other.starts_with(first)).count() > 1).then(|| first.to_owned())
    });
    let shared = shared.expect("of more than sixteen ids, or of fewer with luck, two begin alike");
    for command in ["history", "stop"] {
        let ran = demo.sandbox.run(&[command, &shared]).exits(1).says_nothing();
        let candidates = ids.iter().filter(|id| id.starts_with(&shared));
        for candidate in candidates {
            assert!(ran.stderr.contains(&candidate[..12]), "{candidate} is not named in {ran:?}");
        }
    }
}

#[test]
fn the_index_is_equal_to_the_engine_and_the_doctor_is_content() {
    let demo = Demo::start();
    let verification = demo.sandbox.run(&["verify", "--json"]).exits(0).json();
    assert_eq!(
        (&verification["equal"], &verification["differences"]),
        (&Value::Bool(true), &Value::Array(vec![]))
    );
    assert!(verification["checked"].as_u64().unwrap() > 5, "{verification:#}");
    demo.sandbox.run(&["verify"]).exits(0).says("equal:");
    demo.sandbox.run(&["doctor"]).exits(0).says("engine");
}

#[test]
fn followed_events_come_as_they_happen_one_document_a_line() {
    let demo = Demo::start();
    let mut follower = Running::start(demo.sandbox.command(&["events", "--follow", "--json"]));
    let first: Value = serde_json::from_str(&follower.line()).unwrap();
    assert!(first["seq"].is_u64(), "{first:#}");
    demo.sandbox.run(&["stop", "shop-cache-1"]).exits(0);

    let deadline = Instant::now() + PATIENCE;
    let mut last = first["seq"].as_u64().unwrap();
    loop {
        assert!(Instant::now() < deadline, "the stop is never told");
        let line: Value = serde_json::from_str(&follower.line()).unwrap();
        let seq = line["seq"].as_u64().unwrap();
        assert!(seq > last, "no line comes twice, and none out of order");
        last = seq;
        if line["name"] == "shop-cache-1" && line["to"] == "stopped" {
            assert_eq!(line["cause"], "own");
            break;
        }
    }
    let told = demo.sandbox.run(&["events", "--json"]).exits(0).json();
    assert!(
        told.as_array().unwrap().iter().any(|line| line["seq"] == last),
        "what was followed is also recorded"
    );
}

#[test]
fn the_index_can_be_seen_as_it_was() {
    let demo = Demo::start();
    demo.sandbox.run(&["stop", "shop-cache-1"]).exits(0);
    let history = demo.sandbox.run(&["history", "shop-cache-1", "--json"]).exits(0).json();
    let stopped = history.as_array().unwrap().iter().rfind(|entry| entry["to"] == "stopped").unwrap();
    let stopped_at: jiff::Timestamp = stopped["at"].as_str().unwrap().parse().unwrap();
    let state_at = |time: jiff::Timestamp| {
        let index = demo.sandbox.run(&["at", &time.to_string(), "--json"]).exits(0).json();
        let mut containers = index["containers"].as_array().unwrap().clone().into_iter();
        containers
            .find(|container| container["name"] == "shop-cache-1")
            .map(|container| container["state"].clone())
    };
    assert_eq!(state_at(stopped_at), Some("stopped".into()));
    assert_eq!(state_at(stopped_at - Duration::from_micros(1)), Some("running".into()));
    demo.sandbox.run(&["at", "now"]).exits(0).says("shop-cache-1").says("as of");
}

/// The demo is a whole engine: whoever knows its socket acts on it as on any other.
#[test]
fn the_demos_engine_can_be_acted_on_from_outside_and_goes_with_it() {
    let mut demo = Demo::start();
    let status = demo.sandbox.run(&["status", "--json"]).exits(0).json();
    let endpoint = status["engine"]["endpoint"].as_str().unwrap();
    assert!(demo.daemon.greeting.contains(endpoint), "{} and {}", demo.daemon.greeting, endpoint);
    let socket = PathBuf::from(endpoint.strip_prefix("unix://").unwrap());
    assert_eq!(ask(&socket, "GET /_ping", "").body, "OK");
    assert_eq!(ask(&socket, "POST /containers/shop-cache-1/stop", "").status, 204);
    let deadline = Instant::now() + PATIENCE;
    while demo.steady()["state"] != "stopped" {
        assert!(Instant::now() < deadline, "a stop from outside is never seen");
    }
    let history = demo.sandbox.run(&["history", "shop-cache-1", "--json"]).exits(0).json();
    let stop = history.as_array().unwrap().iter().rfind(|entry| entry["to"] == "stopped").unwrap();
    assert_ne!(stop["cause"], "own", "{history:#}");
    demo.daemon.signal(Signal::TERM);
    assert_eq!(demo.daemon.ends(), Some(0));
    assert!(!socket.parent().unwrap().exists(), "the socket's folder goes with the demo");
}

#[test]
fn of_the_time_before_the_first_look_it_is_said_that_nothing_is_known() {
    let demo = Demo::start();
    let before = demo.sandbox.run(&["at", "1h", "--json"]).exits(0).tells("nothing is known before").json();
    assert_eq!(
        (&before["gap"]["from"], &before["gap"]["reason"]),
        (&Value::Null, &"before_first_look".into())
    );
    let now = demo.sandbox.run(&["at", "now", "--json"]).exits(0).tells_nothing().json();
    assert_eq!(now["gap"], Value::Null, "{now:#}");
    let nowhere = Sandbox::new();
    let never = nowhere.run(&["at", "1h", "--json"]).exits(0).tells("nothing is known").json();
    assert_eq!(never["gap"]["reason"], "never_looked", "{never:#}");
}

#[test]
fn a_demo_does_not_touch_the_users_own_folder() {
    let sandbox = Sandbox::new();
    let own: &Path = &sandbox.home();
    let _daemon = sandbox.serve(&["--demo"]);
    assert!(!own.exists());
}
