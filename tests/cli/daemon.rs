//! `tinyforge serve`: one for a folder, found by every command, gone without a trace.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::alone::{READING, of_no_daemon};
use crate::demo;
use crate::engine::until;
use harness::sandbox::{PATIENCE, Running, Sandbox};

#[test]
fn a_daemon_says_in_one_line_what_it_does_and_where() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.serve(&[]);
    for part in [&sandbox.home().display().to_string(), &daemon.pid().to_string(), "no-engine.sock"] {
        assert!(daemon.greeting.contains(part), "no {part} in {:?}", daemon.greeting);
    }
}

#[test]
fn commands_ask_the_daemon() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.serve(&[]);
    let status = sandbox.run(&["status", "--json"]).exits(0).json();
    assert_eq!(status["pid"], daemon.pid());
    assert!(status["uptime_s"].is_u64(), "{status:#}");
    sandbox.run(&["status"]).exits(0).says(&format!("daemon with pid {}", daemon.pid()));
    sandbox.run(&["settings", "set", "stale_threshold_days", "3"]).exits(0);
    sandbox.run(&["settings", "get", "stale_threshold_days"]).exits(0).says("3");
    sandbox.run(&["backup", "create"]).exits(0);
    sandbox.run(&["ps"]).exits(0).tells("the engine is ");
    sandbox.run(&["verify"]).exits(3);
    sandbox.run(&["stop", "nobody"]).exits(3);
    sandbox.run(&["history", "nobody"]).exits(1);
}

/// Whoever means another engine than the daemon's would otherwise stop a container of the same name over there.
#[test]
fn where_docker_host_names_another_engine_reading_says_so_and_acting_is_refused() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.serve(&[]);
    let watched = format!("unix://{}", sandbox.path().join("no-engine.sock").display());
    let meaning = |host: &str, args: &[&str]| {
        let mut command = sandbox.command(args);
        command.env("DOCKER_HOST", host);
        let output = command.output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let pid = format!("pid {}", daemon.pid());
    for host in ["unix:///elsewhere/docker.sock", "tcp://127.0.0.1", "nonsense://there"] {
        let named = if host.starts_with("tcp") { "tcp://127.0.0.1:2375" } else { host };
        for act in ["start", "stop", "restart"] {
            let (code, stdout, told) = meaning(host, &[act, "web"]);
            assert_eq!((code, stdout.as_str()), (Some(1), ""), "{act}: {told}");
            for part in [named, &watched, &pid, "nothing was done", "Unset DOCKER_HOST"] {
                assert!(told.contains(part), "{act}: no {part} in {told}");
            }
        }
        for (args, code) in READING {
            let of_the_folder = matches!(args[0], "settings" | "backup" | "notifications");
            let (left, _, told) = meaning(host, args);
            assert_eq!(left, Some(*code), "{args:?}: {told}");
            let lines: Vec<&str> = told.lines().filter(|line| line.contains("DOCKER_HOST names")).collect();
            assert_eq!(lines.len(), usize::from(!of_the_folder), "{args:?}: {told}");
            assert!(lines.iter().all(|line| line.contains(named) && line.contains(&watched)), "{lines:?}");
        }
        let (code, _, told) = meaning(host, &["settings", "set", "stale_threshold_days", "3"]);
        assert_eq!(code, Some(0), "a setting is no engine's: {told}");
    }
    // The same one, written in another way, and none at all.
    for host in [&watched["unix://".len()..], ""] {
        let (code, _, told) = meaning(host, &["stop", "web"]);
        assert_eq!(code, Some(3), "{host:?}: it is asked, and is not there: {told}");
        assert!(!told.contains("DOCKER_HOST names"), "{told}");
    }
}

#[test]
fn many_commands_at_once_ask_one_daemon() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.serve(&[]);
    thread::scope(|scope| {
        let runs: Vec<_> = (0..12).map(|_| scope.spawn(|| sandbox.run(&["status", "--json"]))).collect();
        for run in runs {
            assert_eq!(run.join().unwrap().exits(0).json()["pid"], daemon.pid());
        }
    });
}

