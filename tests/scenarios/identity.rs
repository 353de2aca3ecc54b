//! Rows belong to an engine; identity is the id.

use std::collections::BTreeSet;
use std::time::Duration;

use harness::world::World;
use tinyforge_core::control::commands::Events;
use tinyforge_core::docker::fake::{FakeEngine, Spec};
use tinyforge_core::rules::row::Row;

const MOMENT: Duration = Duration::from_millis(50);

#[tokio::test(start_paused = true)]
async fn another_engine_behind_the_same_socket_has_its_own_rows_and_makes_nothing_missing() {
    let engine = FakeEngine::new(1);
    for n in 0..6 {
        engine.run(Spec::named(&format!("first-{n}"))).unwrap();
    }
    let world = World::settled(engine.clone()).await;
    let first = world.rows().await;
    let first_id = engine.engine_id();
    engine.go_away();
    engine.become_another_engine("SECOND");
    engine.come_back();
    engine.run(Spec::named("second-0")).unwrap();
    world.equal_within(Duration::from_secs(5)).await;
    assert_eq!(world.rows().await.len(), 1);
    let kept = world.rows_of(first_id.as_str()).await;
    assert_eq!(kept, first, "the first engine's rows stand as they were");
    engine.go_away();
    engine.become_another_engine(first_id.as_str());
    engine.come_back();
    world.equal_within(Duration::from_secs(5)).await;
    assert_eq!(world.rows().await.len(), 6);
    assert_eq!(world.rows_of("SECOND").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_log_is_of_the_engine_that_answers_or_answered_last() {
    let engine = FakeEngine::new(8);
    for n in 0..3 {
        engine.run(Spec::named(&format!("first-{n}"))).unwrap();
    }
    let world = World::settled(engine.clone()).await;
    let first_id = engine.engine_id();
    let names = async |limit: Option<u32>| -> BTreeSet<String> {
        let lines = world.face().call(Events { limit }).await.unwrap();
        // A gap names nobody.
        lines.into_iter().map(|line| line.name).filter(|name| !name.is_empty()).collect()
    };
    let of = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    let firsts = of(&["first-0", "first-1", "first-2"]);
    assert_eq!(names(None).await, firsts);

    engine.go_away();
    engine.become_another_engine("SECOND");
    engine.come_back();
    engine.run(Spec::named("second-0")).unwrap();
    world.equal_within(Duration::from_secs(5)).await;
    assert_eq!(names(None).await, of(&["second-0"]), "the first engine's changes are not the second's");
    engine.go_away();
    world.wait(Duration::from_secs(2)).await;
    assert_eq!(names(None).await, of(&["second-0"]), "away, it is still the one that answered last");

    engine.become_another_engine(first_id.as_str());
    engine.come_back();
    // Its rows stood all the while, so that they are equal tells nothing.
    world.wait(Duration::from_secs(5)).await;
    assert_eq!(names(None).await, firsts);
    assert_eq!(names(Some(1)).await.len(), 1, "the latest of its own, whoever else's are later");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_replaced_while_it_is_being_reached_is_not_taken_for_the_other() {
    let engine = FakeEngine::new(3);
    for n in 0..3 {
        engine.run(Spec::named(&format!("first-{n}"))).unwrap();
    }
    let world = World::settled(engine.clone()).await;
    world.wait(Duration::from_secs(12)).await;
    let (first, first_id) = (world.rows().await, engine.engine_id());
    engine.change_weather(|weather| weather.latency = Duration::from_millis(100));
    engine.break_streams();
    // It has said who it is, and is not yet subscribed to.
    world.wait(Duration::from_millis(120)).await;
    engine.become_another_engine("SECOND");
    engine.run(Spec::named("second-0")).unwrap();
    world.equal_within(Duration::from_secs(5)).await;
    assert_eq!(world.rows_of("SECOND").await.len(), 1);
    let kept = world.rows_of(first_id.as_str()).await;
    let names = |rows: &[Row]| rows.iter().map(Row::to_string).collect::<Vec<_>>();
    assert_eq!(names(&kept), names(&first), "nothing of the first engine is missing");
}

#[tokio::test(start_paused = true)]
async fn swapped_names_and_a_name_used_again_do_not_confuse_the_rows() {
    let engine = FakeEngine::new(2);
    let a = engine.run(Spec::named("aa")).unwrap();
    let b = engine.run(Spec::named("bb")).unwrap();
    let world = World::settled(engine.clone()).await;
    let (row_a, row_b) = (world.row(&a).await.unwrap().id, world.row(&b).await.unwrap().id);
    engine.rename(&a, "tmp").unwrap();
    engine.rename(&b, "aa").unwrap();
    engine.rename(&a, "bb").unwrap();
    world.equal_within(MOMENT).await;
    assert_eq!((world.row(&a).await.unwrap().id, world.row(&b).await.unwrap().id), (row_a.clone(), row_b));
    engine.force_remove(&a).unwrap();
    let c = engine.run(Spec::named("bb")).unwrap();
    world.equal_within(MOMENT).await;
    assert_ne!(world.row(&c).await.unwrap().id, row_a);
}
