//! Another user of the engine: one connection, one call after the other, and nothing that a call does not cost.
//!
//! What is measured beside us must not be a program that starts, nor our own way to the engine.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use harness::engine::{IMAGE, RealEngine};
use serde_json::Value;
use tinyforge_core::rules::ids::ContainerId;

pub struct Other {
    line: BufReader<UnixStream>,
}

impl Other {
    pub fn of(engine: &RealEngine) -> Self {
        Self::at(&engine.socket()).expect("the engine lets us in")
    }

    pub fn at(socket: &Path) -> io::Result<Self> {
        Ok(Self { line: BufReader::new(UnixStream::connect(socket)?) })
    }

    /// Reads the engine's events, and inspects over the other line what each of them is about; until one of the lines
    /// ends.
    pub fn inspect_each_event(mut self, mut inspecting: Self) -> io::Result<()> {
        self.line.get_mut().write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut text = String::new();
        loop {
            text.clear();
            if self.line.read_line(&mut text)? == 0 {
                return Ok(());
            }
            // Heads of the answer and sizes of its chunks are no documents.
            let Ok(event) = serde_json::from_str::<Value>(&text) else { continue };
            let Some(id) = event["Actor"]["ID"].as_str() else { continue };
            inspecting.ask("GET", &format!("/containers/{id}/json"), "")?;
            inspecting.answer()?;
        }
    }

    pub fn create(&mut self, name: &str) -> ContainerId {
        let made = self.call(
            "POST",
            &format!("/containers/create?name={name}"),
            &format!("{{\"Image\":\"{IMAGE}\"}}"),
        );
        let made: Value = serde_json::from_slice(&made).expect("a document");
        ContainerId::new(made["Id"].as_str().expect("a new container has an id"))
    }

    pub fn run(&mut self, name: &str) -> ContainerId {
        let id = self.create(name);
        self.start(&id);
        id
    }

    pub fn start(&mut self, id: &ContainerId) {
        self.call("POST", &format!("/containers/{id}/start"), "");
    }

    /// How long a rename took, asked to answered.
    pub fn rename(&mut self, id: &ContainerId, name: &str) -> Duration {
        let began = Instant::now();
        self.call("POST", &format!("/containers/{id}/rename?name={name}"), "");
        began.elapsed()
    }

    /// How long the whole listing took, read and not understood.
    pub fn list(&mut self) -> Duration {
        let began = Instant::now();
        self.call("GET", "/containers/json?all=true", "");
        began.elapsed()
    }

    pub fn inspect(&mut self, id: &ContainerId) -> Value {
        serde_json::from_slice(&self.call("GET", &format!("/containers/{id}/json"), "")).expect("a document")
    }

    /// Waits for the container's end, and returns when the engine has told in an inspect that it does not run: it
    /// announces a death first, clears up behind it, and keeps whoever asks waiting until it has.
    pub fn told_dead(&mut self, id: &ContainerId) -> Instant {
        self.call("POST", &format!("/containers/{id}/wait?condition=not-running"), "");
        assert_eq!(self.inspect(id)["State"]["Running"], false, "it does not run");
        Instant::now()
    }

    /// The body of an answer that must be a good one.
    fn call(&mut self, method: &str, path: &str, body: &str) -> Vec<u8> {
        self.ask(method, path, body).expect("the engine is asked");
        let (status, answer) = self.answer().expect("the engine answers");
        let text = || String::from_utf8_lossy(&answer).into_owned();
        assert!((200..300).contains(&status), "{method} {path}: {status} {}", text());
        answer
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> io::Result<()> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.line.get_mut().write_all(request.as_bytes())
    }

    fn answer(&mut self) -> io::Result<(u16, Vec<u8>)> {
        let first = self.text()?;
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no answer: {first:?}")))?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let head = self.text()?.to_ascii_lowercase();
            if head.is_empty() {
                break;
            }
            if let Some(text) = head.strip_prefix("content-length: ") {
                length = text.parse().map_err(io::Error::other)?;
            }
            chunked |= head == "transfer-encoding: chunked";
        }
        let mut body = vec![];
        if !chunked {
            self.read(length, &mut body)?;
            return Ok((status, body));
        }
        loop {
            let size = usize::from_str_radix(&self.text()?, 16).map_err(io::Error::other)?;
            self.read(size, &mut body)?;
            self.text()?;
            if size == 0 {
                return Ok((status, body));
            }
        }
    }

    fn read(&mut self, bytes: usize, into: &mut Vec<u8>) -> io::Result<()> {
        let from = into.len();
        into.resize(from + bytes, 0);
        self.line.read_exact(&mut into[from..])
    }

    fn text(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.line.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}
