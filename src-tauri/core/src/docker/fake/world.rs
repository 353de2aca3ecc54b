//! The world: containers, their engine, and what each act does to them and says on the event stream.
//!
//! Everything here is synchronous. What happens later (a restart policy at work, an engine that comes back) waits in
//! a schedule that is settled before every look at the world, so that no thread and no task of its own is needed and
//! a story runs the same way every time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::spec::{OnTerm, RestartPolicy, Spec, Weather};
use super::{Call, Calls, Mishap};
use crate::docker::{Action, EngineError, EngineEvent, Listed};
use crate::rules::container::{Health, Observed, Port, State};
use crate::rules::ids::{ContainerId, EngineId};
use crate::rules::time::micros;

/// How many events the engine keeps for `since`, those that a filter hides among them (measured).
const RING: usize = 256;

/// The engine's first pause before it restarts a program that ended; doubled each time up to a minute.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// The engine's own time: what events and `StartedAt` are stamped with.
pub(super) type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

pub(super) struct World {
    pub(super) endpoint: String,
    pub(super) engine_id: EngineId,
    now: Now,
    last_stamp: Timestamp,
    pub(super) rng: fastrand::Rng,
    pub(super) weather: Weather,
    pub(super) reach: Reach,
    pub(super) containers: BTreeMap<ContainerId, Container>,
    removed: BTreeMap<ContainerId, Container>,
    other_engines: BTreeMap<EngineId, BTreeMap<ContainerId, Container>>,
    /// `None` is an event that our filter hides: it takes its place in the ring all the same.
    ring: VecDeque<Option<EngineEvent>>,
    pub(super) readers: BTreeMap<u64, Reader>,
    next_reader: u64,
    next_port: u16,
    schedule: BTreeMap<(Instant, u64), Later>,
    next_later: u64,
    /// The moment at which what is being settled was due; `None` for an act of now.
    settling: Option<Instant>,
    pub(super) calls: Calls,
    pub(super) mishaps: Vec<(Call, u64, Mishap)>,
    pub(super) hung_inspects: std::collections::BTreeSet<ContainerId>,
    /// Woken whenever the engine's reach changes.
    pub(super) reach_changed: Arc<Notify>,
}

/// Whether and how the engine can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    Answers,
    /// Accepts and does not answer.
    Hangs,
    /// Nothing listens; the engine itself goes on behind it.
    Away,
    /// The engine's process is gone; it boots when it comes back.
    Dead,
    Denied,
}

/// One reader of the event stream.
pub(super) struct Reader {
    pub(super) queue: VecDeque<(Instant, EngineEvent)>,
    /// Why the stream ends, once the queue is empty.
    pub(super) ended: Option<EngineError>,
    pub(super) notify: Arc<Notify>,
}

#[derive(Debug, Clone)]
enum Later {
    Revive(ContainerId, u64),
    EndByItself(ContainerId, u64),
    Boot,
}

#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) spec: Spec,
    pub(super) seen: Observed,
    /// What a listing still says, and until when.
    lagging: Option<(State, Instant)>,
    /// Counts starts and ends, so that a scheduled act for an earlier life does nothing.
    life: u64,
    stopped_by_hand: bool,
    ran_when_the_engine_ended: bool,
    crash_loop: Option<Duration>,
    backoff: Duration,
}

impl World {
    pub(super) fn new(endpoint: String, engine_id: EngineId, seed: u64, now: Now) -> Self {
        Self {
            endpoint,
            engine_id,
            now,
            last_stamp: Timestamp::UNIX_EPOCH,
            rng: fastrand::Rng::with_seed(seed),
            weather: Weather::default(),
            reach: Reach::Answers,
            containers: BTreeMap::new(),
            removed: BTreeMap::new(),
            other_engines: BTreeMap::new(),
            ring: VecDeque::new(),
            readers: BTreeMap::new(),
            next_reader: 0,
            next_port: 32768,
            schedule: BTreeMap::new(),
            next_later: 0,
            settling: None,
            calls: Calls::default(),
            mishaps: Vec::new(),
            hung_inspects: std::collections::BTreeSet::new(),
            reach_changed: Arc::new(Notify::new()),
        }
    }

    // ---- time -------------------------------------------------------------------------------------------------

