//! Without a daemon: reading only observes, acting works in place.

use std::thread;

use serde_json::Value;

use harness::sandbox::{Ran, Running, Sandbox};

/// Every command that only reads, and the code it leaves with where there is no engine.
pub const READING: &[(&[&str], i32)] = &[
    (&["status"], 0),
    (&["ps"], 0),
    (&["ps", "--all"], 0),
    (&["at", "10m"], 0),
    (&["events"], 0),
    (&["history", "nobody"], 1),
    (&["stale"], 0),
    (&["stale", "--days", "0", "--foreign"], 0),
    (&["stale", "why", "nobody"], 1),
    (&["verify"], 3),
    (&["doctor"], 1),
    (&["settings"], 0),
    (&["settings", "get", "stale_threshold_days"], 0),
    (&["notifications", "webhook"], 0),
    (&["notifications", "webhook", "deliveries"], 0),
    (&["backup", "list"], 0),
];

/// Those that show the index, which may be old.
const FROM_THE_INDEX: &[&[&str]] = &[&["status"], &["ps"], &["at", "10m"], &["events"], &["stale"]];

#[test]
fn without_an_engine_the_index_answers_with_its_age_and_what_needs_the_engine_exits_3() {
    let sandbox = Sandbox::new();
    for (args, code) in READING {
        sandbox.run(args).exits(*code);
    }
    for args in FROM_THE_INDEX {
        sandbox.run(args).exits(0).tells("the engine is absent").tells("never verified");
    }
    for act in ["start", "stop", "restart"] {
        sandbox.run(&[act, "nobody"]).exits(3).says_nothing().tells("no-engine.sock");
    }
}

#[test]
fn with_json_there_is_one_document_on_standard_output() {
    let sandbox = Sandbox::new();
    for (args, code) in READING {
        let ran = sandbox.run(&[args, &["--json"][..]].concat()).exits(*code);
        if *code == 0 || args == &["doctor"] {
            let document = ran.json();
            assert!(document.is_array() || document.is_object() || document.is_null(), "{ran:?}");
        } else {
            ran.says_nothing();
        }
    }
    let status = sandbox.run(&["status", "--json"]).json();
    for part in ["version", "engine", "index", "database", "proxy", "webhook", "dns"] {
        assert!(!status[part].is_null(), "no {part} in {status:#}");
    }
    of_no_daemon(&status);
    assert_eq!(status["engine"]["state"], "absent");
    assert_eq!(sandbox.run(&["ps", "--json"]).json(), Value::Array(Vec::new()));
    let findings = sandbox.run(&["doctor", "--json"]).json();
    let engine = findings.as_array().unwrap().iter().find(|finding| finding["part"] == "engine").unwrap();
    assert_eq!(engine["state"], "fail");
    assert!(engine["cure"].is_string(), "{findings:#}");
}

/// The command that looks is no daemon, and nobody may take it for one.
#[track_caller]
pub fn of_no_daemon(status: &Value) {
    for part in ["pid", "uptime_s"] {
        assert!(status.get(part).is_some_and(Value::is_null), "{part} in {status:#}");
    }
}

#[test]
fn reading_where_nothing_is_makes_nothing() {
    let sandbox = Sandbox::new();
    for (args, code) in READING {
        sandbox.run(args).exits(*code);
    }
    assert!(!sandbox.home().exists());
    assert_eq!(std::fs::read_dir(sandbox.path().join("run")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(sandbox.path().join("user")).unwrap().count(), 0);
}

#[test]
fn reading_leaves_every_file_as_it_is() {
    let sandbox = Sandbox::used();
    reading_changes_nothing_in(&sandbox);
}

#[test]
fn reading_leaves_what_a_killed_daemon_left_as_it_is() {
    let sandbox = Sandbox::used();
    killed_daemon(&sandbox);
    reading_changes_nothing_in(&sandbox);
}

#[test]
fn reading_works_where_nothing_may_be_written() {
    let sandbox = Sandbox::used();
    let files = sandbox.files();
    let closed = |mode| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(sandbox.home(), permissions).unwrap();
    };
    closed(0o500);
    sandbox.run(&["status"]).exits(0);
    sandbox.run(&["settings", "get", "stale_threshold_days"]).exits(0).says("9");
    closed(0o700);
    assert_eq!(files, sandbox.files());
}