#[test]
fn a_second_daemon_is_refused_at_once_and_told_who_is_there() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.serve(&[]);
    let fastest = (0..3).map(|_| {
        let second = sandbox.run(&["serve"]).exits(1).says_nothing().tells(&daemon.pid().to_string());
        second.took
    });
    let fastest = fastest.min().unwrap();
    assert!(fastest < Duration::from_secs(1), "it took {fastest:?}");
    sandbox.run(&["status"]).exits(0).says(&format!("pid {}", daemon.pid()));
}

#[test]
fn signals_end_it_in_order_and_nothing_of_it_is_left() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let sandbox = Sandbox::new();
        let mut daemon = sandbox.serve(&[]);
        let socket = socket(&sandbox);
        assert!(socket.exists());
        daemon.signal(signal);
        assert_eq!(daemon.ends(), Some(0), "{signal:?}: {}", daemon.stderr());
        assert!(!socket.exists(), "the socket is gone");
        assert!(!sandbox.home().join("daemon.json").exists(), "the pointer is gone");
        sandbox.run(&["status"]).exits(0).says("no daemon runs");
        sandbox.serve(&[]);
    }
}

#[test]
fn only_the_owner_can_look_into_what_it_makes() {
    let sandbox = Sandbox::new();
    let _daemon = sandbox.serve(&[]);
    let files = sandbox.files();
    assert!(files.keys().any(|path| path.starts_with(sandbox.home().join("logs"))), "{:?}", files.keys());
    for (path, (_, mode, _)) in &files {
        assert_eq!(mode & 0o077, 0, "{} is open to others: {mode:o}", path.display());
    }
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&socket(&sandbox)), 0o600);
    assert_eq!(mode(socket(&sandbox).parent().unwrap()), 0o700);
}

#[test]
fn it_is_found_whatever_the_runtime_folder_of_the_one_who_asks() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.serve(&[]);
    let output = sandbox.command(&["status"]).env_remove("XDG_RUNTIME_DIR").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("pid {}", daemon.pid())), "{output:?}");
}

#[test]
fn beside_a_frozen_daemon_reading_does_without_it_and_says_so() {
    let sandbox = Sandbox::used();
    let daemon = sandbox.serve(&[]);
    daemon.signal(Signal::STOP);
    let before = sandbox.files();
    let pid = format!("pid {}", daemon.pid());
    for (args, code) in READING {
        let ran = sandbox.run(args).exits(*code).tells("does not answer").tells(&pid).tells("kill -CONT");
        assert!(ran.took < PATIENCE / 4, "{ran:?}");
    }
    sandbox.run(&["status"]).exits(0).says(&format!("the daemon with {pid} does not answer"));
    of_no_daemon(&sandbox.run(&["status", "--json"]).exits(0).json());
    sandbox.run(&["settings", "get", "stale_threshold_days"]).exits(0).says("9");
    let findings = sandbox.run(&["doctor", "--json"]).exits(1).json();
    assert_eq!(
        (&findings[0]["part"], &findings[0]["state"]),
        (&"daemon".into(), &"fail".into()),
        "{findings:#}"
    );
    assert!(findings[0]["cure"].as_str().unwrap().contains("kill -CONT"), "{findings:#}");
    assert!(sandbox.files() == before, "nothing is written beside it");

    daemon.signal(Signal::CONT);
    sandbox.run(&["status"]).exits(0).says(&format!("pid {}", daemon.pid())).says("up ");
}

