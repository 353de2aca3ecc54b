//! Engines say the same thing in different words; the adapter hears the same thing.

use std::collections::{BTreeMap, BTreeSet};

use harness::wire::OnTheWire;
use serde_json::{Value, json};
use tinyforge_core::docker::bollard::DockerEngine;
use tinyforge_core::docker::fake::served::Idiom;
use tinyforge_core::docker::fake::{FakeEngine, RestartPolicy, Spec};
use tinyforge_core::docker::{Dialect, Engine as _};
use tinyforge_core::rules::container::{Health, WorkloadKind};
use tinyforge_core::rules::ids::ContainerId;

/// Whatever happens to containers, the adapter over the wire comes to what the world itself says.
#[tokio::test]
async fn in_every_idiom_the_adapter_sees_the_world_as_it_is() {
    for idiom in Idiom::ALL {
        let wire = OnTheWire::new(11, idiom);
        let door = wire.door();
        let mut chance = fastrand::Rng::with_seed(11);
        for step in 0..300 {
            let done = something(&wire.engine, &mut chance);
            if step % 10 != 0 {
                continue;
            }
            while !agree(&wire, &door, idiom, &done).await {}
        }
        assert!(wire.engine.truth().len() > 5, "the story came to something");
    }
}

/// Compares all that can be asked. False where the world moved meanwhile: a restart policy was at work.
async fn agree(wire: &OnTheWire, door: &DockerEngine, idiom: Idiom, done: &str) -> bool {
    let truth = wire.engine.truth();
    let mut seen = BTreeMap::new();
    for id in truth.keys() {
        if let Some(container) = door.inspect(id).await.unwrap() {
            seen.insert(id.clone(), container);
        }
    }
    let mut rows = door.list().await.unwrap();
    let mut managed = door.list_managed().await.unwrap();
    let mut expected_rows = wire.engine.list().await.unwrap();
    let mut expected_managed = wire.engine.list_managed().await.unwrap();
    if wire.engine.truth() != truth {
        return false;
    }
    if idiom == Idiom::Podman {
        // Its listing says nothing of health.
        expected_rows.iter_mut().for_each(|row| row.health = Health::None);
    }
    for rows in [&mut rows, &mut expected_rows] {
        rows.sort_by(|a, b| a.container_id.cmp(&b.container_id));
    }
    for rows in [&mut managed, &mut expected_managed] {
        rows.sort_by(|a, b| a.container_id.cmp(&b.container_id));
    }
    assert_eq!(seen, truth, "{idiom:?}, {done}");
    assert_eq!(rows, expected_rows, "{idiom:?}, {done}");
    assert_eq!(managed, expected_managed, "{idiom:?}, {done}");
    true
}

/// One act on anybody; what cannot be is turned down and is no matter.
fn something(engine: &FakeEngine, chance: &mut fastrand::Rng) -> String {
    let ids: Vec<ContainerId> = engine.truth().into_keys().collect();
    let somebody = (!ids.is_empty()).then(|| ids[chance.usize(0..ids.len())].clone());
    let act = chance.u32(0..16);
    let (Some(id), 3..) = (somebody, act) else {
        let mut spec = Spec::named("").publish(80).expose(9000).label("a", "b=c").label("empty", "");
        if chance.bool() {
            spec = spec.managed("shop", WorkloadKind::Project, "prod").health_check();
        }
        if chance.bool() {
            spec = spec.restart(RestartPolicy::UnlessStopped);
        }
        if chance.u32(0..8) == 0 {
            spec = spec.fails_to_start("exec: \"serverr\": executable file not found in $PATH");
        }
        return format!("run: {:?}", engine.run(spec));
    };
    let done = match act {
        3 => engine.stop_container(&id),
        4 | 5 => engine.start_container(&id),
        6 => engine.restart_container(&id),
        7 => engine.kill(&id, 9),
        8 => engine.die(&id, 3),
        9 => engine.oom(&id),
        10 => engine.pause(&id),
        11 => engine.unpause(&id),
        12 => engine.rename(&id, &format!("name-{}", chance.u32(..))),
        13 => engine.set_health(&id, if chance.bool() { Health::Healthy } else { Health::Unhealthy }),
        14 => engine.update(&id, RestartPolicy::Always),
        _ if chance.u32(0..4) == 0 => engine.force_remove(&id),
        _ => engine.compose_recreate(&id, "busybox:2").map(drop),
    };
    format!("act {act} on {}: {done:?}", id.short())
}

#[tokio::test]
async fn the_adapter_knows_whom_it_speaks_to() {
    for idiom in Idiom::ALL {
        let wire = OnTheWire::new(1, idiom);
        let door = wire.door();
        let first = door.identify().await.unwrap();
        assert_eq!((first.version.as_str(), first.api_version.as_str()), (idiom.version(), idiom.api()));
        let dialect = if idiom == Idiom::Podman { Dialect::Podman } else { Dialect::Docker };
        assert_eq!(first.dialect, dialect);
        assert!(first.system_time.is_some_and(|time| time <= wire.engine.now()));
        assert_eq!(door.identify().await.unwrap().id, first.id, "{idiom:?}: it stays who it is");
        let said = || wire.ask("GET /info").json()["ID"].clone();
        assert_eq!(said() == said(), idiom != Idiom::Podman, "Podman says another id at every call");

        wire.engine.become_another_engine("SOMEBODY:ELSE");
        let other = door.identify().await.unwrap();
        assert_ne!(other.id, first.id, "{idiom:?}: behind the same socket");
        assert!(door.list().await.unwrap().is_empty());
    }
}

