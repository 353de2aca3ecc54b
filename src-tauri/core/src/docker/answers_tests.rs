//! Answers of every dialect, as they stand on the wire, and what they must be read as.

use super::*;
use crate::rules::labels;

const WORD: &str = "test";

fn listed(body: &str) -> Vec<String> {
    let rows = listing(body.as_bytes(), WORD).unwrap();
    let text = |r: Listed| format!("{} {} {} {} {}", r.container_id, r.name, r.image, r.state, r.health);
    rows.into_iter().map(text).collect()
}

#[test]
fn listings_of_every_dialect_are_read() {
    let cases = [
        // Docker 20.10, API 1.41: health stands in a sentence; a link adds a name
        (
            r#"[{"Id":"aa","Names":["/db/alias","/web"],"Image":"web:1","ImageID":"sha256:1","Command":"/serve","Created":1700000000,"Ports":[{"IP":"127.0.0.1","PrivatePort":80,"PublicPort":32768,"Type":"tcp"}],"Labels":{"a":"b"},"State":"running","Status":"Up 2 minutes (healthy)","HostConfig":{"NetworkMode":"default"},"NetworkSettings":{"Networks":{}},"Mounts":[]}]"#,
            vec!["aa web web:1 running healthy"],
        ),
        (
            r#"[{"Id":"aa","Names":["/w"],"Image":"i","State":"running","Status":"Up 1 second (health: starting)"}]"#,
            vec!["aa w i running starting"],
        ),
        (
            r#"[{"Id":"aa","Names":["/w"],"Image":"i","State":"running","Status":"Up 3 days (unhealthy)"}]"#,
            vec!["aa w i running unhealthy"],
        ),
        (
            r#"[{"Id":"aa","Names":["/w"],"Image":"i","State":"running","Status":"Up 3 days"}]"#,
            vec!["aa w i running none"],
        ),
        (
            r#"[{"Id":"aa","Names":["/w"],"Image":"i","State":"paused","Status":"Up 3 days (Paused)"}]"#,
            vec!["aa w i paused none"],
        ),
        (
            r#"[{"Id":"aa","Names":["/w"],"Image":"i","State":"exited","Status":"Exited (137) 3 days ago"}]"#,
            vec!["aa w i stopped none"],
        ),
        (
            r#"[{"Id":"aa","Names":["/w"],"Image":"i","State":"removing","Status":"Removal In Progress"}]"#,
            vec!["aa w i removing none"],
        ),
        (
            r#"[{"Id":"aa","Names":["/w"],"Image":"i","State":"dead","Status":"Dead"}]"#,
            vec!["aa w i failed none"],
        ),
        // Docker 23 to 27, API 1.42 to 1.47: more beside it, the same within
        (
            r#"[{"Id":"aa","Names":["/w"],"Image":"i","ImageID":"sha256:1","ImageManifestDescriptor":{"mediaType":"x","digest":"sha256:2","size":5},"State":"restarting","Status":"Restarting (1) 2 seconds ago","HostConfig":{"NetworkMode":"bridge","Annotations":{"a":"b"}}}]"#,
            vec!["aa w i restarting none"],
        ),
        // Docker 29, API 1.52: a field of its own; the sentence no longer decides
        (
            r#"[{"Id":"aa","Names":["/w"],"Image":"i","State":"running","Status":"Up 2 seconds","Health":{"Status":"unhealthy","FailingStreak":3}}]"#,
            vec!["aa w i running unhealthy"],
        ),
        (
            r#"[{"Id":"aa","Names":["/w"],"Image":"i","State":"running","Status":"Up 2 seconds","Health":{"Status":"none","FailingStreak":0}}]"#,
            vec!["aa w i running none"],
        ),
        // Podman: its own words, nulls where Docker has nothing, and none of Docker's numbers
        (
            r#"[{"Id":"aa","Names":["/w"],"Image":"docker.io/library/i:latest","ImageID":"1","Ports":null,"Labels":null,"State":"initialized","Status":"","Mounts":null}]"#,
            vec!["aa w docker.io/library/i:latest created none"],
        ),
        (
            r#"[{"Id":"aa","Names":null,"Image":null,"State":"stopping","Status":null,"Health":null}]"#,
            vec!["aa   running none"],
        ),
        // an odd one hides nobody
        (
            r#"[{"Id":"aa","Names":["/a"],"Image":"i","State":"hibernating"},{"Id":"bb","Names":["/b"],"Image":"i","State":"running"},{"Id":"cc"}]"#,
            vec!["aa a i unknown none", "bb b i running none", "cc   unknown none"],
        ),
        // names that need escapes
        (
            r#"[{"Id":"aa","Names":["/w\u00e9b"],"Image":"a\/b","State":"running"}]"#,
            vec!["aa wéb a/b running none"],
        ),
        ("[]", vec![]),
    ];
    for (body, expected) in cases {
        assert_eq!(listed(body), expected, "{body}");
    }
}

