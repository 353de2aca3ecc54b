//! What is remembered of notices: what was told, what is muted, and the pause.

use std::sync::Arc;

use tinyforge_core::clock::Timestamp;
use tinyforge_core::events::{Bus, Event};
use tinyforge_core::rules::ids::{RowId, WorkloadId};
use tinyforge_core::rules::notice::mute::Scope;
use tinyforge_core::rules::notice::policy::{Pause, Telling, Told};
use tinyforge_core::rules::notice::{Notice, NoticeKind};
use tinyforge_core::rules::verdict::Level;
use tinyforge_core::store::{NoticeWishes, Store};

use super::world::*;

fn notice(id: u64, at: Timestamp, title: &str) -> Notice {
    Notice {
        id,
        at,
        kind: NoticeKind::Crashed,
        level: Level::Bad,
        title: title.to_owned(),
        body: title.to_owned(),
        workload: Some("shop".into()),
        role: Some("dev".into()),
        workload_ids: vec![WorkloadId::new("shop")],
        row_ids: vec![RowId::new("row")],
        cause: None,
        fix: None,
        target: "#/".into(),
    }
}

fn told(row: &str, kind: NoticeKind, second: i64) -> (RowId, NoticeKind, Told) {
    (RowId::new(row), kind, Told { since: at(second), at: at(second + 3) })
}

fn telling(notices: Vec<Notice>, told: Vec<(RowId, NoticeKind, Told)>) -> Telling {
    let mut telling = Telling::default();
    telling.notices = notices;
    telling.told = told;
    telling
}

fn scope(workload: Option<&str>, kind: Option<NoticeKind>) -> Scope {
    Scope { workload: workload.map(WorkloadId::new), kind }
}

#[tokio::test]
async fn a_database_knows_since_when_it_knows_of_notices() {
    let (store, mut ear) = in_memory();
    let memory = store.notice_memory(at(7)).await.unwrap();
    assert_eq!((memory.known_from, memory.next_id), (at(7), 1));
    assert_eq!(store.notice_memory(at(9_999)).await.unwrap().known_from, at(7));
    assert!(heard(&mut ear).await.is_empty());
}

