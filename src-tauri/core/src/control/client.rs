//! A face's side of the socket, and [`Face`]: what a face holds, wherever the daemon is.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream;
use serde_json::Value;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::commands::{Command, Nature};
use super::protocol::{
    self, Announcements, Desk, FrameError, FromDaemon, FromFace, Hello, LONGEST_ANSWER, Lines,
};
use super::shapes::{Announcement, ApiError, ErrorCode};
use super::socket::{self, Connection, Pointer, ReadHalf, WriteHalf};
use crate::home::Home;

/// How long a daemon may take to say hello. A healthy one takes a millisecond; a frozen one accepts and never speaks.
pub const HELLO_DEADLINE: Duration = Duration::from_secs(5);

/// How long a call that only reads stays unanswered before the daemon is asked for a sign of life. Most answers take
/// milliseconds; a verification of many containers may take a minute and is waited for while the daemon lives.
const SILENCE: Duration = Duration::from_secs(2);

/// What a window or the command line talks to: this process, or a daemon in another. It cannot tell.
#[derive(Clone)]
pub enum Face {
    Local(Arc<dyn Desk>),
    Remote(Client),
}

impl Face {
    pub async fn call<C: Command>(&self, command: C) -> Result<C::Answer, ApiError> {
        match self {
            Self::Local(desk) => read_answer::<C>(desk.answer(C::NAME, written(&command)?).await?),
            Self::Remote(client) => client.call(command).await,
        }
    }

    /// Announcements from now on. A snapshot asked for afterwards misses nothing.
    pub async fn subscribe(&self) -> Result<Announcements, ApiError> {
        match self {
            Self::Local(desk) => Ok(desk.announcements()),
            Self::Remote(client) => client.subscribe().await,
        }
    }
}

/// Who is to be had on a data folder.
pub enum Reach {
    Daemon(Client),
    /// No daemon runs, whatever files a killed one has left.
    Nobody,
    Silent(SilentDaemon),
}

/// A daemon that holds the data folder and does not answer: frozen, or stuck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilentDaemon {
    pub pid: Option<u32>,
    pub text: String,
}

impl SilentDaemon {
    fn of(home: &Home, pid: Option<u32>, error: &ApiError) -> Self {
        let which = pid.map_or_else(String::new, |pid| format!("pid {pid}, "));
        Self { pid, text: format!("{} ({which}data folder {})", error.message, home.folder().display()) }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn cure(&self) -> String {
        let how = self.pid.map_or_else(
            || "Let it go on or end it".to_owned(),
            |pid| format!("Let it go on (kill -CONT {pid}) or end it (kill -KILL {pid})"),
        );
        format!("{how}: what it has written is kept, and the next start recovers.")
    }
}

impl From<SilentDaemon> for ApiError {
    fn from(daemon: SilentDaemon) -> Self {
        Self::new(ErrorCode::DaemonGone, format!("{}. {}", daemon.text, daemon.cure()))
    }
}

/// A connection to a daemon. Cheap to clone; all clones share the connection, and it ends with the last of them.
#[derive(Clone)]
pub struct Client {
    line: Arc<Line>,
}

struct Line {
    socket: PathBuf,
    daemon: Hello,
    outgoing: mpsc::Sender<Vec<u8>>,
    waiting: Arc<Mutex<Waiting>>,
    next_id: AtomicU64,
}

/// Who waits for an answer; once the connection has ended, why.
#[derive(Default)]
struct Waiting {
    calls: HashMap<u64, oneshot::Sender<Result<Value, ApiError>>>,
    ended: Option<ApiError>,
}

impl Client {
    /// The daemon of this data folder; `None` where none runs, an error where one does not answer.
    pub async fn connect(home: &Home) -> Result<Option<Self>, ApiError> {
        match Self::reach(home, HELLO_DEADLINE).await? {
            Reach::Daemon(client) => Ok(Some(client)),
            Reach::Nobody => Ok(None),
            Reach::Silent(daemon) => Err(daemon.into()),
        }
    }