#[track_caller]
fn reading_changes_nothing_in(sandbox: &Sandbox) {
    let before = sandbox.files();
    assert!(before.keys().any(|path| path.ends_with("tinyforge.db")), "{:?}", before.keys());
    for (args, code) in READING {
        sandbox.run(args).exits(*code);
        let after = sandbox.files();
        let names = |files: &std::collections::BTreeMap<_, _>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after), "{args:?} made or removed a file");
        for (path, facts) in &before {
            assert!(facts == &after[path], "{args:?} changed {}", path.display());
        }
    }
}

fn killed_daemon(sandbox: &Sandbox) {
    let mut daemon: Running = sandbox.serve(&[]);
    daemon.signal(rustix::process::Signal::KILL);
    assert_eq!(daemon.ends(), None);
    assert!(sandbox.home().join("daemon.json").exists(), "a killed daemon takes nothing away");
}

#[test]
fn after_kill_9_the_next_command_works() {
    let sandbox = Sandbox::new();
    killed_daemon(&sandbox);
    sandbox.run(&["status"]).exits(0).says("no daemon runs");
    sandbox.run(&["settings", "set", "stale_threshold_days", "5"]).exits(0);
    let daemon = sandbox.serve(&[]);
    sandbox.run(&["status"]).exits(0).says(&format!("pid {}", daemon.pid()));
}

#[test]
fn settings_are_checked_stored_and_shown() {
    let sandbox = Sandbox::new();
    let of_key = |ran: &Ran| ran.json()["value"].clone();
    let before = sandbox.run(&["settings", "get", "stale_threshold_days", "--json"]).exits(0);
    assert_eq!(of_key(&before), "7", "the contract's default");
    let set = sandbox.run(&["settings", "set", "stale_threshold_days", "9", "--json"]).exits(0);
    assert_eq!(of_key(&set), "9");
    sandbox.run(&["settings", "get", "stale_threshold_days"]).exits(0).says("9").tells_nothing();
    sandbox.run(&["settings"]).exits(0).says("stale_threshold_days");
    let all = sandbox.run(&["settings", "--json"]).exits(0).json();
    for setting in all.as_array().unwrap() {
        for field in ["key", "value", "default", "explanation"] {
            assert!(setting[field].is_string(), "{setting:#}");
        }
    }
}

#[test]
fn a_copy_of_the_database_can_be_made_listed_and_put_back() {
    let sandbox = Sandbox::new();
    sandbox.run(&["settings", "set", "stale_threshold_days", "9"]).exits(0);
    let made = sandbox.run(&["backup", "create", "--json"]).exits(0).json();
    let name = made["name"].as_str().unwrap();
    assert_eq!(made["reason"], "manual");
    sandbox.run(&["settings", "set", "stale_threshold_days", "5"]).exits(0);

    let list = sandbox.run(&["backup", "list", "--json"]).exits(0).json();
    assert!(list.as_array().unwrap().iter().any(|backup| backup["name"] == name), "{list:#}");
    sandbox.run(&["backup", "restore", name]).exits(0).says(name);
    sandbox.run(&["settings", "get", "stale_threshold_days"]).exits(0).says("9");
    let list = sandbox.run(&["backup", "list", "--json"]).exits(0).json();
    assert!(list.as_array().unwrap().iter().any(|backup| backup["reason"] == "before-restore"), "{list:#}");
    sandbox.run(&["backup", "restore", "no-such-copy"]).exits(1).tells("no-such-copy");
}

