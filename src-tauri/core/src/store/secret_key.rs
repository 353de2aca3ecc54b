//! The table `secret_key`: where the key of all secrets lies. Written once.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::Store;
use super::error::{During as _, Sql, StoreError};
use super::executor::Done;
use super::words::time_text;
use crate::rules::secret::{KeyPlace, KeyRecord};

impl Store {
    pub async fn key_record(&self) -> Result<Option<KeyRecord>, StoreError> {
        const READ: &str = "reading where the key of the secrets lies";
        self.executor().read(READ, |db| read(db).during(READ)).await
    }

    /// Records it where nothing is recorded yet, and answers with what stands: what is recorded is never written over.
    pub async fn record_key(&self, record: KeyRecord, now: Timestamp) -> Result<KeyRecord, StoreError> {
        const RECORD: &str = "recording where the key of the secrets lies";
        let write = move |db: &rusqlite::Transaction<'_>| {
            insert(db, &record, now).during(RECORD)?;
            Ok(Done::quietly(read(db).during(RECORD)?.unwrap_or(record)))
        };
        self.executor().write(RECORD, write).await
    }
}

fn read(db: &Connection) -> Sql<Option<KeyRecord>> {
    db.prepare_cached("SELECT place, key_check FROM secret_key")?
        .query_row([], |row| {
            let place: String = row.get("place")?;
            // Only these two words can be in the table.
            let place = KeyPlace::parse(&place).unwrap_or(KeyPlace::File);
            Ok(KeyRecord { place, check: row.get("key_check")? })
        })
        .optional()
}

fn insert(db: &Connection, record: &KeyRecord, now: Timestamp) -> Sql<()> {
    db.prepare_cached("INSERT OR IGNORE INTO secret_key (id, place, key_check, at) VALUES (1, ?1, ?2, ?3)")?
        .execute(params![record.place.as_str(), record.check, time_text(now)])?;
    Ok(())
}
