//! The outgoing webhook: sends what is told to a receiver of the user's, signed, until it is accepted or given up.
//!
//! *Expected flow.* A notice is announced → it is written down as a delivery that waits → it is sent → what came of it is
//! written down, and when it is tried again.
//!
//! *Guarantees.* What was accepted is never sent again, and what waits is sent also after a restart. One is sent at a
//! time, so that a receiver is never flooded. A delivery has the same id in every try. No secret and no whole URL is in a
//! log, an event, an error or an answer.
//!
//! *Caveats.* A machine that stops after the receiver has accepted and before that is written sends once more; the
//! receiver tells it by the delivery's id. Only the latest deliveries are remembered.
//!
//! Reading order: this file, [`target`] (where it leads), [`post`] (how one is sent), [`failure`] (what may come of it).

pub mod failure;
pub mod post;
pub mod target;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::clock::SharedClock;
use crate::events::{Bus, Event, Heard, Subscriber};
use crate::rules::ids::RowId;
use crate::rules::notice::Notice;
use crate::rules::outgoing::{self, LONGEST_WAIT, Letter, Outcome, Then, then};
use crate::rules::secret::{Purpose, Secret};
use crate::secrets::{SecretsError, Vault};
use crate::store::{Delivery, NewDelivery, OutgoingWebhook, Store, StoreError, Try};
use failure::Failure;
use post::{Parcel, Post, Sent};
use target::Target;

/// Between two looks at what waits: the wall clock may have been set meanwhile.
const LOOK: Duration = Duration::from_secs(60);
/// After the database could not be read or written.
const TROUBLE: Duration = Duration::from_secs(5);

/// The outgoing webhook. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Outgoing {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    vault: Vault,
    clock: SharedClock,
    post: Arc<dyn Post>,
    /// Something may be due.
    due: Notify,
}

/// Why the webhook could not be set or used.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    #[error("no webhook is set; set one with: tinyforge notifications webhook set URL")]
    None,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// Sends as long as it is held.
pub struct Sending {
    _tasks: JoinSet<()>,
}

impl Outgoing {
    #[must_use]
    pub fn new(store: Store, vault: Vault, clock: SharedClock, post: Arc<dyn Post>) -> Self {
        Self { inner: Arc::new(Inner { store, vault, clock, post, due: Notify::new() }) }
    }

    /// Writes down what is told on this bus, and sends what waits, from now on.
    #[must_use]
    pub fn start(&self, bus: &Bus) -> Sending {
        let mut tasks = JoinSet::new();
        let inner = Arc::clone(&self.inner);
        tasks.spawn(async move { inner.keep_sending().await });
        let (outgoing, heard) = (self.clone(), bus.subscribe());
        tasks.spawn(async move { outgoing.keep_listening(heard).await });
        Sending { _tasks: tasks }
    }

    async fn keep_listening(&self, mut heard: Subscriber) {
        loop {
            match heard.next().await {
                Heard::Event(Event::Noticed(notice)) => {
                    if let Err(error) = self.tell(&notice).await {
                        tracing::warn!(
                            notice = notice.id,
                            "a notice was not written down to be sent: {error}"
                        );
                    }
                }
                Heard::Event(
                    Event::IndexChanged(_)
                    | Event::GapRecorded(_)
                    | Event::NewlyStale(_)
                    | Event::StatusChanged
                    | Event::SettingChanged { .. }
                    | Event::NoticeRulesChanged,
                ) => {}
                Heard::Lagged(missed) => {
                    tracing::warn!(missed, "so much happened at once that notices may not have been sent");
                }
                Heard::Closed => return,
            }
        }
    }

    async fn tell(&self, notice: &Notice) -> Result<(), StoreError> {
        if self.inner.store.outgoing_webhook().await?.is_none() {
            return Ok(());
        }
        let rows = self.inner.store.containers(None).await?;
        let name_of = |id: &RowId| rows.iter().find(|row| row.id == *id).map(|row| row.facts.name.clone());
        let containers = notice.row_ids.iter().filter_map(name_of).collect();
        self.queue(&Letter::of(notice, containers, host_name())).await
    }

    /// In the place of any other.
    pub async fn set(&self, target: &Target, secret: Option<&Secret>) -> Result<(), OutgoingError> {
        let vault = &self.inner.vault;
        let url = vault.seal(&Secret::new(target.reveal()), Purpose::OutgoingUrl).await?;
        let secret = match secret {
            Some(secret) => Some(vault.seal(secret, Purpose::OutgoingSecret).await?),
            None => None,
        };
        let webhook =
            OutgoingWebhook { origin: target.origin(), url, secret, set_at: self.inner.clock.now() };
        self.inner.store.set_outgoing_webhook(webhook).await?;
        self.inner.due.notify_one();
        Ok(())
    }

    /// Writes a letter down, to be sent at once and until it is accepted.
    pub async fn queue(&self, letter: &Letter) -> Result<(), StoreError> {
        let new = self.inner.delivery(letter);
        if self.inner.store.queue_delivery(new).await? {
            self.inner.due.notify_one();
        }
        Ok(())
    }

    /// Sends a letter now, once, and keeps the receipt.
    pub async fn try_now(&self, letter: &Letter) -> Result<Sent, OutgoingError> {
        let inner = &self.inner;
        let webhook = inner.store.outgoing_webhook().await?.ok_or(OutgoingError::None)?;
        let new = inner.delivery(letter);
        let delivery = Delivery {
            id: new.id.clone(),
            event: new.event.clone(),
            title: new.title.clone(),
            letter: new.letter.clone(),
            at: new.at,
            state: crate::store::DeliveryState::Waiting,
            attempts: 0,
            next_at: None,
            tried: None,
        };
        let sent = inner.send(&webhook, &delivery).await;
        inner.store.keep_receipt(new, tried(&sent, inner.clock.now()), sent.outcome.is_ok()).await?;
        Ok(sent)
    }
}

