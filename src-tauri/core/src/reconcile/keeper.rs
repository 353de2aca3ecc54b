//! The loop: one closed enum of wake-ups, one `match`.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch as watched};
use tokio::task::{AbortHandle, JoinSet};
use tracing::{debug, error, info, warn};

use super::looks::{Looks, Want};
use super::pass::{Finding, Pass};
use super::pulse::{Link, Pulse};
use super::watch::{self, CLUES, Marks};
use super::{Ask, OwnActs, Parts, Rhythm};
use crate::clock::SharedClock;
use crate::docker::{EngineError, EngineIdentity, EventStream, Listed, SharedEngine};
use crate::events::{Bus, Event};
use crate::rules::cause::{Cause, Clue, Deed, Doubt, Evidence, KILL_REACH};
use crate::rules::container::Observed;
use crate::rules::diff::Field;
use crate::rules::dispatch::Claims;
use crate::rules::ids::{ContainerId, EngineId, RowId};
use crate::rules::plan::{self, Circumstances, IndexView, RowWrite};
use crate::store::{Gap, GapReason, IndexCommit, IndexLoad, Recast, Store, StoreError};

/// Inspects at once: a thousand take a quarter of a second with eight, and more does not make it faster.
const LOOKS_AT_ONCE: usize = 8;
/// The longest the loop sleeps: a turn that comes later than this and [`FROZEN`] tells that we were not running.
const TURN: Duration = Duration::from_secs(2);
/// And the shortest: a timer of tokio's has this resolution.
const SHORTEST_REST: Duration = Duration::from_millis(1);
/// A gap between two turns, or between the two clocks, from which on the index is in doubt.
const FROZEN: Duration = Duration::from_secs(5);
/// First and longest wait between two attempts to reach the engine. The longest bounds how soon after its return the
/// rows are equal again.
const SEEK_FIRST: Duration = Duration::from_millis(100);
const SEEK_LONGEST: Duration = Duration::from_secs(2);
/// A connection that lasted this long was a good one.
const LASTED: Duration = Duration::from_secs(10);
/// How long an event may follow a change that a pass has found already.
const LATE_EVENT: Duration = Duration::from_secs(2);
/// How far before the first call the subscription reaches back: the engine may begin to record a subscriber's events
/// only after it has answered its request.
const OVERLAP: Duration = Duration::from_secs(2);
/// `last_seen_at` of running rows rides along with other commits no more often than this.
const SEEN_RIDES: Duration = Duration::from_secs(5);
/// Rows are inspected in turn in steps of this.
const REINSPECT_STEP: Duration = Duration::from_secs(5);
/// The engine gives its containers 15 s when it shuts down.
const SHUTDOWN: Duration = Duration::from_secs(20);
/// Kills that follow each other this closely belong to one shutdown.
const VOLLEY: Duration = Duration::from_secs(1);
/// A commit that failed is tried again after this.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// Everything that can wake the loop.
enum Wake {
    /// Events left marks.
    Marked,
    Asked(Option<Ask>),
    Identified(Result<EngineIdentity, EngineError>, Duration),
    Loaded(EngineIdentity, Result<IndexLoad, StoreError>),
    Subscribed(Result<EventStream, EngineError>),
    /// The event stream of this connection ended.
    StreamEnded(u64, String),
    Listed(u64, Result<Vec<Listed>, EngineError>),
    Looked(u64, ContainerId, Result<Option<Observed>, EngineError>),
    Committed(Result<u64, StoreError>),
    Pinged(u64, Result<(), EngineError>, Duration),
    /// A task of ours died: whatever it was to tell is not known.
    Panicked(String),
    Timer,
}

/// Where the connection stands.
enum Connection {
    /// Not before this steady time.
    Seeking {
        at: Duration,
        attempt: u32,
    },
    /// It is asked who answers.
    Identifying {
        attempt: u32,
    },
    /// The index of the engine that answered is being read.
    Loading {
        attempt: u32,
        who: Box<EngineIdentity>,
    },
    Subscribing {
        attempt: u32,
    },
    Connected {
        reader: AbortHandle,
        attempt: u32,
        since: Duration,
    },
}

/// A look that was answered and not yet planned.
struct Answer {
    id: ContainerId,
    seen: Option<Observed>,
    want: Want,
}

/// A commit under way: what it settles.
struct Batch {
    engine_id: EngineId,
    settles: Vec<(ContainerId, Want)>,
    writes_verified: Option<Timestamp>,
    writes_seen: bool,
    gaps: Vec<Gap>,
    recasts: Vec<Recast>,
    /// Found by a pass and told by no event so far.
    unannounced: Vec<ContainerId>,
}

pub(super) struct Keeper {
    engine: SharedEngine,
    store: Store,
    bus: Bus,
    clock: SharedClock,
    own: OwnActs,
    rhythm: Rhythm,
    asked: mpsc::Receiver<Ask>,
    tell: watched::Sender<Pulse>,
    pulse: Pulse,
    marks: Arc<Marks>,
    tasks: JoinSet<Wake>,

    connection: Connection,
    /// Counts connections: an answer of an earlier one is told apart.
    generation: u64,
    engine_id: Option<EngineId>,
    view: IndexView,
    claims: Claims,

