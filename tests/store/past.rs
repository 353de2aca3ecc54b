//! A container's history, and the index as it stood.

use tinyforge_core::rules::container::{Health, State};
use tinyforge_core::rules::diff::Field;
use tinyforge_core::rules::gap::{Gap, GapReason};
use tinyforge_core::rules::ids::ContainerId;
use tinyforge_core::rules::row::{Facts, Row};
use tinyforge_core::store::{IndexCommit, RowWrite, Store, StoreError};

use super::world::*;

/// `web` runs at 10, turns healthy at 20, stops at 30, is renamed at 40, and its row stands for another container
/// from 60 on. `job` runs at 15 and is gone at 25.
async fn a_story() -> Store {
    let (store, _) = in_memory();
    let mut web = row("web", State::Running);
    web.facts.container_created_at = Some(at(10));
    let mut job = row("job", State::Running);
    job.facts.container_created_at = Some(at(15));
    let told = |name: &str, state: State, health: Health, container: &str, created: i64, history| {
        RowWrite::Observe {
            id: web.id.clone(),
            owner: web.owner.clone(),
            container_id: container_id(container),
            facts: Box::new(Facts { health, container_created_at: Some(at(created)), ..facts(name, state) }),
            course: Box::default(),
            last_seen_at: None,
            history,
        }
    };
    let healthy = change(Field::Health, Some("none"), Some("healthy"), at(20));
    let stopped = change(Field::State, Some("running"), Some("stopped"), at(30));
    let renamed = change(Field::Name, Some("web"), Some("web2"), at(40));
    let missing = change(Field::State, Some("stopped"), Some("missing"), at(50));
    let again = change(Field::State, None, Some("running"), at(60));
    let gone = change(Field::State, Some("running"), None, at(25));
    let steps = [
        (10, insert(&web, at(10))),
        (15, insert(&job, at(15))),
        (21, told("web", State::Running, Health::Healthy, "web", 10, vec![healthy])),
        (26, RowWrite::Retire { id: job.id.clone(), history: vec![gone] }),
        (31, told("web", State::Stopped, Health::Healthy, "web", 10, vec![stopped])),
        (41, told("web2", State::Stopped, Health::Healthy, "web", 10, vec![renamed])),
        (
            51,
            RowWrite::Missing {
                id: web.id.clone(),
                since: at(50),
                course: Box::default(),
                last_seen_at: None,
                history: vec![missing],
            },
        ),
        (61, told("web3", State::Running, Health::None, "successor", 60, vec![again])),
    ];
    for (now, write) in steps {
        store.commit_index(commit(vec![write], at(now))).await.unwrap();
    }
    let gap = Gap { from: at(32), to: at(35), reason: GapReason::Asleep };
    let end = IndexCommit { gaps: vec![gap], verified_at: Some(at(70)), ..commit(vec![], at(70)) };
    store.commit_index(end).await.unwrap();
    store
}

#[tokio::test]
async fn the_index_is_shown_as_it_stood_at_any_moment() {
    let store = a_story().await;
    let cases: &[(i64, &[&str])] = &[
        (9, &[]),
        (10, &["web running none @10"]),
        (19, &["job running none @15", "web running none @10"]),
        (24, &["job running none @15", "web running healthy @10"]),
        (25, &["web running healthy @10"]),
        (30, &["web stopped healthy @30"]),
        (45, &["web2 stopped healthy @30"]),
        (55, &["web2 missing none @50"]),
        (60, &["web3 running none @60"]),
        (65, &["web3 running none @60"]),
    ];
    for (second, expected) in cases {
        let then = store.index_at(&engine(), at(*second)).await.unwrap();
        let told: Vec<_> = then
            .containers
            .iter()
            .map(|c| {
                let since = c.since.as_second() - at(0).as_second();
                format!("{} {} {} @{since}", c.name, c.state, c.health)
            })
            .collect();
        assert_eq!(told, *expected, "at {second}");
        assert_eq!(then.gap.is_some(), (32..35).contains(second), "at {second}");
        assert_eq!(then.verified_until, Some(at(70)));
        assert_eq!(then.known_from, Some(at(10)), "the first commit of this engine");
    }
    assert!(store.index_at(&engine(), at(33)).await.unwrap().gap.is_some());
    assert!(store.index_at(&engine(), at(35)).await.unwrap().gap.is_none(), "a gap ends where it ends");
}

/// As it was carried over from the earlier design, or as it is left once its history is too old to be kept.
#[tokio::test]
async fn what_no_history_tells_of_stands_from_its_creation_on() {
    let (store, _) = in_memory();
    let mut web = row("web", State::Running);
    web.facts.container_created_at = Some(at(10));
    let untold = RowWrite::Insert { row: Box::new(web), history: vec![] };
    store.commit_index(commit(vec![untold], at(50))).await.unwrap();
    for (second, expected) in [(9, 0), (10, 1), (60, 1)] {
        let then = store.index_at(&engine(), at(second)).await.unwrap();
        assert_eq!(then.containers.len(), expected, "at {second}");
    }
}

#[tokio::test]
async fn a_container_is_found_by_name_id_and_beginning_also_when_it_is_gone() {
    let store = a_story().await;
    let lines = async |query: &str| {
        let found = store.history_of(Some(&engine()), query).await.unwrap();
        (found.gone, found.name.clone(), found.lines.len())
    };
    let id = |name: &str| container_id(name).as_str().to_owned();
    assert_eq!(lines("web3").await, (false, "web3".to_owned(), 6), "a row's whole history");
    assert_eq!(lines("row-web").await, (false, "web3".to_owned(), 6));
    assert_eq!(lines(&id("successor")).await, (false, "web3".to_owned(), 6));
    assert_eq!(lines(&id("successor")[..12]).await, (false, "web3".to_owned(), 6));
    assert_eq!(lines("job").await, (true, "job".to_owned(), 2));
    assert_eq!(lines(&id("job")).await, (true, "job".to_owned(), 2));
    assert_eq!(lines(&id("job")[..6]).await, (true, "job".to_owned(), 2));
    assert_eq!(lines(&id("web")).await.2, 5, "the container that the row stood for before");
    let history = store.history_of(None, "job").await.unwrap();
    let told: Vec<_> = history
        .lines
        .iter()
        .map(|l| (l.recorded.change.from.as_deref(), l.recorded.change.to.as_deref()))
        .collect();
    assert_eq!(told, [(None, Some("running")), (Some("running"), None)], "oldest first");
    for nobody in ["", "nobody", "%", "zz"] {
        let error = store.history_of(None, nobody).await.unwrap_err();
        assert!(matches!(error, StoreError::NoSuchContainer(_)), "{nobody:?}: {error}");
    }
}

#[tokio::test]
async fn a_beginning_that_fits_several_names_them() {
    let (store, _) = in_memory();
    let with_id = |name: &str, id: &str| Row {
        container_id: Some(ContainerId::new(format!("{id:0<64}"))),
        ..row(name, State::Running)
    };
    let rows = [with_id("one", "abc1"), with_id("two", "abc2")];
    store.commit_index(commit(rows.iter().map(|r| insert(r, at(5))).collect(), at(5))).await.unwrap();
    let error = store.history_of(None, "abc").await.unwrap_err();
    match &error {
        StoreError::AmbiguousContainer { candidates, .. } => {
            assert_eq!(candidates, &["one (abc100000000)", "two (abc200000000)"]);
        }
        other => panic!("{other}"),
    }
    assert_eq!(store.history_of(None, "abc1").await.unwrap().name, "one");
}
