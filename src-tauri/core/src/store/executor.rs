//! Who runs what on the database.
//!
//! *Expected flow.* A file has one writing connection on a thread of its own, which runs the jobs it is sent in
//! their order, and a few connections that can only read, used on the runtime's blocking threads. A database in
//! memory has one connection, and every job runs at once on the caller's thread: a single-threaded simulation stays
//! deterministic.
//!
//! *Guarantees.* A job that was sent is run, also when its sender no longer waits for the answer. A write is one
//! `BEGIN IMMEDIATE` transaction: all of it, or nothing. What a write announces is published after its commit, by
//! the writer, in the order of the commits. A lock that another program holds is waited for; no write is lost to it.
//! A panic in a job rolls back that job and leaves the writer running. Once closed, no connection of this executor is
//! open: the folder's lock is given up after all of them.
//!
//! *Caveats.* Closing gives up a write that still waits for another program's lock, and interrupts reads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{Semaphore, oneshot};

use super::connection;
use super::error::{During as _, StoreError, is_busy};
use super::folder::Lock;
use super::readers::Readers;
use crate::events::{Bus, Event};

/// Reads that may run at once. Each idle connection costs some hundred kilobytes; faces ask rarely and briefly.
pub(super) const READERS: usize = 3;

/// From when on waiting for another program's lock is worth a line in the log.
const SAY_AFTER: Duration = Duration::from_secs(2);

/// What a write hands back: its answer, and what has become true by it.
pub(super) struct Done<T> {
    pub(super) answer: T,
    pub(super) announce: Vec<Event>,
}

impl<T> Done<T> {
    pub(super) fn quietly(answer: T) -> Self {
        Self { answer, announce: Vec::new() }
    }
}

pub(super) enum Executor {
    File(FileExecutor),
    Memory(MemoryExecutor),
}

pub(super) struct MemoryExecutor {
    pub(super) db: Mutex<Connection>,
    bus: Bus,
    #[cfg(feature = "simulation")]
    pub(super) gate: std::sync::OnceLock<super::Gate>,
}

pub(super) struct FileExecutor {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    closing: Arc<AtomicBool>,
    bus: Bus,
    turns: Arc<Semaphore>,
    readers: Arc<Readers>,
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// What a job does to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

impl Executor {
    /// `lock` is given up after the last connection is closed.
    pub(super) fn on_file(path: &Path, writer: Connection, lock: Lock, bus: Bus) -> Result<Self, StoreError> {
        writer.busy_timeout(connection::LOCK_WAIT).during("preparing the writer")?;
        let (jobs, queue) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(writer, lock, &queue))
            .map_err(StoreError::folder("starting the writer of", path))?;
        Ok(Self::File(FileExecutor {
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
            closing: Arc::default(),
            bus,
            turns: Arc::new(Semaphore::new(READERS)),
            readers: Arc::new(Readers::of(path)),
        }))
    }

    pub(super) fn in_memory(db: Connection, bus: Bus) -> Self {
        Self::Memory(MemoryExecutor {
            db: Mutex::new(db),
            bus,
            #[cfg(feature = "simulation")]
            gate: std::sync::OnceLock::new(),
        })
    }

