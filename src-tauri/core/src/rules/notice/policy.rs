//! Whether and when a user is told.
//!
//! *Expected flow.* Every row that changed is [heard](Policy::hear). A finding that lasts is [due](Policy::due); what
//! came of it is stored, and only then [confirmed](Policy::confirm): what could not be stored is due again.
//!
//! *Guarantees.* A finding is told once, also across our own restarts. Of one workload at most six notices are told
//! within any hour, and what was not told in between is counted in the next one. At most three notices of findings are
//! told within a minute; what is more becomes one digest, and after a digest a minute is quiet. A restart of the engine
//! is one notice, whatever it took down. What is muted, or falls into a pause, is never told later on: after a pause one
//! notice says how much it was.
//!
//! *Caveats.* What is merged into the next notice, and turns of a container that flaps, live in memory: our own restart
//! forgets them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::mute::Mutes;
use super::words::{self, Names, Stamp};
use super::{Notice, NoticeKind};
use crate::rules::cause::Cause;
use crate::rules::ids::{RowId, WorkloadId};
use crate::rules::row::{Owner, Row};
use crate::rules::verdict;

/// What is over sooner is not worth a word: a policy's restart, a check that failed once.
const LASTS: SignedDuration = SignedDuration::from_secs(3);
/// How long the first of several that come together waits for the others.
const GATHER: SignedDuration = SignedDuration::from_secs(3);
/// So many findings at once are told as one.
const STORM: usize = 4;
/// Notices of findings that may be told within [`CALM`], whatever they tell.
const MOST: usize = 3;
/// Quiet after a digest.
const CALM: SignedDuration = SignedDuration::from_mins(1);
/// So many quick turns within [`FLAP_SPAN`] are flapping.
const FLAP_TURNS: usize = 6;
const FLAP_SPAN: SignedDuration = SignedDuration::from_mins(2);
/// A workload's notices are counted over this span, and a container's flapping is told once in it.
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// How long a workload is left alone after a notice, in minutes, by how many there were within the hour. More than
/// these wait until the hour has room again.
const WAITS_MIN: [i64; 6] = [0, 2, 5, 10, 15, 20];
/// An engine that is back sooner was not gone for anybody.
const ENGINE_GONE: SignedDuration = SignedDuration::from_secs(15);
/// How long after its return policies and people have started what they start.
const ENGINE_SETTLES: SignedDuration = SignedDuration::from_secs(10);
/// An engine that shuts down in order ends its containers before it is out of reach.
const ENGINE_SHUTS_DOWN: SignedDuration = SignedDuration::from_mins(1);

/// What outlives our own restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// When this database first knew of notices: what was bad before was so all along.
    pub known_from: Timestamp,
    pub next_id: u64,
    pub told: BTreeMap<(RowId, NoticeKind), Told>,
    /// The notices of the last hour, oldest first.
    pub sent: Vec<Sent>,
    pub pause: Option<Pause>,
    pub mutes: Mutes,
}

/// That a finding needs no word any more: it was told, or nobody wanted to hear it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Since when it was so.
    pub since: Timestamp,
    pub at: Timestamp,
}

/// A notice that was told, as far as the next ones depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub at: Timestamp,
    pub kind: NoticeKind,
    pub workload_ids: Vec<WorkloadId>,
}

impl Sent {
    #[must_use]
    pub fn of(notice: &Notice) -> Self {
        Self { at: notice.at, kind: notice.kind, workload_ids: notice.workload_ids.clone() }
    }

