//! Copies of the database, and the way back to one.

use std::fs;
use std::time::Duration;

use tinyforge_core::events::Bus;
use tinyforge_core::rules::container::State;
use tinyforge_core::store::{BackupReason, LATEST, Store, StoreError};

use super::world::*;

const HOUR: i64 = 3600;

#[tokio::test]
async fn a_copy_is_made_once_a_day_and_the_newest_seven_are_kept() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), Bus::default(), at(0)).unwrap();
    let mut made = 0;
    for hour in 0..24 * 10 {
        if let Some(backup) = store.backup_if_due(at(hour * HOUR)).await.unwrap() {
            made += 1;
            assert_eq!((backup.reason, backup.schema_version), (BackupReason::Daily, LATEST));
            assert!(backup.bytes > 0);
        }
    }
    assert_eq!(made, 10, "one a day");
    let kept = store.backups().await.unwrap();
    let times: Vec<_> = kept.iter().map(|b| (b.created_at - at(0)).as_secs() / (24 * HOUR)).collect();
    assert_eq!(times, [9, 8, 7, 6, 5, 4, 3], "the newest seven, newest first");

    store.set_setting("backup_keep", "2", at(0)).await.unwrap();
    store.backup(BackupReason::Daily, at(11 * 24 * HOUR)).await.unwrap();
    assert_eq!(store.backups().await.unwrap().len(), 2, "as many as the setting says");
    assert!(store.happenings(100).await.unwrap().iter().any(|(_, h)| h.kind == "backup"));
}

#[tokio::test]
async fn what_somebody_asked_for_does_not_go_because_days_pass() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), Bus::default(), at(0)).unwrap();
    store.set_setting("backup_keep", "2", at(0)).await.unwrap();
    let wanted = store.backup(BackupReason::Manual, at(1)).await.unwrap();
    for day in 1..5 {
        store.backup(BackupReason::Daily, at(day * 24 * HOUR)).await.unwrap();
        store.backup(BackupReason::BeforeRestore, at(day * 24 * HOUR)).await.unwrap();
    }
    let kept = store.backups().await.unwrap();
    let of = |reason| kept.iter().filter(|copy| copy.reason == reason).count();
    assert_eq!((of(BackupReason::Daily), of(BackupReason::BeforeRestore)), (2, 2), "{kept:#?}");
    assert!(kept.contains(&wanted), "{kept:#?}");
}

#[tokio::test]
async fn two_copies_of_one_moment_are_two() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), Bus::default(), at(0)).unwrap();
    let a = store.backup(BackupReason::Manual, at(1)).await.unwrap();
    let b = store.backup(BackupReason::Manual, at(1)).await.unwrap();
    assert_ne!(a.name, b.name);
    let listed: Vec<_> = store.backups().await.unwrap();
    assert_eq!(listed, [b, a], "newest first");
}

/// While a copy is made the index goes on being written.
#[tokio::test]
async fn a_copy_holds_no_write_up() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), Bus::default(), at(0)).unwrap();
    let rows: Vec<_> = (0..500).map(|n| row(&format!("c{n}"), State::Running)).collect();
    store.commit_index(commit(rows.iter().map(|r| insert(r, at(1))).collect(), at(1))).await.unwrap();
    let copying = tokio::spawn({
        let store = store.clone();
        async move { store.backup(BackupReason::Manual, at(2)).await }
    });
    for (n, row) in rows.iter().take(50).enumerate() {
        let state = if n % 2 == 0 { State::Stopped } else { State::Paused };
        let write = store.commit_index(commit(vec![observe(row, state, at(3))], at(3)));
        tokio::time::timeout(Duration::from_secs(5), write).await.unwrap().unwrap();
    }
    let backup = copying.await.unwrap().unwrap();
    store.close().await;
    let copy = tempfile::tempdir().unwrap();
    fs::copy(home.path().join("backups").join(backup.name), copy.path().join("tinyforge.db")).unwrap();
    let copy = Store::open(copy.path(), Bus::default(), at(4)).unwrap();
    assert_eq!(copy.load_index(&engine()).await.unwrap().rows.len(), 500, "whole, of one moment");
    assert_eq!(copy.integrity().await.unwrap(), Ok(()));
}

#[tokio::test]
async fn a_copy_is_restored_and_the_present_one_copied_before() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), Bus::default(), at(0)).unwrap();
    store.commit_index(commit(vec![insert(&row("old", State::Running), at(1))], at(1))).await.unwrap();
    let backup = store.backup(BackupReason::Manual, at(2)).await.unwrap();
    store.commit_index(commit(vec![insert(&row("new", State::Running), at(3))], at(3))).await.unwrap();
    store.set_setting("backup_keep", "1", at(3)).await.unwrap();
    store.close().await;

    let restored = Store::restore(home.path(), &backup.name, at(4)).unwrap();
    assert_eq!(restored.name, backup.name);
    let store = Store::open(home.path(), Bus::default(), at(5)).unwrap();
    let names = async |store: &Store| {
        let rows = store.load_index(&engine()).await.unwrap().rows;
        rows.into_iter().map(|r| r.facts.name).collect::<Vec<_>>()
    };
    assert_eq!(names(&store).await, ["old"]);
    let before = store.backups().await.unwrap().remove(0);
    assert_eq!(before.reason, BackupReason::BeforeRestore);
    store.close().await;

    let short = before.name.strip_suffix(".db").unwrap();
    Store::restore(home.path(), short, at(6)).expect("the way back, by the name without its ending");
    let store = Store::open(home.path(), Bus::default(), at(7)).unwrap();
    let mut both = names(&store).await;
    both.sort();
    assert_eq!(both, ["new", "old"]);
}

#[tokio::test]
async fn what_cannot_be_restored_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), Bus::default(), at(0)).unwrap();
    store.commit_index(commit(vec![insert(&row("web", State::Running), at(1))], at(1))).await.unwrap();
    let backup = store.backup(BackupReason::Manual, at(2)).await.unwrap();
    store.close().await;
    let before = fs::read(home.path().join("tinyforge.db")).unwrap();
    let unknown = Store::restore(home.path(), "../tinyforge.db", at(3)).unwrap_err();
    assert!(matches!(unknown, StoreError::NoSuchBackup(_)), "only what is listed can be restored: {unknown}");
    fs::write(home.path().join("backups").join(&backup.name), "no database").unwrap();
    let damaged = Store::restore(home.path(), &backup.name, at(3)).unwrap_err();
    assert!(matches!(damaged, StoreError::BadBackup { .. }), "{damaged}");
    assert_eq!(fs::read(home.path().join("tinyforge.db")).unwrap(), before);
}

#[tokio::test]
async fn a_copy_that_cannot_be_made_leaves_nothing_half_made() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), Bus::default(), at(0)).unwrap();
    fs::write(home.path().join("backups"), "in the way").unwrap();
    store.backup(BackupReason::Manual, at(1)).await.expect_err("there is a file where the folder should be");
    store.set_setting("pass_interval_s", "9", at(1)).await.expect("and the store works on");
}
