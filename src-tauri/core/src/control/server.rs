//! Lets faces in other processes use the daemon's [`Desk`] over the local socket.
//!
//! *Expected flow.* Bind, write the pointer, accept. Each connection has one task that reads frames, one that writes
//! them, one for each call under way, and one that drains the subscription if there is one.
//!
//! *Guarantees.* Only processes of the same user are served. Memory is bounded whatever a face does: a frame, the calls
//! under way on a connection, the connections, and what waits for a slow subscriber each have a limit. A frame that
//! cannot be used is answered and never ends the daemon. Stopping takes socket and pointer away first, then lets what
//! acts come to its end.
//!
//! *Assumptions.* The caller holds the data folder's lock, so that no other daemon binds the same socket.
//!
//! *Caveats.* A face that reads slowly is not cut off. Its announcements beyond the limit are dropped, and the next
//! thing it hears is how many.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::commands::{self, Command, Nature};
use super::protocol::{
    self, Announcements, Desk, FrameError, FromDaemon, FromFace, Hello, LONGEST_ANSWER, LONGEST_CALL, Lines,
};
use super::shapes::{Announcement, ApiError, ErrorCode};
use super::socket::{self, Connection, Listener, Pointer, Presence, ReadHalf, WriteHalf};
use crate::home::{Home, HomeError};

/// How long a connection may stay silent before it says hello. A face of ours says it at once.
const HELLO_DEADLINE: Duration = Duration::from_secs(5);

/// How long after its hello a face may take to make its first call before it no longer counts as one that is about to. A
/// command makes it at once.
const FRESH: Duration = Duration::from_secs(1);

/// How long calls that act may still take once the daemon stops, before they are left behind.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// Faces at once. A user has a window and some terminals; a script that leaks connections must not exhaust ours.
const CONNECTIONS: usize = 64;

/// Calls under way at once on a connection. One more waits unread until one of them is done.
const CALLS: usize = 64;

/// How many announcements, and how many bytes of them, may wait for a slow subscriber.
const BACKLOG_FRAMES: usize = 1024;
const BACKLOG_BYTES: usize = 8 << 20;

/// Pause after a failed accept (too many open files), so that it does not fail in a tight loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The listening socket of a daemon. Dropped without [`Server::stop`], it takes its files away and leaves its
/// connections to end with the process.
pub struct Server {
    socket: PathBuf,
    guests: TaskTracker,
    stopping: CancellationToken,
    abandoned: CancellationToken,
    tasks: TaskTracker,
    presence: Presence,
}

impl Server {
    /// Listens for faces of `home`. `now` goes into the pointer as the daemon's start.
    pub async fn start(home: &Home, desk: Arc<dyn Desk>, now: Timestamp) -> Result<Self, ApiError> {
        let path = home.prepare_socket().map_err(unusable)?;
        let listener = socket::bind(&path).await.map_err(|error| {
            ApiError::new(ErrorCode::Conflict, format!("cannot listen at {}: {error}", path.display()))
        })?;
        let presence = Presence::new(&path, home);
        let hello = Hello::ours();
        Pointer {
            socket: path.clone(),
            pid: hello.pid,
            version: hello.version,
            protocol: hello.protocol,
            started_at: now,
        }
        .write(home)
        .map_err(|error| {
            ApiError::new(ErrorCode::Internal, format!("cannot write {}: {error}", home.pointer().display()))
        })?;

        let server = Self {
            socket: path,
            guests: TaskTracker::new(),
            stopping: CancellationToken::new(),
            abandoned: CancellationToken::new(),
            tasks: TaskTracker::new(),
            presence,
        };
        let reception = Reception {
            desk,
            guests: server.guests.clone(),
            stopping: server.stopping.clone(),
            abandoned: server.abandoned.clone(),
            tasks: server.tasks.clone(),
        };
        server.tasks.spawn(reception.accept(listener));
        Ok(server)
    }

    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Returns once no call is under way any more, and nobody has just come who may be about to make one; but not later
    /// than after `longest`.
    pub async fn see_guests_off(&self, longest: Duration) {
        self.guests.close();
        let _ = timeout(longest, self.guests.wait()).await;
    }

    /// Takes socket and pointer away, tells subscribers, and lets calls that act come to their end.
    pub async fn stop(self) {
        drop(self.presence);
        self.stopping.cancel();
        self.tasks.close();
        if timeout(STOP_GRACE, self.tasks.wait()).await.is_err() {
            tracing::warn!("faces or their calls did not end in time and are left behind");
            self.abandoned.cancel();
        }
    }
}

fn unusable(error: HomeError) -> ApiError {
    ApiError::new(ErrorCode::Internal, error.to_string())
}

