//! The table `last_words`: what a container's program wrote last before it ended. One entry for a row; it goes with it.

use rusqlite::{Connection, params};

use super::error::Sql;
use super::words::time_text;
use crate::rules::ids::{ContainerId, RowId};
use crate::rules::row::LastWords;

/// In the place of what was kept of an earlier end.
pub(super) fn keep(db: &Connection, row: &RowId, container: &ContainerId, words: &LastWords) -> Sql<()> {
    db.prepare_cached(
        "INSERT INTO last_words (row_id, of_container, run_ended_at, said) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (row_id) DO UPDATE SET of_container = excluded.of_container,
             run_ended_at = excluded.run_ended_at, said = excluded.said",
    )?
    .execute(params![row.as_str(), container.as_str(), time_text(words.ended_at), words.text])?;
    Ok(())
}
