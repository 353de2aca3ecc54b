//! The ways in which an engine can be out of reach or out of its mind, each over a real socket, each told apart.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use harness::engine::{IMAGE, RealEngine};
use jiff::Timestamp;
use tempfile::TempDir;
use tinyforge_core::docker::bollard::DockerEngine;
use tinyforge_core::docker::endpoint::Endpoint;
use tinyforge_core::docker::{Engine as _, EngineError, deadline};
use tinyforge_core::rules::ids::ContainerId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::time::{Instant, timeout};

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("tinyforge-door-").tempdir().unwrap()
}

fn door(socket: &Path) -> DockerEngine {
    DockerEngine::new(&Endpoint::Unix(socket.to_path_buf())).unwrap()
}

fn somebody() -> ContainerId {
    ContainerId::new("a".repeat(64))
}

/// What every call answers, by name.
async fn every_call(door: &DockerEngine) -> Vec<(&'static str, EngineError)> {
    let id = somebody();
    let grace = Some(Duration::from_secs(1));
    vec![
        ("identify", door.identify().await.unwrap_err()),
        ("list", door.list().await.unwrap_err()),
        ("list_managed", door.list_managed().await.unwrap_err()),
        ("inspect", door.inspect(&id).await.unwrap_err()),
        ("inspect_whole", door.inspect_whole(&id).await.unwrap_err()),
        ("usage", door.usage().await.unwrap_err()),
        ("holdings", door.holdings(&id).await.unwrap_err()),
        ("events", door.events(Timestamp::UNIX_EPOCH).await.err().unwrap()),
        ("start", door.start(&id).await.unwrap_err()),
        ("stop", door.stop(&id, grace).await.unwrap_err()),
        ("restart", door.restart(&id, None).await.unwrap_err()),
    ]
}

#[tokio::test]
async fn no_socket_and_a_socket_that_nobody_listens_on_are_an_absent_engine() {
    let folder = folder();
    let missing = folder.path().join("missing.sock");
    for (call, error) in every_call(&door(&missing)).await {
        assert!(
            matches!(&error, EngineError::Absent { detail, .. } if detail.contains("no such socket")),
            "{call}: {error}"
        );
        assert!(
            error.to_string().contains("missing.sock") && error.cure().contains("docker"),
            "{call}: {error}"
        );
    }
    let stale = folder.path().join("stale.sock");
    drop(UnixListener::bind(&stale).unwrap());
    for (call, error) in every_call(&door(&stale)).await {
        assert!(
            matches!(&error, EngineError::Absent { detail, .. } if detail.contains("stopped")),
            "{call}: {error}"
        );
    }
    let tcp = DockerEngine::new(&Endpoint::parse("tcp://127.0.0.1:1").unwrap()).unwrap();
    assert!(matches!(tcp.identify().await, Err(EngineError::Absent { .. })));
}

#[test]
fn a_socket_of_somebody_else_is_denied_and_says_how_to_be_let_in() {
    let folder = folder();
    let socket = folder.path().join("root.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // A thread's user is its own to Linux: this one becomes nobody.
    let nobody = std::thread::spawn(move || {
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65534)).unwrap();
        } else {
            std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { every_call(&door(&socket)).await })
    });
    for (call, error) in nobody.join().unwrap() {
        assert!(matches!(error, EngineError::Denied { .. }), "{call}: {error}");
        assert!(error.cure().contains("group"), "{}", error.cure());
    }
}

/// Time is paused, so a deadline passes at once; that it passes at all is what is shown.
#[tokio::test(start_paused = true)]
async fn an_engine_that_accepts_and_never_answers_is_told_by_every_calls_deadline() {
    let folder = folder();
    let socket = folder.path().join("silent.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    let start = Instant::now();
    for (call, error) in every_call(&door(&socket)).await {
        assert!(matches!(error, EngineError::Hung { .. }), "{call}: {error}");
        assert!(error.is_away());
    }
    let most = deadline::PING
        + deadline::READ * 4
        + deadline::LIST * 2
        + deadline::USAGE
        + deadline::HOLDINGS
        + deadline::START
        + deadline::stop(Some(Duration::from_secs(1)))
        + deadline::restart(None);
    assert!(start.elapsed() <= most + Duration::from_secs(1), "{:?}", start.elapsed());
}

/// Answers every request with the same bytes and closes.
fn canned(folder: &TempDir, answer: &str) -> DockerEngine {
    let socket = folder.path().join(format!("{}.sock", fastrand::u64(..)));
    let listener = UnixListener::bind(&socket).unwrap();
    let answer = answer.to_owned();
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let _ = caller.read(&mut [0; 4096]).await;
                let _ = caller.write_all(answer.as_bytes()).await;
                let _ = caller.shutdown().await;
            });
        }
    });
    door(&socket)
}

fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn every_answer_that_is_no_answer_has_its_class() {
    let folder = folder();
    let says = |status: &str, body: &str| canned(&folder, &http(status, body));
    let message = r#"{"message":"No such container: aaaa"}"#;
    let is = |error: &EngineError| match error {
        EngineError::Absent { .. } => "absent",
        EngineError::Denied { .. } => "denied",
        EngineError::Hung { .. } => "hung",
        EngineError::Broken { .. } => "broken",
        EngineError::NotFound { .. } => "not found",
        EngineError::Refused { .. } => "refused",
        EngineError::Garbled { .. } => "garbled",
        EngineError::Endpoint(_) => "endpoint",
    };
    let cases = [
        (
            "a refusal in its own words",
            says("500 Internal Server Error", r#"{"message":"port is already allocated"}"#),
            "refused",
            "port is already allocated",
        ),
        ("a conflict", says("409 Conflict", r#"{"message":"it is paused"}"#), "refused", "it is paused"),
        ("closed without a word", canned(&folder, ""), "broken", "closed"),
        ("no HTTP at all", canned(&folder, "SSH-2.0-OpenSSH_9.2\r\n"), "garbled", "HTTP"),
    ];
    for (what, door, class, words) in cases {
        for (call, error) in every_call(&door).await {
            assert_eq!(is(&error), class, "{what}, {call}: {error}");
            assert!(error.to_string().contains(words), "{what}, {call}: {error}");
        }
    }
    // An act is done with its status; a reading needs the whole of its answer.
    let half = canned(&folder, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{\"Id\"");
    for error in [half.list().await.unwrap_err(), half.inspect(&somebody()).await.unwrap_err()] {
        assert_eq!(is(&error), "broken", "{error}");
    }
    // A 404 is certain only in the engine's own words.
    assert_eq!(says("404 Not Found", message).inspect(&somebody()).await, Ok(None));
    assert_eq!(is(&says("404 Not Found", message).start(&somebody()).await.unwrap_err()), "not found");
    assert_eq!(
        is(&says("404 Not Found", "<h1>nothing here</h1>").inspect(&somebody()).await.unwrap_err()),
        "garbled"
    );
    // Half a listing is no listing, nor is an empty answer.
    for body in [r#"[{"Id":"aa"},"#, "", "{}", "null"] {
        assert_eq!(is(&says("200 OK", body).list().await.unwrap_err()), "garbled", "{body}");
    }
    // What is already so is done.
    for call in [
        says("304 Not Modified", "").start(&somebody()).await,
        says("304 Not Modified", "").stop(&somebody(), None).await,
    ] {
        assert_eq!(call, Ok(()));
    }
}

#[tokio::test]
async fn a_stream_that_ends_says_so_and_a_line_that_cannot_be_read_is_no_panic() {
    let folder = folder();
    let line = r#"{"Type":"container","Action":"die","Actor":{"ID":"aa","Attributes":{}},"time":1,"timeNano":1000000000}"#;
    let door = canned(
        &folder,
        &format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{line}\n{{\"Type\":7}}\n"),
    );
    let mut events = door.events(Timestamp::UNIX_EPOCH).await.unwrap();
    let mut told = Vec::new();
    while let Some(event) = timeout(Duration::from_secs(5), events.next()).await.unwrap() {
        told.push(event.map(|e| e.container_id.to_string()));
        if told.len() > 5 {
            break;
        }
    }
    assert_eq!(told.first(), Some(&Ok("aa".to_owned())));
    assert!(matches!(told.get(1), None | Some(Err(_))), "{told:?}");
    assert!(told.len() <= 3, "the stream ends: {told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_engine_that_freezes_is_hung_within_the_deadline_and_goes_on_after() {
    let engine = RealEngine::start();
    let door = engine.door();
    let id = engine.run(&[IMAGE]);
    let mut events = door.events(door.identify().await.unwrap().system_time.unwrap()).await.unwrap();
    engine.freeze();
    let start = Instant::now();
    let (who, seen, told) =
        tokio::join!(door.identify(), door.inspect(&id), door.events(Timestamp::UNIX_EPOCH));
    for error in [who.map(drop).unwrap_err(), seen.map(drop).unwrap_err(), told.map(drop).unwrap_err()] {
        assert!(matches!(error, EngineError::Hung { .. }), "{error}");
    }
    assert!(start.elapsed() < deadline::READ + Duration::from_secs(2), "{:?}", start.elapsed());
    engine.thaw();
    assert!(door.inspect(&id).await.unwrap().is_some());

    engine.kill9();
    let end = timeout(Duration::from_secs(5), async { while let Some(Ok(_)) = events.next().await {} }).await;
    assert!(end.is_ok(), "the stream of a killed engine ends");
    assert!(matches!(door.identify().await.unwrap_err(), EngineError::Absent { .. }));
    engine.start_again();
    assert!(door.inspect(&id).await.unwrap().is_some(), "the same door leads to the engine that came back");
}
