//! What is remembered of stale containers: wishes, thresholds, and what was announced.

use tinyforge_core::clock::Timestamp;
use tinyforge_core::events::{Bus, Event, NewlyStale, NewlyStaleContainer};
use tinyforge_core::rules::container::State;
use tinyforge_core::rules::ids::{EngineId, WorkloadId};
use tinyforge_core::rules::row::Row;
use tinyforge_core::rules::stale::Wishes;
use tinyforge_core::store::{StaleKey, Store, StoreError, Wish};

use super::world::*;

fn found(rows: &[&Row], since: Timestamp, now: Timestamp) -> NewlyStale {
    let one = |row: &&Row| NewlyStaleContainer {
        row_id: row.id.clone(),
        container_id: row.container_id.clone(),
        name: row.facts.name.clone(),
        workload_id: None,
        role: None,
        since,
        days: 8,
    };
    NewlyStale { engine_id: engine(), at: now, containers: rows.iter().map(one).collect() }
}

async fn wishes(store: &Store, row: &Row) -> Wishes {
    store.stale_memory(&engine()).await.unwrap().wishes(row)
}

#[tokio::test]
async fn a_wish_is_of_one_container_of_one_engine() {
    let (store, mut ear) = in_memory();
    let (a, b) = (row("a", State::Stopped), row("b", State::Stopped));
    let ours = engine();
    let wish = |wish, second| store.wish(&ours, vec![StaleKey::of(&a)], wish, at(second));
    wish(Wish::Pin, 1).await.unwrap();
    wish(Wish::Pin, 5).await.unwrap();
    assert_eq!(wishes(&store, &a).await.pinned_at, Some(at(1)), "it is pinned since it was");
    assert_eq!(wishes(&store, &b).await, Wishes::default());
    wish(Wish::SnoozeUntil(at(100)), 6).await.unwrap();
    wish(Wish::SnoozeUntil(at(200)), 7).await.unwrap();
    assert_eq!(wishes(&store, &a).await, Wishes { pinned_at: Some(at(1)), snoozed_until: Some(at(200)) });
    let elsewhere = store.stale_memory(&EngineId::new("ENGINE-B")).await.unwrap();
    assert_eq!(elsewhere.wishes(&a), Wishes::default());
    wish(Wish::Unpin, 8).await.unwrap();
    wish(Wish::Unpin, 9).await.unwrap();
    assert_eq!(wishes(&store, &a).await.pinned_at, None);
    assert!(heard(&mut ear).await.is_empty());
}

#[tokio::test]
async fn a_workloads_threshold_is_its_own_until_it_is_given_back_and_goes_with_it() {
    let (store, _) = in_memory();
    store.add_workload(project("shop"), at(0)).await.unwrap();
    let id = WorkloadId::new("shop");
    let days = || async { store.stale_memory(&engine()).await.unwrap().threshold(Some(&id)) };
    assert_eq!(days().await, None);
    for own in [Some(30), Some(0), None, Some(3650)] {
        store.set_stale_threshold(&id, own, at(1)).await.unwrap();
        assert_eq!(days().await, own);
    }
    let much = store.set_stale_threshold(&id, Some(3651), at(1)).await.unwrap_err();
    assert!(matches!(&much, StoreError::BadSetting { allowed, .. } if allowed.contains("3650")), "{much}");
    let unknown = store.set_stale_threshold(&WorkloadId::new("nobody"), Some(1), at(1)).await;
    assert!(matches!(unknown, Err(StoreError::Conflict(_))), "{unknown:?}");
    assert_eq!(days().await, Some(3650));
}

