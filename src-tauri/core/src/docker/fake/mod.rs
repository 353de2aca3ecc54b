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
mod demo;
mod spec;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream;
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep, sleep_until, timeout};

pub use by_hand::Overheard;
pub use demo::DemoLife;
pub use spec::{OnTerm, RestartPolicy, Spec, Weather};

use super::{Dialect, Engine, EngineError, EngineEvent, EngineIdentity, EventStream, Listed, deadline};
use crate::rules::container::{Health, ManagedContainer, Observed, State};
use crate::rules::ids::{ContainerId, EngineId};
use crate::rules::labels;
use world::{Reach, World};

/// Cheap to clone; all clones are one world.
#[derive(Clone)]
pub struct FakeEngine {
    world: Arc<Mutex<World>>,
    endpoint: Arc<str>,
}

/// The calls of the door, for counting them and for mishaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    Identify,
    Ping,
    List,
    ListManaged,
    Inspect,
    Events,
    Start,
    Stop,
    Restart,
}

impl Call {
    pub const ALL: [Self; 9] = [
        Self::Identify,
        Self::Ping,
        Self::List,
        Self::ListManaged,
        Self::Inspect,
        Self::Events,
        Self::Start,
        Self::Stop,
        Self::Restart,
    ];
}

/// What can befall one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mishap {
    /// It fails and has no effect.
    Fail(EngineError),
    /// It takes effect and its answer is lost.
    LoseAnswer,
    /// It is never answered: the deadline ends it, without effect.
    Hang,
    /// A listing answers with its first so many rows only, and calls that complete.
    Truncate(usize),
}

/// How often the door was used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    pub by_kind: BTreeMap<Call, u64>,
    pub inspects_of: BTreeMap<ContainerId, u64>,
    /// The most inspects that were ever under way at once.
    pub inspects_at_once: usize,
    /// The most inspects of one and the same container that were ever under way at once.
    pub inspects_of_one_at_once: usize,
    under_way: BTreeMap<ContainerId, usize>,
}

impl Calls {
    #[must_use]
    pub fn of(&self, call: Call) -> u64 {
        self.by_kind.get(&call).copied().unwrap_or(0)
    }

    #[must_use]
    pub fn inspects_of(&self, id: &ContainerId) -> u64 {
        self.inspects_of.get(id).copied().unwrap_or(0)
    }

    fn begin_inspect(&mut self, id: &ContainerId) {
        *self.inspects_of.entry(id.clone()).or_default() += 1;
        let of_one = self.under_way.entry(id.clone()).or_default();
        *of_one += 1;
        self.inspects_of_one_at_once = self.inspects_of_one_at_once.max(*of_one);
        self.inspects_at_once = self.inspects_at_once.max(self.under_way.values().sum());
    }

