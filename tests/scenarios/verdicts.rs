//! Each container is judged: what is wrong, since when, why, and what to do.

use std::sync::Arc;
use std::time::Duration;

use harness::world::World;
use tinyforge_core::clock::SharedClock;
use tinyforge_core::control::commands::{Doctor, Events, GetStatus, Ps};
use tinyforge_core::control::shapes::{Container, Finding, PartState, Verdict};
use tinyforge_core::docker::Engine;
use tinyforge_core::docker::EngineError;
use tinyforge_core::docker::fake::{Call, FakeEngine, Mishap, RestartPolicy, Spec};
use tinyforge_core::jobs::last_words;
use tinyforge_core::rules::cause::{Cause, OwnAct};
use tinyforge_core::rules::container::{Health, State, WorkloadKind};
use tinyforge_core::rules::ids::ContainerId;
use tinyforge_core::rules::verdict::{Kind, Level, What};

const MOMENT: Duration = Duration::from_millis(50);
/// An inspect without an event waits for its explanation.
const LONGER: Duration = Duration::from_secs(2);

/// A world in which somebody asks for last words.
async fn world(engine: FakeEngine) -> World {
    let world = World::begin_with_workload(engine, "shop", WorkloadKind::Project).await;
    let clock = Arc::new(world.clock.clone()) as SharedClock;
    drop(last_words::listen(Arc::new(world.engine.clone()), world.store.clone(), &world.bus, clock));
    world
}

async fn containers(world: &World) -> Vec<Container> {
    world.face().call(Ps { all: true, kind: None, state: None, workload: None }).await.unwrap()
}

async fn verdict(world: &World, id: &ContainerId) -> Verdict {
    let all = containers(world).await;
    let found = all.iter().find(|container| container.container_id.as_deref() == Some(id.as_str()));
    found.unwrap_or_else(|| panic!("{id} is not in {all:#?}")).verdict.clone()
}

fn exhibit(verdict: &Verdict, what: What) -> Option<&str> {
    verdict.evidence.iter().find(|exhibit| exhibit.what == what).map(|exhibit| exhibit.text.as_str())
}

fn ours(name: &str) -> Spec {
    Spec::named(name).managed("shop", WorkloadKind::Project, "prod")
}

#[tokio::test(start_paused = true)]
async fn the_same_exit_code_has_five_causes_and_five_verdicts() {
    let world = world(FakeEngine::new(1)).await;
    let engine = &world.engine;
    let run = |name: &str| engine.run(Spec::named(name)).unwrap();
    let [itself, somebody, own, starved, goes] = ["itself", "somebody", "own", "starved", "goes"].map(run);
    let service = engine.run(Spec::named("blog-web-1").compose("blog", "web")).unwrap();
    world.equal_within(MOMENT).await;

    engine.die(&itself, 137).unwrap();
    engine.kill(&somebody, 9).unwrap();
    engine.oom(&starved).unwrap();
    world.equal_within(MOMENT).await;
    let acting = world.index.own_acts().begin(&own, OwnAct::Stop);
    engine.kill(&own, 9).unwrap();
    world.index.look(&own).await;
    drop(acting);
    let newer = engine.compose_recreate(&service, "blog:2").unwrap();
    world.equal_within(MOMENT).await;
    engine.stop_container(&newer).unwrap();
    world.equal_within(MOMENT).await;

    let judged = async |id: &ContainerId| {
        let verdict = verdict(&world, id).await;
        (verdict.kind, verdict.level, verdict.cause.unwrap())
    };
    assert_eq!(judged(&itself).await, (Kind::Crashed, Level::Bad, Cause::Exit));
    assert_eq!(judged(&somebody).await, (Kind::Stopped, Level::Info, Cause::Foreign));
    assert_eq!(judged(&own).await, (Kind::Stopped, Level::Info, Cause::Own));
    assert_eq!(judged(&starved).await, (Kind::OutOfMemory, Level::Bad, Cause::Oom));
    assert_eq!(judged(&newer).await, (Kind::Stopped, Level::Info, Cause::Compose));

    world.wait(Duration::from_secs(30)).await;
    engine.restart_engine();
    world.wait(Duration::from_secs(30)).await;
    world.equal_within(Duration::from_secs(5)).await;
    assert_eq!(judged(&goes).await, (Kind::StoppedWithEngine, Level::Warn, Cause::EngineRestart));
    assert_eq!(judged(&somebody).await, (Kind::Stopped, Level::Info, Cause::Foreign), "long before");
}