    looks: Looks,
    /// What was wanted of the looks under way.
    under_way: HashMap<ContainerId, Want>,
    answers: Vec<Answer>,
    committing: Option<Batch>,
    /// Set after a failed commit: the index is loaded anew before anything else is planned.
    reload_at: Option<Duration>,
    loading: bool,
    gaps: Vec<Gap>,
    recasts: Vec<Recast>,

    pass: Option<Pass>,
    passes_begun: u64,
    next_pass: Duration,
    /// Counts observations, for what happened after what.
    observations: u64,
    observed: HashMap<ContainerId, Observation>,
    next_reinspect: Duration,
    /// Found by a pass; counted as a divergence unless an event follows until then.
    unannounced: HashMap<ContainerId, Duration>,

    /// The first doubt that the next pass must dispel, and since when nothing was verified.
    doubt: Option<(Doubt, Option<Timestamp>)>,
    last_turn: (Duration, Timestamp),
    last_sign: (Duration, Timestamp),
    pinging: bool,
    verified_written: (Duration, Option<Timestamp>),
    seen_written: Duration,
    /// Clues of looks that found no change yet, and may explain the next one: a kill is told before the death.
    clues: HashMap<ContainerId, Vec<Clue>>,
    /// Ends by a kill that were put down to somebody, while an engine's shutdown may still turn out to be behind them.
    kills: VecDeque<Kill>,
}

#[derive(Debug, Clone, Copy)]
struct Observation {
    number: u64,
    at: Duration,
}

#[derive(Debug, Clone)]
struct Kill {
    container: ContainerId,
    at: Duration,
}

impl Keeper {
    pub(super) fn new(parts: Parts, asked: mpsc::Receiver<Ask>, tell: watched::Sender<Pulse>) -> Self {
        let Parts { engine, store, bus, clock, own, rhythm } = parts;
        let (steady, now) = (clock.steady(), clock.now());
        Self {
            engine,
            store,
            bus,
            own,
            rhythm,
            asked,
            tell,
            pulse: Pulse::new(now),
            marks: Arc::default(),
            tasks: JoinSet::new(),
            connection: Connection::Seeking { at: steady, attempt: 0 },
            generation: 0,
            engine_id: None,
            view: IndexView::default(),
            claims: Claims::default(),
            looks: Looks::default(),
            under_way: HashMap::new(),
            answers: vec![],
            committing: None,
            reload_at: None,
            loading: false,
            gaps: vec![],
            recasts: vec![],
            pass: None,
            passes_begun: 0,
            next_pass: steady,
            observations: 0,
            observed: HashMap::new(),
            next_reinspect: steady,
            unannounced: HashMap::new(),
            doubt: None,
            last_turn: (steady, now),
            last_sign: (steady, now),
            pinging: false,
            verified_written: (steady, None),
            seen_written: steady,
            clues: HashMap::new(),
            kills: VecDeque::new(),
            clock,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.advance();
            match self.wait().await {
                Wake::Marked => self.fetch_marks(),
                Wake::Asked(Some(Ask::Look(id, reply))) => self.look_for(&id, reply),
                Wake::Asked(Some(Ask::PassEvery(period))) => self.pass_every(period),
                Wake::Asked(Some(Ask::Stop(reply))) => return self.stop(reply).await,
                Wake::Asked(None) => return,
                Wake::Identified(Ok(who), latency) => self.identified(who, latency),
                Wake::Loaded(who, Ok(load)) => self.loaded(who, load),
                Wake::Subscribed(Ok(stream)) => self.subscribed(stream),
                Wake::Identified(Err(error), _) | Wake::Subscribed(Err(error)) => self.not_reached(error),
                Wake::Loaded(_, Err(error)) => self.not_loaded(&error),
                Wake::StreamEnded(generation, why) => self.stream_ended(generation, &why),
                Wake::Listed(number, listing) => self.listed(number, listing),
                Wake::Looked(generation, id, answer) => self.looked(generation, id, answer),
                Wake::Committed(outcome) => self.committed(outcome),
                Wake::Pinged(generation, answer, latency) => self.pinged(generation, answer, latency),
                Wake::Panicked(why) => self.start_over(&why),
                Wake::Timer => {}
            }
        }
    }

    /// After a fault of ours nothing that was under way is counted on: everything is asked anew, and the index loaded
    /// from what the store has.
    fn start_over(&mut self, why: &str) {
        error!("a task of the reconciler panicked, it starts over: {why}");
        self.tasks.abort_all();
        self.generation += 1;
        for (id, want) in std::mem::take(&mut self.under_way) {
            self.looks.retry(&id, want, self.clock.steady());
        }
        let answers = std::mem::take(&mut self.answers).into_iter().map(|answer| (answer.id, answer.want));
        let settles = self.committing.take().map(|batch| batch.settles).unwrap_or_default();
        for (id, want) in answers.chain(settles) {
            self.looks.retry(&id, want, self.clock.steady());
        }
        (self.pass, self.pinging, self.loading) = (None, false, false);
        self.reload_at = Some(self.clock.steady() + STORE_RETRY);
        self.doubt.get_or_insert((Doubt::Reconnected, Some(self.last_sign.1)));
        self.connection = Connection::Seeking { at: self.clock.steady() + STORE_RETRY, attempt: 0 };
    }

    /// Does everything that is due, and begins whatever can begin.
    fn advance(&mut self) {
        self.notice_a_freeze();
        self.seek();
        self.begin_pass();
        self.reinspect_in_turn();
        self.keep_in_touch();
        self.count_divergences();
        self.begin_looks();
        self.commit();
        self.say();
    }

