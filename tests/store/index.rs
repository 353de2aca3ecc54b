//! The two write paths of the index, and what leaves after a commit.

use std::time::{Duration, Instant};

use tinyforge_core::events::{Bus, Event};
use tinyforge_core::rules::container::{Health, State, WorkloadKind};
use tinyforge_core::rules::diff::Field;
use tinyforge_core::rules::dispatch::Recorded;
use tinyforge_core::rules::gap::{Gap, GapReason};
use tinyforge_core::rules::ids::{EngineId, RowId, WorkloadId};
use tinyforge_core::rules::row::{Decided, Facts, Owner, Row};
use tinyforge_core::store::{
    IndexCommit, NewShape, NewWorkload, Placeholder, RecordedBy, RowWrite, Store, StoreError,
};

use super::world::*;

#[tokio::test]
async fn what_was_inserted_reads_back_whole_and_is_announced_once_after_the_commit() {
    let (store, mut ear) = in_memory();
    let mut row = row("web", State::Running);
    row.facts.health = Health::Starting;
    row.facts.exit_code = Some(-1);
    row.facts.oom_killed = true;
    row.facts.restart_count = 3;
    row.facts.error = Some("no such file".to_owned());
    row.facts.finished_at = Some(at(4));
    row.facts.auto_remove = true;
    row.owner = Owner::Foreign { reason: Some("it claims a workload that is not there".to_owned()) };
    let revision = store.commit_index(commit(vec![insert(&row, at(5))], at(5))).await.unwrap();
    assert_eq!(revision, 1);
    assert_eq!(store.load_index(&engine()).await.unwrap().rows, [row.clone()]);
    let change = heard_one(&mut ear).await;
    assert_eq!((change.revision, change.upserts.as_slice()), (1, [row].as_slice()));
    assert_eq!(change.history.len(), 1);
    assert_eq!(store.log(None, 10).await.unwrap()[0].recorded, change.history[0]);
}

#[tokio::test]
async fn neither_write_path_can_overwrite_the_others_columns() {
    let (store, mut ear) = in_memory();
    store.add_workload(project("shop"), at(0)).await.unwrap();
    let first = row("web", State::Running);
    store.commit_index(commit(vec![insert(&first, at(5))], at(5))).await.unwrap();

    let decided = Decided {
        release_id: Some("r1".into()),
        deploy_id: Some("d1".into()),
        image_tag: Some("v1".into()),
        subdomain: Some("shop".into()),
        proxy_route_id: Some("p1".into()),
        stage_id: None,
    };
    store.commit_decision(&first.id, decided.clone(), at(6)).await.unwrap();
    let after = store.load_index(&engine()).await.unwrap().rows.remove(0);
    let expected = Row { decided: decided.clone(), updated_at: at(6), ..first.clone() };
    assert_eq!(after, expected, "the deployer changed what it decided and nothing the engine says");

    // The reconciler observes everything differently, and knows nothing of the decision.
    let owner =
        Owner::Workload { id: WorkloadId::new("shop"), kind: WorkloadKind::Project, role: "prod".to_owned() };
    let seen = Facts {
        name: "renamed".into(),
        image: "other".into(),
        image_id: "sha256:9".into(),
        state: State::Stopped,
        health: Health::Unhealthy,
        exit_code: Some(137),
        oom_killed: true,
        restart_count: 9,
        error: Some("x".into()),
        ports: Vec::new(),
        labels: std::collections::BTreeMap::new(),
        container_created_at: Some(at(7)),
        started_at: None,
        finished_at: Some(at(8)),
        restart_policy: "always".into(),
        auto_remove: true,
    };
    let observe = RowWrite::Observe {
        id: first.id.clone(),
        owner: owner.clone(),
        container_id: container_id("another"),
        facts: Box::new(seen.clone()),
        course: Box::default(),
        last_seen_at: Some(at(8)),
        history: Vec::new(),
    };
    heard(&mut ear).await;
    store.commit_index(commit(vec![observe], at(9))).await.unwrap();
    let after = store.load_index(&engine()).await.unwrap().rows.remove(0);
    let expected = Row {
        owner,
        container_id: Some(container_id("another")),
        facts: seen,
        last_seen_at: Some(at(8)),
        updated_at: at(9),
        ..expected
    };
    assert_eq!(after, expected, "the reconciler changed what the engine says and nothing that was decided");
    assert_eq!(heard_one(&mut ear).await.upserts, [expected], "the announced row has both halves");
}