#[test]
fn a_daemon_that_runs_keeps_its_database_from_being_replaced() {
    let sandbox = Sandbox::used();
    let list = sandbox.run(&["backup", "list", "--json"]).exits(0).json();
    let name = list[0]["name"].as_str().unwrap().to_owned();
    let daemon = sandbox.serve(&[]);
    sandbox.run(&["backup", "restore", &name]).exits(1).tells(&daemon.pid().to_string());
}

#[test]
fn parallel_commands_without_a_daemon_wait_for_each_other() {
    let sandbox = Sandbox::new();
    thread::scope(|scope| {
        let writers = (1..=6).map(|days| {
            let sandbox = &sandbox;
            scope.spawn(move || sandbox.run(&["settings", "set", "stale_threshold_days", &days.to_string()]))
        });
        let writers: Vec<_> = writers.collect();
        let readers: Vec<_> = (0..6).map(|_| scope.spawn(|| sandbox.run(&["ps", "--json"]))).collect();
        for run in writers.into_iter().chain(readers) {
            run.join().unwrap().exits(0);
        }
    });
    let days = sandbox.run(&["settings", "get", "stale_threshold_days"]).exits(0).stdout;
    assert!((1..=6).contains(&days.trim().parse::<u32>().unwrap()), "{days}");
}

#[test]
fn a_data_folder_that_is_none_is_an_error_and_no_panic() {
    let sandbox = Sandbox::new();
    std::fs::write(sandbox.home(), "I am a file").unwrap();
    sandbox.run(&["settings", "set", "stale_threshold_days", "5"]).exits(1).tells("data");
    sandbox.run(&["serve"]).exits(1).tells("data");
    for reading in ["ps", "status", "events"] {
        sandbox.run(&[reading]).exits(2).tells("data needs a folder").says_nothing();
    }
    assert_eq!(std::fs::read(sandbox.home()).unwrap(), b"I am a file");
}

#[test]
fn the_doctor_tells_of_a_database_that_cannot_be_used_in_plain_words() {
    let sandbox = Sandbox::new();
    sandbox.run(&["settings", "set", "stale_threshold_days", "9"]).exits(0);
    let name = sandbox.run(&["backup", "create", "--json"]).exits(0).json()["name"].clone();
    let copy = sandbox.home().join("backups").join(name.as_str().unwrap());
    let database = sandbox.home().join("tinyforge.db");
    let of = |part: &str| -> Value {
        let findings = sandbox.run(&["doctor", "--json"]).exits(1).json();
        let found = findings.as_array().unwrap().iter().find(|finding| finding["part"] == part);
        found.cloned().unwrap_or(Value::Null)
    };

    let mut bytes = std::fs::read(&database).unwrap();
    bytes[4096..4096 + 2048].fill(0xa5);
    std::fs::write(&database, &bytes).unwrap();
    let found = of("database");
    assert_eq!(found["state"], "fail", "{found:#}");
    let text = found["text"].as_str().unwrap();
    assert!(text.contains("its pages contradict each other") && text.contains("the copy"), "{text}");
    assert!(found["cure"].as_str().unwrap().contains("tinyforge serve"), "{found:#}");
    assert_eq!(of("database pages"), Value::Null, "nobody looked at another file's pages");
    assert_eq!(sandbox.run(&["status", "--json"]).exits(0).json()["database"]["ok"], false);

    std::fs::write(&copy, &bytes).unwrap();
    let restored = sandbox.run(&["backup", "restore", name.as_str().unwrap()]).exits(1).says_nothing();
    restored.tells("it is damaged: its pages contradict each other");

    let db = rusqlite::Connection::open_in_memory().unwrap();
    std::fs::remove_file(&database).unwrap();
    db.execute_batch(
        "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL);
         INSERT INTO schema_migrations VALUES (999, 'from the future', '2030-01-01T00:00:00.000000Z');",
    )
    .unwrap();
    db.execute("VACUUM INTO ?1", [database.to_str().unwrap()]).unwrap();
    let found = of("database");
    assert_eq!(found["state"], "fail", "{found:#}");
    assert!(found["text"].as_str().unwrap().contains("update tinyforge"), "{found:#}");
}