#[tokio::test]
async fn what_is_told_is_remembered_and_announced_in_one_commit_and_the_log_is_bounded() {
    let (store, mut ear) = in_memory();
    let crash = told("a", NoticeKind::Crashed, 10);
    let ill = told("a", NoticeKind::Unhealthy, 20);
    let both = vec![crash.clone(), ill.clone(), told("b", NoticeKind::Crashed, 30)];
    let hostile = "'; DROP TABLE notices; --\u{1b}[2J\u{202e}";
    store
        .tell(&telling(vec![notice(1, at(31), hostile), notice(2, at(32), "b")], both), at(33))
        .await
        .unwrap();
    let announced: Vec<Arc<Notice>> = heard(&mut ear)
        .await
        .into_iter()
        .map(|event| match event {
            Event::Noticed(notice) => notice,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(announced.iter().map(|notice| notice.id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(announced[0].title, hostile);
    let memory = store.notice_memory(at(40)).await.unwrap();
    assert_eq!((memory.told.len(), memory.sent.len(), memory.next_id), (3, 2, 3));
    assert_eq!(memory.told[&(RowId::new("a"), NoticeKind::Unhealthy)], ill.2);

    let mut forgets = Telling::default();
    forgets.forgotten = vec![(RowId::new("a"), Some(NoticeKind::Unhealthy)), (RowId::new("b"), None)];
    forgets.told = vec![told("c", NoticeKind::Vanished, 50)];
    store.tell(&forgets, at(60)).await.unwrap();
    let memory = store.notice_memory(at(3_700)).await.unwrap();
    let left: Vec<String> =
        memory.told.keys().map(|(row, kind)| format!("{row} {}", kind.as_str())).collect();
    assert_eq!(left, ["a crashed", "c vanished"]);
    assert!(memory.sent.is_empty(), "an hour later nothing counts any more");
    assert!(heard(&mut ear).await.is_empty());

    // A number that is there already: nothing of it is written, nothing is announced.
    let twice = telling(
        vec![notice(9, at(70), "new"), notice(1, at(70), "again")],
        vec![told("d", NoticeKind::Crashed, 70)],
    );
    store.tell(&twice, at(70)).await.unwrap_err();
    assert_eq!(store.notice_memory(at(71)).await.unwrap().told.len(), 2);
    assert!(heard(&mut ear).await.is_empty());

    let many = (3..=600).map(|id| notice(id, at(100), "many")).collect();
    store.tell(&telling(many, vec![]), at(100)).await.unwrap();
    let kept = store.notices(10_000).await.unwrap();
    assert_eq!((kept.len(), kept[0].id, kept[499].id), (500, 600, 101));
    assert_eq!(store.notices(3).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_pause_is_counted_and_one_that_was_made_longer_is_not_ended() {
    let (store, mut ear) = in_memory();
    let pause = || async { store.notice_wishes().await.unwrap().pause };
    store.resume_notices(at(1)).await.unwrap();
    assert!(heard(&mut ear).await.is_empty(), "there was none");
    store.pause_notices(at(100), at(1)).await.unwrap();
    let mut unheard = Telling::default();
    unheard.unheard = 2;
    store.tell(&unheard, at(50)).await.unwrap();
    assert_eq!(pause().await, Some(Pause { until: at(100), unheard: 2 }));
    store.pause_notices(at(200), at(99)).await.unwrap();
    let mut over = Telling::default();
    over.pause_over = Some(at(100));
    store.tell(&over, at(101)).await.unwrap();
    assert_eq!(pause().await, Some(Pause { until: at(200), unheard: 2 }), "it goes on");
    store.resume_notices(at(150)).await.unwrap();
    assert_eq!(pause().await.unwrap().until, at(150));
    heard(&mut ear).await;
    store.tell(&over, at(150)).await.unwrap();
    assert_eq!(pause().await, None);
    assert!(matches!(heard(&mut ear).await.as_slice(), [Event::NoticeRulesChanged]));
}

#[tokio::test]
async fn a_wish_is_kept_and_announced_where_it_changes_anything() {
    let (store, mut ear) = in_memory();
    let crashed = Some(NoticeKind::Crashed);
    for (wish, muted, news) in [
        (scope(None, None), false, 0),
        (scope(Some("'; --"), None), true, 1),
        (scope(Some("'; --"), None), true, 0),
        (scope(Some("'; --"), crashed), false, 1),
        (scope(None, Some(NoticeKind::Stale)), true, 1),
        (scope(Some("'; --"), None), false, 1),
    ] {
        store.mute_notices(wish.clone(), muted, at(1)).await.unwrap();
        assert_eq!(heard(&mut ear).await.len(), news, "{wish:?} {muted}");
    }
    let mutes = store.notice_wishes().await.unwrap().mutes;
    let workload = WorkloadId::new("'; --");
    assert!(mutes.is_muted(Some(&workload), NoticeKind::Stale));
    assert!(!mutes.is_muted(Some(&workload), NoticeKind::Crashed));
}

#[tokio::test]
async fn all_of_it_is_there_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let open = || Store::open(home.path(), Bus::default(), at(0)).unwrap();
    let store = open();
    store.notice_memory(at(1)).await.unwrap();
    let told = telling(vec![notice(1, at(5), "a")], vec![told("\u{1b}'; --", NoticeKind::Crashed, 2)]);
    store.tell(&told, at(5)).await.unwrap();
    store.pause_notices(at(100), at(6)).await.unwrap();
    store.mute_notices(scope(Some("shop"), None), true, at(7)).await.unwrap();
    let before = store.notice_memory(at(8)).await.unwrap();
    store.close().await;
    let store = open();
    assert_eq!(store.notice_memory(at(8)).await.unwrap(), before);
    assert_ne!(store.notice_wishes().await.unwrap(), NoticeWishes::default());
    assert_eq!((before.told.len(), before.sent.len()), (1, 1));
    store.close().await;
}
