//! The world of one schedule: an engine, the real reconciler on a real database in memory, and between them a door, a
//! gate and a clock that move only when they are told to.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use tinyforge_core::clock::{Clock, SharedClock};
use tinyforge_core::docker::fake::{FakeEngine, Overheard};
use tinyforge_core::docker::{EngineError, EngineEvent, Listed};
use tinyforge_core::events::Bus;
use tinyforge_core::reconcile::{OwnActs, Parts, Reconciler, Rhythm};
use tinyforge_core::rules::ids::{ContainerId, EngineId, WorkloadId};
use tinyforge_core::rules::time::micros;
use tinyforge_core::store::{Access, NewShape, NewWorkload, Store, StoreError};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::door::{Ask, Call, Door, ENDPOINT, Reply, Tube};
use crate::oracle::{Broken, Oracle};
use crate::story::Climate;

/// tokio's paused clock; the machine may have slept meanwhile, and the wall may have been set.
#[derive(Clone)]
pub struct SimClock {
    began: Instant,
    apart: Arc<Mutex<Apart>>,
}

#[derive(Default)]
struct Apart {
    slept: Duration,
    set: SignedDuration,
}

/// Turns after which whoever still has something to do waits for something else.
const PATIENCE: usize = 10;

const NOON: i64 = 1_767_268_800;

impl SimClock {
    fn new() -> Self {
        Self { began: Instant::now(), apart: Arc::default() }
    }

    /// The machine's time as it would be without anybody setting it: the engine's.
    fn machine(&self) -> Timestamp {
        let gone = SignedDuration::try_from(self.steady()).unwrap();
        Timestamp::from_second(NOON).unwrap().checked_add(gone).unwrap()
    }

    /// The machine sleeps.
    pub fn suspend(&self, time: Duration) {
        self.apart.lock().unwrap().slept += time;
    }

    pub fn set(&self, by: SignedDuration) {
        self.apart.lock().unwrap().set += by;
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        micros(self.machine().checked_add(self.apart.lock().unwrap().set).unwrap())
    }

    fn steady(&self) -> Duration {
        self.began.elapsed() + self.apart.lock().unwrap().slept
    }
}

/// What becomes of the database's jobs. As in a file, writes wait for each other and for a lock that another program
/// holds, and reads wait for nobody: they see what stands.
#[derive(Clone, Default)]
pub struct Gatekeeper {
    state: Arc<Mutex<GateState>>,
}

#[derive(Default)]
struct GateState {
    shut: bool,
    /// The next read fails by this.
    unreadable: Option<StoreError>,
    waiting: VecDeque<oneshot::Sender<Result<(), StoreError>>>,
}

impl Gatekeeper {
    fn before(&self, store: &Store) {
        let state = Arc::clone(&self.state);
        store.put_behind(Arc::new(move |access| {
            let mut state = state.lock().unwrap();
            if access == Access::Read {
                return std::future::ready(state.unreadable.take().map_or(Ok(()), Err)).boxed();
            }
            if !state.shut {
                return std::future::ready(Ok(())).boxed();
            }
            let (tell, told) = oneshot::channel();
            state.waiting.push_back(tell);
            async move { told.await.unwrap_or(Err(StoreError::Closed)) }.boxed()
        }));
    }

    pub fn shut(&self) {
        self.state.lock().unwrap().shut = true;
    }

    pub fn fail_the_next_read(&self, error: StoreError) {
        self.state.lock().unwrap().unreadable = Some(error);
    }

    /// As somebody whose jobs are neither held back nor failed.
    fn past<T>(&self, work: impl FnOnce() -> T) -> T {
        let GateState { shut, unreadable, waiting } = std::mem::take(&mut *self.state.lock().unwrap());
        let answer = work();
        *self.state.lock().unwrap() = GateState { shut, unreadable, waiting };
        answer
    }

    /// Lets the first of those that wait through, or fails it. Tells whether anything waited.
    pub fn next(&self, outcome: Result<(), StoreError>) -> bool {
        let mut state = self.state.lock().unwrap();
        while let Some(waiting) = state.waiting.pop_front() {
            if !waiting.is_closed() {
                let _ = waiting.send(outcome);
                return true;
            }
        }
        false
    }

    pub fn is_shut(&self) -> bool {
        self.state.lock().unwrap().shut
    }

    /// Everything that waits goes through, and whatever comes.
    pub fn open(&self) {
        let mut state = self.state.lock().unwrap();
        (state.shut, state.unreadable) = (false, None);
        drop(state);
        while self.next(Ok(())) {}
    }
}

