//! What a request does to the world, and the answer to it.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Method, Request, Response, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::idiom::{Form, Idiom};
use super::line::Tap;
use super::mishaps::Befalls;
use super::routes::{self, Act, Asked};
use super::{Counter, shapes, stream as events, waiting};
use crate::docker::EngineError;
use crate::docker::fake::calls::InspectUnderWay;
use crate::docker::fake::{Call, FakeEngine, Mishap, RestartPolicy, Spec};
use crate::rules::container::State;
use crate::rules::ids::ContainerId;
use crate::rules::labels::Labels;

/// Beyond this an engine does not say how long its answer is: it comes in chunks.
const WHOLE: usize = 2048;
/// The chunks of such an answer.
const CHUNK: usize = 4096;
/// The longest body of a request that is read.
const LARGEST_REQUEST: usize = 1 << 20;

pub(super) type Body = UnsyncBoxBody<Bytes, Dropped>;

/// The connection breaks instead of an answer.
#[derive(Debug)]
pub(super) struct Dropped;

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is dropped")
    }
}

impl std::error::Error for Dropped {}

/// Answers one request.
pub(super) async fn answer(
    counter: &Counter,
    tap: &Tap,
    request: Request<Incoming>,
) -> Result<Response<Body>, Dropped> {
    tap.open();
    let (head, body) = request.into_parts();
    let (form, asked) = match routes::read(&head.method, &head.uri, counter.idiom()) {
        Ok(understood) => understood,
        Err(reply) => return reply.respond(Form::newest(counter.idiom())),
    };
    let befalls = counter.book.count(asked.question());
    let mut promised = 0;
    match befalls {
        Some(Befalls::Hang) => std::future::pending().await,
        Some(Befalls::Stranger { status, content_type, body }) => {
            return Reply { status, content_type, content: Content::Whole(body.into()) }.respond(form);
        }
        Some(Befalls::Cut(bytes)) => tap.cut_after(bytes),
        Some(Befalls::Stall(bytes)) => tap.stall_after(bytes),
        Some(Befalls::WrongLength(by)) => promised = by,
        None => {}
    }
    let mut reply = reply(&counter.engine, form, asked, body).await?;
    if form.is_podman() && head.method == Method::HEAD {
        reply.content_type = "";
    }
    if promised == 0 { reply.respond(form) } else { reply.respond_with_length(form, promised) }
}

