//! The fake engine behind a socket of a test's own, and a client that hides nothing of what comes over the wire.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tinyforge_core::docker::bollard::DockerEngine;
use tinyforge_core::docker::fake::FakeEngine;
use tinyforge_core::docker::fake::served::{Idiom, Served};

/// How long an answer may be waited for on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A fake world, served.
pub struct OnTheWire {
    pub engine: FakeEngine,
    pub served: Served,
    folder: TempDir,
}

impl OnTheWire {
    /// An empty world with the machine's own time.
    #[must_use]
    pub fn new(seed: u64, idiom: Idiom) -> Self {
        Self::serving(FakeEngine::with_clock(seed, Timestamp::now), idiom)
    }

    #[must_use]
    pub fn serving(engine: FakeEngine, idiom: Idiom) -> Self {
        let folder = tempfile::Builder::new().prefix("tinyforge-wire-").tempdir().unwrap();
        // A real engine's restart hangs for ten seconds; nobody here learns more from the other nine.
        engine.change_weather(|weather| weather.restart_takes = Duration::from_millis(300));
        let served = Served::start(engine.clone(), &folder.path().join("docker.sock"), idiom).unwrap();
        Self { engine, served, folder }
    }

    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The product's own door to it.
    #[must_use]
    pub fn door(&self) -> DockerEngine {
        DockerEngine::new(&self.served.endpoint()).unwrap()
    }

    /// Asks as a stranger would: `GET /version`.
    #[must_use]
    pub fn ask(&self, request: &str) -> Raw {
        ask(&self.socket(), request, "")
    }

    #[must_use]
    pub fn send(&self, request: &str, body: &str) -> Raw {
        ask(&self.socket(), request, body)
    }
}

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    pub status: u16,
    /// By lower-case name.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Raw {
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// # Panics
    /// Where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }

    /// A document a line.
    #[must_use]
    pub fn lines(&self) -> Vec<Value> {
        self.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// One request in the oldest form of HTTP, in which an answer ends with its connection and comes in no chunks.
/// Whatever breaks the connection leaves what had come by then.
///
/// # Panics
/// Where nobody listens, or nothing comes that begins as an answer does.
#[must_use]
pub fn ask(socket: &Path, request: &str, body: &str) -> Raw {
    let text = String::from_utf8(exchange(socket, &format!("{request} HTTP/1.0"), body)).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(key, value)| (key.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Raw { status, headers, body: body.to_owned() }
}

/// Every byte that comes until the other side closes.
///
/// # Panics
/// Where nobody listens, or the other side does not close.
#[must_use]
pub fn exchange(socket: &Path, request: &str, body: &str) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "{request}\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Whoever refuses by the head alone may have hung up on the body; what it said is read all the same.
    let _ = stream.write_all(body.as_bytes());
    let mut bytes = Vec::new();
    let mut buffer = [0; 1 << 16];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return bytes,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return bytes,
            Err(error) => panic!("{request}: {error} after {bytes:?}"),
        }
    }
}
