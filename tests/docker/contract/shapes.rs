//! What the fake engine says on the wire, beside what a real engine says to the same question in the same form: the
//! same status, the same content type, and no key of the fake's own.
//!
//! An engine answers an older client in the client's form. So the engines at hand confirm the older forms of newer
//! releases too; [`UNCONFIRMED`] names the forms that none of them speaks.

use std::collections::{BTreeMap, BTreeSet};

use harness::engine::{IMAGE, RealEngine, Release};
use harness::wire::{OnTheWire, Raw, ask};
use jiff::Timestamp;
use serde_json::Value;
use tinyforge_core::docker::fake::served::Idiom;
use tinyforge_core::rules::container::State;

use crate::stage::{Actor, Checked, Stage, actor};

/// An idiom, and the version in which it is asked: `None` is its own newest, as the adapter asks it.
type Spoken = (Idiom, Option<&'static str>);

/// What the engine of this machine's release confirms: the newest that 20.10 speaks, said outright or not.
const OF_THIS_RELEASE: [Spoken; 2] = [(Idiom::Api141, None), (Idiom::Api141, Some("1.41"))];

/// What the engine of the release after it confirms: 26.1 answers up to 1.45.
const OF_THE_NEXT_RELEASE: [Spoken; 7] = [
    (Idiom::Api144, None),
    (Idiom::Api144, Some("1.44")),
    (Idiom::Api144, Some("1.41")),
    (Idiom::Api147, Some("1.45")),
    (Idiom::Api147, Some("1.44")),
    (Idiom::Api147, Some("1.41")),
    (Idiom::Api152, Some("1.44")),
];

/// What Podman's service confirms.
const OF_PODMAN: [Spoken; 2] = [(Idiom::Podman, None), (Idiom::Podman, Some("1.41"))];

/// What no engine that can be had here says: these follow the published API and what was measured elsewhere.
const UNCONFIRMED: [Spoken; 2] = [(Idiom::Api147, None), (Idiom::Api152, None)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fake_says_what_this_releases_engine_says() {
    compare(Release::Own, &OF_THIS_RELEASE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fake_says_what_the_next_releases_engine_says() {
    compare(Release::Next, &OF_THE_NEXT_RELEASE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fake_says_what_podmans_service_says() {
    compare(Release::Podman, &OF_PODMAN).await;
}

/// Nobody is forgotten: the own form of each idiom is confirmed, or said not to be.
#[test]
fn every_idiom_is_confirmed_or_said_not_to_be() {
    let confirmed = [&OF_THIS_RELEASE[..], &OF_THE_NEXT_RELEASE, &OF_PODMAN].concat();
    for idiom in Idiom::ALL {
        let own = (idiom, None);
        assert_ne!(confirmed.contains(&own), UNCONFIRMED.contains(&own), "{idiom:?}");
    }
}

async fn compare(release: Release, spoken: &[Spoken]) {
    let real = RealEngine::start_release(release);
    let (socket, endpoint) = (real.socket(), real.endpoint());
    let on_real = Stage::real(real, endpoint);
    let mut complaints = Vec::new();
    for (idiom, version) in spoken {
        let wire = OnTheWire::new(1, *idiom);
        let on_fake = Stage::served(&wire);
        act(&on_real).await;
        act(&on_fake).await;
        for (request, body) in questions(*version) {
            let soon = (Timestamp::now().as_second() + 1).to_string();
            let asked = in_version(&request.replace("{soon}", &soon), *version);
            let theirs = ask(&socket, &asked, body);
            let ours = wire.send(&asked, body);
            let found = differences(*idiom, request, &ours, &theirs);
            complaints.extend(found.into_iter().map(|line| format!("{idiom:?} {version:?}: {line}")));
        }
        // The next form is asked of the same actors.
        for row in on_real.door.list().await.unwrap() {
            on_real.force_remove(&row.container_id);
        }
    }
    assert!(complaints.is_empty(), "{release:?}\n{}", complaints.join("\n"));
}

/// The request as a client says it that speaks one version only.
fn in_version(request: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => request.replacen(" /", &format!(" /v{version}/"), 1),
        None => request.to_owned(),
    }
}

/// Who is there when the questions are asked, alike on both.
async fn act(stage: &Stage) {
    stage.create(Actor { publishes: true, labels: &[("a", "b")], ..actor("created") });
    let checked = stage.run(Actor { publishes: true, checked: Checked::Often, ..actor("checked") });
    stage.set_health(&checked, true);
    stage.until(&checked, "healthy", |seen| seen.health.as_str() == "healthy").await;
    stage.run(actor("exposes"));
    let paused = stage.run(actor("paused"));
    stage.pause(&paused);
    let ended = stage.run(actor("ended"));
    stage.end(&ended, 3);
    stage.until(&ended, "ended", |seen| seen.state == State::Stopped).await;
    stage.create(Actor { volume: Some("held"), ..actor("holds") });
    let left = stage.run(Actor { checked: Checked::Seldom, ..actor("left") });
    stage.stop(&left);
    stage.run_misspelt("misspelt");
}

/// Asked one after the other; some of them act.
fn questions(version: Option<&str>) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("GET /_ping", ""),
        ("HEAD /_ping", ""),
        ("GET /version", ""),
        ("GET /info", ""),
        ("GET /containers/json", ""),
        ("GET /containers/json?all=true", ""),
        ("GET /containers/json?all=true&filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D", ""),
        ("GET /containers/json?filters=%7B%22label%22", ""),
        ("GET /containers/json?filters=%7B%22colour%22%3A%5B%22red%22%5D%7D", ""),
    ];
    all.extend(
        [
            "GET /containers/created/json",
            "GET /containers/checked/json",
            "GET /containers/exposes/json",
            "GET /containers/paused/json",
            "GET /containers/ended/json",
            "GET /containers/left/json",
            "GET /containers/misspelt/json",
            "GET /v1.41/containers/exposes/json",
            "GET /containers/holds/json?size=true",
            "GET /containers/nobody/json?size=true",
            "GET /system/df?type=image&type=volume&verbose=1",
            "GET /containers/nobody/json",
            "GET /no/such/page",
            "GET /v1.99/info",
            "GET /v1.2/info",
            "GET /containers/ended/logs?stdout=true&stderr=true&tail=5",
            "GET /containers/ended/logs",
            "GET /containers/nobody/logs?stdout=true",
            "POST /containers/nobody/start",
            "POST /containers/nobody/stop",
            "POST /containers/nobody/restart",
            "POST /containers/nobody/kill",
            "POST /containers/nobody/rename?name=somebody",
            "DELETE /containers/nobody",
            "POST /containers/ended/wait",
            "POST /containers/nobody/wait",
            "POST /containers/ended/wait?condition=doomsday",
            "POST /containers/exposes/start",
            "POST /containers/ended/stop",
            "POST /containers/paused/start",
            "POST /containers/paused/pause",
            "POST /containers/ended/pause",
            "POST /containers/exposes/unpause",
            "POST /containers/ended/kill",
            "POST /containers/exposes/kill?signal=NONSENSE",
            "POST /containers/exposes/rename?name=paused",
            "POST /containers/exposes/rename",
            "DELETE /containers/exposes",
            "POST /containers/misspelt/start",
            "POST /containers/paused/unpause",
            "POST /containers/exposes/rename?name=renamed",
            "POST /containers/renamed/restart?t=5",
            "POST /containers/renamed/kill?signal=KILL",
            "POST /containers/renamed/start",
            "POST /containers/renamed/stop?t=5",
            "DELETE /containers/renamed",
            "DELETE /containers/checked?force=1",
        ]
        .map(|request| (request, "")),
    );
    all.extend([
        ("POST /containers/paused/update", r#"{"RestartPolicy":{"Name":"always"}}"#),
        ("POST /containers/create?name=new", r#"{"Image":"tf/box:1","Labels":{"a":"b"}}"#),
        ("POST /containers/create?name=new", r#"{"Image":"tf/box:1"}"#),
        ("POST /containers/create?name=never", r#"{"Image":"tf/nothing"}"#),
        ("POST /containers/create?name=never", r#"{"Image":"#),
        ("GET /events?since=0&until=1", ""),
        (EVENTS, ""),
    ]);
    assert_eq!(IMAGE, "tf/box:1");
    // Some name a version of their own.
    all.retain(|(request, _)| version.is_none() || !request.contains(" /v1."));
    all
}

/// Everything of containers that either ring still holds.
const EVENTS: &str =
    "GET /events?since=1&until={soon}&filters=%7B%22type%22%3A%5B%22container%22%2C%22network%22%5D%7D";

/// Keys of the fake that a real engine of some release does not say there, and why that is harmless.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// What the adapter reads of each answer: it must be there, on both sides.
const READ: [(&str, &[&str]); 8] = [
    ("GET /version", &["Version", "ApiVersion", "Components[].Name"]),
    ("GET /info", &["ID", "DockerRootDir", "SystemTime"]),
    (
        "GET /containers/json?all=true",
        &["[].Id", "[].Names[]", "[].Image", "[].State", "[].Status", "[].Labels"],
    ),
    (
        "GET /containers/checked/json",
        &[
            "Id",
            "Name",
            "Created",
            "Image",
            "RestartCount",
            "State.Status",
            "State.OOMKilled",
            "State.ExitCode",
            "State.Error",
            "State.StartedAt",
            "State.FinishedAt",
            "State.Health.Status",
            "State.Health.Log[].Output",
            "Config.Image",
            "Config.Labels",
            "HostConfig.AutoRemove",
            "HostConfig.RestartPolicy.Name",
            "NetworkSettings.Ports.8080/tcp[].HostIp",
            "NetworkSettings.Ports.8080/tcp[].HostPort",
        ],
    ),
    (
        "GET /containers/holds/json?size=true",
        &["Id", "SizeRw", "Mounts[].Type", "Mounts[].Name", "NetworkSettings.Networks.bridge"],
    ),
    (
        "GET /system/df?type=image&type=volume&verbose=1",
        &[
            "Images[].Id",
            "Images[].Size",
            "Images[].SharedSize",
            "Images[].Containers",
            "Volumes[].Name",
            "Volumes[].UsageData.Size",
            "Volumes[].UsageData.RefCount",
        ],
    ),
    ("GET /containers/exposes/json", &["NetworkSettings.Ports.8080/tcp"]),
    (
        EVENTS,
        &[
            "[].Type",
            "[].Action",
            "[].Actor.ID",
            "[].Actor.Attributes.name",
            "[].Actor.Attributes.exitCode",
            "[].Actor.Attributes.signal",
            "[].Actor.Attributes.oldName",
            "[].time",
            "[].timeNano",
        ],
    ),
];

fn differences(idiom: Idiom, request: &str, ours: &Raw, theirs: &Raw) -> Vec<String> {
    let mut found = Vec::new();
    if ours.status != theirs.status {
        found.push(format!(
            "{request}: {} and really {}: {} {}",
            ours.status, theirs.status, ours.body, theirs.body
        ));
        return found;
    }
    let kind = |raw: &Raw| raw.header("content-type").to_owned();
    if kind(ours) != kind(theirs) {
        found.push(format!("{request}: '{}' and really '{}'", kind(ours), kind(theirs)));
        return found;
    }
    if !kind(ours).contains("json") {
        if ours.body.trim_end() != theirs.body.trim_end() {
            found.push(format!("{request}: {:?} and really {:?}", ours.body, theirs.body));
        }
        return found;
    }
    let (our_shape, their_shape) = (shape(ours, request), shape(theirs, request));
    for (path, kinds) in &our_shape {
        let excepted = EXCEPTIONS.iter().any(|(known, _)| known == path);
        match their_shape.get(path) {
            _ if excepted => {}
            None => found.push(format!("{request}: {path} is said by the fake alone")),
            // An engine writes a list that is empty as nothing, or as null.
            Some(real) if *real == BTreeSet::from(["null"]) && kinds.contains("a list") => {}
            Some(real) if !kinds.is_subset(real) => {
                found.push(format!("{request}: {path} is {kinds:?} and really {real:?}"));
            }
            Some(_) => {}
        }
    }
    for (_, paths) in READ.iter().filter(|(of, _)| *of == request) {
        let unsaid = |path: &&&str| idiom == Idiom::Podman && UNSAID_BY_PODMAN.contains(*path);
        for path in paths.iter().filter(|path| !unsaid(path)) {
            for (who, shape) in [("the fake", &our_shape), ("the engine", &their_shape)] {
                if !shape.contains_key(*path) {
                    found.push(format!("{request}: {who} does not say {path}, which the adapter reads"));
                }
            }
        }
    }
    found
}

/// What Podman's service does not say of it, as it is its nature: the adapter does without.
const UNSAID_BY_PODMAN: [&str; 3] = [
    "[].Actor.Attributes.signal",
    "[].Actor.Attributes.oldName",
    // Its own network has another name.
    "NetworkSettings.Networks.bridge",
];

type Shape = BTreeMap<String, BTreeSet<&'static str>>;

fn shape(of: &Raw, request: &str) -> Shape {
    let mut shape = Shape::new();
    if request.starts_with("GET /events") {
        of.lines().iter().for_each(|line| describe(line, "[]", &mut shape));
    } else {
        describe(&of.json(), "", &mut shape);
    }
    shape
}

fn describe(value: &Value, path: &str, shape: &mut Shape) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    shape.entry(path.to_owned()).or_default().insert(kind);
    match value {
        Value::Array(values) => values.iter().for_each(|value| describe(value, &format!("{path}[]"), shape)),
        Value::Object(values) => {
            for (key, value) in values {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                describe(value, &inner, shape);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