/// A call, and what the engine said to it if it has been looked at and the answer is still on its way.
pub struct Pending {
    pub call: Call,
    /// The moment it was made.
    pub began: u64,
    pub looked: Option<Looked>,
}

pub struct Looked {
    pub reply: Reply,
    pub moment: u64,
}

/// An open event stream.
pub struct Open {
    /// The call that opened it, and whether its answer has arrived.
    call: u64,
    arrived: bool,
    /// Another engine has taken the place of the one that spoke here.
    severed: bool,
    tap: Overheard,
    tube: Tube,
    pub queue: VecDeque<EngineEvent>,
    pub ended: Option<EngineError>,
}

impl Open {
    /// Whether its end may be told.
    pub fn has_ended(&self) -> bool {
        self.arrived && self.ended.is_some()
    }
}

/// What a listing meets on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Honest,
    Lost,
    Refused,
    Garbled,
    Truncated(usize),
    /// Lacks every container whose bit is set.
    Filtered(u64),
    /// An older one is told once more.
    Older(usize),
}

/// What makes later promises weaker.
#[derive(Debug, Clone, Copy, Default)]
pub struct Happened {
    /// Something changed that no event told, or that a listing concealed.
    pub unseen: bool,
    /// A listing failed: the pass is begun anew after a while.
    pub list_failed: bool,
    /// A job of the database failed: the index is loaded anew after a second.
    pub store_failed: bool,
    /// Somebody wrote what the reconciler finds in its way: a commit is refused, and planned anew again and again.
    pub in_its_way: bool,
}

pub struct World {
    pub engine: FakeEngine,
    pub door: Door,
    pub clock: SimClock,
    pub store: Store,
    pub gate: Gatekeeper,
    pub bus: Bus,
    /// `None` while our process is not running.
    pub index: Option<Reconciler>,
    pub waiters: Vec<JoinHandle<()>>,
    pub calls: Vec<Pending>,
    pub streams: Vec<Open>,
    pub listings: Vec<Vec<Listed>>,
    /// What the next listing tells instead of the truth.
    pub instead: Option<Vec<Listed>>,
    pub chance: fastrand::Rng,
    pub climate: Climate,
    pub happened: Happened,
    /// How often in a row the looks at a container failed: each is tried again later than the one before.
    pub failures: BTreeMap<ContainerId, u32>,
    pub oracle: Oracle,
    pub deploys: Vec<crate::story::Deploy>,
    pub made: u32,
    /// Events of the streams that were let through or dropped so far.
    pub told: usize,
    /// The one event, by its number, that is never told.
    pub suppressed: Option<usize>,
    pub last_change: Instant,
    pub transcript: Option<Vec<String>>,
}

pub const PROJECT: &str = "shop";
pub const STACK: &str = "blog";
pub const SITE: &str = "docs";

impl World {
    pub fn new(seed: u64, tell: bool) -> Self {
        fastrand::seed(seed);
        let clock = SimClock::new();
        let of_engine = clock.clone();
        let engine = FakeEngine::with_clock(seed, move || of_engine.machine());
        let bus = Bus::default();
        let store = Store::in_memory(bus.clone()).unwrap();
        let gate = Gatekeeper::default();
        gate.before(&store);
        let oracle = Oracle::new(&bus, tell);
        let mut world = Self {
            door: Door::of(&engine),
            engine,
            clock,
            store,
            gate,
            bus,
            index: None,
            waiters: vec![],
            calls: vec![],
            streams: vec![],
            listings: vec![],
            instead: None,
            chance: fastrand::Rng::with_seed(seed),
            climate: Climate::default(),
            happened: Happened::default(),
            failures: BTreeMap::new(),
            oracle,
            deploys: vec![],
            made: 0,
            told: 0,
            suppressed: None,
            last_change: Instant::now(),
            transcript: tell.then(Vec::new),
        };
        let shapes = [
            (PROJECT, NewShape::Project { image: "shop".to_owned() }),
            (STACK, NewShape::Stack { compose_project: STACK.to_owned() }),
            (SITE, NewShape::Site { source: "docs".to_owned() }),
        ];
        for (name, shape) in shapes {
            let new = NewWorkload { id: WorkloadId::new(name), name: name.to_owned(), shape };
            world.ours(|store, now| store.add_workload(new, now).now_or_never().unwrap().unwrap());
        }
        world
    }

