//! The tables `notices`, `notices_told`, `notice_mutes`, `notice_pause` and `notice_birth`: what users were told without
//! having asked, and what they want to hear.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::Store;
use super::error::{During as _, Sql, StoreError};
use super::executor::Done;
use super::words::{Columns as _, time_text};
use crate::events::Event;
use crate::rules::ids::{RowId, WorkloadId};
use crate::rules::notice::mute::{Mutes, Scope};
use crate::rules::notice::policy::{Memory, Pause, Sent, Telling, Told};
use crate::rules::notice::{Notice, NoticeKind};

const READ: &str = "reading the notices";
const TELL: &str = "writing what is told";
const WISH: &str = "writing what is to be told";

/// Notices that are kept: months of a calm machine, a day of a bad one.
const KEPT: u32 = 500;
/// The policy counts what was told within it.
const COUNTED: SignedDuration = SignedDuration::from_hours(1);

/// What users want to hear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoticeWishes {
    pub pause: Option<Pause>,
    pub mutes: Mutes,
}

impl Store {
    /// What the policy starts from. The first call ever notes that this database knows of notices from now on.
    pub async fn notice_memory(&self, now: Timestamp) -> Result<Memory, StoreError> {
        let known = self.executor().read(READ, |db| birth(db).during(READ)).await?;
        if known.is_none() {
            let write =
                move |db: &rusqlite::Transaction<'_>| be_born(db, now).during(TELL).map(Done::quietly);
            self.executor().write(TELL, write).await?;
        }
        self.executor().read(READ, move |db| memory(db, now).during(READ)).await
    }

    /// Remembers all that came of one look, and announces its notices: all of it or nothing.
    pub async fn tell(&self, telling: &Telling, now: Timestamp) -> Result<(), StoreError> {
        let telling = telling.clone();
        self.executor().write(TELL, move |db| tell(db, &telling, now).during(TELL)).await
    }

    /// The latest notices, newest first.
    pub async fn notices(&self, limit: u32) -> Result<Vec<Notice>, StoreError> {
        self.executor().read(READ, move |db| latest(db, limit).during(READ)).await
    }

    pub async fn notice_wishes(&self) -> Result<NoticeWishes, StoreError> {
        let read = |db: &Connection| Ok(NoticeWishes { pause: pause(db)?, mutes: mutes(db)? });
        self.executor().read(READ, move |db| read(db).during(READ)).await
    }

    /// Nothing is told until then; a moment that is over ends a pause.
    pub async fn pause_notices(&self, until: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        let write = move |db: &rusqlite::Transaction<'_>| {
            db.prepare_cached(
                "INSERT INTO notice_pause (one, until_at, at) VALUES (1, ?1, ?2)
                 ON CONFLICT (one) DO UPDATE SET until_at = excluded.until_at, at = excluded.at",
            )?
            .execute([time_text(until), time_text(now)])?;
            Ok(wishes_changed())
        };
        self.executor().write(WISH, move |db| write(db).during(WISH)).await
    }

    /// Ends a pause, where there is one.
    pub async fn resume_notices(&self, now: Timestamp) -> Result<(), StoreError> {
        let write = move |db: &rusqlite::Transaction<'_>| {
            let ended = db
                .prepare_cached("UPDATE notice_pause SET until_at = ?1 WHERE until_at > ?1")?
                .execute([time_text(now)])?;
            Ok(if ended == 0 { Done::quietly(()) } else { wishes_changed() })
        };
        self.executor().write(WISH, move |db| write(db).during(WISH)).await
    }

    pub async fn mute_notices(&self, scope: Scope, muted: bool, now: Timestamp) -> Result<(), StoreError> {
        self.executor().write(WISH, move |db| set_mute(db, scope, muted, now).during(WISH)).await
    }
}

fn wishes_changed() -> Done<()> {
    Done { answer: (), announce: vec![Event::NoticeRulesChanged] }
}

fn birth(db: &Connection) -> Sql<Option<Timestamp>> {
    db.prepare_cached("SELECT known_from FROM notice_birth")?
        .query_row([], |row| row.time("known_from"))
        .optional()
}

fn be_born(db: &Connection, now: Timestamp) -> Sql<()> {
    db.prepare_cached("INSERT OR IGNORE INTO notice_birth (one, known_from) VALUES (1, ?1)")?
        .execute([time_text(now)])?;
    Ok(())
}

