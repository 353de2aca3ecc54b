//! What the fake engine says on the wire, beside what a real engine of that release says to the same question: the
//! same status, the same content type, and no key of the fake's own.

use std::collections::{BTreeMap, BTreeSet};

use harness::engine::{IMAGE, RealEngine, Release};
use harness::wire::{OnTheWire, Raw, ask};
use jiff::Timestamp;
use serde_json::Value;
use tinyforge_core::docker::fake::served::Idiom;
use tinyforge_core::rules::container::State;

use crate::stage::{Actor, Checked, Stage, actor};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fake_says_what_this_releases_engine_says() {
    compare(Release::Own, Idiom::Api141).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fake_says_what_the_next_releases_engine_says() {
    compare(Release::Next, Idiom::Api144).await;
}

async fn compare(release: Release, idiom: Idiom) {
    let real = RealEngine::start_release(release);
    let socket = real.socket();
    let endpoint = real.endpoint();
    let on_real = Stage::real(real, endpoint);
    let wire = OnTheWire::new(1, idiom);
    let on_fake = Stage::served(&wire);
    let mut complaints = Vec::new();
    act(&on_real).await;
    act(&on_fake).await;
    for (request, body) in questions() {
        let asked = request.replace("{soon}", &(Timestamp::now().as_second() + 1).to_string());
        let theirs = ask(&socket, &asked, body);
        let ours = wire.send(&asked, body);
        complaints.extend(differences(request, &ours, &theirs));
    }
    assert!(complaints.is_empty(), "{release:?}\n{}", complaints.join("\n"));
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
fn questions() -> Vec<(&'static str, &'static str)> {
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

fn differences(request: &str, ours: &Raw, theirs: &Raw) -> Vec<String> {
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
        for path in *paths {
            for (who, shape) in [("the fake", &our_shape), ("the engine", &their_shape)] {
                if !shape.contains_key(*path) {
                    found.push(format!("{request}: {who} does not say {path}, which the adapter reads"));
                }
            }
        }
    }
    found
}

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
