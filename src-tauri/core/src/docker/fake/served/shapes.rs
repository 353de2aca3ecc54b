//! Docker's JSON, written from the world. Nothing is said that the engine of that release would not say; a contract
//! test compares every key with real ones.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::idiom::Form;
use crate::docker::fake::spec::Spec;
use crate::docker::fake::world::disk::NETWORK;
use crate::docker::fake::world::{Container, Told, World};
use crate::docker::{Action, Listed};
use crate::rules::container::{Health, Observed, Port, State};
use crate::rules::labels::Labels;

/// The year 1 means never.
const NEVER: &str = "0001-01-01T00:00:00Z";

const KERNEL: &str = "6.1.0-fake";

// ---- a listing ------------------------------------------------------------------------------------------------

pub(super) fn row(listed: &Listed, container: &Container, now: Timestamp, form: Form) -> Value {
    let seen = &container.seen;
    let mut row = json!({
        "Id": listed.container_id.as_str(),
        "Names": [format!("/{}", listed.name)],
        "Image": listed.image,
        "ImageID": seen.image_id,
        "Command": "/serve",
        "Created": seen.created_at.as_second(),
        "Ports": seen.ports.iter().map(row_port).collect::<Vec<_>>(),
        "Labels": seen.labels,
        "State": engine_word(listed.state),
        "Status": sentence(listed, seen, now, form),
        "NetworkSettings": { "Networks": {} },
        "Mounts": [],
    });
    if !form.is_podman() {
        row["HostConfig"] = json!({ "NetworkMode": "default" });
    }
    if form.listings_say_the_health() {
        row["Health"] = json!({ "Status": listed.health.as_str(), "FailingStreak": 0 });
    }
    row
}

fn row_port(port: &Port) -> Value {
    match (&port.host_ip, port.host_port) {
        (Some(ip), Some(public)) => json!({
            "IP": ip, "PrivatePort": port.container_port, "PublicPort": public, "Type": port.protocol,
        }),
        _ => json!({ "PrivatePort": port.container_port, "Type": port.protocol }),
    }
}

/// `Up 2 minutes (healthy)`.
fn sentence(listed: &Listed, seen: &Observed, now: Timestamp, form: Form) -> String {
    let since =
        |time: Option<Timestamp>| span(time.map_or(SignedDuration::ZERO, |time| now.duration_since(time)));
    let code = seen.exit_code.unwrap_or(0);
    match listed.state {
        State::Created => "Created".to_owned(),
        State::Running => {
            let health = match listed.health {
                _ if form.is_podman() => "",
                Health::None => "",
                Health::Starting => " (health: starting)",
                Health::Healthy => " (healthy)",
                Health::Unhealthy => " (unhealthy)",
            };
            format!("Up {}{health}", since(seen.started_at))
        }
        State::Paused => format!("Up {} (Paused)", since(seen.started_at)),
        State::Restarting => format!("Restarting ({code}) {} ago", since(seen.finished_at)),
        State::Removing => "Removal In Progress".to_owned(),
        State::Failed => "Dead".to_owned(),
        State::Stopped | State::Missing | State::Deploying | State::Unknown => {
            format!("Exited ({code}) {} ago", since(seen.finished_at))
        }
    }
}

/// A span as Docker writes it for people.
fn span(of: SignedDuration) -> String {
    let seconds = of.as_secs();
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        120..3600 => format!("{minutes} minutes"),
        _ if hours <= 1 => "About an hour".to_owned(),
        _ if hours < 48 => format!("{hours} hours"),
        _ if hours < 24 * 14 => format!("{} days", hours / 24),
        _ if hours < 24 * 60 => format!("{} weeks", hours / 24 / 7),
        _ if hours < 24 * 730 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", hours / 24 / 365),
    }
}

fn engine_word(state: State) -> &'static str {
    match state {
        State::Created => "created",
        State::Running => "running",
        State::Paused => "paused",
        State::Restarting => "restarting",
        State::Removing => "removing",
        State::Stopped => "exited",
        State::Failed => "dead",
        State::Missing | State::Deploying | State::Unknown => "hibernating",
    }
}

// ---- an inspect -----------------------------------------------------------------------------------------------

