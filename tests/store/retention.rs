//! What is too old goes, and of what is kept nothing is lost: `at` tells the same before and after.

use tinyforge_core::rules::container::State;
use tinyforge_core::rules::diff::Field;
use tinyforge_core::rules::gap::{Gap, GapReason};
use tinyforge_core::rules::row::Facts;
use tinyforge_core::store::{Happening, HistoryBounds, IndexCommit, RowWrite, Store};

use super::world::*;

const DAY: i64 = 86_400;

/// A day for each change: `web` turns every day from 1 on, `job` lives from day 2 to 4, `brief` from 3 to 40, and the
/// row of `shop` stands for `one` from day 1 and for `two` from day 30 on.
async fn sixty_days() -> Store {
    let (store, _) = in_memory();
    let of = |name: &str, day: i64| {
        let mut row = row(name, State::Running);
        row.facts.container_created_at = Some(at(day * DAY));
        row.created_at = at(day * DAY);
        row
    };
    let (web, job, brief, shop) = (of("web", 1), of("job", 2), of("brief", 3), of("shop", 1));
    let write = async |day: i64, write: RowWrite| {
        store.commit_index(commit(vec![write], at(day * DAY))).await.unwrap();
    };
    write(1, insert(&web, at(DAY))).await;
    write(1, insert(&shop, at(DAY))).await;
    write(2, insert(&job, at(2 * DAY))).await;
    write(3, insert(&brief, at(3 * DAY))).await;
    let gone = |row: &tinyforge_core::rules::row::Row, day: i64| RowWrite::Retire {
        id: row.id.clone(),
        history: vec![change(Field::State, Some("running"), None, at(day * DAY))],
    };
    write(4, gone(&job, 4)).await;
    for day in 2..=60 {
        let (from, to) = if day % 2 == 0 { ("running", State::Stopped) } else { ("stopped", State::Running) };
        let mut turned = observe(&web, to, at(day * DAY));
        if let RowWrite::Observe { history, .. } = &mut turned {
            *history = vec![change(Field::State, Some(from), Some(to.as_str()), at(day * DAY))];
        }
        write(day, turned).await;
        if day == 30 {
            let missing = change(Field::State, Some("running"), Some("missing"), at(30 * DAY - 60));
            let course = Box::default();
            let id = shop.id.clone();
            let since = at(30 * DAY - 60);
            write(30, RowWrite::Missing { id, since, course, last_seen_at: None, history: vec![missing] })
                .await;
            write(
                30,
                RowWrite::Observe {
                    id: shop.id.clone(),
                    owner: shop.owner.clone(),
                    container_id: container_id("two"),
                    facts: Box::new(Facts {
                        image: "registry.test/shop:v2".into(),
                        container_created_at: Some(at(30 * DAY)),
                        ..facts("shop", State::Running)
                    }),
                    course: Box::default(),
                    last_seen_at: None,
                    history: vec![change(Field::State, None, Some("running"), at(30 * DAY))],
                },
            )
            .await;
        }
        if day == 40 {
            write(40, gone(&brief, 40)).await;
        }
    }
    let gap = |day: i64| Gap { from: at(day * DAY), to: at(day * DAY + 60), reason: GapReason::Asleep };
    let end = IndexCommit {
        gaps: vec![gap(5), gap(45)],
        verified_at: Some(at(61 * DAY)),
        ..commit(vec![], at(61 * DAY))
    };
    store.commit_index(end).await.unwrap();
    for day in [5, 55] {
        let kind = "backup".to_owned();
        let (subject, text) = (String::new(), "a copy".to_owned());
        store.note(Happening { at: at(day * DAY), kind, subject, text, detail: [].into() }).await.unwrap();
    }
    store
}

/// All that `at` tells of a moment.
async fn told(store: &Store, second: i64) -> Vec<String> {
    let then = store.index_at(&engine(), at(second)).await.unwrap();
    then.containers.iter().map(|container| format!("{container:?}")).collect()
}

#[tokio::test]
async fn what_is_kept_is_told_as_before_and_the_rest_is_gone() {
    let store = sixty_days().await;
    let moments: Vec<i64> =
        (20..=61).flat_map(|day| [day * DAY - 30, day * DAY, day * DAY + DAY / 2]).collect();
    let mut before = vec![];
    for moment in &moments {
        before.push(told(&store, *moment).await);
    }
    assert_eq!(before[0].len(), 3, "web, brief, shop: {:?}", before[0]);
    assert!(before[0].iter().any(|line| line.contains("registry.test/shop:v1")), "{:?}", before[0]);

    // Between two changes: what held then was said before.
    let kept_from = 20 * DAY + DAY / 2;
    let (days, now) = (41, at(61 * DAY + DAY / 2));
    let size = store.history_size().await.unwrap();
    let removed = store.forget_the_past(HistoryBounds { days, lines: 1_000 }, now).await.unwrap();
    let after = store.history_size().await.unwrap();
    assert_eq!(after.lines, size.lines - removed);
    assert!((18..=22).contains(&removed), "twenty days of web, and all of job: {removed}");
    assert_eq!(after.from, Some(at(kept_from)), "from when on all of it is there");
    for (moment, before) in moments.iter().zip(&before).filter(|(moment, _)| **moment >= kept_from) {
        assert_eq!(told(&store, *moment).await, *before, "at {}", moment / DAY);
    }
    assert!(store.history_of(None, "job").await.is_err());
    assert_eq!(store.gaps(&engine()).await.unwrap().len(), 1);
    assert_eq!(store.happenings(9).await.unwrap().len(), 1);
    assert_eq!(store.index_at(&engine(), at(0)).await.unwrap().kept_from, Some(at(kept_from)));
    let again = store.forget_the_past(HistoryBounds { days, lines: 1_000 }, now).await.unwrap();
    assert_eq!(again, 0, "the second time there is nothing to do");
}

#[tokio::test]
async fn a_history_that_is_too_long_is_cut_whatever_its_age() {
    let store = sixty_days().await;
    let bounds = HistoryBounds { days: 3_650, lines: 20 };
    let expected = told(&store, 55 * DAY + 30).await;
    store.forget_the_past(bounds, at(61 * DAY)).await.unwrap();
    let size = store.history_size().await.unwrap();
    // Beside those, what held before for each of the two that are there, and how they began.
    assert!((20..=24).contains(&size.lines), "{size:?}");
    assert_eq!(told(&store, 55 * DAY + 30).await, expected);
    store.forget_the_past(HistoryBounds { days: 3_650, lines: 1_000 }, at(61 * DAY)).await.unwrap();
    let kept = store.index_at(&engine(), at(0)).await.unwrap().kept_from;
    assert_eq!(kept, size.from, "what was removed does not come again");
}
