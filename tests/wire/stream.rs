//! The event stream over the wire: in chunks, from a small ring, to readers that are slow, torn at any byte.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use harness::wire::OnTheWire;
use jiff::Timestamp;
use serde_json::Value;
use tinyforge_core::docker::fake::served::{Befalls, Idiom, Question};
use tinyforge_core::docker::fake::{RestartPolicy, Spec};
use tinyforge_core::docker::{Action, Engine as _, EngineEvent, EventStream};
use tinyforge_core::rules::container::State;
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(30);
/// What is on its way over a local socket arrives within this; beyond it nothing was.
const STILL: Duration = Duration::from_secs(1);

/// Everything that is told until nothing is.
async fn drain(events: &mut EventStream) -> Vec<EngineEvent> {
    let mut told = Vec::new();
    while let Ok(Some(Ok(event))) = timeout(STILL, events.next()).await {
        told.push(event);
    }
    told
}

#[tokio::test]
async fn an_event_arrives_at_once_and_in_chunks() {
    let wire = OnTheWire::new(1, Idiom::Api141);
    let door = wire.door();
    let mut events = door.events(wire.engine.now()).await.unwrap();
    let id = wire.engine.run(Spec::named("web")).unwrap();
    let first = timeout(PATIENCE, events.next()).await.unwrap().unwrap().unwrap();
    assert_eq!((first.container_id, first.action), (id.clone(), Action::Create));
    assert_eq!(wire.engine.readers(), 1);
    drop(events);
    let deadline = Instant::now() + PATIENCE;
    while wire.engine.readers() > 0 {
        assert!(Instant::now() < deadline, "whoever left is no reader any more");
        tokio::task::yield_now().await;
    }

    let until = wire.engine.now();
    let request = format!("GET /events?since=0&until={}.999 HTTP/1.1", until.as_second());
    let socket = wire.socket();
    let bytes =
        tokio::task::spawn_blocking(move || harness::wire::exchange(&socket, &request, "")).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.to_lowercase().contains("transfer-encoding: chunked"), "{text}");
    assert!(text.ends_with("\r\n0\r\n\r\n"), "an end that was asked for is a tidy one: {text}");
}

#[tokio::test]
async fn the_ring_is_small_and_health_checks_flush_it() {
    let wire = OnTheWire::new(1, Idiom::Api141);
    let door = wire.door();
    let id = wire.engine.run(Spec::named("web").health_check()).unwrap();
    for n in 0..300 {
        wire.engine.rename(&id, &format!("web{n}")).unwrap();
    }
    let mut replayed = door.events(Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(drain(&mut replayed).await.len(), 256);
    wire.engine.noise(200);
    let mut replayed = door.events(Timestamp::UNIX_EPOCH).await.unwrap();
    let told = drain(&mut replayed).await;
    assert_eq!(told.len(), 56, "a filter applies after the ring has forgotten");
    assert!(told.iter().all(|event| event.action == Action::Rename));

    let until = wire.engine.now().as_second() + 1;
    let told = wire.ask(&format!("GET /events?since=0&until={until}")).lines();
    let checks = told.iter().filter(|line| line["Action"].as_str().unwrap().starts_with("exec_"));
    assert_eq!((told.len(), checks.count()), (256, 200), "who sets no filter sees the checks");
}

/// A reader that does not read loses events in silence: neither an error nor an end says so.
#[tokio::test]
async fn a_slow_reader_loses_events_and_is_not_told() {
    let wire = OnTheWire::new(1, Idiom::Api152);
    wire.engine.change_weather(|weather| weather.reader_capacity = 64);
    let door = wire.door();
    let id = wire.engine.create(Spec::named("web")).unwrap();
    let mut events = door.events(wire.engine.now()).await.unwrap();
    for n in 0..8_000 {
        wire.engine.rename(&id, &format!("web{n}")).unwrap();
    }
    let told = drain(&mut events).await;
    assert!((64..8_000).contains(&told.len()), "{} of 8,000", told.len());
    wire.engine.rename(&id, "last").unwrap();
    let goes_on = async { while events.next().await.unwrap().unwrap().attributes["name"] != "last" {} };
    assert!(timeout(PATIENCE, goes_on).await.is_ok(), "and the stream goes on");
}

#[tokio::test]
async fn events_come_twice_late_and_in_another_order() {
    let wire = OnTheWire::new(1, Idiom::Api144);
    wire.engine.change_weather(|weather| {
        weather.event_delay = Duration::from_millis(50);
        weather.event_shuffle = true;
        weather.event_duplicates = 0.5;
    });
    let door = wire.door();
    let id = wire.engine.create(Spec::named("web")).unwrap();
    let mut events = door.events(wire.engine.now()).await.unwrap();
    for n in 0..100 {
        wire.engine.rename(&id, &format!("web{n}")).unwrap();
    }
    let told = drain(&mut events).await;
    let told: Vec<Timestamp> =
        told.iter().filter(|event| event.action == Action::Rename).map(|event| event.at).collect();
    let mut times: BTreeMap<Timestamp, usize> = BTreeMap::new();
    told.iter().for_each(|at| *times.entry(*at).or_default() += 1);
    assert_eq!(times.len(), 100, "none is lost");
    assert!(times.values().any(|times| *times == 2) && !told.is_sorted());
}

/// A listing may say what was; an inspect never does.
#[tokio::test]
async fn a_listing_lags_behind_a_pause() {
    let wire = OnTheWire::new(3, Idiom::Api144);
    wire.engine.change_weather(|weather| weather.list_lag = Duration::from_millis(600));
    let door = wire.door();
    let mut behind = 0;
    for n in 0..20 {
        let id = wire.engine.run(Spec::named(&format!("web{n}"))).unwrap();
        wire.engine.pause(&id).unwrap();
        let rows = door.list().await.unwrap();
        behind += usize::from(rows.iter().any(|row| row.container_id == id && row.state == State::Running));
        assert_eq!(door.inspect(&id).await.unwrap().unwrap().state, State::Paused);
    }
    assert!(behind > 5, "only {behind} of 20 listings lagged");
}

#[tokio::test]
async fn an_engine_that_restarts_tells_of_it_breaks_the_stream_and_forgets() {
    let wire = OnTheWire::new(1, Idiom::Api141);
    let door = wire.door();
    let kept = wire.engine.run(Spec::named("kept").restart(RestartPolicy::UnlessStopped)).unwrap();
    let mut events = door.events(wire.engine.now()).await.unwrap();
    let began = Instant::now();
    wire.engine.restart_engine();
    let mut told = Vec::new();
    let end = loop {
        match timeout(PATIENCE, events.next()).await.expect("the stream ends") {
            Some(Ok(event)) => told.push(event.action),
            Some(Err(error)) => break error,
            None => panic!("a restart ends the stream by an error, after {told:?}"),
        }
    };
    assert_eq!(told, [Action::Kill, Action::Die, Action::Stop]);
    assert!(end.is_away(), "{end}");
    door.identify().await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300), "whoever asks meanwhile waits");
    assert_eq!(door.inspect(&kept).await.unwrap().unwrap().state, State::Running);
    let mut replayed = door.events(Timestamp::UNIX_EPOCH).await.unwrap();
    let told = drain(&mut replayed).await;
    assert_eq!(told.iter().map(|event| &event.action).collect::<Vec<_>>(), [&Action::Start], "{told:?}");
}

