//! The loop: one closed enum of wake-ups, one `match`.

mod connect;
mod inspect;
mod parting;
#[cfg(feature = "simulation")]
mod planted;
mod rounds;
mod shutdown;
mod write;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch as watched};
use tokio::task::{AbortHandle, JoinSet};
use tracing::{debug, error, info, warn};

use self::parting::Parting;
use super::looks::{Looks, Want};
use super::pass::{Finding, Pass};
use super::pulse::{Link, Pulse};
use super::watch::{self, CLUES, Marks};
use super::{Ask, OwnActs, Parts, Rhythm};
use crate::clock::SharedClock;
use crate::docker::{Dialect, EngineError, EngineIdentity, EventStream, Listed, SharedEngine};
use crate::events::{Bus, Event};
use crate::rules::cause::{self, Cause, Clue, Deed, Doubt, Evidence, KILL_REACH};
use crate::rules::container::Observed;
use crate::rules::dispatch::Claims;
use crate::rules::gap::{Gap, GapReason};
use crate::rules::ids::{ContainerId, EngineId, RowId, WorkloadId};
use crate::rules::plan::{self, Circumstances, IndexView, RowWrite};
use crate::rules::planted::{self as fault, Bug};
use crate::rules::volley::{Kill, SHUTDOWN, last_volley};
use crate::store::{IndexCommit, IndexLoad, Line, Recast, Store, StoreError};

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
/// How long a stop waits for what events have told already to be looked at and written.
const LAST_LOOKS: Duration = Duration::from_secs(1);
/// A commit takes milliseconds. One that takes this long waits for something, and the index on disk stands still.
const STORE_WAIT: Duration = Duration::from_secs(2);
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
    /// The answer to the look of that number.
    Looked(u64, ContainerId, Result<Option<Observed>, EngineError>),
    Committed(Result<u64, StoreError>),
    /// What was left to write of an engine that another one took the place of.
    Parted(Result<u64, StoreError>),
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
    /// It is asked once more who answers: another engine may have come before the stream that would tell of it was open.
    Confirming {
        reader: AbortHandle,
        asked: AbortHandle,
        attempt: u32,
    },
    Connected {
        reader: AbortHandle,
        attempt: u32,
        since: Duration,
    },
}

/// A look that the engine has not answered yet.
struct UnderWay {
    number: u64,
    want: Want,
    task: AbortHandle,
}

/// A look that was answered and not yet planned.
struct Answer {
    id: ContainerId,
    seen: Option<Observed>,
    want: Want,
}

/// A commit under way: what it settles.
struct Batch {
    begun: Duration,
    settles: Vec<(ContainerId, Want)>,
    writes_verified: Option<Timestamp>,
    writes_seen: bool,
    gaps: Vec<Gap>,
    recasts: Vec<Recast>,
    /// The load that its rows were planned upon.
    load: u64,
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
    under_way: BTreeMap<ContainerId, UnderWay>,
    /// Numbers the looks in the order in which they began, for what was observed after what.
    looks_begun: u64,
    answers: Vec<Answer>,
    committing: Option<Batch>,
    /// Set after the store refused a commit for what it said, until the one at fault is found: the others must not
    /// fail with it.
    one_by_one: bool,
    /// Set after a failed commit: the index is loaded anew before anything else is planned.
    reload_at: Option<Duration>,
    loading: bool,
    /// Counts what was loaded.
    loads: u64,
    /// To be loaded once the commit under way is through: a read would overtake it.
    load_next: Option<EngineIdentity>,
    /// Set when the loop is to end: not before what is known is written, and not much later.
    stopping: Option<Stopping>,
    gaps: Vec<Gap>,
    recasts: Vec<Recast>,

    pass: Option<Pass>,
    passes_begun: u64,
    next_pass: Duration,
    observed: BTreeMap<ContainerId, Observation>,
    next_reinspect: Duration,
    /// Found by a pass; counted as a divergence unless an event follows until then.
    unannounced: BTreeMap<ContainerId, Duration>,