    fn is_of_findings(&self) -> bool {
        match self.kind {
            NoticeKind::Crashed
            | NoticeKind::OutOfMemory
            | NoticeKind::CrashLooping
            | NoticeKind::Unhealthy
            | NoticeKind::Vanished
            | NoticeKind::Flapping
            | NoticeKind::Digest => true,
            NoticeKind::Stale
            | NoticeKind::EngineGone
            | NoticeKind::EngineBack
            | NoticeKind::EngineRestarted
            | NoticeKind::AfterPause => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    pub until: Timestamp,
    /// What would have been told so far.
    pub unheard: u32,
}

/// What is wrong with one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub row: RowId,
    pub workload: WorkloadId,
    pub role: String,
    pub kind: NoticeKind,
    pub cause: Option<Cause>,
    pub since: Timestamp,
    pub text: String,
    pub fix: Option<String>,
    /// When it was found; what ended before it [`LASTS`] is none.
    seen: Timestamp,
    /// From when on it may be told; `None` where that is not needed any more.
    ripens: Option<Timestamp>,
    /// It became so while we were not running.
    absent: bool,
}

/// A container that has become stale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaleOne {
    pub row: RowId,
    pub workload: WorkloadId,
    pub role: String,
    pub days: u32,
}

/// A container that went with the engine, and does not run since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    pub row: RowId,
    pub workload: WorkloadId,
    pub role: String,
}

