//! The world: containers, their engine, and what each act does to them and says on the event stream.
//!
//! Everything here is synchronous. What happens later (a restart policy at work, an engine that comes back) waits in
//! a schedule that is settled before every look at the world, so that no thread and no task of its own is needed and
//! a story runs the same way every time.

mod acts;
pub(super) mod disk;
mod engine;
mod stream;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::spec::{Spec, Weather};
use super::{Call, Calls, Mishap};
use crate::docker::{EngineError, EngineEvent, Listed};
use crate::rules::container::{Health, Observed, State};
use crate::rules::ids::{ContainerId, EngineId};
use crate::rules::time::micros;

/// How many events the engine keeps for `since`, those that a filter hides among them (measured).
const RING: usize = 256;

/// Lines that are kept of a log.
const LOG_LINES: usize = 100;

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
    /// Those that a reader's filter hides take their place all the same.
    ring: VecDeque<Told>,
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
    /// How often the engine's end, or the way to it, broke every connection.
    pub(super) breaks: u64,
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

/// An event, with the engine's own word for it.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) event: EngineEvent,
    pub(super) verb: String,
}

/// Whether a reader's filter lets an event through.
pub(super) type Hears = Box<dyn Fn(&Told) -> bool + Send>;

/// One reader of the event stream.
pub(super) struct Reader {
    pub(super) queue: VecDeque<(Instant, Told)>,
    pub(super) hears: Hears,
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
    /// What its program wrote, oldest first; the last lines only.
    log: VecDeque<String>,
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
            breaks: 0,
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

    /// An image that the engine has: one that a container was ever made of, or the one that is always there.
    pub(super) fn image_id(&self, reference: &str) -> Option<String> {
        let always = Spec::named("");
        let made = self.containers.values().chain(self.removed.values()).map(|container| &container.spec);
        made.chain([&always]).find(|spec| spec.image == reference).map(|spec| spec.image_id.clone())
    }

    /// The last lines of a container's log.
    pub(super) fn last_lines(&self, id: &ContainerId, most: u32) -> Result<Vec<String>, EngineError> {
        let container = self.containers.get(id).ok_or_else(|| no_such("read the log", id))?;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let from = container.log.len().saturating_sub(most);
        Ok(container.log.iter().skip(from).cloned().collect())
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
