//! Answers that break on their way: an error or the right answer, never a wrong one, never a panic.

use std::fmt::Debug;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use harness::wire::OnTheWire;
use jiff::Timestamp;
use tinyforge_core::docker::bollard::DockerEngine;
use tinyforge_core::docker::endpoint::Endpoint;
use tinyforge_core::docker::fake::served::{Befalls, Idiom, Question};
use tinyforge_core::docker::fake::{Call, FakeEngine, Mishap, OnTerm, Spec};
use tinyforge_core::docker::{Engine as _, EngineError, deadline};
use tinyforge_core::rules::container::{State, WorkloadKind};
use tinyforge_core::rules::ids::ContainerId;
use tokio::time::Instant;

/// Three containers: their listing comes at once; thirty come in chunks.
fn inhabited(containers: usize) -> (OnTheWire, ContainerId) {
    let wire = OnTheWire::new(1, Idiom::Api144);
    let mut last = None;
    for n in 0..containers {
        let spec = Spec::named(&format!("web{n}")).publish(80).managed("shop", WorkloadKind::Project, "prod");
        last = Some(wire.engine.run(spec).unwrap());
    }
    (wire, last.unwrap())
}

/// Every answer to one question, cut after every byte: broken, or what it is when it is whole.
async fn cut_everywhere<T: PartialEq + Debug>(
    wire: &OnTheWire,
    question: Question,
    path: &str,
    call: impl AsyncFn() -> Result<T, EngineError>,
) {
    let whole = call().await.unwrap();
    let length = harness::wire::exchange(&wire.socket(), &format!("GET {path} HTTP/1.1"), "").len();
    let mut broken = 0;
    for bytes in 0..length {
        wire.served.befall(question, 1, Befalls::Cut(bytes));
        match call().await {
            Ok(answer) => assert_eq!(answer, whole, "{question:?} cut after {bytes} of {length} bytes"),
            Err(error) => {
                let class = matches!(error, EngineError::Broken { .. } | EngineError::Garbled { .. });
                assert!(class, "{question:?} cut after {bytes} bytes: {error}");
                broken += 1;
            }
        }
    }
    assert!(broken > length / 2, "{question:?}: only {broken} of {length} cuts were noticed");
    assert_eq!(call().await.unwrap(), whole, "the next one is whole again");
}

#[tokio::test]
async fn an_answer_cut_at_any_byte_is_never_taken_for_another() {
    for containers in [1, 4] {
        let (wire, id) = inhabited(containers);
        let door = wire.door();
        cut_everywhere(&wire, Question::List, "/containers/json?all=true", async || door.list().await).await;
        cut_everywhere(&wire, Question::List, "/containers/json?all=true", async || {
            door.list_managed().await
        })
        .await;
        let path = format!("/containers/{id}/json");
        cut_everywhere(&wire, Question::Inspect, &path, async || door.inspect(&id).await).await;
        cut_everywhere(&wire, Question::Inspect, &path, async || door.inspect_whole(&id).await).await;
        let path = format!("/containers/{id}/json?size=true");
        cut_everywhere(&wire, Question::Holdings, &path, async || door.holdings(&id).await).await;
        cut_everywhere(&wire, Question::Usage, "/system/df", async || door.usage().await).await;
    }
    let (wire, _) = inhabited(1);
    let door = wire.door();
    let who = async || door.identify().await.map(|who| (who.id, who.version, who.api_version, who.dialect));
    cut_everywhere(&wire, Question::Info, "/info", who).await;
    cut_everywhere(&wire, Question::Version, "/version", who).await;
}

#[tokio::test]
async fn an_answer_whose_length_is_told_wrong_is_never_taken_for_another() {
    let (wire, id) = inhabited(3);
    let door = wire.door();
    let rows = door.list().await.unwrap();
    let seen = door.inspect(&id).await.unwrap();
    for by in (-4000..0).step_by(7).chain([-2, -1, 1, 2, 3, 1000]) {
        let length = Befalls::WrongLength(by);
        wire.served.befall(Question::List, 1, length.clone());
        if let Ok(answer) = door.list().await {
            assert_eq!(answer, rows, "{by}");
        }
        wire.served.befall(Question::Inspect, 1, length.clone());
        if let Ok(answer) = door.inspect(&id).await {
            assert_eq!(answer, seen, "{by}");
        }
        for question in [Question::Info, Question::Version] {
            wire.served.befall(question, 1, length.clone());
            if let Ok(who) = door.identify().await {
                assert_eq!((who.id, who.version.as_str()), (wire.engine.engine_id(), "25.0.5"), "{by}");
            }
        }
    }
    wire.served.befall(Question::List, 1, Befalls::WrongLength(1));
    let short = door.list().await.unwrap_err();
    assert!(matches!(short, EngineError::Broken { .. }), "a body shorter than promised: {short}");
    assert_eq!(door.list().await.unwrap(), rows);
}