impl Inner {
    fn delivery(&self, letter: &Letter) -> NewDelivery {
        NewDelivery {
            id: new_id(),
            event: letter.event.clone(),
            title: letter.title.clone(),
            letter: serde_json::to_string(letter).unwrap_or_else(|_| "{}".to_owned()),
            at: self.clock.now(),
        }
    }

    async fn keep_sending(&self) {
        loop {
            let wait = match self.send_next().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!("the outgoing webhook waits for the database: {error}");
                    Some(TROUBLE)
                }
            };
            tokio::select! {
                () = self.due.notified() => {}
                () = pause(wait) => {}
            }
        }
    }

    /// Sends the one that comes next, if it is due. Answers how long to wait before looking again; for ever, where
    /// nothing waits.
    async fn send_next(&self) -> Result<Option<Duration>, StoreError> {
        let Some(next) = self.store.next_delivery().await? else { return Ok(None) };
        let now = self.clock.now();
        if let Some(wait) = next.next_at.and_then(|at| time_until(at, now)) {
            return Ok(Some(wait.min(LOOK)));
        }
        // What waits is given up with the webhook: there is none only between the two looks.
        let Some(webhook) = self.store.outgoing_webhook().await? else { return Ok(Some(TROUBLE)) };
        let sent = self.send(&webhook, &next).await;
        self.note(&next, &sent).await;
        Ok(Some(Duration::ZERO))
    }

    async fn send(&self, webhook: &OutgoingWebhook, delivery: &Delivery) -> Sent {
        match self.parcel(webhook, delivery).await {
            Ok(parcel) => self.post.send(&parcel).await,
            Err(failure) => Sent { outcome: Err(failure), took: Duration::ZERO },
        }
    }

    async fn parcel(&self, webhook: &OutgoingWebhook, delivery: &Delivery) -> Result<Parcel, Failure> {
        let sealed = |error: SecretsError| Failure::Sealed(error.to_string());
        let url = self.vault.open(&webhook.url, Purpose::OutgoingUrl).await.map_err(sealed)?;
        let target = Target::parse(url.reveal()).map_err(|error| Failure::NotSent(error.to_string()))?;
        let secret = match &webhook.secret {
            Some(secret) => Some(self.vault.open(secret, Purpose::OutgoingSecret).await.map_err(sealed)?),
            None => None,
        };
        let sent_at = self.clock.now();
        let body = outgoing::body(&delivery.letter, &delivery.id, sent_at);
        let body = body.ok_or_else(|| Failure::NotSent("its text is damaged".to_owned()))?;
        Ok(Parcel {
            target,
            secret,
            event: delivery.event.clone(),
            delivery: delivery.id.clone(),
            sent_at,
            body,
        })
    }

    /// Until it is written: what was accepted must not be sent again.
    async fn note(&self, delivery: &Delivery, sent: &Sent) {
        let outcome = match &sent.outcome {
            Ok(status) => Outcome::Answered { status: *status, retry_after: None },
            Err(failure) => failure.outcome(),
        };
        let then = then(outcome, delivery.attempts.saturating_add(1));
        if let Err(failure) = &sent.outcome {
            let goes_on = if then == Then::GivenUp { "given up" } else { "tried again later" };
            tracing::warn!(
                delivery = delivery.id,
                "a notice was not delivered, {goes_on}: {}",
                failure.text()
            );
        }
        let tried = tried(sent, self.clock.now());
        loop {
            match self.store.note_try(&delivery.id, tried.clone(), then).await {
                Ok(()) | Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::warn!(delivery = delivery.id, "what was sent could not be written: {error}");
                    sleep(TROUBLE).await;
                }
            }
        }
    }
}

/// `None` where it has come; also where the clock was set back so far that it would not come for longer than any wait.
fn time_until(at: Timestamp, now: Timestamp) -> Option<Duration> {
    let wait = Duration::try_from(at.duration_since(now)).ok()?;
    (!wait.is_zero() && wait <= LONGEST_WAIT).then_some(wait)
}

async fn pause(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}

fn tried(sent: &Sent, at: Timestamp) -> Try {
    let (status, error) = match &sent.outcome {
        Ok(status) => (Some(*status), None),
        Err(failure) => (failure.status(), Some(failure.text())),
    };
    let latency = status.map(|_| u32::try_from(sent.took.as_millis()).unwrap_or(u32::MAX));
    Try { at, status, latency_ms: latency, error }
}

/// In the form of a random UUID.
fn new_id() -> String {
    let random = fastrand::u128(..);
    let versioned = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{versioned:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// What this machine is called, for a receiver that hears of several.
#[must_use]
pub fn host_name() -> String {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").unwrap_or_default();
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_form_of_a_random_uuid_and_none_comes_twice() {
        let ids: std::collections::BTreeSet<String> = (0..1_000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 1_000);
        for id in ids {
            let shape: String = id.chars().map(|c| if c.is_ascii_hexdigit() { 'x' } else { c }).collect();
            assert_eq!(shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "{id}");
            assert_eq!(&id[14..15], "4", "{id}");
            assert!("89ab".contains(&id[19..20]), "{id}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_wait_for_days() {
        let at = |seconds: i64| Timestamp::from_second(1_790_000_000 + seconds).unwrap();
        assert_eq!(time_until(at(5), at(0)), Some(Duration::from_secs(5)));
        assert_eq!(time_until(at(0), at(0)), None);
        assert_eq!(time_until(at(0), at(9)), None);
        assert_eq!(time_until(at(86_400 * 30), at(0)), None);
    }
}
