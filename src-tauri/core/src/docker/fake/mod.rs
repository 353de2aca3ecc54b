//! A world of containers that moves, in memory: the same door as a real engine, for tests and for the demo.
//!
//! [`FakeEngine`] has two sides. As an [`Engine`] it answers as Docker does, after [`Weather`] has had its say. To
//! the teller of a story it offers verbs ([`FakeEngine::create`], [`FakeEngine::stop`], [`FakeEngine::oom`],
//! [`FakeEngine::restart_engine`] …) that act at once, whatever the weather, and emit the events that were measured
//! on a real engine, in their order. [`FakeEngine::truth`] is what an honest index must come to.
//!
//! Time is tokio's, so a paused runtime plays hours in milliseconds; chance is seeded, so a story can be told again.
//! A contract test holds this world and a real engine to the same promises.

mod by_hand;
mod calls;
mod demo;
mod door;
#[cfg(unix)]
pub mod served;
mod spec;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

pub use by_hand::Overheard;
pub use calls::{Call, Calls, Mishap};
pub use demo::{Demo, DemoLife};
pub use spec::{OnTerm, RestartPolicy, Spec, Weather};

use super::EngineError;
use crate::rules::container::{Health, Observed, State};
use crate::rules::ids::{ContainerId, EngineId};
use world::{Reach, World};

/// Cheap to clone; all clones are one world.
#[derive(Clone)]
pub struct FakeEngine {
    world: Arc<Mutex<World>>,
    endpoint: Arc<str>,
}

const FAKE_ENDPOINT: &str = "fake://world";
const FAKE_ID: &str = "FAKE:WORLD";

impl Default for FakeEngine {
    fn default() -> Self {
        Self::new(0)
    }
}

impl FakeEngine {
    /// An empty world whose clock starts at noon of 2026-01-01 and goes on with tokio's.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let noon = Timestamp::from_second(1_767_268_800).unwrap_or(Timestamp::UNIX_EPOCH);
        let start = Instant::now();
        let now = move || {
            let gone = SignedDuration::try_from(start.elapsed()).unwrap_or(SignedDuration::ZERO);
            noon.checked_add(gone).unwrap_or(noon)
        };
        Self::with_clock(seed, now)
    }

    /// An empty world whose engine stamps its events and times by `now`.
    pub fn with_clock(seed: u64, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let world = World::new(FAKE_ENDPOINT.to_owned(), EngineId::new(FAKE_ID), seed, Arc::new(now));
        Self { world: Arc::new(Mutex::new(world)), endpoint: FAKE_ENDPOINT.into() }
    }

    /// The world, with everything that is due by now having happened.
    fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.settle();
        world
    }
}

/// What happens to containers, told as a story. Each act answers as the engine would: what is already so is fine,
/// what cannot be is [`EngineError::Refused`], what is gone is [`EngineError::NotFound`].
impl FakeEngine {
    pub fn create(&self, spec: Spec) -> Result<ContainerId, EngineError> {
        self.world().create(spec)
    }

    /// Creates and starts, as `docker run` does. A start that fails leaves the container `created`.
    pub fn run(&self, spec: Spec) -> Result<ContainerId, EngineError> {
        let mut world = self.world();
        let id = world.create(spec)?;
        world.start(&id)?;
        Ok(id)
    }

    /// `docker run --rm` of something that ends at once: create, start, die, destroy.
    pub fn run_rm(&self, spec: Spec, exit_code: i64) -> Result<ContainerId, EngineError> {
        let mut world = self.world();
        let id = world.create(spec.auto_remove())?;
        world.start(&id)?;
        world.die(&id, exit_code)?;
        Ok(id)
    }

    pub fn start_container(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.world().start(id)
    }

    /// `docker stop`: kill, die, stop; the exit code as the spec's [`OnTerm`] says. Of one that waits for its policy only
    /// the stop is told.
    pub fn stop_container(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.world().stop(id)
    }