#[tokio::test]
async fn an_answer_that_never_comes_or_never_ends_is_told_by_its_deadline() {
    let (wire, id) = inhabited(3);
    let door = wire.door();
    let stop = async || door.stop(&id, Some(Duration::ZERO)).await;
    for silence in [Befalls::Hang, Befalls::Stall(0), Befalls::Stall(40), Befalls::Stall(400)] {
        let befall = |question| wire.served.befall(question, 1, silence.clone());
        befall(Question::List);
        hangs("list", &silence, deadline::LIST, door.list()).await;
        befall(Question::Inspect);
        hangs("inspect", &silence, deadline::READ, door.inspect(&id)).await;
        befall(Question::Usage);
        hangs("usage", &silence, deadline::USAGE, door.usage()).await;
        befall(Question::Holdings);
        hangs("holdings", &silence, deadline::HOLDINGS, door.holdings(&id)).await;
        befall(Question::Version);
        hangs("version", &silence, deadline::READ, door.identify()).await;
        befall(Question::Info);
        hangs("info", &silence, deadline::READ, door.identify()).await;
        // These have no answer that is so long.
        if silence != Befalls::Stall(400) {
            befall(Question::Events);
            hangs("events", &silence, deadline::READ, door.events(Timestamp::UNIX_EPOCH)).await;
            befall(Question::Stop);
            hangs("stop", &silence, deadline::stop(Some(Duration::ZERO)), stop()).await;
        }
    }
    assert_eq!(door.list().await.unwrap().len(), 3, "the next one is answered");
    wire.engine.hang();
    hangs("ping", &Befalls::Hang, deadline::READ, door.ping()).await;
}

/// What is answered is answered by then.
const STILL: Duration = Duration::from_millis(200);

/// Nothing comes while there is time for it; then time is paused, so that the deadline passes at once.
async fn hangs<T>(
    what: &str,
    silence: &Befalls,
    within: Duration,
    call: impl Future<Output = Result<T, EngineError>>,
) {
    let mut call = std::pin::pin!(call);
    if let Ok(answer) = tokio::time::timeout(STILL, &mut call).await {
        panic!(
            "{what} after {silence:?}: {:?}",
            answer.err().map_or("an answer".to_owned(), |e| e.to_string())
        );
    }
    tokio::time::pause();
    let began = Instant::now();
    let error = call.await.err();
    assert!(began.elapsed() <= within, "{what} after {silence:?}: {:?}", began.elapsed());
    tokio::time::resume();
    assert!(matches!(error, Some(EngineError::Hung { .. })), "{what} after {silence:?}: {error:?}");
}

#[tokio::test]
async fn an_effect_whose_answer_is_lost_has_happened() {
    let (wire, id) = inhabited(1);
    let door = wire.door();
    wire.served.befall(Question::Stop, 1, Befalls::Cut(0));
    let error = door.stop(&id, None).await.unwrap_err();
    assert!(matches!(error, EngineError::Broken { .. }), "whether it took effect is not known: {error}");
    assert_eq!(door.inspect(&id).await.unwrap().unwrap().state, State::Stopped);
    wire.engine.mishap(Call::Start, 1, Mishap::LoseAnswer);
    assert!(matches!(door.start(&id).await.unwrap_err(), EngineError::Broken { .. }));
    assert_eq!(door.inspect(&id).await.unwrap().unwrap().state, State::Running);
    door.start(&id).await.unwrap();
}

#[tokio::test]
async fn a_refusal_keeps_the_engines_words_and_a_strangers_404_is_no_absence() {
    for idiom in Idiom::ALL {
        let wire = OnTheWire::new(1, idiom);
        let door = wire.door();
        let id = wire.engine.run(Spec::named("web")).unwrap();
        wire.engine.pause(&id).unwrap();
        let refused = door.start(&id).await.unwrap_err();
        // To Podman whatever cannot be is a fault of its own.
        let expected = if idiom == Idiom::Podman { 500 } else { 409 };
        assert!(
            matches!(&refused, EngineError::Refused { status, detail, .. }
                if *status == expected && detail.contains("paused")),
            "{idiom:?}: {refused}"
        );
        let nobody = ContainerId::new("0".repeat(64));
        assert_eq!(door.inspect(&nobody).await.unwrap(), None);
        let missing = door.start(&nobody).await.unwrap_err();
        assert!(
            matches!(&missing, EngineError::NotFound { detail, .. } if detail.contains("No such container"))
        );
        let port = EngineError::Refused {
            tried: String::new(),
            status: 500,
            detail: "port is already allocated".to_owned(),
        };
        wire.engine.mishap(Call::Restart, 1, Mishap::Fail(port));
        let refused = door.restart(&id, None).await.unwrap_err();
        assert!(refused.to_string().contains("port is already allocated"), "{refused}");
        for (status, body) in [(404, "<h1>nothing here</h1>"), (200, "<h1>hello</h1>"), (502, "bad gateway")]
        {
            let stranger = Befalls::Stranger { status, content_type: "text/html", body: body.to_owned() };
            wire.served.befall(Question::Inspect, 1, stranger.clone());
            let error = door.inspect(&id).await.unwrap_err();
            assert!(matches!(error, EngineError::Garbled { .. }), "{idiom:?}, {status}: {error}");
            wire.served.befall(Question::List, 1, stranger);
            assert!(door.list().await.is_err());
        }
        wire.engine.mishap(Call::List, 1, Mishap::Truncate(0));
        assert_eq!(
            door.list().await.unwrap(),
            [],
            "a listing that is short and whole is believed to be a listing"
        );
    }
}

