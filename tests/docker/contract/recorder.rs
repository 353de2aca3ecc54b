//! Stands between the adapter and a real engine, passes everything on and remembers what was asked.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use harness::engine::RealEngine;
use tinyforge_core::docker::endpoint::Endpoint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};

pub struct Recorder {
    endpoint: Endpoint,
    requests: Arc<Mutex<BTreeSet<String>>>,
}

impl Recorder {
    pub async fn before(engine: &RealEngine) -> Self {
        let path = engine.scratch().join("recorder.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let requests = Arc::<Mutex<BTreeSet<String>>>::default();
        let (heard, socket) = (requests.clone(), engine.socket());
        tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                let (heard, socket) = (heard.clone(), socket.clone());
                tokio::spawn(async move {
                    let engine = UnixStream::connect(socket).await.unwrap();
                    let (mut from_caller, mut to_caller) = caller.into_split();
                    let (mut from_engine, mut to_engine) = engine.into_split();
                    let back =
                        tokio::spawn(async move { tokio::io::copy(&mut from_engine, &mut to_caller).await });
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(length @ 1..) = from_caller.read(&mut buffer).await {
                        heard.lock().unwrap().extend(request(&String::from_utf8_lossy(&buffer[..length])));
                        if to_engine.write_all(&buffer[..length]).await.is_err() {
                            break;
                        }
                    }
                    back.abort();
                });
            }
        });
        Self { endpoint: Endpoint::Unix(path), requests }
    }

    pub fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// What was asked, without ids and values: `GET /containers/{id}/json`.
    pub fn requests(&self) -> BTreeSet<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// A request's line, if a chunk begins with one; the client writes each head at once.
fn request(chunk: &str) -> Option<String> {
    let line = chunk.lines().next()?.strip_suffix(" HTTP/1.1")?;
    let (method, target) = line.split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_id = |part: &str| part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let parts: Vec<&str> = path.split('/').map(|part| if is_id(part) { "{id}" } else { part }).collect();
    // How long a stop may take is the same request.
    let mut keys: Vec<&str> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
    keys.retain(|key| !key.is_empty() && *key != "t");
    keys.sort_unstable();
    let query = if keys.is_empty() { String::new() } else { format!("?{}", keys.join("&")) };
    Some(format!("{method} {}{query}", parts.join("/")))
}
