//! Data in, text out: every answer at a fixed time, in a fixed zone, on terminals of a fixed width, against the page
//! `transcript.txt`, which shows what people see.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

const EXPECTED: &str = include_str!("transcript.txt");

#[test]
fn people_see_what_the_transcript_shows() {
    let transcript = transcript();
    for (found, expected) in transcript.split("\n## ").zip(EXPECTED.split("\n## ")) {
        assert_eq!(found, expected, "\nThe new page would be:\n\n{transcript}");
    }
    assert_eq!(transcript.len(), EXPECTED.len(), "\nThe new page would be:\n\n{transcript}");
}

#[test]
fn no_table_is_wider_than_its_terminal() {
    for width in 40..140 {
        let text = containers(&containers_of_every_sort(), true, &terminal(width));
        for line in text.lines() {
            assert!(line.chars().count() <= usize::from(width), "{width} columns:\n{text}");
        }
    }
}

#[test]
fn colours_only_repeat_what_marks_and_words_say() {
    let plain_text = containers(&containers_of_every_sort(), true, &terminal(110));
    let look = Look { width: Some(110), colour: true };
    let coloured = containers(&containers_of_every_sort(), true, &View { look, ..terminal(110) });
    assert!(coloured.contains('\u{1b}') && !plain_text.contains('\u{1b}'));
    let without: String = coloured
        .split('\u{1b}')
        .enumerate()
        .map(|(n, part)| if n == 0 { part } else { part.split_once('m').unwrap().1 })
        .collect();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&without), words(&plain_text));
}

fn transcript() -> String {
    let mut page = "What people see, in a terminal of 110 columns where nothing else is said.\n".to_owned();
    let mut section =
        |title: &str, text: String| page.push_str(&format!("\n## {title}\n{}\n", text.trim_end()));
    let view = terminal(110);
    let list = containers_of_every_sort();

    section("ps", containers(&list, true, &view));
    section("ps, 60 columns", containers(&list, true, &terminal(60)));
    section("ps, not a terminal", containers(&list, true, &no_terminal()));
    section("ps, nothing of ours", containers(&[], false, &view));
    section("ps --all, nothing at all", containers(&[], true, &view));

    section("status, with a daemon", status(&connected(), Host::Daemon { version: "0.1.0" }, &view));
    let silent = status(&connected(), Host::SilentDaemon { pid: Some(4321) }, &view);
    section(
        "status, beside a daemon that does not answer",
        silent.lines().next().unwrap_or_default().to_owned(),
    );
    section("status, without a daemon and without an engine", status(&away(), Host::Nobody, &view));
    section("on standard error, engine away", age(&away(), view.now).unwrap_or_default());
    section("on standard error, disk full", age(&full(), view.now).unwrap_or_default());
    section("on standard error, engine there", age(&connected(), view.now).unwrap_or_default());

    section(
        "verify, equal",
        verification(&read(json!({"equal": true, "checked": 1, "differences": []})), &view),
    );
    section("verify, different", verification(&read(differing()), &view));
    section("doctor", findings(&read::<Vec<Finding>>(report()), &view));
    section("doctor, 60 columns", findings(&read::<Vec<Finding>>(report()), &terminal(60)));

    let log: Vec<LogEntry> = read(log());
    let entries: Vec<HistoryEntry> = log.iter().map(|line| line.entry.clone()).collect();
    section("history", history(&entries, &view));
    section("history, 60 columns", history(&entries, &terminal(60)));
    section("events", events(&log, &view));
    section("events, none", events(&[], &view));
    section("events --follow", log.iter().map(|line| event(line, &view) + "\n").collect());

    let index: IndexAt = read(earlier());
    section("at", index_at(&index, &view));
    section("at, on standard error", gap(&index, &view.zone).unwrap_or_default());
    section("at, before everything", index_at(&IndexAt { containers: Vec::new(), ..index }, &view));

    let done: Vec<Acted> = read(acts());
    section("stop", acted(&done));
    section("stop, on standard error", done.iter().filter_map(refused).collect());
    section("settings", settings(&read::<Vec<Setting>>(keys()), &view));
    section("settings set", setting(&read::<Vec<Setting>>(keys())[0]));
    section("backup list", backups(&read::<Vec<Backup>>(copies()), &view));
    section("backup list, none", backups(&[], &view));
    page
}

fn terminal(width: u16) -> View {
    let look = Look { width: Some(width), colour: false };
    View { look, now: "2026-05-10T12:00:00Z".parse().unwrap(), zone: TimeZone::UTC }
}

