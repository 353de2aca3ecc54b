//! The way to an engine: one small HTTP client over a Unix socket, TCP or ssh.
//!
//! Two use it. Bollard takes it for its transport, so that every call goes the same way and fails in the same words;
//! and the hot reads go over it directly, because Bollard's own types refuse a whole listing for one unknown word and
//! decode much that nobody here wants.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower_service::Service;

use super::endpoint::Endpoint;
use super::{EngineError, deadline};

/// How long an unused connection is kept: long enough for a burst of inspects, short enough to weigh nothing at rest.
const IDLE: Duration = Duration::from_secs(5);

/// The same over ssh, where a new one is a process and a handshake on both sides: from one pass to the next.
const IDLE_OVER_SSH: Duration = Duration::from_secs(90);

/// How much of what ssh says is kept: its last lines tell why it gave up.
const LAST_WORDS: usize = 1024;

/// How many unused connections are kept: as many as inspects are made at once.
const IDLE_CONNECTIONS: usize = 8;

/// The largest answer that is read into memory: 100,000 containers with many labels. Beyond it something is wrong.
const LARGEST_ANSWER: usize = 512 << 20;

pub(super) type Cause = Box<dyn Error + Send + Sync>;
pub(super) type Body = UnsyncBoxBody<Bytes, Cause>;

/// Cheap to clone; all clones share their connections.
#[derive(Clone)]
pub(super) struct Wire {
    /// For messages.
    pub(super) endpoint: Arc<str>,
    authority: Arc<str>,
    client: Client<Connector, Body>,
}

impl Wire {
    pub(super) fn new(endpoint: &Endpoint) -> Self {
        let idle = match endpoint {
            Endpoint::Unix(_) | Endpoint::Tcp { .. } => IDLE,
            Endpoint::Ssh { .. } => IDLE_OVER_SSH,
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(idle)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(Connector { endpoint: Arc::new(endpoint.clone()) });
        Self { endpoint: endpoint.to_string().into(), authority: endpoint.authority().into(), client }
    }

    /// What a request's address begins with.
    pub(super) fn base(&self) -> String {
        format!("http://{}", self.authority)
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, legacy::Error> {
        self.client.request(request).await
    }

    /// The whole answer to a GET, read before any of it is believed.
    ///
    /// # Errors
    /// Every refusal, 404 among them, in the engine's own words; every failure on the way.
    pub(super) async fn get(&self, path: &str, tried: &str, within: Duration) -> Result<Bytes, EngineError> {
        timeout(within, self.get_whole(path, tried)).await.unwrap_or_else(|_| Err(self.hung(tried, within)))
    }

    async fn get_whole(&self, path: &str, tried: &str) -> Result<Bytes, EngineError> {
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let request = Request::get(format!("{}{path}", self.base())).body(body).map_err(|e| {
            EngineError::Endpoint(format!("{}: no request can be addressed to it: {e}", self.endpoint))
        })?;
        let answer = self.send(request).await.map_err(|e| self.failure(tried, &e))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await;
        let body = body.map_err(|e| self.failure(tried, e.as_ref()))?.to_bytes();
        if status.is_success() { Ok(body) } else { Err(refusal(tried, status, &body)) }
    }

    pub(super) fn hung(&self, tried: &str, deadline: Duration) -> EngineError {
        EngineError::Hung { endpoint: self.endpoint.to_string(), tried: tried.to_owned(), deadline }
    }

    pub(super) fn broken(&self, tried: &str, detail: impl Into<String>) -> EngineError {
        EngineError::Broken {
            endpoint: self.endpoint.to_string(),
            tried: tried.to_owned(),
            detail: detail.into(),
        }
    }

    /// What a failure on the way means, by the innermost cause that tells.
    pub(super) fn failure(&self, tried: &str, error: &(dyn Error + 'static)) -> EngineError {
        let endpoint = self.endpoint.to_string();
        let connecting = find::<legacy::Error>(error).is_some_and(legacy::Error::is_connect);
        let cause = innermost(error);
        if !connecting {
            if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
                let detail = format!("{endpoint} does not speak HTTP ({cause})");
                return EngineError::Garbled { tried: tried.to_owned(), detail };
            }
            return self.broken(tried, format!("it was closed before the answer was complete ({cause})"));
        }
        match find::<io::Error>(error) {
            Some(error) => not_let_in(&endpoint, tried, error),
            None => EngineError::Absent { endpoint, detail: format!("it cannot be reached: {cause}") },
        }
    }
}

/// What it means that no connection could be opened.
pub(super) fn not_let_in(endpoint: &str, tried: &str, error: &io::Error) -> EngineError {
    let endpoint = endpoint.to_owned();
    let absent = |endpoint, detail: &str| EngineError::Absent { endpoint, detail: detail.to_owned() };
    match error.kind() {
        io::ErrorKind::NotFound => absent(endpoint, "there is no such socket"),
        io::ErrorKind::ConnectionRefused => absent(endpoint, "nothing listens there: the engine has stopped"),
        io::ErrorKind::PermissionDenied => {
            EngineError::Denied { endpoint, detail: "the socket belongs to another user or group".to_owned() }
        }
        // A socket whose queue of callers is full would block: its engine has stopped letting anyone in.
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            EngineError::Hung { endpoint, tried: tried.to_owned(), deadline: deadline::CONNECT }
        }
        _ => absent(endpoint, &format!("it cannot be reached: {error}")),
    }
}

/// The engine's own words for turning a call down.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// What a status that is no success means.
pub(super) fn refusal(tried: &str, status: StatusCode, body: &[u8]) -> EngineError {
    let tried = tried.to_owned();
    match serde_json::from_slice::<Refusal>(body) {
        Ok(Refusal { message }) if status == StatusCode::NOT_FOUND => {
            EngineError::NotFound { tried, detail: message }
        }
        Ok(Refusal { message }) => EngineError::Refused { tried, status: status.as_u16(), detail: message },
        // A 404 without the engine's words is somebody else's: it must not be taken for "no such container".
        Err(_) => {
            EngineError::Garbled { tried, detail: format!("status {status}, and not in an engine's words") }
        }
    }
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut last = error;
    while let Some(next) = last.source() {
        last = next;
    }
    last
}

// ---- connecting -----------------------------------------------------------------------------------------------

#[derive(Clone)]
struct Connector {
    endpoint: Arc<Endpoint>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Line>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Line>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let endpoint = self.endpoint.clone();
        Box::pin(async move { Ok(TokioIo::new(connect(&endpoint).await?)) })
    }
}

