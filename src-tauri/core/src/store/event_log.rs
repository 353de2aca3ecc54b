//! The table `event_log`: what happened besides containers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::error::Sql;
use super::words::{Columns as _, map_text, time_text};

/// One happening: the engine went and came back, the daemon started, a backup was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    pub at: Timestamp,
    /// One word for programs: `engine_away`, `backup`.
    pub kind: String,
    /// What it happened to; may be empty.
    pub subject: String,
    /// One sentence for people.
    pub text: String,
    pub detail: BTreeMap<String, String>,
}

pub(super) fn append(db: &Connection, happening: &Happening) -> Sql<u64> {
    db.prepare_cached("INSERT INTO event_log (at, kind, subject, text, detail) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![
            time_text(happening.at),
            happening.kind,
            happening.subject,
            happening.text,
            map_text(&happening.detail)
        ])?;
    Ok(u64::try_from(db.last_insert_rowid()).unwrap_or(0))
}

/// The latest ones, oldest first, each with its place in the order of writing.
pub(super) fn latest(db: &Connection, limit: u32) -> Sql<Vec<(u64, Happening)>> {
    let mut found = db
        .prepare_cached(
            "SELECT seq, at, kind, subject, text, detail FROM event_log ORDER BY seq DESC LIMIT ?1",
        )?
        .query_map([limit], |row| {
            let happening = Happening {
                at: row.time("at")?,
                kind: row.get("kind")?,
                subject: row.get("subject")?,
                text: row.get("text")?,
                detail: row.json("detail")?,
            };
            Ok((row.count("seq")?, happening))
        })?
        .collect::<Sql<Vec<_>>>()?;
    found.reverse();
    Ok(found)
}

/// Those of before, and those beyond so many.
const OLD: &str = "FROM event_log WHERE at < ?1 OR seq <= (SELECT max(seq) FROM event_log) - ?2";

pub(super) fn any_before(db: &Connection, until: Timestamp, most: u32) -> Sql<bool> {
    db.prepare_cached(&format!("SELECT 1 {OLD}"))?.exists(params![time_text(until), most])
}

pub(super) fn remove_before(db: &Connection, until: Timestamp, most: u32) -> Sql<()> {
    db.prepare_cached(&format!("DELETE {OLD}"))?.execute(params![time_text(until), most])?;
    Ok(())
}