/// An engine is upgraded under a client that stays.
#[tokio::test]
async fn the_same_door_follows_an_upgrade() {
    let wire = OnTheWire::new(1, Idiom::Api141);
    let door = wire.door();
    let id = wire.engine.run(Spec::named("web").health_check()).unwrap();
    wire.engine.set_health(&id, Health::Healthy).unwrap();
    let mut told = Vec::new();
    for idiom in Idiom::ALL {
        wire.served.speak(idiom);
        assert_eq!(door.identify().await.unwrap().api_version, idiom.api());
        told.push(door.inspect(&id).await.unwrap().unwrap());
    }
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]));
}

fn keys(of: &Value) -> BTreeSet<&str> {
    of.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn what_each_idiom_says_of_an_event_and_of_a_row() {
    for idiom in Idiom::ALL {
        let wire = OnTheWire::new(1, idiom);
        let since = wire.engine.now();
        let id = wire.engine.run(Spec::named("web").image("web:1").health_check()).unwrap();
        wire.engine.set_health(&id, Health::Healthy).unwrap();
        let row = wire.ask("GET /containers/json").json()[0].clone();
        wire.engine.stop_container(&id).unwrap();
        wire.engine.remove(&id).unwrap();

        let filter = "%7B%22type%22%3A%5B%22container%22%5D%7D";
        let told = wire.ask(&format!(
            "GET /events?since={}&until={}&filters={filter}",
            at(since),
            at(wire.engine.now())
        ));
        let words: Vec<Value> = told.lines().iter().map(|line| line["Action"].clone()).collect();
        let without_checks: Vec<&Value> =
            words.iter().filter(|word| !word.as_str().unwrap().starts_with("exec")).collect();
        let expected = match idiom {
            Idiom::Podman => json!(["create", "init", "start", "kill", "stop", "die", "cleanup", "remove"]),
            Idiom::Api141 | Idiom::Api144 | Idiom::Api147 | Idiom::Api152 => {
                json!(["create", "start", "health_status: healthy", "kill", "die", "stop", "destroy"])
            }
        };
        assert_eq!(json!(without_checks), expected, "{idiom:?}");
        assert!(words.len() > without_checks.len(), "{idiom:?}: the health checks are told of");
        let line = &told.lines()[0];
        assert_eq!(line["Actor"]["ID"], id.as_str());
        assert_eq!(line["Actor"]["Attributes"]["image"], "web:1");
        let twice = BTreeSet::from(["status", "id", "from"]);
        let old = idiom != Idiom::Api152;
        assert_eq!(keys(line).is_superset(&twice), old, "{idiom:?}: {line}");
        assert_eq!(keys(line).is_disjoint(&twice), !old, "{idiom:?}: {line}");
        assert_eq!(
            told.header("content-type"),
            if old { "application/json" } else { "application/x-ndjson" }
        );

        assert_eq!(keys(&row).contains("Health"), !old, "{idiom:?}: {row}");
        let sentence = row["Status"].as_str().unwrap();
        assert_eq!(sentence.ends_with(" (healthy)"), idiom != Idiom::Podman, "{idiom:?}: {sentence}");
        if !old {
            assert_eq!(row["Health"], json!({ "Status": "healthy", "FailingStreak": 0 }));
        }
    }
}

fn at(time: jiff::Timestamp) -> String {
    format!("{}.{:09}", time.as_second(), time.subsec_nanosecond())
}

#[test]
fn a_client_of_another_age_is_answered_in_its_form_or_told_why_not() {
    let wire = OnTheWire::new(1, Idiom::Api152);
    let since = at(wire.engine.now());
    wire.engine.run(Spec::named("web")).unwrap();
    let until = at(wire.engine.now());
    let first = |version: &str| {
        let told = wire.ask(&format!("GET /{version}events?since={since}&until={until}"));
        told.lines()[0].clone()
    };
    assert_eq!(first("v1.47/")["status"], "create", "an older client misses nothing");
    assert_eq!(first("")["status"], Value::Null);
    assert_eq!(wire.ask("GET /v1.47/containers/json").json()[0]["Health"], Value::Null);
    assert_eq!(wire.ask("GET /v1.52/containers/json").json()[0]["Health"]["Status"], "none");
    for (version, words) in [("v1.53", "too new"), ("v1.41", "too old"), ("v9.9", "version")] {
        let refused = wire.ask(&format!("GET /{version}/info"));
        assert_eq!(refused.status, 400);
        assert!(refused.json()["message"].as_str().unwrap().contains(words), "{refused:?}");
    }
    let ping = wire.ask("HEAD /_ping");
    assert_eq!((ping.status, ping.header("api-version"), ping.body.as_str()), (200, "1.52", ""));
    assert_eq!(wire.ask("GET /_ping").body, "OK");
    let nowhere = wire.ask("GET /v1.50/no/such/page");
    assert_eq!((nowhere.status, nowhere.json()), (404, json!({ "message": "page not found" })));
}
