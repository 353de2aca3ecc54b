//! Each change has its cause, and a span that could not be verified is a gap.

use std::time::Duration;

use harness::world::World;
use tinyforge_core::control::protocol::Desk as _;
use tinyforge_core::control::{Control, ControlParts};
use tinyforge_core::docker::Engine;
use tinyforge_core::docker::fake::{FakeEngine, OnTerm, RestartPolicy, Spec};
use tinyforge_core::home::Home;
use tinyforge_core::rules::cause::{Cause, OwnAct};
use tinyforge_core::rules::gap::GapReason;

const MOMENT: Duration = Duration::from_millis(50);

async fn one(seed: u64, spec: Spec) -> (World, tinyforge_core::rules::ids::ContainerId) {
    let engine = FakeEngine::new(seed);
    let id = engine.run(spec).unwrap();
    (World::settled(engine).await, id)
}

#[tokio::test(start_paused = true)]
async fn the_same_end_has_the_cause_that_its_evidence_shows() {
    let (world, id) = one(1, Spec::named("a")).await;
    let engine = &world.engine;
    engine.die(&id, 137).unwrap();
    world.equal_within(MOMENT).await;
    engine.start_container(&id).unwrap();
    world.equal_within(MOMENT).await;
    engine.kill(&id, 9).unwrap();
    world.equal_within(MOMENT).await;
    engine.start_container(&id).unwrap();
    world.equal_within(MOMENT).await;
    engine.oom(&id).unwrap();
    world.equal_within(MOMENT).await;
    engine.start_container(&id).unwrap();
    world.equal_within(MOMENT).await;
    let acting = world.index.own_acts().begin(&id, OwnAct::Stop);
    Engine::stop(engine, &id, None).await.unwrap();
    world.index.look(&id).await;
    drop(acting);
    assert_eq!(
        world.story(&id).await,
        [
            "state -→running foreign",
            "state running→stopped exit",
            "state stopped→running foreign",
            "state running→stopped foreign",
            "state stopped→running foreign",
            "state running→stopped oom",
            "state stopped→running foreign",
            "state running→stopped own",
        ]
    );
}

/// Whoever asked has gone away meanwhile: the engine finishes what it was asked, and it was we who asked.
#[tokio::test(start_paused = true)]
async fn an_act_that_nobody_waits_for_any_more_is_ours_all_the_same() {
    let (world, id) = one(7, Spec::named("slow").on_term(OnTerm::Ignore)).await;
    let control = Control::new(ControlParts {
        home: Home::at(std::env::temp_dir()),
        engine: std::sync::Arc::new(world.engine.clone()),
        store: world.store.clone(),
        index: world.index.clone(),
        bus: world.bus.clone(),
        clock: std::sync::Arc::new(world.clock.clone()),
        started: world.engine.now(),
        jobs: tinyforge_core::jobs::Board::default(),
        outgoing: world.outgoing.clone(),
        observes_only: false,
        silent_daemon: None,
        as_written: None,
    });
    let asked = control.answer("stop", serde_json::json!({ "containers": ["slow"] }));
    tokio::time::timeout(Duration::from_secs(2), asked).await.expect_err("the grace is ten seconds");
    world.wait(Duration::from_secs(10)).await;
    world.equal_within(MOMENT).await;
    assert_eq!(world.story(&id).await.last().unwrap(), "state running→stopped own");
    assert!(world.index.own_acts().of(&id).is_empty(), "it is over");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_shuts_down_is_behind_all_the_ends_it_made() {
    let engine = FakeEngine::new(2);
    let kept = engine.run(Spec::named("kept").restart(RestartPolicy::UnlessStopped)).unwrap();
    let plain = engine.run(Spec::named("plain")).unwrap();
    let earlier = engine.run(Spec::named("earlier")).unwrap();
    let world = World::settled(engine.clone()).await;
    engine.stop_container(&earlier).unwrap();
    world.wait(Duration::from_secs(8)).await;
    engine.restart_engine();
    world.wait(Duration::from_secs(30)).await;
    world.equal_within(Duration::from_secs(5)).await;
    let story = world.story(&kept).await;
    assert_eq!(
        story,
        [
            "state -→running foreign",
            "state running→stopped engine_restart",
            "state stopped→running engine_restart"
        ]
    );
    assert_eq!(world.story(&plain).await.last().unwrap(), "state running→stopped engine_restart");
    assert_eq!(
        world.story(&earlier).await.last().unwrap(),
        "state running→stopped foreign",
        "eight seconds before"
    );
    let gaps = world.store.gaps(&engine.engine_id()).await.unwrap();
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].reason, GapReason::EngineAway);
}