async fn reply(engine: &FakeEngine, form: Form, asked: Asked, body: Incoming) -> Result<Reply, Dropped> {
    let tried = "answer";
    match asked {
        Asked::Ping => {
            let mishap = engine.reach(Call::Ping, tried).await;
            carried(engine, form, mishap, || Ok(Reply::text(200, "OK"))).await
        }
        Asked::Version => {
            let mishap = engine.reach(Call::Identify, tried).await;
            carried(engine, form, mishap, || Ok(Reply::json(200, &shapes::version(form)))).await
        }
        Asked::Info => {
            let mishap = engine.reach_uncounted(tried).await.map(|()| None);
            carried(engine, form, mishap, || Ok(Reply::json(200, &shapes::info(&engine.world(), form)))).await
        }
        Asked::List { all, filters } => {
            let call = if filters.asks_for_managed() { Call::ListManaged } else { Call::List };
            let mishap = engine.reach(call, tried).await;
            let kept = match &mishap {
                Ok(Some(Mishap::Truncate(kept))) => *kept,
                _ => usize::MAX,
            };
            let rows = || {
                let world = engine.world();
                let now = world.engine_now();
                let rows: Vec<Value> = world
                    .listed()
                    .iter()
                    .filter(|(row, _)| all || filters.names_a_state() || row.state.is_alive())
                    .filter(|(row, container)| filters.lets_row(row, &container.seen.labels))
                    .take(kept)
                    .map(|(row, container)| shapes::row(row, container, now, form))
                    .collect();
                Ok(Reply::json(200, &Value::Array(rows)))
            };
            carried(engine, form, mishap, rows).await
        }
        Asked::Inspect(name) => {
            // Whoever asks by another name than the whole id is nobody that counts.
            let asked = ContainerId::new(name.as_str());
            let _under_way = InspectUnderWay::begin(engine, &asked);
            let mishap = engine.reach(Call::Inspect, tried).await;
            if let Ok(id) = engine.find(&name) {
                engine.until_it_is_inspected(&id).await;
            }
            let seen = || {
                let id = engine.find(&name)?;
                let world = engine.world();
                let container = world.containers.get(&id).ok_or_else(|| gone(&name))?;
                Ok(Reply::json(200, &shapes::inspected(container, form)))
            };
            carried(engine, form, mishap, seen).await
        }
        Asked::Logs(name, most) => {
            let mishap = engine.reach(Call::Logs, tried).await;
            let said = || {
                let id = engine.find(&name)?;
                Ok(Reply::log(form, &engine.world().last_lines(&id, most)?))
            };
            carried(engine, form, mishap, said).await
        }
        Asked::Measure(name) => {
            let mishap = engine.reach(Call::Holdings, tried).await;
            let seen = || {
                let id = engine.find(&name)?;
                let world = engine.world();
                let container = world.containers.get(&id).ok_or_else(|| gone(&name))?;
                Ok(Reply::json(200, &shapes::measured(container, form)))
            };
            carried(engine, form, mishap, seen).await
        }
        Asked::Usage => {
            let mishap = engine.reach(Call::Usage, tried).await;
            carried(engine, form, mishap, || Ok(Reply::json(200, &shapes::usage(&engine.world(), form))))
                .await
        }
        Asked::Events { since, until, filters } => {
            let mishap = engine.reach(Call::Events, tried).await;
            let lines = || {
                let opened = events::open(engine, form, since.as_deref(), until.as_deref(), filters);
                Ok(opened.map_or_else(|reply| reply, |lines| Reply::lines(form, lines)))
            };
            carried(engine, form, mishap, lines).await
        }
        Asked::Wait(name, until) => {
            let reached = engine.reach_uncounted(tried).await.map(|()| None);
            let waiting = || {
                let ended = waiting::open(engine, &engine.find(&name)?, until);
                Ok(Reply { status: 200, content_type: JSON, content: Content::Lines(Box::pin(ended)) })
            };
            carried(engine, form, reached, waiting).await
        }
        Asked::Create { name } => {
            let reached = engine.reach_uncounted(tried).await.map(|()| None);
            let body =
                http_body_util::Limited::new(body, LARGEST_REQUEST).collect().await.map_err(|_| Dropped)?;
            carried(engine, form, reached, || create(engine, form, &name, &body.to_bytes())).await
        }
        Asked::Act(name, act) => {
            let body =
                http_body_util::Limited::new(body, LARGEST_REQUEST).collect().await.map_err(|_| Dropped)?;
            do_it(engine, form, &name, act, &body.to_bytes()).await
        }
    }
}

/// The way there and back: what befalls the call, what was done, whether the answer arrives.
async fn carried(
    engine: &FakeEngine,
    form: Form,
    reached: Result<Option<Mishap>, EngineError>,
    done: impl FnOnce() -> Result<Reply, EngineError>,
) -> Result<Reply, Dropped> {
    let mishap = match reached {
        Ok(mishap) => mishap,
        Err(error) => return said(form, error),
    };
    let done = done();
    match engine.answer("answer", mishap, ()).await {
        Ok(()) => done.or_else(|error| said(form, error)),
        Err(_) => Err(Dropped),
    }
}

/// An engine's refusal in its words; where no engine is there to refuse, the connection breaks.
fn said(form: Form, error: EngineError) -> Result<Reply, Dropped> {
    match error {
        EngineError::NotFound { detail, .. } => Ok(Reply::refusal(form, 404, &detail)),
        EngineError::Refused { status, detail, .. } => Ok(Reply::refusal(form, status, &detail)),
        EngineError::Garbled { .. } => Ok(Reply::text(200, "this is not JSON")),
        EngineError::Absent { .. }
        | EngineError::Denied { .. }
        | EngineError::Hung { .. }
        | EngineError::Broken { .. }
        | EngineError::Endpoint(_) => Err(Dropped),
    }
}

