//! Stale containers on real engines: what they take is measured, and the engine's own times count.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use std::time::Duration;

use harness::engine::{IMAGE, RealEngine, Release};
use harness::sandbox::Sandbox;
use serde_json::Value;
use tinyforge_core::docker::Engine as _;
use tinyforge_core::docker::bollard::DockerEngine;
use tinyforge_core::rules::disk::{self, Removal};
use tinyforge_core::rules::ids::ContainerId;

/// What each writes, once into its volume and once beside it.
const WRITTEN: u64 = 512 * 1024;

/// Writes it, syncs it and ends with 3.
const WRITER: &str = "dd if=/dev/urandom of=/data/x bs=1024 count=512; dd if=/dev/urandom of=/x bs=1024 count=512; sync; exit 3";

/// What the image adds to the one that it is made of.
const ADDED: u64 = 1024 * 1024;

/// A container of an image and a volume that nobody else has, which has ended. The image adds a layer to another one's.
/// But for Podman's, which without its own configuration can only make images anew.
fn alone(engine: &RealEngine, release: Release) -> ContainerId {
    engine.run(&[
        "--name",
        "maker",
        IMAGE,
        "sh",
        "-c",
        "dd if=/dev/urandom of=/added bs=1024 count=1024; sync",
    ]);
    engine.docker(&["wait", "maker"]).ok();
    match release {
        Release::Own | Release::Next => drop(engine.docker(&["commit", "maker", "tf/alone:1"]).ok()),
        Release::Podman => {
            let file = engine.scratch().join("alone.tar").display().to_string();
            engine.docker(&["export", "--output", &file, "maker"]).ok();
            engine.docker(&["import", &file, "tf/alone:1"]).ok();
        }
    }
    engine.docker(&["rm", "maker"]).ok();
    let args = ["--name", "alone", "--volume", "held:/data", "tf/alone:1", "sh", "-c", WRITER];
    let id = engine.run(&args);
    engine.docker(&["wait", "alone"]).ok();
    id
}

fn named<'a>(found: &'a Value, name: &str) -> &'a Value {
    let all = found.as_array().unwrap();
    all.iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name} in {found:#}"))
}

