//! The tables `stale_wishes`, `stale_thresholds` and `stale_announced`: what is remembered of stale containers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, Row as SqlRow, params};

use super::error::{During as _, Sql, StoreError};
use super::event_log::{self, Happening};
use super::executor::Done;
use super::words::{Columns as _, time_text};
use super::{Store, containers, workloads};
use crate::events::{Event, NewlyStale};
use crate::rules::ids::{ContainerId, EngineId, WorkloadId};
use crate::rules::row::Row;
use crate::rules::stale::Wishes;

const READ: &str = "reading what is remembered of stale containers";
const WISH: &str = "writing what is wished for a container";
const ANNOUNCE: &str = "noting what has become stale";

/// Names of containers that one sentence holds; the rest is counted.
const NAMED: usize = 5;

/// The most days that a threshold may have, as the setting's.
const MOST_DAYS: u32 = 3650;

/// A container as these tables name it: by its id; a row that has none, by the row's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StaleKey(String);

impl StaleKey {
    #[must_use]
    pub fn of(row: &Row) -> Self {
        Self(row.container_id.as_ref().map_or(row.id.as_str(), ContainerId::as_str).to_owned())
    }
}

/// All that is remembered, of one engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaleMemory {
    wishes: BTreeMap<StaleKey, Wishes>,
    thresholds: BTreeMap<WorkloadId, u32>,
    announced: BTreeMap<StaleKey, Timestamp>,
}

impl StaleMemory {
    #[must_use]
    pub fn wishes(&self, row: &Row) -> Wishes {
        self.wishes.get(&StaleKey::of(row)).copied().unwrap_or_default()
    }

    /// The workload's own threshold, in days.
    #[must_use]
    pub fn threshold(&self, workload: Option<&WorkloadId>) -> Option<u32> {
        workload.and_then(|id| self.thresholds.get(id)).copied()
    }

    /// Whether it was announced that it has stood still since then.
    #[must_use]
    pub fn was_announced(&self, row: &Row, since: Timestamp) -> bool {
        self.announced.get(&StaleKey::of(row)) == Some(&since)
    }

    /// Whether something was announced of a container that is not among these.
    #[must_use]
    pub fn outlives(&self, rows: &[Row]) -> bool {
        let there: BTreeSet<StaleKey> = rows.iter().map(StaleKey::of).collect();
        self.announced.keys().any(|key| !there.contains(key))
    }
}

/// What a user wants for a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Never stale.
    Pin,
    Unpin,
    /// Not before that moment; then it is announced anew.
    SnoozeUntil(Timestamp),
}

impl Store {
    pub async fn stale_memory(&self, engine: &EngineId) -> Result<StaleMemory, StoreError> {
        let engine = engine.clone();
        self.executor().read(READ, move |db| memory(db, &engine).during(READ)).await
    }

    pub async fn wish(
        &self,
        engine: &EngineId,
        containers: Vec<StaleKey>,
        wish: Wish,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let engine = engine.clone();
        let write = move |db: &rusqlite::Transaction<'_>| {
            for container in &containers {
                fulfil(db, &engine, container, wish, now).during(WISH)?;
            }
            Ok(Done::quietly(()))
        };
        self.executor().write(WISH, write).await
    }

    /// `None` gives the workload back to the setting.
    pub async fn set_stale_threshold(
        &self,
        workload: &WorkloadId,
        days: Option<u32>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SET: &str = "writing a workload's threshold";
        let workload = workload.clone();
        let write = move |db: &rusqlite::Transaction<'_>| {
            if !workloads::all(db).during(SET)?.contains_key(&workload) {
                return Err(StoreError::Conflict(format!("there is no workload {workload}")));
            }
            if let Some(days) = days.filter(|days| *days > MOST_DAYS) {
                return Err(StoreError::BadSetting {
                    key: "the threshold of a workload".to_owned(),
                    value: days.to_string(),
                    allowed: format!("a whole number from 0 to {MOST_DAYS} is allowed"),
                });
            }
            set_threshold(db, &workload, days, now).during(SET).map(Done::quietly)
        };
        self.executor().write(SET, write).await
    }

    /// Remembers what is announced, says it in the event log and on the bus, and forgets the containers that are gone:
    /// all of it or nothing. Where nothing is new, only that.
    pub async fn announce_stale(&self, found: NewlyStale) -> Result<(), StoreError> {
        self.executor().write(ANNOUNCE, move |db| announce(db, found).during(ANNOUNCE)).await
    }
}

