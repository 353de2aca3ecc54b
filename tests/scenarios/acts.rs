//! Acts of ours that an engine in trouble does not answer: whose doing is what comes after them, and what the command says.

use std::time::Duration;

use harness::world::World;
use tinyforge_core::control::commands::{Doctor, GetStatus, Inspect, Stop};
use tinyforge_core::control::shapes::{ApiError, EngineState, ErrorCode, PartState};
use tinyforge_core::docker::EngineError;
use tinyforge_core::docker::fake::{Call, FakeEngine, Mishap, Spec};
use tinyforge_core::rules::ids::ContainerId;
use tokio::time::Instant;

const MOMENT: Duration = Duration::from_secs(1);

async fn one(seed: u64) -> (World, ContainerId) {
    let engine = FakeEngine::new(seed);
    let id = engine.run(Spec::named("web")).unwrap();
    (World::settled(engine).await, id)
}

async fn stop_in_vain(world: &World) -> ApiError {
    world.face().call(Stop { containers: vec!["web".into()] }).await.unwrap_err()
}

async fn last_told(world: &World, id: &ContainerId) -> String {
    world.equal_within(MOMENT).await;
    world.story(id).await.pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_act_that_nobody_was_there_to_take_is_not_held_against_a_later_end() {
    let (world, id) = one(1).await;
    let nobody =
        EngineError::Absent { endpoint: "unix:///x".into(), detail: "there is no such socket".into() };
    world.engine.mishap(Call::Stop, 1, Mishap::Fail(nobody));
    let refused = stop_in_vain(&world).await;
    assert_eq!(refused.code, ErrorCode::EngineAway, "{refused}");
    world.engine.kill(&id, 9).unwrap();
    assert_eq!(last_told(&world, &id).await, "state running→stopped foreign");
}

#[tokio::test(start_paused = true)]
async fn one_whose_answer_was_lost_is_ours_when_its_effect_comes_and_not_for_ever() {
    for (later, cause) in [(Duration::from_secs(30), "own"), (Duration::from_secs(90), "foreign")] {
        let (world, id) = one(2).await;
        world.engine.mishap(Call::Stop, 1, Mishap::Hang);
        let hung = stop_in_vain(&world).await;
        assert_eq!(hung.code, ErrorCode::EngineAway, "{hung}");
        // Frozen, it had taken the request; it goes on, and does it after the grace.
        world.wait(later).await;
        world.engine.stop_container(&id).unwrap();
        let told = last_told(&world, &id).await;
        assert_eq!(told, format!("state running→stopped {cause}"), "{later:?} later");
    }
}

/// A stop may have a long grace, so its deadline is a long one; an engine that hangs is known to much sooner.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_grace_on_an_engine_that_hangs() {
    let (world, id) = one(4).await;
    world.engine.hang();
    let asked = Instant::now();
    let hung = stop_in_vain(&world).await;
    assert_eq!(hung.code, ErrorCode::EngineAway, "{hung}");
    assert!(asked.elapsed() <= Duration::from_secs(11), "told after {:?}", asked.elapsed());
    world.wait(Duration::from_secs(20)).await;
    world.engine.unhang();
    world.engine.stop_container(&id).unwrap();
    assert_eq!(
        last_told(&world, &id).await,
        "state running→stopped own",
        "it goes on with what it was asked"
    );
}

#[tokio::test(start_paused = true)]
async fn an_engine_whose_listing_cannot_be_read_is_no_empty_machine() {
    let engine = FakeEngine::new(3);
    engine.run(Spec::named("web")).unwrap();
    let garbled = || EngineError::Garbled { tried: "list the containers".into(), detail: "null".into() };
    for nth in 1..=3 {
        engine.mishap(Call::List, nth, Mishap::Fail(garbled()));
    }
    let world = World::begin(engine);
    world.wait(MOMENT).await;
    let told = world.face().call(GetStatus {}).await.unwrap().engine;
    assert_eq!(told.state, EngineState::Connected);
    assert!(told.reason.as_ref().is_some_and(|reason| reason.contains("cannot be read")), "{told:?}");
    let found = world.face().call(Doctor {}).await.unwrap();
    let found = found.iter().find(|finding| finding.part == "engine").unwrap();
    assert_eq!(found.state, PartState::Fail, "{found:?}");

    // An event may have led to its one container before: only a whole listing dispels this.
    world.wait(Duration::from_secs(10)).await;
    let told = world.face().call(GetStatus {}).await.unwrap().engine;
    assert_eq!(told.reason, None, "once it is read, all is well");
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_tells_of_a_container_is_handed_on_and_what_it_cannot_tell_is_said() {
    let (world, id) = one(9).await;
    let face = world.face();
    let ask = |container: &str| face.call(Inspect { container: container.into() });
    let told = ask("web").await.unwrap();
    assert_eq!(told.container_id, id.as_str());
    assert!(told.json.contains("\"NetworkMode\""), "{}", told.json);
    assert_eq!(ask("nobody").await.unwrap_err().code, ErrorCode::NotFound);
    world.engine.mishap(Call::InspectWhole, 1, Mishap::Hang);
    assert_eq!(ask("web").await.unwrap_err().code, ErrorCode::EngineAway);
}
