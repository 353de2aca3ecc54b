//! The tables `outgoing_webhook` and `outgoing_deliveries`: where notices are sent to, and what came of each.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow, params};

use super::Store;
use super::error::{During as _, Sql, StoreError};
use super::executor::Done;
use super::words::{Columns as _, time_text};
use crate::rules::outgoing::Then;
use crate::rules::secret::Sealed;

/// How many deliveries are remembered, those that wait among them.
const KEPT: u32 = 200;

const READ: &str = "reading the outgoing webhook";
const SET: &str = "writing the outgoing webhook";
const DELIVER: &str = "writing what was sent";

/// Where notices are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingWebhook {
    /// Scheme, host and port: what may be shown.
    pub origin: String,
    pub url: Sealed,
    /// What is signed with; `None` where nothing is.
    pub secret: Option<Sealed>,
    pub set_at: Timestamp,
}

/// Something to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    pub id: String,
    pub event: String,
    pub title: String,
    /// JSON: what is said, without what differs from try to try.
    pub letter: String,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    Waiting,
    Delivered,
    GivenUp,
}

impl DeliveryState {
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::GivenUp];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
        }
    }
}

/// What is or was to be sent, and how far that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub id: String,
    pub event: String,
    pub title: String,
    pub letter: String,
    pub at: Timestamp,
    pub state: DeliveryState,
    pub attempts: u32,
    /// While it waits.
    pub next_at: Option<Timestamp>,
    /// The last try; `None` before the first.
    pub tried: Option<Try>,
}

/// What came of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    pub at: Timestamp,
    pub status: Option<u16>,
    pub latency_ms: Option<u32>,
    /// In our words; `None` where it was accepted.
    pub error: Option<String>,
}

impl Store {
    pub async fn outgoing_webhook(&self) -> Result<Option<OutgoingWebhook>, StoreError> {
        self.executor().read(READ, |db| webhook(db).during(READ)).await
    }

    /// In the place of any other. What waits is tried again at once.
    pub async fn set_outgoing_webhook(&self, webhook: OutgoingWebhook) -> Result<(), StoreError> {
        let write = move |db: &rusqlite::Transaction<'_>| set(db, &webhook).during(SET).map(Done::quietly);
        self.executor().write(SET, write).await
    }

    /// Nothing is sent any more; what waits is given up. Answers whether there was one.
    pub async fn remove_outgoing_webhook(&self, now: Timestamp) -> Result<bool, StoreError> {
        let write = move |db: &rusqlite::Transaction<'_>| remove(db, now).during(SET).map(Done::quietly);
        self.executor().write(SET, write).await
    }

    /// To be sent at once. Nothing happens where there is no webhook, or one with that id is known. Answers whether it
    /// was written.
    pub async fn queue_delivery(&self, new: NewDelivery) -> Result<bool, StoreError> {
        let write = move |db: &rusqlite::Transaction<'_>| queue(db, &new).during(DELIVER).map(Done::quietly);
        self.executor().write(DELIVER, write).await
    }

    /// What came of a try, and what follows.
    pub async fn note_try(&self, id: &str, tried: Try, then: Then) -> Result<(), StoreError> {
        let id = id.to_owned();
        let write = move |db: &rusqlite::Transaction<'_>| {
            note(db, &id, &tried, then).during(DELIVER).map(Done::quietly)
        };
        self.executor().write(DELIVER, write).await
    }

    /// Of one that was sent at once and is not tried again.
    pub async fn keep_receipt(&self, new: NewDelivery, tried: Try, accepted: bool) -> Result<(), StoreError> {
        let write = move |db: &rusqlite::Transaction<'_>| {
            let then = if accepted { Then::Delivered } else { Then::GivenUp };
            queue(db, &new).and_then(|_| note(db, &new.id, &tried, then)).during(DELIVER).map(Done::quietly)
        };
        self.executor().write(DELIVER, write).await
    }

    /// The one that waits and comes next.
    pub async fn next_delivery(&self) -> Result<Option<Delivery>, StoreError> {
        self.executor().read(READ, |db| next(db).during(READ)).await
    }

    /// The latest deliveries, newest first.
    pub async fn deliveries(&self, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        self.executor().read(READ, move |db| latest(db, limit).during(READ)).await
    }

    /// How many wait.
    pub async fn deliveries_waiting(&self) -> Result<u64, StoreError> {
        const COUNT: &str = "SELECT count(*) FROM outgoing_deliveries WHERE next_at IS NOT NULL";
        let count = |db: &Connection| db.prepare_cached(COUNT)?.query_row([], |row| row.count(0));
        self.executor().read(READ, move |db| count(db).during(READ)).await
    }
}