#[tokio::test]
async fn an_inserted_row_cannot_bring_decisions_along() {
    let (store, _) = in_memory();
    let mut bold = row("web", State::Running);
    bold.decided.release_id = Some("mine".to_owned());
    store.commit_index(commit(vec![insert(&bold, at(5))], at(5))).await.unwrap();
    assert_eq!(store.load_index(&engine()).await.unwrap().rows[0].decided, Decided::default());
}

#[tokio::test]
async fn a_commit_that_fails_writes_nothing_and_announces_nothing() {
    let (store, mut ear) = in_memory();
    let there = row("web", State::Running);
    store.commit_index(commit(vec![insert(&there, at(5))], at(5))).await.unwrap();
    heard(&mut ear).await;

    let fresh = row("db", State::Running);
    let mut twin = row("twin", State::Running);
    twin.container_id = there.container_id.clone();
    let mut placeholder = row("p", State::Deploying);
    placeholder.container_id = None;
    let mut stranger = row("s", State::Running);
    stranger.engine_id = EngineId::new("ENGINE-B");
    let ghost = row("ghost", State::Running);
    let bad = [
        ("the same key twice", insert(&there, at(6))),
        ("the same container twice", insert(&twin, at(6))),
        ("a placeholder by the reconciler", insert(&placeholder, at(6))),
        ("another engine's row", insert(&stranger, at(6))),
        ("observing no row", observe(&ghost, State::Stopped, at(6))),
        (
            "missing no row",
            RowWrite::Missing {
                id: ghost.id.clone(),
                since: at(6),
                course: Box::default(),
                last_seen_at: None,
                history: Vec::new(),
            },
        ),
        ("retiring no row", RowWrite::Retire { id: ghost.id.clone(), history: Vec::new() }),
    ];
    for (what, bad) in bad {
        let writes = vec![insert(&fresh, at(6)), bad];
        let commit = IndexCommit {
            verified_at: Some(at(6)),
            seen: Some(at(6)),
            gaps: vec![Gap { from: at(1), to: at(2), reason: GapReason::Asleep }],
            ..commit(writes, at(6))
        };
        store.commit_index(commit).await.expect_err(what);
        let load = store.load_index(&engine()).await.unwrap();
        assert_eq!((load.rows, load.revision, load.verified_at), (vec![there.clone()], 1, None), "{what}");
        assert_eq!(store.log(None, 10).await.unwrap().len(), 1, "{what}");
        assert!(store.gaps(&engine()).await.unwrap().is_empty(), "{what}");
        assert!(heard(&mut ear).await.is_empty(), "{what}: what was rolled back must not be announced");
    }
}

