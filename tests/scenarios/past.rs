//! `at T` equals what `ps --all` said at T: for every moment at which a copy of it was taken down, in every field that
//! `at` has, whatever happened before and after.
//!
//! The oracle is the copies alone: they are kept here, outside of the store, and nothing of them is worked out.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::world::World;
use jiff::Timestamp;
use proptest::prelude::*;
use tinyforge_core::clock::Clock as _;
use tinyforge_core::control::commands::{At, Ps};
use tinyforge_core::docker::fake::{FakeEngine, Spec};
use tinyforge_core::reconcile::Link;
use tinyforge_core::rules::container::{Health, State, WorkloadKind};
use tinyforge_core::rules::ids::ContainerId;

const NAMES: [&str; 5] = ["web", "api", "db", "job", "cache"];
/// How long the index may take to equal the engine again, whatever was done to either.
const EQUAL: Duration = Duration::from_secs(900);

/// What may happen; numbers choose among what is there.
#[derive(Debug, Clone)]
enum Act {
    Run { name: usize, ours: bool, image: u8, checked: bool },
    RunAndVanish { name: usize, ours: bool },
    Create { name: usize, ours: bool },
    Start(usize),
    Stop(usize),
    Restart(usize),
    Die(usize, u8),
    OutOfMemory(usize),
    Pause(usize),
    Unpause(usize),
    Rename(usize, usize),
    Health(usize, u8),
    Remove(usize),
    Recreate(usize),
    BringBack(usize),
    RestartEngine,
    KillEngine,
    EngineAway(Vec<(Act, u16)>),
    NobodyWatches(Vec<(Act, u16)>),
}

fn simple() -> impl Strategy<Value = Act> {
    let one = 0..8_usize;
    prop_oneof![
        4 => (0..NAMES.len(), any::<bool>(), 0..3_u8, any::<bool>())
            .prop_map(|(name, ours, image, checked)| Act::Run { name, ours, image, checked }),
        1 => (0..NAMES.len(), any::<bool>()).prop_map(|(name, ours)| Act::RunAndVanish { name, ours }),
        1 => (0..NAMES.len(), any::<bool>()).prop_map(|(name, ours)| Act::Create { name, ours }),
        2 => one.clone().prop_map(Act::Start),
        2 => one.clone().prop_map(Act::Stop),
        1 => one.clone().prop_map(Act::Restart),
        2 => (one.clone(), 0..3_u8).prop_map(|(id, code)| Act::Die(id, code)),
        1 => one.clone().prop_map(Act::OutOfMemory),
        1 => one.clone().prop_map(Act::Pause),
        1 => one.clone().prop_map(Act::Unpause),
        2 => (one.clone(), 0..NAMES.len()).prop_map(|(id, name)| Act::Rename(id, name)),
        2 => (one.clone(), 0..3_u8).prop_map(|(id, health)| Act::Health(id, health)),
        2 => one.clone().prop_map(Act::Remove),
        1 => one.clone().prop_map(Act::Recreate),
        1 => one.prop_map(Act::BringBack),
    ]
}

fn timed(act: impl Strategy<Value = Act>) -> impl Strategy<Value = (Act, u16)> {
    (act, prop_oneof![Just(0_u16), 1..90_u16, 90..4_000_u16])
}

fn history() -> impl Strategy<Value = Vec<(Act, u16)>> {
    let meanwhile = || proptest::collection::vec(timed(simple()), 0..4);
    let act = prop_oneof![
        12 => simple(),
        1 => Just(Act::RestartEngine),
        1 => Just(Act::KillEngine),
        1 => meanwhile().prop_map(Act::EngineAway),
        1 => meanwhile().prop_map(Act::NobodyWatches),
    ];
    proptest::collection::vec(timed(act), 1..22)
}

/// A container as a copy, or `at`, shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    container_id: Option<String>,
    name: String,
    image: String,
    workload_name: Option<String>,
    role: Option<String>,
    state: &'static str,
    health: String,
}

/// `ps --all` as it was, and when that was.
struct Copy {
    at: Timestamp,
    containers: Vec<Shown>,
}

struct Story {
    world: World,
    copies: Vec<Copy>,
    gone: Vec<ContainerId>,
}

impl Story {
    async fn begin() -> Self {
        let world = World::begin_with_workload(FakeEngine::new(7), "shop", WorkloadKind::Project).await;
        Self { world, copies: vec![], gone: vec![] }
    }

    async fn play(&mut self, acts: &[(Act, u16)]) {
        for (act, wait) in acts {
            match act {
                Act::EngineAway(meanwhile) => {
                    self.world.engine.go_away();
                    self.wait(*wait).await;
                    self.play_unseen(meanwhile).await;
                    self.world.engine.come_back();
                }
                Act::NobodyWatches(meanwhile) => {
                    self.world.index.clone().stop().await;
                    self.wait(*wait).await;
                    self.play_unseen(meanwhile).await;
                    let World { engine, store, bus, .. } = &self.world;
                    self.world = World::begin_with(engine.clone(), store.clone(), bus.clone());
                    self.world.index.settled().await;
                }
                Act::KillEngine => {
                    self.world.engine.kill_engine();
                    self.wait(*wait).await;
                    self.world.engine.come_back();
                }
                simple => {
                    self.act(simple);
                    self.wait(*wait).await;
                }
            }
            self.take_copy().await;
        }
    }

    async fn play_unseen(&mut self, acts: &[(Act, u16)]) {
        for (act, wait) in acts {
            self.act(act);
            self.wait(*wait).await;
        }
    }

    async fn wait(&self, seconds: u16) {
        self.world.wait(Duration::from_secs(seconds.into())).await;
    }