    /// The first doubt that the next pass must dispel, and since when nothing was verified.
    doubt: Option<(Doubt, Option<Timestamp>)>,
    last_turn: (Duration, Timestamp),
    last_sign: (Duration, Timestamp),
    pinging: bool,
    verified_written: (Duration, Option<Timestamp>),
    seen_written: Duration,
    /// Clues of looks that found no change yet, and may explain the next one: a kill is told before the death.
    clues: BTreeMap<ContainerId, Vec<Remembered>>,
    /// Ends by a kill that were put down to somebody, while an engine's shutdown may still turn out to be behind them.
    kills: VecDeque<Kill>,
    /// What an engine's shutdown may still turn out to be behind.
    told: Vec<Told>,
    parting: Parting,
}

/// A line of the history, and when it was written.
#[derive(Debug)]
struct Told {
    row_id: RowId,
    line: Line,
    at: Timestamp,
}

/// A clue that found nothing to explain yet.
#[derive(Debug, Clone)]
struct Remembered {
    clue: Clue,
    /// Our steady time: the engine's clock may be another machine's.
    until: Duration,
}

/// Somebody waits for the end of the loop.
struct Stopping {
    reply: oneshot::Sender<()>,
    by: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Observation {
    /// The number of the look: an answer is as old as the beginning of its look, for all that is known.
    look: u64,
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
            under_way: BTreeMap::new(),
            looks_begun: 0,
            answers: vec![],
            committing: None,
            one_by_one: false,
            reload_at: None,
            loading: false,
            loads: 0,
            load_next: None,
            stopping: None,
            gaps: vec![],
            recasts: vec![],
            pass: None,
            passes_begun: 0,
            next_pass: steady,
            observed: BTreeMap::new(),
            next_reinspect: steady,
            unannounced: BTreeMap::new(),
            doubt: None,
            last_turn: (steady, now),
            last_sign: (steady, now),
            pinging: false,
            verified_written: (steady, None),
            seen_written: steady,
            clues: BTreeMap::new(),
            kills: VecDeque::new(),
            told: vec![],
            parting: Parting::default(),
            clock,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.advance();
            if let Some(stopping) = self.stopping.take() {
                if self.rests() || self.clock.steady() >= stopping.by {
                    return self.end(stopping.reply).await;
                }
                self.stopping = Some(stopping);
            }
            match self.wait().await {
                Wake::Asked(None) => return,
                wake => self.handle(wake),
            }
            // Marks wake us first, and a flood of them must not keep answers waiting.
            while let Some(done) = self.tasks.try_join_next() {
                self.handle(wake_of(done));
            }
        }
    }

    fn handle(&mut self, wake: Wake) {
        match wake {
            Wake::Marked => self.fetch_marks(),
            Wake::Asked(Some(Ask::Look(id, reply))) => self.look_for(&id, reply),
            Wake::Asked(Some(Ask::PassEvery(period))) => self.pass_every(period),
            Wake::Asked(Some(Ask::Stop(reply))) => self.stop(reply),
            Wake::Asked(None) | Wake::Timer => {}
            Wake::Identified(Ok(who), latency) => self.identified(who, latency),
            Wake::Loaded(who, Ok(load)) => self.loaded(who, load),
            Wake::Subscribed(Ok(stream)) => self.subscribed(stream),
            Wake::Identified(Err(error), _) | Wake::Subscribed(Err(error)) => self.not_reached(error),
            Wake::Loaded(_, Err(error)) => self.not_loaded(&error),
            Wake::StreamEnded(generation, why) => self.stream_ended(generation, &why),
            Wake::Listed(number, listing) => self.listed(number, listing),
            Wake::Looked(number, id, answer) => self.looked(number, id, answer),
            Wake::Committed(outcome) => self.committed(outcome),
            Wake::Parted(outcome) => parted(outcome),
            Wake::Pinged(generation, answer, latency) => self.pinged(generation, answer, latency),
            Wake::Panicked(why) => self.start_over(&why),
        }
    }

    /// After a fault of ours nothing that was under way is counted on: everything is asked anew, and the index loaded
    /// from what the store has.
    fn start_over(&mut self, why: &str) {
        error!("a task of the reconciler panicked, it starts over: {why}");
        self.tasks.abort_all();
        self.generation += 1;
        let asked = std::mem::take(&mut self.under_way).into_iter().map(|(id, look)| (id, look.want));
        let answers = std::mem::take(&mut self.answers).into_iter().map(|answer| (answer.id, answer.want));
        let settles = self.committing.take().map(|batch| batch.settles).unwrap_or_default();
        for (id, want) in asked.chain(answers).chain(settles) {
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
        // In this order: what a commit settles or defers may be looked at again at once.
        self.commit();
        self.notice_a_slow_store();
        self.begin_looks();
        self.say();
    }

    async fn wait(&mut self) -> Wake {
        let timer = self.next_timer().saturating_sub(self.clock.steady()).max(SHORTEST_REST);
        tokio::select! {
            biased;
            ask = self.asked.recv() => Wake::Asked(ask),
            () = self.marks.marked() => Wake::Marked,
            Some(done) = self.tasks.join_next(), if !self.tasks.is_empty() => wake_of(done),
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
        if let Some(stopping) = &self.stopping {
            sooner(stopping.by);
        }
        next
    }

    fn is_connected(&self) -> bool {
        matches!(self.connection, Connection::Connected { .. })
    }

    /// Tells the pulse where it changed.
    fn say(&mut self) {
        self.pulse.events = self.marks.events();
        self.pulse.unverified = self.unverified();
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

    /// Until a gap is written it lasts, for whoever asks.
    fn unverified(&self) -> Option<(GapReason, Timestamp)> {
        let lasting = self.doubt.and_then(|(doubt, since)| Some((GapReason::of(doubt)?, since?)));
        let being_written = self.committing.iter().flat_map(|batch| &batch.gaps);
        let closed = || being_written.chain(&self.gaps).next().map(|gap| (gap.reason, gap.from));
        lasting.or_else(closed)
    }

    /// What events have told already is looked at and written first: a machine that shuts down stops its containers
    /// and us in the same second.
    fn stop(&mut self, reply: oneshot::Sender<()>) {
        self.fetch_marks();
        if self.is_connected() {
            self.ping();
        }
        self.stopping = Some(Stopping { reply, by: self.clock.steady() + LAST_LOOKS });
    }

    /// Whether everything that is known is written, and a last sign of life is there.
    fn rests(&self) -> bool {
        let asks = self.is_connected() && (self.pinging || !self.looks.is_empty());
        self.committing.is_none() && self.answers.is_empty() && !asks
    }

    async fn end(mut self, reply: oneshot::Sender<()>) {
        let exact = self.is_connected() && self.doubt.is_none() && self.rests() && self.looks.is_empty();
        while self.committing.is_some() {
            match self.tasks.join_next().await.map(wake_of) {
                Some(Wake::Committed(outcome)) => self.committed(outcome),
                Some(Wake::Panicked(why)) => {
                    error!("a task of the reconciler panicked at its end: {why}");
                    break;
                }
                Some(_) => {}
                None => break,
            }
        }
        self.tasks.abort_all();
        // Up to its last sign of life nothing else happened there.
        if exact && self.pulse.verified_at.is_some() {
            self.pulse.verified_at = self.pulse.verified_at.max(Some(self.last_sign.1));
        }
        if let Some(commit) = self.last_words() {
            parted(self.store.commit_index(commit).await);
        }
        let _ = reply.send(());
    }

    /// What lives in memory only, of the engine that is watched.
    fn last_words(&mut self) -> Option<IndexCommit> {
        let engine_id = self.engine_id.clone().filter(|_| self.reload_at.is_none())?;
        let verified_at = self.pulse.verified_at?;
        Some(IndexCommit {
            engine_id,
            now: self.clock.now(),
            verified_at: Some(verified_at),
            writes: vec![],
            seen: Some(verified_at),
            gaps: std::mem::take(&mut self.gaps),
            recasts: std::mem::take(&mut self.recasts),
        })
    }
}

fn wake_of(done: Result<Wake, tokio::task::JoinError>) -> Wake {
    match done {
        Ok(wake) => wake,
        Err(ended) if ended.is_panic() => Wake::Panicked(ended.to_string()),
        Err(_) => Wake::Timer,
    }
}

fn parted(outcome: Result<u64, StoreError>) {
    if let Err(error) = outcome {
        warn!("what was left to write was not written: {error}");
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
}