    /// The engine's time, never the same twice and never backwards.
    fn stamp(&mut self) -> Timestamp {
        let overdue = SignedDuration::try_from(self.moment().elapsed()).unwrap_or(SignedDuration::ZERO);
        let now = (self.now)();
        let now = micros(now.checked_sub(overdue).unwrap_or(now));
        let next = self.last_stamp.checked_add(SignedDuration::from_micros(1)).unwrap_or(now);
        self.last_stamp = now.max(next);
        self.last_stamp
    }

    /// Now, or when that was due which nobody looked at until now.
    fn moment(&self) -> Instant {
        self.settling.unwrap_or_else(Instant::now)
    }

    pub(super) fn engine_now(&self) -> Timestamp {
        micros((self.now)()).max(self.last_stamp)
    }

    fn later(&mut self, after: Duration, what: Later) {
        let due = self.moment() + after;
        self.schedule.insert((due, self.next_later), what);
        self.next_later += 1;
        for reader in self.readers.values() {
            reader.notify.notify_one();
        }
        self.reach_changed.notify_waiters();
    }

    /// When something is due to happen by itself.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.schedule.keys().next().map(|(due, _)| *due)
    }

    /// Lets everything happen that is due.
    pub(super) fn settle(&mut self) {
        while let Some(entry) = self.schedule.first_entry() {
            let due = entry.key().0;
            if due > Instant::now() {
                break;
            }
            self.settling = Some(due);
            match entry.remove() {
                Later::Revive(id, life) => {
                    if self.is_life(&id, life) && self.engine_lives() {
                        let _ = self.start_one(&id);
                    }
                }
                Later::EndByItself(id, life) => {
                    if self.is_life(&id, life) && self.engine_lives() {
                        let _ = self.die(&id, 1);
                    }
                }
                Later::Boot => self.boot(),
            }
        }
        self.settling = None;
    }

    fn is_life(&self, id: &ContainerId, life: u64) -> bool {
        self.containers.get(id).is_some_and(|c| c.life == life)
    }

    fn engine_lives(&self) -> bool {
        self.reach != Reach::Dead
    }

    // ---- events -----------------------------------------------------------------------------------------------

    fn emit(&mut self, id: &ContainerId, action: Action, extra: &[(&str, String)]) {
        let Some(container) = self.containers.get(id) else { return };
        let mut attributes = container.spec.labels.clone();
        attributes.insert("image".to_owned(), container.spec.image.clone());
        attributes.insert("name".to_owned(), container.seen.name.clone());
        attributes.extend(extra.iter().map(|(k, v)| ((*k).to_owned(), v.clone())));
        let event = EngineEvent { container_id: id.clone(), action, at: self.stamp(), attributes };
        self.remember(Some(event.clone()));
        if self.rng.f64() < self.weather.event_losses {
            return;
        }
        let copies = if self.rng.f64() < self.weather.event_duplicates { 2 } else { 1 };
        for _ in 0..copies {
            self.deliver(&event);
        }
    }

    fn remember(&mut self, event: Option<EngineEvent>) {
        if self.ring.len() == RING {
            self.ring.pop_front();
        }
        self.ring.push_back(event);
    }

    fn deliver(&mut self, event: &EngineEvent) {
        let most = u64::try_from(self.weather.event_delay.as_micros()).unwrap_or(u64::MAX);
        let moment = self.moment();
        for reader in self.readers.values_mut() {
            if reader.ended.is_some() || reader.queue.len() >= self.weather.reader_capacity {
                continue;
            }
            let mut due = moment + Duration::from_micros(self.rng.u64(0..=most));
            if !self.weather.event_shuffle {
                due = reader.queue.back().map_or(due, |(last, _)| due.max(*last));
            }
            let place = reader.queue.partition_point(|(other, _)| *other <= due);
            reader.queue.insert(place, (due, event.clone()));
            reader.notify.notify_one();
        }
    }

    /// Events that the adapter's filter hides (a health check's three `exec_*`): they only flush the ring.
    pub(super) fn noise(&mut self, events: usize) {
        for _ in 0..events.min(RING) {
            self.remember(None);
        }
    }

    pub(super) fn subscribe(&mut self, since: Timestamp) -> u64 {
        let now = Instant::now();
        let queue = if self.weather.replays {
            self.ring.iter().flatten().filter(|e| e.at >= micros(since)).map(|e| (now, e.clone())).collect()
        } else {
            VecDeque::new()
        };
        let id = self.next_reader;
        self.next_reader += 1;
        self.readers.insert(id, Reader { queue, ended: None, notify: Arc::new(Notify::new()) });
        id
    }

    pub(super) fn break_streams(&mut self, detail: &str) {
        let error = self.broken("read the event stream", detail);
        for reader in self.readers.values_mut() {
            reader.ended.get_or_insert_with(|| error.clone());
            reader.notify.notify_one();
        }
    }

    // ---- the acts ---------------------------------------------------------------------------------------------

    pub(super) fn create(&mut self, mut spec: Spec) -> Result<ContainerId, EngineError> {
        let id = ContainerId::new(
            (0..64).map(|_| char::from_digit(self.rng.u32(0..16), 16).unwrap_or('0')).collect::<String>(),
        );
        if spec.name.is_empty() {
            spec.name = format!("nameless_{}", id.short());
        }
        let tried = format!("create {}", spec.name);
        self.name_is_free(&spec.name, &tried)?;
        let created_at = self.stamp();
        let seen = Observed {
            container_id: id.clone(),
            name: spec.name.clone(),
            image: spec.image.clone(),
            image_id: spec.image_id.clone(),
            state: State::Created,
            health: Health::None,
            exit_code: None,
            oom_killed: false,
            restart_count: 0,
            error: None,
            ports: Vec::new(),
            labels: spec.labels.clone(),
            created_at,
            started_at: None,
            finished_at: None,
            restart_policy: spec.restart.as_str().to_owned(),
            auto_remove: spec.auto_remove,
        };
        let container = Container {
            spec,
            seen,
            lagging: None,
            life: 0,
            stopped_by_hand: false,
            ran_when_the_engine_ended: false,
            crash_loop: None,
            backoff: FIRST_BACKOFF,
        };
        self.containers.insert(id.clone(), container);
        self.emit(&id, Action::Create, &[]);
        Ok(id)
    }

    /// Starting what runs is already so; what is paused must be unpaused instead.
    pub(super) fn start(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("start {}", id.short());
        match self.state(id, &tried)? {
            State::Running | State::Restarting => Ok(()),
            State::Paused => {
                Err(refused(&tried, 409, "cannot start a paused container, try unpause instead"))
            }
            State::Removing | State::Failed => {
                Err(refused(&tried, 409, "container is marked for removal and cannot be started"))
            }
            State::Created | State::Stopped | State::Missing | State::Deploying | State::Unknown => {
                if let Some(container) = self.containers.get_mut(id) {
                    container.seen.restart_count = 0;
                    container.backoff = FIRST_BACKOFF;
                }
                self.start_one(id)
            }
        }
    }

    fn start_one(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let at = self.stamp();
        let tried = format!("start {}", id.short());
        let Some(container) = self.containers.get_mut(id) else { return Err(no_such(&tried, id)) };
        container.life += 1;
        if let Some(sentence) = container.spec.start_error.clone() {
            container.seen.error = Some(sentence.clone());
            return Err(refused(&tried, 500, &sentence));
        }
        let mut ports = Vec::new();
        for port in container.spec.published.clone() {
            self.next_port = if self.next_port == 60999 { 32768 } else { self.next_port + 1 };
            let (host_ip, host_port) = (Some("127.0.0.1".to_owned()), Some(self.next_port));
            ports.push(Port { container_port: port, protocol: "tcp".to_owned(), host_ip, host_port });
        }
        for port in container.spec.exposed.clone() {
            ports.push(Port {
                container_port: port,
                protocol: "tcp".to_owned(),
                host_ip: None,
                host_port: None,
            });
        }
        ports.sort();
        let seen = &mut container.seen;
        seen.state = State::Running;
        seen.health = if container.spec.health_check { Health::Starting } else { Health::None };
        seen.started_at = Some(at);
        seen.exit_code = None;
        seen.oom_killed = false;
        seen.error = None;
        seen.ports = ports;
        container.stopped_by_hand = false;
        container.ran_when_the_engine_ended = false;
        container.lagging = None;
        let (life, crash) = (container.life, container.crash_loop);
        self.emit(id, Action::Start, &[]);
        if let Some(after) = crash {
            self.later(after, Later::EndByItself(id.clone(), life));
        }
        Ok(())
    }

    /// The signal that begins a stop. `Ok(None)`: it is already so. Else whether the program ignores it.
    pub(super) fn begin_stop(&mut self, id: &ContainerId) -> Result<Option<OnTerm>, EngineError> {
        let tried = format!("stop {}", id.short());
        match self.state(id, &tried)? {
            State::Running | State::Paused | State::Restarting => {
                let on_term = self.containers.get(id).map(|c| c.spec.on_term);
                self.emit(id, Action::Kill, &[("signal", "15".to_owned())]);
                Ok(on_term)
            }
            State::Created
            | State::Removing
            | State::Stopped
            | State::Failed
            | State::Missing
            | State::Deploying
            | State::Unknown => Ok(None),
        }
    }

    /// The rest of a stop: the program ended, or the grace did.
    pub(super) fn finish_stop(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("stop {}", id.short());
        if !self.state(id, &tried)?.is_alive() {
            return Ok(());
        }
        let on_term = self.containers.get(id).map_or(OnTerm::Exit(143), |c| c.spec.on_term);
        if on_term == OnTerm::Ignore {
            self.emit(id, Action::Kill, &[("signal", "9".to_owned())]);
        }
        self.end(id, on_term.exit_code(), By::Hand);
        self.emit(id, Action::Stop, &[]);
        self.remove_if_automatic(id);
        Ok(())
    }

    pub(super) fn stop(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        match self.begin_stop(id)? {
            Some(_) => self.finish_stop(id),
            None => Ok(()),
        }
    }

    pub(super) fn kill(&mut self, id: &ContainerId, signal: i32) -> Result<(), EngineError> {
        let tried = format!("kill {}", id.short());
        if !self.state(id, &tried)?.is_alive() {
            return Err(refused(&tried, 409, &format!("Container {id} is not running")));
        }
        let on_term = self.containers.get(id).map_or(OnTerm::Exit(143), |c| c.spec.on_term);
        self.emit(id, Action::Kill, &[("signal", signal.to_string())]);
        let code = match (signal, on_term) {
            (9, _) => 137,
            (15, OnTerm::Exit(code)) => code,
            _ => return Ok(()),
        };
        self.end(id, code, By::Hand);
        self.remove_if_automatic(id);
        Ok(())
    }

    /// The program ends by itself; its restart policy decides what follows.
    pub(super) fn die(&mut self, id: &ContainerId, exit_code: i64) -> Result<(), EngineError> {
        let tried = format!("end the program of {}", id.short());
        match self.state(id, &tried)? {
            State::Running | State::Paused => {}
            other => return Err(refused(&tried, 409, &format!("no program runs: it is {other}"))),
        }
        self.end(id, exit_code, By::Itself);
        self.revive_or_rest(id, exit_code);
        Ok(())
    }

    pub(super) fn oom(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("run {} out of memory", id.short());
        if self.state(id, &tried)? != State::Running {
            return Err(refused(&tried, 409, "no program runs"));
        }
        self.emit(id, Action::Oom, &[]);
        self.end(id, 137, By::Itself);
        if let Some(container) = self.containers.get_mut(id) {
            container.seen.oom_killed = true;
        }
        self.revive_or_rest(id, 137);
        Ok(())
    }

    pub(super) fn restart_loop(&mut self, id: &ContainerId, runs_for: Duration) -> Result<(), EngineError> {
        let tried = format!("let {} crash in a loop", id.short());
        let state = self.state(id, &tried)?;
        let Some(container) = self.containers.get_mut(id) else { return Err(no_such(&tried, id)) };
        container.crash_loop = Some(runs_for);
        if !container.spec.restart.revives(1) {
            container.spec.restart = RestartPolicy::Always;
            RestartPolicy::Always.as_str().clone_into(&mut container.seen.restart_policy);
        }
        let life = container.life;
        if state == State::Running {
            self.later(runs_for, Later::EndByItself(id.clone(), life));
            return Ok(());
        }
        self.start(id)
    }

    pub(super) fn end_restart_loop(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("let {} run", id.short());
        let Some(container) = self.containers.get_mut(id) else { return Err(no_such(&tried, id)) };
        container.crash_loop = None;
        container.life += 1;
        if container.seen.state == State::Restarting {
            container.seen.state = State::Stopped;
            container.seen.exit_code = Some(1);
            return self.start_one(id);
        }
        Ok(())
    }

    fn revive_or_rest(&mut self, id: &ContainerId, exit_code: i64) {
        let Some(container) = self.containers.get_mut(id) else { return };
        if container.spec.auto_remove || !container.spec.restart.revives(exit_code) {
            self.remove_if_automatic(id);
            return;
        }
        container.seen.state = State::Restarting;
        container.seen.restart_count += 1;
        container.life += 1;
        let (life, pause) = (container.life, container.backoff);
        container.backoff = (container.backoff * 2).min(LONGEST_BACKOFF);
        self.later(pause, Later::Revive(id.clone(), life));
    }

    fn end(&mut self, id: &ContainerId, exit_code: i64, by: By) {
        let at = self.stamp();
        let lag = self.draw_lag();
        let Some(container) = self.containers.get_mut(id) else { return };
        container.lagging = lag.map(|until| (container.seen.state, until));
        container.life += 1;
        container.stopped_by_hand = by == By::Hand;
        let seen = &mut container.seen;
        seen.state = State::Stopped;
        seen.health = Health::None;
        seen.exit_code = Some(exit_code);
        seen.finished_at = Some(at);
        seen.ports = Vec::new();
        self.emit(id, Action::Die, &[("exitCode", exit_code.to_string())]);
    }

    pub(super) fn pause(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        self.flip(id, "pause", State::Running, State::Paused, Action::Pause)
    }

    pub(super) fn unpause(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        self.flip(id, "unpause", State::Paused, State::Running, Action::Unpause)
    }

    fn flip(
        &mut self,
        id: &ContainerId,
        verb: &str,
        from: State,
        to: State,
        action: Action,
    ) -> Result<(), EngineError> {
        let tried = format!("{verb} {}", id.short());
        let state = self.state(id, &tried)?;
        if state != from {
            return Err(refused(&tried, 409, &format!("it is {state}")));
        }
        let lag = self.draw_lag();
        if let Some(container) = self.containers.get_mut(id) {
            container.lagging = lag.map(|until| (from, until));
            container.seen.state = to;
            // The check rests while the program is frozen, and begins anew.
            container.seen.health = if to == State::Running && container.spec.health_check {
                Health::Starting
            } else {
                Health::None
            };
        }
        self.emit(id, action, &[]);
        Ok(())
    }

    pub(super) fn restart(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("restart {}", id.short());
        if self.state(id, &tried)?.is_alive() {
            let on_term = self.begin_stop(id)?.unwrap_or(OnTerm::Exit(143));
            self.end(id, on_term.exit_code(), By::Hand);
            self.emit(id, Action::Stop, &[]);
        }
        self.start_one(id)?;
        self.emit(id, Action::Restart, &[]);
        Ok(())
    }

    pub(super) fn rename(&mut self, id: &ContainerId, name: &str) -> Result<(), EngineError> {
        let tried = format!("rename {} to {name}", id.short());
        self.state(id, &tried)?;
        self.name_is_free(name, &tried)?;
        let Some(container) = self.containers.get_mut(id) else { return Err(no_such(&tried, id)) };
        let old = std::mem::replace(&mut container.seen.name, name.to_owned());
        self.emit(id, Action::Rename, &[("oldName", format!("/{old}"))]);
        Ok(())
    }

    pub(super) fn update(&mut self, id: &ContainerId, policy: RestartPolicy) -> Result<(), EngineError> {
        let tried = format!("update {}", id.short());
        let Some(container) = self.containers.get_mut(id) else { return Err(no_such(&tried, id)) };
        container.spec.restart = policy;
        policy.as_str().clone_into(&mut container.seen.restart_policy);
        self.emit(id, Action::Update, &[]);
        Ok(())
    }

    pub(super) fn remove(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("remove {}", id.short());
        if self.state(id, &tried)?.is_alive() {
            return Err(refused(
                &tried,
                409,
                "You cannot remove a running container. Stop the container before attempting removal or force remove",
            ));
        }
        self.take_away(id);
        Ok(())
    }

    pub(super) fn force_remove(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("remove {}", id.short());
        if self.state(id, &tried)?.is_alive() {
            self.emit(id, Action::Kill, &[("signal", "9".to_owned())]);
            self.end(id, 137, By::Hand);
        }
        self.take_away(id);
        Ok(())
    }

    fn remove_if_automatic(&mut self, id: &ContainerId) {
        if self.containers.get(id).is_some_and(|c| c.spec.auto_remove) {
            self.take_away(id);
        }
    }

    fn take_away(&mut self, id: &ContainerId) {
        self.emit(id, Action::Destroy, &[]);
        if let Some(mut container) = self.containers.remove(id) {
            container.life += 1;
            self.removed.insert(id.clone(), container);
        }
    }

    /// What was removed is there again, silently: a restored virtual machine.
    pub(super) fn bring_back(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("bring {} back", id.short());
        let Some(container) = self.removed.remove(id) else { return Err(no_such(&tried, id)) };
        self.containers.insert(id.clone(), container);
        Ok(())
    }

    pub(super) fn set_health(&mut self, id: &ContainerId, health: Health) -> Result<(), EngineError> {
        let tried = format!("set the health of {}", id.short());
        if self.state(id, &tried)? != State::Running {
            return Err(refused(&tried, 409, "only a running container has a health"));
        }
        let Some(container) = self.containers.get_mut(id) else { return Err(no_such(&tried, id)) };
        let before = std::mem::replace(&mut container.seen.health, health);
        self.noise(3);
        if before != health {
            self.emit(id, Action::HealthStatus(health), &[]);
        }
        Ok(())
    }

    /// A state that no act here leads to (`removing`, `failed`, a word nobody knows), without an event.
    pub(super) fn set_state(&mut self, id: &ContainerId, state: State) -> Result<(), EngineError> {
        let tried = format!("set the state of {}", id.short());
        let Some(container) = self.containers.get_mut(id) else { return Err(no_such(&tried, id)) };
        container.seen.state = state;
        Ok(())
    }

    /// Compose's order: create `<hex>_name`, stop and remove the old one, rename, start.
    pub(super) fn compose_recreate(
        &mut self,
        id: &ContainerId,
        image: &str,
    ) -> Result<ContainerId, EngineError> {
        let tried = format!("recreate {}", id.short());
        let Some(old) = self.containers.get(id) else { return Err(no_such(&tried, id)) };
        let name = old.seen.name.clone();
        let mut spec = old.spec.clone();
        spec.name = format!("{}_{name}", id.short());
        image.clone_into(&mut spec.image);
        let new = self.create(spec)?;
        self.stop(id)?;
        if self.containers.contains_key(id) {
            self.take_away(id);
        }
        self.rename(&new, &name)?;
        self.start(&new)?;
        Ok(new)
    }

    // ---- the engine itself ------------------------------------------------------------------------------------

    /// A tidy shutdown: everything is stopped and says so, then the streams break.
    pub(super) fn shut_down(&mut self) {
        let alive: Vec<ContainerId> = self
            .containers
            .iter()
            .filter(|(_, c)| c.seen.state.is_alive())
            .map(|(id, _)| id.clone())
            .collect();
        for id in alive {
            let _ = self.stop(&id);
            if let Some(container) = self.containers.get_mut(&id) {
                container.stopped_by_hand = false;
                container.ran_when_the_engine_ended = true;
            }
        }
        self.ring.clear();
        self.break_streams("unexpected end of the stream: the engine shuts down");
    }

    pub(super) fn restart_engine(&mut self) {
        self.shut_down();
        let takes = self.weather.restart_takes;
        self.set_reach(Reach::Hangs);
        self.later(takes, Later::Boot);
    }

    /// SIGKILL: no event, nothing listens.
    pub(super) fn kill_engine(&mut self) {
        for container in self.containers.values_mut() {
            container.ran_when_the_engine_ended = container.seen.state.is_alive();
        }
        self.ring.clear();
        self.break_streams("connection reset by peer");
        self.set_reach(Reach::Dead);
    }

    /// The engine's first moments: what it finds alive it ends without a word, then the restart policies are served.
    fn boot(&mut self) {
        self.set_reach(Reach::Answers);
        let at = self.stamp();
        let mut to_start = Vec::new();
        let mut to_remove = Vec::new();
        for (id, container) in &mut self.containers {
            if container.seen.state.is_alive() {
                container.ran_when_the_engine_ended = true;
                container.life += 1;
                container.seen.state = State::Stopped;
                container.seen.health = Health::None;
                container.seen.exit_code = Some(137);
                container.seen.finished_at = Some(at);
                container.seen.ports = Vec::new();
            }
            container.lagging = None;
            if container.spec.auto_remove {
                to_remove.push(id.clone());
            } else if container.seen.state == State::Stopped {
                let code = container.seen.exit_code.unwrap_or(0);
                let ran = container.ran_when_the_engine_ended && !container.stopped_by_hand;
                if container.spec.restart.starts_at_boot(ran, code) {
                    to_start.push(id.clone());
                }
            }
        }
        for id in to_remove {
            self.take_away(&id);
        }
        for id in to_start {
            let _ = self.start_one(&id);
        }
    }

    pub(super) fn set_reach(&mut self, reach: Reach) {
        self.reach = reach;
        self.reach_changed.notify_waiters();
    }

    pub(super) fn come_back(&mut self) {
        match self.reach {
            Reach::Dead => self.boot(),
            Reach::Answers | Reach::Hangs | Reach::Away | Reach::Denied => self.set_reach(Reach::Answers),
        }
    }

    /// Another engine answers behind the same socket, with containers of its own; what it had before, if it was
    /// here already.
    pub(super) fn become_another_engine(&mut self, id: EngineId) {
        let theirs = self.other_engines.remove(&id).unwrap_or_default();
        let ours = std::mem::replace(&mut self.containers, theirs);
        let before = std::mem::replace(&mut self.engine_id, id);
        self.other_engines.insert(before, ours);
        self.ring.clear();
        self.break_streams("connection reset by peer");
    }

    // ---- looking ----------------------------------------------------------------------------------------------

    pub(super) fn listed(&self) -> Vec<(Listed, &Container)> {
        let now = Instant::now();
        let mut rows: Vec<(Listed, &Container)> = self
            .containers
            .values()
            .map(|c| {
                let state = match c.lagging {
                    Some((old, until)) if now < until => old,
                    _ => c.seen.state,
                };
                let health = if state == State::Running { c.seen.health } else { Health::None };
                let listed = Listed {
                    container_id: c.seen.container_id.clone(),
                    name: c.seen.name.clone(),
                    image: c.seen.image.clone(),
                    state,
                    health,
                };
                (listed, c)
            })
            .collect();
        rows.sort_by_key(|(_, c)| std::cmp::Reverse(c.seen.created_at));
        rows
    }

    fn draw_lag(&mut self) -> Option<Instant> {
        let most = u64::try_from(self.weather.list_lag.as_micros()).unwrap_or(u64::MAX);
        (most > 0).then(|| self.moment() + Duration::from_micros(self.rng.u64(0..=most)))
    }

    fn state(&self, id: &ContainerId, tried: &str) -> Result<State, EngineError> {
        self.containers.get(id).map(|c| c.seen.state).ok_or_else(|| no_such(tried, id))
    }

    fn name_is_free(&self, name: &str, tried: &str) -> Result<(), EngineError> {
        match self.containers.values().find(|c| c.seen.name == name) {
            None => Ok(()),
            Some(other) => {
                let id = &other.seen.container_id;
                let detail = format!(
                    "Conflict. The container name \"/{name}\" is already in use by container \"{id}\"."
                );
                Err(refused(tried, 409, &detail))
            }
        }
    }

    pub(super) fn broken(&self, tried: &str, detail: &str) -> EngineError {
        EngineError::Broken {
            endpoint: self.endpoint.clone(),
            tried: tried.to_owned(),
            detail: detail.to_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Hand,
    Itself,
}

fn no_such(tried: &str, id: &ContainerId) -> EngineError {
    EngineError::NotFound { tried: tried.to_owned(), detail: format!("No such container: {id}") }
}

fn refused(tried: &str, status: u16, detail: &str) -> EngineError {
    EngineError::Refused { tried: tried.to_owned(), status, detail: detail.to_owned() }
}