/// What the line to the engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Not known yet.
    Sought,
    Answers,
    Silent {
        reason: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Engine {
    /// It has not answered since we run: it cannot have gone.
    NeverSeen,
    There,
    Gone {
        since: Timestamp,
        reason: String,
        told: bool,
    },
    /// It answers again, and what it starts is starting.
    Settling {
        gone: Timestamp,
        back: Timestamp,
        told: bool,
    },
}

/// That the engine ended a container.
#[derive(Debug, Clone, PartialEq, Eq)]
struct EngineEnd {
    at: Timestamp,
    /// `None` where it runs again, or is nobody's.
    down: Option<Down>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Watched {
    finding: Option<Finding>,
    /// Turns between good and bad that came quickly, oldest first.
    turns: VecDeque<Timestamp>,
    /// That it flaps, until that is told.
    flaps: Option<Finding>,
}

/// What is to be stored, and then told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Telling {
    pub notices: Vec<Notice>,
    pub told: Vec<(RowId, NoticeKind, Told)>,
    /// What was told of these rows is to be forgotten; of one kind, or of all.
    pub forgotten: Vec<(RowId, Option<NoticeKind>)>,
    /// So many more would have been told, had there been no pause.
    pub unheard: u32,
    /// The pause that is over.
    pub pause_over: Option<Timestamp>,
    engine: Option<Engine>,
    stale_told: bool,
}

impl Telling {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether there is anything that must outlive our own restart.
    #[must_use]
    pub fn is_to_be_stored(&self) -> bool {
        !(self.notices.is_empty()
            && self.told.is_empty()
            && self.forgotten.is_empty()
            && self.unheard == 0
            && self.pause_over.is_none())
    }
}

#[derive(Debug, Clone)]
pub struct Policy {
    memory: Memory,
    enabled: bool,
    /// Our own start.
    started: Timestamp,
    /// Whether the index has been held against its engine since our start.
    begun: bool,
    watched: BTreeMap<RowId, Watched>,
    engine: Engine,
    engine_ends: BTreeMap<RowId, EngineEnd>,
    /// Until when all that the engine ended has been told of.
    engine_told: Option<Timestamp>,
    stale: Vec<StaleOne>,
    /// Findings of a workload that lasted, were held back and are over.
    merged: BTreeMap<WorkloadId, u32>,
    forgotten: BTreeSet<(RowId, Option<NoticeKind>)>,
}

/// What is heard.
impl Policy {
    #[must_use]
    pub fn new(memory: Memory, enabled: bool, started: Timestamp) -> Self {
        Self {
            memory,
            enabled,
            started,
            begun: false,
            watched: BTreeMap::new(),
            engine: Engine::NeverSeen,
            engine_ends: BTreeMap::new(),
            engine_told: None,
            stale: Vec::new(),
            merged: BTreeMap::new(),
            forgotten: BTreeSet::new(),
        }
    }

    /// What users want has changed.
    pub fn wished(&mut self, enabled: bool, pause: Option<Pause>, mutes: Mutes) {
        self.enabled = enabled;
        self.memory.pause = pause;
        self.memory.mutes = mutes;
    }

    /// The whole index: at the start, and where too much was announced to hear all of it.
    pub fn hear_all<'a>(&mut self, rows: impl IntoIterator<Item = &'a Row>, now: Timestamp) {
        let mut gone: BTreeSet<RowId> = self.watched.keys().cloned().collect();
        gone.extend(self.engine_ends.keys().cloned());
        gone.extend(self.memory.told.keys().map(|(row, _)| row.clone()));
        for row in rows {
            gone.remove(&row.id);
            self.hear(row, now);
        }
        gone.iter().for_each(|row| self.gone(row));
    }

    /// A row as it now stands.
    pub fn hear(&mut self, row: &Row, now: Timestamp) {
        self.hear_of_the_engine(row);
        let Owner::Workload { id, role, .. } = &row.owner else {
            self.watched.remove(&row.id);
            return;
        };
        let verdict = verdict::judge(row, now);
        let with_the_engine = verdict.cause == Some(Cause::EngineRestart);
        let Some(kind) = NoticeKind::of(verdict.kind).filter(|_| !with_the_engine) else {
            return self.well(&row.id, now);
        };
        self.found(
            Finding {
                row: row.id.clone(),
                workload: id.clone(),
                role: role.clone(),
                kind,
                cause: verdict.cause,
                since: verdict.since.unwrap_or(row.updated_at),
                text: verdict.text,
                fix: verdict.fix,
                seen: now,
                ripens: None,
                absent: false,
            },
            now,
        );
    }

    /// The row is no longer in the index.
    pub fn gone(&mut self, row: &RowId) {
        self.watched.remove(row);
        self.engine_ends.remove(row);
        if self.memory.told.keys().any(|(told, _)| told == row) {
            self.forgotten.insert((row.clone(), None));
        }
    }

    pub fn became_stale(&mut self, found: impl IntoIterator<Item = StaleOne>) {
        self.stale.extend(found);
    }

    pub fn engine(&mut self, line: Line, now: Timestamp) {
        self.engine = match (self.engine.clone(), line) {
            (before, Line::Sought) => before,
            (Engine::NeverSeen | Engine::There, Line::Answers) => Engine::There,
            (Engine::Gone { since, told, .. }, Line::Answers) => {
                Engine::Settling { gone: since, back: now, told }
            }
            (Engine::NeverSeen, Line::Silent { .. }) => Engine::NeverSeen,
            (Engine::There, Line::Silent { reason }) => Engine::Gone { since: now, reason, told: false },
            (Engine::Gone { since, told, .. }, Line::Silent { reason }) => {
                Engine::Gone { since, reason, told }
            }
            (Engine::Settling { told, .. }, Line::Silent { reason }) => {
                Engine::Gone { since: now, reason, told }
            }
            (settling @ Engine::Settling { .. }, Line::Answers) => settling,
        };
    }

    /// The index has been held against its engine: what is bad in it is so. What became bad while we were not running is
    /// due now.
    pub fn begin(&mut self, now: Timestamp) {
        self.begun = true;
        let (known_from, started) = (self.memory.known_from, self.started);
        for finding in self.watched.values_mut().filter_map(|watched| watched.finding.as_mut()) {
            let is_news = finding.ripens.is_some() && finding.since >= known_from;
            finding.absent = is_news && finding.since < started;
            finding.ripens = finding.ripens.filter(|_| is_news).map(|ripens| ripens.min(now));
        }
    }

    fn hear_of_the_engine(&mut self, row: &Row) {
        let end = row.course.last_end.as_ref().filter(|end| end.cause == Cause::EngineRestart);
        let Some(end) = end else {
            self.engine_ends.remove(&row.id);
            return;
        };
        let down = match &row.owner {
            Owner::Workload { id, role, .. } if !row.facts.state.is_alive() => {
                Some(Down { row: row.id.clone(), workload: id.clone(), role: role.clone() })
            }
            Owner::Workload { .. } | Owner::Foreign { .. } => None,
        };
        self.engine_ends.insert(row.id.clone(), EngineEnd { at: end.at, down });
    }

    fn found(&mut self, mut finding: Finding, now: Timestamp) {
        let needs_a_word = !self.is_known(&finding);
        finding.ripens = needs_a_word.then(|| later(now, LASTS));
        let watched = self.watched.entry(finding.row.clone()).or_default();
        match &mut watched.finding {
            Some(open) if is_same(open, &finding) => {
                *open = Finding { seen: open.seen, ripens: open.ripens, absent: open.absent, ..finding };
            }
            Some(open) => {
                if open.is_ripe(now) && open.since != finding.since {
                    *self.merged.entry(open.workload.clone()).or_default() += 1;
                }
                *open = finding;
            }
            None => {
                watched.finding = Some(finding);
                let flaps = watched.turn(now);
                self.note_flapping(flaps);
            }
        }
    }

    fn well(&mut self, row: &RowId, now: Timestamp) {
        let Some(watched) = self.watched.get_mut(row) else { return };
        if let Some(over) = watched.finding.take() {
            if over.kind == NoticeKind::CrashLooping && over.ripens.is_none() {
                self.forgotten.insert((row.clone(), Some(NoticeKind::CrashLooping)));
            }
            if over.has_lasted(now) {
                watched.turns.clear();
                if over.is_ripe(now) {
                    *self.merged.entry(over.workload).or_default() += 1;
                }
            } else {
                watched.finding = Some(over);
                let flaps = watched.turn(now);
                watched.finding = None;
                return self.note_flapping(flaps);
            }
        }
        watched.forget_turns(now);
        if watched.is_idle() {
            self.watched.remove(row);
        }
    }

    fn note_flapping(&mut self, flaps: Option<Finding>) {
        let Some(flaps) = flaps else { return };
        let told = self.memory.told.get(&(flaps.row.clone(), NoticeKind::Flapping));
        if told.is_some_and(|told| flaps.seen < later(told.at, HOUR)) {
            return;
        }
        if let Some(watched) = self.watched.get_mut(&flaps.row) {
            watched.flaps.get_or_insert(flaps);
        }
    }

    /// Whether no word of it is needed any more. Of a crash loop, whose beginning moves with time, until it is over.
    fn is_known(&self, finding: &Finding) -> bool {
        let told = |kind: NoticeKind| self.memory.told.get(&(finding.row.clone(), kind));
        if finding.kind == NoticeKind::CrashLooping {
            let over = (finding.row.clone(), Some(NoticeKind::CrashLooping));
            return told(NoticeKind::CrashLooping).is_some() && !self.forgotten.contains(&over);
        }
        // Whatever it is called by now: it was so when something was told of the container.
        NoticeKind::ALL
            .iter()
            .filter(|kind| **kind != NoticeKind::Flapping)
            .filter_map(|kind| told(*kind))
            .any(|told| finding.since <= told.at)
    }
}