#[test]
fn a_stopped_container_is_stale_without_a_threshold_and_tells_what_only_it_takes() {
    let engine = RealEngine::start();
    let id = alone(&engine, Release::Own);
    engine.run(&["--name", "serves", "--volume", "shared:/data", IMAGE]);
    engine.create(&["--name", "never-ran", "--volume", "shared:/data", IMAGE]);
    let sandbox = Sandbox::on(&engine);

    let none = sandbox.run(&["stale", "--foreign", "--json"]).exits(0).json();
    assert_eq!(none, Value::Array(vec![]), "none is a week old");
    let ours = sandbox.run(&["stale", "--days", "0", "--json"]).exits(0).json();
    assert_eq!(ours, Value::Array(vec![]), "they are nobody's");
    let found = sandbox.run(&["stale", "--days", "0", "--foreign", "--json"]).exits(0).tells_nothing().json();
    assert_eq!(found.as_array().unwrap().len(), 2, "what runs is not among them: {found:#}");
    let one = named(&found, "alone");
    assert_eq!((&one["container"], &one["container_id"]), (&"alone".into(), &id.as_str().into()));
    assert_eq!(
        (&one["workload_name"], &one["role"], &one["days_stale"]),
        (&Value::Null, &Value::Null, &0.into())
    );
    assert!(one["reasons"][0].as_str().unwrap().contains("exit code 3"), "{one:#}");
    let finished = engine.docker(&["inspect", "-f", "{{.State.FinishedAt}}", "alone"]).ok();
    let seconds = |text: &str| text.split('.').next().unwrap().trim_end_matches('Z').to_owned();
    assert_eq!(seconds(one["since"].as_str().unwrap()), seconds(&finished), "the engine's own time counts");

    let later = one["frees_bytes_later"].as_u64().unwrap();
    let own = WRITTEN + ADDED;
    assert!((own..2 * own).contains(&later), "its layer, and what only its image has: {one:#}");
    assert_eq!(one["frees_bytes_now"], 0);
    assert_eq!(one["volumes"][0]["name"], "held");
    let volume = one["volumes"][0]["bytes"].as_u64().unwrap();
    assert!((WRITTEN..2 * WRITTEN).contains(&volume), "{one:#}");
    assert_eq!(one["frees_bytes"], later + volume);
    assert_eq!(one["networks"][0], "bridge");
    let other = named(&found, "never-ran");
    assert_eq!(other["volumes"], Value::Array(vec![]), "another holds it too: {other:#}");
    assert!(other["frees_bytes"].as_u64().unwrap() < WRITTEN, "and its image: {other:#}");

    sandbox.run(&["stale", "--days", "0", "--foreign"]).exits(0).says("alone").says("2 stale containers");
    let why = sandbox.run(&["stale", "why", "serves", "--json"]).exits(0).json();
    assert_eq!((&why["stale"], &why["why"]), (&false.into(), &"running".into()));
    sandbox.run(&["stale", "why", "alone"]).exits(0).says("is not stale").says("it will be stale on");
    sandbox.run(&["stale", "why", &id.as_str()[..12]]).exits(0).says("alone is not stale");
    sandbox.run(&["stale", "why", "nobody"]).exits(1).says_nothing().tells("nobody");
    assert!(!sandbox.home().exists(), "reading made nothing");

    // With a daemon and without one, wishes are kept and what is told for a container is taken.
    sandbox.run(&["stale", "pin", "alone"]).exits(0).says("it is pinned");
    let daemon = sandbox.serve(&[]);
    let left = sandbox.run(&["stale", "--days", "0", "--foreign", "--json"]).exits(0).json();
    assert_eq!(left.as_array().unwrap().len(), 1, "{left:#}");
    sandbox.run(&["stale", "snooze", "never-ran", "14d"]).exits(0).says("it is snoozed until");
    sandbox.run(&["stale", "--days", "0", "--foreign"]).exits(0).says("nothing is stale");
    sandbox.run(&["stale", "unpin", "alone"]).exits(0);
    let back = sandbox.run(&["stale", "--days", "0", "--foreign", "--json"]).exits(0).json();
    assert_eq!(back[0]["name"], "alone", "{back:#}");
    let container = back[0]["container"].as_str().unwrap();
    sandbox.run(&["history", container]).exits(0);

    // The index answers without its engine, and says how old it is.
    engine.stop_term();
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while sandbox.run(&["status", "--json"]).json()["engine"]["state"] == "connected" {
        assert!(std::time::Instant::now() < until);
        std::thread::sleep(Duration::from_millis(20));
    }
    let away =
        sandbox.run(&["stale", "--days", "0", "--foreign", "--json"]).exits(0).tells("the engine is ").json();
    assert_eq!(named(&away, "alone")["frees_bytes"], Value::Null, "{away:#}");
    drop(daemon);
}

/// In Podman's dialect, and in the next release's: the same facts in other words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_engine_tells_what_only_one_container_takes() {
    for release in [Release::Next, Release::Podman] {
        let engine = tokio::task::spawn_blocking(move || RealEngine::start_release(release)).await.unwrap();
        let id = tokio::task::block_in_place(|| alone(&engine, release));
        let door = DockerEngine::new(&engine.endpoint()).unwrap();
        door.identify().await.unwrap();
        let holds = door.holdings(&id).await.unwrap().unwrap();
        assert_eq!(holds.volumes, ["held"], "{release:?}: {holds:?}");
        assert_eq!(holds.networks.len(), 1, "{release:?}: {holds:?}");
        let usage = door.usage().await.unwrap();
        let seen = door.inspect(&id).await.unwrap().unwrap();
        let freed = disk::freed(&seen.image_id, &holds, &usage, Removal::ByTheBin);
        let layer = holds.writable_bytes.unwrap_or_else(|| panic!("{release:?}: {holds:?}"));
        assert!((WRITTEN..2 * WRITTEN).contains(&layer), "{release:?}: {holds:?}");
        let added = freed.later - layer;
        let most = if release == Release::Podman { 8 * ADDED } else { 2 * ADDED };
        assert!((ADDED..most).contains(&added), "{release:?}: what its image adds: {freed:?} of {usage:?}");
        assert_eq!(freed.volumes.len(), 1, "{release:?}: {freed:?} of {usage:?}");
        let volume = freed.volumes[0].bytes.unwrap_or_else(|| panic!("{release:?}: {usage:?}"));
        assert!((WRITTEN..2 * WRITTEN).contains(&volume), "{release:?}: {volume}");
        let nobody = ContainerId::new("0".repeat(64));
        assert_eq!(door.holdings(&nobody).await.unwrap(), None, "{release:?}");
    }
}