#[test]
fn a_frozen_daemon_keeps_its_folder_and_what_acts_says_how_to_get_it_back() {
    let sandbox = Sandbox::used();
    let daemon = sandbox.serve(&[]);
    daemon.signal(Signal::STOP);
    let pid = daemon.pid();
    for args in [
        &["start", "nobody"][..],
        &["stop", "nobody"],
        &["restart", "nobody"],
        &["settings", "set", "stale_threshold_days", "5"],
        &["backup", "create"],
    ] {
        let ran = sandbox.run(args).exits(1).says_nothing().tells("does not answer");
        let ran = ran.tells(&format!("kill -CONT {pid}")).tells(&sandbox.home().display().to_string());
        assert!(ran.took < PATIENCE / 4, "{ran:?}");
    }
    sandbox.run(&["serve"]).exits(1).says_nothing().tells(&pid.to_string());
    daemon.signal(Signal::CONT);
    sandbox.run(&["settings", "get", "stale_threshold_days"]).exits(0).says("9").tells_nothing();
}

#[test]
fn whoever_follows_the_events_is_told_when_the_daemon_goes() {
    let sandbox = Sandbox::new();
    let mut daemon = sandbox.serve(&["--demo"]);
    let sandbox = sandbox.in_folder(&demo::folder_in(&daemon.greeting));
    let mut follower = Running::start(sandbox.command(&["events", "--follow", "--json"]));
    follower.line();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ends(), Some(0));
    assert_eq!(follower.ends(), Some(1));
    assert!(follower.stderr().contains("no more events"));
}

#[test]
fn whoever_follows_the_events_is_told_when_the_daemon_falls_silent_and_when_it_goes_on() {
    let sandbox = Sandbox::new();
    let daemon = sandbox.serve(&["--demo"]);
    let sandbox = sandbox.in_folder(&demo::folder_in(&daemon.greeting));
    let told = sandbox.path().join("told.txt");
    let mut command = sandbox.command(&["events", "--follow", "--json", "-n", "1"]);
    command.stdout(Stdio::piped()).stderr(File::create(&told).unwrap());
    let mut follower = command.spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let newest: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    let latest = sandbox.run(&["events", "-n", "1", "--json"]).exits(0).json();
    assert_eq!(latest, serde_json::Value::Array(vec![newest]), "the one line that was asked for");

    daemon.signal(Signal::STOP);
    let says = |text: &str| std::fs::read_to_string(&told).unwrap().contains(text);
    until("the silence is told", || says("the daemon does not answer"));
    daemon.signal(Signal::CONT);
    until("its end, too", || says("the daemon answers again"));
    sandbox.run(&["stop", "shop-cache-1"]).exits(0);
    let stopped = |line: &str| line.contains("shop-cache-1") && line.contains("stopped");
    assert!(lines.any(|line| stopped(&line.unwrap())), "and what happens is shown as before");
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn a_pointer_to_somebody_elses_socket_is_a_left_over() {
    let sandbox = Sandbox::used();
    let theirs = sandbox.path().join("theirs.sock");
    let listener = UnixListener::bind(&theirs).unwrap();
    let stranger = thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut hello = [0; 1];
            if connection.read(&mut hello).unwrap_or(0) == 0
                || connection.write_all(b"HTTP/1.1 400\r\n\r\n").is_err()
            {
                return;
            }
        }
    });
    let pointer = serde_json::json!({
        "socket": theirs, "pid": 1, "version": "0.1.0", "protocol": 1, "started_at": "2026-01-01T00:00:00Z"
    });
    std::fs::write(sandbox.home().join("daemon.json"), pointer.to_string()).unwrap();
    sandbox.run(&["status"]).exits(0).says("no daemon runs");
    sandbox.run(&["settings", "set", "stale_threshold_days", "4"]).exits(0);
    drop(UnixStream::connect(&theirs));
    stranger.join().unwrap();
}

/// Where the pointer says the daemon listens.
fn socket(sandbox: &Sandbox) -> PathBuf {
    let pointer = std::fs::read_to_string(sandbox.home().join("daemon.json")).unwrap();
    let pointer: serde_json::Value = serde_json::from_str(&pointer).unwrap();
    PathBuf::from(pointer["socket"].as_str().unwrap())
}
