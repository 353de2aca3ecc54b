//! Brings a database of any known version, or of the earlier design, to the present schema.
//!
//! *Expected flow.* Each migration that is not recorded is one transaction: its statements in their order, its
//! record, the version in the file's header. Afterwards the schema is held against the one that the same migrations
//! make of an empty database.
//!
//! *Guarantees.* A migration happens whole or not at all, wherever it is cut. A statement whose work is done already
//! is skipped, and the statements after it still run, so the whole set run again changes nothing.
//!
//! *Assumptions.* Migrations have no triggers, and what landed is never edited.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::backup::Backup;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::error::{During as _, Sql, StoreError};
use super::words::time_text;
use super::{connection, legacy, schema};

/// One migration: frozen text.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    pub version: u32,
    pub name: &'static str,
    pub sql: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal),+ $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../../../../migrations/", $name, ".sql")),
        }),+]
    };
}

/// In the order in which they are applied. A test holds the list against the folder.
pub const MIGRATIONS: &[Migration] = migrations![1 "0001_schema", 2 "0002_carry_over", 3 "0003_course", 4 "0004_stale", 5 "0005_notices", 6 "0006_webhook"];

/// The version this program knows.
pub const LATEST: u32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// A moment of a migration, for tests that cut it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub migration: &'static str,
    /// Counted over the migration's whole transaction.
    pub statement: usize,
    pub moment: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Before,
    After,
}

/// Is told every step, and may end the migration there.
pub type Watch<'a> = &'a mut dyn FnMut(Step) -> ControlFlow<()>;

/// Watches nothing.
pub(super) fn unwatched(_: Step) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Migrates up to `target`. Returns the versions that were applied.
pub(super) fn run(
    db: &mut Connection,
    target: u32,
    now: Timestamp,
    watch: Watch<'_>,
) -> Result<Vec<u32>, StoreError> {
    let recorded = recorded(db).during("reading which migrations were applied")?;
    let due: Vec<_> =
        MIGRATIONS.iter().filter(|m| m.version <= target && !recorded.contains(&m.version)).collect();
    if due.is_empty() {
        return Ok(Vec::new());
    }
    // Tables are moved and dropped; their rows must not take others along. Each migration checks at its end.
    db.pragma_update(None, "foreign_keys", false).during("preparing the migration")?;
    let mut applied = Vec::new();
    let done = due.iter().try_for_each(|migration| {
        apply(db, migration, now, watch)?;
        applied.push(migration.version);
        Ok(())
    });
    db.pragma_update(None, "foreign_keys", true).during("ending the migration")?;
    done?;
    if target == LATEST {
        schema::check(db)?;
    }
    Ok(applied)
}

/// A database in memory with the present schema: migrated once, then copied.
pub(super) fn fresh() -> Result<Connection, StoreError> {
    const COPY: &str = "making a database in memory";
    static MIGRATED: Mutex<Option<Connection>> = Mutex::new(None);
    let mut migrated = MIGRATED.lock().unwrap_or_else(PoisonError::into_inner);
    if migrated.is_none() {
        let mut db = connection::in_memory()?;
        run(&mut db, LATEST, Timestamp::UNIX_EPOCH, &mut unwatched)?;
        *migrated = Some(db);
    }
    let mut db = connection::in_memory()?;
    if let Some(migrated) = migrated.as_ref() {
        let copy = Backup::new(migrated, &mut db).during(COPY)?;
        copy.run_to_completion(i32::MAX, Duration::ZERO, None).during(COPY)?;
    }
    Ok(db)
}

fn apply(
    db: &mut Connection,
    migration: &'static Migration,
    now: Timestamp,
    watch: Watch<'_>,
) -> Result<(), StoreError> {
    let transaction =
        db.transaction_with_behavior(TransactionBehavior::Immediate).during("beginning a migration")?;
    let mut run = Run { db: &transaction, migration, statement: 0, watch };
    if migration.version == 1 {
        legacy::move_aside(&mut run, now)?;
    }
    for statement in statements(migration.sql) {
        run.step(|db| tolerantly(db, statement))?;
    }
    run.step(|db| record(db, migration, now))?;
    if let Some(dangling) = run.step(dangling_reference)? {
        return Err(StoreError::SchemaDiffers(dangling));
    }
    transaction.commit().during("committing a migration")
}

/// The statements alone, for a database that nobody else sees.
pub(super) fn apply_bare(db: &Connection, migration: &Migration) -> Sql<()> {
    statements(migration.sql).into_iter().try_for_each(|statement| tolerantly(db, statement))
}

/// A migration under way.
pub(super) struct Run<'a> {
    pub(super) db: &'a Transaction<'a>,
    migration: &'static Migration,
    statement: usize,
    watch: Watch<'a>,
}

impl Run<'_> {
    /// One step that can be watched, and whose failure names it.
    pub(super) fn step<T>(&mut self, work: impl FnOnce(&Connection) -> Sql<T>) -> Result<T, StoreError> {
        self.statement += 1;
        self.tell(Moment::Before)?;
        let answer = work(self.db).map_err(|error| self.failure(error))?;
        self.tell(Moment::After)?;
        Ok(answer)
    }

    fn tell(&mut self, moment: Moment) -> Result<(), StoreError> {
        let step = Step { migration: self.migration.name, statement: self.statement, moment };
        match (self.watch)(step) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(StoreError::Interrupted),
        }
    }

    fn failure(&self, error: rusqlite::Error) -> StoreError {
        match StoreError::sql("migrating it", error) {
            StoreError::Refused { reason, .. } => StoreError::Migration {
                migration: self.migration.name.to_owned(),
                statement: self.statement,
                reason,
                backup: String::new(),
            },
            weather => weather,
        }
    }
}