/// What is told.
impl Policy {
    /// Whether [`Policy::due`] has anything to say.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        !self.due(now, &Names::new()).is_empty()
    }

    /// Everything that is to be told at this moment.
    #[must_use]
    pub fn due(&self, now: Timestamp, names: &Names) -> Telling {
        let mut telling =
            Telling { forgotten: self.forgotten.iter().cloned().collect(), ..Telling::default() };
        self.end_the_pause(&mut telling, now);
        self.tell_of_the_engine(&mut telling, now, names);
        self.tell_of_the_stale(&mut telling, now, names);
        self.tell_of_findings(&mut telling, now, names);
        telling
    }

    /// That is stored and told.
    pub fn confirm(&mut self, telling: &Telling, now: Timestamp) {
        for (row, kind) in &telling.forgotten {
            self.memory.told.retain(|(of, was), _| of != row || kind.is_some_and(|kind| kind != *was));
            self.forgotten.remove(&(row.clone(), *kind));
        }
        for (row, kind, told) in &telling.told {
            self.memory.told.insert((row.clone(), *kind), *told);
            self.settle(row, *kind);
        }
        for notice in &telling.notices {
            self.memory.next_id = self.memory.next_id.max(notice.id + 1);
            let sent = Sent::of(notice);
            if sent.is_of_findings() {
                for workload in &sent.workload_ids {
                    self.merged.remove(workload);
                }
            }
            self.memory.sent.push(sent);
        }
        self.memory.sent.retain(|sent| later(sent.at, HOUR) > now);
        if let Some(pause) = &mut self.memory.pause {
            pause.unheard = pause.unheard.saturating_add(telling.unheard);
        }
        if telling.pause_over.is_some() {
            self.memory.pause = None;
        }
        if let Some(engine) = &telling.engine {
            self.engine = engine.clone();
            if *engine == Engine::There {
                self.engine_ends.clear();
                self.engine_told = Some(now);
            }
        }
        if telling.stale_told {
            self.stale.clear();
        }
    }

    /// When something may become due, if nothing is heard until then.
    #[must_use]
    pub fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        let engine = match &self.engine {
            Engine::Gone { since, told: false, .. } => Some(later(*since, ENGINE_GONE)),
            Engine::Settling { back, .. } => Some(later(*back, ENGINE_SETTLES)),
            Engine::NeverSeen | Engine::There | Engine::Gone { .. } => None,
        };
        let pause = self.memory.pause.map(|pause| pause.until);
        let mut moments: Vec<Timestamp> = engine.into_iter().chain(pause).collect();
        let mut waits = false;
        for finding in self.open() {
            waits = true;
            let ripens = finding.ripens.unwrap_or(now);
            moments.extend([ripens, later(ripens, GATHER), self.allowed_from(&finding.workload, now)]);
        }
        if waits {
            moments.extend(self.memory.sent.iter().map(|sent| later(sent.at, CALM)));
        }
        moments.into_iter().filter(|moment| *moment > now).min()
    }

    /// A finding needs no word any more.
    fn settle(&mut self, row: &RowId, kind: NoticeKind) {
        let Some(watched) = self.watched.get_mut(row) else { return };
        if kind == NoticeKind::Flapping {
            watched.flaps = None;
            watched.turns.clear();
        } else if let Some(finding) = watched.finding.as_mut().filter(|finding| finding.kind == kind) {
            finding.ripens = None;
            finding.absent = false;
        }
        if watched.is_idle() {
            self.watched.remove(row);
        }
    }

    fn is_paused(&self, now: Timestamp) -> bool {
        self.memory.pause.is_some_and(|pause| pause.until > now)
    }

    fn end_the_pause(&self, telling: &mut Telling, now: Timestamp) {
        let Some(over) = self.memory.pause.filter(|pause| pause.until <= now) else { return };
        telling.pause_over = Some(over.until);
        if over.unheard > 0 && self.enabled {
            telling.notices.push(words::after_pause(self.stamp(telling, now), over.unheard));
        }
    }

    fn tell_of_the_engine(&self, telling: &mut Telling, now: Timestamp, names: &Names) {
        match &self.engine {
            Engine::Gone { since, reason, told: false } if later(*since, ENGINE_GONE) <= now => {
                telling.engine = Some(Engine::Gone { since: *since, reason: reason.clone(), told: true });
                let notice = words::engine_gone(self.stamp(telling, now), *since, reason);
                self.tell_of_nobody(telling, notice, now);
            }
            Engine::Settling { gone, back, told } if later(*back, ENGINE_SETTLES) <= now => {
                telling.engine = Some(Engine::There);
                let ends: Vec<&EngineEnd> = (self.engine_ends.values())
                    .filter(|end| later(end.at, ENGINE_SHUTS_DOWN) >= *gone)
                    .filter(|end| self.engine_told.is_none_or(|told| end.at > told))
                    .collect();
                let down: Vec<&Down> = ends.iter().filter_map(|end| end.down.as_ref()).collect();
                let stamp = self.stamp(telling, now);
                if *told {
                    let notice = words::engine_back(stamp, (*gone, *back), &down, names);
                    self.tell_of_nobody(telling, notice, now);
                } else if !ends.is_empty() {
                    self.tell_of_nobody(telling, words::engine_restarted(stamp, &down, names), now);
                }
            }
            Engine::NeverSeen | Engine::There | Engine::Gone { .. } | Engine::Settling { .. } => {}
        }
    }

    /// What concerns no single workload.
    fn tell_of_nobody(&self, telling: &mut Telling, notice: Notice, now: Timestamp) {
        if !self.enabled || self.memory.mutes.is_muted(None, notice.kind) {
            return;
        }
        if self.is_paused(now) {
            telling.unheard += 1;
        } else {
            telling.notices.push(notice);
        }
    }

    fn tell_of_the_stale(&self, telling: &mut Telling, now: Timestamp, names: &Names) {
        telling.stale_told = !self.stale.is_empty();
        let is_wanted = |one: &&StaleOne| {
            self.enabled && !self.memory.mutes.is_muted(Some(&one.workload), NoticeKind::Stale)
        };
        let wanted: Vec<StaleOne> = self.stale.iter().filter(is_wanted).cloned().collect();
        if wanted.is_empty() {
            return;
        }
        if self.is_paused(now) {
            telling.unheard = telling.unheard.saturating_add(u32::try_from(wanted.len()).unwrap_or(u32::MAX));
        } else {
            telling.notices.push(words::stale(self.stamp(telling, now), &wanted, names));
        }
    }

    fn tell_of_findings(&self, telling: &mut Telling, now: Timestamp, names: &Names) {
        // While the engine is in trouble nobody knows what is the container's own.
        let is_troubled = matches!(self.engine, Engine::Gone { .. } | Engine::Settling { .. });
        if !self.begun || is_troubled && telling.engine != Some(Engine::There) {
            return;
        }
        let (ripe, unwanted): (Vec<&Finding>, Vec<&Finding>) = (self.open())
            .filter(|finding| finding.is_ripe(now))
            .partition(|finding| self.is_wanted(finding) && !self.is_paused(now));
        let unheard = unwanted.iter().filter(|finding| self.is_wanted(finding)).count();
        telling.unheard = telling.unheard.saturating_add(u32::try_from(unheard).unwrap_or(u32::MAX));
        telling.told.extend(unwanted.into_iter().map(|finding| finding.told(now)));
        self.tell_now(telling, &ripe, now, names);
    }

    fn tell_now(&self, telling: &mut Telling, ripe: &[&Finding], now: Timestamp, names: &Names) {
        if ripe.iter().any(|finding| finding.absent) {
            return self.tell_together(telling, ripe, now, names);
        }
        let allowed: Vec<&Finding> = (ripe.iter().copied())
            .filter(|finding| self.allowed_from(&finding.workload, now) <= now)
            .collect();
        let Some(first) = allowed.iter().filter_map(|finding| finding.ripens).min() else { return };
        if self.is_calm(now) {
            return;
        }
        let coming = |of: Option<&WorkloadId>| {
            self.open()
                .filter(|one| !one.is_ripe(now) && self.is_wanted(one))
                .filter(|one| of.is_none_or(|of| one.workload == *of))
                .filter(|one| self.allowed_from(&one.workload, now) <= now)
                .count()
        };
        let is_storm = allowed.len() + coming(None) >= STORM;
        if is_storm && coming(None) > 0 && later(first, GATHER) > now {
            return;
        }
        let ready: Vec<&Finding> = (allowed.iter().copied())
            .filter(|one| coming(Some(&one.workload)) == 0 || later(first, GATHER) <= now)
            .collect();
        let mut groups: BTreeMap<&WorkloadId, Vec<&Finding>> = BTreeMap::new();
        ready.iter().for_each(|finding| groups.entry(&finding.workload).or_default().push(finding));
        let room = MOST.saturating_sub(self.told_lately(now));
        let was_calm = self.calm_until().is_some_and(|until| first <= until);
        if room == 0 {
            return;
        }
        if is_storm || was_calm || groups.len() > room {
            return self.tell_together(telling, &ready, now, names);
        }
        for group in groups.values() {
            self.tell_together(telling, group, now, names);
        }
    }

    /// One notice for all of these.
    fn tell_together(&self, telling: &mut Telling, findings: &[&Finding], now: Timestamp, names: &Names) {
        let stamp = self.stamp(telling, now);
        let notice = match findings {
            [] => return,
            [one] => {
                let merged = self.merged.get(&one.workload).copied().unwrap_or_default();
                words::single(stamp, one, merged, names)
            }
            several => words::digest(stamp, several, several.iter().any(|one| one.absent), names),
        };
        telling.notices.push(notice);
        telling.told.extend(findings.iter().map(|finding| finding.told(now)));
    }

    fn is_wanted(&self, finding: &Finding) -> bool {
        self.enabled && !self.memory.mutes.is_muted(Some(&finding.workload), finding.kind)
    }

    /// Findings, and containers that flap, of which a word may be needed.
    fn open(&self) -> impl Iterator<Item = &Finding> {
        self.watched
            .values()
            .flat_map(|watched| watched.flaps.iter().chain(&watched.finding))
            .filter(|finding| finding.ripens.is_some())
    }

    /// From when on a workload may be spoken of again.
    fn allowed_from(&self, workload: &WorkloadId, now: Timestamp) -> Timestamp {
        let within_the_hour: Vec<Timestamp> = (self.memory.sent.iter())
            .filter(|sent| later(sent.at, HOUR) > now)
            .filter(|sent| sent.is_of_findings() && sent.workload_ids.contains(workload))
            .map(|sent| sent.at)
            .collect();
        let Some(last) = within_the_hour.last() else { return now };
        match WAITS_MIN.get(within_the_hour.len()) {
            Some(wait) => later(*last, SignedDuration::from_mins(*wait)),
            None => within_the_hour.first().map_or(now, |oldest| later(*oldest, HOUR)),
        }
    }

    fn calm_until(&self) -> Option<Timestamp> {
        let digests = self.memory.sent.iter().filter(|sent| sent.kind == NoticeKind::Digest);
        digests.map(|sent| later(sent.at, CALM)).max()
    }

    fn is_calm(&self, now: Timestamp) -> bool {
        self.calm_until().is_some_and(|until| until > now)
    }

    fn told_lately(&self, now: Timestamp) -> usize {
        let recent = |sent: &&Sent| sent.is_of_findings() && later(sent.at, CALM) > now;
        self.memory.sent.iter().filter(recent).count()
    }

    fn stamp(&self, telling: &Telling, now: Timestamp) -> Stamp {
        let before = u64::try_from(telling.notices.len()).unwrap_or_default();
        Stamp { id: self.memory.next_id + before, at: now }
    }
}