async fn do_it(engine: &FakeEngine, form: Form, name: &str, act: Act, body: &[u8]) -> Result<Reply, Dropped> {
    let call = match act {
        Act::Start => Some(Call::Start),
        Act::Stop(_) => Some(Call::Stop),
        Act::Restart(_) => Some(Call::Restart),
        Act::Kill(_) | Act::Pause | Act::Unpause | Act::Rename(_) | Act::Update | Act::Remove { .. } => None,
    };
    let reached = match call {
        Some(call) => engine.reach(call, "act").await,
        None => engine.reach_uncounted("act").await.map(|()| None),
    };
    let done = match (&reached, engine.find(name)) {
        (Ok(_), Ok(id)) => done(engine, form, &id, act, body).await,
        (_, Err(error)) => Err(error),
        (Err(error), _) => Err(error.clone()),
    };
    carried(engine, form, reached, || done).await
}

async fn done(
    engine: &FakeEngine,
    form: Form,
    id: &ContainerId,
    act: Act,
    body: &[u8],
) -> Result<Reply, EngineError> {
    let before = engine.truth_of(id).map(|seen| seen.state);
    let grace = |seconds: Option<i64>| {
        // Below zero is for ever; nobody here waits longer than an hour.
        seconds.map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(3600)))
    };
    match act {
        Act::Start => {
            engine.start_container(id)?;
            let was_so = matches!(before, Some(State::Running | State::Restarting));
            Ok(Reply::empty(if was_so { 304 } else { 204 }))
        }
        Act::Stop(seconds) => {
            engine.stop_as_asked(id, grace(seconds)).await?;
            Ok(Reply::empty(if before.is_some_and(State::is_alive) { 204 } else { 304 }))
        }
        Act::Restart(seconds) => {
            engine.restart_as_asked(id, grace(seconds)).await?;
            Ok(Reply::empty(204))
        }
        Act::Kill(signal) => engine.kill(id, signal).map(|()| Reply::empty(204)),
        Act::Pause => engine.pause(id).map(|()| Reply::empty(204)),
        Act::Unpause => engine.unpause(id).map(|()| Reply::empty(204)),
        Act::Rename(name) => match engine.rename(id, &name) {
            Err(EngineError::Refused { status, detail, .. }) => {
                Ok(Reply::refusal_of_all(form, status, &detail))
            }
            renamed => renamed.map(|()| Reply::empty(204)),
        },
        Act::Update => {
            let wanted: HostConfig = read(form, body)?;
            if let Some(policy) = wanted.policy()? {
                engine.update(id, policy)?;
            }
            Ok(Reply::json(200, &json!({ "Warnings": [] })))
        }
        Act::Remove { force } => {
            if force { engine.force_remove(id) } else { engine.remove(id) }.map(|()| Reply::empty(204))
        }
    }
}

// ---- creating -------------------------------------------------------------------------------------------------