pub(super) fn inspected(container: &Container, form: Form) -> Value {
    let (seen, spec) = (&container.seen, &container.spec);
    let time = |at: Option<Timestamp>| at.map_or_else(|| NEVER.to_owned(), |at| at.to_string());
    let mut state = json!({
        "Status": engine_word(seen.state),
        "Running": matches!(seen.state, State::Running | State::Paused | State::Restarting),
        "Paused": seen.state == State::Paused,
        "Restarting": seen.state == State::Restarting,
        "OOMKilled": seen.oom_killed,
        "Dead": seen.state == State::Failed,
        "Pid": i64::from(matches!(seen.state, State::Running | State::Paused)),
        "ExitCode": exit_code(seen),
        "Error": seen.error.as_deref().unwrap_or_default(),
        "StartedAt": time(seen.started_at),
        "FinishedAt": time(seen.finished_at),
    });
    if let Some(word) = health_word(container, form) {
        let probes: Vec<Value> = seen.probe.iter().map(|output| probe(output, seen)).collect();
        state["Health"] = json!({ "Status": word, "FailingStreak": 0, "Log": probes });
    }
    let mut config = json!({
        "Hostname": seen.container_id.short(),
        "Cmd": ["/serve"],
        "Image": seen.image,
        "Labels": seen.labels,
        "Tty": false,
    });
    let exposed = ports(spec, |_| json!({}));
    if !exposed.is_empty() {
        config["ExposedPorts"] = Value::Object(exposed);
    }
    let bindings = spec
        .published
        .iter()
        .map(|port| (format!("{port}/tcp"), json!([{ "HostIp": "127.0.0.1", "HostPort": "" }])));
    json!({
        "Id": seen.container_id.as_str(),
        "Created": seen.created_at.to_string(),
        "Path": "/serve",
        "Args": [],
        "State": state,
        "Image": seen.image_id,
        "Name": format!("/{}", seen.name),
        "RestartCount": seen.restart_count,
        "Driver": driver(form),
        "HostConfig": {
            "NetworkMode": "default",
            "PortBindings": Value::Object(bindings.collect()),
            "RestartPolicy": { "Name": seen.restart_policy, "MaximumRetryCount": 0 },
            "AutoRemove": seen.auto_remove,
        },
        "Mounts": spec.volumes.iter().map(|(name, _)| mount(name)).collect::<Vec<_>>(),
        "Config": config,
        "NetworkSettings": { "Ports": Value::Object(bound(&seen.ports)), "Networks": { network(form): {} } },
    })
}

/// One run of the health check.
fn probe(output: &str, seen: &Observed) -> Value {
    let at = seen.started_at.map_or_else(|| NEVER.to_owned(), |at| at.to_string());
    let failed = i64::from(seen.health == Health::Unhealthy);
    json!({ "Start": at, "End": at, "ExitCode": failed, "Output": output })
}

/// What the network is called that a container is on unless somebody says otherwise.
fn network(form: Form) -> &'static str {
    if form.is_podman() { "podman" } else { NETWORK }
}

fn mount(volume: &str) -> Value {
    json!({
        "Type": "volume", "Name": volume, "Source": mountpoint(volume), "Destination": "/data", "Driver": "local",
        "RW": true,
    })
}

fn mountpoint(volume: &str) -> String {
    format!("/var/lib/docker/volumes/{volume}/_data")
}

// ---- the disk -------------------------------------------------------------------------------------------------

/// An inspect with sizes.
pub(super) fn measured(container: &Container, form: Form) -> Value {
    let spec = &container.spec;
    let mut seen = inspected(container, form);
    seen["SizeRw"] = json!(spec.writable_bytes);
    seen["SizeRootFs"] = json!(spec.image_bytes.saturating_add(spec.writable_bytes));
    seen
}

pub(super) fn usage(world: &World, form: Form) -> Value {
    let usage = world.usage();
    let images: Vec<Value> = usage
        .images
        .iter()
        .map(|image| {
            let made = world.containers.values().find(|container| container.spec.image_id == image.image_id);
            json!({
                "Id": if form.is_podman() { image.image_id.trim_start_matches("sha256:") } else { &image.image_id },
                "RepoTags": made.map(|container| vec![container.spec.image.clone()]).unwrap_or_default(),
                "Created": 1_767_225_600,
                "Size": image.bytes,
                "SharedSize": image.shared_bytes,
                "Containers": image.users.unwrap_or(0),
            })
        })
        .collect();
    let volumes: Vec<Value> = usage
        .volumes
        .iter()
        .map(|volume| {
            json!({
                "Name": volume.name,
                "Driver": "local",
                "Mountpoint": mountpoint(&volume.name),
                "Scope": "local",
                "UsageData": { "Size": volume.bytes, "RefCount": volume.users },
            })
        })
        .collect();
    if form.usage_is_summed_up() {
        return json!({
            "ImageUsage": { "TotalCount": images.len(), "Items": images },
            "VolumeUsage": { "TotalCount": volumes.len(), "Items": volumes },
        });
    }
    let layers: u64 = usage.images.iter().map(|image| image.bytes).sum();
    json!({ "LayersSize": layers, "Images": images, "Volumes": volumes })
}

