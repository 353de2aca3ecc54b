//! The same world on the wire: Docker's HTTP format over a Unix socket.
//!
//! What speaks to a real engine speaks to this one: the adapter, the whole program, Docker's own command line. The
//! story goes on in memory by the verbs of [`FakeEngine`], while whoever is connected sees it as an engine would tell
//! it, in one of the [`Idiom`]s. [`Befalls`] is what can go wrong between the two.
//!
//! Reading order: [`routes`] reads a request, [`replies`] acts on the world and answers, [`shapes`] writes Docker's
//! JSON, [`stream`] is `/events` and [`waiting`] `/wait`, [`socket`] is who is let in, [`mishaps`] and [`line`] are the weather of the wire.
//!
//! The server has a thread and a runtime of its own, so that a test or a demo may block as it likes.

mod filters;
mod idiom;
mod line;
mod mishaps;
mod replies;
mod routes;
mod shapes;
mod socket;
mod stream;
mod waiting;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::thread::JoinHandle;

use tokio_util::sync::CancellationToken;

use idiom::Form;
pub use idiom::Idiom;
pub use mishaps::{Befalls, Question};

use super::FakeEngine;
use super::world::Container;
use crate::docker::endpoint::Endpoint;
use mishaps::Book;

/// A world that is being served. Dropping it closes the socket and every connection.
pub struct Served {
    counter: Arc<Counter>,
    socket: PathBuf,
    closing: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// A container's inspect as it is told on the wire, for who asks the world itself.
pub(super) fn document(container: &Container) -> String {
    shapes::inspected(container, Form::newest(Idiom::Api141)).to_string()
}

/// What every connection shares.
struct Counter {
    engine: FakeEngine,
    idiom: AtomicU8,
    mode: AtomicU32,
    book: Book,
}

impl Counter {
    fn idiom(&self) -> Idiom {
        Idiom::ALL[usize::from(self.idiom.load(Ordering::Relaxed))]
    }

    /// Who may use the socket while the engine lets anybody in.
    fn mode(&self) -> u32 {
        self.mode.load(Ordering::Relaxed)
    }
}

impl Served {
    /// Serves `engine` at `socket`, which must not exist. Only its owner may use it; see [`Served::let_everybody_in`].
    ///
    /// # Errors
    /// Where no socket can be made there, or no thread.
    pub fn start(engine: FakeEngine, socket: &Path, idiom: Idiom) -> io::Result<Self> {
        idiom.season(&engine);
        let counter = Arc::new(Counter {
            engine,
            idiom: AtomicU8::new(idiom.number()),
            mode: AtomicU32::new(socket::OWNER_ONLY),
            book: Book::default(),
        });
        let closing = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = socket::listen(socket, socket::OWNER_ONLY)?;
        let door = socket::Door::new(counter.clone(), socket.to_path_buf());
        let closed = closing.clone();
        let thread = std::thread::Builder::new().name("served-engine".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = door.keep(listener) => {}
                    () = closed.cancelled() => {}
                }
            });
            runtime.shutdown_background();
        })?;
        Ok(Self { counter, socket: socket.to_path_buf(), closing, thread: Some(thread) })
    }

    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Unix(self.socket.clone())
    }

    /// As `DOCKER_HOST` says it.
    #[must_use]
    pub fn host(&self) -> String {
        self.endpoint().to_string()
    }

    #[must_use]
    pub fn engine(&self) -> &FakeEngine {
        &self.counter.engine
    }

    /// Other users may use the socket too, while the engine lets anybody in.
    ///
    /// # Errors
    /// Where the socket's mode cannot be changed.
    pub fn let_everybody_in(&self) -> io::Result<()> {
        self.counter.mode.store(socket::EVERYBODY, Ordering::Relaxed);
        socket::allow(&self.socket, socket::EVERYBODY)
    }

    /// From now on it answers as another release: an upgrade under a client that stays.
    pub fn speak(&self, idiom: Idiom) {
        idiom.season(&self.counter.engine);
        self.counter.idiom.store(idiom.number(), Ordering::Relaxed);
    }

    /// The `nth` question of this kind from now on (1 is the next) meets with `what`.
    pub fn befall(&self, question: Question, nth: u64, what: Befalls) {
        self.counter.book.enter(question, nth, what);
    }

    /// How often this was asked.
    #[must_use]
    pub fn asked(&self, question: Question) -> u64 {
        self.counter.book.asked(question)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.closing.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

#[cfg(test)]
mod tests;
