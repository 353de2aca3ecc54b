//! The data folder: who may write, what a look leaves behind, who may read.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use tinyforge_core::events::Bus;
use tinyforge_core::rules::container::State;
use tinyforge_core::store::{LATEST, Store, StoreError};

use super::legacy::{WHOLE, lay};
use super::world::*;

fn open(home: &Path) -> Result<Store, StoreError> {
    Store::open(home, Bus::default(), at(0))
}

/// Every file below a folder, with its bytes and its time.
fn files(folder: &Path) -> Vec<(String, Vec<u8>, SystemTime)> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries.map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let meta = entry.metadata().unwrap();
            found.push((path.display().to_string(), fs::read(&path).unwrap(), meta.modified().unwrap()));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn the_second_daemon_on_a_folder_is_refused_at_once_and_told_by_whom() {
    let home = tempfile::tempdir().unwrap();
    let first = open(home.path()).unwrap();
    let began = Instant::now();
    let error = open(home.path()).map(drop).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(matches!(error, StoreError::Locked(_)));
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    let error = Store::restore(home.path(), "any", at(1)).unwrap_err();
    assert!(matches!(error, StoreError::Locked(_)), "nor is anything restored under a daemon: {error}");
    first.commit_index(commit(vec![insert(&row("web", State::Running), at(1))], at(1))).await.unwrap();
    first.close().await;
    assert!(matches!(first.load_index(&engine()).await, Err(StoreError::Closed)));
    assert!(matches!(first.set_setting("pass_interval_s", "9", at(1)).await, Err(StoreError::Closed)));
    let second = open(home.path()).expect("the folder is free after closing");
    assert_eq!(second.load_index(&engine()).await.unwrap().rows.len(), 1);
    drop(second);
    drop(open(home.path()).expect("and after dropping"));
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_what_is_stored() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let parent = tempfile::tempdir().unwrap();
    let home = parent.path().join("deep/home");
    let store = open(&home).unwrap();
    store.set_setting("pass_interval_s", "9", at(1)).await.unwrap();
    store.backup(tinyforge_core::store::BackupReason::Manual, at(1)).await.unwrap();
    assert_eq!(mode(&home), 0o700);
    assert_eq!(mode(&home.join("backups")), 0o700);
    let listed = files(&home);
    assert!(listed.len() >= 4, "database, log, lock, copy: {}", listed.len());
    for (path, ..) in listed {
        assert_eq!(mode(Path::new(&path)), 0o600, "{path}");
    }
    // A folder that was open before is closed to others; one that others share is not ours to close.
    let loose = parent.path().join("loose");
    fs::create_dir(&loose).unwrap();
    fs::set_permissions(&loose, fs::Permissions::from_mode(0o755)).unwrap();
    drop(open(&loose).unwrap());
    assert_eq!(mode(&loose), 0o700);
    let shared = parent.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
    drop(open(&shared).unwrap());
    assert_eq!(mode(&shared), 0o777);
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_byte_for_byte() {
    let newer = LATEST + 7;
    let sql = format!(
        "INSERT INTO schema_migrations VALUES ({newer}, 'later', '2030-01-01T00:00:00.000000Z');
         CREATE TABLE of_the_future (x TEXT) STRICT;"
    );
    let closed = tempfile::tempdir().unwrap();
    drop(open(closed.path()).unwrap());
    // The newer version stands only in a log that a crash left.
    let crashed = crash_after(closed.path(), &sql);
    lay(closed.path(), &sql);
    fs::remove_file(closed.path().join("engine.lock")).unwrap();
    for (name, home) in [("closed", closed.path()), ("crashed", crashed.path())] {
        let before = files(home);
        for refused in [Store::observe(home, Bus::default(), at(1)).map(drop), open(home).map(drop)] {
            match refused {
                Err(error @ StoreError::Newer { .. }) => {
                    let text = error.to_string();
                    assert!(text.contains(&newer.to_string()) && text.contains("update tinyforge"), "{text}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        let mut after = files(home);
        after.retain(|(path, ..)| !path.ends_with("engine.lock"));
        assert_eq!(before, after, "{name}: no byte, no time, no file more or less");
    }
}

/// A copy of the folder as a crash leaves it: with a log that was never taken into the file.
fn crash_after(home: &Path, sql: &str) -> tempfile::TempDir {
    let (work, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::copy(home.join("tinyforge.db"), work.path().join("tinyforge.db")).unwrap();
    let db = rusqlite::Connection::open(work.path().join("tinyforge.db")).unwrap();
    db.pragma_update(None, "journal_mode", "WAL").unwrap();
    db.execute_batch(sql).unwrap();
    for name in ["tinyforge.db", "tinyforge.db-wal"] {
        fs::copy(work.path().join(name), crashed.path().join(name)).unwrap();
    }
    assert!(fs::metadata(crashed.path().join("tinyforge.db-wal")).unwrap().len() > 0);
    crashed
}

#[tokio::test]
async fn observing_writes_nothing_and_sees_everything_also_in_a_log_left_by_a_crash() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path()).unwrap();
    store.commit_index(commit(vec![insert(&row("web", State::Running), at(1))], at(1))).await.unwrap();
    store.backup(tinyforge_core::store::BackupReason::Manual, at(1)).await.unwrap();
    store.close().await;
    let crashed = crash_after(
        home.path(),
        "INSERT INTO settings VALUES ('pass_interval_s', '77', '2026-01-01T00:00:00.000000Z')",
    );
    for (name, folder, interval) in [("closed", home.path(), "30"), ("crashed", crashed.path(), "77")] {
        let before = files(folder);
        let seen = Store::observe(folder, Bus::default(), at(2)).unwrap();
        assert_eq!(seen.load_index(&engine()).await.unwrap().rows.len(), 1, "{name}");
        assert_eq!(seen.setting("pass_interval_s").await.unwrap().value, interval, "{name}");
        assert_eq!(seen.integrity().await.unwrap(), Ok(()), "{name}");
        assert!(seen.bytes() > 0 && seen.path().unwrap().starts_with(folder), "{name}");
        assert_eq!(seen.backups().await.unwrap().len(), usize::from(name == "closed"), "{name}");
        // What a command's own pass writes stays with it.
        seen.commit_index(commit(vec![insert(&row("new", State::Running), at(3))], at(3))).await.unwrap();
        seen.set_setting("pass_interval_s", "55", at(3)).await.unwrap();
        assert!(seen.backup(tinyforge_core::store::BackupReason::Manual, at(3)).await.is_err());
        drop(seen);
        assert_eq!(before, files(folder), "{name}: no byte, no time, no file more or less");
    }
}

#[tokio::test]
async fn observing_needs_no_folder_no_lock_and_no_present_schema() {
    let parent = tempfile::tempdir().unwrap();
    let nowhere = parent.path().join("nowhere");
    let seen = Store::observe(&nowhere, Bus::default(), at(0)).unwrap();
    assert!(seen.load_index(&engine()).await.unwrap().rows.is_empty());
    assert!(!nowhere.exists(), "a look makes no folder");

    let home = tempfile::tempdir().unwrap();
    let daemon = open(home.path()).unwrap();
    daemon.commit_index(commit(vec![insert(&row("web", State::Running), at(1))], at(1))).await.unwrap();
    let seen = Store::observe(home.path(), Bus::default(), at(2)).unwrap();
    assert_eq!(seen.load_index(&engine()).await.unwrap().rows.len(), 1, "also beside a daemon");

    let old = tempfile::tempdir().unwrap();
    lay(old.path(), WHOLE);
    let before = files(old.path());
    let seen = Store::observe(old.path(), Bus::default(), at(0)).unwrap();
    assert_eq!(seen.load_index(&engine()).await.unwrap().rows.len(), 7, "the copy is carried over");
    assert_eq!(before, files(old.path()));
}

/// The other program lets go only when it has been held against four tries of SQLite's own: the writer asked again.
#[tokio::test]
async fn a_lock_of_another_program_delays_a_write_and_loses_none() {
    let home = tempfile::tempdir().unwrap();
    let bus = Bus::default();
    let mut ear = bus.subscribe();
    let store = Store::open(home.path(), bus, at(0)).unwrap();
    let other = rusqlite::Connection::open(home.path().join("tinyforge.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held = Duration::from_secs(3);
    let rows: Vec<_> = (0..5).map(|n| row(&format!("c{n}"), State::Running)).collect();
    let mut writes: Vec<_> = rows
        .iter()
        .map(|row| Box::pin(store.commit_index(commit(vec![insert(row, at(1))], at(1)))))
        .collect();
    let locked_out = tokio::time::timeout(held, futures_util::future::join_all(writes.iter_mut())).await;
    locked_out.expect_err("it is locked out");
    assert!(store.load_index(&engine()).await.unwrap().rows.is_empty(), "reading goes on meanwhile");
    assert!(heard(&mut ear).await.is_empty(), "nothing is announced before its commit");
    // One caller no longer waits for its write; it is written all the same.
    drop(writes.remove(0));
    other.execute_batch("COMMIT").unwrap();
    let done = futures_util::future::join_all(writes).await;
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    assert_eq!(store.load_index(&engine()).await.unwrap().rows.len(), 5);
    assert_eq!(heard(&mut ear).await.len(), 5);
}

#[tokio::test]
async fn closing_does_not_wait_for_another_programs_lock() {
    let home = tempfile::tempdir().unwrap();
    let store = open(home.path()).unwrap();
    let db = rusqlite::Connection::open(home.path().join("tinyforge.db")).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.set_setting("pass_interval_s", "9", at(1)).await }
    });
    tokio::task::yield_now().await;
    let began = Instant::now();
    store.close().await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let told = waiting.await.unwrap();
    assert!(matches!(told, Err(StoreError::Busy { .. } | StoreError::Closed)), "{told:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_cannot_be_used_is_explained() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = open(&file).map(drop).unwrap_err();
    assert!(error.to_string().contains("file") && error.to_string().contains("check"), "{error}");
    let error = open(Path::new("/proc/nowhere")).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Folder { .. }), "{error}");
}