#[tokio::test(start_paused = true)]
async fn a_crash_is_told_with_its_last_words_and_one_further_patch() {
    let mut world = world(FakeEngine::new(2)).await;
    let id = world.engine.run(ours("web")).unwrap();
    world.engine.write_log(&id, HOSTILE).unwrap();
    world.engine.write_log(&id, "panic: no database").unwrap();
    world.equal_within(MOMENT).await;
    world.drain();
    world.engine.die(&id, 3).unwrap();
    world.equal_within(MOMENT).await;
    world.wait(MOMENT).await;
    let judged = verdict(&world, &id).await;
    assert_eq!((judged.kind, judged.text.as_str()), (Kind::Crashed, "Crashed: exit 3"));
    let said = exhibit(&judged, What::Log).expect("its last words are there");
    assert_eq!(said, format!("{HOSTILE}\npanic: no database"), "as the program wrote them");
    assert!(judged.since.is_some() && judged.fix.is_some());
    let patches: Vec<usize> = world.drain().iter().map(|change| change.upserts.len()).collect();
    assert_eq!(patches, [1, 1], "the end, and what was said before it");
    assert_eq!(world.engine.calls().of(Call::Logs), 1);

    world.engine.start_container(&id).unwrap();
    world.equal_within(MOMENT).await;
    world.engine.stop_container(&id).unwrap();
    world.equal_within(MOMENT).await;
    assert_eq!(exhibit(&verdict(&world, &id).await, What::Log), None, "of a stop it says nothing");
    assert_eq!(world.engine.calls().of(Call::Logs), 1, "and nobody asked");
}