    async fn wait(&mut self) -> Wake {
        let timer = self.next_timer().saturating_sub(self.clock.steady()).max(SHORTEST_REST);
        tokio::select! {
            biased;
            ask = self.asked.recv() => Wake::Asked(ask),
            () = self.marks.marked() => Wake::Marked,
            Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => match done {
                Ok(wake) => wake,
                Err(ended) => {
                    if ended.is_panic() { Wake::Panicked(ended.to_string()) } else { Wake::Timer }
                }
            },
            () = tokio::time::sleep(timer) => Wake::Timer,
        }
    }

    /// When something is due that nothing else wakes us for.
    fn next_timer(&self) -> Duration {
        let now = self.clock.steady();
        let mut next = now + TURN;
        let mut sooner = |at: Duration| next = next.min(at);
        if let Connection::Seeking { at, .. } = self.connection {
            sooner(at);
        }
        // Only what can begin then: a timer that is due for something that cannot is a loop that never rests.
        if self.is_connected() && self.reload_at.is_none() {
            if self.pass.is_none() {
                sooner(self.next_pass);
            }
            if let Some(due) = self.looks.next_due().filter(|_| self.has_a_free_look()) {
                sooner(due);
            }
        }
        let may_reload = !self.loading && self.committing.is_none() && self.pulse.engine.is_some();
        if let Some(at) = self.reload_at.filter(|_| may_reload) {
            sooner(at);
        }
        if let Some(at) = self.unannounced.values().min() {
            sooner(*at);
        }
        next
    }

    fn is_connected(&self) -> bool {
        matches!(self.connection, Connection::Connected { .. })
    }

    // ── connecting ──────────────────────────────────────────────────────────────────────────────────────────────

    fn seek(&mut self) {
        let Connection::Seeking { at, attempt } = self.connection else { return };
        if self.clock.steady() < at {
            return;
        }
        self.connection = Connection::Identifying { attempt };
        let (engine, clock) = (Arc::clone(&self.engine), Arc::clone(&self.clock));
        self.tasks.spawn(async move {
            let began = clock.steady();
            let answer = engine.identify().await;
            Wake::Identified(answer, clock.steady().saturating_sub(began))
        });
    }

    fn identified(&mut self, who: EngineIdentity, latency: Duration) {
        let Connection::Identifying { attempt } = self.connection else { return };
        self.sign_of_life();
        self.pulse.latency = Some(latency);
        if self.engine_id.as_ref() == Some(&who.id) && self.reload_at.is_none() {
            self.pulse.engine = Some(who);
            return self.subscribe(attempt);
        }
        self.connection = Connection::Loading { attempt, who: Box::new(who.clone()) };
        self.load(who);
    }

    fn load(&mut self, who: EngineIdentity) {
        if std::mem::replace(&mut self.loading, true) {
            return;
        }
        let (store, endpoint, now) = (self.store.clone(), self.engine.endpoint(), self.clock.now());
        self.tasks.spawn(async move {
            let loaded = match store.remember_engine(&who.id, &endpoint, now).await {
                Ok(()) => store.load_index(&who.id).await,
                Err(error) => Err(error),
            };
            Wake::Loaded(who, loaded)
        });
    }

    /// Takes over the index of an engine: at the start, when another one answers, and after a failed commit.
    fn loaded(&mut self, who: EngineIdentity, load: IndexLoad) {
        self.loading = false;
        if let Connection::Loading { who: wanted, .. } = &self.connection
            && wanted.id != who.id
        {
            // The former engine's index was being read anew when another one answered.
            let wanted = (**wanted).clone();
            return self.load(wanted);
        }
        let another = self.engine_id.as_ref() != Some(&who.id);
        self.reload_at = None;
        self.pulse.revision = load.revision;
        self.pulse.containers = u64::try_from(load.rows.len()).unwrap_or(u64::MAX);
        self.view = IndexView::new(load.rows, load.taken);
        self.claims = load.claims;
        if another {
            info!(engine = %who.id, version = %who.version, rows = self.view.len(), "the engine's index is loaded");
            self.forget_the_other_engine();
            self.pulse.verified_at = load.verified_at;
            self.verified_written = (self.clock.steady(), load.verified_at);
            self.doubt = Some((Doubt::Boot, load.verified_at));
        }
        self.engine_id = Some(who.id.clone());
        self.pulse.engine = Some(who);
        if let Connection::Loading { attempt, .. } = self.connection {
            self.subscribe(attempt);
        }
    }

    fn forget_the_other_engine(&mut self) {
        self.looks = Looks::default();
        self.under_way.clear();
        self.answers.clear();
        self.observed.clear();
        self.unannounced.clear();
        self.kills.clear();
        self.clues.clear();
        self.marks.forget();
        self.pass = None;
    }

    fn subscribe(&mut self, attempt: u32) {
        self.connection = Connection::Subscribing { attempt };
        let wall =
            self.pulse.engine.as_ref().and_then(|who| who.system_time).unwrap_or_else(|| self.clock.now());
        let overlap = before(wall, OVERLAP);
        let since = self.marks.latest().map_or(overlap, |latest| latest.min(overlap));
        let engine = Arc::clone(&self.engine);
        self.tasks.spawn(async move { Wake::Subscribed(engine.events(since).await) });
    }

