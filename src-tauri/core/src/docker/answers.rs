//! What engines answer, of every dialect, in our types.
//!
//! Lenient on purpose: only the fields that a row needs are read, a missing one has a harmless meaning, an unknown
//! word is [`State::Unknown`]. One odd container must not hide a thousand others. Only what is not JSON, or has no
//! id, is refused.

mod usage;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::{Action, Dialect, EngineError, Listed};
use crate::rules::container::{Health, ManagedContainer, Observed, Port, State, canonical_name, engine_time};
use crate::rules::ids::ContainerId;
use crate::rules::labels::Labels;
pub(super) use usage::{holdings, usage};

// ---- a listing ------------------------------------------------------------------------------------------------

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListRow<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    names: Vec<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    image: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    state: Cow<'a, str>,
    /// A sentence: `Up 2 minutes (healthy)`.
    #[serde(borrow, default, deserialize_with = "or_default")]
    status: Cow<'a, str>,
    /// From API 1.52 on.
    #[serde(borrow, default)]
    health: Option<HealthWord<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ManagedRow {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    names: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    state: String,
    #[serde(default, deserialize_with = "or_default")]
    labels: Labels,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HealthWord<'a> {
    #[serde(borrow, default, deserialize_with = "or_default")]
    status: Cow<'a, str>,
}

/// `null` where another engine leaves a field out.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

pub(super) fn listing(body: &[u8], tried: &str) -> Result<Vec<Listed>, EngineError> {
    let rows: Vec<ListRow<'_>> = read(body, tried)?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let state = State::from_engine(&row.state);
            let health = match row.health {
                Some(health) => Health::from_engine(&health.status),
                None => health_in(&row.status),
            };
            Listed {
                container_id: ContainerId::new(row.id),
                name: canonical_name(row.names.iter().map(AsRef::as_ref)),
                image: row.image.into_owned(),
                state,
                health: health_that_counts(state, health),
            }
        })
        .collect())
}

pub(super) fn managed_listing(body: &[u8], tried: &str) -> Result<Vec<ManagedContainer>, EngineError> {
    let rows: Vec<ManagedRow> = read(body, tried)?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let name = canonical_name(row.names.iter().map(String::as_str));
            let state = State::from_engine(&row.state);
            ManagedContainer::from_labels(ContainerId::new(row.id), name, state, &row.labels)
        })
        .collect())
}

/// The health in a status sentence of the engines before API 1.52.
fn health_in(status: &str) -> Health {
    match status.rsplit_once('(').and_then(|(_, word)| word.strip_suffix(')')) {
        Some("healthy") => Health::Healthy,
        Some("unhealthy") => Health::Unhealthy,
        Some("health: starting" | "starting") => Health::Starting,
        _ => Health::None,
    }
}

/// Only a program that runs is checked. Docker leaves `unhealthy` behind on what it stopped or paused, without an
/// event and without saying so in its listing: that word is no judgement.
fn health_that_counts(state: State, health: Health) -> Health {
    match state {
        State::Running => health,
        State::Created
        | State::Paused
        | State::Restarting
        | State::Removing
        | State::Stopped
        | State::Failed
        | State::Missing
        | State::Deploying
        | State::Unknown => Health::None,
    }
}

