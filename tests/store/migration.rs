//! Every starting point ends in the same schema with its data, wherever the way there was cut.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use tinyforge_core::events::Bus;
use tinyforge_core::rules::cause::Cause;
use tinyforge_core::store::{LATEST, MIGRATIONS, Moment, Step, Store, StoreError};

use super::legacy::{MINIMAL, PARTIAL, WHOLE, lay};
use super::world::*;

/// Where a database may start from.
fn starting_points() -> Vec<(String, String)> {
    let mut points = vec![
        ("an empty file".to_owned(), String::new()),
        ("the earlier design, whole".to_owned(), WHOLE.to_owned()),
        ("the earlier design, minimal".to_owned(), MINIMAL.to_owned()),
        ("the earlier design, in part".to_owned(), PARTIAL.to_owned()),
    ];
    for version in 1..LATEST {
        points.push((format!("version {version}"), at_version(version)));
    }
    points
}

/// The SQL that makes a database of an older version with something in it.
fn at_version(version: u32) -> String {
    let mut sql = String::new();
    for migration in MIGRATIONS.iter().filter(|m| m.version <= version) {
        // Nothing was carried over: there was no database of the earlier design.
        sql += if migration.version == 2 { "" } else { migration.sql };
        sql += &format!(
            "INSERT INTO schema_migrations VALUES ({}, '{}', '2026-01-01T00:00:00.000000Z');",
            migration.version, migration.name
        );
    }
    sql += "INSERT INTO workloads VALUES ('w', 'project', 'kept', '2026-01-01T00:00:00.000000Z',
               '2026-01-01T00:00:00.000000Z');
           INSERT INTO projects (workload_id) VALUES ('w');
           INSERT INTO containers (id, engine_id, workload_id, workload_kind, role, container_id, state, created_at,
               updated_at) VALUES ('w:prod', 'ENGINE-A', 'w', 'project', 'prod', 'c', 'stopped',
               '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z');
           INSERT INTO container_changes (engine_id, row_id, container_id, field, from_value, to_value, at,
               recorded_at, cause, detail)
               VALUES ('ENGINE-A', 'w:prod', 'c', 'state', 'created', 'running', '2026-01-01T00:00:01.000000Z',
               '2026-01-01T00:00:01.000000Z', 'foreign', NULL), ('ENGINE-A', 'w:prod', 'c', 'state', 'running',
               'stopped', '2026-01-01T00:00:02.000000Z', '2026-01-01T00:00:02.000000Z', 'exit', 'exit 3');";
    if version >= 3 {
        // From then on the end is written into the row together with its line.
        sql += "UPDATE containers SET ended_at = '2026-01-01T00:00:02.000000Z', end_cause = 'exit',
                    end_detail = 'exit 3';";
    }
    sql
}

#[tokio::test]
async fn who_ended_what_is_taken_over_from_the_history() {
    for version in 1..LATEST {
        let home = tempfile::tempdir().unwrap();
        lay(home.path(), &at_version(version));
        let store = open(home.path()).unwrap();
        let row = store.load_index(&engine()).await.unwrap().rows.remove(0);
        let end = row.course.last_end.expect("the history tells it");
        assert_eq!((end.cause, end.detail.as_deref()), (Cause::Exit, Some("exit 3")), "version {version}");
        assert_eq!(end.at.to_string(), "2026-01-01T00:00:02Z");
    }
}

fn open(home: &Path) -> Result<Store, StoreError> {
    Store::open(home, Bus::default(), at(0))
}

/// Opened once in peace: schema and data.
fn in_peace(sql: &str) -> (String, String) {
    let home = tempfile::tempdir().unwrap();
    lay(home.path(), sql);
    drop(open(home.path()).unwrap());
    (schema(home.path()), dump(home.path()))
}

#[test]
fn every_starting_point_ends_in_the_same_schema_with_its_data() {
    let (expected, _) = in_peace("");
    for (name, sql) in starting_points() {
        let (schema, data) = in_peace(&sql);
        assert_eq!(schema, expected, "{name}");
        for kept in ["kept", "shop", "dear to somebody"] {
            assert_eq!(data.contains(kept), sql.contains(kept), "{name}: {kept}");
        }
    }
}