/// What every connection needs.
#[derive(Clone)]
struct Reception {
    desk: Arc<dyn Desk>,
    /// Calls under way, and connections that were just opened and have not called yet.
    guests: TaskTracker,
    stopping: CancellationToken,
    abandoned: CancellationToken,
    tasks: TaskTracker,
}

impl Reception {
    async fn accept(self, listener: Listener) {
        let seats = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let accepted = tokio::select! {
                () = self.stopping.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((connection, _)) => {
                    let seat = Arc::clone(&seats).try_acquire_owned().ok();
                    self.tasks.spawn(self.clone().receive(connection, seat));
                }
                Err(error) => {
                    tracing::warn!(%error, "a face could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// One connection, from its first byte to its end.
    async fn receive(self, connection: Connection, seat: Option<OwnedSemaphorePermit>) {
        let ours = socket::is_ours(&connection);
        let (read, write) = socket::split(connection);
        let (outbox, backlog) = self.open_outbox(write);
        let refusal = if !ours {
            Some("this daemon serves only processes of the user it belongs to".to_owned())
        } else if seat.is_none() {
            Some(format!("{CONNECTIONS} programs are connected to this daemon already; close some"))
        } else {
            None
        };
        if let Some(reason) = refusal {
            outbox.fail(None, ApiError::new(ErrorCode::Refused, reason)).await;
            return;
        }
        let mut lines = Lines::new(BufReader::new(read), LONGEST_CALL);
        let greeted = tokio::select! {
            () = self.stopping.cancelled() => return,
            greeted = timeout(HELLO_DEADLINE, greet(&mut lines)) => greeted,
        };
        match greeted {
            Ok(Ok(Some(face))) => {
                let ours = Hello::ours();
                outbox.send(&FromDaemon::Hello(ours.clone())).await;
                match face.fits(&ours) {
                    Ok(()) => self.converse(lines, outbox, backlog).await,
                    Err(error) => outbox.fail(None, error).await,
                }
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => outbox.fail(None, error).await,
            Err(_) => {
                let message = format!("nothing was said for {} seconds", HELLO_DEADLINE.as_secs());
                outbox.fail(None, ApiError::new(ErrorCode::Usage, message)).await;
            }
        }
    }

    /// Serves frames until the face goes or the daemon stops.
    async fn converse(&self, mut lines: Lines<BufReader<ReadHalf>>, outbox: Outbox, backlog: Arc<Backlog>) {
        let ended = self.stopping.child_token();
        let _ends_with_this = ended.clone().drop_guard();
        let calls = Calls::default();
        let mut subscribed = false;
        let mut fresh = Some(self.guests.token());
        let settled = tokio::time::sleep(FRESH);
        tokio::pin!(settled);
        loop {
            let line = tokio::select! {
                () = self.stopping.cancelled() => return,
                line = lines.next() => line,
                () = &mut settled, if fresh.is_some() => {
                    fresh = None;
                    continue;
                }
            };
            let line = match line {
                Ok(Some(line)) => line,
                Ok(None) | Err(FrameError::Io(_)) => return,
                Err(error @ FrameError::TooLong { .. }) => {
                    return outbox.fail(None, ApiError::new(ErrorCode::Usage, error.to_string())).await;
                }
            };
            match protocol::decode(&line) {
                Ok(FromFace::Call { id, command, args }) => {
                    let call = Call { id, command, args, _guest: self.guests.token() };
                    fresh = None;
                    tokio::select! {
                        () = self.stopping.cancelled() => return,
                        () = self.take(call, &calls, &outbox, &ended) => {}
                    }
                }
                Ok(FromFace::Cancel { id }) => calls.cancel(id),
                Ok(FromFace::Subscribe { id }) if subscribed => {
                    let message = "this connection has a subscription already";
                    outbox.fail(Some(id), ApiError::new(ErrorCode::Conflict, message)).await;
                }
                Ok(FromFace::Subscribe { id }) => {
                    subscribed = true;
                    // Confirmed only once announcements are collected: a snapshot asked for after it misses none.
                    let announcements = self.desk.announcements();
                    outbox.send(&FromDaemon::Subscribed { id }).await;
                    let subscription = Subscription {
                        backlog: Arc::clone(&backlog),
                        ended: ended.clone(),
                        stopping: self.stopping.clone(),
                        _keeps_writer: outbox.clone(),
                    };
                    self.tasks.spawn(subscription.drain(announcements));
                }
                Ok(FromFace::Hello(_)) => {
                    outbox.fail(None, ApiError::new(ErrorCode::Usage, "hello was said already")).await;
                }
                Err(error) => outbox.fail(protocol::id_in(&line), error).await,
            }
        }
    }

    /// Starts a call, once there is room for one more.
    async fn take(&self, call: Call, calls: &Calls, outbox: &Outbox, ended: &CancellationToken) {
        let wanted = ended.child_token();
        if !calls.begin(call.id, wanted.clone()) {
            let message = format!("a call with the id {} is under way", call.id);
            return outbox.fail(Some(call.id), ApiError::new(ErrorCode::Usage, message)).await;
        }
        let Ok(room) = Arc::clone(&calls.room).acquire_owned().await else { return };
        let (desk, calls, outbox) = (Arc::clone(&self.desk), calls.clone(), outbox.clone());
        self.tasks.spawn(async move {
            let _room = room;
            let id = call.id;
            let answer = answered(desk, call, wanted).await;
            calls.end(id);
            match answer {
                Some(Ok(value)) => outbox.send(&FromDaemon::Answer { id, value }).await,
                Some(Err(error)) => outbox.fail(Some(id), error).await,
                None => {}
            }
        });
    }

    /// The writing half's own task, so that no frame is ever cut by a reader that stops waiting.
    fn open_outbox(&self, write: WriteHalf) -> (Outbox, Arc<Backlog>) {
        let (sender, answers) = mpsc::channel(1);
        let backlog = Arc::new(Backlog::default());
        let (abandoned, waiting) = (self.abandoned.clone(), Arc::clone(&backlog));
        self.tasks.spawn(async move {
            tokio::select! {
                () = abandoned.cancelled() => {}
                () = write_out(write, answers, waiting) => {}
            }
        });
        (Outbox { sender }, backlog)
    }
}

/// The face's hello, or `None` where it left without one.
async fn greet(lines: &mut Lines<BufReader<ReadHalf>>) -> Result<Option<Hello>, ApiError> {
    match lines.next().await {
        Ok(Some(line)) => match protocol::decode(&line)? {
            FromFace::Hello(hello) => Ok(Some(hello)),
            FromFace::Call { .. } | FromFace::Cancel { .. } | FromFace::Subscribe { .. } => {
                Err(ApiError::new(ErrorCode::Usage, "the first frame must be a hello"))
            }
        },
        Ok(None) | Err(FrameError::Io(_)) => Ok(None),
        Err(error @ FrameError::TooLong { .. }) => Err(ApiError::new(ErrorCode::Usage, error.to_string())),
    }
}

struct Call {
    id: u64,
    command: String,
    args: Value,
    _guest: TaskTrackerToken,
}

/// The calls of one connection that are under way.
#[derive(Clone)]
struct Calls {
    wanted: Arc<Mutex<HashMap<u64, CancellationToken>>>,
    room: Arc<Semaphore>,
}

impl Default for Calls {
    fn default() -> Self {
        Self { wanted: Arc::default(), room: Arc::new(Semaphore::new(CALLS)) }
    }
}

impl Calls {
    /// False where the id is in use.
    fn begin(&self, id: u64, wanted: CancellationToken) -> bool {
        let mut calls = lock(&self.wanted);
        if calls.contains_key(&id) {
            return false;
        }
        calls.insert(id, wanted);
        true
    }

    fn end(&self, id: u64) {
        lock(&self.wanted).remove(&id);
    }

    fn cancel(&self, id: u64) {
        if let Some(wanted) = lock(&self.wanted).get(&id) {
            wanted.cancel();
        }
    }
}

/// The desk's answer, or `None` where nobody wants it any more. What acts is carried to its end all the same: half an
/// act is worse than an answer that nobody reads. A panic behind the desk costs this call and no other.
async fn answered(
    desk: Arc<dyn Desk>,
    call: Call,
    wanted: CancellationToken,
) -> Option<Result<Value, ApiError>> {
    let acts = nature(&call.command) == Some(Nature::Acts);
    let name = call.command.clone();
    let mut work = tokio::spawn(async move {
        let Call { command, args, _guest, .. } = call;
        desk.answer(&command, args).await
    });
    let done = tokio::select! {
        done = &mut work => done,
        () = wanted.cancelled(), if !acts => {
            work.abort();
            return None;
        }
    };
    Some(done.unwrap_or_else(|error| {
        tracing::error!(command = name, %error, "a command broke off");
        let message = format!("{name} broke off by a fault of tinyforge's; the daemon's log says more");
        Err(ApiError::new(ErrorCode::Internal, message))
    }))
}

/// What the command of that name needs; `None` for a name that the desk will turn down.
fn nature(name: &str) -> Option<Nature> {
    macro_rules! nature_of {
        ($($command:ident),+) => {
            [$((commands::$command::NAME, commands::$command::NATURE)),+]
        };
    }
    crate::every_command!(nature_of).into_iter().find_map(|(known, nature)| (known == name).then_some(nature))
}

/// Where frames for a face are left. One waits at a time, so that answers are made no faster than they are read.
#[derive(Clone)]
struct Outbox {
    sender: mpsc::Sender<Vec<u8>>,
}

impl Outbox {
    /// A face that is gone hears nothing, which is no error of ours.
    async fn send(&self, frame: &FromDaemon) {
        let line = line_of(frame).or_else(|error| {
            tracing::error!(%error, "an answer could not be sent");
            // Whoever waits for it must not wait for ever.
            line_of(&FromDaemon::Failed { id: asked_by(frame), error })
        });
        if let Ok(line) = line {
            let _ = self.sender.send(line).await;
        }
    }

    async fn fail(&self, id: Option<u64>, error: ApiError) {
        self.send(&FromDaemon::Failed { id, error }).await;
    }
}

fn line_of(frame: &FromDaemon) -> Result<Vec<u8>, ApiError> {
    let line = protocol::encode(frame)?;
    if line.len() <= LONGEST_ANSWER {
        return Ok(line);
    }
    let message = format!(
        "the answer has {} bytes, and a face is sent {LONGEST_ANSWER} at most; ask for less at once",
        line.len()
    );
    Err(ApiError::new(ErrorCode::Internal, message))
}

/// The id of the frame that this one answers.
fn asked_by(frame: &FromDaemon) -> Option<u64> {
    match frame {
        FromDaemon::Answer { id, .. } | FromDaemon::Subscribed { id } => Some(*id),
        FromDaemon::Failed { id, .. } => *id,
        FromDaemon::Hello(_) | FromDaemon::Announced(_) => None,
    }
}

/// What waits for a subscriber that reads more slowly than things happen.
#[derive(Default)]
struct Backlog {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<Vec<u8>>,
    bytes: usize,
    missed: u64,
}

impl Backlog {
    /// Beyond the limit everything that waits is dropped and counted: the face will ask for a snapshot, and all that
    /// waited is in there.
    fn push(&self, line: Vec<u8>) {
        let mut waiting = lock(&self.waiting);
        let full = waiting.frames.len() >= BACKLOG_FRAMES || waiting.bytes + line.len() > BACKLOG_BYTES;
        if line.len() > LONGEST_ANSWER || (full && !waiting.frames.is_empty()) {
            waiting.missed += waiting.frames.len() as u64 + 1;
            waiting.frames.clear();
            waiting.bytes = 0;
        } else {
            waiting.bytes += line.len();
            waiting.frames.push_back(line);
        }
        drop(waiting);
        self.more.notify_one();
    }

    fn pop(&self) -> Option<Vec<u8>> {
        let mut waiting = lock(&self.waiting);
        if waiting.missed > 0 {
            let missed = std::mem::take(&mut waiting.missed);
            return protocol::encode(&FromDaemon::Announced(Box::new(Announcement::Lagged { missed }))).ok();
        }
        let line = waiting.frames.pop_front()?;
        waiting.bytes -= line.len();
        Some(line)
    }

    /// Cancel-safe: a line is taken only when it is returned.
    async fn next(&self) -> Vec<u8> {
        loop {
            if let Some(line) = self.pop() {
                return line;
            }
            self.more.notified().await;
        }
    }
}

struct Subscription {
    backlog: Arc<Backlog>,
    ended: CancellationToken,
    stopping: CancellationToken,
    /// The writer ends with the last outbox, and the farewell must still be written.
    _keeps_writer: Outbox,
}

impl Subscription {
    /// Empties the subscription at once, whatever the face does, until the face goes, the daemon stops or its desk
    /// closes.
    async fn drain(self, mut announcements: Announcements) {
        let mut last = false;
        while !last {
            let announcement = tokio::select! {
                biased;
                () = self.stopping.cancelled() => stopped(),
                announcement = announcements.next() => announcement.unwrap_or_else(stopped),
                () = self.ended.cancelled() => return,
            };
            last = matches!(announcement, Announcement::Gone { .. });
            match protocol::encode(&FromDaemon::Announced(Box::new(announcement))) {
                Ok(line) => self.backlog.push(line),
                Err(error) => tracing::error!(%error, "an announcement could not be written"),
            }
        }
    }
}

fn stopped() -> Announcement {
    Announcement::Gone { reason: "the daemon stopped".to_owned() }
}

/// Writes answers and announcements until the last answer is written and nobody can send another.
async fn write_out(mut write: WriteHalf, mut answers: mpsc::Receiver<Vec<u8>>, backlog: Arc<Backlog>) {
    loop {
        let line = tokio::select! {
            biased;
            answer = answers.recv() => match answer {
                Some(line) => line,
                None => break,
            },
            line = backlog.next() => line,
        };
        if write.write_all(&line).await.is_err() {
            return;
        }
    }
    while let Some(line) = backlog.pop() {
        if write.write_all(&line).await.is_err() {
            return;
        }
    }
    let _ = write.shutdown().await;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