    /// One transaction. `during` says what was tried, should it fail.
    pub(super) async fn write<T, F>(&self, during: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<Done<T>, StoreError> + Send + 'static,
    {
        match self {
            Self::Memory(memory) => {
                memory.pass(Access::Write).await?;
                transact(&mut guard(&memory.db), during, &memory.bus, || true, work)
            }
            Self::File(file) => file.write(during, work).await,
        }
    }

    /// Reads see one moment of the database, however many statements they are.
    pub(super) async fn read<T, F>(&self, during: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        match self {
            Self::Memory(memory) => {
                memory.pass(Access::Read).await?;
                at_one_moment(&mut guard(&memory.db), during, work)
            }
            Self::File(file) => file.read(during, work).await,
        }
    }
}

impl Executor {
    /// A database in memory has nothing to close.
    pub(super) fn close(&self) {
        match self {
            Self::File(file) => file.close(),
            Self::Memory(_) => {}
        }
    }
}

impl MemoryExecutor {
    /// Only a simulation holds a job back.
    async fn pass(&self, _access: Access) -> Result<(), StoreError> {
        #[cfg(feature = "simulation")]
        if let Some(gate) = self.gate.get() {
            return gate(_access).await;
        }
        Ok(())
    }
}

impl FileExecutor {
    async fn write<T, F>(&self, during: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<Done<T>, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let (bus, closing) = (self.bus.clone(), Arc::clone(&self.closing));
        let job: Job = Box::new(move |db| {
            let patient = || !closing.load(Ordering::Relaxed);
            let _ = reply.send(transact(db, during, &bus, patient, work));
        });
        let sent = guard(&self.jobs).as_ref().map(|jobs| jobs.send(job));
        match sent {
            Some(Ok(())) => answer.await.unwrap_or(Err(StoreError::Closed)),
            Some(Err(_)) | None => Err(StoreError::Closed),
        }
    }

    async fn read<T, F>(&self, during: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = Arc::clone(&self.readers);
        let task = tokio::task::spawn_blocking(move || {
            // Given back with the work, also where nobody waits for the answer any more.
            let _turn = turn;
            readers.lend(|db| at_one_moment(db, during, work))
        });
        task.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Interrupts the reads, lets the queued writes finish that no other program's lock keeps from it, closes every
    /// connection, then gives up the lock.
    fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.turns.close();
        self.readers.close();
        guard(&self.jobs).take();
        let Some(thread) = guard(&self.thread).take() else { return };
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("the database's writer ended with a panic");
        }
    }
}

impl Drop for FileExecutor {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(mut db: Connection, lock: Lock, queue: &mpsc::Receiver<Job>) {
    for job in queue {
        if catch_unwind(AssertUnwindSafe(|| job(&mut db))).is_err() {
            tracing::error!("a write to the database panicked and was rolled back");
        }
    }
    if let Err((_, error)) = db.close() {
        tracing::warn!(%error, "the database did not close cleanly; its log is read at the next start");
    }
    drop(lock);
}

fn transact<T>(
    db: &mut Connection,
    during: &'static str,
    bus: &Bus,
    patient: impl Fn() -> bool,
    work: impl FnOnce(&Transaction<'_>) -> Result<Done<T>, StoreError>,
) -> Result<T, StoreError> {
    let transaction = begin(db, during, patient)?;
    let done = work(&transaction)?;
    transaction.commit().during(during)?;
    for event in done.announce {
        bus.publish(event);
    }
    Ok(done.answer)
}

/// Waits as long as it takes for a lock that another program holds.
fn begin<'a>(
    db: &'a Connection,
    during: &'static str,
    patient: impl Fn() -> bool,
) -> Result<Transaction<'a>, StoreError> {
    let since = Instant::now();
    let mut said = false;
    loop {
        match Transaction::new_unchecked(db, TransactionBehavior::Immediate) {
            Ok(transaction) => return Ok(transaction),
            Err(error) if is_busy(&error) && patient() => {
                if !said && since.elapsed() > SAY_AFTER {
                    said = true;
                    tracing::warn!(during, "another program has locked the database; waiting for it");
                }
            }
            Err(error) => {
                if is_busy(&error) {
                    // We are closing: those behind this one ask once, and wait no more.
                    db.busy_timeout(Duration::ZERO).during(during)?;
                }
                return Err(StoreError::sql(during, error));
            }
        }
    }
}

fn at_one_moment<T>(
    db: &mut Connection,
    during: &'static str,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = db.transaction().during(during)?;
    let answer = work(&transaction)?;
    transaction.finish().during(during)?;
    Ok(answer)
}

pub(super) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "executor_tests.rs"]
mod tests;
