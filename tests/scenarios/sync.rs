//! Every transition a container can make is in the index within a moment.

use std::time::Duration;

use harness::world::World;
use tinyforge_core::docker::EngineError;
use tinyforge_core::docker::fake::{FakeEngine, RestartPolicy, Spec, Weather};
use tinyforge_core::rules::container::{Health, WorkloadKind};
use tinyforge_core::rules::ids::{ContainerId, RowId, WorkloadId};
use tinyforge_core::rules::row::{Decided, Owner};
use tinyforge_core::store::Placeholder;

const MOMENT: Duration = Duration::from_millis(50);

#[tokio::test(start_paused = true)]
async fn the_first_pass_takes_over_what_is_there() {
    let engine = FakeEngine::new(1);
    for n in 0..20 {
        engine.run(Spec::named(&format!("c{n}"))).unwrap();
    }
    let world = World::begin(engine);
    let pulse = world.index.settled().await;
    assert!(world.differences().await.is_empty());
    assert_eq!((pulse.containers, pulse.passes), (20, 1));
    assert!(pulse.verified_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn every_transition_is_in_the_index_within_a_moment() {
    let mut world = World::settled(FakeEngine::new(2)).await;
    let engine = world.engine.clone();
    let id = engine.create(Spec::named("web").publish(80).health_check()).unwrap();
    world.equal_within(MOMENT).await;
    type Act = fn(&FakeEngine, &ContainerId) -> Result<(), EngineError>;
    let acts: [(&str, Act); 10] = [
        ("running", |e, i| e.start_container(i)),
        ("running", |e, i| e.set_health(i, Health::Healthy)),
        ("paused", |e, i| e.pause(i)),
        ("running", |e, i| e.unpause(i)),
        ("running", |e, i| e.rename(i, "web-2")),
        ("running", |e, i| e.update(i, RestartPolicy::Always)),
        ("running", |e, i| e.restart_container(i)),
        ("running", |e, i| e.set_health(i, Health::Unhealthy)),
        ("stopped", |e, i| e.stop_container(i)),
        ("-", |e, i| e.force_remove(i)),
    ];
    for (expected, act) in acts {
        act(&engine, &id).unwrap();
        world.equal_within(MOMENT).await;
        assert_eq!(world.state(&id).await, expected);
        world.drain();
    }
    assert_eq!(world.pulse().divergences, 0, "every change was announced");
}

#[tokio::test(start_paused = true)]
async fn one_change_is_one_announcement_with_one_row() {
    let engine = FakeEngine::new(3);
    let ids: Vec<_> = (0..50).map(|n| engine.run(Spec::named(&format!("c{n}"))).unwrap()).collect();
    let mut world = World::settled(engine.clone()).await;
    engine.die(&ids[7], 3).unwrap();
    world.equal_within(MOMENT).await;
    let heard = world.drain();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].upserts.len(), 1);
    assert_eq!(heard[0].upserts[0].container_id.as_ref(), Some(&ids[7]));
    assert_eq!(heard[0].history.len(), 1);
    assert_eq!(heard[0].revision, world.pulse().revision);
}

