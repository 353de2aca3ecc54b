//! The actor that keeps the index true to the engine.
//!
//! # Expected flow
//! Subscribe, then list, then apply. An event marks *which* container to look at ([`watch`]); the answer is always a
//! fresh inspect; [`crate::rules::plan`] makes of it what is written; the store commits and announces. One loop
//! ([`keeper`]) with one closed enum of wake-ups does all of it: one container and all of them take the same path.
//! A pass every 30 s lists the engine and looks at what disagrees; a pass after any doubt looks at everything.
//!
//! # Guarantees
//! * A listing never writes a row and never overwrites one: it only says which rows to look at. Absence from it is a
//!   suspicion, an inspect that answers 404 is certain.
//! * At most one look at a container is under way, at most eight in all; a mark during a look makes another look.
//! * The event reader waits for nothing. A database that is locked stops commits, not the reader.
//! * An engine that cannot be reached changes no row. Rows belong to an engine's id; another engine behind the same
//!   socket has its own set.
//! * A pass that finds nothing writes nothing.
//!
//! # Assumptions
//! An inspect tells the truth of the moment it was answered. The engine's ids are never given to another container.
//!
//! # Caveats
//! A change of something that no event tells and no listing shows (there is none that we know of) is found within ten
//! minutes, when each row is inspected in its turn.
//!
//! # Errors
//! A failed look is wanted again, later and later. A failed commit is planned anew from what the store then has. An
//! engine out of reach is sought with a growing, jittered wait of at most two seconds.

mod keeper;
mod looks;
mod own;
mod pass;
mod pulse;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch as watched};
use tokio::task::JoinHandle;

use crate::clock::SharedClock;
use crate::docker::SharedEngine;
use crate::events::Bus;
use crate::rules::ids::ContainerId;
use crate::store::Store;

pub use own::{OwnActs, UnderWay};
pub use pulse::{Link, Pulse, Trouble};

/// How often things are done that no event asks for.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// Between two passes.
    pub pass: Duration,
    /// Each row is inspected at least this often.
    pub reinspect: Duration,
    /// The longest time without a sign of life from the engine before it is asked for one.
    pub heartbeat: Duration,
    /// `verified_at` is written at least this often, even where nothing else is.
    pub write_verified: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            pass: Duration::from_secs(30),
            reinspect: Duration::from_secs(600),
            heartbeat: Duration::from_secs(4),
            write_verified: Duration::from_secs(300),
        }
    }
}

/// What the actor works with.
pub struct Parts {
    pub engine: SharedEngine,
    pub store: Store,
    pub bus: Bus,
    pub clock: SharedClock,
    pub own: OwnActs,
    pub rhythm: Rhythm,
}

/// What others may ask of the loop.
#[derive(Debug)]
enum Ask {
    /// Look at this container and say when the outcome is committed.
    Look(ContainerId, oneshot::Sender<()>),
    /// A new time between two passes.
    PassEvery(Duration),
    /// Write what lives in memory, and end.
    Stop(oneshot::Sender<()>),
}

/// The running actor, seen from outside. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reconciler {
    asks: mpsc::Sender<Ask>,
    pulse: watched::Receiver<Pulse>,
    own: OwnActs,
    task: Arc<std::sync::Mutex<Option<JoinHandle<()>>>>,
}

impl Reconciler {
    /// Starts the loop on the present runtime.
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        let (asks, asked) = mpsc::channel(64);
        let (tell, pulse) = watched::channel(Pulse::new(parts.clock.now()));
        let own = parts.own.clone();
        let task = tokio::spawn(keeper::Keeper::new(parts, asked, tell).run());
        Self { asks, pulse, own, task: Arc::new(std::sync::Mutex::new(Some(task))) }
    }

    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.pulse.borrow().clone()
    }

    /// Follows the pulse: for those who wait for a state of it.
    #[must_use]
    pub fn watch(&self) -> watched::Receiver<Pulse> {
        self.pulse.clone()
    }

    #[must_use]
    pub fn own_acts(&self) -> &OwnActs {
        &self.own
    }

    /// Returns once a look at the container that began after this call is committed, or the loop has ended.
    pub async fn look(&self, id: &ContainerId) {
        let (reply, done) = oneshot::channel();
        if self.asks.send(Ask::Look(id.clone(), reply)).await.is_ok() {
            let _ = done.await;
        }
    }

    pub async fn pass_every(&self, period: Duration) {
        let _ = self.asks.send(Ask::PassEvery(period)).await;
    }

    /// Returns once the first pass is through or the engine turned out to be out of reach.
    pub async fn settled(&self) -> Pulse {
        let mut pulse = self.pulse.clone();
        let settled = pulse.wait_for(Pulse::is_settled).await.map(|p| p.clone());
        settled.unwrap_or_else(|_| self.pulse())
    }

    /// Writes what lives in memory, and ends the loop.
    pub async fn stop(&self) {
        let (reply, done) = oneshot::channel();
        if self.asks.send(Ask::Stop(reply)).await.is_ok() {
            let _ = done.await;
        }
        let task = self.task.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }

    /// Whether the loop still runs: it ends only by [`Reconciler::stop`], or by a fault of ours.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !self.asks.is_closed()
    }
}