/// 127 is the shell's word for a program that is not there.
fn exit_code(seen: &Observed) -> i64 {
    let failed_to_start = if seen.error.is_some() { 127 } else { 0 };
    seen.exit_code.unwrap_or(failed_to_start)
}

/// Docker says nothing of it before the first start, and leaves `unhealthy` behind on what no longer runs. Podman
/// always has the field.
fn health_word(container: &Container, form: Form) -> Option<&'static str> {
    let seen = &container.seen;
    if !container.spec.health_check && seen.health == Health::None {
        return form.is_podman().then_some("");
    }
    match (seen.state, seen.started_at) {
        (State::Running, _) => Some(seen.health.as_str()),
        (_, Some(_)) => Some("unhealthy"),
        (_, None) => form.is_podman().then_some("starting"),
    }
}

fn ports(spec: &Spec, of: impl Fn(u16) -> Value) -> Map<String, Value> {
    spec.published.iter().chain(&spec.exposed).map(|port| (format!("{port}/tcp"), of(*port))).collect()
}

/// `80/tcp` → where it is published; `null` where it is only exposed.
fn bound(ports: &[Port]) -> Map<String, Value> {
    let mut found: BTreeMap<String, Option<Vec<Value>>> = BTreeMap::new();
    for port in ports {
        let bindings = found.entry(format!("{}/{}", port.container_port, port.protocol)).or_default();
        if let (Some(ip), Some(public)) = (&port.host_ip, port.host_port) {
            let binding = json!({ "HostIp": ip, "HostPort": public.to_string() });
            bindings.get_or_insert_default().push(binding);
        }
    }
    found.into_iter().map(|(port, bindings)| (port, json!(bindings))).collect()
}

// ---- who answers ----------------------------------------------------------------------------------------------

pub(super) fn version(form: Form) -> Value {
    let (version, api, oldest) = (form.idiom.version(), form.idiom.api(), form.idiom.oldest_api());
    if form.is_podman() {
        return json!({
            "Platform": { "Name": "linux/amd64/debian-12" },
            "Components": [{
                "Name": "Podman Engine",
                "Version": version,
                "Details": {
                    "APIVersion": version, "Arch": "amd64", "GoVersion": "go1.19", "KernelVersion": KERNEL,
                    "MinAPIVersion": "4.0.0", "Os": "linux",
                },
            }],
            "Version": version,
            "ApiVersion": api,
            "MinAPIVersion": oldest,
            "GitCommit": "",
            "GoVersion": "go1.19",
            "Os": "linux",
            "Arch": "amd64",
            "KernelVersion": KERNEL,
        });
    }
    json!({
        "Platform": { "Name": "" },
        "Components": [{
            "Name": "Engine",
            "Version": version,
            "Details": {
                "ApiVersion": api, "Arch": "amd64", "BuildTime": "2026-01-01T00:00:00.000000000+00:00",
                "Experimental": "false", "GitCommit": "fake", "GoVersion": "go1.24", "KernelVersion": KERNEL,
                "MinAPIVersion": oldest, "Os": "linux",
            },
        }],
        "Version": version,
        "ApiVersion": api,
        "MinAPIVersion": oldest,
        "GitCommit": "fake",
        "GoVersion": "go1.24",
        "Os": "linux",
        "Arch": "amd64",
        "KernelVersion": KERNEL,
        "BuildTime": "2026-01-01T00:00:00.000000000+00:00",
    })
}

