//! Whatever the engine and the way there do, the index is equal again soon after.

use std::time::Duration;

use harness::world::World;
use tinyforge_core::docker::fake::{Call, FakeEngine, Mishap, RestartPolicy, Spec, Weather};
use tinyforge_core::reconcile::Link;

/// A change that a listing shows is found by the next pass. One that it does not show (a restart between two passes)
/// is found when the row is inspected in its turn.
const TURN_OF_ALL: Duration = Duration::from_secs(610);

fn some(seed: u64) -> FakeEngine {
    let engine = FakeEngine::new(seed);
    for n in 0..30 {
        engine.run(Spec::named(&format!("c{n}")).restart(RestartPolicy::UnlessStopped)).unwrap();
    }
    engine
}

/// Random acts, one every few milliseconds.
async fn churn(world: &World, seed: u64, acts: usize) {
    let mut chance = fastrand::Rng::with_seed(seed);
    for n in 0..acts {
        let ids: Vec<_> = world.engine.truth().into_keys().collect();
        let id = &ids[chance.usize(..ids.len())];
        let engine = &world.engine;
        // What cannot be done in the state at hand is refused by the engine, as it should be.
        let _ = match chance.u8(0..9) {
            0 => engine.start_container(id),
            1 => engine.stop_container(id),
            2 => engine.die(id, chance.i64(0..200)),
            3 => engine.pause(id),
            4 => engine.unpause(id),
            5 => engine.rename(id, &format!("n{n}")),
            6 => engine.restart_container(id),
            7 if ids.len() > 10 => engine.force_remove(id),
            _ => engine.run(Spec::named(&format!("new{n}"))).map(drop),
        };
        world.wait(Duration::from_millis(chance.u64(1..40))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn events_lost_doubled_late_and_out_of_order_are_made_good_by_the_next_pass() {
    for seed in 0..20 {
        let engine = some(seed);
        engine.set_weather(Weather::foul());
        let world = World::settled(engine).await;
        churn(&world, seed, 60).await;
        world.listed_within(Duration::from_secs(32)).await;
        world.equal_within(TURN_OF_ALL).await;
    }
}

#[tokio::test(start_paused = true)]
async fn with_all_events_lost_a_pass_finds_everything() {
    for seed in 0..10 {
        let engine = some(seed);
        engine.set_weather(Weather { event_losses: 1.0, ..Weather::measured() });
        let world = World::settled(engine).await;
        churn(&world, seed, 60).await;
        world.listed_within(Duration::from_secs(63)).await;
        world.equal_within(TURN_OF_ALL).await;
    }
}

#[tokio::test(start_paused = true)]
async fn with_events_the_index_follows_within_a_second() {
    for seed in 0..20 {
        let engine = some(seed);
        engine.set_weather(Weather::measured());
        let world = World::settled(engine).await;
        churn(&world, seed, 60).await;
        world.equal_within(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_restarts_is_followed_within_five_seconds_of_its_answering() {
    let world = World::settled(some(1)).await;
    world.engine.restart_engine();
    world.wait(Duration::from_secs(3)).await;
    assert!(matches!(world.pulse().link, Link::Away(_)), "it is said at once");
    world.wait(Duration::from_secs(7)).await;
    world.equal_within(Duration::from_secs(5)).await;
    assert_eq!(world.pulse().link, Link::Connected);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_killed_and_comes_back_is_followed() {
    let world = World::settled(some(2)).await;
    world.engine.kill_engine();
    world.wait(Duration::from_secs(60)).await;
    assert!(matches!(world.pulse().link, Link::Away(_)));
    world.engine.come_back();
    world.equal_within(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_accepts_and_never_answers_is_said_to_be_away() {
    let world = World::settled(some(3)).await;
    let rows = world.rows().await;
    world.engine.hang();
    world.wait(Duration::from_secs(45)).await;
    assert!(matches!(world.pulse().link, Link::Away(_)), "{:?}", world.pulse().link);
    assert_eq!(world.rows().await, rows);
    world.engine.unhang();
    world.equal_within(Duration::from_secs(5)).await;
    world.wait(Duration::from_secs(3)).await;
    assert_eq!(world.pulse().link, Link::Connected);
}

#[tokio::test(start_paused = true)]
async fn permission_denied_is_told_apart_and_healed() {
    let world = World::settled(some(4)).await;
    world.engine.deny();
    world.wait(Duration::from_secs(5)).await;
    let link = world.pulse().link;
    assert!(matches!(&link, Link::Away(error) if error.cure().contains("group")), "{link:?}");
    world.engine.come_back();
    world.equal_within(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_readers_lost_events_are_made_good() {
    let engine = some(5);
    engine.set_weather(Weather {
        reader_capacity: 8,
        event_delay: Duration::from_millis(300),
        ..Weather::default()
    });
    let world = World::settled(engine).await;
    churn(&world, 5, 200).await;
    world.listed_within(Duration::from_secs(63)).await;
    world.equal_within(TURN_OF_ALL).await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_forces_a_pass_and_no_wrong_row() {
    let world = World::settled(some(6)).await;
    world.wait(Duration::from_secs(10)).await;
    let passes = world.pulse().passes;
    world.clock.jump(jiff::SignedDuration::from_hours(-5));
    world.wait(Duration::from_secs(4)).await;
    assert_eq!(world.pulse().passes, passes + 1);
    assert!(world.differences().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn reconnects_in_a_row_lose_nothing() {
    let world = World::settled(some(7)).await;
    for seed in 0..20 {
        churn(&world, seed, 5).await;
        world.engine.noise(300);
        world.engine.break_streams();
    }
    world.equal_within(Duration::from_secs(5)).await;
    assert_eq!(world.engine.readers(), 1, "one stream is open, no more");
}

/// As many as may be under way at once: they would keep the new connection waiting for as long as their deadline.
#[tokio::test(start_paused = true)]
async fn inspects_that_hang_on_a_lost_connection_hold_up_nothing_on_the_next_one() {
    let world = World::settled(some(8)).await;
    let ids: Vec<_> = world.engine.truth().into_keys().take(8).collect();
    for (n, id) in (1..).zip(&ids) {
        world.engine.mishap(Call::Inspect, n, Mishap::Hang);
        world.engine.pause(id).unwrap();
    }
    world.wait(Duration::from_millis(500)).await;
    assert!(!world.differences().await.is_empty(), "they hang");
    world.engine.break_streams();
    world.equal_within(Duration::from_secs(1)).await;
}