#[test]
fn what_is_no_listing_is_refused_as_a_whole() {
    for body in
        ["", "null", "{}", r#"{"message":"x"}"#, r#"[{"Id":"aa"},"#, r#"[{"Names":["/no-id"]}]"#, "<html>"]
    {
        let error = listing(body.as_bytes(), WORD).unwrap_err();
        assert!(matches!(error, EngineError::Garbled { .. }), "{body}: {error}");
    }
}

#[test]
fn a_managed_listing_exposes_the_claim() {
    let claim =
        serde_json::json!({ labels::MANAGED: "true", labels::WORKLOAD_ID: "w1", labels::ROLE: "prod" });
    let body = format!(
        r#"[{{"Id":"aa","Names":["/w"],"State":"running","Labels":{claim}}},{{"Id":"bb","Names":["/x"],"State":"exited","Labels":null}}]"#
    );
    let rows = managed_listing(body.as_bytes(), WORD).unwrap();
    assert_eq!(
        (rows[0].workload_id.as_deref(), rows[0].role.as_deref(), rows[0].state),
        (Some("w1"), Some("prod"), State::Running)
    );
    assert_eq!((rows[1].workload_id.as_deref(), rows[1].state), (None, State::Stopped));
}

/// One inspect, as `what` of it differs from a plain running one.
fn seen(dialect: &str, what: &[(&str, serde_json::Value)]) -> Observed {
    let mut body: serde_json::Value = serde_json::from_str(dialect).unwrap();
    for (pointer, value) in what {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    inspected(body.to_string().as_bytes(), &ContainerId::new("aa"), WORD).unwrap()
}

const DOCKER: &str = r#"{"Id":"aa","Created":"2026-01-02T03:04:05.123456789Z","Path":"/serve","Args":[],
    "State":{"Status":"running","Running":true,"Paused":false,"Restarting":false,"OOMKilled":false,"Dead":false,"Pid":7,"ExitCode":0,"Error":"",
        "StartedAt":"2026-01-02T03:04:06.5Z","FinishedAt":"0001-01-01T00:00:00Z","Health":{"Status":"healthy","FailingStreak":0,"Log":[]}},
    "Image":"sha256:1","Name":"/web","RestartCount":2,"Platform":"linux",
    "HostConfig":{"AutoRemove":false,"RestartPolicy":{"Name":"unless-stopped","MaximumRetryCount":0}},
    "Config":{"Image":"web:1","Labels":{"a":"b"}},
    "NetworkSettings":{"Ports":{"443/tcp":null,"53/udp":[{"HostIp":"","HostPort":"53"}],
        "80/tcp":[{"HostIp":"127.0.0.1","HostPort":"32768"},{"HostIp":"::1","HostPort":"32768"}]}}}"#;

const PODMAN: &str = r#"{"Id":"aa","Created":"2026-01-02T03:04:05Z",
    "State":{"Status":"running","Running":true,"OOMKilled":false,"ExitCode":0,"Error":"","StartedAt":"2026-01-02T04:04:06+01:00",
        "FinishedAt":"0001-01-01T00:00:00Z","Healthcheck":{"Status":"starting","FailingStreak":0,"Log":null}},
    "Image":"sha256:1","Name":"/web","RestartCount":0,"HostConfig":{"AutoRemove":false,"RestartPolicy":{"Name":"","MaximumRetryCount":0}},
    "Config":{"Image":"docker.io/library/web:1","Labels":null},"NetworkSettings":{"Ports":null}}"#;

