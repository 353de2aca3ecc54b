use jiff::Timestamp;

use super::super::Store;
use super::*;

/// Far more than the work of any test here, and an end should the interrupt not come.
const LONG: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 60000000) SELECT count(*) FROM n";

fn file(store: &Store) -> &FileExecutor {
    match store.executor() {
        Executor::File(file) => file,
        Executor::Memory(_) => panic!("a database in memory"),
    }
}

fn store() -> (Store, tempfile::TempDir) {
    let temp = tempfile::tempdir().unwrap();
    (Store::open(&temp.path().join("data"), Bus::default(), Timestamp::UNIX_EPOCH).unwrap(), temp)
}

/// A read that has begun, and what lets it end.
async fn begun(store: &Store) -> (tokio::task::JoinHandle<Result<(), StoreError>>, mpsc::Sender<()>) {
    let (begins, has_begun) = oneshot::channel();
    let (end, ends) = mpsc::channel::<()>();
    let store = store.clone();
    let read = tokio::spawn(async move {
        let work = move |_: &Connection| {
            let _ = begins.send(());
            let _ = ends.recv();
            Ok(())
        };
        file(&store).read("waiting", work).await
    });
    has_begun.await.unwrap();
    (read, end)
}

#[tokio::test]
async fn a_read_that_nobody_waits_for_keeps_its_turn_until_it_has_ended() {
    let (store, _temp) = store();
    let mut ends = vec![];
    for _ in 0..READERS {
        let (read, end) = begun(&store).await;
        read.abort();
        assert!(read.await.unwrap_err().is_cancelled());
        ends.push(end);
    }
    assert_eq!(file(&store).turns.available_permits(), 0, "as many read as may");
    drop(ends);
    let turns = file(&store).turns.acquire_many(u32::try_from(READERS).unwrap()).await.unwrap();
    assert_eq!(file(&store).readers.open(), READERS);
    drop(turns);
    store.close().await;
}

#[tokio::test]
async fn closing_ends_a_long_read_and_leaves_no_connection_open() {
    let (store, _temp) = store();
    let (begins, has_begun) = oneshot::channel();
    let reading = store.clone();
    let read = tokio::spawn(async move {
        let work = move |db: &Connection| {
            let _ = begins.send(());
            db.query_row(LONG, [], |row| row.get::<_, i64>(0)).during("counting")
        };
        file(&reading).read("counting", work).await
    });
    has_begun.await.unwrap();
    store.close().await;
    assert_eq!(file(&store).readers.open(), 0);
    assert!(matches!(read.await.unwrap(), Err(StoreError::Closed)));
    assert!(matches!(file(&store).read("late", |_| Ok(())).await, Err(StoreError::Closed)));
}

/// What is queued behind another program's lock is given up together and not one wait after the other.
#[tokio::test]
async fn closing_under_another_programs_lock_waits_once_however_much_is_queued() {
    let (store, temp) = store();
    let other = Connection::open(temp.path().join("data/tinyforge.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writes: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { file(&store).write("queueing", |_| Ok(Done::quietly(()))).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let began = Instant::now();
    store.close().await;
    assert!(began.elapsed() < 8 * connection::LOCK_WAIT, "{:?}", began.elapsed());
    for write in writes {
        assert!(write.await.unwrap().is_err());
    }
}