#[tokio::test]
async fn what_takes_the_disk_is_the_same_in_every_idiom() {
    let engine = FakeEngine::with_clock(1, Timestamp::now);
    let own = |name: &str| Spec::named(name).image_of("tf/own:1", "sha256:0a", 700, 200).volume("shared", 9);
    let id = engine.run(own("holds").writes(77).volume("held", 5)).unwrap();
    engine.create(own("other")).unwrap();
    engine.run(Spec::named("plain")).unwrap();
    let (usage, holds) = (engine.usage().await.unwrap(), engine.holdings(&id).await.unwrap());
    assert_eq!((usage.images.len(), usage.volumes.len()), (2, 2), "{usage:?}");
    let wire = OnTheWire::serving(engine, Idiom::Api141);
    for idiom in Idiom::ALL {
        wire.served.speak(idiom);
        let door = wire.door();
        assert_eq!(door.usage().await.unwrap(), usage, "{idiom:?}");
        let mut holds = holds.clone();
        if idiom == Idiom::Podman {
            holds.as_mut().unwrap().networks = vec!["podman".to_owned()];
        }
        assert_eq!(door.holdings(&id).await.unwrap(), holds, "{idiom:?}");
    }
}

/// The engine's grace is the container's or the caller's; the wire carries it.
#[tokio::test]
async fn a_grace_is_carried_and_an_engine_that_waits_for_it_is_waited_for() {
    let wire = OnTheWire::new(1, Idiom::Api141);
    let door = wire.door();
    let id = wire.engine.run(Spec::named("deaf").on_term(OnTerm::Ignore)).unwrap();
    let began = Instant::now();
    door.stop(&id, Some(Duration::from_secs(1))).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert_eq!(door.inspect(&id).await.unwrap().unwrap().exit_code, Some(137));
}

#[tokio::test]
async fn an_engine_out_of_reach_is_told_by_its_socket_and_comes_back_at_the_same_door() {
    let wire = OnTheWire::new(1, Idiom::Api141);
    let door = wire.door();
    let id = wire.engine.run(Spec::named("web")).unwrap();
    door.identify().await.unwrap();
    for round in 0..3 {
        wire.engine.go_away();
        let error = until_it_fails(&door).await;
        assert!(
            matches!(&error, EngineError::Absent { detail, .. } if detail.contains("no such socket")),
            "{error}"
        );
        wire.engine.come_back();
        until_it_answers(&door).await;

        wire.engine.kill_engine();
        let error = until_it_fails(&door).await;
        assert!(
            matches!(&error, EngineError::Absent { detail, .. } if detail.contains("stopped")),
            "{error}"
        );
        wire.engine.come_back();
        until_it_answers(&door).await;
        assert!(door.inspect(&id).await.unwrap().is_some(), "round {round}");
    }
}

/// The server learns of it on a thread of its own; a connection that was open breaks, further ones are not let in.
async fn until_it_fails(door: &DockerEngine) -> EngineError {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match door.ping().await {
            Err(error) if !matches!(error, EngineError::Broken { .. }) => return error,
            Ok(()) | Err(_) => assert!(Instant::now() < deadline, "it still answers"),
        }
    }
}

async fn until_it_answers(door: &DockerEngine) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(error) = door.ping().await {
        assert!(Instant::now() < deadline, "it does not come back: {error}");
    }
}

#[test]
fn a_socket_that_denies_is_denied_and_lets_in_again() {
    let wire = OnTheWire::new(1, Idiom::Api141);
    std::fs::set_permissions(wire.folder(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let socket = wire.socket();
    wire.served.let_everybody_in().unwrap();
    as_nobody(&socket, async |door| until_it_answers(door).await);
    wire.engine.deny();
    let error = as_nobody(&socket, async |door| until_it_fails(door).await);
    assert!(matches!(error, EngineError::Denied { .. }), "{error}");
    wire.engine.come_back();
    as_nobody(&socket, async |door| until_it_answers(door).await);
}

/// As a user whom the socket's mode binds: root is not. A thread's user is its own to Linux.
fn as_nobody<T: Send + 'static>(
    socket: &Path,
    act: impl AsyncFnOnce(&DockerEngine) -> T + Send + 'static,
) -> T {
    let endpoint = Endpoint::Unix(socket.to_path_buf());
    let nobody = std::thread::spawn(move || {
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65534)).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { act(&DockerEngine::new(&endpoint).unwrap()).await })
    });
    nobody.join().unwrap()
}