    fn subscribed(&mut self, stream: EventStream) {
        let Connection::Subscribing { attempt } = self.connection else { return };
        self.sign_of_life();
        self.generation += 1;
        let (marks, clock, generation) = (Arc::clone(&self.marks), Arc::clone(&self.clock), self.generation);
        let reader = self.tasks.spawn(async move {
            let why = watch::read(stream, &marks, &clock).await;
            Wake::StreamEnded(generation, why)
        });
        self.connection = Connection::Connected { reader, attempt, since: self.clock.steady() };
        self.next_pass = self.clock.steady();
        self.pass = None;
        self.doubt.get_or_insert((Doubt::Reconnected, Some(self.last_sign.1)));
        self.set_link(Link::Connected);
    }

    fn not_reached(&mut self, error: EngineError) {
        if let (EngineError::Absent { .. }, Some((doubt @ Doubt::Reconnected, _))) = (&error, &mut self.doubt)
        {
            *doubt = Doubt::EngineAway;
        }
        let (Connection::Identifying { attempt } | Connection::Subscribing { attempt }) = self.connection
        else {
            return;
        };
        self.seek_after(attempt);
        self.set_link(Link::Away(error));
    }

    /// Each attempt that fails is followed by a longer, jittered wait.
    fn seek_after(&mut self, attempt: u32) {
        let wait = SEEK_FIRST.saturating_mul(1 << attempt.min(8)).min(SEEK_LONGEST);
        let jittered = wait.mul_f64(0.75 + 0.25 * fastrand::f64());
        self.connection = Connection::Seeking { at: self.clock.steady() + jittered, attempt: attempt + 1 };
    }

    fn not_loaded(&mut self, error: &StoreError) {
        self.loading = false;
        self.store_failed(error);
        if matches!(self.connection, Connection::Loading { .. }) {
            self.connection = Connection::Seeking { at: self.clock.steady() + STORE_RETRY, attempt: 0 };
        }
    }

    fn stream_ended(&mut self, generation: u64, why: &str) {
        if generation != self.generation || !self.is_connected() {
            return;
        }
        self.sign_of_life();
        self.lose_engine(EngineError::Broken {
            endpoint: self.engine.endpoint(),
            tried: "reading events".to_owned(),
            detail: why.to_owned(),
        });
    }

    /// From here on nothing is verified until a pass after the return.
    fn lose_engine(&mut self, error: EngineError) {
        let Connection::Connected { reader, attempt, since } = &self.connection else { return };
        reader.abort();
        // A connection that lasts begins anew with the first wait; one that breaks at once must not be sought in a rush.
        let lasted = self.clock.steady().saturating_sub(*since) >= LASTED;
        let attempt = if lasted { None } else { Some(*attempt) };
        info!("the engine is out of reach: {error}");
        self.fetch_marks();
        let doubt = if self.recast_a_shutdown() { Doubt::EngineAway } else { Doubt::Reconnected };
        self.doubt.get_or_insert((doubt, Some(self.last_sign.1)));
        self.pass = None;
        match attempt {
            None => self.connection = Connection::Seeking { at: self.clock.steady(), attempt: 0 },
            Some(attempt) => self.seek_after(attempt),
        }
        self.set_link(Link::Away(error));
    }

    fn set_link(&mut self, link: Link) {
        let same_kind = std::mem::discriminant(&self.pulse.link) == std::mem::discriminant(&link);
        if !same_kind {
            self.pulse.since = self.clock.now();
        }
        if self.pulse.link != link {
            self.pulse.link = link;
            self.say();
            self.bus.publish(Event::StatusChanged);
        }
    }

    // ── signs of life, time ─────────────────────────────────────────────────────────────────────────────────────

    fn sign_of_life(&mut self) {
        self.last_sign = (self.clock.steady(), self.clock.now());
    }

    /// A turn that comes far too late, or a wall clock that moved on its own, puts the index in doubt.
    fn notice_a_freeze(&mut self) {
        let (steady, now) = (self.clock.steady(), self.clock.now());
        let (last_steady, last_now) = std::mem::replace(&mut self.last_turn, (steady, now));
        let slept = steady.saturating_sub(last_steady);
        let jumped = apart(now, last_now, slept);
        let doubt = if slept > FROZEN {
            Doubt::Asleep
        } else if jumped > FROZEN {
            Doubt::ClockJumped
        } else {
            return;
        };
        info!(?slept, ?jumped, "the index is in doubt");
        if self.is_connected() {
            self.doubt.get_or_insert((doubt, Some(last_now)));
            self.pass = None;
            self.next_pass = steady;
        }
    }

    /// Asks the engine for a sign of life when it has been quiet for long: one that hangs keeps its stream open.
    fn keep_in_touch(&mut self) {
        let quiet = self.clock.steady().saturating_sub(self.last_sign.0);
        if self.is_connected() && !self.pinging && quiet >= self.rhythm.heartbeat {
            self.ping();
        }
    }

    fn ping(&mut self) {
        if self.pinging {
            return;
        }
        self.pinging = true;
        let (engine, clock, generation) =
            (Arc::clone(&self.engine), Arc::clone(&self.clock), self.generation);
        self.tasks.spawn(async move {
            let began = clock.steady();
            let answer = engine.ping().await;
            Wake::Pinged(generation, answer, clock.steady().saturating_sub(began))
        });
    }