#[test]
fn an_inspect_is_read_field_by_field() {
    let plain = seen(DOCKER, &[]);
    assert_eq!(
        (plain.name.as_str(), plain.image.as_str(), plain.image_id.as_str()),
        ("web", "web:1", "sha256:1")
    );
    assert_eq!((plain.state, plain.health, plain.exit_code), (State::Running, Health::Healthy, None));
    assert_eq!(
        (plain.restart_count, plain.restart_policy.as_str(), plain.auto_remove),
        (2, "unless-stopped", false)
    );
    assert_eq!(
        plain.created_at.to_string(),
        "2026-01-02T03:04:05.123456Z",
        "microseconds, as the index keeps them"
    );
    assert_eq!(plain.started_at.unwrap().to_string(), "2026-01-02T03:04:06.5Z");
    assert_eq!((plain.finished_at, plain.error.clone(), plain.oom_killed), (None, None, false));
    let ports: Vec<String> = plain
        .ports
        .iter()
        .map(|p| format!("{}/{} {:?} {:?}", p.container_port, p.protocol, p.host_ip, p.host_port))
        .collect();
    assert_eq!(
        ports,
        [
            r#"53/udp Some("0.0.0.0") Some(53)"#,
            r#"80/tcp Some("127.0.0.1") Some(32768)"#,
            r#"80/tcp Some("::1") Some(32768)"#,
            "443/tcp None None"
        ]
    );
    let podman = seen(PODMAN, &[]);
    assert_eq!((podman.health, podman.restart_policy.as_str()), (Health::Starting, "no"));
    assert_eq!(podman.started_at.unwrap().to_string(), "2026-01-02T03:04:06Z");
    assert!(podman.labels.is_empty() && podman.ports.is_empty());
}

#[test]
fn the_end_of_a_program_is_told_only_where_there_was_one() {
    let finished = ("/State/FinishedAt", "2026-01-02T03:05:00Z".into());
    let never = ("/State/StartedAt", "0001-01-01T00:00:00Z".into());
    let code = |n: i64| ("/State/ExitCode", n.into());
    let status = |word: &str| ("/State/Status", word.into());
    let cases = [
        (vec![status("exited"), code(3), finished.clone()], State::Stopped, Some(3)),
        (vec![status("exited"), code(0), finished.clone()], State::Stopped, Some(0)),
        (vec![status("dead"), code(137), finished.clone()], State::Failed, Some(137)),
        (vec![status("restarting"), code(1), finished.clone()], State::Restarting, Some(1)),
        (vec![status("removing"), code(0), finished.clone()], State::Removing, Some(0)),
        (vec![status("created"), code(127), never.clone()], State::Created, None),
        (vec![status("dead"), code(0), never], State::Failed, None),
        (vec![status("paused"), code(0)], State::Paused, None),
        (vec![status("running"), code(0), finished], State::Running, None),
        (vec![status("hibernating"), code(5)], State::Unknown, Some(5)),
    ];
    for (what, state, exit_code) in cases {
        let seen = seen(DOCKER, &what);
        assert_eq!((seen.state, seen.exit_code), (state, exit_code), "{what:?}");
        assert!(
            seen.state == State::Running || seen.health == Health::None,
            "only what runs has a health: {what:?}"
        );
    }
}

#[test]
fn an_inspect_about_another_or_without_its_birth_is_refused() {
    let read = |body: &str| inspected(body.as_bytes(), &ContainerId::new("aa"), WORD).unwrap_err();
    for body in [
        r#"{"Id":"bb","Created":"2026-01-02T03:04:05Z"}"#,
        r#"{"Id":"aa","Created":""}"#,
        r#"{"Id":"aa"}"#,
        "[]",
        "",
    ] {
        assert!(matches!(read(body), EngineError::Garbled { .. }), "{body}");
    }
}

