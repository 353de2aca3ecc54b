//! A damaged database is set aside and rebuilt.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use tinyforge_core::events::Bus;
use tinyforge_core::rules::container::State;
use tinyforge_core::store::{BackupReason, OpenNote, Store};

use super::world::*;

type Damage = fn(&Path);

const DAMAGES: &[(&str, Damage)] = &[
    ("a header of garbage", |path| overwrite(path, 0, &[0xA5; 100])),
    ("another file altogether", |path| fs::write(path, "hello, I am a text file\n".repeat(500)).unwrap()),
    ("pages flipped", |path| {
        let pages = fs::metadata(path).unwrap().len() / 4096;
        for page in 1..pages {
            overwrite(path, page * 4096, &[0x5A; 512]);
        }
    }),
    ("the second half cut off", |path| {
        let bytes = fs::metadata(path).unwrap().len();
        OpenOptions::new().write(true).open(path).unwrap().set_len(bytes / 2 + 17).unwrap();
    }),
    ("emptied", |path| fs::write(path, "").unwrap()),
];

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

async fn a_folder(with_backup: bool) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), Bus::default(), at(0)).unwrap();
    let rows: Vec<_> = (0..60).map(|n| row(&format!("c{n}"), State::Running)).collect();
    store.commit_index(commit(rows.iter().map(|r| insert(r, at(1))).collect(), at(1))).await.unwrap();
    if with_backup {
        store.backup(BackupReason::Manual, at(2)).await.unwrap();
        store.commit_index(commit(vec![insert(&row("later", State::Running), at(3))], at(3))).await.unwrap();
    }
    store.close().await;
    home
}

fn set_aside(home: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(home).unwrap().map(|e| e.unwrap().path());
    entries.filter(|p| p.display().to_string().contains(".damaged-")).collect()
}

#[tokio::test]
async fn a_damaged_database_is_set_aside_and_the_last_copy_takes_its_place() {
    for (name, damage) in DAMAGES {
        let home = a_folder(true).await;
        damage(&home.path().join("tinyforge.db"));
        let seen = Store::observe(home.path(), Bus::default(), at(4)).unwrap();
        if *name != "emptied" {
            assert!(seen.report().was_damaged(), "{name}: a look finds it too");
            assert_eq!(
                seen.load_index(&engine()).await.unwrap().rows.len(),
                60,
                "{name}: and shows the copy"
            );
        }
        let damaged = fs::read(home.path().join("tinyforge.db")).unwrap();

        let store = Store::open(home.path(), Bus::default(), at(5)).unwrap();
        match &store.report().notes[..] {
            [OpenNote::Rebuilt { set_aside, from: Some(copy), reason }] => {
                assert_eq!(fs::read(set_aside).unwrap(), damaged, "{name}: nothing of it is lost");
                assert!(copy.contains("manual") && !reason.is_empty(), "{name}: {copy} {reason}");
            }
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(store.load_index(&engine()).await.unwrap().rows.len(), 60, "{name}");
        assert_eq!(store.integrity().await.unwrap(), Ok(()), "{name}");
        let happenings = store.happenings(10).await.unwrap();
        assert!(happenings.iter().any(|(_, h)| h.kind == "database_rebuilt"), "{name}: it is on record");
        store.close().await;
        let again = Store::open(home.path(), Bus::default(), at(6)).unwrap();
        assert!(again.report().notes.is_empty(), "{name}: once mended it stays so");
        assert_eq!(set_aside(home.path()).len(), 1, "{name}");
    }
}

#[tokio::test]
async fn without_a_copy_the_index_starts_empty() {
    for (name, damage) in DAMAGES.iter().filter(|(name, _)| *name != "emptied") {
        let home = a_folder(false).await;
        damage(&home.path().join("tinyforge.db"));
        let store = Store::open(home.path(), Bus::default(), at(5)).unwrap();
        assert!(matches!(&store.report().notes[..], [OpenNote::Rebuilt { from: None, .. }]), "{name}");
        assert!(store.load_index(&engine()).await.unwrap().rows.is_empty(), "{name}");
        store.commit_index(commit(vec![insert(&row("web", State::Running), at(6))], at(6))).await.unwrap();
        assert_eq!(store.load_index(&engine()).await.unwrap().rows.len(), 1, "{name}: and can be filled");
    }
}

#[tokio::test]
async fn a_copy_that_is_damaged_itself_is_passed_over() {
    let home = a_folder(true).await;
    let store = Store::open(home.path(), Bus::default(), at(5)).unwrap();
    let newest = store.backup(BackupReason::Manual, at(6)).await.unwrap();
    store.close().await;
    overwrite(&home.path().join("backups").join(&newest.name), 0, &[0xA5; 100]);
    overwrite(&home.path().join("tinyforge.db"), 0, &[0xA5; 100]);
    let store = Store::open(home.path(), Bus::default(), at(7)).unwrap();
    assert_eq!(store.load_index(&engine()).await.unwrap().rows.len(), 60, "the copy before it");
}

/// The log of a damaged file must never be read into the copy that takes its place.
#[tokio::test]
async fn a_damaged_files_log_goes_with_it() {
    let home = a_folder(true).await;
    let database = home.path().join("tinyforge.db");
    let db = rusqlite::Connection::open(&database).unwrap();
    db.execute_batch("INSERT INTO settings VALUES ('pass_interval_s', '77', '2026-01-01T00:00:00.000000Z')")
        .unwrap();
    let log = fs::read(home.path().join("tinyforge.db-wal")).unwrap();
    drop(db);
    overwrite(&database, 4096, &vec![0x5A; 4096 * 3]);
    fs::write(home.path().join("tinyforge.db-wal"), &log).unwrap();
    let store = Store::open(home.path(), Bus::default(), at(5)).unwrap();
    assert!(store.report().was_damaged());
    assert_eq!(store.load_index(&engine()).await.unwrap().rows.len(), 60);
    let logs = set_aside(home.path());
    assert!(logs.iter().any(|p| p.display().to_string().ends_with("-wal")), "{logs:?}");
}

/// A crash between two renames of the rescue.
#[tokio::test]
async fn a_rescue_that_was_cut_is_finished_by_the_next_start() {
    let home = a_folder(true).await;
    let database = home.path().join("tinyforge.db");
    let copy = fs::read_dir(home.path().join("backups")).unwrap().next().unwrap().unwrap().path();
    // The copy lies ready, the damaged file is gone already.
    fs::copy(&copy, home.path().join("tinyforge.db.incoming")).unwrap();
    fs::rename(&database, home.path().join("tinyforge.db.damaged-x")).unwrap();
    let store = Store::open(home.path(), Bus::default(), at(5)).unwrap();
    assert_eq!(store.load_index(&engine()).await.unwrap().rows.len(), 60);
    store.close().await;
    // The copy lies ready, nothing was moved: the database stands.
    fs::copy(&copy, home.path().join("tinyforge.db.incoming")).unwrap();
    let store = Store::open(home.path(), Bus::default(), at(6)).unwrap();
    assert_eq!(store.load_index(&engine()).await.unwrap().rows.len(), 60);
    assert!(!home.path().join("tinyforge.db.incoming").exists());
}
