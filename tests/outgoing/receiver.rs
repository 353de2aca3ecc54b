//! A receiver on loopback that answers as it is told, and checks signatures by itself.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use ring::digest;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How it answers one request.
#[derive(Debug, Clone)]
pub enum Reply {
    Status(u16),
    With(u16, &'static str, String),
    /// With a body that never ends.
    Endless,
    /// With a head that never ends.
    EndlessHead,
    /// Never.
    Silent,
    /// By closing the connection.
    Closes,
    /// With something that is no HTTP.
    Garbage,
}

/// What it was sent.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Received {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Whether whoever sent it knows the secret: HMAC as RFC 2104 defines it, worked out here.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        self.headers
            .get("x-hub-signature-256")
            .is_some_and(|signature| *signature == format!("sha256={}", hmac(secret.as_bytes(), &self.body)))
    }
}

fn hmac(key: &[u8], text: &[u8]) -> String {
    const BLOCK: usize = 64;
    let sha256 = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes).as_ref().to_vec();
    let mut block = if key.len() > BLOCK { sha256(key) } else { key.to_vec() };
    block.resize(BLOCK, 0);
    let padded = |pad: u8| block.iter().map(|byte| byte ^ pad).collect::<Vec<u8>>();
    let inner = sha256(&[&padded(0x36)[..], text].concat());
    let outer = sha256(&[&padded(0x5c)[..], &inner].concat());
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Default)]
struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    received: Mutex<Vec<Received>>,
    connections: AtomicU64,
    /// Bytes of endless answers that were taken off its hands.
    poured: AtomicU64,
}

/// Listens until it is dropped, on a thread of its own: a test's clock may stand still.
pub struct Receiver {
    pub address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Receiver {
    /// Answers so, one after the other, and from then on with 200.
    pub fn replying(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::start(replies.into_iter().collect(), None)
    }

    /// Over TLS, with a certificate that no authority knows.
    pub fn encrypted() -> Self {
        let certificate = CertificateDer::from_pem_slice(include_bytes!("receiver.crt")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("receiver.key")).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Self::start(VecDeque::new(), Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn start(replies: VecDeque<Reply>, tls: Option<TlsAcceptor>) -> Self {
        let shared = Arc::new(Shared { replies: Mutex::new(replies), ..Shared::default() });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listening.set_nonblocking(true).unwrap();
        let address = listening.local_addr().unwrap();
        let serving = Arc::clone(&shared);
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listening).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(greet(stream, tls.clone(), Arc::clone(&serving)));
            }
        });
        Self { address, scheme, shared, runtime: Some(runtime) }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    pub fn poured(&self) -> u64 {
        self.shared.poured.load(Ordering::Relaxed)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

async fn greet(stream: TcpStream, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    shared.connections.fetch_add(1, Ordering::Relaxed);
    match tls {
        None => serve(stream, shared).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, shared).await;
            }
        }
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, shared: Arc<Shared>) {
    let reply = shared.replies.lock().unwrap().pop_front().unwrap_or(Reply::Status(200));
    let raw: &[u8] = match reply {
        Reply::Closes => return,
        Reply::Silent => {
            let mut sink = vec![];
            let _ = stream.read_to_end(&mut sink).await;
            return;
        }
        Reply::Garbage => b"\x00\x01 what is this?\r\n\r\n",
        Reply::EndlessHead => {
            let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
            while stream.write_all(&head).await.is_ok() {
                shared.poured.fetch_add(head.len() as u64, Ordering::Relaxed);
                head = b"X-More: and more and more and more and more\r\n".to_vec();
            }
            return;
        }
        Reply::Status(_) | Reply::With(..) | Reply::Endless => b"",
    };
    if !raw.is_empty() {
        let _ = stream.write_all(raw).await;
        return;
    }
    let service = service_fn(move |request| answer(request, reply.clone(), Arc::clone(&shared)));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    reply: Reply,
    shared: Arc<Shared>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap().to_owned();
    let received = Received {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default(),
    };
    shared.received.lock().unwrap().push(received);
    let (status, header) = match &reply {
        Reply::Status(status) => (*status, None),
        Reply::With(status, name, value) => (*status, Some((*name, value.clone()))),
        _ => (200, None),
    };
    let body = if matches!(reply, Reply::Endless) {
        let poured = futures_util::stream::repeat_with(move || {
            let bytes = Bytes::from_static(&[b'x'; 4_096]);
            shared.poured.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            Ok(Frame::data(bytes))
        });
        StreamBody::new(poured).boxed()
    } else {
        Full::new(Bytes::from_static(b"thank you")).boxed()
    };
    let mut response = Response::builder().status(status);
    if let Some((name, value)) = header {
        response = response.header(name, value);
    }
    Ok(response.body(body).unwrap())
}