impl Watched {
    /// Notes a turn; tells that it flaps, where it does.
    fn turn(&mut self, now: Timestamp) -> Option<Finding> {
        self.turns.push_back(now);
        self.forget_turns(now);
        let since = *self.turns.front()?;
        let last = self.finding.as_ref().filter(|_| self.turns.len() >= FLAP_TURNS)?;
        Some(Finding { kind: NoticeKind::Flapping, since, seen: now, ripens: Some(now), ..last.clone() })
    }

    fn forget_turns(&mut self, now: Timestamp) {
        self.turns.retain(|turn| later(*turn, FLAP_SPAN) > now);
    }

    fn is_idle(&self) -> bool {
        self.finding.is_none() && self.flaps.is_none() && self.turns.is_empty()
    }
}

impl Finding {
    /// It may be told, and was not yet.
    fn is_ripe(&self, now: Timestamp) -> bool {
        self.ripens.is_some_and(|ripens| ripens <= now)
    }

    fn has_lasted(&self, now: Timestamp) -> bool {
        later(self.seen, LASTS) <= now
    }

    fn told(&self, now: Timestamp) -> (RowId, NoticeKind, Told) {
        (self.row.clone(), self.kind, Told { since: self.since, at: now })
    }
}

/// The same trouble, seen once more. A crash loop goes on although its first turn is forgotten.
fn is_same(open: &Finding, fresh: &Finding) -> bool {
    open.kind == fresh.kind && (open.since == fresh.since || open.kind == NoticeKind::CrashLooping)
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