/// Cut by the program, as by a failure: the database is as before, and the next start goes through.
#[test]
fn an_interruption_before_and_after_every_statement_loses_nothing() {
    // The earlier design's statements are the same, however much of it there is.
    let few = |name: &str| !["minimal", "part"].iter().any(|less| name.ends_with(less));
    for (name, sql) in starting_points().into_iter().filter(|(name, _)| few(name)) {
        let expected = in_peace(&sql);
        let mut cut = 0;
        loop {
            let home = tempfile::tempdir().unwrap();
            lay(home.path(), &sql);
            let mut steps = 0;
            let mut watch = |_: Step| {
                steps += 1;
                if steps > cut { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let opened = Store::open_watched(home.path(), Bus::default(), at(0), &mut watch);
            match opened {
                Ok(store) => {
                    drop(store);
                    break;
                }
                Err(StoreError::Interrupted) => {}
                Err(error) => panic!("{name}, cut at step {cut}: {error}"),
            }
            drop(open(home.path()).unwrap_or_else(|e| panic!("{name}, after a cut at step {cut}: {e}")));
            assert_eq!((schema(home.path()), dump(home.path())), expected, "{name}, cut at step {cut}");
            cut += 1;
        }
        let from = name.strip_prefix("version ").map_or(0, |version| version.parse().unwrap());
        let due = MIGRATIONS.iter().filter(|m| m.version > from).map(|m| statements(m.sql)).sum::<usize>();
        assert!(cut >= 2 * due, "{name}: only {cut} steps were told of {due} statements");
    }
}

/// Each begins a line with its verb.
fn statements(sql: &str) -> usize {
    let verbs = ["CREATE ", "INSERT ", "UPDATE ", "ALTER ", "DROP ", "DELETE "];
    sql.lines().filter(|line| verbs.iter().any(|verb| line.starts_with(verb))).count()
}

/// Cut from outside, as by a power failure: whatever lies on the disk at that moment goes through.
#[test]
fn what_lies_on_the_disk_at_any_statement_goes_through() {
    for (name, sql) in starting_points() {
        let expected = in_peace(&sql);
        let home = tempfile::tempdir().unwrap();
        lay(home.path(), &sql);
        let mut moments = Vec::new();
        let mut watch = |step: Step| {
            let copy = tempfile::tempdir().unwrap();
            for entry in fs::read_dir(home.path()).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_file() && entry.file_name() != "engine.lock" {
                    fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
                }
            }
            moments.push((step, copy));
            ControlFlow::Continue(())
        };
        drop(Store::open_watched(home.path(), Bus::default(), at(0), &mut watch).unwrap());
        assert!(moments.iter().any(|(step, _)| step.moment == Moment::After));
        for (step, copy) in moments {
            drop(open(copy.path()).unwrap_or_else(|e| panic!("{name}, {step:?}: {e}")));
            assert_eq!((schema(copy.path()), dump(copy.path())), expected, "{name}, {step:?}");
        }
    }
}

/// Each statement by itself, as by a program that knew no transactions.
#[test]
fn a_database_that_has_only_the_first_statements_goes_through() {
    let expected = in_peace("");
    let statements: Vec<_> =
        MIGRATIONS.iter().flat_map(|m| m.sql.split_inclusive(";\n")).map(str::to_owned).collect();
    for count in 0..=statements.len() {
        let home = tempfile::tempdir().unwrap();
        let db = rusqlite::Connection::open(home.path().join("tinyforge.db")).unwrap();
        db.pragma_update(None, "synchronous", "OFF").unwrap();
        for statement in &statements[..count] {
            match db.execute_batch(statement) {
                Err(error) if error.to_string().contains("no such table: legacy_") => {}
                other => other.unwrap(),
            }
        }
        drop(db);
        drop(open(home.path()).unwrap_or_else(|e| panic!("after {count} statements: {e}")));
        assert_eq!((schema(home.path()), dump(home.path())), expected, "after {count} statements");
    }
}

#[test]
fn the_whole_set_run_again_changes_nothing() {
    for (name, sql) in starting_points() {
        let home = tempfile::tempdir().unwrap();
        lay(home.path(), &sql);
        drop(open(home.path()).unwrap());
        let before = (schema(home.path()), dump(home.path()));
        let db = rusqlite::Connection::open(home.path().join("tinyforge.db")).unwrap();
        db.execute_batch("DELETE FROM schema_migrations; PRAGMA user_version = 0").unwrap();
        drop(db);
        let mut statements = 0;
        let mut count = |_: Step| {
            statements += 1;
            ControlFlow::Continue(())
        };
        drop(Store::open_watched(home.path(), Bus::default(), at(0), &mut count).unwrap());
        assert!(statements > 60, "{name}: the set did run again");
        assert_eq!((schema(home.path()), dump(home.path())), before, "{name}");
    }
}

#[test]
fn an_ordinary_start_migrates_nothing_and_copies_nothing() {
    let home = tempfile::tempdir().unwrap();
    drop(open(home.path()).unwrap());
    let mut watch = |step: Step| panic!("{step:?}");
    let store = Store::open_watched(home.path(), Bus::default(), at(0), &mut watch).unwrap();
    assert!(store.report().notes.is_empty());
    assert!(!home.path().join("backups").exists(), "a database that was just made is not worth a copy");
}

#[test]
fn a_schema_that_is_not_the_expected_one_is_an_error_that_names_it() {
    let home = tempfile::tempdir().unwrap();
    lay(home.path(), &(at_version(LATEST - 1) + "DROP INDEX containers_by_engine"));
    match open(home.path()).map(drop) {
        Err(StoreError::SchemaDiffers(what)) => assert!(what.contains("containers_by_engine"), "{what}"),
        other => panic!("{other:?}"),
    }
    let home = tempfile::tempdir().unwrap();
    lay(home.path(), &(at_version(LATEST - 1) + "ALTER TABLE gaps ADD COLUMN surprise TEXT"));
    match open(home.path()).map(drop) {
        Err(StoreError::SchemaDiffers(what)) => assert!(what.contains("gaps"), "{what}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_migration_that_fails_leaves_the_database_as_it_was_and_names_its_copy() {
    let home = tempfile::tempdir().unwrap();
    let orphan = "INSERT INTO stages (id, workload_id, name) VALUES ('s', 'nobody', 'x')";
    lay(home.path(), &(at_version(LATEST - 1) + orphan));
    let before = dump(home.path());
    assert!(open(home.path()).is_err(), "a row that refers to nothing must not pass");
    assert_eq!(dump(home.path()), before);
    let copies = fs::read_dir(home.path().join("backups")).unwrap().count();
    assert_eq!(copies, 1, "as it was, it was copied before");
}

/// Schema, as text.
fn schema(home: &Path) -> String {
    let db = rusqlite::Connection::open(home.join("tinyforge.db")).unwrap();
    let mut lines = db
        .prepare("SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema WHERE tbl_name NOT LIKE 'earlier%' ORDER BY type, name")
        .unwrap();
    let lines: Vec<String> = lines.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    lines.join("\n")
}

/// Every row of every table, as text.
pub fn dump(home: &Path) -> String {
    let db = rusqlite::Connection::open(home.join("tinyforge.db")).unwrap();
    let mut tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut lines = Vec::new();
    for table in tables {
        let mut rows = db.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values: Vec<_> = (0..columns)
                .map(|n| format!("{:?}", row.get::<_, rusqlite::types::Value>(n).unwrap()))
                .collect();
            // When an older database was migrated to its version is its own affair.
            if table != "schema_migrations" {
                lines.push(format!("{table}: {}", values.join(", ")));
            }
        }
    }
    lines.sort();
    lines.join("\n")
}
