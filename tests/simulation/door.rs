//! The door through which every answer and every event is somebody's decision: a call waits at it until it is
//! answered, an event until it is let through.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream;
use jiff::Timestamp;
use tinyforge_core::docker::fake::FakeEngine;
use tinyforge_core::docker::{
    Engine, EngineError, EngineEvent, EngineIdentity, EventStream, Listed, deadline,
};
use tinyforge_core::rules::container::{ManagedContainer, Observed};
use tinyforge_core::rules::disk::{Holdings, Usage};
use tinyforge_core::rules::ids::ContainerId;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

pub const ENDPOINT: &str = "simulated://world";

/// What the core asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    Identify,
    Ping,
    List,
    Inspect(ContainerId),
    Events(Timestamp),
}

impl Ask {
    fn deadline(&self) -> Duration {
        match self {
            Self::List => deadline::LIST,
            Self::Identify | Self::Ping | Self::Inspect(_) | Self::Events(_) => deadline::READ,
        }
    }
}

/// What it is told.
pub enum Reply {
    Identity(EngineIdentity),
    Alive,
    Listing(Vec<Listed>),
    Seen(Option<Box<Observed>>),
    Stream(EventStream),
    Failed(EngineError),
}

/// A call that waits for its answer.
pub struct Call {
    pub number: u64,
    pub ask: Ask,
    pub until: Instant,
    /// Whether the engine could be reached when the call was made: a connection can only break where there was one.
    pub connected: bool,
    reply: oneshot::Sender<Reply>,
}

impl Call {
    pub fn answer(self, reply: Reply) {
        let _ = self.reply.send(reply);
    }

    /// Whether nobody waits for it any more.
    pub fn is_forgotten(&self) -> bool {
        self.reply.is_closed()
    }
}

/// Cheap to clone; all clones are one door.
#[derive(Clone)]
pub struct Door {
    engine: FakeEngine,
    waiting: Arc<Mutex<Waiting>>,
    /// Rings at every call.
    pub bell: Arc<Notify>,
}

#[derive(Default)]
struct Waiting {
    calls: Vec<Call>,
    number: u64,
}

impl Door {
    pub fn of(engine: &FakeEngine) -> Self {
        Self { engine: engine.clone(), waiting: Arc::default(), bell: Arc::default() }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap()
    }

    /// The calls made since the last call, in their order.
    pub fn fetch(&self, into: &mut Vec<Call>) {
        into.append(&mut self.waiting().calls);
    }

    async fn ask(&self, ask: Ask) -> Reply {
        let (reply, answer) = oneshot::channel();
        {
            let mut waiting = self.waiting();
            waiting.number += 1;
            let call = Call {
                number: waiting.number,
                until: Instant::now() + ask.deadline(),
                connected: matches!(self.engine.knock(), Some(Ok(())) | None),
                ask,
                reply,
            };
            waiting.calls.push(call);
        }
        self.bell.notify_one();
        match answer.await {
            Ok(reply) => reply,
            Err(_) => std::future::pending().await,
        }
    }
}

/// What would have to come of a call that does not.
fn another() -> EngineError {
    EngineError::Garbled { tried: "ask".to_owned(), detail: "an answer to another question".to_owned() }
}

fn not_here() -> EngineError {
    EngineError::Refused { tried: "act".to_owned(), status: 500, detail: "the index only looks".to_owned() }
}

#[async_trait]
impl Engine for Door {
    fn endpoint(&self) -> String {
        ENDPOINT.to_owned()
    }

    async fn identify(&self) -> Result<EngineIdentity, EngineError> {
        match self.ask(Ask::Identify).await {
            Reply::Identity(who) => Ok(who),
            Reply::Failed(error) => Err(error),
            _ => Err(another()),
        }
    }

    async fn ping(&self) -> Result<(), EngineError> {
        match self.ask(Ask::Ping).await {
            Reply::Alive => Ok(()),
            Reply::Failed(error) => Err(error),
            _ => Err(another()),
        }
    }

    async fn list(&self) -> Result<Vec<Listed>, EngineError> {
        match self.ask(Ask::List).await {
            Reply::Listing(rows) => Ok(rows),
            Reply::Failed(error) => Err(error),
            _ => Err(another()),
        }
    }

    async fn list_managed(&self) -> Result<Vec<ManagedContainer>, EngineError> {
        Err(not_here())
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Option<Observed>, EngineError> {
        match self.ask(Ask::Inspect(id.clone())).await {
            Reply::Seen(seen) => Ok(seen.map(|seen| *seen)),
            Reply::Failed(error) => Err(error),
            _ => Err(another()),
        }
    }

    async fn logs(&self, _: &ContainerId, _: u32) -> Result<Vec<String>, EngineError> {
        Err(not_here())
    }

    async fn usage(&self) -> Result<Usage, EngineError> {
        Err(not_here())
    }

    async fn inspect_whole(&self, _: &ContainerId) -> Result<Option<String>, EngineError> {
        Err(not_here())
    }

    async fn holdings(&self, _: &ContainerId) -> Result<Option<Holdings>, EngineError> {
        Err(not_here())
    }

    async fn events(&self, since: Timestamp) -> Result<EventStream, EngineError> {
        match self.ask(Ask::Events(since)).await {
            Reply::Stream(stream) => Ok(stream),
            Reply::Failed(error) => Err(error),
            _ => Err(another()),
        }
    }

    async fn start(&self, _: &ContainerId) -> Result<(), EngineError> {
        Err(not_here())
    }

    async fn stop(&self, _: &ContainerId, _: Option<Duration>) -> Result<(), EngineError> {
        Err(not_here())
    }

    async fn restart(&self, _: &ContainerId, _: Option<Duration>) -> Result<(), EngineError> {
        Err(not_here())
    }
}

/// The far end of an event stream.
pub struct Tube {
    sender: mpsc::UnboundedSender<Result<EngineEvent, EngineError>>,
    sent: u64,
    read: Arc<std::sync::atomic::AtomicU64>,
}

impl Tube {
    pub fn new() -> (Self, EventStream) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let read = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let count = Arc::clone(&read);
        let stream = stream::unfold((receiver, count), |(mut receiver, count)| async move {
            let next = receiver.recv().await?;
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Some((next, (receiver, count)))
        });
        (Self { sender, sent: 0, read }, Box::pin(stream))
    }

    pub fn send(&mut self, event: Result<EngineEvent, EngineError>) {
        self.sent += 1;
        let _ = self.sender.send(event);
    }

    /// Whether the reader has left.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Events that arrived and were not read.
    pub fn unread(&self) -> u64 {
        self.sent - self.read.load(std::sync::atomic::Ordering::Relaxed)
    }
}