fn webhook(db: &Connection) -> Sql<Option<OutgoingWebhook>> {
    db.prepare_cached("SELECT origin, url, secret, at FROM outgoing_webhook")?
        .query_row([], |row| {
            Ok(OutgoingWebhook {
                origin: row.get("origin")?,
                url: Sealed::of(row.get("url")?),
                secret: row.get::<_, Option<Vec<u8>>>("secret")?.map(Sealed::of),
                set_at: row.time("at")?,
            })
        })
        .optional()
}

fn set(db: &Connection, new: &OutgoingWebhook) -> Sql<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO outgoing_webhook (id, origin, url, secret, at) VALUES (1, ?1, ?2, ?3, ?4)",
    )?
    .execute(params![
        new.origin,
        new.url.bytes(),
        new.secret.as_ref().map(Sealed::bytes),
        time_text(new.set_at)
    ])?;
    db.prepare_cached("UPDATE outgoing_deliveries SET next_at = ?1 WHERE next_at IS NOT NULL")?
        .execute([time_text(new.set_at)])?;
    Ok(())
}

fn remove(db: &Connection, now: Timestamp) -> Sql<bool> {
    let removed = db.prepare_cached("DELETE FROM outgoing_webhook")?.execute([])?;
    db.prepare_cached(
        "UPDATE outgoing_deliveries SET state = 'given_up', next_at = NULL, tried_at = ?1,
             error = 'the webhook was turned off' WHERE next_at IS NOT NULL",
    )?
    .execute([time_text(now)])?;
    Ok(removed > 0)
}

fn queue(db: &Connection, new: &NewDelivery) -> Sql<bool> {
    let written = db
        .prepare_cached(
            "INSERT OR IGNORE INTO outgoing_deliveries (delivery_id, event, title, letter, at, state, next_at)
             SELECT ?1, ?2, ?3, ?4, ?5, 'waiting', ?5 WHERE EXISTS (SELECT 1 FROM outgoing_webhook)",
        )?
        .execute(params![new.id, new.event, new.title, new.letter, time_text(new.at)])?;
    db.prepare_cached(
        "DELETE FROM outgoing_deliveries WHERE seq <= (SELECT max(seq) FROM outgoing_deliveries) - ?1",
    )?
    .execute([KEPT])?;
    Ok(written > 0)
}

/// One that was given up meanwhile, because the webhook was turned off, is not taken up again; that it was accepted is
/// noted all the same.
fn note(db: &Connection, id: &str, tried: &Try, then: Then) -> Sql<()> {
    let (state, next) = match then {
        Then::Delivered => (DeliveryState::Delivered, None),
        Then::GivenUp => (DeliveryState::GivenUp, None),
        Then::Again(wait) => {
            let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
            (DeliveryState::Waiting, Some(tried.at.saturating_add(wait).unwrap_or(tried.at)))
        }
    };
    db.prepare_cached(
        "UPDATE outgoing_deliveries SET attempts = attempts + 1, tried_at = ?2, status = ?3, latency_ms = ?4,
             error = ?5, state = ?6, next_at = ?7
         WHERE delivery_id = ?1 AND (state = 'waiting' OR ?6 = 'delivered')",
    )?
    .execute(params![
        id,
        time_text(tried.at),
        tried.status,
        tried.latency_ms,
        tried.error,
        state.as_str(),
        next.map(time_text)
    ])?;
    Ok(())
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT delivery_id, event, title, letter, at, state, attempts, next_at, tried_at, status, latency_ms, \
             error FROM outgoing_deliveries ",
            $rest
        )
    };
}

fn next(db: &Connection) -> Sql<Option<Delivery>> {
    db.prepare_cached(select!("WHERE next_at IS NOT NULL ORDER BY next_at, seq LIMIT 1"))?
        .query_row([], read)
        .optional()
}

fn latest(db: &Connection, limit: u32) -> Sql<Vec<Delivery>> {
    db.prepare_cached(select!("ORDER BY seq DESC LIMIT ?1"))?.query_map([limit], read)?.collect()
}

fn read(row: &SqlRow<'_>) -> Sql<Delivery> {
    let state: String = row.get("state")?;
    let tried_at = row.maybe_time("tried_at")?;
    let (status, latency_ms, error) = (row.get("status")?, row.get("latency_ms")?, row.get("error")?);
    Ok(Delivery {
        id: row.get("delivery_id")?,
        event: row.get("event")?,
        title: row.get("title")?,
        letter: row.get("letter")?,
        at: row.time("at")?,
        state: DeliveryState::ALL
            .into_iter()
            .find(|known| known.as_str() == state)
            .unwrap_or(DeliveryState::GivenUp),
        attempts: row.get("attempts")?,
        next_at: row.maybe_time("next_at")?,
        tried: tried_at.map(|at| Try { at, status, latency_ms, error }),
    })
}