#[tokio::test]
async fn what_no_face_could_tell_apart_is_not_announced_and_raises_no_revision() {
    let (store, mut ear) = in_memory();
    let row = row("web", State::Running);
    store.commit_index(commit(vec![insert(&row, at(5))], at(5))).await.unwrap();
    heard(&mut ear).await;

    let same = RowWrite::Observe {
        id: row.id.clone(),
        owner: row.owner.clone(),
        container_id: row.container_id.clone().unwrap(),
        facts: Box::new(row.facts.clone()),
        course: Box::default(),
        last_seen_at: row.last_seen_at,
        history: Vec::new(),
    };
    let quiet = IndexCommit {
        verified_at: Some(at(9)),
        seen: Some(at(9)),
        gaps: vec![Gap { from: at(6), to: at(8), reason: GapReason::EngineAway }],
        ..commit(vec![], at(9))
    };
    assert_eq!(store.commit_index(commit(vec![same], at(8))).await.unwrap(), 1);
    assert_eq!(store.commit_index(commit(vec![], at(8))).await.unwrap(), 1);
    assert!(heard(&mut ear).await.is_empty());
    assert_eq!(store.commit_index(quiet).await.unwrap(), 1, "a gap is no change of a row");
    assert!(matches!(
        &heard(&mut ear).await[..],
        [Event::GapRecorded(Gap { reason: GapReason::EngineAway, .. })]
    ));
    let load = store.load_index(&engine()).await.unwrap();
    assert_eq!(load.verified_at, Some(at(9)), "what needs no announcement is written all the same");
    assert_eq!(load.rows[0].last_seen_at, Some(at(9)));
    assert_eq!(load.rows[0].updated_at, at(5), "being seen is no change of the row");
    assert_eq!(store.gaps(&engine()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_later_moment_of_having_been_seen_is_never_taken_back() {
    let (store, _) = in_memory();
    let row = row("web", State::Running);
    store.commit_index(commit(vec![insert(&row, at(5))], at(5))).await.unwrap();
    for (seen, expected) in [(at(9), at(9)), (at(7), at(9)), (at(12), at(12))] {
        let commit = IndexCommit { seen: Some(seen), ..commit(vec![], at(20)) };
        store.commit_index(commit).await.unwrap();
        assert_eq!(store.load_index(&engine()).await.unwrap().rows[0].last_seen_at, Some(expected));
    }
    // Seen running at 15, and found stopped since 13 in the same commit: the engine's time stands.
    let stopped = RowWrite::Observe {
        id: row.id.clone(),
        owner: row.owner.clone(),
        container_id: row.container_id.clone().unwrap(),
        facts: Box::new(Facts { state: State::Stopped, ..row.facts.clone() }),
        course: Box::default(),
        last_seen_at: Some(at(13)),
        history: Vec::new(),
    };
    let both = IndexCommit { seen: Some(at(15)), ..commit(vec![stopped], at(16)) };
    store.commit_index(both).await.unwrap();
    assert_eq!(store.load_index(&engine()).await.unwrap().rows[0].last_seen_at, Some(at(13)));
}

#[tokio::test]
async fn a_missing_row_stays_and_a_retired_one_leaves_the_index_for_the_history() {
    let (store, mut ear) = in_memory();
    let (kept, gone) = (row("kept", State::Stopped), row("gone", State::Stopped));
    store.commit_index(commit(vec![insert(&kept, at(5)), insert(&gone, at(5))], at(5))).await.unwrap();
    heard(&mut ear).await;

    let missing = change(Field::State, Some("stopped"), Some("missing"), at(8));
    let removed = change(Field::State, Some("stopped"), None, at(8));
    let writes = vec![
        RowWrite::Missing {
            id: kept.id.clone(),
            since: at(8),
            course: Box::default(),
            last_seen_at: None,
            history: vec![missing],
        },
        RowWrite::Retire { id: gone.id.clone(), history: vec![removed] },
    ];
    store.commit_index(commit(writes, at(9))).await.unwrap();
    let change = heard_one(&mut ear).await;
    assert_eq!(change.removals, std::slice::from_ref(&gone.id));
    assert_eq!(change.upserts.len(), 1);
    assert_eq!(change.history.len(), 2);
    let rows = store.load_index(&engine()).await.unwrap().rows;
    assert_eq!(rows, change.upserts);
    assert_eq!((rows[0].facts.state, rows[0].missing_since), (State::Missing, Some(at(8))));

    let back = RowWrite::Observe {
        id: kept.id.clone(),
        owner: kept.owner.clone(),
        container_id: kept.container_id.clone().unwrap(),
        facts: Box::new(kept.facts.clone()),
        course: Box::default(),
        last_seen_at: kept.last_seen_at,
        history: Vec::new(),
    };
    store.commit_index(commit(vec![back], at(10))).await.unwrap();
    let rows = store.load_index(&engine()).await.unwrap().rows;
    assert_eq!(
        (rows[0].facts.state, rows[0].missing_since),
        (State::Stopped, None),
        "it is no longer missing"
    );
    assert!(
        store.history_of(None, "gone").await.unwrap().gone,
        "what left the index is found in the history"
    );
}

#[tokio::test]
async fn only_the_deploy_that_made_a_placeholder_ends_it_and_a_container_may_fill_it() {
    let (store, mut ear) = in_memory();
    store.add_workload(project("shop"), at(0)).await.unwrap();
    let owner =
        Owner::Workload { id: WorkloadId::new("shop"), kind: WorkloadKind::Project, role: "prod".into() };
    let decided =
        Decided { deploy_id: Some("d7".into()), image_tag: Some("v2".into()), ..Decided::default() };
    let place = |key: &str| Placeholder {
        id: RowId::new(key),
        engine_id: engine(),
        owner: owner.clone(),
        name: "tf-shop-prod-7".into(),
        image: "shop:v2".into(),
        decided: decided.clone(),
    };
    store.insert_placeholder(place("shop:prod"), at(1)).await.unwrap();
    let placed = heard_one(&mut ear).await.upserts.remove(0);
    assert_eq!((placed.container_id, placed.facts.state), (None, State::Deploying));
    assert_eq!(placed.decided, decided);

    let nameless = Placeholder { decided: Decided::default(), ..place("other") };
    assert!(matches!(store.insert_placeholder(nameless, at(1)).await, Err(StoreError::Conflict(_))));
    assert!(matches!(
        store.insert_placeholder(place("shop:prod"), at(1)).await,
        Err(StoreError::Conflict(_))
    ));
    let swept = RowWrite::Missing {
        id: RowId::new("shop:prod"),
        since: at(2),
        course: Box::default(),
        last_seen_at: None,
        history: Vec::new(),
    };
    assert!(matches!(store.commit_index(commit(vec![swept], at(2))).await, Err(StoreError::Conflict(_))));
    assert!(matches!(
        store.end_placeholder(&RowId::new("shop:prod"), "d8", at(2)).await,
        Err(StoreError::Conflict(_))
    ));

    let filled = RowWrite::Observe {
        id: RowId::new("shop:prod"),
        owner: owner.clone(),
        container_id: container_id("green"),
        facts: Box::new(facts("green", State::Running)),
        course: Box::default(),
        last_seen_at: Some(at(3)),
        history: Vec::new(),
    };
    let of = |deploy: &str| Recorded {
        workload_id: WorkloadId::new("shop"),
        role: "prod".into(),
        deploy_id: Some(deploy.into()),
    };
    for (deploy, fills) in [("d6", false), ("d7", true)] {
        let green = container_id("green");
        store.record_container(&engine(), &green, of(deploy), RecordedBy::Journal, at(2)).await.unwrap();
        let outcome = store.commit_index(commit(vec![filled.clone()], at(3))).await;
        assert_eq!(outcome.is_ok(), fills, "a container of {deploy} for a placeholder of d7");
    }
    let row = store.load_index(&engine()).await.unwrap().rows.remove(0);
    assert_eq!((row.container_id, row.decided), (Some(container_id("green")), decided.clone()));
    assert!(
        matches!(
            store.end_placeholder(&RowId::new("shop:prod"), "d7", at(4)).await,
            Err(StoreError::Conflict(_))
        ),
        "a row with a container is no placeholder any more"
    );

    store.insert_placeholder(place("shop:prod:2"), at(5)).await.unwrap();
    heard(&mut ear).await;
    store.end_placeholder(&RowId::new("shop:prod:2"), "d7", at(6)).await.unwrap();
    assert_eq!(heard_one(&mut ear).await.removals, [RowId::new("shop:prod:2")]);
}

#[tokio::test]
async fn each_engine_has_its_own_rows_and_revisions_never_go_back() {
    let (store, _) = in_memory();
    let ours = row("web", State::Running);
    store.commit_index(commit(vec![insert(&ours, at(5))], at(5))).await.unwrap();
    let other = EngineId::new("ENGINE-B");
    let load = store.load_index(&other).await.unwrap();
    assert!(load.rows.is_empty());
    assert_eq!(load.revision, 1, "a face that saw revision 1 must not be given it again");
    assert!(load.taken.contains(&ours.id), "the other engine's keys are taken");

    // The same container id on another engine is another container.
    let theirs = Row { id: RowId::new("row-web-b"), engine_id: other.clone(), ..ours.clone() };
    let commit_b = IndexCommit { engine_id: other.clone(), ..commit(vec![insert(&theirs, at(6))], at(6)) };
    assert_eq!(store.commit_index(commit_b).await.unwrap(), 2);
    assert_eq!(store.load_index(&other).await.unwrap().rows, [theirs]);
    assert_eq!(store.load_index(&engine()).await.unwrap().rows, [ours]);
    assert_eq!(store.containers(None).await.unwrap().len(), 2);
}

#[tokio::test]
async fn claims_are_read_with_the_index() {
    let (store, _) = in_memory();
    store.add_workload(project("shop"), at(0)).await.unwrap();
    let stack = NewWorkload {
        id: WorkloadId::new("w-blog"),
        name: "blog".into(),
        shape: NewShape::Stack { compose_project: "blog_x".into() },
    };
    store.add_workload(stack, at(0)).await.unwrap();
    let to = Recorded { workload_id: WorkloadId::new("shop"), role: "prod".into(), deploy_id: None };
    let id = container_id("adopted");
    store.record_container(&engine(), &id, to.clone(), RecordedBy::Adopt, at(1)).await.unwrap();
    let nobody = Recorded { workload_id: WorkloadId::new("nobody"), role: "prod".into(), deploy_id: None };
    assert!(matches!(
        store.record_container(&engine(), &id, nobody, RecordedBy::Adopt, at(1)).await,
        Err(StoreError::Conflict(_))
    ));
    let claims = store.load_index(&engine()).await.unwrap().claims;
    assert_eq!(claims.recorded.get(&id), Some(&to));
    assert_eq!(claims.workloads.len(), 2);
    assert_eq!(claims.workloads[&WorkloadId::new("w-blog")].name, "blog");
    assert_eq!(claims.compose_projects["blog_x"], WorkloadId::new("w-blog"));
    assert!(store.load_index(&EngineId::new("B")).await.unwrap().claims.recorded.is_empty());
}

#[tokio::test]
async fn an_engine_is_remembered_and_the_one_verified_last_comes_first() {
    let (store, _) = in_memory();
    let b = EngineId::new("ENGINE-B");
    store.remember_engine(&engine(), "unix:///a", at(1)).await.unwrap();
    store.remember_engine(&b, "unix:///b", at(2)).await.unwrap();
    store.commit_index(IndexCommit { verified_at: Some(at(9)), ..commit(vec![], at(9)) }).await.unwrap();
    store.remember_engine(&engine(), "unix:///moved", at(10)).await.unwrap();
    let known = store.engines().await.unwrap();
    assert_eq!(known.iter().map(|e| e.endpoint.as_str()).collect::<Vec<_>>(), ["unix:///moved", "unix:///b"]);
    assert_eq!((known[0].verified_at, known[0].first_seen_at), (Some(at(9)), at(1)));
}

/// In memory every call runs at once on the caller's thread, so that a simulation needs no runtime but its own.
#[test]
fn a_database_in_memory_is_deterministic() {
    let (store, _) = in_memory();
    let row = row("web", State::Running);
    let mut committing = Box::pin(store.commit_index(commit(vec![insert(&row, at(5))], at(5))));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(committing.as_mut().poll(&mut context).is_ready(), "a call must not wait for anything");
}

#[tokio::test]
async fn a_commit_of_a_thousand_rows_is_quick() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(home.path(), Bus::default(), at(0)).unwrap();
    let rows: Vec<_> = (0..1000).map(|n| row(&format!("c{n:04}"), State::Running)).collect();
    let began = Instant::now();
    store.commit_index(commit(rows.iter().map(|r| insert(r, at(5))).collect(), at(5))).await.unwrap();
    let inserted = began.elapsed();
    let began = Instant::now();
    let seen = Some(at(9));
    store.commit_index(IndexCommit { seen, ..commit(vec![], at(9)) }).await.unwrap();
    let seen = began.elapsed();
    let began = Instant::now();
    let writes = rows.iter().map(|r| observe(r, State::Stopped, at(6))).collect();
    store.commit_index(commit(writes, at(6))).await.unwrap();
    let observed = began.elapsed();
    let began = Instant::now();
    let load = store.load_index(&engine()).await.unwrap();
    let loaded = began.elapsed();
    assert_eq!(load.rows.len(), 1000);
    let mut singles = Vec::new();
    for (n, row) in load.rows.iter().take(100).enumerate() {
        let began = Instant::now();
        let state = if n % 2 == 0 { State::Running } else { State::Paused };
        store.commit_index(commit(vec![observe(row, state, at(10))], at(10))).await.unwrap();
        singles.push(began.elapsed());
    }
    singles.sort();
    println!(
        "1,000 rows: inserted {inserted:?}, seen {seen:?}, observed {observed:?}, loaded {loaded:?}; \
         one row p50 {:?}, p99 {:?}",
        singles[50], singles[98]
    );
    assert!(
        inserted < Duration::from_secs(5) && observed < Duration::from_secs(5),
        "a commit must not crawl"
    );
}