/// However much of the stream arrives: what is told is what happened, in its order, and then the stream is over.
#[tokio::test]
async fn a_stream_torn_at_any_byte_tells_a_beginning_and_ends() {
    for idiom in [Idiom::Api141, Idiom::Api152, Idiom::Podman] {
        let wire = OnTheWire::new(1, idiom);
        let door = wire.door();
        door.identify().await.unwrap();
        let id = wire.engine.run(Spec::named("web")).unwrap();
        wire.engine.rename(&id, "öther").unwrap();
        let mut events = door.events(Timestamp::UNIX_EPOCH).await.unwrap();
        let whole = drain(&mut events).await;
        assert!(whole.len() >= 3);
        let length = 200 + 600 * whole.len();
        let mut most = 0;
        for bytes in 0..length {
            wire.served.befall(Question::Events, 1, Befalls::Cut(bytes));
            let Ok(mut events) = door.events(Timestamp::UNIX_EPOCH).await else { continue };
            let mut told = Vec::new();
            loop {
                match timeout(PATIENCE, events.next()).await {
                    Ok(Some(Ok(event))) => told.push(event),
                    Ok(Some(Err(_)) | None) => break,
                    // What is longer than the stream so far is no cut yet.
                    Err(_) => panic!("{idiom:?}: no end after {bytes} bytes"),
                }
                if told.len() == whole.len() {
                    break;
                }
            }
            assert_eq!(told, whole[..told.len()], "{idiom:?} torn after {bytes} bytes");
            most = most.max(told.len());
            if told.len() == whole.len() {
                break;
            }
        }
        assert_eq!(most, whole.len(), "{idiom:?}: {length} bytes were not the whole stream");
    }
}

/// A person's stop is told to everybody who listens, whatever asked for it.
#[test]
fn the_stream_filters_as_a_person_asks() {
    let wire = OnTheWire::new(1, Idiom::Api141);
    let web = wire.engine.run(Spec::named("web").label("tier", "front")).unwrap();
    wire.engine.run(Spec::named("db").label("tier", "back")).unwrap();
    wire.engine.stop_container(&web).unwrap();
    let until = wire.engine.now().as_second() + 1;
    let told = |filters: &str| -> Vec<String> {
        let escaped: String = filters.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let lines = wire.ask(&format!("GET /events?since=0&until={until}&filters={escaped}")).lines();
        lines
            .iter()
            .map(|line: &Value| {
                let name = &line["Actor"]["Attributes"]["name"];
                format!("{} {}", name.as_str().unwrap(), line["Action"].as_str().unwrap())
            })
            .collect()
    };
    assert_eq!(told(r#"{"event":["die"]}"#), ["web die"]);
    assert_eq!(told(r#"{"event":{"start":true},"container":{"db":true}}"#), ["db start"]);
    assert_eq!(told(r#"{"label":["tier=back"]}"#), ["db create", "db start"]);
    assert_eq!(told(r#"{"type":["network"]}"#), Vec::<String>::new());
    let listed = |filters: &str| {
        let escaped: String = filters.bytes().map(|byte| format!("%{byte:02X}")).collect();
        wire.ask(&format!("GET /containers/json?filters={escaped}"))
    };
    assert_eq!(listed(r#"{"label":{"tier":true}}"#).json().as_array().unwrap().len(), 1, "what runs");
    assert_eq!(listed(r#"{"status":["exited"]}"#).json()[0]["Names"][0], "/web");
    assert_eq!(listed(r#"{"colour":["red"]}"#).status, 400);
    assert_eq!(listed("no json").status, 500, "20.10 takes it for its own fault");
}
