//! How a connection is opened: the one that writes, those that only read, the one in memory.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, MAIN_DB, OpenFlags};

use super::error::{During as _, Sql, StoreError};

/// How long SQLite itself waits for another program's lock before it says so. The writer then asks again until it
/// gets through; short, so that closing does not wait for long.
pub(super) const LOCK_WAIT: Duration = Duration::from_millis(250);

/// While the database is opened another program's lock is waited for this long. A reader in WAL mode waits only
/// while the log is being recovered.
const OPEN_WAIT: Duration = Duration::from_secs(5);

/// The write-ahead log is cut back to this after a checkpoint: one burst must not occupy the disk for ever.
const LOG_BYTES: i64 = 4 << 20;

/// Statements kept prepared by each connection; more than the store has.
const STATEMENTS: usize = 64;

pub(super) fn writer(path: &Path) -> Result<Connection, StoreError> {
    const OPEN: &str = "opening the database for writing";
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).during(OPEN)?;
    // Where a file cannot be opened for writing, SQLite opens it for reading and tells at the first write.
    if db.is_readonly(MAIN_DB).during(OPEN)? {
        return Err(StoreError::ReadOnly { during: OPEN.to_owned() });
    }
    let set_up = || -> Sql<()> {
        db.busy_timeout(OPEN_WAIT)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
        common(&db)
    };
    set_up().during(OPEN)?;
    Ok(db)
}

pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let open = || -> Sql<Connection> {
        let db = only_reading(path)?;
        db.pragma_update(None, "query_only", true)?;
        Ok(db)
    };
    open().during("opening the database for reading")
}

/// Cannot change the database, but may copy it elsewhere, which `query_only` would forbid.
pub(super) fn only_reading(path: &Path) -> Sql<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(OPEN_WAIT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(db)
}

pub(super) fn in_memory() -> Result<Connection, StoreError> {
    let open = || -> Sql<Connection> {
        let db = Connection::open_in_memory()?;
        common(&db)?;
        Ok(db)
    };
    open().during("making a database in memory")
}

fn common(db: &Connection) -> Sql<()> {
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "trusted_schema", false)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}