    /// Who is to be had, if a daemon says hello within `patience`.
    pub async fn reach(home: &Home, patience: Duration) -> Result<Reach, ApiError> {
        let pointer = Pointer::read(home);
        let pid = pointer.as_ref().map(|pointer| pointer.pid);
        let silent = |error: &ApiError| Reach::Silent(SilentDaemon::of(home, pid, error));
        for path in pointer.into_iter().map(|pointer| pointer.socket).chain(home.possible_sockets()) {
            match socket::connect(&path).await {
                Ok(connection) => {
                    return match Self::over(path, connection, patience).await {
                        Ok(client) => Ok(Reach::Daemon(client)),
                        // It was on its way out: whoever it was, nobody is there now.
                        Err(error) if error == left() => continue,
                        Err(error) if error.code == ErrorCode::DaemonGone => Ok(silent(&error)),
                        // Whoever listens there now, it is no daemon of ours: the pointer is a left-over.
                        Err(error) if error.code == ErrorCode::Internal => continue,
                        Err(error) => Err(error),
                    };
                }
                Err(error) if socket::means_nobody(&error) => {}
                Err(error) if socket::means_crowd(&error) => {
                    return Ok(silent(&gone("it lets nobody in any more; it may be frozen")));
                }
                Err(error) => return Err(cannot_open(&path, &error)),
            }
        }
        Ok(Reach::Nobody)
    }

    async fn over(socket: PathBuf, connection: Connection, patience: Duration) -> Result<Self, ApiError> {
        let (lines, write, daemon) = greet(&socket, connection, patience).await?;
        let (outgoing, frames) = mpsc::channel(16);
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        tokio::spawn(write_out(write, frames));
        tokio::spawn(hand_out(lines, Arc::clone(&waiting)));
        Ok(Self { line: Arc::new(Line { socket, daemon, outgoing, waiting, next_id: AtomicU64::new(1) }) })
    }

    /// Version and process id of the daemon.
    #[must_use]
    pub fn daemon(&self) -> &Hello {
        &self.line.daemon
    }

    /// Dropping the future tells the daemon that the answer is no longer wanted; what acts goes on to its end.
    ///
    /// A daemon that freezes under a call that reads is an error: the caller can do without it. One that acts is waited
    /// for as long as the daemon is there, for nobody else can say how the act ended.
    pub async fn call<C: Command>(&self, command: C) -> Result<C::Answer, ApiError> {
        let asked = self.ask(C::NAME, written(&command)?);
        let answer = match C::NATURE {
            Nature::Acts => asked.await,
            Nature::Reads | Nature::NeedsEngine => self.while_it_lives(asked).await,
        };
        read_answer::<C>(answer?)
    }

    async fn while_it_lives<T>(
        &self,
        asked: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        let mut asked = pin!(asked);
        loop {
            if let Ok(answer) = timeout(SILENCE, &mut asked).await {
                return answer;
            }
            tokio::select! {
                biased;
                answer = &mut asked => return answer,
                alive = self.sign_of_life() => alive?,
            }
        }
    }

    /// A hello over another connection. A daemon that turns us away lives.
    async fn sign_of_life(&self) -> Result<(), ApiError> {
        let path = &self.line.socket;
        match socket::connect(path).await {
            Ok(connection) => match greet(path, connection, HELLO_DEADLINE).await {
                Err(error) if error.code == ErrorCode::DaemonGone => Err(error),
                Ok(_) | Err(_) => Ok(()),
            },
            Err(error) if socket::means_crowd(&error) => {
                Err(gone("it lets nobody in any more; it may be frozen"))
            }
            // One that stops listens no more, and still answers what acts; the connection's end is the call's.
            Err(_) => Ok(()),
        }
    }

    async fn ask(&self, command: &str, args: Value) -> Result<Value, ApiError> {
        let id = self.line.next_id.fetch_add(1, Ordering::Relaxed);
        let frame = protocol::encode(&FromFace::Call { id, command: command.to_owned(), args })?;
        let (sender, answer) = oneshot::channel();
        self.line.expect(id, sender)?;
        let mut wanted = Wanted { line: &self.line, id, answered: false };
        if self.line.outgoing.send(frame).await.is_err() {
            return Err(self.line.why_ended());
        }
        let answer = answer.await.unwrap_or_else(|_| Err(self.line.why_ended()));
        wanted.answered = true;
        answer
    }