fn record(db: &Connection, migration: &Migration, now: Timestamp) -> Sql<()> {
    db.execute(
        "INSERT OR IGNORE INTO schema_migrations (version, name, applied_at) VALUES (?1, ?2, ?3)",
        params![migration.version, migration.name, time_text(now)],
    )?;
    db.pragma_update(None, "user_version", migration.version)
}

/// A reference to a row that is not there, if there is one.
fn dangling_reference(db: &Connection) -> Sql<Option<String>> {
    let mut statement = db.prepare("PRAGMA foreign_key_check")?;
    let mut dangling = statement.query([])?;
    let Some(row) = dangling.next()? else { return Ok(None) };
    let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
    Ok(Some(format!("a row of {table} refers to a row of {parent} that is not there")))
}

/// Runs one statement; one whose work is done already does nothing.
fn tolerantly(db: &Connection, statement: &str) -> Sql<()> {
    match db.execute_batch(statement) {
        Err(error) if is_done_already(&error.to_string()) => Ok(()),
        other => other,
    }
}

fn is_done_already(message: &str) -> bool {
    message.contains("already exists")
        || message.contains("duplicate column name")
        || missing_table(message).is_some_and(|table| dropped_tables().contains(table))
}

fn missing_table(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("no such table: ")?;
    let table = rest.split([' ', '\n']).next()?;
    Some(table.rsplit('.').next().unwrap_or(table))
}

/// The tables some migration drops: only their absence means that the work is done.
fn dropped_tables() -> BTreeSet<&'static str> {
    let drops = MIGRATIONS.iter().flat_map(|m| statements(m.sql));
    drops.filter_map(|s| s.strip_prefix("DROP TABLE ")).map(str::trim).collect()
}

/// The migrations that were applied; none where the database is not ours yet.
fn recorded(db: &Connection) -> Sql<BTreeSet<u32>> {
    if !schema::is_ours(db, "schema_migrations", "applied_at")? {
        return Ok(BTreeSet::new());
    }
    db.prepare("SELECT version FROM schema_migrations")?.query_map([], |row| row.get(0))?.collect()
}

/// The highest version that was applied, 0 for none.
pub(super) fn version(db: &Connection) -> Sql<u32> {
    Ok(recorded(db)?.last().copied().unwrap_or(0))
}

/// Whether every migration we know is recorded.
pub(super) fn is_current(db: &Connection) -> Sql<bool> {
    let recorded = recorded(db)?;
    Ok(MIGRATIONS.iter().all(|m| recorded.contains(&m.version)))
}

/// A migration's statements, without the comments before them and the semicolons behind.
fn statements(sql: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = sql;
    while let Some(end) = end_of_statement(rest) {
        let statement = without_leading_comments(&rest[..end]);
        if !statement.is_empty() {
            found.push(statement);
        }
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    found
}

/// Where the semicolon stands that ends the first statement, or the text's end.
fn end_of_statement(sql: &str) -> Option<usize> {
    if sql.trim().is_empty() {
        return None;
    }
    let mut quote = None;
    let mut comment = false;
    let mut previous = ' ';
    for (at, c) in sql.char_indices() {
        match (comment, quote) {
            (true, _) => comment = c != '\n',
            (false, Some(open)) => {
                if c == open {
                    quote = None;
                }
            }
            (false, None) => match c {
                '\'' | '"' => quote = Some(c),
                '-' if previous == '-' => comment = true,
                ';' => return Some(at),
                _ => {}
            },
        }
        previous = c;
    }
    Some(sql.len())
}

fn without_leading_comments(sql: &str) -> &str {
    let mut rest = sql.trim();
    while rest.starts_with("--") {
        rest = rest.split_once('\n').map_or("", |(_, after)| after).trim_start();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<_> = names.filter(|name| name.ends_with(".sql")).collect();
        files.sort();
        let listed: Vec<_> = MIGRATIONS.iter().map(|m| format!("{}.sql", m.name)).collect();
        assert_eq!(files, listed);
        for (place, migration) in (1..).zip(MIGRATIONS) {
            assert_eq!(migration.version, place, "versions count from one without a hole");
            assert!(migration.name.starts_with(&format!("{place:04}_")), "{}", migration.name);
            assert!(
                !migration.sql.to_uppercase().contains("TRIGGER"),
                "statements are told apart by semicolons"
            );
        }
    }

    #[test]
    fn statements_are_told_apart() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            (" \n-- nothing\n", &[]),
            ("A; B", &["A", "B"]),
            ("-- one; two\nA;\n\n-- three\nB;", &["A", "B"]),
            ("A 'x;y' \"p;q\"; B 'it''s;'", &["A 'x;y' \"p;q\"", "B 'it''s;'"]),
            ("A -- why; it's so\n c; B", &["A -- why; it's so\n c", "B"]),
            (";;A;;", &["A"]),
        ];
        for (sql, expected) in cases {
            assert_eq!(statements(sql), *expected, "{sql:?}");
        }
    }

    #[test]
    fn only_work_that_is_done_already_is_skipped() {
        let cases = [
            ("table x already exists", true),
            ("duplicate column name: y", true),
            ("no such table: legacy_instances", true),
            ("no such table: main.legacy_instances in SELECT", true),
            ("no such table: containers", false),
            ("no such column: legacy_instances", false),
            ("UNIQUE constraint failed: workloads.id", false),
        ];
        for (message, skipped) in cases {
            assert_eq!(is_done_already(message), skipped, "{message}");
        }
    }
}
