//! One contract for the engine's door, kept by the fake engine and by real ones.
//!
//! [`promises`] says what the core relies on. [`stage`] plays it: the same acts, on the fake world by its verbs, on a
//! real engine by Docker's own command line; [`shapes`] compares what both say on the wire. What the fake cannot do, no promise may need; what the adapter asks of an
//! engine, a promise must exercise: the last test reads the requests off the wire.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod command_line;
mod promises;
mod recorder;
mod shapes;
mod stage;

use std::collections::BTreeSet;

use harness::engine::{RealEngine, Release};
use harness::wire::OnTheWire;
use recorder::Recorder;
use stage::Stage;
use tinyforge_core::docker::fake::served::Idiom;
use tinyforge_core::docker::fake::{Call, FakeEngine, Weather};

#[tokio::test(start_paused = true)]
async fn the_fake_keeps_the_contract() {
    let engine = FakeEngine::new(1);
    promises::all(&Stage::fake(engine.clone())).await;
    for call in Call::ALL {
        assert!(engine.calls().of(call) > 0, "no promise exercises {call:?}");
    }
}

/// Weather changes when things are seen, never what is true.
#[tokio::test(start_paused = true)]
async fn the_fake_keeps_the_contract_in_measured_weather() {
    let engine = FakeEngine::new(2);
    engine.set_weather(Weather::measured());
    promises::all(&Stage::fake(engine)).await;
}

/// The whole way: the world, its socket, the adapter; in every idiom of Docker's.
#[tokio::test]
async fn the_fake_keeps_the_contract_over_the_wire() {
    for idiom in Idiom::ALL.into_iter().filter(|idiom| *idiom != Idiom::Podman) {
        let wire = OnTheWire::new(3, idiom);
        promises::all(&Stage::served(&wire)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_engine_keeps_the_contract_and_the_adapter_makes_no_call_beyond_it() {
    let engine = RealEngine::start();
    let recorder = Recorder::before(&engine).await;
    promises::all(&Stage::real(engine, recorder.endpoint())).await;
    let expected: BTreeSet<String> = REQUESTS.iter().map(|(request, _)| (*request).to_owned()).collect();
    assert_eq!(
        recorder.requests(),
        expected,
        "a request without a promise, or a promise without its request"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_releases_engine_keeps_it_too() {
    let engine = RealEngine::start_release(Release::Next);
    let endpoint = engine.endpoint();
    promises::all(&Stage::real(engine, endpoint)).await;
}

/// Every request that the adapter sends, and the call of the fake that answers for it.
const REQUESTS: [(&str, Call); 14] = [
    ("GET /_ping", Call::Ping),
    ("GET /version", Call::Identify),
    ("GET /info", Call::Identify),
    ("GET /containers/json?all", Call::List),
    ("GET /containers/json?all&filters", Call::ListManaged),
    ("GET /containers/{id}/json", Call::Inspect),
    ("GET /containers/{id}/json", Call::InspectWhole),
    ("GET /containers/{id}/logs?stderr&stdout&tail", Call::Logs),
    ("GET /system/df?type&type&verbose", Call::Usage),
    ("GET /containers/{id}/json?size", Call::Holdings),
    ("GET /events?filters&since", Call::Events),
    ("POST /containers/{id}/start", Call::Start),
    ("POST /containers/{id}/stop", Call::Stop),
    ("POST /containers/{id}/restart", Call::Restart),
];

/// The door's own words are read, so that a call added to it is missed here at once.
#[test]
fn every_call_of_the_door_is_counted_by_the_fake_and_expected_on_the_wire() {
    let source = include_str!("../../../src-tauri/core/src/docker/mod.rs");
    let door = source.split_once("pub trait Engine").unwrap().1.split_once("\n}\n").unwrap().0;
    let calls: BTreeSet<String> = door
        .lines()
        .filter_map(|line| line.trim().strip_prefix("async fn ")?.split_once('('))
        .map(|(name, _)| name.replace('_', ""))
        .collect();
    let counted: BTreeSet<String> = Call::ALL.iter().map(|call| format!("{call:?}").to_lowercase()).collect();
    assert_eq!(calls, counted, "the fake counts every call of the door");
    let expected: BTreeSet<Call> = REQUESTS.iter().map(|(_, call)| *call).collect();
    assert_eq!(expected.len(), Call::ALL.len(), "every call of the door is expected on the wire");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn podmans_service_keeps_it_in_its_own_nature() {
    let engine = RealEngine::start_release(Release::Podman);
    let endpoint = engine.endpoint();
    promises::all(&Stage::real(engine, endpoint)).await;
}
