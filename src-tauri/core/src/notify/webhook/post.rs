//! Sends one body once, and tells what came of it.
//!
//! *Guarantees.* The address that is connected to is one that was checked: names are resolved here, once, and the
//! connection is made to what came of it, so that a name that resolves otherwise a moment later leads nowhere else. No
//! redirect is followed. All of it ends within [`TIME_LIMIT`]; of the answer its head is read, and nothing of its body.
//!
//! *Caveats.* No proxy of the environment is used: it would resolve the name itself, and the check would be of no use.

use core::net::SocketAddr;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderMap, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::failure::Failure;
use super::target::Target;
use crate::rules::outgoing::{refused, refused_name, retry_after};
use crate::rules::secret::Secret;
use crate::secrets;

/// For everything: finding the address, connecting, and the answer.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The longest head of an answer.
const LONGEST_HEAD: usize = 16 * 1024;

/// One body on its way.
#[derive(Debug, Clone)]
pub struct Parcel {
    pub target: Target,
    /// What it is signed with.
    pub secret: Option<Secret>,
    pub event: String,
    pub delivery: String,
    pub sent_at: Timestamp,
    pub body: Vec<u8>,
}

/// What came of it, and how long that took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The status of an answer that takes it.
    pub outcome: Result<u16, Failure>,
    pub took: Duration,
}

#[async_trait]
pub trait Post: Send + Sync {
    async fn send(&self, parcel: &Parcel) -> Sent;
}

/// Finds a host's addresses.
#[async_trait]
pub trait Resolver: Send + Sync {
    async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// As every program of this machine finds them.
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// HTTP/1.1, in the clear or over TLS.
pub struct HttpPost {
    resolver: Arc<dyn Resolver>,
    limit: Duration,
    /// Whom to trust: read from the system when it is first needed.
    trust: OnceCell<Arc<ClientConfig>>,
}

impl Default for HttpPost {
    fn default() -> Self {
        Self::with(Arc::new(SystemResolver), TIME_LIMIT)
    }
}

impl HttpPost {
    #[must_use]
    pub fn with(resolver: Arc<dyn Resolver>, limit: Duration) -> Self {
        Self { resolver, limit, trust: OnceCell::new() }
    }

    async fn deliver(&self, parcel: &Parcel) -> Result<u16, Failure> {
        let target = &parcel.target;
        let stream = self.connect(target).await?;
        let answer = if target.is_encrypted() {
            let stream = self.encrypt(target, stream).await?;
            ask(stream, request(parcel)?).await?
        } else {
            ask(stream, request(parcel)?).await?
        };
        let header = |name| text_of(answer.headers(), name);
        match answer.status().as_u16() {
            status @ 200..=299 => Ok(status),
            status @ 300..=399 => Err(Failure::Redirected { status, to: header(LOCATION) }),
            status => {
                let asked = header(RETRY_AFTER).and_then(|text| retry_after(&text, parcel.sent_at));
                Err(Failure::Status { status, retry_after: asked })
            }
        }
    }

    /// To the first address that is not refused and answers.
    async fn connect(&self, target: &Target) -> Result<TcpStream, Failure> {
        let host = target.host();
        let refusal = |why, address| Failure::Refused { host: host.clone(), address, why };
        if let Some(why) = refused_name(&host) {
            return Err(refusal(why, None));
        }
        let found = self.resolver.addresses(&host, target.port()).await;
        let found =
            found.map_err(|error| Failure::NoAddress { host: host.clone(), reason: error.to_string() })?;
        let mut failure = Failure::NoAddress { host: host.clone(), reason: "it has none".to_owned() };
        for address in found {
            if let Some(why) = refused(address.ip()) {
                failure = refusal(why, Some(address.ip()));
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = Failure::Unreached { address, reason: error.to_string() },
            }
        }
        Err(failure)
    }

    async fn encrypt(
        &self,
        target: &Target,
        stream: TcpStream,
    ) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static, Failure> {
        let host = target.host();
        let untrusted = |reason: String| Failure::Tls { host: host.clone(), reason };
        let trust = self.trust.get_or_try_init(trust_of_the_system).await.map_err(untrusted)?;
        let name = ServerName::try_from(host.clone()).map_err(|error| untrusted(error.to_string()))?;
        let connector = TlsConnector::from(Arc::clone(trust));
        connector.connect(name, stream).await.map_err(|error| untrusted(error.to_string()))
    }
}

#[async_trait]
impl Post for HttpPost {
    async fn send(&self, parcel: &Parcel) -> Sent {
        let began = Instant::now();
        let outcome = tokio::time::timeout(self.limit, self.deliver(parcel)).await;
        let slow = || Err(Failure::Slow { limit: self.limit });
        Sent { outcome: outcome.unwrap_or_else(|_| slow()), took: began.elapsed() }
    }
}

async fn trust_of_the_system() -> Result<Arc<ClientConfig>, String> {
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    let found = found.map_err(|died| died.to_string())?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(format!("this system has no certificates of authorities{why}"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn request(parcel: &Parcel) -> Result<Request<Full<Bytes>>, Failure> {
    let mut request = Request::post(parcel.target.path())
        .header(HOST, parcel.target.authority())
        .header(USER_AGENT, concat!("tinyforge/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close")
        .header("X-Tinyforge-Event", &parcel.event)
        .header("X-Tinyforge-Delivery", &parcel.delivery)
        .header("X-Tinyforge-Time", parcel.sent_at.to_string());
    if let Some(secret) = &parcel.secret {
        let signature = secrets::sign(secret, &parcel.body);
        request = request.header("X-Hub-Signature-256", format!("sha256={signature}"));
    }
    let body = Full::new(Bytes::from(parcel.body.clone()));
    request.body(body).map_err(|error| Failure::NotSent(error.to_string()))
}

/// The head of the answer. The connection ends with it.
async fn ask(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Response<()>, Failure> {
    let broken = |error: hyper::Error| Failure::Broken { reason: in_words(&error) };
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(LONGEST_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let _driven = AbortOnDropHandle::new(tokio::spawn(connection));
    let answer = sender.send_request(request).await.map_err(broken)?;
    Ok(answer.map(drop))
}

fn in_words(error: &hyper::Error) -> String {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    let broken = source.is_some_and(|source| {
        matches!(
            source.kind(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::NotConnected
        )
    });
    if broken || error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        "it closed the connection without an answer".to_owned()
    } else if error.is_parse() || error.is_parse_too_large() {
        "what it answered is no HTTP".to_owned()
    } else {
        error.to_string()
    }
}

fn text_of(headers: &HeaderMap, name: hyper::header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