    /// What the engine turns down has not happened.
    fn act(&mut self, act: &Act) {
        let engine = self.world.engine.clone();
        let spec = |name: &usize, ours: &bool| {
            let spec = Spec::named(NAMES[*name]);
            if *ours { spec.managed("shop", WorkloadKind::Project, NAMES[*name]) } else { spec }
        };
        let ids = engine.ids();
        let id = |n: &usize| ids.get(n % ids.len().max(1)).cloned();
        let on = |n: &usize, act: &dyn Fn(&ContainerId)| {
            if let Some(id) = id(n) {
                act(&id);
            }
        };
        match act {
            Act::Run { name, ours, image, checked } => {
                let mut spec = spec(name, ours).image(&format!("registry.test/{}:v{image}", NAMES[*name]));
                spec.health_check = *checked;
                let _ = engine.run(spec);
            }
            Act::RunAndVanish { name, ours } => drop(engine.run_rm(spec(name, ours), 0)),
            Act::Create { name, ours } => drop(engine.create(spec(name, ours))),
            Act::Start(n) => on(n, &|id| drop(engine.start_container(id))),
            Act::Stop(n) => on(n, &|id| drop(engine.stop_container(id))),
            Act::Restart(n) => on(n, &|id| drop(engine.restart_container(id))),
            Act::Die(n, code) => on(n, &|id| drop(engine.die(id, i64::from(*code)))),
            Act::OutOfMemory(n) => on(n, &|id| drop(engine.oom(id))),
            Act::Pause(n) => on(n, &|id| drop(engine.pause(id))),
            Act::Unpause(n) => on(n, &|id| drop(engine.unpause(id))),
            Act::Rename(n, name) => on(n, &|id| drop(engine.rename(id, NAMES[*name]))),
            Act::Health(n, health) => {
                let health = [Health::Starting, Health::Healthy, Health::Unhealthy][usize::from(*health)];
                on(n, &|id| drop(engine.set_health(id, health)));
            }
            Act::Remove(n) => {
                if let Some(id) = id(n) {
                    let _ = engine.force_remove(&id);
                    self.gone.push(id);
                }
            }
            Act::Recreate(n) => on(n, &|id| drop(engine.compose_recreate(id, "registry.test/next:v9"))),
            Act::BringBack(n) => {
                if let Some(id) = self.gone.get(n % self.gone.len().max(1)) {
                    let _ = engine.bring_back(id);
                }
            }
            Act::RestartEngine => engine.restart_engine(),
            Act::KillEngine | Act::EngineAway(_) | Act::NobodyWatches(_) => {}
        }
    }

    /// Once the index is as the engine is, and known to be.
    async fn take_copy(&mut self) {
        // What has just been done to the engine is noticed first.
        self.world.wait(Duration::from_secs(1)).await;
        self.world.equal_within(EQUAL).await;
        let deadline = tokio::time::Instant::now() + EQUAL;
        while self.world.pulse().link != Link::Connected || self.world.pulse().unverified.is_some() {
            assert!(tokio::time::Instant::now() < deadline, "still in doubt: {:?}", self.world.pulse());
            self.world.wait(Duration::from_millis(10)).await;
        }
        self.world.equal_within(EQUAL).await;
        let at = self.world.clock.now();
        let containers = self.world.face().call(Ps { all: true, ..Ps::default() }).await.unwrap();
        let shown = containers.into_iter().map(|container| Shown {
            container_id: container.container_id,
            name: container.name,
            image: container.image,
            workload_name: container.workload_name,
            role: container.role,
            state: container.state.as_str(),
            health: health_of(container.state, container.health),
        });
        let mut containers: Vec<Shown> = shown.collect();
        containers.sort();
        // The moment itself is over before the next thing happens.
        self.world.wait(Duration::from_millis(1)).await;
        self.copies.push(Copy { at, containers });
    }

    /// Every copy against what the history makes of its moment, a line for each that differs.
    async fn differences(&self) -> Vec<String> {
        let mut found = vec![];
        let mut before: BTreeMap<Option<String>, (&'static str, Timestamp)> = BTreeMap::new();
        for copy in &self.copies {
            let then = self.world.face().call(At { time: Some(copy.at) }).await.unwrap();
            if let Some(gap) = &then.gap {
                found.push(format!("{}: verified then, and shown as a gap: {gap:?}", copy.at));
            }
            let mut shown = vec![];
            for container in then.containers {
                let state = container.state.as_str();
                let was = before.insert(container.container_id.clone(), (state, copy.at));
                let turned =
                    was.filter(|(was, _)| *was != state).is_none_or(|(_, seen)| seen <= container.since);
                if !turned || container.since > copy.at {
                    found.push(format!("{}: {} {state} since {}", copy.at, container.name, container.since));
                }
                shown.push(Shown {
                    container_id: container.container_id,
                    name: container.name,
                    image: container.image,
                    workload_name: container.workload_name,
                    role: container.role,
                    state,
                    health: health_of(container.state, container.health),
                });
            }
            shown.sort();
            if shown != copy.containers {
                found.push(format!("{}:\n  ps said {:#?}\n  at says {shown:#?}", copy.at, copy.containers));
            }
        }
        found
    }
}

/// What the engine no longer has, has no health.
fn health_of(state: State, health: Health) -> String {
    if state == State::Missing { "-".to_owned() } else { health.as_str().to_owned() }
}

fn as_copied(acts: &[(Act, u16)]) -> Vec<String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut story = Story::begin().await;
        story.play(acts).await;
        story.differences().await
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// For every history: at each moment at which a copy was taken, `at` shows that copy.
    #[test]
    fn at_a_moment_stands_what_ps_showed_then(acts in history()) {
        let found = as_copied(&acts);
        prop_assert!(found.is_empty(), "{}", found.join("\n"));
    }
}