#[tokio::test(start_paused = true)]
async fn a_crash_that_was_there_before_us_and_an_engine_that_hangs_up_are_asked_about_too() {
    let engine = FakeEngine::new(3);
    let id = engine.run(ours("web")).unwrap();
    engine.write_log(&id, "it was me").unwrap();
    engine.die(&id, 1).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let broken = EngineError::Broken { endpoint: "fake".into(), tried: "ask".into(), detail: "reset".into() };
    engine.mishap(Call::Logs, 1, Mishap::Fail(broken));
    let world = world(engine).await;
    world.wait(Duration::from_secs(1)).await;
    assert_eq!(exhibit(&verdict(&world, &id).await, What::Log), None);
    world.wait(Duration::from_secs(5)).await;
    let judged = verdict(&world, &id).await;
    assert_eq!((judged.kind, judged.cause), (Kind::Crashed, Some(Cause::Unknown)), "nobody saw who did it");
    assert_eq!(exhibit(&judged, What::Log), Some("it was me"));
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_deaths_asks_few_at_once_and_a_loop_seldom() {
    let world = world(FakeEngine::new(4)).await;
    world.engine.change_weather(|weather| weather.latency = Duration::from_millis(20));
    let ids: Vec<_> = (0..40).map(|n| world.engine.run(ours(&format!("w{n}"))).unwrap()).collect();
    world.equal_within(Duration::from_secs(10)).await;
    for id in &ids {
        world.engine.write_log(id, "gone").unwrap();
        world.engine.die(id, 2).unwrap();
    }
    world.wait(Duration::from_secs(10)).await;
    let told =
        containers(&world).await.iter().filter(|c| exhibit(&c.verdict, What::Log) == Some("gone")).count();
    assert_eq!(told, 40);
    assert_eq!(world.engine.calls().of(Call::Logs), 40, "each once");

    let id = world.engine.run(Spec::named("loop").restart(RestartPolicy::Always)).unwrap();
    world.engine.restart_loop(&id, Duration::from_millis(500)).unwrap();
    world.engine.forget_calls();
    world.wait(Duration::from_secs(95)).await;
    let asked = world.engine.calls().of(Call::Logs);
    assert!((2..=4).contains(&asked), "{asked} questions in 95 s");
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_is_one_while_it_turns_and_is_said_to_be_over_when_it_held_for_a_while() {
    let mut world = world(FakeEngine::new(5)).await;
    let id = world.engine.run(ours("loop").restart(RestartPolicy::Always)).unwrap();
    world.equal_within(MOMENT).await;
    world.engine.restart_loop(&id, Duration::from_secs(1)).unwrap();
    world.wait(Duration::from_millis(1_050)).await;
    assert_eq!(verdict(&world, &id).await.kind, Kind::Restarting, "once is no loop");
    world.wait(Duration::from_secs(10)).await;
    let judged = verdict(&world, &id).await;
    assert_eq!((judged.kind, judged.level), (Kind::CrashLooping, Level::Bad), "{judged:?}");
    assert!(exhibit(&judged, What::Restarts).is_some_and(|text| text.contains(" in 10 min")), "{judged:?}");

    world.engine.end_restart_loop(&id).unwrap();
    world.wait(Duration::from_secs(60)).await;
    assert_eq!(verdict(&world, &id).await.kind, Kind::CrashLooping, "a minute proves nothing");
    world.drain();
    world.wait(Duration::from_secs(600)).await;
    assert_eq!(verdict(&world, &id).await.kind, Kind::Fine);
    let said: Vec<usize> = world.drain().iter().map(|change| change.upserts.len()).collect();
    assert_eq!(said, [1], "every face heard of it, once");
    assert_eq!(world.pulse().divergences, 0, "no event was missed");
}

#[tokio::test(start_paused = true)]
async fn unhealthy_is_told_with_what_the_check_printed_and_ends_with_it() {
    let world = world(FakeEngine::new(6)).await;
    let id = world.engine.run(ours("web").health_check()).unwrap();
    world.equal_within(MOMENT).await;
    assert_eq!(verdict(&world, &id).await.kind, Kind::Starting);
    world.engine.set_health_saying(&id, Health::Unhealthy, "HTTP 503\nno database").unwrap();
    world.equal_within(MOMENT).await;
    let judged = verdict(&world, &id).await;
    assert_eq!((judged.kind, judged.text.as_str()), (Kind::Unhealthy, "Unhealthy: HTTP 503"));
    assert_eq!(exhibit(&judged, What::Probe), Some("HTTP 503\nno database"));
    let writes = world.store.revision().await.unwrap();
    world.engine.set_health_saying(&id, Health::Unhealthy, "HTTP 502").unwrap();
    world.wait(Duration::from_secs(700)).await;
    assert_eq!(world.store.revision().await.unwrap(), writes, "a check that says something else is no news");
    world.engine.set_health(&id, Health::Healthy).unwrap();
    world.equal_within(MOMENT).await;
    let judged = verdict(&world, &id).await;
    assert_eq!((judged.kind, judged.evidence.as_slice()), (Kind::Fine, &[][..]));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_container_is_superseded_once_a_newer_one_serves_and_no_longer_when_that_ends() {
    let mut world = world(FakeEngine::new(7)).await;
    let engine = world.engine.clone();
    let old = engine.run(ours("tf-shop-prod-1")).unwrap();
    world.equal_within(MOMENT).await;
    engine.die(&old, 1).unwrap();
    world.equal_within(MOMENT).await;
    world.wait(MOMENT).await;
    assert_eq!(verdict(&world, &old).await.kind, Kind::Crashed);
    world.drain();
    let new = engine.run(ours("tf-shop-prod-2")).unwrap();
    world.equal_within(MOMENT).await;
    let judged = verdict(&world, &old).await;
    assert_eq!((judged.kind, judged.level), (Kind::Superseded, Level::Info), "{judged:?}");
    assert_eq!(judged.text, "Superseded by tf-shop-prod-2");
    let told = world.drain();
    assert!(told.iter().any(|change| change.upserts.len() == 2), "both rows in one patch: {told:#?}");
    engine.die(&new, 1).unwrap();
    world.equal_within(MOMENT).await;
    assert_eq!(verdict(&world, &old).await.kind, Kind::Crashed, "nobody serves in its place any more");
}

#[tokio::test(start_paused = true)]
async fn what_compose_takes_down_was_its_doing_and_its_stop_alone_is_anybodys() {
    let world = world(FakeEngine::new(8)).await;
    let engine = &world.engine;
    let web = engine.run(Spec::named("blog-web-1").compose("blog", "web")).unwrap();
    let db = engine.run(Spec::named("blog-db-1").compose("blog", "db")).unwrap();
    world.wait(Duration::from_secs(60)).await;
    engine.stop_container(&web).unwrap();
    world.wait(Duration::from_secs(1)).await;
    assert_eq!(world.story(&web).await.last().unwrap(), "state running→stopped foreign");
    engine.remove(&web).unwrap();
    engine.stop_container(&db).unwrap();
    engine.remove(&db).unwrap();
    world.equal_within(MOMENT).await;
    for id in [&web, &db] {
        let story = world.story(id).await;
        assert!(story.iter().skip(1).all(|line| line.ends_with("compose")), "{story:?}");
    }
    let alone = engine.run(Spec::named("alone").compose("other", "web")).unwrap();
    world.wait(Duration::from_secs(60)).await;
    engine.stop_container(&alone).unwrap();
    world.wait(Duration::from_secs(10)).await;
    engine.remove(&alone).unwrap();
    world.equal_within(MOMENT).await;
    let story = world.story(&alone).await;
    assert!(story.iter().skip(1).all(|line| line.ends_with("foreign")), "a person takes longer: {story:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_is_told_after_the_death_is_somebodys_unless_a_policy_may_be_behind_it() {
    let mut world = world(FakeEngine::new(9)).await;
    let plain = world.engine.run(ours("plain")).unwrap();
    let kept = world.engine.run(Spec::named("kept").restart(RestartPolicy::OnFailure)).unwrap();
    world.engine.change_weather(|weather| weather.event_delay = Duration::from_millis(200));
    for id in [&plain, &kept] {
        world.wait(Duration::from_secs(1)).await;
        world.drain();
        world.engine.stop_told_late(id).unwrap();
        world.wait(LONGER).await;
    }
    assert_eq!(world.story(&plain).await.last().unwrap(), "state running→stopped foreign");
    assert_eq!(verdict(&world, &plain).await.kind, Kind::Stopped);
    assert_eq!(world.story(&kept).await.last().unwrap(), "state running→stopped exit");
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_its_policy_goes_with_the_engine_like_the_others() {
    let engine = FakeEngine::new(10);
    let world = world(engine.clone()).await;
    let looping = engine.run(ours("loop").restart(RestartPolicy::OnFailure)).unwrap();
    let beside = engine.run(Spec::named("beside")).unwrap();
    world.equal_within(MOMENT).await;
    engine.restart_loop(&looping, Duration::from_millis(10)).unwrap();
    while engine.truth_of(&looping).unwrap().state != State::Restarting
        || engine.truth_of(&looping).unwrap().restart_count < 6
    {
        world.wait(Duration::from_millis(5)).await;
    }
    world.wait(MOMENT).await;
    engine.update(&looping, RestartPolicy::No).unwrap();
    engine.restart_engine();
    world.wait(Duration::from_secs(30)).await;
    world.equal_within(Duration::from_secs(5)).await;
    assert_eq!(world.story(&beside).await.last().unwrap(), "state running→stopped engine_restart");
    assert_eq!(world.story(&looping).await.last().unwrap(), "state restarting→stopped engine_restart");
    assert_eq!(verdict(&world, &looping).await.kind, Kind::StoppedWithEngine);
}

async fn parts(world: &World, part: &str) -> Vec<Finding> {
    let all = world.face().call(Doctor {}).await.unwrap();
    all.into_iter().filter(|finding| finding.part == part).collect()
}

#[tokio::test(start_paused = true)]
async fn status_doctor_and_events_tell_the_worst_and_each_with_its_cure() {
    let world = world(FakeEngine::new(11)).await;
    let well = parts(&world, "containers").await;
    assert_eq!((well.len(), well[0].state), (1, PartState::Ok), "{well:?}");
    let shop = world.engine.run(ours("shop")).unwrap();
    let stray = world.engine.run(Spec::named("stray")).unwrap();
    world.equal_within(MOMENT).await;
    world.engine.die(&stray, 1).unwrap();
    world.equal_within(MOMENT).await;
    let tally = world.face().call(GetStatus {}).await.unwrap().verdicts;
    assert_eq!((tally.worst, tally.bad, tally.warn), (Level::Warn, 0, 1), "nobody gave it into our care");
    world.engine.oom(&shop).unwrap();
    world.equal_within(MOMENT).await;
    let tally = world.face().call(GetStatus {}).await.unwrap().verdicts;
    assert_eq!((tally.worst, tally.bad, tally.warn), (Level::Bad, 1, 1));
    let found = parts(&world, "containers").await;
    let told: Vec<_> = found.iter().map(|f| (f.state, f.text.as_str(), f.cure.is_some())).collect();
    assert_eq!(
        told,
        [
            (PartState::Fail, "shop: Out of memory: the kernel killed it", true),
            (PartState::Warn, "stray: Crashed: exit 1", true),
        ]
    );
    let log = world.face().call(Events { limit: None }).await.unwrap();
    let ends: Vec<_> = log
        .iter()
        .filter(|e| e.entry.to.as_deref() == Some("stopped"))
        .map(|e| (e.name.as_str(), e.level))
        .collect();
    assert_eq!(ends, [("stray", Level::Warn), ("shop", Level::Bad)]);
}

/// What others can put into a name, a label, a log.
const HOSTILE: &str = "<img src=x onerror=alert(1)> \u{1b}[2J\u{1b}]0;title\u{7} \u{202e}txt.exe \u{9b}31m '; DROP TABLE containers; --";

#[tokio::test(start_paused = true)]
async fn what_others_wrote_is_carried_whole_and_harms_nothing() {
    let world = world(FakeEngine::new(12)).await;
    let id = world
        .engine
        .run(ours(HOSTILE).label("note", HOSTILE).health_check().restart(RestartPolicy::No))
        .unwrap();
    world.engine.write_log(&id, &HOSTILE.repeat(100)).unwrap();
    world.engine.set_health_saying(&id, Health::Unhealthy, &HOSTILE.repeat(100)).unwrap();
    world.equal_within(MOMENT).await;
    let ill = verdict(&world, &id).await;
    assert!(exhibit(&ill, What::Probe).unwrap().len() <= 1024, "bounded");
    assert!(ill.text.len() < 300 && !ill.text.contains('\n'), "one short sentence: {}", ill.text);
    Engine::stop(&world.engine, &id, None).await.unwrap();
    world.engine.start_container(&id).unwrap();
    world.equal_within(MOMENT).await;
    world.engine.die(&id, 4).unwrap();
    world.equal_within(MOMENT).await;
    world.wait(MOMENT).await;
    let crashed = verdict(&world, &id).await;
    assert!(exhibit(&crashed, What::Log).unwrap().len() <= 400, "bounded");
    assert_eq!(containers(&world).await.len(), 1, "every table is still there");
    let stored = containers(&world).await.remove(0);
    assert_eq!(stored.name, HOSTILE, "as the engine says it");
}