#[tokio::test(start_paused = true)]
async fn revisions_grow_by_one_so_that_a_face_can_tell_a_hole() {
    let engine = FakeEngine::new(4);
    let id = engine.run(Spec::named("a")).unwrap();
    let mut world = World::settled(engine.clone()).await;
    let first = world.pulse().revision;
    for _ in 0..5 {
        engine.pause(&id).unwrap();
        world.equal_within(MOMENT).await;
        engine.unpause(&id).unwrap();
        world.equal_within(MOMENT).await;
    }
    let revisions: Vec<u64> = world.drain().iter().map(|change| change.revision).collect();
    assert_eq!(revisions, (first + 1..=first + 10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_container_that_starts_between_the_subscription_and_the_listing_is_seen() {
    let engine = FakeEngine::new(5);
    engine.set_weather(Weather { latency: Duration::from_millis(100), ..Weather::default() });
    let world = World::begin(engine.clone());
    for n in 0..40 {
        world.wait(Duration::from_millis(10)).await;
        engine.run(Spec::named(&format!("c{n}"))).unwrap();
    }
    world.equal_within(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn an_older_listing_does_not_undo_what_an_event_told() {
    let engine = FakeEngine::new(6);
    let id = engine.run(Spec::named("a")).unwrap();
    engine.set_weather(Weather { list_lag: Duration::from_millis(600), ..Weather::default() });
    let world = World::settled(engine.clone()).await;
    for _ in 0..20 {
        engine.pause(&id).unwrap();
        world.equal_within(MOMENT).await;
        engine.break_streams();
        world.wait(Duration::from_millis(400)).await;
        assert_eq!(world.state(&id).await, "paused", "the listing of the new pass still said running");
        world.equal_within(Duration::from_secs(1)).await;
        engine.unpause(&id).unwrap();
        // The connection was broken again and again: it is sought with a growing wait.
        world.equal_within(Duration::from_secs(3)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn at_most_eight_looks_at_once_and_one_at_a_container() {
    let engine = FakeEngine::new(7);
    let ids: Vec<_> = (0..300).map(|n| engine.run(Spec::named(&format!("c{n}"))).unwrap()).collect();
    engine.set_weather(Weather { latency: Duration::from_millis(10), ..Weather::default() });
    let world = World::settled(engine.clone()).await;
    for round in 0..50 {
        for id in ids.iter().take(30) {
            engine.rename(id, &format!("r{round}-{}", &id.as_str()[..12])).unwrap();
        }
        world.wait(Duration::from_millis(7)).await;
    }
    world.equal_within(Duration::from_secs(3)).await;
    let calls = engine.calls();
    assert!(calls.inspects_at_once <= 8, "{}", calls.inspects_at_once);
    assert_eq!(calls.inspects_of_one_at_once, 1);
}

#[tokio::test(start_paused = true)]
async fn a_flood_on_one_container_is_no_flood_of_inspects() {
    let engine = FakeEngine::new(8);
    let id = engine.create(Spec::named("a")).unwrap();
    let quiet = engine.run(Spec::named("b")).unwrap();
    let world = World::settled(engine.clone()).await;
    engine.forget_calls();
    let began = tokio::time::Instant::now();
    for n in 0..6_000 {
        engine.rename(&id, &format!("n{n}")).unwrap();
        world.wait(Duration::from_micros(1_666)).await;
        if n == 3_000 {
            engine.die(&quiet, 1).unwrap();
            world.wait(MOMENT).await;
            assert_eq!(world.state(&quiet).await, "stopped", "the others are not delayed");
        }
    }
    let took = began.elapsed().as_secs_f64();
    let inspects = engine.calls().inspects_of(&id);
    #[expect(clippy::cast_precision_loss)]
    let (inspects, allowed) = (inspects as f64, 16.0 + 20.0 * took);
    assert!(inspects <= allowed + 1.0, "a burst of 16 and 20 a second for {took:.1} s: {inspects}");
    world.equal_within(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn run_rm_leaves_nothing_but_its_history() {
    let world = World::settled(FakeEngine::new(9)).await;
    let id = world.engine.run(Spec::named("brief").auto_remove()).unwrap();
    world.equal_within(MOMENT).await;
    world.engine.die(&id, 0).unwrap();
    world.equal_within(MOMENT).await;
    assert_eq!(world.state(&id).await, "-");
    let story = world.story(&id).await;
    assert_eq!(story.first().map(String::as_str), Some("state -→running foreign"), "{story:?}");
    assert!(story.last().is_some_and(|line| line.ends_with("→- exit")), "{story:?}");
}

#[tokio::test(start_paused = true)]
async fn compose_replaces_a_service_and_every_step_is_followed() {
    let engine = FakeEngine::new(10);
    let old = engine.run(Spec::named("blog-web-1").compose("blog", "web")).unwrap();
    let world = World::settled(engine.clone()).await;
    let new = engine.compose_recreate(&old, "blog:v2").unwrap();
    world.equal_within(MOMENT).await;
    assert_eq!(world.state(&old).await, "-");
    assert_eq!(world.state(&new).await, "running");
    assert_eq!(world.row(&new).await.unwrap().facts.name, "blog-web-1");
}

#[tokio::test(start_paused = true)]
async fn states_without_an_event_are_found_by_a_pass_and_counted_as_divergences() {
    let engine = FakeEngine::new(11);
    let id = engine.run(Spec::named("a")).unwrap();
    let world = World::settled(engine.clone()).await;
    engine.set_state(&id, tinyforge_core::rules::container::State::Removing).unwrap();
    world.equal_within(Duration::from_secs(31)).await;
    assert_eq!(world.state(&id).await, "removing");
    world.wait(Duration::from_secs(3)).await;
    assert_eq!(world.pulse().divergences, 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_the_store_refuses_holds_nobody_else_up() {
    let engine = FakeEngine::new(12);
    let quiet: Vec<_> = (0..7).map(|n| engine.run(Spec::named(&format!("c{n}"))).unwrap()).collect();
    let world = World::begin_with_workload(engine.clone(), "shop", WorkloadKind::Project).await;
    // The key that the new container is to get is taken behind the reconciler's back.
    let deploy = Decided { deploy_id: Some("d1".to_owned()), ..Decided::default() };
    let role = "web".to_owned();
    let placeholder = Placeholder {
        id: RowId::new("shop:web"),
        engine_id: engine.engine_id(),
        owner: Owner::Workload { id: WorkloadId::new("shop"), kind: WorkloadKind::Project, role },
        name: "shop-web".to_owned(),
        image: "shop:2".to_owned(),
        decided: deploy,
    };
    world.store.insert_placeholder(placeholder, engine.now()).await.unwrap();
    engine.run(Spec::named("shop-1").managed("shop", WorkloadKind::Project, "web")).unwrap();
    for id in &quiet {
        engine.update(id, RestartPolicy::No).unwrap();
    }
    let last = engine.run(Spec::named("last")).unwrap();
    world.equal_within(Duration::from_secs(3)).await;
    assert_eq!(world.state(&last).await, "running");
}