/// The way to the engine was gone for a while and the engine was not: what happened meanwhile is not its doing.
#[tokio::test(start_paused = true)]
async fn an_engine_that_lived_on_behind_a_lost_socket_is_behind_nothing() {
    let engine = FakeEngine::new(5);
    let told = engine.run(Spec::named("told")).unwrap();
    let world = World::settled(engine.clone()).await;
    engine.go_away();
    world.wait(Duration::from_secs(1)).await;
    engine.kill(&told, 9).unwrap();
    world.wait(Duration::from_secs(1)).await;
    engine.come_back();
    world.equal_within(Duration::from_secs(5)).await;
    assert_eq!(
        world.story(&told).await.last().unwrap(),
        "state running→stopped foreign",
        "nothing survived, and the engine tells again what it told before it was lost"
    );
}

#[tokio::test(start_paused = true)]
async fn where_an_engine_that_lived_on_has_forgotten_what_happened_nobody_knows_the_cause() {
    for looked_at_late in [false, true] {
        let engine = FakeEngine::new(6);
        let killed = engine.run(Spec::named("killed")).unwrap();
        let started = engine.create(Spec::named("started")).unwrap();
        let removed = engine.run(Spec::named("removed")).unwrap();
        let revived = engine.run(Spec::named("revived")).unwrap();
        let survivor = engine.run(Spec::named("survivor")).unwrap();
        let world = World::settled(engine.clone()).await;
        engine.stop_container(&revived).unwrap();
        world.equal_within(MOMENT).await;
        engine.go_away();
        world.wait(Duration::from_secs(1)).await;
        engine.kill(&killed, 9).unwrap();
        engine.start_container(&started).unwrap();
        engine.start_container(&revived).unwrap();
        engine.force_remove(&removed).unwrap();
        engine.noise(300);
        world.wait(Duration::from_secs(1)).await;
        let last = async |id| world.story(id).await.pop().unwrap();
        if looked_at_late {
            engine.hang_inspects_of(&survivor);
        }
        engine.come_back();
        world.equal_within(Duration::from_secs(5)).await;
        if looked_at_late {
            assert_eq!(
                last(&killed).await,
                "state running→stopped engine_restart",
                "as long as nothing speaks against it"
            );
            engine.unhang_inspects_of(&survivor);
        }
        world.wait(Duration::from_secs(15)).await;
        assert_eq!(last(&killed).await, "state running→stopped unknown");
        assert_eq!(last(&started).await, "state created→running unknown");
        assert_eq!(last(&removed).await, "state running→- unknown");
        assert_eq!(world.row(&killed).await.unwrap().course.last_end.unwrap().cause, Cause::Unknown);
        assert_eq!(last(&revived).await, "state stopped→running unknown");
        engine.rename(&revived, "renamed").unwrap();
        world.equal_within(MOMENT).await;
        let end = world.row(&revived).await.unwrap().course.last_end.unwrap();
        assert_eq!(
            end.cause,
            Cause::Foreign,
            "whose start is not known was stopped by somebody all the same"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_happened_while_we_were_not_running_is_a_gap_with_the_engines_own_times() {
    let (world, id) = one(3, Spec::named("a")).await;
    world.wait(Duration::from_secs(60)).await;
    world.index.stop().await;
    let (engine, store, bus) = (world.engine.clone(), world.store.clone(), world.bus.clone());
    world.wait(Duration::from_secs(600)).await;
    engine.die(&id, 5).unwrap();
    let died = engine.truth_of(&id).unwrap().finished_at.unwrap();
    world.wait(Duration::from_secs(600)).await;
    let again = World::begin_with(engine, store, bus);
    again.index.settled().await;
    let row = again.row(&id).await.unwrap();
    assert_eq!(row.last_seen_at, Some(died), "exact even though we were not running");
    assert_eq!(again.story(&id).await.last().unwrap(), "state running→stopped unknown");
    again.wait(Duration::from_secs(1)).await;
    let gaps = again.store.gaps(&again.engine.engine_id()).await.unwrap();
    assert_eq!(gaps.len(), 1);
    assert_eq!(gaps[0].reason, GapReason::NotRunning);
    let span = gaps[0].to.duration_since(gaps[0].from).as_secs();
    assert!((1_199..=1_202).contains(&span), "{span}");
}

#[tokio::test(start_paused = true)]
async fn a_restart_loop_is_told_turn_by_turn() {
    let (world, id) = one(4, Spec::named("loop").restart(RestartPolicy::Always)).await;
    world.engine.restart_loop(&id, Duration::from_secs(2)).unwrap();
    world.wait(Duration::from_secs(20)).await;
    let story = world.story(&id).await;
    let ends = story.iter().filter(|line| line.ends_with("exit")).count();
    assert!(ends >= 3, "{story:?}");
    assert!(world.row(&id).await.unwrap().facts.restart_count >= 3);
}