    /// A stop in Podman's words where they come late: die, and the stop that brought it only then.
    pub fn stop_told_late(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.world().stop_told_late(id)
    }

    /// kill, die, stop, start, restart.
    pub fn restart_container(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.world().restart(id)
    }

    /// `docker kill`: kill and, if the signal ends the program, die; no stop.
    pub fn kill(&self, id: &ContainerId, signal: i32) -> Result<(), EngineError> {
        self.world().kill(id, signal)
    }

    /// The program ends by itself. A restart policy then starts it again after the engine's pause.
    pub fn die(&self, id: &ContainerId, exit_code: i64) -> Result<(), EngineError> {
        self.world().die(id, exit_code)
    }

    /// oom, die with 137.
    pub fn oom(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.world().oom(id)
    }

    /// From now on its program ends with 1 after `runs_for`, every time; the policy becomes `always` if it had none.
    pub fn restart_loop(&self, id: &ContainerId, runs_for: Duration) -> Result<(), EngineError> {
        self.world().restart_loop(id, runs_for)
    }

    /// Its program holds from now on.
    pub fn end_restart_loop(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.world().end_restart_loop(id)
    }

    pub fn pause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.world().pause(id)
    }

    pub fn unpause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.world().unpause(id)
    }

    pub fn rename(&self, id: &ContainerId, name: &str) -> Result<(), EngineError> {
        self.world().rename(id, name)
    }

    pub fn update(&self, id: &ContainerId, policy: RestartPolicy) -> Result<(), EngineError> {
        self.world().update(id, policy)
    }

    pub fn remove(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.world().remove(id)
    }

    /// `docker rm -f`: kill, die, destroy; no stop.
    pub fn force_remove(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.world().force_remove(id)
    }

    /// Its health check has run, and printed nothing.
    pub fn set_health(&self, id: &ContainerId, health: Health) -> Result<(), EngineError> {
        self.world().set_health(id, health, "")
    }

    /// Its health check has run and printed this.
    pub fn set_health_saying(
        &self,
        id: &ContainerId,
        health: Health,
        output: &str,
    ) -> Result<(), EngineError> {
        self.world().set_health(id, health, output)
    }

    /// Its program writes a line to its log, without an event.
    pub fn write_log(&self, id: &ContainerId, line: &str) -> Result<(), EngineError> {
        self.world().write_log(id, line)
    }

    /// A state that no act leads to (`removing`, `failed`, `unknown`), without an event.
    pub fn set_state(&self, id: &ContainerId, state: State) -> Result<(), EngineError> {
        self.world().set_state(id, state)
    }

    /// As `docker compose up` replaces a service: create `<hex>_name`, stop and destroy the old one, rename, start.
    /// Answers with the new id.
    pub fn compose_recreate(&self, id: &ContainerId, image: &str) -> Result<ContainerId, EngineError> {
        self.world().compose_recreate(id, image)
    }

    /// A removed container is there again, as it was and without an event: a restored virtual machine.
    pub fn bring_back(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.world().bring_back(id)
    }

    /// So many events that the adapter's filter hides: nobody sees them, they only push others out of the ring.
    pub fn noise(&self, events: usize) {
        self.world().noise(events);
    }
}

/// What happens to the engine and to the way there.
impl FakeEngine {
    /// kill, die, stop for everything, then the streams break, connections hang for [`Weather::restart_takes`], and
    /// it boots: policies are served, what removes itself is gone, the ring holds nothing from before.
    pub fn restart_engine(&self) {
        self.world().restart_engine();
    }

    /// SIGKILL: no event, the streams break, nothing listens until [`FakeEngine::come_back`] boots it. Its first act is
    /// to stop what it finds alive (kill, die, stop, seen only by `since`); of the policies only `always` brings that back.
    pub fn kill_engine(&self) {
        self.world().kill_engine();
    }

    /// It accepts and does not answer, and its streams fall silent: SIGSTOP.
    pub fn hang(&self) {
        self.world().set_reach(Reach::Hangs);
    }

