//! What `verify` and `doctor` tell: all that is so, nothing that is not, and each trouble with its container.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use harness::world::World;
use tinyforge_core::clock::SharedClock;
use tinyforge_core::control::commands::{Doctor, Verify};
use tinyforge_core::control::shapes::{ErrorCode, Finding, PartState, Verification};
use tinyforge_core::docker::EngineError;
use tinyforge_core::docker::fake::{Call, FakeEngine, Mishap, Spec};
use tinyforge_core::jobs::{Job, Jobs};
use tinyforge_core::rules::container::State;
use tinyforge_core::rules::ids::ContainerId;

async fn three(seed: u64) -> (World, [ContainerId; 3]) {
    let engine = FakeEngine::new(seed);
    let ids = ["a", "b", "c"].map(|name| engine.run(Spec::named(name)).unwrap());
    (World::settled(engine).await, ids)
}

async fn verify(world: &World) -> Verification {
    world.face().call(Verify {}).await.unwrap()
}

async fn finding(world: &World, part: &str) -> Finding {
    let findings = world.face().call(Doctor {}).await.unwrap();
    let found = findings.iter().find(|finding| finding.part == part);
    found.unwrap_or_else(|| panic!("no {part} in {findings:#?}")).clone()
}

#[tokio::test(start_paused = true)]
async fn a_container_that_cannot_be_inspected_is_told_and_hides_no_other() {
    let (world, [_, stuck, moved]) = three(1).await;
    world.engine.hang_inspects_of(&stuck);
    world.engine.set_state(&moved, State::Removing).unwrap();

    let found = verify(&world).await;
    assert!(!found.equal, "what could not be checked is not equal");
    assert_eq!(found.checked, 2, "it is not counted as checked");
    let told = |id: &ContainerId| {
        let difference = found.differences.iter().find(|difference| difference.container_id == id.as_str());
        difference.unwrap_or_else(|| panic!("{id} is not in {found:#?}"))
    };
    assert_eq!(found.differences.len(), 2, "{found:#?}");
    assert_eq!((told(&moved).field.as_str(), told(&moved).engine.as_deref()), ("state", Some("removing")));
    assert_eq!((told(&stuck).field.as_str(), told(&stuck).index.as_deref()), ("inspect", Some("running")));
    let reason = told(&stuck).engine.clone().unwrap();
    assert!(reason.contains("could not be checked") && reason.contains("no answer"), "{reason}");
    assert_eq!(world.engine.calls().inspects_at_once.max(8), 8, "never more than eight at once");
}

#[tokio::test(start_paused = true)]
async fn an_inspect_that_fails_once_is_asked_again() {
    let (world, _) = three(2).await;
    let refused =
        EngineError::Refused { tried: "inspecting".into(), status: 500, detail: "a bad moment".into() };
    world.engine.mishap(Call::Inspect, 2, Mishap::Fail(refused));
    let found = verify(&world).await;
    assert_eq!((found.equal, found.checked), (true, 3), "{found:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_goes_away_under_verify_is_said_once_and_not_for_each_container() {
    let (world, _) = three(3).await;
    let broken =
        || EngineError::Broken { endpoint: "fake".into(), tried: "asking".into(), detail: "reset".into() };
    for nth in 1..=3 {
        world.engine.mishap(Call::Inspect, nth, Mishap::Fail(broken()));
    }
    world.engine.mishap(Call::Ping, 1, Mishap::Fail(broken()));
    let error = world.face().call(Verify {}).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::EngineAway, "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_changes_while_verify_looks_is_no_difference() {
    let (world, [_, restless, _]) = three(4).await;
    let engine = world.engine.clone();
    let turns = tokio::spawn(async move {
        for turn in 0_u64.. {
            engine.rename(&restless, &format!("b{turn}")).unwrap();
            tokio::time::sleep(Duration::from_millis(3 + turn % 11)).await;
        }
    });
    for _ in 0..50 {
        let found = verify(&world).await;
        assert!(found.equal, "{found:#?}");
        world.wait(Duration::from_millis(17)).await;
    }
    turns.abort();
}

#[tokio::test(start_paused = true)]
async fn a_change_without_an_event_is_worth_a_warning_for_an_hour() {
    let (world, [id, ..]) = three(5).await;
    assert_eq!(finding(&world, "index").await.state, PartState::Ok);
    world.engine.set_state(&id, State::Removing).unwrap();
    world.wait(Duration::from_secs(40)).await;
    assert_eq!(world.pulse().divergences, 1);

    let warned = finding(&world, "index").await;
    assert_eq!(warned.state, PartState::Warn, "{warned:?}");
    assert!(warned.text.contains("1 change came without an event"), "{warned:?}");
    assert!(warned.text.contains(" s ago"), "when is said: {warned:?}");
    assert!(warned.cure.is_some());

    world.wait(Duration::from_secs(3_700)).await;
    let later = finding(&world, "index").await;
    assert_eq!((later.state, later.cure.as_deref()), (PartState::Ok, None), "{later:?}");
    assert!(later.text.contains("the last 1 h ago"), "it is still told: {later:?}");
}

#[tokio::test(start_paused = true)]
async fn each_job_is_told_with_its_period_its_last_turn_and_what_came_of_it() {
    let (world, _) = three(6).await;
    let turns = Arc::new(AtomicU32::new(0));
    let work = move || {
        let turn = turns.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if turn == 0 { Err("the disk is full".to_owned()) } else { Ok(()) }
        }) as std::pin::Pin<Box<_>>
    };
    let job = Job {
        name: "copy",
        purpose: "a copy now and then",
        period: Duration::from_secs(600),
        after: Duration::ZERO,
        work: Box::new(work),
    };
    let clock: SharedClock = Arc::new(world.clock.clone());
    let jobs = Jobs::start(vec![job], &world.jobs, &clock);

    let first = finding(&world, "job copy").await;
    assert_eq!(first.text, "a copy now and then; a turn every 10 min, the first is under way");
    assert_eq!(first.state, PartState::Ok);
    world.wait(Duration::from_secs(62)).await;
    let failed = finding(&world, "job copy").await;
    assert_eq!(failed.state, PartState::Warn, "{failed:?}");
    assert!(failed.text.contains("1 min ago, failed: the disk is full"), "{failed:?}");
    world.wait(Duration::from_secs(600)).await;
    let well = finding(&world, "job copy").await;
    assert_eq!(well.state, PartState::Ok, "{well:?}");
    assert!(well.text.ends_with("the last 1 min ago"), "{well:?}");
    jobs.stop().await;
}
