//! Tells users what deserves it: follows the index and the line to the engine, and lets the policy decide.
//!
//! *Expected flow.* A commit of the index, a change of the engine's line, a scan's digest or a user's wish is handed to
//! [`Policy`]; what is due is stored, and announced by that commit. Faces and the outgoing webhook hear
//! [`Event::Noticed`] and only draw or send it.
//!
//! *Guarantees.* Of what the index says nothing is told before it has been held against its engine twice since our
//! start. What cannot be stored is not told, and is due again a little later.
//!
//! *Assumptions.* A row that becomes bad or well again by nothing but time is announced by the reconciler.
//!
//! *Errors.* Without its memory the policy would repeat itself: it waits until that can be read.

pub mod webhook;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::warn;

use crate::clock::SharedClock;
use crate::events::{Bus, Event, Heard, NewlyStale};
use crate::rules::notice::policy::{Line, Policy, StaleOne};
use crate::store::{Store, StoreError};

/// After the database could not be read or written.
const AGAIN: Duration = Duration::from_secs(5);
/// The longest sleep: a wall clock that was set meanwhile is noticed after it.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// What keeps the index true, as far as this actor has to know.
#[async_trait]
pub trait Index: Send + Sync + 'static {
    fn line(&self) -> Line;
    /// Returns once two passes over one and the same engine have ended well since the call.
    async fn held_against_its_engine(&self);
}

/// What the actor works with.
pub struct Parts {
    pub store: Store,
    pub bus: Bus,
    pub clock: SharedClock,
    pub index: Arc<dyn Index>,
}

/// Listens until it is aborted.
#[must_use]
pub fn listen(parts: Parts) -> JoinHandle<()> {
    // Before anything is read: what is announced from now on is heard.
    let mut heard = parts.bus.subscribe();
    tokio::spawn(async move {
        let index = Arc::clone(&parts.index);
        let mut held = std::pin::pin!(index.held_against_its_engine());
        let mut held_already = false;
        let mut notifier = Notifier::begin(parts).await;
        loop {
            notifier.tell().await;
            let wake = notifier.next_wake();
            tokio::select! {
                heard = heard.next() => match heard {
                    Heard::Event(event) => notifier.hear(event).await,
                    Heard::Lagged(_) => notifier.look_around().await,
                    Heard::Closed => return,
                },
                () = &mut held, if !held_already => {
                    held_already = true;
                    notifier.policy.begin(notifier.now());
                }
                () = until(wake) => {}
            }
        }
    })
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(wake) => sleep_until(wake).await,
        None => pending().await,
    }
}

struct Notifier {
    parts: Parts,
    policy: Policy,
    /// Since a commit failed, nothing is tried before that.
    not_before: Option<Instant>,
}

impl Notifier {
    async fn begin(parts: Parts) -> Self {
        let policy = loop {
            match remembered(&parts).await {
                Ok(policy) => break policy,
                Err(error) => warn!("nothing is notified before it is known what was: {error}"),
            }
            sleep(AGAIN).await;
        };
        let mut notifier = Self { parts, policy, not_before: None };
        notifier.look_around().await;
        notifier
    }

    fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    async fn hear(&mut self, event: Event) {
        let now = self.now();
        match event {
            Event::IndexChanged(change) => {
                change.upserts.iter().for_each(|row| self.policy.hear(row, now));
                change.removals.iter().for_each(|row| self.policy.gone(row));
            }
            Event::StatusChanged => self.policy.engine(self.parts.index.line(), now),
            Event::NewlyStale(found) => self.policy.became_stale(stale_ones(&found)),
            Event::SettingChanged { .. } | Event::NoticeRulesChanged => self.read_wishes().await,
            Event::GapRecorded(_) | Event::Noticed(_) => {}
        }
    }

    /// At the start, and where too much was announced to hear all of it.
    async fn look_around(&mut self) {
        let now = self.now();
        self.policy.engine(self.parts.index.line(), now);
        self.read_wishes().await;
        match self.parts.store.containers(None).await {
            Ok(rows) => self.policy.hear_all(&rows, now),
            Err(error) => warn!("what is bad could not be read: {error}"),
        }
    }

    async fn read_wishes(&mut self) {
        let store = &self.parts.store;
        let wished =
            async { Ok::<_, StoreError>((store.typed_settings().await?, store.notice_wishes().await?)) };
        match wished.await {
            Ok((settings, wishes)) => self.policy.wished(settings.notifications, wishes.pause, wishes.mutes),
            Err(error) => warn!("what is to be notified could not be read: {error}"),
        }
    }

    async fn tell(&mut self) {
        let now = self.now();
        let must_wait = self.not_before.is_some_and(|not_before| Instant::now() < not_before);
        if must_wait {
            return;
        }
        if !self.policy.is_due(now) {
            self.not_before = None;
            return;
        }
        self.not_before = match self.tell_at(now).await {
            Ok(()) => None,
            Err(error) => {
                warn!("what is to be notified could not be written: {error}");
                Some(Instant::now() + AGAIN)
            }
        };
    }

    async fn tell_at(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let names = self.parts.store.workload_names().await?;
        let telling = self.policy.due(now, &names);
        if telling.is_to_be_stored() {
            self.parts.store.tell(&telling, now).await?;
        }
        self.policy.confirm(&telling, now);
        Ok(())
    }

    fn next_wake(&self) -> Option<Instant> {
        if self.not_before.is_some() {
            return self.not_before;
        }
        let now = self.now();
        let until = self.policy.next_wake(now)?;
        let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        Some(Instant::now() + wait.min(LONGEST_SLEEP))
    }
}

async fn remembered(parts: &Parts) -> Result<Policy, StoreError> {
    let now = parts.clock.now();
    let memory = parts.store.notice_memory(now).await?;
    let enabled = parts.store.typed_settings().await?.notifications;
    Ok(Policy::new(memory, enabled, now))
}

fn stale_ones(found: &NewlyStale) -> Vec<StaleOne> {
    let of_a_workload = found.containers.iter().filter_map(|one| {
        Some(StaleOne {
            row: one.row_id.clone(),
            workload: one.workload_id.clone()?,
            role: one.role.clone().unwrap_or_default(),
            days: one.days,
        })
    });
    of_a_workload.collect()
}