fn no_terminal() -> View {
    View { look: Look { width: None, colour: false }, ..terminal(0) }
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// A running container of a project, with what is given put in its place.
fn container(changes: Value) -> Container {
    let mut value = json!({
        "id": "row-1", "workload_id": "w1", "workload_kind": "project", "workload_name": "shop", "role": "prod",
        "stage_id": null, "container_id": "0123456789abcdef", "name": "tf-shop-prod-4", "image": "shop:v1.4",
        "image_tag": "v1.4", "image_id": null, "image_digest": null, "state": "running", "health": "none",
        "exit_code": null, "oom_killed": false, "restart_count": 0, "ports": [],
        "host": null, "subdomain": null, "proxy_route_id": null, "url": null, "release_id": null,
        "verdict": {"level": "fine", "text": "Running.", "kind": "fine", "since": null, "cause": null, "evidence": [], "fix": null},
        "created_at": "2026-05-01T12:00:00Z", "started_at": "2026-05-10T09:00:00Z",
        "last_seen_at": "2026-05-10T11:56:00Z", "updated_at": "2026-05-10T09:00:00Z"
    });
    for (key, with) in changes.as_object().unwrap() {
        value[key] = with.clone();
    }
    read(value)
}

fn containers_of_every_sort() -> Vec<Container> {
    let port = |container_port: u16, protocol: &str, host_ip: Option<&str>, host_port: Option<u16>| json!({"container_port": container_port, "protocol": protocol, "host_ip": host_ip, "host_port": host_port});
    let unowned = json!({
        "name": "loud\u{1b}[31m\nname\u{202e}", "workload_name": null, "workload_kind": null, "role": null,
        "image": "nginx", "state": "running", "health": "healthy",
        "ports": [port(53, "udp", Some("0.0.0.0"), Some(5353)), port(80, "tcp", None, None), port(81, "tcp", Some("::1"), Some(8081))]
    });
    let in_state = |name: &str, state: &str| container(json!({"name": name, "state": state}));
    vec![
        container(json!({"ports": [port(8080, "tcp", Some("127.0.0.1"), Some(32768))]})),
        container(json!({"name": "starting", "health": "starting"})),
        container(json!({
            "name": "unhealthy", "health": "unhealthy",
            "verdict": {"level": "warn", "text": "Its health check fails.", "kind": "unhealthy", "since": null, "cause": null, "evidence": [], "fix": null}
        })),
        container(json!({
            "name": "crashed", "state": "stopped", "exit_code": 137,
            "verdict": {"level": "bad", "text": "Killed: out of memory.", "kind": "out_of_memory", "since": null, "cause": null, "evidence": [], "fix": null}
        })),
        container(json!({"name": "completed", "state": "stopped", "exit_code": 0})),
        container(json!({"name": "stopped", "state": "stopped", "exit_code": 143})),
        container(json!({"name": "created", "state": "created", "started_at": null, "last_seen_at": null})),
        in_state("deploying", "deploying"),
        in_state("paused", "paused"),
        in_state("restarting", "restarting"),
        in_state("removing", "removing"),
        in_state("dead", "failed"),
        container(json!({
            "name": "missing", "state": "missing", "last_seen_at": "2026-03-01T00:00:00Z",
            "verdict": {"level": "warn", "text": "The engine no longer knows it.", "kind": "vanished", "since": null, "cause": null, "evidence": [], "fix": null}
        })),
        in_state("hibernating", "unknown"),
        container(unowned),
    ]
}

fn connected() -> Status {
    read(json!({
        "version": "0.1.0", "pid": 4321, "uptime_s": 7400,
        "engine": {
            "state": "connected", "endpoint": "unix:///var/run/docker.sock", "simulated": false, "version": "29.1.0", "api_version": "1.52",
            "id": "ABCD", "latency_ms": 0.63, "since": "2026-05-10T11:00:00Z", "reason": null, "cure": null
        },
        "index": {
            "containers": 12, "revision": 40, "verified_at": "2026-05-10T11:59:56Z", "age_ms": 4000, "last_pass_ms": 8.81,
            "passes": 120, "events": 1, "divergences": 0, "unreadable": 0
        },
        "database": {"path": "/home/u/.local/share/tinyforge/tinyforge.db", "bytes": 122880, "schema_version": 2, "ok": true, "note": null},
        "proxy": {"address": null, "state": "off", "routes": 0},
        "webhook": {"address": null, "enabled": false},
        "dns": {"address": null, "zone": "test", "enabled": false},
        "verdicts": {"worst": "warn", "bad": 0, "warn": 1}
    }))
}

fn away() -> Status {
    let mut status = connected();
    status.engine = read(json!({
        "state": "away", "endpoint": "unix:///var/run/docker.sock", "simulated": false, "version": null, "api_version": null, "id": null,
        "latency_ms": null, "since": "2026-05-10T11:58:00Z", "reason": "nobody listens there",
        "cure": "Start it with: systemctl start docker"
    }));
    status.index.verified_at = Some("2026-05-10T11:57:00Z".parse().unwrap());
    status.index.passes = 1;
    status.index.last_pass_ms = None;
    status.database.ok = false;
    status.verdicts = read(json!({"worst": "bad", "bad": 2, "warn": 3}));
    status
}

fn full() -> Status {
    let mut status = connected();
    status.database.ok = false;
    status.database.note = Some("no space is left for the database; free some and try again".to_owned());
    status
}

fn differing() -> Value {
    json!({"equal": false, "checked": 12, "differences": [
        {"container_id": "0123456789abcdef0123456789abcdef", "field": "state", "index": "running", "engine": "stopped"},
        {"container_id": "feed", "field": "present", "index": null, "engine": "web\u{7}"}
    ]})
}

fn report() -> Value {
    json!([
        {"part": "engine", "state": "ok", "text": "Docker 29.1.0 answers at unix:///var/run/docker.sock.", "cure": null},
        {"part": "disk", "state": "warn", "text": "Only 400 MB are left.", "cure": "Free some: docker system df shows where it went."},
        {"part": "database", "state": "fail", "text": "It cannot be written.", "cure": "chmod u+w it."}
    ])
}

fn log() -> Value {
    json!([
        {"seq": 1, "container_id": "0123456789abcdef", "name": "tf-shop-prod-4", "workload_name": "shop", "role": "prod",
         "at": "2026-05-09T08:00:00Z", "recorded_at": "2026-05-09T08:00:00Z", "field": "state", "from": null,
         "to": "running", "cause": "own", "detail": null, "level": "info"},
        {"seq": 2, "container_id": "0123456789abcdef", "name": "tf-shop-prod-4", "workload_name": "shop", "role": "prod",
         "at": "2026-05-10T11:58:00Z", "recorded_at": "2026-05-10T11:58:00Z", "field": "health", "from": "healthy",
         "to": "unhealthy", "cause": "exit", "detail": "exit 1:\u{1b}[2J timeout", "level": "bad"},
        {"seq": 3, "container_id": null, "name": "tmp", "workload_name": null, "role": null,
         "at": "2026-05-10T11:59:30Z", "recorded_at": "2026-05-10T11:59:30Z", "field": "state", "from": "running",
         "to": null, "cause": "foreign", "detail": "docker rm", "level": "info"},
        {"seq": null, "container_id": null, "name": "", "workload_name": null, "role": null,
         "at": "2026-05-10T11:59:40Z", "recorded_at": "2026-05-10T11:59:55Z", "field": "gap", "from": null,
         "to": "2026-05-10T11:59:55Z", "cause": "unknown", "detail": "engine_away", "level": "info"}
    ])
}

fn earlier() -> Value {
    json!({
        "at": "2026-05-10T10:00:00Z",
        "gap": {"from": "2026-05-10T09:00:00Z", "to": "2026-05-10T10:30:00Z", "reason": "not_running"},
        "containers": [
            {"container_id": "0123456789abcdef", "name": "tf-shop-prod-4", "image": "shop:v1.4", "workload_name": "shop",
             "role": "prod", "state": "running", "health": "healthy", "since": "2026-05-09T08:00:00Z"},
            {"container_id": "feed", "name": "db", "image": "postgres", "workload_name": null, "role": null,
             "state": "stopped", "health": "none", "since": "2026-05-01T08:00:00Z"}
        ]
    })
}

fn acts() -> Value {
    json!([
        {"container_id": "0123456789abcdef", "name": "web", "state": "stopped", "error": null},
        {"container_id": "feed", "name": "db", "state": "running", "error": "it did not stop in time"}
    ])
}

fn keys() -> Value {
    json!([{"key": "stale_threshold_days", "value": "9", "default": "7", "explanation": "After how many days a stopped container counts as stale."}])
}

fn copies() -> Value {
    json!([{"name": "tinyforge-20260510.db", "created_at": "2026-05-10T03:00:00Z", "bytes": 122880, "schema_version": 2, "reason": "daily"}])
}