#[tokio::test]
async fn what_is_announced_is_remembered_noted_and_said_in_one_commit() {
    let (store, mut ear) = in_memory();
    let rows: Vec<Row> = ["a", "b", "c", "d", "e", "f", "g"].map(|name| row(name, State::Stopped)).into();
    let writes = rows.iter().map(|row| insert(row, at(1))).collect();
    store.commit_index(commit(writes, at(1))).await.unwrap();
    heard(&mut ear).await;
    store.announce_stale(found(&[&rows[0]], at(5), at(9))).await.unwrap();
    store.announce_stale(found(&[&rows[1], &rows[2]], at(5), at(9))).await.unwrap();
    let all: Vec<&Row> = rows.iter().collect();
    store.announce_stale(found(&all, at(6), at(10))).await.unwrap();
    let events = heard(&mut ear).await;
    let told: Vec<usize> = events
        .iter()
        .map(|event| match event {
            Event::NewlyStale(found) => found.containers.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, [1, 2, 7], "one digest each");
    let noted: Vec<String> =
        store.happenings(10).await.unwrap().into_iter().map(|(_, happening)| happening.text).collect();
    assert_eq!(
        noted,
        ["a has become stale", "b and c have become stale", "a, b, c, d, e and 2 more have become stale"]
    );
    let memory = store.stale_memory(&engine()).await.unwrap();
    assert!(rows.iter().all(|row| memory.was_announced(row, at(6))));
    assert!(!memory.was_announced(&rows[0], at(5)), "another standstill is another matter");
    assert!(!memory.was_announced(&row("stranger", State::Stopped), at(6)));
}

#[tokio::test]
async fn what_is_gone_is_forgotten_and_a_snooze_makes_it_news_again() {
    let (store, mut ear) = in_memory();
    let (stays, goes) = (row("stays", State::Stopped), row("goes", State::Stopped));
    store.commit_index(commit(vec![insert(&stays, at(1))], at(1))).await.unwrap();
    heard(&mut ear).await;
    store.announce_stale(found(&[&stays, &goes], at(5), at(9))).await.unwrap();
    let rows = [stays.clone()];
    assert!(store.stale_memory(&engine()).await.unwrap().outlives(&rows));
    heard(&mut ear).await;
    store.announce_stale(found(&[], at(5), at(10))).await.unwrap();
    let memory = store.stale_memory(&engine()).await.unwrap();
    assert!(memory.was_announced(&stays, at(5)) && !memory.was_announced(&goes, at(5)));
    assert!(!memory.outlives(&rows));
    assert!(heard(&mut ear).await.is_empty(), "forgetting is no news");
    let keys = vec![StaleKey::of(&stays)];
    store.wish(&engine(), keys, Wish::SnoozeUntil(at(50)), at(11)).await.unwrap();
    assert!(!store.stale_memory(&engine()).await.unwrap().was_announced(&stays, at(5)));
}

#[tokio::test]
async fn it_is_all_there_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let open = || Store::open(home.path(), Bus::default(), at(0)).unwrap();
    let a = row("'; DROP TABLE stale_wishes; --\u{1b}[2J", State::Stopped);
    let store = open();
    store.commit_index(commit(vec![insert(&a, at(1))], at(1))).await.unwrap();
    store.add_workload(project("shop"), at(0)).await.unwrap();
    store.wish(&engine(), vec![StaleKey::of(&a)], Wish::Pin, at(2)).await.unwrap();
    store.set_stale_threshold(&WorkloadId::new("shop"), Some(3), at(2)).await.unwrap();
    store.announce_stale(found(&[&a], at(5), at(9))).await.unwrap();
    let before = store.stale_memory(&engine()).await.unwrap();
    store.close().await;
    let store = open();
    assert_eq!(store.stale_memory(&engine()).await.unwrap(), before);
    assert!(before.was_announced(&a, at(5)));
    store.close().await;
}

/// Of a container that ended twice the last end is told, and not that of another that the row stood for.
#[tokio::test]
async fn the_last_end_is_the_latest_of_this_container() {
    let (store, _) = in_memory();
    let a = row("a", State::Running);
    store.commit_index(commit(vec![insert(&a, at(1))], at(1))).await.unwrap();
    for (second, state) in [(2, State::Stopped), (3, State::Running), (4, State::Failed), (5, State::Created)]
    {
        store.commit_index(commit(vec![observe(&a, state, at(second))], at(second))).await.unwrap();
    }
    let of = |container| store.last_ends(vec![(a.id.clone(), container)]);
    let ends = of(a.container_id.clone()).await.unwrap();
    assert_eq!((ends[&a.id].at, ends[&a.id].to.as_deref()), (at(4), Some("failed")));
    assert!(of(Some(container_id("other"))).await.unwrap().is_empty());
    assert!(of(None).await.unwrap().is_empty());
}
