//! Absence from a listing is a suspicion; a 404 is certain; nobody else's trouble makes a row missing.

use std::time::Duration;

use harness::world::World;
use tinyforge_core::docker::EngineError;
use tinyforge_core::docker::fake::{Call, FakeEngine, Mishap, Spec};
use tinyforge_core::rules::container::WorkloadKind;
use tinyforge_core::rules::ids::ContainerId;

const MOMENT: Duration = Duration::from_millis(50);

/// Ten containers of a project, and as many foreign ones.
async fn twenty(seed: u64) -> (World, Vec<ContainerId>) {
    let engine = FakeEngine::new(seed);
    let mut ids = vec![];
    for n in 0..10 {
        let managed =
            Spec::named(&format!("shop-{n}")).managed("shop", WorkloadKind::Project, &format!("s{n}"));
        ids.push(engine.run(managed).unwrap());
        engine.run(Spec::named(&format!("foreign-{n}"))).unwrap();
    }
    let world = World::begin_with_workload(engine, "shop", WorkloadKind::Project).await;
    (world, ids)
}

fn fail() -> Mishap {
    Mishap::Fail(EngineError::Refused { tried: "list".into(), status: 500, detail: "on purpose".into() })
}

#[tokio::test(start_paused = true)]
async fn a_workloads_container_that_is_removed_is_missing_and_a_foreign_one_is_retired() {
    let (world, ids) = twenty(1).await;
    world.engine.force_remove(&ids[0]).unwrap();
    let foreign = world.engine.id_of("foreign-1").unwrap();
    world.engine.force_remove(&foreign).unwrap();
    world.equal_within(MOMENT).await;
    assert_eq!(world.state(&ids[0]).await, "missing");
    assert_eq!(world.state(&foreign).await, "-");
    assert_eq!(world.story(&ids[0]).await.last().unwrap(), "state running→missing foreign");
}

#[tokio::test(start_paused = true)]
async fn what_vanished_without_an_event_is_found_by_the_next_pass() {
    let (world, ids) = twenty(2).await;
    world.engine.change_weather(|weather| weather.event_losses = 1.0);
    world.engine.force_remove(&ids[3]).unwrap();
    world.equal_within(Duration::from_secs(31)).await;
    assert_eq!(world.state(&ids[3]).await, "missing");
}

#[tokio::test(start_paused = true)]
async fn failed_truncated_and_empty_listings_make_nothing_missing() {
    let (world, ids) = twenty(3).await;
    for mishap in [
        fail(),
        Mishap::Truncate(0),
        Mishap::Truncate(3),
        Mishap::Truncate(17),
        Mishap::Hang,
        Mishap::LoseAnswer,
    ] {
        world.engine.mishap(Call::List, 1, mishap.clone());
        world.wait(Duration::from_secs(45)).await;
        assert!(world.differences().await.is_empty(), "{mishap:?}");
        for id in &ids {
            assert_eq!(world.state(id).await, "running", "{mishap:?}");
        }
    }
    assert_eq!(world.pulse().divergences, 0);
}

#[tokio::test(start_paused = true)]
async fn a_mass_removal_is_believed_once_a_second_listing_agrees() {
    let (world, ids) = twenty(4).await;
    world.engine.change_weather(|weather| weather.event_losses = 1.0);
    for id in &ids {
        world.engine.force_remove(id).unwrap();
    }
    world.engine.forget_calls();
    world.equal_within(Duration::from_secs(31)).await;
    for id in &ids {
        assert_eq!(world.state(id).await, "missing");
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_out_of_reach_makes_nothing_missing_however_long() {
    let (world, ids) = twenty(5).await;
    let rows = world.rows().await;
    world.engine.go_away();
    world.wait(Duration::from_secs(3_600)).await;
    assert_eq!(world.rows().await, rows, "an engine that cannot be reached changes no row");
    world.engine.come_back();
    world.equal_within(Duration::from_secs(5)).await;
    assert_eq!(world.state(&ids[0]).await, "running");
}

#[tokio::test(start_paused = true)]
async fn an_id_that_comes_back_is_the_same_row_again() {
    let (world, ids) = twenty(6).await;
    world.engine.force_remove(&ids[0]).unwrap();
    world.equal_within(MOMENT).await;
    let row = world.row(&ids[0]).await.unwrap();
    world.engine.bring_back(&ids[0]).unwrap();
    world.equal_within(Duration::from_secs(31)).await;
    let again = world.row(&ids[0]).await.unwrap();
    assert_eq!(again.id, row.id);
    assert_ne!(again.facts.state.to_string(), "missing");
}

#[tokio::test(start_paused = true)]
async fn a_new_container_of_the_role_takes_the_absent_row_and_never_a_living_one() {
    let (world, ids) = twenty(7).await;
    let spec = |name: &str| Spec::named(name).managed("shop", WorkloadKind::Project, "s0");
    let beside = world.engine.run(spec("shop-0-green")).unwrap();
    world.equal_within(MOMENT).await;
    let (blue, green) = (world.row(&ids[0]).await.unwrap(), world.row(&beside).await.unwrap());
    assert_ne!(blue.id, green.id, "two live containers of one role are two rows");
    assert_eq!(blue.id.as_str(), "shop:s0");
    world.engine.force_remove(&ids[0]).unwrap();
    world.equal_within(MOMENT).await;
    let after = world.engine.run(spec("shop-0-new")).unwrap();
    world.equal_within(MOMENT).await;
    assert_eq!(world.row(&after).await.unwrap().id, blue.id, "confirmed absent: the row is free");
    assert_eq!(world.row(&beside).await.unwrap().id, green.id);
}

#[tokio::test(start_paused = true)]
async fn gone_between_the_listing_and_the_inspect_is_about_that_id_only() {
    let (world, ids) = twenty(8).await;
    world.engine.change_weather(|weather| weather.latency = Duration::from_millis(50));
    world.engine.break_streams();
    world.wait(Duration::from_millis(120)).await;
    world.engine.force_remove(&ids[9]).unwrap();
    world.equal_within(Duration::from_secs(5)).await;
    assert_eq!(world.state(&ids[9]).await, "missing");
    assert_eq!(world.state(&ids[8]).await, "running");
}

#[tokio::test(start_paused = true)]
async fn one_inspect_that_hangs_for_ever_does_not_stop_the_others() {
    let (world, ids) = twenty(9).await;
    world.engine.hang_inspects_of(&ids[0]);
    world.engine.pause(&ids[0]).unwrap();
    world.engine.change_weather(|weather| weather.event_losses = 1.0);
    for id in &ids[1..] {
        world.engine.pause(id).unwrap();
    }
    world.wait(Duration::from_secs(35)).await;
    for id in &ids[1..] {
        assert_eq!(world.state(id).await, "paused");
    }
    assert_eq!(world.state(&ids[0]).await, "running", "it stands as last known");
    world.engine.unhang_inspects_of(&ids[0]);
    world.equal_within(Duration::from_secs(40)).await;
}