/// Opens a connection within [`deadline::CONNECT`].
pub(super) async fn connect(endpoint: &Endpoint) -> io::Result<Line> {
    let opened = timeout(deadline::CONNECT, open(endpoint)).await;
    opened.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
}

async fn open(endpoint: &Endpoint) -> io::Result<Line> {
    match endpoint {
        #[cfg(unix)]
        Endpoint::Unix(path) => Ok(Line(Box::new(tokio::net::UnixStream::connect(path).await?))),
        #[cfg(not(unix))]
        Endpoint::Unix(_) => Err(io::Error::from(io::ErrorKind::NotFound)),
        Endpoint::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            Ok(Line(Box::new(stream)))
        }
        Endpoint::Ssh { destination, port } => Ok(Line(Box::new(Ssh::open(destination, *port)?))),
    }
}

/// One connection, whatever carries it.
pub(super) struct Line(Box<dyn Duplex>);

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// `ssh … docker system dial-stdio`: the engine's API on the standard streams of a command on the other machine.
/// Keys, hosts and jumps are the user's own ssh configuration; it never asks anything.
struct Ssh {
    _child: Child,
    streams: tokio::io::Join<ChildStdout, ChildStdin>,
    /// Whether the other side has answered anything, or has been heard to the end.
    heard: bool,
    /// Its standard error, read to its end, so that it never fills; awaited where it ends without an answer.
    last_words: JoinHandle<String>,
}

impl Ssh {
    fn open(destination: &str, port: Option<u16>) -> io::Result<Self> {
        let mut command = Command::new("ssh");
        command.args(["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]);
        if let Some(port) = port {
            command.args(["-p", &port.to_string()]);
        }
        command.args(["--", destination, "docker", "system", "dial-stdio"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child =
            command.spawn().map_err(|e| io::Error::other(format!("ssh cannot be started: {e}")))?;
        match (child.stdout.take(), child.stdin.take(), child.stderr.take()) {
            (Some(from), Some(to), Some(errors)) => Ok(Self {
                _child: child,
                streams: tokio::io::join(from, to),
                heard: false,
                last_words: tokio::spawn(last_words(errors)),
            }),
            _ => Err(io::Error::other("ssh was started without its standard streams")),
        }
    }
}

async fn last_words(mut errors: ChildStderr) -> String {
    let (mut kept, mut part) = (Vec::new(), [0; LAST_WORDS]);
    while let Ok(read @ 1..) = errors.read(&mut part).await {
        kept.extend_from_slice(&part[..read]);
        kept.drain(..kept.len().saturating_sub(LAST_WORDS));
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

impl AsyncRead for Ssh {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.streams).poll_read(cx, buf);
        let ended =
            matches!(read, Poll::Ready(Ok(()))) && buf.filled().len() == before && buf.remaining() > 0;
        if !ended || self.heard {
            self.heard |= buf.filled().len() > before;
            return read;
        }
        let said = std::task::ready!(Pin::new(&mut self.last_words).poll(cx));
        self.heard = true;
        Poll::Ready(match said {
            Ok(said) if !said.is_empty() => Err(io::Error::other(said)),
            Ok(_) | Err(_) => Ok(()),
        })
    }
}

impl AsyncWrite for Ssh {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.streams).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.streams).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.streams).poll_shutdown(cx)
    }
}