    /// Announcements from now on, over a connection of their own: one that is read slowly holds up no call, and the
    /// daemon, not this process, drops what is too much. Ends with [`Announcement::Gone`].
    pub async fn subscribe(&self) -> Result<Announcements, ApiError> {
        let path = &self.line.socket;
        let connection = socket::connect(path).await.map_err(|error| match socket::means_nobody(&error) {
            true => gone("it no longer listens"),
            false => cannot_open(path, &error),
        })?;
        let (mut lines, mut write, _) = greet(path, connection, HELLO_DEADLINE).await?;
        let frame = protocol::encode(&FromFace::Subscribe { id: 0 })?;
        write.write_all(&frame).await.map_err(|error| gone(&error.to_string()))?;
        let confirmed = timeout(HELLO_DEADLINE, next(&mut lines)).await;
        match confirmed.map_err(|_| gone("it does not confirm the subscription; it may be frozen"))?? {
            FromDaemon::Subscribed { .. } => {}
            FromDaemon::Failed { error, .. } => return Err(error),
            other @ (FromDaemon::Hello(_) | FromDaemon::Answer { .. } | FromDaemon::Announced(_)) => {
                return Err(unexpected(&other));
            }
        }
        // The writing half stays open with the stream: closing it tells the daemon that nobody listens any more.
        let start = Some((lines, write));
        Ok(Box::pin(stream::unfold(start, async |state| {
            let (mut lines, write) = state?;
            let (announcement, open) = match next(&mut lines).await {
                Ok(FromDaemon::Announced(announcement)) => {
                    let last = matches!(*announcement, Announcement::Gone { .. });
                    (*announcement, (!last).then_some((lines, write)))
                }
                Ok(FromDaemon::Failed { error, .. }) | Err(error) => {
                    (Announcement::Gone { reason: error.message }, None)
                }
                Ok(other) => (Announcement::Gone { reason: unexpected(&other).message }, None),
            };
            Some((announcement, open))
        })))
    }
}

impl Line {
    fn expect(&self, id: u64, sender: oneshot::Sender<Result<Value, ApiError>>) -> Result<(), ApiError> {
        let mut waiting = lock(&self.waiting);
        match &waiting.ended {
            Some(error) => Err(error.clone()),
            None => {
                waiting.calls.insert(id, sender);
                Ok(())
            }
        }
    }

    fn why_ended(&self) -> ApiError {
        lock(&self.waiting).ended.clone().unwrap_or_else(|| gone("the connection ended"))
    }
}

/// A call that is dropped unanswered is forgotten here and called off there.
struct Wanted<'a> {
    line: &'a Line,
    id: u64,
    answered: bool,
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        lock(&self.line.waiting).calls.remove(&self.id);
        if let Ok(frame) = protocol::encode(&FromFace::Cancel { id: self.id }) {
            // A full channel costs the daemon an answer that nobody reads, no more.
            let _ = self.line.outgoing.try_send(frame);
        }
    }
}

/// Exchanges hellos. Checks first that the other end is a process of this user, and not somebody who came before us
/// into a folder that everyone may write to.
async fn greet(
    path: &Path,
    connection: Connection,
    patience: Duration,
) -> Result<(Lines<BufReader<ReadHalf>>, WriteHalf, Hello), ApiError> {
    if !socket::is_ours(&connection) {
        let message =
            format!("whoever listens at {} belongs to another user; nothing was sent", path.display());
        return Err(ApiError::new(ErrorCode::Refused, message));
    }
    let (read, mut write) = socket::split(connection);
    let mut lines = Lines::new(BufReader::new(read), LONGEST_ANSWER);
    let ours = Hello::ours();
    let frame = protocol::encode(&FromFace::Hello(ours.clone()))?;
    let exchange = async {
        // A daemon that refuses us may have closed already: what it said is read all the same.
        let _ = write.write_all(&frame).await;
        next(&mut lines).await
    };
    let first = timeout(patience, exchange).await.map_err(|_| {
        gone(&format!("it accepts at {} and says nothing; it may be frozen", path.display()))
    })??;
    match first {
        FromDaemon::Hello(daemon) => {
            ours.fits(&daemon)?;
            Ok((lines, write, daemon))
        }
        FromDaemon::Failed { error, .. } => Err(error),
        other @ (FromDaemon::Answer { .. } | FromDaemon::Subscribed { .. } | FromDaemon::Announced(_)) => {
            Err(unexpected(&other))
        }
    }
}