pub(super) fn info(world: &World, form: Form) -> Value {
    let count = |state| world.containers.values().filter(|c| c.seen.state == state).count();
    let images: std::collections::BTreeSet<&str> =
        world.containers.values().map(|c| c.seen.image.as_str()).collect();
    let mut info = json!({
        "ID": world.engine_id.as_str(),
        "Containers": world.containers.len(),
        "ContainersRunning": count(State::Running),
        "ContainersPaused": count(State::Paused),
        "ContainersStopped": count(State::Stopped) + count(State::Created),
        "Images": images.len(),
        "Driver": driver(form),
        "NEventsListener": world.readers.len(),
        "KernelVersion": KERNEL,
        "OperatingSystem": "a simulated engine",
        "OSType": "linux",
        "Architecture": "x86_64",
        "NCPU": 2,
        "MemTotal": 4_294_967_296_u64,
        "DockerRootDir": "/var/lib/docker",
        "Name": "simulated",
        "Labels": [],
        "ServerVersion": form.idiom.version(),
        "SystemTime": world.engine_now().to_string(),
        "Warnings": [],
    });
    if form.is_podman() {
        // A new one at every call; what stays is where it keeps its containers.
        info["ID"] = json!(format!("{:032x}", fastrand::u128(..)));
        info["DockerRootDir"] = json!(format!("/var/lib/containers/{}", world.engine_id));
    }
    info
}

fn driver(form: Form) -> &'static str {
    if form.is_podman() { "overlay" } else { "overlay2" }
}

// ---- an event -------------------------------------------------------------------------------------------------

/// A line of the event stream before it is written.
pub(super) struct Line {
    pub(super) kind: &'static str,
    pub(super) verb: String,
    /// Whom it is about, whatever its kind.
    pub(super) container: String,
    pub(super) attributes: Labels,
    pub(super) at: Timestamp,
}

/// What one event of the world is to the readers of this engine: nothing, a line, or two.
pub(super) fn lines(told: &Told, form: Form) -> Vec<Line> {
    let event = &told.event;
    let line = |verb: &str| Line {
        kind: if event.action == Action::Network { "network" } else { "container" },
        verb: verb.to_owned(),
        container: event.container_id.as_str().to_owned(),
        attributes: event.attributes.clone(),
        at: event.at,
    };
    if !form.is_podman() {
        return vec![line(&told.verb)];
    }
    let line = |verb: &str| {
        let mut line = line(verb);
        // Neither the signal nor the name before.
        line.attributes.retain(|key, _| key == "image" || key == "name");
        line
    };
    match &event.action {
        Action::Start => vec![line("init"), line("start")],
        Action::Die => {
            let mut died = line("die");
            if let Some(code) = event.attributes.get("exitCode") {
                died.attributes.insert("exitCode".to_owned(), code.clone());
                died.attributes.insert("containerExitCode".to_owned(), code.clone());
            }
            vec![died, line("cleanup")]
        }
        Action::Destroy => vec![line("remove")],
        // That it was checked, and not what came of it.
        Action::HealthStatus(_) => vec![line("exec"), line("exec_died")],
        // Its networks are not the service's.
        Action::Network => vec![],
        Action::Other(verb) if verb.starts_with("exec_create") => vec![line("exec")],
        Action::Other(verb) if verb == "exec_die" => vec![line("exec_died")],
        Action::Other(_) => vec![],
        Action::Create
        | Action::Kill
        | Action::Stop
        | Action::Restart
        | Action::Pause
        | Action::Unpause
        | Action::Oom
        | Action::Rename
        | Action::Update => vec![line(&told.verb)],
    }
}

pub(super) fn written(line: &Line, form: Form) -> Value {
    let is_network = line.kind == "network";
    let actor = if is_network { BRIDGE } else { line.container.as_str() };
    let mut event = json!({
        "Type": line.kind,
        "Action": line.verb,
        "Actor": { "ID": actor, "Attributes": line.attributes },
        "scope": "local",
        "time": line.at.as_second(),
        "timeNano": i64::try_from(line.at.as_nanosecond()).unwrap_or(i64::MAX),
    });
    if form.events_say_it_twice() && !is_network {
        event["status"] = json!(line.verb);
        event["id"] = json!(line.container);
        event["from"] = json!(line.attributes.get("image").map(String::as_str).unwrap_or_default());
    }
    event
}

/// The id of the one network that there is.
const BRIDGE: &str = "b7d1e0b7d1e0b7d1e0b7d1e0b7d1e0b7d1e0b7d1e0b7d1e0b7d1e0b7d1e0b7d1";