    fn pinged(&mut self, generation: u64, answer: Result<(), EngineError>, latency: Duration) {
        self.pinging = false;
        match answer {
            Ok(()) => {
                self.sign_of_life();
                self.pulse.latency = Some(latency);
            }
            Err(error) if generation == self.generation => self.lose_engine(error),
            Err(_) => {}
        }
    }

    // ── marks, looks, answers ───────────────────────────────────────────────────────────────────────────────────

    fn fetch_marks(&mut self) {
        let taken = self.marks.take();
        if !taken.is_empty() {
            self.sign_of_life();
        }
        let now = self.clock.steady();
        // Until the pass after a doubt is through, what an event tells may be of the time that nobody saw.
        let doubt = self.doubt.map(|(doubt, _)| doubt);
        for (id, clues) in taken {
            if self.says_nothing(&id, &clues) {
                continue;
            }
            self.unannounced.remove(&id);
            if clues.iter().any(|clue| clue.deed == Deed::Kill) {
                self.kills.push_back(Kill { container: id.clone(), at: now });
            }
            self.looks.want(&id, Want { clues: clues.into(), announced: true, doubt, ..Want::default() });
        }
        while self.kills.front().is_some_and(|kill| now.saturating_sub(kill.at) > SHUTDOWN) {
            self.kills.pop_front();
        }
    }

    /// A network that is connected or disconnected tells of a start that failed; of what runs it tells nothing.
    fn says_nothing(&self, id: &ContainerId, clues: &VecDeque<Clue>) -> bool {
        let runs = self.view.of_container(id).is_some_and(|row| row.facts.state.is_alive());
        runs && clues.iter().all(|clue| clue.deed == Deed::Network)
    }

    fn look_for(&mut self, id: &ContainerId, reply: oneshot::Sender<()>) {
        self.looks.want(id, Want { waiters: vec![reply], ..Want::default() });
    }

    fn begin_looks(&mut self) {
        if !self.is_connected() || self.reload_at.is_some() {
            return;
        }
        let now = self.clock.steady();
        while self.has_a_free_look() {
            let Some((id, want)) = self.looks.next(now) else { return };
            self.under_way.insert(id.clone(), want);
            let (engine, generation) = (Arc::clone(&self.engine), self.generation);
            self.tasks.spawn(async move {
                let answer = engine.inspect(&id).await;
                Wake::Looked(generation, id, answer)
            });
        }
    }

    fn has_a_free_look(&self) -> bool {
        self.looks.under_way() < LOOKS_AT_ONCE + self.waiting_for_commit()
    }

    /// Looks that are answered and not yet settled: they do not burden the engine any more.
    fn waiting_for_commit(&self) -> usize {
        self.answers.len() + self.committing.as_ref().map_or(0, |batch| batch.settles.len())
    }

    fn looked(&mut self, generation: u64, id: ContainerId, answer: Result<Option<Observed>, EngineError>) {
        let Some(want) = self.under_way.remove(&id) else { return };
        if generation != self.generation && answer.is_err() {
            return self.looks.retry(&id, want, self.clock.steady());
        }
        match answer {
            Ok(seen) => {
                self.sign_of_life();
                self.observations += 1;
                let observation = Observation { number: self.observations, at: self.clock.steady() };
                self.observed.insert(id.clone(), observation);
                self.answers.push(Answer { id, seen, want });
            }
            Err(error) => {
                debug!(container = %id, "a look failed: {error}");
                let away = error.is_away();
                // One that fails again is its own trouble; the first time it may be the engine's.
                let pass = want.pass.filter(|_| away && want.failures == 0);
                if pass.is_none() {
                    self.no_longer_pending(&id, want.pass);
                }
                self.looks.retry(&id, Want { pass, ..want }, self.clock.steady());
                if away {
                    self.ping();
                }
            }
        }
    }

    /// Plans what was answered and hands it to the store. One commit is under way at a time; what is answered
    /// meanwhile makes the next one.
    fn commit(&mut self) {
        if self.committing.is_some() || !self.may_write() {
            return;
        }
        let Some(engine_id) = self.engine_id.clone() else { return };
        let now = self.clock.now();
        let answers = std::mem::take(&mut self.answers);
        let mut writes = vec![];
        let mut settles = vec![];
        let mut unannounced = vec![];
        for Answer { id, seen, mut want } in answers {
            let write = self.plan(&engine_id, &id, seen.as_ref(), &want, now);
            if self.may_be_explained(&want) && write.as_ref().is_some_and(RowWrite::is_unexplained) {
                self.looks.defer(&id, want, self.clock.steady());
                continue;
            }
            self.remember_clues(&id, &mut want, write.as_ref(), now);
            if let Some(write) = write {
                if want.is_unannounced() {
                    unannounced.push(id.clone());
                }
                self.view.apply(&write, now);
                writes.push(write);
            }
            settles.push((id, want));
        }
        let due = self.verified_is_due();
        let nothing = writes.is_empty() && self.gaps.is_empty() && self.recasts.is_empty() && !due;
        if nothing {
            settles.into_iter().for_each(|(id, want)| self.settle(&id, want));
            return;
        }
        let seen = self.seen_rides(due);
        let gaps = std::mem::take(&mut self.gaps);
        let recasts = std::mem::take(&mut self.recasts);
        let commit = IndexCommit {
            engine_id: engine_id.clone(),
            now,
            verified_at: self.pulse.verified_at,
            writes,
            seen: seen.clone(),
            gaps: gaps.clone(),
            recasts: recasts.clone(),
        };
        let (writes_seen, writes_verified) = (!seen.is_empty(), commit.verified_at);
        self.committing =
            Some(Batch { engine_id, settles, writes_verified, writes_seen, gaps, recasts, unannounced });
        let store = self.store.clone();
        self.tasks.spawn(async move { Wake::Committed(store.commit_index(commit).await) });
    }

