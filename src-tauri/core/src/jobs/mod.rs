//! What is done every so often: a driver that knows each job's name, purpose and period, and how it last went.
//!
//! A job that fails or panics is tried again at its next turn and does not stop the others. What is done at an
//! occasion rather than by the clock has a file of its own: [`last_words`].

pub mod last_words;

pub mod retention;
pub mod stale_scan;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tracing::warn;

use crate::clock::SharedClock;
use crate::store::Store;

/// How often it is looked whether a day has passed since the last daily copy: a machine that sleeps at night gets
/// its copy within the hour after it wakes.
const BACKUP_LOOK: Duration = Duration::from_secs(3_600);

/// The first copy waits until the index is worth one: the first pass over an engine takes seconds at most.
const BACKUP_AFTER: Duration = Duration::from_secs(60);

type Work = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Something to be done every so often.
pub struct Job {
    pub name: &'static str,
    pub purpose: &'static str,
    pub period: Duration,
    /// How long after the start its first turn comes.
    pub after: Duration,
    pub work: Work,
}

/// A job, and how it last went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStatus {
    pub purpose: &'static str,
    pub period: Duration,
    /// `None` until its first turn has ended.
    pub last: Option<Turn>,
}

/// How a job's turn went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// When it ended.
    pub at: Timestamp,
    pub error: Option<String>,
}

/// What the jobs are and how each last went, by name; empty where none run. Cheap to clone, all clones are one.
#[derive(Clone, Default)]
pub struct Board {
    jobs: Arc<Mutex<BTreeMap<&'static str, JobStatus>>>,
}

impl Board {
    #[must_use]
    pub fn read(&self) -> BTreeMap<&'static str, JobStatus> {
        self.lock().clone()
    }

    fn enter(&self, job: &Job) {
        self.lock().insert(job.name, JobStatus { purpose: job.purpose, period: job.period, last: None });
    }

    fn note(&self, name: &str, turn: Turn) {
        if let Some(job) = self.lock().get_mut(name) {
            job.last = Some(turn);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, JobStatus>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The running jobs. Dropping it ends them.
pub struct Jobs {
    tasks: JoinSet<()>,
}

impl Jobs {
    /// `board` is where they are to be read.
    #[must_use]
    pub fn start(jobs: Vec<Job>, board: &Board, clock: &SharedClock) -> Self {
        let mut tasks = JoinSet::new();
        for job in jobs {
            board.enter(&job);
            tasks.spawn(drive(job, board.clone(), Arc::clone(clock)));
        }
        Self { tasks }
    }

    /// Ends the jobs; one that is at work is let go at its next wait.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn drive(job: Job, board: Board, clock: SharedClock) {
    tokio::time::sleep(job.after).await;
    loop {
        let outcome = tokio::spawn((job.work)()).await;
        let error = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(ended) => Some(format!("it panicked: {ended}")),
        };
        if let Some(error) = &error {
            warn!(job = job.name, "{} failed: {error}", job.purpose);
        }
        board.note(job.name, Turn { at: clock.now(), error });
        tokio::time::sleep(job.period).await;
    }
}

/// A copy of the database a day.
#[must_use]
pub fn daily_backup(store: Store, clock: SharedClock) -> Job {
    let work = move || {
        let (store, clock) = (store.clone(), Arc::clone(&clock));
        Box::pin(async move {
            store.backup_if_due(clock.now()).await.map(drop).map_err(|error| error.to_string())
        }) as Pin<Box<_>>
    };
    Job {
        name: "backup",
        purpose: "a daily copy of the database",
        period: BACKUP_LOOK,
        after: BACKUP_AFTER,
        work: Box::new(work),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_job_that_panics_is_tried_again_and_does_not_stop_the_others() {
        let ran = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&ran);
        let after = Duration::from_secs(10);
        let job =
            |name, work: Work| Job { name, purpose: "a test", period: Duration::from_secs(60), after, work };
        let clock: SharedClock = Arc::new(SystemClock);
        let board = Board::default();
        let jobs = Jobs::start(
            vec![
                job("panics", Box::new(|| Box::pin(async { panic!("on purpose") }))),
                job(
                    "counts",
                    Box::new(move || {
                        counted.fetch_add(1, Ordering::Relaxed);
                        Box::pin(async { Ok(()) })
                    }),
                ),
            ],
            &board,
            &clock,
        );
        assert!(board.read().values().all(|job| job.last.is_none()), "none had its turn yet");
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert_eq!(ran.load(Ordering::Relaxed), 0, "it waits for its first turn");
        tokio::time::sleep(Duration::from_secs(141)).await;
        assert_eq!(ran.load(Ordering::Relaxed), 3);
        let error_of = |name| board.read()[name].last.clone().expect("it had its turn").error;
        assert!(error_of("panics").is_some());
        assert_eq!(error_of("counts"), None);
        jobs.stop().await;
    }
}