    fn end_inspect(&mut self, id: &ContainerId) {
        if let Some(count) = self.under_way.get_mut(id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.under_way.remove(id);
            }
        }
    }
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

    /// `docker stop`: kill, die, stop; the exit code as the spec's [`OnTerm`] says.
    pub fn stop_container(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.world().stop(id)
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

    pub fn set_health(&self, id: &ContainerId, health: Health) -> Result<(), EngineError> {
        self.world().set_health(id, health)
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

/// How a call finds its way.
impl FakeEngine {
    /// Counts the call, waits until the engine answers, and says what befalls it.
    async fn reach(&self, call: Call, tried: &str) -> Result<Option<Mishap>, EngineError> {
        let (mishap, latency) = {
            let mut world = self.world();
            let nth = world.calls.by_kind.entry(call).or_default();
            *nth += 1;
            let nth = *nth;
            let place = world.mishaps.iter().position(|(c, at, _)| *c == call && *at == nth);
            (place.map(|i| world.mishaps.remove(i).2), world.weather.latency / 2)
        };
        self.until_it_answers(tried, When::Connecting).await?;
        pass(latency).await;
        self.until_it_answers(tried, When::UnderWay).await?;
        match mishap {
            Some(Mishap::Fail(error)) => Err(error),
            Some(Mishap::Hang) => std::future::pending().await,
            other => Ok(other),
        }
    }

    /// The way back: the second half of the latency, and whether the answer arrives.
    async fn answer<T>(&self, tried: &str, mishap: Option<Mishap>, answer: T) -> Result<T, EngineError> {
        let latency = self.world().weather.latency / 2;
        pass(latency).await;
        self.until_it_answers(tried, When::UnderWay).await?;
        if mishap == Some(Mishap::LoseAnswer) {
            return Err(self.world().broken(tried, "connection reset by peer"));
        }
        Ok(answer)
    }

    async fn until_it_answers(&self, tried: &str, when: When) -> Result<(), EngineError> {
        loop {
            let (changed, due) = {
                let world = self.world();
                match (&world.reach, when) {
                    (Reach::Answers, _) => return Ok(()),
                    (Reach::Hangs, _) => {}
                    (Reach::Away | Reach::Dead, When::Connecting) => {
                        let detail = "nothing listens there".to_owned();
                        return Err(EngineError::Absent { endpoint: world.endpoint.clone(), detail });
                    }
                    (Reach::Denied, When::Connecting) => {
                        let detail = "the socket belongs to another user".to_owned();
                        return Err(EngineError::Denied { endpoint: world.endpoint.clone(), detail });
                    }
                    (Reach::Away | Reach::Dead | Reach::Denied, When::UnderWay) => {
                        return Err(world.broken(tried, "connection reset by peer"));
                    }
                }
                (world.reach_changed.clone().notified_owned(), world.next_due())
            };
            match due {
                Some(due) => tokio::select! { () = changed => {}, () = sleep_until(due) => {} },
                None => changed.await,
            }
        }
    }

    async fn within<T>(
        &self,
        tried: &str,
        deadline: Duration,
        call: impl Future<Output = Result<T, EngineError>> + Send,
    ) -> Result<T, EngineError> {
        timeout(deadline, call).await.unwrap_or_else(|_| {
            Err(EngineError::Hung { endpoint: self.endpoint.to_string(), tried: tried.to_owned(), deadline })
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Connecting,
    UnderWay,
}

/// Lets `latency` pass; none at all still gives others their turn.
async fn pass(latency: Duration) {
    if latency.is_zero() {
        tokio::task::yield_now().await;
    } else {
        sleep(latency).await;
    }
}

/// Counts an inspect as under way for as long as it lives, also where it is cancelled.
struct InspectUnderWay<'a> {
    engine: &'a FakeEngine,
    id: &'a ContainerId,
}

impl<'a> InspectUnderWay<'a> {
    fn begin(engine: &'a FakeEngine, id: &'a ContainerId) -> Self {
        engine.world().calls.begin_inspect(id);
        Self { engine, id }
    }
}

impl Drop for InspectUnderWay<'_> {
    fn drop(&mut self) {
        self.engine.world().calls.end_inspect(self.id);
    }
}

#[async_trait]
impl Engine for FakeEngine {
    fn endpoint(&self) -> String {
        self.endpoint.to_string()
    }

    async fn identify(&self) -> Result<EngineIdentity, EngineError> {
        let tried = "ask who answers";
        self.within(tried, deadline::READ, async {
            let mishap = self.reach(Call::Identify, tried).await?;
            let identity = {
                let world = self.world();
                EngineIdentity {
                    id: world.engine_id.clone(),
                    dialect: Dialect::Docker,
                    version: "20.10.24".to_owned(),
                    api_version: "1.41".to_owned(),
                    system_time: Some(world.engine_now()),
                }
            };
            self.answer(tried, mishap, identity).await
        })
        .await
    }

    async fn ping(&self) -> Result<(), EngineError> {
        let tried = "ask for a sign of life";
        self.within(tried, deadline::READ, async {
            let mishap = self.reach(Call::Ping, tried).await?;
            self.answer(tried, mishap, ()).await
        })
        .await
    }

    async fn list(&self) -> Result<Vec<Listed>, EngineError> {
        let tried = "list the containers";
        self.within(tried, deadline::LIST, async {
            let mishap = self.reach(Call::List, tried).await?;
            let mut rows: Vec<Listed> = self.world().listed().into_iter().map(|(row, _)| row).collect();
            if let Some(Mishap::Truncate(kept)) = mishap {
                rows.truncate(kept);
            }
            self.answer(tried, mishap, rows).await
        })
        .await
    }

    async fn list_managed(&self) -> Result<Vec<ManagedContainer>, EngineError> {
        let tried = "list the managed containers";
        self.within(tried, deadline::LIST, async {
            let mishap = self.reach(Call::ListManaged, tried).await?;
            let mut rows: Vec<ManagedContainer> = self
                .world()
                .listed()
                .into_iter()
                .filter(|(_, c)| c.spec.labels.get(labels::MANAGED).is_some_and(|v| v == "true"))
                .map(|(row, c)| {
                    ManagedContainer::from_labels(row.container_id, row.name, row.state, &c.spec.labels)
                })
                .collect();
            if let Some(Mishap::Truncate(kept)) = mishap {
                rows.truncate(kept);
            }
            self.answer(tried, mishap, rows).await
        })
        .await
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Option<Observed>, EngineError> {
        let tried = format!("inspect {}", id.short());
        let _under_way = InspectUnderWay::begin(self, id);
        self.within(&tried, deadline::READ, async {
            let mishap = self.reach(Call::Inspect, &tried).await?;
            loop {
                let changed = {
                    let world = self.world();
                    if !world.hung_inspects.contains(id) {
                        break;
                    }
                    world.reach_changed.clone().notified_owned()
                };
                changed.await;
            }
            let seen = self.truth_of(id);
            self.answer(&tried, mishap, seen).await
        })
        .await
    }

    async fn events(&self, since: Timestamp) -> Result<EventStream, EngineError> {
        let tried = "subscribe to the events";
        self.within(tried, deadline::READ, async {
            let mishap = self.reach(Call::Events, tried).await?;
            let reading = Reading { engine: self.clone(), reader: self.world().subscribe(since) };
            let events =
                stream::unfold(reading, |reading| async move { Some((reading.next().await?, reading)) });
            self.answer(tried, mishap, Box::pin(events) as EventStream).await
        })
        .await
    }

    async fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("start {}", id.short());
        self.within(&tried, deadline::START, async {
            let mishap = self.reach(Call::Start, &tried).await?;
            let done = self.world().start(id);
            self.answer(&tried, mishap, done).await?
        })
        .await
    }

    async fn stop(&self, id: &ContainerId, grace: Option<Duration>) -> Result<(), EngineError> {
        let tried = format!("stop {}", id.short());
        self.within(&tried, deadline::stop(grace), async {
            let mishap = self.reach(Call::Stop, &tried).await?;
            let begun = self.world().begin_stop(id);
            let done = match begun {
                Ok(Some(on_term)) => {
                    if on_term == OnTerm::Ignore {
                        sleep(grace.unwrap_or(deadline::DEFAULT_GRACE)).await;
                    }
                    self.world().finish_stop(id)
                }
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            self.answer(&tried, mishap, done).await?
        })
        .await
    }

    async fn restart(&self, id: &ContainerId, grace: Option<Duration>) -> Result<(), EngineError> {
        let tried = format!("restart {}", id.short());
        self.within(&tried, deadline::restart(grace), async {
            let mishap = self.reach(Call::Restart, &tried).await?;
            let ignores = self.world().containers.get(id).is_some_and(|c| c.spec.on_term == OnTerm::Ignore);
            if ignores {
                sleep(grace.unwrap_or(deadline::DEFAULT_GRACE)).await;
            }
            let done = self.world().restart(id);
            self.answer(&tried, mishap, done).await?
        })
        .await
    }
}

/// One open event stream. Leaving it closes it.
struct Reading {
    engine: FakeEngine,
    reader: u64,
}

impl Reading {
    async fn next(&self) -> Option<Result<EngineEvent, EngineError>> {
        loop {
            let (notify, due) = {
                let mut world = self.engine.world();
                let frozen = world.reach == Reach::Hangs;
                let next_due = world.next_due();
                let reader = world.readers.get_mut(&self.reader)?;
                let first = reader.queue.front().map(|(due, _)| *due);
                // What was sent before the connection broke still arrives; a frozen engine sends nothing.
                match first {
                    Some(due) if due <= Instant::now() && (!frozen || reader.ended.is_some()) => {
                        return reader.queue.pop_front().map(|(_, event)| Ok(event));
                    }
                    None if reader.ended.is_some() => {
                        let ended = reader.ended.take();
                        world.readers.remove(&self.reader);
                        return ended.map(Err);
                    }
                    _ => {}
                }
                let first = if frozen && reader.ended.is_none() { None } else { first };
                (reader.notify.clone(), [first, next_due].into_iter().flatten().min())
            };
            match due {
                Some(due) => tokio::select! { () = notify.notified() => {}, () = sleep_until(due) => {} },
                None => notify.notified().await,
            }
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.engine.world().readers.remove(&self.reader);
    }
}

#[cfg(test)]
mod tests;