/// Of what a client sends, what the world knows.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Wanted {
    image: String,
    labels: Option<Labels>,
    exposed_ports: Option<Value>,
    healthcheck: Option<Healthcheck>,
    host_config: Option<HostConfig>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Healthcheck {
    test: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    port_bindings: Option<Value>,
    restart_policy: Option<Policy>,
    auto_remove: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Policy {
    name: String,
}

impl HostConfig {
    fn policy(&self) -> Result<Option<RestartPolicy>, EngineError> {
        let Some(policy) = self.restart_policy.as_ref().filter(|policy| !policy.name.is_empty()) else {
            return Ok(None);
        };
        let known = [
            RestartPolicy::No,
            RestartPolicy::Always,
            RestartPolicy::UnlessStopped,
            RestartPolicy::OnFailure,
        ];
        known
            .into_iter()
            .find(|known| known.as_str() == policy.name)
            .map(Some)
            .ok_or_else(|| bad(&format!("invalid restart policy '{}'", policy.name)))
    }
}

fn create(engine: &FakeEngine, form: Form, name: &str, body: &[u8]) -> Result<Reply, EngineError> {
    let wanted: Wanted = read(form, body)?;
    let host = wanted.host_config.unwrap_or_default();
    let Some(image_id) = engine.world().image_id(&wanted.image) else {
        let tagged = if wanted.image.contains(':') { "" } else { ":latest" };
        return Err(EngineError::NotFound {
            tried: "create".to_owned(),
            detail: format!("No such image: {}{tagged}", wanted.image),
        });
    };
    let mut spec = Spec::named(name.trim_start_matches('/')).image(&wanted.image);
    spec.image_id = image_id;
    spec.labels = wanted.labels.unwrap_or_default();
    spec.published = port_numbers(host.port_bindings.as_ref());
    spec.exposed = port_numbers(wanted.exposed_ports.as_ref());
    spec.exposed.retain(|port| !spec.published.contains(port));
    spec.health_check = wanted
        .healthcheck
        .and_then(|check| check.test)
        .is_some_and(|test| test.first().is_some_and(|word| word != "NONE"));
    spec.auto_remove = host.auto_remove;
    spec.restart = host.policy()?.unwrap_or(RestartPolicy::No);
    let id = engine.create(spec)?;
    Ok(Reply::json(201, &json!({ "Id": id.as_str(), "Warnings": [] })))
}

/// The numbers of the keys of `{"80/tcp": …}`.
fn port_numbers(of: Option<&Value>) -> Vec<u16> {
    let keys = of.and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key);
    keys.filter_map(|key| key.split('/').next()?.parse().ok()).collect()
}

fn read<T: for<'de> Deserialize<'de>>(form: Form, body: &[u8]) -> Result<T, EngineError> {
    serde_json::from_slice(body).map_err(|error| refused(form.unreadable(), &error.to_string()))
}

fn bad(detail: &str) -> EngineError {
    refused(400, detail)
}

fn refused(status: u16, detail: &str) -> EngineError {
    EngineError::Refused { tried: "read the request".to_owned(), status, detail: detail.to_owned() }
}

impl FakeEngine {
    /// By its id, the beginning of its id, or its name.
    fn find(&self, text: &str) -> Result<ContainerId, EngineError> {
        let world = self.world();
        let whole = ContainerId::new(text);
        if world.containers.contains_key(&whole) {
            return Ok(whole);
        }
        let name = text.trim_start_matches('/');
        if let Some(named) = world.containers.values().find(|container| container.seen.name == name) {
            return Ok(named.seen.container_id.clone());
        }
        let mut begun =
            world.containers.keys().filter(|id| !text.is_empty() && id.as_str().starts_with(text));
        match (begun.next(), begun.next()) {
            (Some(id), None) => Ok(id.clone()),
            (Some(_), Some(_)) => Err(bad(&format!("Multiple IDs found with provided prefix: {text}"))),
            (None, _) => Err(gone(text)),
        }
    }
}

fn gone(name: &str) -> EngineError {
    EngineError::NotFound { tried: "find it".to_owned(), detail: format!("No such container: {name}") }
}

// ---- an answer ------------------------------------------------------------------------------------------------

pub(super) struct Reply {
    status: u16,
    content_type: &'static str,
    content: Content,
}

enum Content {
    Whole(Bytes),
    Lines(Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Dropped>> + Send>>),
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

impl Reply {
    fn json(status: u16, value: &Value) -> Self {
        let mut text = value.to_string();
        text.push('\n');
        Self { status, content_type: JSON, content: Content::Whole(text.into()) }
    }

    fn text(status: u16, text: &'static str) -> Self {
        Self { status, content_type: TEXT, content: Content::Whole(Bytes::from_static(text.as_bytes())) }
    }

    /// Lines of the standard output, each in a frame of its own.
    fn log(form: Form, lines: &[String]) -> Self {
        let mut body = Vec::new();
        for line in lines {
            let length = u32::try_from(line.len() + 1).unwrap_or(u32::MAX);
            body.extend_from_slice(&[1, 0, 0, 0]);
            body.extend_from_slice(&length.to_be_bytes());
            body.extend_from_slice(line.as_bytes());
            body.push(b'\n');
        }
        Self {
            status: 200,
            content_type: form.log_type(body.is_empty()),
            content: Content::Whole(body.into()),
        }
    }