#[test]
fn an_engine_is_known_by_what_stays() {
    let docker = info(br#"{"ID":"ABCD:EF","DockerRootDir":"/var/lib/docker","SystemTime":"2026-01-02T03:04:05Z","Containers":3}"#, WORD).unwrap();
    let id = |dialect, info: &Info| engine_id(dialect, "unix:///s", info, WORD);
    assert_eq!(id(Dialect::Docker, &docker).unwrap(), "ABCD:EF");
    let podman = |id: &str| {
        info(format!(r#"{{"ID":"{id}","DockerRootDir":"/graph/root"}}"#).as_bytes(), WORD).unwrap()
    };
    assert_eq!(
        id(Dialect::Podman, &podman("one")).unwrap(),
        id(Dialect::Podman, &podman("two")).unwrap(),
        "its id is new at every call"
    );
    let nameless = info(b"{}", WORD).unwrap();
    assert!(matches!(id(Dialect::Docker, &nameless), Err(EngineError::Garbled { .. })));
}

#[test]
fn every_action_that_is_asked_for_is_known() {
    let healthy = Labels::from([("health_status".to_owned(), "healthy".to_owned())]);
    for word in ACTIONS {
        assert!(!matches!(action(word, &healthy), Action::Other(_)), "{word}");
    }
    let none = Labels::new();
    for word in ["health_status", "health_status: running", "exec_create: sh", "init", "cleanup", "", "prune"]
    {
        assert_eq!(action(word, &none), Action::Other(word.to_owned()));
    }
    assert_eq!(action("health_status:unhealthy", &none), Action::HealthStatus(Health::Unhealthy));
}

#[test]
fn a_log_is_read_in_frames_and_as_bare_bytes() {
    let frame = |stream: u8, content: &[u8]| {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[stream, 0, 0, 0], &length[..], content].concat()
    };
    let framed =
        [frame(1, b"one\n"), frame(2, b"two"), frame(1, b"three\r\n"), frame(1, b"a\xffb\n")].concat();
    assert_eq!(log_lines(&framed, 20), ["one", "two", "three", "a\u{fffd}b"]);
    assert_eq!(log_lines(&framed, 2), ["three", "a\u{fffd}b"], "the last ones");
    assert_eq!(log_lines(b"one\r\ntwo\n", 20), ["one", "two"], "a terminal's");
    assert_eq!(log_lines(b"", 20), [""; 0]);
    for cut in 1..framed.len() {
        let _ = log_lines(&framed[..cut], 20);
    }
    let lying = [&[1, 0, 0, 0, 255, 255, 255, 255][..], b"short\n"].concat();
    assert_eq!(log_lines(&lying, 20).len(), 1, "no frame: what is there is shown");
}

#[test]
fn what_the_health_check_printed_last_is_read() {
    let probe = |health: &str| {
        let id = "a".repeat(64);
        let body = format!(
            r#"{{"Id":"{id}","Created":"2026-01-01T00:00:00Z","State":{{"Status":"running"{health}}}}}"#
        );
        inspected(body.as_bytes(), &ContainerId::new(id.as_str()), "test").unwrap().probe
    };
    assert_eq!(probe(""), None);
    assert_eq!(probe(r#","Health":{"Status":"starting"}"#), None);
    assert_eq!(probe(r#","Health":{"Status":"unhealthy","Log":null}"#), None);
    let log = r#","Health":{"Status":"unhealthy","Log":[{"ExitCode":0,"Output":"old"},{"ExitCode":1,"Output":"new\n"}]}"#;
    assert_eq!(probe(log).as_deref(), Some("new\n"));
    assert_eq!(probe(r#","Healthcheck":{"Status":"unhealthy","Log":[{}]}"#).as_deref(), Some(""));
}
