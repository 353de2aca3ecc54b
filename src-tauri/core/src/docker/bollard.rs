//! Docker's and Podman's API behind the door. The only file that knows Bollard.
//!
//! Bollard builds the requests and reads version, events and refusals; [`wire`](super::wire) carries them, and carries
//! listings, inspects, measures and `/info` to [`answers`](super::answers), which read them leniently.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bollard::errors::Error as BollardError;
use bollard::models::{EventMessage, EventMessageTypeEnum, SystemVersion};
use bollard::query_parameters::{
    EventsOptionsBuilder, RestartContainerOptionsBuilder, StopContainerOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use futures_util::{StreamExt as _, stream};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::endpoint::Endpoint;
use super::wire::{Cause, Wire};
use super::{
    Action, Dialect, Engine, EngineError, EngineEvent, EngineIdentity, EventStream, Listed, answers, deadline,
};
use crate::rules::container::{ManagedContainer, Observed, engine_time};
use crate::rules::disk::{Holdings, Usage};
use crate::rules::ids::{ContainerId, EngineId};
use crate::rules::labels::{self, Labels};
use crate::rules::time::micros;

/// Bollard's own deadline on a response's head, in seconds. Ours stand before it, call by call; this one only must
/// not come first.
const NEVER_FIRST: u64 = 24 * 3600;

/// An engine that speaks Docker's API.
pub struct DockerEngine {
    wire: Wire,
    docker: Docker,
    /// Podman's event filter does not know Docker's words. Learnt by `identify`.
    is_podman: AtomicBool,
}

impl DockerEngine {
    /// The door to an endpoint. Nothing is sent before the first call.
    ///
    /// # Errors
    /// [`EngineError::Endpoint`] where no request can be addressed to it.
    pub fn new(endpoint: &Endpoint) -> Result<Self, EngineError> {
        let wire = Wire::new(endpoint);
        let docker = over(&wire, None)?;
        Ok(Self { wire, docker, is_podman: AtomicBool::new(false) })
    }

    async fn within<T>(
        &self,
        tried: &str,
        deadline: Duration,
        call: impl Future<Output = Result<T, BollardError>> + Send,
    ) -> Result<T, EngineError> {
        match timeout(deadline, call).await {
            Ok(answer) => answer.map_err(|e| explain(&self.wire, tried, e)),
            Err(_) => Err(self.wire.hung(tried, deadline)),
        }
    }
}

/// Bollard over our wire. `answered` is told when a response's head has arrived.
fn over(wire: &Wire, answered: Option<Arc<Notify>>) -> Result<Docker, EngineError> {
    let carrier = wire.clone();
    let transport = move |request: BollardRequest| {
        let (carrier, answered) = (carrier.clone(), answered.clone());
        async move {
            let request = request.map(|body| body.map_err(Cause::from).boxed_unsync());
            let response = carrier.send(request).await.map_err(BollardError::from)?;
            if let Some(answered) = answered {
                answered.notify_one();
            }
            Ok(response)
        }
    };
    Docker::connect_with_custom_transport(transport, Some(wire.base()), NEVER_FIRST, API_DEFAULT_VERSION)
        .map_err(|e| {
            EngineError::Endpoint(format!("{}: no request can be addressed to it: {e}", wire.endpoint))
        })
}

#[async_trait]
impl Engine for DockerEngine {
    fn endpoint(&self) -> String {
        self.wire.endpoint.to_string()
    }

    async fn identify(&self) -> Result<EngineIdentity, EngineError> {
        let tried = "ask the engine for its version";
        let version = self.within(tried, deadline::READ, self.docker.version()).await?;
        let tried = "ask the engine for its id";
        let info = answers::info(&self.wire.get("/info", tried, deadline::READ).await?, tried)?;
        let dialect = dialect(&version);
        self.is_podman.store(dialect == Dialect::Podman, Ordering::Relaxed);
        Ok(EngineIdentity {
            id: EngineId::new(answers::engine_id(dialect, &self.wire.endpoint, &info, tried)?),
            dialect,
            version: version.version.unwrap_or_default(),
            api_version: version.api_version.unwrap_or_default(),
            system_time: engine_time(&info.system_time),
        })
    }

    async fn ping(&self) -> Result<(), EngineError> {
        self.within("ask for a sign of life", deadline::PING, self.docker.ping()).await.map(drop)
    }

    async fn list(&self) -> Result<Vec<Listed>, EngineError> {
        let tried = "list the containers";
        let body = self.wire.get("/containers/json?all=true", tried, deadline::LIST).await?;
        answers::listing(&body, tried)
    }

    async fn list_managed(&self) -> Result<Vec<ManagedContainer>, EngineError> {
        let tried = "list the managed containers";
        let filter = escaped(&format!("{{\"label\":[\"{}\"]}}", labels::MANAGED_TRUE));
        let path = format!("/containers/json?all=true&filters={filter}");
        answers::managed_listing(&self.wire.get(&path, tried, deadline::LIST).await?, tried)
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Option<Observed>, EngineError> {
        let tried = format!("inspect {}", id.short());
        let path = format!("/containers/{}/json", escaped(id.as_str()));
        match self.wire.get(&path, &tried, deadline::READ).await {
            Ok(body) => answers::inspected(&body, id, &tried).map(Some),
            Err(EngineError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn inspect_whole(&self, id: &ContainerId) -> Result<Option<String>, EngineError> {
        let tried = format!("inspect {}", id.short());
        let path = format!("/containers/{}/json", escaped(id.as_str()));
        match self.wire.get(&path, &tried, deadline::READ).await {
            Ok(body) => answers::document(&body, id, &tried).map(Some),
            Err(EngineError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn logs(&self, id: &ContainerId, lines: u32) -> Result<Vec<String>, EngineError> {
        let tried = format!("read the log of {}", id.short());
        let path = format!("/containers/{}/logs?stdout=true&stderr=true&tail={lines}", escaped(id.as_str()));
        let body = self.wire.get(&path, &tried, deadline::READ).await?;
        Ok(answers::log_lines(&body, lines))
    }

    /// Engines before API 1.42 and Podman answer with everything, whatever is asked for; from 1.52 on each thing is told
    /// only in words.
    async fn usage(&self) -> Result<Usage, EngineError> {
        let tried = "measure the disk";
        let path = "/system/df?type=image&type=volume&verbose=1";
        answers::usage(&self.wire.get(path, tried, deadline::USAGE).await?, tried)
    }

    async fn holdings(&self, id: &ContainerId) -> Result<Option<Holdings>, EngineError> {
        let tried = format!("measure {}", id.short());
        let path = format!("/containers/{}/json?size=true", escaped(id.as_str()));
        match self.wire.get(&path, &tried, deadline::HOLDINGS).await {
            Ok(body) => answers::holdings(&body, id, &tried).map(Some),
            Err(EngineError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn events(&self, since: Timestamp) -> Result<EventStream, EngineError> {
        let tried = "subscribe to the events";
        let head = Arc::new(Notify::new());
        let docker = over(&self.wire, Some(head.clone()))?;
        let dialect = if self.is_podman.load(Ordering::Relaxed) { Dialect::Podman } else { Dialect::Docker };
        let filter = event_filter(dialect);
        let options = EventsOptionsBuilder::new().since(&since_text(since)).filters(&filter).build();
        let mut events = Box::pin(docker.events(Some(options)));
        // Bollard sends the request when it is first polled. The engine answers the head at once and subscribes just
        // after it; `since` covers what happens between the two.
        let first = timeout(deadline::READ, async {
            tokio::select! {
                biased;
                first = events.next() => Some(first),
                () = head.notified() => None,
            }
        });
        let first = match first.await {
            Err(_) => return Err(self.wire.hung(tried, deadline::READ)),
            Ok(None) => None,
            Ok(Some(None)) => return Err(self.wire.broken(tried, "the stream ended before it began")),
            Ok(Some(Some(Err(error)))) => return Err(explain(&self.wire, tried, error)),
            Ok(Some(Some(Ok(event)))) => Some(Ok(event)),
        };
        let wire = self.wire.clone();
        let events = stream::iter(first).chain(events).filter_map(move |message| {
            let event = match message {
                Ok(message) => event(message, dialect).map(Ok),
                Err(error) => Some(Err(explain(&wire, "read the event stream", error))),
            };
            std::future::ready(event)
        });
        Ok(Box::pin(events))
    }

    async fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("start {}", id.short());
        self.within(&tried, deadline::START, self.docker.start_container(&escaped(id.as_str()), None)).await
    }

    async fn stop(&self, id: &ContainerId, grace: Option<Duration>) -> Result<(), EngineError> {
        let tried = format!("stop {}", id.short());
        let options = grace.map(|grace| StopContainerOptionsBuilder::new().t(seconds(grace)).build());
        self.within(&tried, deadline::stop(grace), self.docker.stop_container(&escaped(id.as_str()), options))
            .await
    }

    async fn restart(&self, id: &ContainerId, grace: Option<Duration>) -> Result<(), EngineError> {
        let tried = format!("restart {}", id.short());
        let options = grace.map(|grace| RestartContainerOptionsBuilder::new().t(seconds(grace)).build());
        let id = escaped(id.as_str());
        self.within(&tried, deadline::restart(grace), self.docker.restart_container(&id, options)).await
    }
}

fn dialect(version: &SystemVersion) -> Dialect {
    let parts = version.components.iter().flatten();
    if parts.into_iter().any(|part| part.name.starts_with("Podman")) {
        Dialect::Podman
    } else {
        Dialect::Docker
    }
}

fn event_filter(dialect: Dialect) -> std::collections::HashMap<&'static str, Vec<&'static str>> {
    if dialect == Dialect::Podman {
        return std::collections::HashMap::from([("type", vec!["container"])]);
    }
    let actions = answers::ACTIONS.iter().chain(&answers::NETWORK_ACTIONS).copied().collect();
    std::collections::HashMap::from([("type", vec!["container", "network"]), ("event", actions)])
}

/// `seconds.nanos`, as the engine reads it. Inclusive.
fn since_text(since: Timestamp) -> String {
    let since = since.max(Timestamp::UNIX_EPOCH);
    format!("{}.{:09}", since.as_second(), since.subsec_nanosecond())
}

/// Whole seconds, rounded up: a grace is never cut short.
fn seconds(grace: Duration) -> i32 {
    let whole = grace.as_secs().saturating_add(u64::from(grace.subsec_nanos() > 0));
    i32::try_from(whole).unwrap_or(i32::MAX)
}

/// An event, unless it is about no container (`prune`). One about a network is about the container that it names.
fn event(message: EventMessage, dialect: Dialect) -> Option<EngineEvent> {
    let actor = message.actor?;
    let attributes: Labels = actor.attributes.unwrap_or_default().into_iter().collect();
    let id = match message.typ {
        Some(EventMessageTypeEnum::NETWORK) => attributes.get(answers::NETWORK_CONTAINER).cloned(),
        _ => actor.id,
    };
    let id = id.filter(|id| !id.is_empty())?;
    let nanos = message.time_nano.or_else(|| message.time.and_then(|s| s.checked_mul(1_000_000_000)));
    let at = Timestamp::from_nanosecond(i128::from(nanos.unwrap_or(0))).unwrap_or(Timestamp::UNIX_EPOCH);
    let action = match answers::action(message.action.as_deref().unwrap_or_default(), &attributes) {
        // Somebody's is told before the end that it brings, and nothing else tells that end; a policy's after an end.
        Action::Restart if dialect == Dialect::Podman => Action::Stop,
        action => action,
    };
    Some(EngineEvent { container_id: ContainerId::new(id), action, at: micros(at), attributes })
}

/// Bollard's errors in ours.
fn explain(wire: &Wire, tried: &str, error: BollardError) -> EngineError {
    let tried_text = tried.to_owned();
    match error {
        BollardError::DockerResponseServerError { status_code: 404, message } => {
            EngineError::NotFound { tried: tried_text, detail: message }
        }
        BollardError::DockerResponseServerError { status_code, message } => {
            EngineError::Refused { tried: tried_text, status: status_code, detail: message }
        }
        BollardError::RequestTimeoutError => wire.hung(tried, Duration::from_secs(NEVER_FIRST)),
        BollardError::JsonDataError { message, .. } => EngineError::Garbled {
            tried: tried_text,
            detail: format!("it is not the JSON that was expected ({message})"),
        },
        BollardError::JsonSerdeError { err } => EngineError::Garbled {
            tried: tried_text,
            detail: format!("it is not the JSON that was expected ({err})"),
        },
        BollardError::StrParseError { err } => {
            EngineError::Garbled { tried: tried_text, detail: format!("it is not UTF-8 ({err})") }
        }
        other => wire.failure(tried, &other),
    }
}

/// Percent-encoded, but for what may stand in a path or a query as it is.
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut done, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            done.push(char::from(byte));
        } else {
            let _ = write!(done, "%{byte:02X}");
        }
        done
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::container::Health;

    #[test]
    fn a_request_escapes_what_could_lead_it_elsewhere() {
        assert_eq!(escaped("abc-1_2.3~"), "abc-1_2.3~");
        assert_eq!(escaped("../x?y=1#"), "..%2Fx%3Fy%3D1%23");
        assert_eq!(escaped("é"), "%C3%A9");
    }

    #[test]
    fn since_is_seconds_and_nanoseconds() {
        assert_eq!(since_text("2026-01-02T03:04:05.000001Z".parse().unwrap()), "1767323045.000001000");
        assert_eq!(
            since_text("1969-01-01T00:00:00Z".parse().unwrap()),
            "0.000000000",
            "older than any event"
        );
    }

    #[test]
    fn a_grace_is_never_cut_short() {
        assert_eq!(seconds(Duration::ZERO), 0);
        assert_eq!(seconds(Duration::from_millis(1_200)), 2);
        assert_eq!(seconds(Duration::MAX), i32::MAX);
    }

    #[test]
    fn podmans_restart_is_the_stop_that_it_begins_with() {
        let line = r#"{"Type":"container","Action":"restart","Actor":{"ID":"cc","Attributes":{}},"time":1700000000}"#;
        let read = |dialect| event(serde_json::from_str(line).unwrap(), dialect).unwrap().action;
        assert_eq!(read(Dialect::Podman), Action::Stop);
        assert_eq!(read(Dialect::Docker), Action::Restart, "Docker's is told when the container runs again");
    }

    /// One line of each dialect's stream, and what it must be read as.
    #[test]
    fn the_events_of_every_dialect_are_read() {
        let cases = [
            // Docker 20.10, API 1.41
            (
                r#"{"status":"die","id":"aa","from":"busybox","Type":"container","Action":"die","Actor":{"ID":"aa","Attributes":{"exitCode":"3","image":"busybox","name":"web"}},"scope":"local","time":1700000000,"timeNano":1700000000123456789}"#,
                Some((Action::Die, "aa", "2023-11-14T22:13:20.123456Z")),
            ),
            (
                r#"{"status":"health_status: healthy","id":"aa","from":"b","Type":"container","Action":"health_status: healthy","Actor":{"ID":"aa","Attributes":{"name":"web"}},"scope":"local","time":1700000000,"timeNano":1700000000000000000}"#,
                Some((Action::HealthStatus(Health::Healthy), "aa", "2023-11-14T22:13:20Z")),
            ),
            // Docker 29, API 1.52: neither status nor id nor from
            (
                r#"{"Type":"container","Action":"rename","Actor":{"ID":"bb","Attributes":{"name":"b","oldName":"/a"}},"scope":"local","time":1700000000,"timeNano":1700000000000000001}"#,
                Some((Action::Rename, "bb", "2023-11-14T22:13:20Z")),
            ),
            // Podman: its own words, and no nanoseconds in its early days
            (
                r#"{"status":"remove","id":"cc","from":"b","Type":"container","Action":"remove","Actor":{"ID":"cc","Attributes":{"name":"c"}},"scope":"local","time":1700000000}"#,
                Some((Action::Destroy, "cc", "2023-11-14T22:13:20Z")),
            ),
            (
                r#"{"Type":"container","Action":"cleanup","Actor":{"ID":"cc","Attributes":{}},"time":1700000000,"timeNano":1700000000000000000}"#,
                Some((Action::Other("cleanup".into()), "cc", "2023-11-14T22:13:20Z")),
            ),
            (
                r#"{"Type":"container","Action":"health_status","Actor":{"ID":"cc","Attributes":{"health_status":"unhealthy"}},"time":1700000000,"timeNano":1700000000000000000}"#,
                Some((Action::HealthStatus(Health::Unhealthy), "cc", "2023-11-14T22:13:20Z")),
            ),
            // a prune names nobody
            (
                r#"{"Type":"container","Action":"prune","Actor":{"ID":"","Attributes":{"reclaimed":"0"}},"scope":"local","time":1700000000,"timeNano":1700000000000000000}"#,
                None,
            ),
        ];
        for (line, expected) in cases {
            let read = event(serde_json::from_str(line).unwrap(), Dialect::Docker);
            let read = read.map(|e| (e.action, e.container_id.to_string(), e.at.to_string()));
            assert_eq!(read, expected.map(|(a, id, at)| (a, id.to_owned(), at.to_owned())), "{line}");
        }
    }
}