async fn next(lines: &mut Lines<BufReader<ReadHalf>>) -> Result<FromDaemon, ApiError> {
    match lines.next().await {
        Ok(Some(line)) => protocol::decode(&line).map_err(|error| {
            tracing::debug!("not understood: {}", error.message);
            ApiError::new(ErrorCode::Internal, "whoever listens at the daemon's socket does not speak as one")
        }),
        Ok(None) => Err(left()),
        Err(FrameError::Io(error)) => Err(gone(&error.to_string())),
        Err(error @ FrameError::TooLong { .. }) => Err(ApiError::new(ErrorCode::Internal, error.to_string())),
    }
}

async fn write_out(mut write: WriteHalf, mut frames: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = frames.recv().await {
        if write.write_all(&frame).await.is_err() {
            return;
        }
    }
    let _ = write.shutdown().await;
}

/// Gives each answer to the call that waits for it; at the end, the reason to all that still wait.
async fn hand_out(mut lines: Lines<BufReader<ReadHalf>>, waiting: Arc<Mutex<Waiting>>) {
    let ended = loop {
        let (id, answer) = match next(&mut lines).await {
            Ok(FromDaemon::Answer { id, value }) => (id, Ok(value)),
            Ok(FromDaemon::Failed { id: Some(id), error }) => (id, Err(error)),
            Ok(FromDaemon::Failed { id: None, error }) => break error,
            Ok(other @ (FromDaemon::Hello(_) | FromDaemon::Subscribed { .. } | FromDaemon::Announced(_))) => {
                break unexpected(&other);
            }
            Err(error) => break error,
        };
        if let Some(caller) = lock(&waiting).calls.remove(&id) {
            let _ = caller.send(answer);
        }
    };
    let mut waiting = lock(&waiting);
    for (_, caller) in waiting.calls.drain() {
        let _ = caller.send(Err(ended.clone()));
    }
    waiting.ended = Some(ended);
}

fn written<C: Command>(command: &C) -> Result<Value, ApiError> {
    serde_json::to_value(command).map_err(|error| {
        ApiError::new(ErrorCode::Internal, format!("{} could not be written: {error}", C::NAME))
    })
}

fn read_answer<C: Command>(value: Value) -> Result<C::Answer, ApiError> {
    serde_json::from_value(value).map_err(|error| {
        ApiError::new(ErrorCode::Version, format!("the answer to {} is not understood: {error}", C::NAME))
    })
}

fn left() -> ApiError {
    gone("it closed the connection")
}

fn gone(why: &str) -> ApiError {
    ApiError::new(ErrorCode::DaemonGone, format!("the daemon does not answer: {why}"))
}

fn cannot_open(path: &Path, error: &io::Error) -> ApiError {
    let message =
        format!("cannot open the daemon's socket {}: {error}; it opens only for its owner", path.display());
    ApiError::new(ErrorCode::Refused, message)
}

fn unexpected(frame: &FromDaemon) -> ApiError {
    let what = match frame {
        FromDaemon::Hello(_) => "a second hello",
        FromDaemon::Answer { .. } => "an answer to nothing",
        FromDaemon::Failed { .. } => "a failure of nothing",
        FromDaemon::Subscribed { .. } => "a subscription that nobody asked for",
        FromDaemon::Announced(_) => "an announcement that nobody asked for",
    };
    ApiError::new(ErrorCode::Internal, format!("the daemon sent {what}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