fn memory(db: &Connection, engine: &EngineId) -> Sql<StaleMemory> {
    let mut memory = StaleMemory::default();
    let mut wishes =
        db.prepare_cached("SELECT container, wish, at, until_at FROM stale_wishes WHERE engine_id = ?1")?;
    let mut rows = wishes.query([engine.as_str()])?;
    while let Some(row) = rows.next()? {
        let of = memory.wishes.entry(key(row)?).or_default();
        match row.get::<_, String>("wish")?.as_str() {
            "pin" => of.pinned_at = Some(row.time("at")?),
            _ => of.snoozed_until = row.maybe_time("until_at")?,
        }
    }
    memory.thresholds = db
        .prepare_cached("SELECT workload_id, days FROM stale_thresholds")?
        .query_map([], |row| Ok((WorkloadId::new(row.get::<_, String>(0)?), row.get(1)?)))?
        .collect::<Sql<_>>()?;
    memory.announced = db
        .prepare_cached("SELECT container, since FROM stale_announced WHERE engine_id = ?1")?
        .query_map([engine.as_str()], |row| Ok((key(row)?, row.time("since")?)))?
        .collect::<Sql<_>>()?;
    Ok(memory)
}

fn key(row: &SqlRow<'_>) -> Sql<StaleKey> {
    row.get("container").map(StaleKey)
}

fn fulfil(db: &Connection, engine: &EngineId, of: &StaleKey, wish: Wish, now: Timestamp) -> Sql<()> {
    let (engine, container) = (engine.as_str(), of.0.as_str());
    match wish {
        Wish::Unpin => {
            db.prepare_cached(
                "DELETE FROM stale_wishes WHERE engine_id = ?1 AND container = ?2 AND wish = 'pin'",
            )?
            .execute([engine, container])?;
        }
        Wish::Pin => {
            // One that is pinned stays so since it was.
            db.prepare_cached(
                "INSERT OR IGNORE INTO stale_wishes (engine_id, container, wish, at) VALUES (?1, ?2, 'pin', ?3)",
            )?
            .execute(params![engine, container, time_text(now)])?;
        }
        Wish::SnoozeUntil(until) => {
            db.prepare_cached(
                "INSERT OR REPLACE INTO stale_wishes (engine_id, container, wish, at, until_at)
                 VALUES (?1, ?2, 'snooze', ?3, ?4)",
            )?
            .execute(params![engine, container, time_text(now), time_text(until)])?;
            db.prepare_cached("DELETE FROM stale_announced WHERE engine_id = ?1 AND container = ?2")?
                .execute([engine, container])?;
        }
    }
    Ok(())
}

fn set_threshold(db: &Connection, workload: &WorkloadId, days: Option<u32>, now: Timestamp) -> Sql<()> {
    match days {
        None => db
            .prepare_cached("DELETE FROM stale_thresholds WHERE workload_id = ?1")?
            .execute([workload.as_str()])?,
        Some(days) => db
            .prepare_cached(
                "INSERT OR REPLACE INTO stale_thresholds (workload_id, days, at) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![workload.as_str(), days, time_text(now)])?,
    };
    Ok(())
}

fn announce(db: &Connection, found: NewlyStale) -> Sql<Done<()>> {
    let engine = &found.engine_id;
    let there: BTreeSet<StaleKey> = containers::of_engine(db, engine)?.iter().map(StaleKey::of).collect();
    let known = memory(db, engine)?.announced;
    for StaleKey(gone) in known.into_keys().filter(|key| !there.contains(key)) {
        db.prepare_cached("DELETE FROM stale_announced WHERE engine_id = ?1 AND container = ?2")?
            .execute([engine.as_str(), gone.as_str()])?;
    }
    if found.containers.is_empty() {
        return Ok(Done::quietly(()));
    }
    for one in &found.containers {
        db.prepare_cached(
            "INSERT OR REPLACE INTO stale_announced (engine_id, container, since, at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![engine.as_str(), one.key().0, time_text(one.since), time_text(found.at)])?;
    }
    event_log::append(db, &happening(&found))?;
    Ok(Done { answer: (), announce: vec![Event::NewlyStale(Arc::new(found))] })
}

impl crate::events::NewlyStaleContainer {
    fn key(&self) -> StaleKey {
        StaleKey(self.container_id.as_ref().map_or(self.row_id.as_str(), ContainerId::as_str).to_owned())
    }
}

fn happening(found: &NewlyStale) -> Happening {
    let names: Vec<&str> = found.containers.iter().map(|one| one.name.as_str()).collect();
    let text = match names.as_slice() {
        [one] => format!("{one} has become stale"),
        [all @ .., last] if names.len() <= NAMED => {
            format!("{} and {last} have become stale", all.join(", "))
        }
        _ => {
            let (first, rest) = names.split_at(NAMED.min(names.len()));
            format!("{} and {} more have become stale", first.join(", "), rest.len())
        }
    };
    Happening {
        at: found.at,
        kind: "newly_stale".to_owned(),
        subject: found.engine_id.to_string(),
        text,
        detail: [("containers".to_owned(), names.len().to_string())].into(),
    }
}