fn memory(db: &Connection, now: Timestamp) -> Sql<Memory> {
    let since = now.checked_sub(COUNTED).unwrap_or(Timestamp::MIN);
    let sent = db
        .prepare_cached("SELECT notice FROM notices WHERE at >= ?1 ORDER BY id")?
        .query_map([time_text(since)], |row| row.json::<Notice, _>("notice"))?
        .map(|notice| notice.map(|notice| Sent::of(&notice)))
        .collect::<Sql<_>>()?;
    let last_id: i64 =
        db.prepare_cached("SELECT coalesce(max(id), 0) FROM notices")?.query_row([], |row| row.get(0))?;
    let mut told = db.prepare_cached("SELECT row_id, kind, since, at FROM notices_told")?;
    let told = told
        .query_map([], |row| {
            let kind = NoticeKind::parse(&row.get::<_, String>("kind")?);
            let told = Told { since: row.time("since")?, at: row.time("at")? };
            Ok(kind.map(|kind| Ok(((RowId::new(row.get::<_, String>("row_id")?), kind), told))))
        })?
        .filter_map(|one| one.unwrap_or_else(|error| Some(Err(error))))
        .collect::<Sql<_>>()?;
    Ok(Memory {
        known_from: birth(db)?.unwrap_or(now),
        next_id: u64::try_from(last_id).unwrap_or_default() + 1,
        told,
        sent,
        pause: pause(db)?,
        mutes: mutes(db)?,
    })
}

fn latest(db: &Connection, limit: u32) -> Sql<Vec<Notice>> {
    db.prepare_cached("SELECT notice FROM notices ORDER BY id DESC LIMIT ?1")?
        .query_map([limit], |row| row.json("notice"))?
        .collect()
}

fn pause(db: &Connection) -> Sql<Option<Pause>> {
    db.prepare_cached("SELECT until_at, unheard FROM notice_pause")?
        .query_row([], |row| Ok(Pause { until: row.time("until_at")?, unheard: row.get("unheard")? }))
        .optional()
}

fn mutes(db: &Connection) -> Sql<Mutes> {
    let mut found = db.prepare_cached("SELECT workload_id, kind, muted FROM notice_mutes")?;
    let found = found.query_map([], |row| {
        let (workload, kind): (String, String) = (row.get("workload_id")?, row.get("kind")?);
        let workload = (!workload.is_empty()).then(|| WorkloadId::new(workload));
        Ok((workload, kind, row.get::<_, bool>("muted")?))
    })?;
    let mut wishes = vec![];
    for one in found {
        let (workload, kind, muted) = one?;
        // A kind that this version does not know mutes nothing.
        match NoticeKind::parse(&kind) {
            None if !kind.is_empty() => {}
            kind => wishes.push((Scope { workload, kind }, muted)),
        }
    }
    Ok(Mutes::of(wishes))
}

fn set_mute(db: &Connection, scope: Scope, muted: bool, now: Timestamp) -> Sql<Done<()>> {
    let before = mutes(db)?;
    let mut after = before.clone();
    after.set(scope, muted);
    if after == before {
        return Ok(Done::quietly(()));
    }
    db.execute("DELETE FROM notice_mutes", [])?;
    for (scope, muted) in after.iter() {
        db.prepare_cached("INSERT INTO notice_mutes (workload_id, kind, muted, at) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                scope.workload.as_ref().map_or("", WorkloadId::as_str),
                scope.kind.map_or("", NoticeKind::as_str),
                muted,
                time_text(now)
            ])?;
    }
    Ok(wishes_changed())
}

fn tell(db: &Connection, telling: &Telling, now: Timestamp) -> Sql<Done<()>> {
    for (row, kind) in &telling.forgotten {
        db.prepare_cached("DELETE FROM notices_told WHERE row_id = ?1 AND ?2 IN ('', kind)")?
            .execute([row.as_str(), kind.map_or("", NoticeKind::as_str)])?;
    }
    for (row, kind, told) in &telling.told {
        db.prepare_cached(
            "INSERT OR REPLACE INTO notices_told (row_id, kind, since, at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![row.as_str(), kind.as_str(), time_text(told.since), time_text(told.at)])?;
    }
    for notice in &telling.notices {
        let document = serde_json::to_string(notice)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        db.prepare_cached("INSERT INTO notices (id, at, kind, notice) VALUES (?1, ?2, ?3, ?4)")?.execute(
            params![
                i64::try_from(notice.id).unwrap_or(i64::MAX),
                time_text(notice.at),
                notice.kind.as_str(),
                document
            ],
        )?;
    }
    if !telling.notices.is_empty() {
        db.prepare_cached(
            "DELETE FROM notices WHERE id <= (SELECT id FROM notices ORDER BY id DESC LIMIT 1 OFFSET ?1)",
        )?
        .execute([KEPT])?;
    }
    let paused = tell_the_pause(db, telling, now)?;
    let noticed = telling.notices.iter().map(|notice| Event::Noticed(Arc::new(notice.clone())));
    Ok(Done { answer: (), announce: noticed.chain(paused.then_some(Event::NoticeRulesChanged)).collect() })
}

/// Whether a pause is over by it. One that was made longer meanwhile is not.
fn tell_the_pause(db: &Connection, telling: &Telling, now: Timestamp) -> Sql<bool> {
    if telling.unheard > 0 {
        db.prepare_cached("UPDATE notice_pause SET unheard = unheard + ?1")?.execute([telling.unheard])?;
    }
    if telling.pause_over.is_none() {
        return Ok(false);
    }
    let ended =
        db.prepare_cached("DELETE FROM notice_pause WHERE until_at <= ?1")?.execute([time_text(now)])?;
    Ok(ended > 0)
}