    fn may_write(&mut self) -> bool {
        match self.reload_at {
            None => true,
            Some(at) if self.clock.steady() < at => false,
            Some(_) => {
                if let Some(who) = self.pulse.engine.clone() {
                    self.load(who);
                }
                false
            }
        }
    }

    fn plan(
        &self,
        engine: &EngineId,
        id: &ContainerId,
        seen: Option<&Observed>,
        want: &Want,
        now: Timestamp,
    ) -> Option<RowWrite> {
        let earlier = self.clues.get(id).into_iter().flatten();
        let mut clues: Vec<Clue> = earlier.chain(&want.clues).cloned().collect();
        clues.sort_by_key(|clue| clue.at);
        let evidence = Evidence { clues, own: self.own.of(id), doubt: want.doubt };
        let around = Circumstances { engine, claims: &self.claims, now, verified_at: self.pulse.verified_at };
        match seen {
            Some(seen) => plan::of_inspect(&self.view, seen, &evidence, &around),
            None => plan::of_absence(&self.view, id, &evidence, &around),
        }
    }

    /// An inspect can be ahead of the event that tells what it found; what happened in a time of doubt has none.
    fn may_be_explained(&self, want: &Want) -> bool {
        want.doubt.is_none() && want.explained_by.is_none_or(|until| self.clock.steady() < until)
    }

    /// A look that found no other state leaves its clues to the next one, for as long as they can explain anything.
    fn remember_clues(
        &mut self,
        id: &ContainerId,
        want: &mut Want,
        write: Option<&RowWrite>,
        now: Timestamp,
    ) {
        if write.is_some_and(RowWrite::tells_a_state) {
            // Should the commit fail, they are wanted again with the look.
            want.clues.splice(0..0, self.clues.remove(id).unwrap_or_default());
            return;
        }
        let lasting = want.clues.iter().filter(|clue| clue.explains_what_follows()).cloned();
        let lasting: Vec<Clue> = lasting.collect();
        if !lasting.is_empty() {
            self.clues.retain(|_, clues| clues.last().is_some_and(|clue| clue.at >= before(now, KILL_REACH)));
            let kept = self.clues.entry(id.clone()).or_default();
            kept.extend(lasting);
            let surplus = kept.len().saturating_sub(CLUES);
            kept.drain(..surplus);
        }
    }

    fn committed(&mut self, outcome: Result<u64, StoreError>) {
        let Some(batch) = self.committing.take() else { return };
        if self.engine_id.as_ref() != Some(&batch.engine_id) {
            return;
        }
        match outcome {
            Ok(revision) => {
                let steady = self.clock.steady();
                self.pulse.revision = revision;
                self.pulse.containers = u64::try_from(self.view.len()).unwrap_or(u64::MAX);
                if self.pulse.store_trouble.take().is_some() {
                    self.say();
                    self.bus.publish(Event::StatusChanged);
                }
                self.verified_written = (steady, batch.writes_verified);
                if batch.writes_seen {
                    self.seen_written = steady;
                }
                // An event may still be on its way.
                self.unannounced.extend(batch.unannounced.into_iter().map(|id| (id, steady + LATE_EVENT)));
                batch.settles.into_iter().for_each(|(id, want)| self.settle(&id, want));
            }
            Err(error) => {
                self.gaps.splice(0..0, batch.gaps);
                self.recasts.splice(0..0, batch.recasts);
                let now = self.clock.steady();
                for (id, want) in batch.settles {
                    self.looks.retry(&id, want, now);
                }
                self.store_failed(&error);
            }
        }
    }

    /// What could not be written is looked at and planned again, from what the store then has.
    fn store_failed(&mut self, error: &StoreError) {
        warn!("the index could not be written: {error}");
        self.reload_at = Some(self.clock.steady() + STORE_RETRY);
        self.pulse.store_trouble = Some(error.to_string());
        self.say();
        self.bus.publish(Event::StatusChanged);
    }

    fn settle(&mut self, id: &ContainerId, want: Want) {
        self.looks.settle(id);
        self.no_longer_pending(id, want.pass);
        for waiter in want.waiters {
            let _ = waiter.send(());
        }
        if self.view.of_container(id).is_none() {
            self.observed.remove(id);
        }
    }

    // ── passes ──────────────────────────────────────────────────────────────────────────────────────────────────

    fn pass_every(&mut self, period: Duration) {
        self.rhythm.pass = period;
        self.next_pass = self.next_pass.min(self.clock.steady() + period);
    }

    fn begin_pass(&mut self) {
        let now = self.clock.steady();
        if self.pass.is_some() || !self.is_connected() || now < self.next_pass || self.reload_at.is_some() {
            return;
        }
        self.passes_begun += 1;
        self.pass = Some(Pass {
            number: self.passes_begun,
            doubt: self.doubt.map(|(doubt, _)| doubt),
            began: now,
            listing_began: self.observations,
            confirming: false,
            listed: false,
            pending: [].into(),
        });
        self.list();
    }