    /// Goes on where [`FakeEngine::hang`] froze it.
    pub fn unhang(&self) {
        self.come_back();
    }

    /// The way there is gone and the streams break; the engine itself goes on.
    pub fn go_away(&self) {
        let mut world = self.world();
        world.break_streams("connection reset by peer");
        world.set_reach(Reach::Away);
    }

    /// Ends every kind of absence; an engine that was killed boots.
    pub fn come_back(&self) {
        let mut world = self.world();
        world.come_back();
        for reader in world.readers.values() {
            reader.notify.notify_one();
        }
    }

    /// The socket is there and may not be used.
    pub fn deny(&self) {
        let mut world = self.world();
        world.break_streams("connection reset by peer");
        world.set_reach(Reach::Denied);
    }

    /// The event streams break; everything else goes on.
    pub fn break_streams(&self) {
        self.world().break_streams("connection reset by peer");
    }

    /// Another engine answers behind the same socket, with its own containers: none, or those it had when it was
    /// last here.
    pub fn become_another_engine(&self, id: &str) {
        self.world().become_another_engine(EngineId::new(id));
    }

    pub fn set_weather(&self, weather: Weather) {
        self.world().weather = weather;
    }

    pub fn change_weather(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut self.world().weather);
    }

    /// The `nth` call of this kind from now on (1 is the next) meets with `mishap`.
    pub fn mishap(&self, call: Call, nth: u64, mishap: Mishap) {
        let mut world = self.world();
        let at = world.calls.of(call) + nth;
        world.mishaps.push((call, at, mishap));
    }

    /// Inspects of this one container are never answered.
    pub fn hang_inspects_of(&self, id: &ContainerId) {
        self.world().hung_inspects.insert(id.clone());
    }

    pub fn unhang_inspects_of(&self, id: &ContainerId) {
        let mut world = self.world();
        world.hung_inspects.remove(id);
        world.reach_changed.notify_waiters();
    }
}

/// The way to the engine, as whoever guards the socket needs to know it.
#[cfg(unix)]
struct Way {
    reach: Reach,
    breaks: u64,
    /// Ready once any of it is otherwise.
    changed: tokio::sync::futures::OwnedNotified,
}

#[cfg(unix)]
impl FakeEngine {
    fn way(&self) -> Way {
        let world = self.world();
        let changed = world.reach_changed.clone().notified_owned();
        Way { reach: world.reach.clone(), breaks: world.breaks, changed }
    }
}

/// What a test may ask that no engine tells.
impl FakeEngine {
    /// Every container as it really is.
    #[must_use]
    pub fn truth(&self) -> BTreeMap<ContainerId, Observed> {
        self.world().containers.iter().map(|(id, c)| (id.clone(), c.seen.clone())).collect()
    }

    /// One container as it really is.
    #[must_use]
    pub fn truth_of(&self, id: &ContainerId) -> Option<Observed> {
        self.world().containers.get(id).map(|c| c.seen.clone())
    }

    #[must_use]
    pub fn id_of(&self, name: &str) -> Option<ContainerId> {
        self.world().containers.values().find(|c| c.seen.name == name).map(|c| c.seen.container_id.clone())
    }

    #[must_use]
    pub fn engine_id(&self) -> EngineId {
        self.world().engine_id.clone()
    }

    /// The engine's own time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.world().engine_now()
    }

    #[must_use]
    pub fn calls(&self) -> Calls {
        self.world().calls.clone()
    }

    /// Begins to count anew. Mishaps that were announced and have not come are forgotten.
    pub fn forget_calls(&self) {
        let mut world = self.world();
        let under_way = std::mem::take(&mut world.calls.under_way);
        world.calls = Calls { under_way, ..Calls::default() };
        world.mishaps.clear();
    }

    /// How many event streams are open.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.world().readers.len()
    }
}

#[cfg(test)]
mod tests;
