//! The schema as it is, held against the schema as it should be.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::connection;
use super::error::{During as _, Sql, StoreError};
use super::migrate::{self, Migration};

/// Tables of the earlier design that we know nothing of stay under this name, unread.
pub(super) const KEPT: &str = "earlier_";

/// Each object by kind and name, with what defines it.
type Schema = BTreeMap<(String, String), String>;

/// Compares with what the same migrations make of an empty database.
pub(super) fn check(db: &Connection) -> Result<(), StoreError> {
    let expected = expected()?;
    let actual = read(db).during("reading its schema")?;
    match difference(&expected, &actual) {
        None => Ok(()),
        Some(difference) => Err(StoreError::SchemaDiffers(difference)),
    }
}

fn expected() -> Result<Schema, StoreError> {
    read(&made_by(migrate::MIGRATIONS)?).during("reading the expected schema")
}

/// The tables that migrations make of an empty database, each with its columns.
pub(super) fn tables(migrations: &[Migration]) -> Result<BTreeMap<String, Vec<String>>, StoreError> {
    let fresh = made_by(migrations)?;
    let tables = || -> Sql<_> {
        let mut names = fresh.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
        let names = names.query_map([], |row| row.get::<_, String>(0))?;
        names.map(|name| name.and_then(|n| Ok((n.clone(), columns(&fresh, &n)?)))).collect()
    };
    tables().during("reading the expected schema")
}

fn made_by(migrations: &[Migration]) -> Result<Connection, StoreError> {
    let fresh = connection::in_memory()?;
    for migration in migrations {
        migrate::apply_bare(&fresh, migration).during("building the expected schema")?;
    }
    Ok(fresh)
}

fn difference(expected: &Schema, actual: &Schema) -> Option<String> {
    let wanting = expected.iter().find_map(|(key @ (kind, name), definition)| match actual.get(key) {
        None => Some(format!("the {kind} {name} is not there")),
        Some(found) if found != definition => {
            Some(format!("the {kind} {name} is {found:?} and should be {definition:?}"))
        }
        Some(_) => None,
    });
    let surplus = || actual.keys().find(|key| !expected.contains_key(*key));
    wanting.or_else(|| surplus().map(|(kind, name)| format!("the {kind} {name} should not be there")))
}

fn read(db: &Connection) -> Sql<Schema> {
    let mut statement = db.prepare(
        "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )?;
    let mut rows = statement.query([])?;
    let mut schema = Schema::new();
    while let Some(row) = rows.next()? {
        let (kind, name, table, sql): (String, String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        if table.starts_with(KEPT) {
            continue;
        }
        let columns = if kind == "table" { columns(db, &name)?.join(", ") } else { String::new() };
        schema.insert((kind, name), format!("{} [{columns}]", normal(&sql)));
    }
    Ok(schema)
}

/// The columns' names, in small letters, in their order; none where there is no such table.
pub(super) fn columns(db: &Connection, table: &str) -> Sql<Vec<String>> {
    db.prepare("SELECT lower(name) FROM pragma_table_info(?1)")?
        .query_map([table], |row| row.get(0))?
        .collect()
}

/// Whether a table is there in our shape, told by a column that the earlier design's does not have.
pub(super) fn is_ours(db: &Connection, table: &str, column: &str) -> Sql<bool> {
    Ok(columns(db, table)?.iter().any(|c| c == column))
}

/// White space and comments aside.
fn normal(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split_once("--").map_or(line, |(before, _)| before));
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}
