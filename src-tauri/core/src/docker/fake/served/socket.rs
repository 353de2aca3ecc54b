//! The socket: who is let in, by what the world says of its engine's reach.

use std::fs::Permissions;
use std::future::pending;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::line::{Line, Tap};
use super::{Counter, replies};
use crate::docker::fake::world::Reach;

pub(super) const OWNER_ONLY: u32 = 0o600;
pub(super) const EVERYBODY: u32 = 0o666;
const NOBODY: u32 = 0;

/// Between two attempts to accept where the system has no descriptor left.
const BREATH: Duration = Duration::from_millis(10);

pub(super) fn listen(path: &Path, mode: u32) -> io::Result<std::os::unix::net::UnixListener> {
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    allow(path, mode)?;
    Ok(listener)
}

pub(super) fn allow(path: &Path, mode: u32) -> io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

/// Keeps the socket as the world has it.
///
/// | the engine | the socket | who connects |
/// | --- | --- | --- |
/// | answers, hangs | listens | is let in |
/// | is dead | is there, and nobody listens | is refused |
/// | is away | is not there | finds nothing |
/// | denies | is there without a permission | is denied; root, whom no mode binds, is refused |
pub(super) struct Door {
    counter: Arc<Counter>,
    path: PathBuf,
}

impl Door {
    pub(super) fn new(counter: Arc<Counter>, path: PathBuf) -> Self {
        Self { counter, path }
    }

    pub(super) async fn keep(self, first: std::os::unix::net::UnixListener) {
        let mut listener = UnixListener::from_std(first).ok();
        let mut breaks = self.counter.engine.way().breaks;
        let mut connected = CancellationToken::new();
        loop {
            let way = self.counter.engine.way();
            if way.breaks != breaks {
                breaks = way.breaks;
                std::mem::take(&mut connected).cancel();
            }
            self.arrange(&way.reach, &mut listener);
            tokio::select! {
                () = way.changed => {}
                accepted = accept(listener.as_ref()) => match accepted {
                    Ok(stream) => drop(tokio::spawn(converse(self.counter.clone(), stream, connected.clone()))),
                    Err(_) => tokio::time::sleep(BREATH).await,
                }
            }
        }
    }

    /// What cannot be arranged (a folder that is gone) leaves nobody listening, and is tried again at the next change.
    fn arrange(&self, reach: &Reach, listener: &mut Option<UnixListener>) {
        match reach {
            Reach::Answers | Reach::Hangs => {
                if listener.is_none() {
                    let _ = std::fs::remove_file(&self.path);
                    let opened = listen(&self.path, self.counter.mode());
                    *listener = opened.and_then(UnixListener::from_std).ok();
                }
            }
            Reach::Dead => *listener = None,
            Reach::Away => {
                let _ = std::fs::remove_file(&self.path);
                *listener = None;
            }
            Reach::Denied => {
                let _ = allow(&self.path, NOBODY);
                *listener = None;
            }
        }
    }
}

async fn accept(listener: Option<&UnixListener>) -> io::Result<UnixStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(stream, _)| stream),
        None => pending().await,
    }
}

/// One connection, until either side leaves it or the engine's end does. What is being answered then is left to the
/// answer: the world says how it breaks.
async fn converse(counter: Arc<Counter>, stream: UnixStream, ended: CancellationToken) {
    let tap = Tap::default();
    let line = TokioIo::new(Line::new(stream, tap.clone()));
    let answering = service_fn(move |request| {
        let (counter, tap) = (counter.clone(), tap.clone());
        async move { replies::answer(&counter, &tap, request).await }
    });
    let connection = http1::Builder::new().title_case_headers(true).serve_connection(line, answering);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = ended.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}