// ---- an inspect -----------------------------------------------------------------------------------------------

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    created: String,
    /// The image's id.
    #[serde(default, deserialize_with = "or_default")]
    image: String,
    #[serde(default, deserialize_with = "or_default")]
    restart_count: i64,
    #[serde(default, deserialize_with = "or_default")]
    state: InspectedState,
    #[serde(default, deserialize_with = "or_default")]
    config: InspectedConfig,
    #[serde(default, deserialize_with = "or_default")]
    host_config: InspectedHostConfig,
    #[serde(default, deserialize_with = "or_default")]
    network_settings: InspectedNetwork,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct InspectedState {
    #[serde(default, deserialize_with = "or_default")]
    status: String,
    #[serde(default, rename = "OOMKilled", deserialize_with = "or_default")]
    oom_killed: bool,
    #[serde(default, deserialize_with = "or_default")]
    exit_code: i64,
    #[serde(default, deserialize_with = "or_default")]
    error: String,
    #[serde(default, deserialize_with = "or_default")]
    started_at: String,
    #[serde(default, deserialize_with = "or_default")]
    finished_at: String,
    /// Docker's name, and an older Podman's.
    #[serde(default, alias = "Healthcheck")]
    health: Option<InspectedHealth>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedHealth {
    #[serde(default, deserialize_with = "or_default")]
    status: String,
    /// The last runs of the check, oldest first.
    #[serde(default, deserialize_with = "or_default")]
    log: Vec<InspectedProbe>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedProbe {
    #[serde(default, deserialize_with = "or_default")]
    output: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct InspectedConfig {
    #[serde(default, deserialize_with = "or_default")]
    image: String,
    #[serde(default, deserialize_with = "or_default")]
    labels: Labels,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct InspectedHostConfig {
    #[serde(default, deserialize_with = "or_default")]
    auto_remove: bool,
    #[serde(default, deserialize_with = "or_default")]
    restart_policy: InspectedPolicy,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct InspectedPolicy {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct InspectedNetwork {
    /// `80/tcp` → where it is published; `null` where it is only exposed.
    #[serde(default, deserialize_with = "or_default")]
    ports: BTreeMap<String, Option<Vec<Binding>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Binding {
    #[serde(default, deserialize_with = "or_default")]
    host_ip: String,
    #[serde(default, deserialize_with = "or_default")]
    host_port: String,
}

/// The whole of an inspect as it came, once it is known to be a document about that container.
pub(super) fn document(body: &[u8], asked: &ContainerId, tried: &str) -> Result<String, EngineError> {
    inspected(body, asked, tried)?;
    String::from_utf8(body.to_vec()).map_err(|error| garbled(tried, error.to_string()))
}

pub(super) fn inspected(body: &[u8], asked: &ContainerId, tried: &str) -> Result<Observed, EngineError> {
    let seen: Inspected = read(body, tried)?;
    if seen.id != asked.as_str() {
        return Err(garbled(tried, format!("it is about {}", seen.id)));
    }
    let created_at =
        engine_time(&seen.created).ok_or_else(|| garbled(tried, format!("created at '{}'", seen.created)))?;
    let state = State::from_engine(&seen.state.status);
    let started_at = engine_time(&seen.state.started_at);
    let (health, mut probes) =
        seen.state.health.map_or((Health::None, vec![]), |h| (Health::from_engine(&h.status), h.log));
    Ok(Observed {
        container_id: ContainerId::new(seen.id),
        name: canonical_name([seen.name.as_str()]),
        image: seen.config.image,
        image_id: seen.image,
        state,
        health: health_that_counts(state, health),
        exit_code: has_ended(state, started_at.is_some()).then_some(seen.state.exit_code),
        oom_killed: seen.state.oom_killed,
        restart_count: u32::try_from(seen.restart_count).unwrap_or(0),
        error: Some(seen.state.error).filter(|e| !e.is_empty()),
        probe: probes.pop().map(|probe| probe.output),
        ports: ports(seen.network_settings.ports),
        labels: seen.config.labels,
        created_at,
        started_at,
        finished_at: engine_time(&seen.state.finished_at),
        restart_policy: Some(seen.host_config.restart_policy.name)
            .filter(|n| !n.is_empty())
            .unwrap_or_else(|| "no".to_owned()),
        auto_remove: seen.host_config.auto_remove,
    })
}

/// Whether an exit code means anything: engines answer 0 for a program that runs or never did.
fn has_ended(state: State, ever_started: bool) -> bool {
    match state {
        State::Running | State::Paused | State::Created => false,
        State::Restarting
        | State::Removing
        | State::Stopped
        | State::Failed
        | State::Missing
        | State::Deploying
        | State::Unknown => ever_started,
    }
}

fn ports(of: BTreeMap<String, Option<Vec<Binding>>>) -> Vec<Port> {
    let mut ports = Vec::new();
    for (key, bindings) in of {
        let (number, protocol) = key.split_once('/').unwrap_or((&key, "tcp"));
        let Ok(container_port) = number.parse() else { continue };
        let port =
            |host_ip, host_port| Port { container_port, protocol: protocol.to_owned(), host_ip, host_port };
        let bindings = bindings.unwrap_or_default();
        if bindings.is_empty() {
            ports.push(port(None, None));
        }
        for binding in bindings {
            // Published on every interface is an empty address to some engines.
            let ip = if binding.host_ip.is_empty() { "0.0.0.0".to_owned() } else { binding.host_ip };
            ports.push(port(Some(ip), binding.host_port.parse().ok()));
        }
    }
    ports.sort();
    ports
}

// ---- a log ----------------------------------------------------------------------------------------------------

/// The stream's number, three zeros, and the length of what follows.
const FRAME_HEAD: usize = 8;

/// The last lines of a log. Engines write it in frames that tell the two streams apart, but where the container has a
/// terminal: then it is the bare bytes.
pub(super) fn log_lines(body: &[u8], most: u32) -> Vec<String> {
    let whole = unframed(body);
    let bytes = whole.as_deref().unwrap_or(body);
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
    lines.into_iter().skip(from).map(str::to_owned).collect()
}

/// What the frames carry; `None` where the bytes are no frames from the first to the last.
fn unframed(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::with_capacity(body.len());
    while !body.is_empty() {
        let (head, rest) = body.split_at_checked(FRAME_HEAD)?;
        let [0..=2, 0, 0, 0, a, b, c, d] = *head else { return None };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        let (content, rest) = rest.split_at_checked(length)?;
        whole.extend_from_slice(content);
        // A line that was cut at the end of the log must not run into the one of the other stream.
        if whole.last().is_some_and(|byte| *byte != b'\n') {
            whole.push(b'\n');
        }
        body = rest;
    }
    Some(whole)
}

// ---- who answers ----------------------------------------------------------------------------------------------

/// Of `/info`, what tells one engine from another.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Info {
    #[serde(default, rename = "ID", deserialize_with = "or_default")]
    pub(super) id: String,
    /// Podman's graph root stands here too.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) docker_root_dir: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(super) system_time: String,
}

pub(super) fn info(body: &[u8], tried: &str) -> Result<Info, EngineError> {
    read(body, tried)
}

/// An id that stays: `/info` ID for Docker; where it is new at every call, where the engine is and what it keeps.
pub(super) fn engine_id(
    dialect: Dialect,
    endpoint: &str,
    info: &Info,
    tried: &str,
) -> Result<String, EngineError> {
    match dialect {
        Dialect::Podman => Ok(format!("podman:{endpoint}:{}", info.docker_root_dir)),
        Dialect::Docker if info.id.is_empty() => Err(garbled(tried, "the engine says no id".to_owned())),
        Dialect::Docker => Ok(info.id.clone()),
    }
}

// ---- an event -------------------------------------------------------------------------------------------------

/// The events that can change a row. A filter of these keeps the three `exec_*` of every health check out.
pub(super) const ACTIONS: [&str; 13] = [
    "create",
    "start",
    "kill",
    "die",
    "stop",
    "restart",
    "pause",
    "unpause",
    "oom",
    "rename",
    "update",
    "destroy",
    "health_status",
];

/// A start that fails tells nothing of the container, but its network was connected and disconnected again.
pub(super) const NETWORK_ACTIONS: [&str; 2] = ["connect", "disconnect"];
/// The attribute of a network's event that names the container.
pub(super) const NETWORK_CONTAINER: &str = "container";

/// An event's action in ours. Podman says `remove` for `destroy` and `died` for `die`; a health check's result
/// follows a colon, or stands among the attributes.
pub(super) fn action(word: &str, attributes: &Labels) -> Action {
    match word {
        "create" => Action::Create,
        "start" => Action::Start,
        "kill" => Action::Kill,
        "die" | "died" => Action::Die,
        "stop" => Action::Stop,
        "restart" => Action::Restart,
        "pause" => Action::Pause,
        "unpause" => Action::Unpause,
        "oom" => Action::Oom,
        "rename" => Action::Rename,
        "update" => Action::Update,
        "destroy" | "remove" => Action::Destroy,
        "connect" | "disconnect" => Action::Network,
        other => match other.strip_prefix("health_status") {
            Some(rest) => {
                let told = rest.trim_start_matches(':').trim();
                let told = if told.is_empty() {
                    attributes.get("health_status").map_or("", String::as_str)
                } else {
                    told
                };
                match Health::from_engine(told) {
                    Health::None => Action::Other(other.to_owned()),
                    health => Action::HealthStatus(health),
                }
            }
            None => Action::Other(other.to_owned()),
        },
    }
}

// ---------------------------------------------------------------------------------------------------------------

fn read<'a, T: Deserialize<'a>>(body: &'a [u8], tried: &str) -> Result<T, EngineError> {
    serde_json::from_slice(body)
        .map_err(|e| garbled(tried, format!("{e}, in an answer of {} bytes", body.len())))
}

fn garbled(tried: &str, detail: String) -> EngineError {
    EngineError::Garbled { tried: tried.to_owned(), detail }
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