    fn empty(status: u16) -> Self {
        Self { status, content_type: "", content: Content::Whole(Bytes::new()) }
    }

    fn lines(form: Form, lines: impl Stream<Item = Result<Frame<Bytes>, Dropped>> + Send + 'static) -> Self {
        Self { status: 200, content_type: form.stream_type(), content: Content::Lines(Box::pin(lines)) }
    }

    /// To Podman nearly everything that cannot be is a fault of its own.
    pub(super) fn refusal(form: Form, status: u16, sentence: &str) -> Self {
        let status = if form.is_podman() && status != 404 { 500 } else { status };
        Self::refusal_of_all(form, status, sentence)
    }

    /// One that Podman too sees for what it is.
    pub(super) fn refusal_of_all(form: Form, status: u16, sentence: &str) -> Self {
        if form.is_podman() {
            return Self::json(
                status,
                &json!({ "cause": sentence, "message": sentence, "response": status }),
            );
        }
        Self::json(status, &json!({ "message": sentence }))
    }

    /// Of a log that names neither of the program's streams.
    pub(super) fn no_stream(form: Form, path: &str) -> Self {
        if form.is_podman() {
            let sentence = format!("Bad Request: you must choose at least one stream for {path}");
            return Self::refusal_of_all(form, 400, &sentence);
        }
        Self::refusal(form, 400, "Bad parameters: you must choose at least one stream")
    }

    /// Docker 20.10 turns an old client away in plain words.
    pub(super) fn wrong_version(form: Form, sentence: &str) -> Self {
        if form.idiom == Idiom::Api141 && sentence.contains("too old") {
            let content = Content::Whole(format!("{sentence}\n").into());
            return Self { status: 400, content_type: TEXT, content };
        }
        Self::refusal(form, 400, sentence)
    }

    pub(super) fn page_not_found(form: Form) -> Self {
        if form.is_podman() {
            return Self::text(404, "Not Found");
        }
        Self::refusal(form, 404, "page not found")
    }

    fn respond(self, form: Form) -> Result<Response<Body>, Dropped> {
        let (status, content_type) = (self.status, self.content_type);
        let body = match self.content {
            Content::Whole(bytes) if bytes.len() <= WHOLE => {
                Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
            }
            Content::Whole(bytes) => chunked(bytes),
            Content::Lines(lines) => StreamBody::new(lines).boxed_unsync(),
        };
        headed(form, status, content_type).body(body).map_err(|_| Dropped)
    }

    /// As [`Reply::respond`], but the head does not tell the body's length right.
    fn respond_with_length(self, form: Form, by: i64) -> Result<Response<Body>, Dropped> {
        let (status, content_type) = (self.status, self.content_type);
        let bytes = match self.content {
            Content::Whole(bytes) => bytes,
            Content::Lines(_) => Bytes::new(),
        };
        let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX).saturating_add(by).max(0);
        let head = headed(form, status, content_type).header(header::CONTENT_LENGTH, length);
        head.body(chunked(bytes)).map_err(|_| Dropped)
    }
}

/// A body that does not say how long it is.
fn chunked(bytes: Bytes) -> Body {
    let chunks: Vec<Result<Frame<Bytes>, Dropped>> =
        bytes.chunks(CHUNK).map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk)))).collect();
    StreamBody::new(stream::iter(chunks)).boxed_unsync()
}

fn headed(form: Form, status: u16, content_type: &'static str) -> hyper::http::response::Builder {
    let mut head = Response::builder().status(status).header("Api-Version", form.idiom.api());
    if form.is_podman() {
        head = head
            .header("Libpod-Api-Version", form.idiom.version())
            .header("Server", format!("Libpod/{} (linux)", form.idiom.version()));
    } else {
        head = head
            .header("Docker-Experimental", "false")
            .header("Ostype", "linux")
            .header("Server", format!("Docker/{} (linux)", form.idiom.version()));
    }
    if content_type.is_empty() { head } else { head.header(header::CONTENT_TYPE, content_type) }
}