    fn list(&mut self) {
        let (engine, number) = (Arc::clone(&self.engine), self.passes_begun);
        self.tasks.spawn(async move { Wake::Listed(number, engine.list().await) });
    }

    fn listed(&mut self, number: u64, listing: Result<Vec<Listed>, EngineError>) {
        let Some(mut pass) = self.pass.take_if(|pass| pass.number == number) else { return };
        let listing = match listing {
            Ok(listing) => listing,
            Err(error) => return self.pass_failed(&error),
        };
        self.sign_of_life();
        let observed = |id: &ContainerId| self.observed.get(id).map_or(0, |seen| seen.number);
        match pass.read(&listing, &self.view, observed) {
            Finding::ListAgain => {
                pass.confirming = true;
                pass.listing_began = self.observations;
                self.pass = Some(pass);
                self.list();
            }
            Finding::LookAt(ids) => {
                for id in &ids {
                    let want = Want { pass: Some(pass.number), doubt: pass.doubt, ..Want::default() };
                    self.looks.want(id, want);
                }
                pass.pending.extend(ids.into_iter().filter(|id| !self.looks.is_failing(id)));
                pass.listed = true;
                self.pass = Some(pass);
                self.end_pass();
            }
        }
    }

    fn pass_failed(&mut self, error: &EngineError) {
        warn!("a pass could not list the containers: {error}");
        self.next_pass = self.clock.steady() + SEEK_LONGEST;
        if error.is_away() {
            self.ping();
        }
    }

    fn no_longer_pending(&mut self, id: &ContainerId, pass: Option<u64>) {
        if let Some(under_way) = self.pass.as_mut().filter(|p| Some(p.number) == pass) {
            under_way.pending.remove(id);
            self.end_pass();
        }
    }

    fn end_pass(&mut self) {
        let Some(pass) = self.pass.take_if(|pass| pass.is_done()) else { return };
        let (steady, now) = (self.clock.steady(), self.clock.now());
        self.pulse.verified_at = Some(now);
        self.pulse.last_pass = Some(steady.saturating_sub(pass.began));
        self.pulse.passes += 1;
        self.next_pass = steady + self.rhythm.pass;
        if let Some((doubt, since)) = self.doubt.take_if(|_| pass.doubt.is_some()) {
            self.gaps.extend(since.and_then(|since| gap(doubt, since, now)));
        }
        self.say();
        self.bus.publish(Event::StatusChanged);
    }

    /// Inspects the rows in turn, the longest unseen first, so that each is seen within the rhythm's time.
    fn reinspect_in_turn(&mut self) {
        let now = self.clock.steady();
        if now < self.next_reinspect || !self.is_connected() || self.pass.is_some() {
            return;
        }
        self.next_reinspect = now + REINSPECT_STEP;
        let half = self.rhythm.reinspect / 2;
        let share = REINSPECT_STEP.as_secs_f64() / half.as_secs_f64();
        let old: BTreeSet<(Duration, &ContainerId)> = self
            .observed
            .iter()
            .filter(|(_, seen)| now.saturating_sub(seen.at) >= half)
            .map(|(id, seen)| (seen.at, id))
            .collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let budget = (self.observed.len() as f64 * share).ceil() as usize;
        let due: Vec<ContainerId> = old.into_iter().take(budget).map(|(_, id)| id.clone()).collect();
        for id in due {
            self.looks.want(&id, Want { pass: Some(0), ..Want::default() });
        }
    }

    fn count_divergences(&mut self) {
        let now = self.clock.steady();
        let before = self.unannounced.len();
        self.unannounced.retain(|_, until| *until > now);
        self.pulse.divergences += u64::try_from(before - self.unannounced.len()).unwrap_or(0);
    }

    // ── what an engine's shutdown looked like before it was known to be one ─────────────────────────────────────

    /// The engine kills everything and then its stream ends. What was put down to somebody was its own doing: unless
    /// something still runs, in which case it did not shut its containers down.
    fn recast_a_shutdown(&mut self) -> bool {
        let volley = last_volley(self.kills.make_contiguous());
        let runs_on = |id: &ContainerId| !volley.contains(id);
        let anything_alive = self
            .view
            .rows()
            .any(|row| row.facts.state.is_alive() && row.container_id.as_ref().is_some_and(runs_on));
        if volley.is_empty() || anything_alive {
            return false;
        }
        for (id, want) in self.looks.wants_mut().chain(self.under_way.iter_mut()) {
            if volley.contains(id) {
                want.clues.clear();
                want.doubt = Some(Doubt::EngineAway);
            }
        }
        self.clues.retain(|id, _| !volley.contains(id));
        let settling = self.committing.iter_mut().flat_map(|batch| &mut batch.settles);
        for (_, want) in settling.filter(|(id, _)| volley.contains(id)) {
            want.clues.clear();
            want.doubt = Some(Doubt::EngineAway);
        }
        for answer in self.answers.iter_mut().filter(|answer| volley.contains(&answer.id)) {
            answer.want.clues.clear();
            answer.want.doubt = Some(Doubt::EngineAway);
        }
        let since = before(self.clock.now(), SHUTDOWN);
        let rows = volley.iter().filter_map(|id| self.view.of_container(id));
        let recast =
            |row_id: RowId| Recast { row_id, field: Field::State, since, cause: Cause::EngineRestart };
        self.recasts.extend(rows.map(|row| recast(row.id.clone())));
        true
    }