    /// A line for the transcript.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(transcript) = &mut self.transcript {
            let at = self.clock.steady();
            transcript.push(format!("{:>9.3} s  {}", at.as_secs_f64(), line()));
        }
    }

    /// Uses the database as somebody else than the reconciler does: past the gate, and at once.
    pub fn ours<T>(&mut self, work: impl FnOnce(&Store, Timestamp) -> T) -> T {
        let (store, now, oracle) = (&self.store, self.engine.now(), &mut self.oracle);
        self.gate.past(|| {
            let answer = work(store, now);
            oracle.take_over(store);
            answer
        })
    }

    pub fn begin(&mut self) {
        self.index = Some(Reconciler::start(Parts {
            engine: Arc::new(self.door.clone()),
            store: self.store.clone(),
            bus: self.bus.clone(),
            clock: Arc::new(self.clock.clone()) as SharedClock,
            own: OwnActs::default(),
            rhythm: Rhythm::default(),
        }));
        self.oracle.began();
    }

    /// kill -9 of our process: nothing is finished and nothing is written.
    pub fn crash(&mut self) {
        self.index = None;
        self.waiters.drain(..).for_each(|waiter| waiter.abort());
    }

    pub fn engine_id(&self) -> EngineId {
        self.engine.engine_id()
    }

    /// Lets everybody do what can be done without another answer, event or time.
    async fn settle(&mut self) {
        // More than once: who reads a hundred events in one go is made to give way by the runtime.
        for _ in 0..PATIENCE {
            tokio::task::yield_now().await;
            if self.unread() == 0 {
                break;
            }
        }
        let mut calls = vec![];
        self.door.fetch(&mut calls);
        self.calls.retain(|pending| !pending.call.is_forgotten());
        let began = self.oracle.next_moment();
        self.calls.extend(calls.into_iter().map(|call| Pending { call, began, looked: None }));
        self.streams.retain(|open| !open.tube.is_closed());
        self.waiters.retain(|waiter| !waiter.is_finished());
    }

    fn unread(&self) -> u64 {
        self.streams.iter().filter(|open| !open.tube.is_closed()).map(|open| open.tube.unread()).sum()
    }

    /// Takes in what the engine has done, by an act or by itself.
    pub fn look_around(&mut self) {
        for open in &mut self.streams {
            let (events, ended) = open.tap.take();
            if !events.is_empty() {
                self.last_change = Instant::now();
            }
            open.queue.extend(events);
            open.ended = open.ended.take().or(ended);
        }
        self.oracle.look_around(&self.engine);
    }

    /// One turn of the world: whoever can do something does it, and what must hold is checked.
    pub async fn turn(&mut self) -> Result<(), Broken> {
        self.look_around();
        self.settle().await;
        self.look_around();
        let (shut, steady) = (self.gate.is_shut(), self.clock.steady());
        let (oracle, store, index) = (&mut self.oracle, &self.store, self.index.as_ref());
        let verdict = self.gate.past(|| oracle.of_rows(store, index, steady, shut));
        if let Some(transcript) = &mut self.transcript {
            transcript.extend(self.oracle.said().into_iter().map(|line| format!("{:13}{line}", "")));
        }
        verdict?;
        let unread = self.unread();
        let asked = self.calls.iter().map(|pending| (pending.call.number, &pending.call.ask));
        self.oracle.of_calls(unread, asked)
    }

    /// Lets time pass, and everything that is due in it happen in its order. A call that is not answered within its
    /// deadline hangs.
    pub async fn pass(&mut self, time: Duration) -> Result<(), Broken> {
        let end = Instant::now() + time;
        loop {
            let deadline = self.calls.iter().map(|pending| pending.call.until).min();
            let by_itself = self.engine.next_by_itself().map(|after| Instant::now() + after);
            let until = [Some(end), deadline, by_itself].into_iter().flatten().min().unwrap_or(end);
            tokio::time::sleep_until(until.max(Instant::now())).await;
            self.look_around();
            self.expire();
            if until >= end {
                return self.turn().await;
            }
            self.turn().await?;
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        while let Some(at) = self.calls.iter().position(|pending| pending.call.until <= now) {
            let Pending { call, .. } = self.calls.remove(at);
            self.oracle.disturbed();
            self.tell(|| format!("{} is not answered in time", name(&call)));
            self.it_failed(&call.ask);
            let (tried, deadline) = (format!("{:?}", call.ask), Duration::from_secs(10));
            let endpoint = ENDPOINT.to_owned();
            call.answer(Reply::Failed(EngineError::Hung { endpoint, tried, deadline }));
        }
    }

    /// The engine looks at a call; its answer is on its way from then on. Nobody looks while it hangs.
    pub fn look(&mut self, at: usize) {
        if self.calls[at].looked.is_some() {
            return;
        }
        let Some(reach) = self.engine.knock() else { return };
        let pending = &self.calls[at];
        let reply = match (reach, &pending.call.ask) {
            (Err(_), _) if pending.call.connected => Reply::Failed(broken("the connection was reset")),
            (Err(error), _) => Reply::Failed(error),
            (Ok(()), Ask::Identify) => Reply::Identity(self.engine.who()),
            (Ok(()), Ask::Ping) => Reply::Alive,
            (Ok(()), Ask::List) => {
                let listing = self.instead.take().unwrap_or_else(|| self.engine.listing());
                self.listings.push(listing.clone());
                Reply::Listing(listing)
            }
            (Ok(()), Ask::Inspect(id)) => Reply::Seen(self.engine.truth_of(id).map(Box::new)),
            (Ok(()), Ask::Events(since)) => {
                let (tube, stream) = Tube::new();
                let tap = self.engine.overhear(*since);
                let call = pending.call.number;
                let queue = VecDeque::new();
                self.streams.push(Open {
                    call,
                    arrived: false,
                    severed: false,
                    tap,
                    tube,
                    queue,
                    ended: None,
                });
                Reply::Stream(stream)
            }
        };
        let moment = self.oracle.next_moment();
        self.calls[at].looked = Some(Looked { reply, moment });
    }

    /// The answer to a call arrives. Tells whether there was one.
    pub fn deliver(&mut self, at: usize, fate: Fate) -> bool {
        self.look(at);
        let Some(Looked { reply, moment }) = self.calls[at].looked.take() else { return false };
        let Pending { call, began, .. } = self.calls.remove(at);
        let newest =
            self.calls.iter().all(|other| other.call.ask != Ask::List || other.call.number < call.number);
        let tried = name(&call);
        let reply = self.mangled(reply, &tried, fate);
        if matches!(reply, Reply::Failed(_)) {
            self.it_failed(&call.ask);
        }
        if let (Ask::Inspect(id), Reply::Seen(_)) = (&call.ask, &reply) {
            self.failures.remove(id);
        }
        self.tell(|| format!("{tried}: {}", say(&reply)));
        self.oracle.answered(&call.ask, &reply, moment);
        if let Reply::Stream(_) = &reply {
            self.streams
                .iter_mut()
                .filter(|open| open.call == call.number)
                .for_each(|open| open.arrived = true);
        }
        if let Reply::Listing(rows) = &reply
            && newest
        {
            self.oracle.listed(call.number, began, rows, self.gate.is_shut());
        }
        let number = call.number;
        call.answer(reply);
        if let Some(at) = self.streams.iter().position(|open| open.call == number && open.severed) {
            self.end_stream(at);
        }
        true
    }

    /// Another engine has taken the place of the one before: what was asked of that one breaks, and its streams end
    /// before anything of the new one can arrive.
    pub fn sever(&mut self) {
        self.look_around();
        let moment = self.oracle.next_moment();
        for pending in self.calls.iter_mut().filter(|pending| pending.looked.is_none()) {
            let reply = Reply::Failed(broken("the connection was reset"));
            pending.looked = Some(Looked { reply, moment });
        }
        for at in (0..self.streams.len()).rev() {
            self.streams[at].severed = true;
            if self.streams[at].arrived {
                self.end_stream(at);
            }
        }
    }

    fn it_failed(&mut self, ask: &Ask) {
        match ask {
            Ask::Inspect(id) => *self.failures.entry(id.clone()).or_default() += 1,
            Ask::List => self.happened.list_failed = true,
            Ask::Identify | Ask::Ping | Ask::Events(_) => {}
        }
    }

    fn mangled(&mut self, reply: Reply, tried: &str, fate: Fate) -> Reply {
        let tried = tried.to_owned();
        match (fate, reply) {
            (_, Reply::Failed(error)) => Reply::Failed(error),
            (Fate::Lost, _) => Reply::Failed(broken("the answer was lost")),
            (Fate::Refused, _) => {
                Reply::Failed(EngineError::Refused { tried, status: 500, detail: "on purpose".to_owned() })
            }
            (Fate::Garbled, _) => {
                Reply::Failed(EngineError::Garbled { tried, detail: "on purpose".to_owned() })
            }
            (Fate::Truncated(kept), Reply::Listing(mut rows)) => {
                self.happened.unseen = true;
                rows.truncate(kept);
                Reply::Listing(rows)
            }
            (Fate::Filtered(mask), Reply::Listing(mut rows)) => {
                self.happened.unseen = true;
                let mut place = 0;
                rows.retain(|_| {
                    place += 1;
                    mask >> (place % 64) & 1 == 0
                });
                Reply::Listing(rows)
            }
            (Fate::Older(back), Reply::Listing(rows)) => {
                self.happened.unseen = true;
                let at = self.listings.len().checked_sub(1 + back);
                Reply::Listing(at.map_or(rows, |at| self.listings[at].clone()))
            }
            (Fate::Honest | Fate::Truncated(_) | Fate::Filtered(_) | Fate::Older(_), reply) => reply,
        }
    }

    /// The event at a place of the stream's queue arrives: the first, where nothing is shuffled.
    pub fn let_through(&mut self, stream: usize, place: usize) -> bool {
        let open = &mut self.streams[stream];
        if !open.arrived || self.engine.knock().is_none() {
            return false;
        }
        let Some(event) = open.queue.remove(place) else { return false };
        self.told += 1;
        if self.suppressed == Some(self.told) {
            self.happened.unseen = true;
            self.tell(|| format!("event {:?} of {} is suppressed", event.action, event.container_id.short()));
            return true;
        }
        open.tube.send(Ok(event.clone()));
        self.tell(|| format!("event {:?} of {}", event.action, event.container_id.short()));
        true
    }

    /// The end of the stream arrives, with or without what was on its way before it.
    pub fn end_stream(&mut self, stream: usize) {
        self.oracle.disturbed();
        let mut open = self.streams.remove(stream);
        let error = open.ended.take().unwrap_or_else(|| broken("the stream broke"));
        open.tube.send(Err(error));
        self.tell(|| "the stream ends".to_owned());
    }

    /// Answers and lets through everything, until nobody asks any more.
    pub async fn flow(&mut self) -> Result<(), Broken> {
        loop {
            self.turn().await?;
            let mut moved = false;
            while let Some(at) = (0..self.calls.len()).find(|at| self.is_answerable(*at)) {
                moved |= self.deliver(at, Fate::Honest);
            }
            for stream in (0..self.streams.len()).rev() {
                while self.let_through(stream, 0) {
                    moved = true;
                }
                if self.streams[stream].has_ended() && self.streams[stream].queue.is_empty() {
                    self.end_stream(stream);
                    moved = true;
                }
            }
            if !moved {
                return Ok(());
            }
        }
    }

    fn is_answerable(&self, at: usize) -> bool {
        self.calls[at].looked.is_some() || self.engine.knock().is_some()
    }

    /// Time passes in fair weather: everything is answered at once.
    pub async fn flow_for(&mut self, time: Duration) -> Result<(), Broken> {
        let end = Instant::now() + time;
        loop {
            self.flow().await?;
            if Instant::now() >= end {
                return Ok(());
            }
            self.until_something(end).await;
            self.expire();
        }
    }

    /// Sleeps until somebody calls, something happens by itself, or the end.
    pub async fn until_something(&mut self, end: Instant) {
        let deadline = self.calls.iter().map(|pending| pending.call.until).min();
        let by_itself = self.engine.next_by_itself().map(|after| Instant::now() + after);
        let until = [Some(end), deadline, by_itself].into_iter().flatten().min().unwrap_or(end);
        let bell = Arc::clone(&self.door.bell);
        tokio::select! {
            biased;
            () = bell.notified() => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }

    /// Enters whatever is on the engine into the books.
    pub fn meet(&mut self) {
        for id in self.engine.ids() {
            self.know(id);
        }
    }

    /// One that may be gone already.
    pub fn know(&mut self, id: ContainerId) {
        self.oracle.know(self.engine.engine_id(), id);
    }
}

pub fn broken(detail: &str) -> EngineError {
    EngineError::Broken { endpoint: ENDPOINT.to_owned(), tried: "ask".to_owned(), detail: detail.to_owned() }
}

fn name(call: &Call) -> String {
    match &call.ask {
        Ask::Inspect(id) => format!("inspect {} #{}", id.short(), call.number),
        other => format!("{other:?} #{}", call.number),
    }
}

fn say(reply: &Reply) -> String {
    match reply {
        Reply::Identity(who) => format!("it is {}", who.id),
        Reply::Alive => "alive".to_owned(),
        Reply::Listing(rows) => {
            let rows: Vec<String> =
                rows.iter().map(|row| format!("{} {}", row.container_id.short(), row.state)).collect();
            format!("[{}]", rows.join(", "))
        }
        Reply::Seen(None) => "no such container".to_owned(),
        Reply::Seen(Some(seen)) => format!("{} {} {}", seen.name, seen.state, seen.health),
        Reply::Stream(_) => "a stream".to_owned(),
        Reply::Failed(error) => format!("{error}"),
    }
}