    // ── what lives in memory ────────────────────────────────────────────────────────────────────────────────────

    fn verified_is_due(&self) -> bool {
        let (at, written) = self.verified_written;
        let old = self.clock.steady().saturating_sub(at) >= self.rhythm.write_verified;
        (old || written.is_none()) && self.pulse.verified_at.is_some() && self.pulse.verified_at != written
    }

    /// `last_seen_at` of the rows that run, when it is time to write it.
    fn seen_rides(&self, due: bool) -> Vec<(RowId, Timestamp)> {
        let rested = self.clock.steady().saturating_sub(self.seen_written) >= SEEN_RIDES;
        if due || rested { self.seen() } else { vec![] }
    }

    fn seen(&self) -> Vec<(RowId, Timestamp)> {
        let Some(verified) = self.pulse.verified_at else { return vec![] };
        let runs = |state| {
            matches!(state, crate::rules::container::State::Running | crate::rules::container::State::Paused)
        };
        let older = |seen: Option<Timestamp>| seen.is_none_or(|seen| seen < verified);
        self.view
            .rows()
            .filter(|row| runs(row.facts.state) && older(row.last_seen_at))
            .map(|row| (row.id.clone(), verified))
            .collect()
    }

    /// Tells the pulse where it changed.
    fn say(&mut self) {
        self.pulse.events = self.marks.events();
        self.pulse.stuck = u64::try_from(self.looks.stuck()).unwrap_or(u64::MAX);
        let pulse = &self.pulse;
        self.tell.send_if_modified(|told| {
            let changed = told != pulse;
            if changed {
                told.clone_from(pulse);
            }
            changed
        });
    }

    async fn stop(mut self, reply: oneshot::Sender<()>) {
        while self.committing.is_some() {
            match self.tasks.join_next().await {
                Some(Ok(Wake::Committed(outcome))) => self.committed(outcome),
                Some(_) => {}
                None => break,
            }
        }
        self.tasks.abort_all();
        if let Some(engine_id) = self.engine_id.clone()
            && self.reload_at.is_none()
            && self.pulse.verified_at.is_some()
        {
            let now = self.clock.now();
            let verified_at =
                if self.is_connected() && self.doubt.is_none() { Some(now) } else { self.pulse.verified_at };
            self.pulse.verified_at = verified_at;
            let commit = IndexCommit {
                engine_id,
                now,
                verified_at,
                writes: vec![],
                seen: self.seen(),
                gaps: std::mem::take(&mut self.gaps),
                recasts: std::mem::take(&mut self.recasts),
            };
            if let Err(error) = self.store.commit_index(commit).await {
                warn!("the last commit failed: {error}");
            }
        }
        let _ = reply.send(());
    }
}

fn before(time: Timestamp, span: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(span).ok().and_then(|span| time.checked_sub(span).ok()).unwrap_or(time)
}

/// How far the wall clock moved on its own while the steady one went on by `steady`.
fn apart(now: Timestamp, then: Timestamp, steady: Duration) -> Duration {
    let steady = jiff::SignedDuration::try_from(steady).unwrap_or(jiff::SignedDuration::MAX);
    now.duration_since(then).saturating_sub(steady).unsigned_abs()
}

fn difference(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or(Duration::ZERO)
}

/// The span that a pass after a doubt has closed. Below the shortest that a reader would notice there is none.
fn gap(doubt: Doubt, from: Timestamp, to: Timestamp) -> Option<Gap> {
    let reason = match doubt {
        Doubt::Boot => GapReason::NotRunning,
        Doubt::EngineAway | Doubt::Reconnected => GapReason::EngineAway,
        Doubt::Asleep => GapReason::Asleep,
        Doubt::ClockJumped | Doubt::Asked => return None,
    };
    (difference(to, from) >= Duration::from_millis(100)).then_some(Gap { from, to, reason })
}

/// The containers of the last kills that followed each other closely.
fn last_volley(kills: &[Kill]) -> BTreeSet<ContainerId> {
    let mut volley = BTreeSet::new();
    let mut later = None;
    for kill in kills.iter().rev() {
        if later.is_some_and(|at: Duration| at.saturating_sub(kill.at) > VOLLEY) {
            break;
        }
        later = Some(kill.at);
        volley.insert(kill.container.clone());
    }
    volley
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_is_apart_whichever_way_it_jumped() {
        let then = Timestamp::UNIX_EPOCH;
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(apart(at(1), then, second), Duration::ZERO);
        assert_eq!(apart(at(3_601), then, second), Duration::from_secs(3_600));
        assert_eq!(apart(at(-3_599), then, second), Duration::from_secs(3_600));
    }

    #[test]
    fn the_last_volley_leaves_out_what_somebody_killed_long_before() {
        let kill = |name: &str, ms| Kill { container: ContainerId::new(name), at: Duration::from_millis(ms) };
        let kills = [kill("a", 0), kill("b", 5_000), kill("c", 5_200), kill("d", 5_900)];
        let volley: Vec<_> = last_volley(&kills).into_iter().map(|id| id.to_string()).collect();
        assert_eq!(volley, ["b", "c", "d"]);
        assert!(last_volley(&[]).is_empty());
    }
}
