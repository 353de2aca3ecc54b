//! What must hold after every step, whatever happened.
//!
//! The oracle keeps its own books: which containers were absent and when, what every look found, what the deployer
//! wrote. It holds every row that the reconciler writes against them, and every announcement against the rows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use futures_util::FutureExt as _;
use tinyforge_core::docker::Listed;
use tinyforge_core::docker::fake::FakeEngine;
use tinyforge_core::events::{Bus, Event, Heard, IndexChange, Subscriber};
use tinyforge_core::reconcile::Reconciler;
use tinyforge_core::rules::cause::Cause;
use tinyforge_core::rules::container::State;
use tinyforge_core::rules::diff::Field;
use tinyforge_core::rules::ids::{ContainerId, EngineId, RowId};
use tinyforge_core::rules::row::{Decided, Facts, Row};
use tinyforge_core::store::Store;

use crate::door::{Ask, Reply};

/// A rule that did not hold, by its name, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub rule: &'static str,
    pub what: String,
}

pub fn breaks<T>(rule: &'static str, what: impl Into<String>) -> Result<T, Broken> {
    Err(Broken { rule, what: what.into() })
}

/// Looks at containers that may be under way at once.
const LOOKS_AT_ONCE: usize = 8;
/// Every so many writes the whole index is read.
const FULLY: u64 = 8;
/// `verified_at` alone is written no more often.
const WRITE_VERIFIED: Duration = Duration::from_secs(300);
/// So many rows must go at once, and more than half, before a listing is doubted.
const FEW: usize = 3;
const ANNOUNCED: &str = "what is announced is what changed";

/// A pass asks for one listing, and for a second one where the first conceals most of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listing {
    First,
    Second,
    /// Nobody can tell.
    Either,
}

pub struct Oracle {
    heard: Subscriber,
    rows: BTreeMap<RowId, Row>,
    written: u64,
    writes: u64,
    gaps: usize,
    revision: u64,
    /// The last state that the history tells of each row.
    told: HashMap<RowId, Option<String>>,
    /// Rows that the history of this step says were missing in between.
    missed: HashSet<RowId>,
    decided: HashMap<RowId, Decided>,
    /// What the deployer recorded: whose container it is.
    pub recorded: HashMap<ContainerId, Option<String>>,

    moment: u64,
    known: Vec<(EngineId, ContainerId)>,
    home: HashMap<ContainerId, EngineId>,
    /// When the container was last absent.
    absent: HashMap<ContainerId, u64>,
    /// When the last answer that found it was given.
    found: HashMap<ContainerId, u64>,
    /// What was found, in the order in which it was told, and how far the row is.
    facts: HashMap<ContainerId, (Vec<Facts>, usize)>,

    /// The engine the reconciler works on, before and after the step.
    engine: Option<EngineId>,
    parting: Option<EngineId>,
    connected: bool,
    /// The database refused the last commit: what the reconciler goes by may be ahead of it.
    refused: bool,
    /// When each container was last looked at, whatever came of it.
    looked: HashMap<ContainerId, u64>,
    /// Since when no pass was given up: a listing that was asked for later belongs to the one under way.
    undisturbed: u64,
    /// What disturbs it arrives in this turn: what is asked in it may be given up in it.
    disturbing: bool,
    /// The listing that concealed most of the index: a second one must be asked for at once.
    concealing: Option<u64>,
    /// Which of a pass's listings the next one is.
    next: Listing,
    /// When `verified_at` may last have been written, of the running reconciler.
    verified: HashMap<EngineId, Duration>,
    /// What each line of the history was put down to when it was announced, or found to be since.
    causes: HashMap<u64, Cause>,
    /// Something that may be written without anybody hearing of it.
    quietly: bool,
    /// Whether anybody listens to what is said.
    telling: bool,
    lines: Vec<String>,
    /// Nothing may be written at all.
    pub at_rest: bool,
}

/// Who said so.
fn line(row: &Row) -> String {
    let holder = row.container_id.as_ref().map_or("-", ContainerId::short);
    format!("{} [{holder}] {} {} {}", row.id, row.facts.name, row.facts.state, row.facts.health)
}

impl Oracle {
    pub fn new(bus: &Bus, telling: bool) -> Self {
        Self {
            heard: bus.subscribe(),
            rows: BTreeMap::new(),
            written: 0,
            writes: 0,
            gaps: 0,
            revision: 0,
            told: HashMap::new(),
            missed: HashSet::new(),
            decided: HashMap::new(),
            recorded: HashMap::new(),
            moment: 0,
            known: vec![],
            home: HashMap::new(),
            absent: HashMap::new(),
            found: HashMap::new(),
            facts: HashMap::new(),
            engine: None,
            parting: None,
            connected: false,
            refused: false,
            looked: HashMap::new(),
            undisturbed: 0,
            disturbing: false,
            concealing: None,
            next: Listing::First,
            verified: HashMap::new(),
            causes: HashMap::new(),
            quietly: false,
            telling,
            lines: vec![],
            at_rest: false,
        }
    }

    // ---- the books --------------------------------------------------------------------------------------------

    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    pub fn has_row(&self, id: &RowId) -> bool {
        self.rows.contains_key(id)
    }

    pub fn next_moment(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    /// A reconciler begins: what it verified before is forgotten.
    pub fn began(&mut self) {
        self.verified.clear();
        (self.engine, self.connected) = (None, false);
        self.quietly = true;
        self.disturbed();
    }

    /// A pass that is under way may be given up.
    pub fn disturbed(&mut self) {
        self.undisturbed = self.next_moment();
        self.disturbing = true;
        self.concealing = None;
        if self.next == Listing::Second {
            self.next = Listing::Either;
        }
    }

    pub fn know(&mut self, engine: EngineId, id: ContainerId) {
        if self.home.insert(id.clone(), engine.clone()).is_none() {
            self.known.push((engine, id));
        }
    }

    pub fn known_on<'a>(&'a self, engine: &'a EngineId) -> impl Iterator<Item = &'a ContainerId> {
        self.known.iter().filter(move |(home, _)| home == engine).map(|(_, id)| id)
    }

    pub fn look_around(&mut self, engine: &FakeEngine) {
        let moment = self.next_moment();
        let here = engine.engine_id();
        for (home, id) in &self.known {
            if *home == here && !engine.has(id) {
                self.absent.insert(id.clone(), moment);
            }
        }
    }

    /// The deployer or a user wrote: that is what stands from here on.
    pub fn take_over(&mut self, store: &Store) {
        self.written = store.rows_written();
        let rows = store.containers(None).now_or_never().unwrap().unwrap();
        self.rows = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        self.told.retain(|id, _| self.rows.contains_key(id));
        self.decided = self.rows.values().map(|row| (row.id.clone(), row.decided.clone())).collect();
        for row in self.rows.values().filter(|row| row.container_id.is_none()) {
            self.told.insert(row.id.clone(), Some(State::Deploying.to_string()));
        }
        for change in self.hear() {
            self.revision = change.revision;
        }
    }

    /// An answer was given to the reconciler that was true at a moment.
    pub fn answered(&mut self, ask: &Ask, reply: &Reply, moment: u64) {
        if let (Ask::Inspect(id), Reply::Seen(_)) = (ask, reply) {
            let now = self.next_moment();
            self.looked.insert(id.clone(), now);
        }
        match (ask, reply) {
            (_, Reply::Failed(_)) => self.disturbed(),
            (Ask::Inspect(id), Reply::Seen(Some(seen))) => {
                self.found.insert(id.clone(), moment);
                self.facts.entry(id.clone()).or_default().0.push(Facts::of(seen));
            }
            (Ask::Inspect(id), Reply::Seen(None)) => {
                self.absent.insert(id.clone(), moment);
            }
            _ => {}
        }
    }

    /// A listing was told to the pass under way. While the database is held back nobody knows what it is held against.
    pub fn listed(&mut self, number: u64, began: u64, listing: &[Listed], held_back: bool) {
        let known: Vec<&ContainerId> = (self.rows.values())
            .filter(|row| Some(&row.engine_id) == self.engine.as_ref() && row.facts.state != State::Missing)
            .filter_map(|row| row.container_id.as_ref())
            .collect();
        let held_back = held_back || self.refused;
        let lacks = |id: &ContainerId| listing.iter().all(|line| line.container_id != *id);
        let seen_since = |id: &ContainerId| self.looked.get(id).is_some_and(|at| *at > began);
        let most = |absent: usize| absent > FEW && absent * 2 > known.len();
        let perhaps = most(known.iter().filter(|id| lacks(id)).count());
        let surely = most(known.iter().filter(|id| lacks(id) && !seen_since(id)).count());
        self.next = match self.next {
            Listing::First if surely && !held_back && began > self.undisturbed => {
                self.concealing = Some(number);
                Listing::Second
            }
            Listing::First | Listing::Either if perhaps || held_back => Listing::Either,
            Listing::First | Listing::Second | Listing::Either => Listing::First,
        };
    }

    fn hear(&mut self) -> Vec<std::sync::Arc<IndexChange>> {
        let mut changes = vec![];
        while let Some(heard) = self.heard.next().now_or_never() {
            match heard {
                Heard::Event(Event::IndexChanged(change)) => changes.push(change),
                Heard::Event(
                    Event::GapRecorded(_)
                    | Event::StatusChanged
                    | Event::NewlyStale(_)
                    | Event::SettingChanged { .. }
                    | Event::Noticed(_)
                    | Event::NoticeRulesChanged,
                ) => {}
                Heard::Lagged(missed) => panic!("the oracle missed {missed} announcements"),
                Heard::Closed => break,
            }
        }
        changes
    }

    /// What there is to say of the last step's rows.
    pub fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    fn say(&mut self, line: impl FnOnce() -> String) {
        if self.telling {
            self.lines.push(line());
        }
    }

    /// How much was written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    // ---- the rules --------------------------------------------------------------------------------------------

    /// Of what is asked of the engine, and of what is read from it.
    pub fn of_calls<'a>(
        &mut self,
        unread: u64,
        asked: impl Iterator<Item = (u64, &'a Ask)>,
    ) -> Result<(), Broken> {
        if std::mem::take(&mut self.disturbing) {
            self.undisturbed = self.next_moment();
        }
        let concealing = self.concealing.take();
        let mut confirmed = concealing.is_none();
        if unread > 0 {
            return breaks(
                "the reader waits for nothing",
                format!("{unread} events arrived and are not read"),
            );
        }
        let mut looks: Vec<&ContainerId> = vec![];
        for (number, ask) in asked {
            confirmed |= *ask == Ask::List && Some(number) > concealing;
            if let Ask::Inspect(id) = ask {
                if looks.contains(&id) {
                    return breaks("one look at a container at a time", format!("two at {}", id.short()));
                }
                looks.push(id);
            }
        }
        if !confirmed {
            return breaks("a listing that conceals most is confirmed", "no second one is asked for");
        }
        if looks.len() > LOOKS_AT_ONCE {
            return breaks("eight looks at once", format!("{} are under way", looks.len()));
        }
        Ok(())
    }

    /// Of what was written and announced since the last step.
    pub fn of_rows(
        &mut self,
        store: &Store,
        index: Option<&Reconciler>,
        steady: Duration,
        shut: bool,
    ) -> Result<(), Broken> {
        if let Some(index) = index
            && !index.is_alive()
        {
            return breaks("the loop does not end by itself", "it ended");
        }
        let before = self.engine.clone();
        if let Some(pulse) = index.map(Reconciler::pulse) {
            let who = pulse.engine.map(|who| who.id);
            if who != before {
                self.quietly = true;
                // What was found of it may be on its way to the database.
                self.parting = before.clone().filter(|_| shut);
            }
            let connected = pulse.link == tinyforge_core::reconcile::Link::Connected;
            self.quietly |= connected != self.connected;
            // What was refused is counted as written, and was taken back.
            self.refused = pulse.store_trouble.is_some();
            self.quietly |= self.refused;
            self.connected = connected;
            self.engine = who.or(before.clone());
        }
        let written = store.rows_written();
        if written == self.written {
            return Ok(());
        }
        self.written = written;
        self.missed.clear();
        let changes = self.hear();
        let lines = changes.iter().flat_map(|change| &change.history);
        self.causes.extend(lines.map(|line| (line.seq, line.change.cause)));
        if changes.is_empty() {
            self.a_quiet_write(store, steady)?;
        }
        for (id, was) in self.announcements(&changes)? {
            match (was, self.rows.get(&id).cloned()) {
                (was, Some(row)) => self.a_row(was.as_ref(), &row, &before)?,
                (Some(was), None) => self.a_removal(&was, &before)?,
                (None, None) => {}
            }
        }
        self.writes += 1;
        if self.writes.is_multiple_of(FULLY) { self.as_it_stands(store) } else { Ok(()) }
    }

    /// The announcements come to what stands in the database.
    pub fn as_it_stands(&mut self, store: &Store) -> Result<(), Broken> {
        let rows = store.containers(None).now_or_never().unwrap().unwrap();
        let rows: BTreeMap<RowId, Row> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        let said = std::mem::take(&mut self.rows);
        let differs = rows.values().find(|row| said.get(&row.id).is_none_or(|said| !agree(said, row)));
        if let Some(row) = differs.or_else(|| said.values().find(|said| !rows.contains_key(&said.id))) {
            return breaks(ANNOUNCED, format!("the announcements do not come to what stands: {}", line(row)));
        }
        let mut holders: BTreeMap<(&EngineId, &ContainerId), &RowId> = BTreeMap::new();
        for row in rows.values() {
            let Some(id) = &row.container_id else { continue };
            if let Some(other) = holders.insert((&row.engine_id, id), &row.id) {
                return breaks("rows and ids are one to one", format!("{other} and {} have {id}", row.id));
            }
        }
        self.rows = rows;
        Ok(())
    }

    /// Whether a line of the history tells another cause than it did.
    fn a_cause_was_another(&mut self, store: &Store) -> bool {
        let log = store.log(None, u32::MAX).now_or_never().unwrap().unwrap();
        let mut other = false;
        for line in log.iter().map(|line| &line.recorded) {
            let said = self.causes.insert(line.seq, line.change.cause);
            other |= said.is_some_and(|said| said != line.change.cause);
        }
        other
    }

    /// A write that changes no row: the time of verification, a gap, a cause that was another one.
    fn a_quiet_write(&mut self, store: &Store, steady: Duration) -> Result<(), Broken> {
        let Some(engine) = self.engine.clone() else { return Ok(()) };
        let gaps = store.gaps(&engine).now_or_never().unwrap().unwrap().len();
        let a_gap = std::mem::replace(&mut self.gaps, gaps) != gaps;
        let due = self.verified.get(&engine).is_none_or(|at| steady.saturating_sub(*at) >= WRITE_VERIFIED);
        if due {
            self.verified.insert(engine, steady);
        }
        let thought_over = self.a_cause_was_another(store);
        let allowed = due || a_gap || thought_over || std::mem::take(&mut self.quietly);
        self.say(|| "· a write that nobody hears of".to_owned());
        if !allowed || self.at_rest && !due {
            return breaks("nothing is written when nothing changed", "a write said nothing new");
        }
        Ok(())
    }

    /// Takes over what was announced. Returns the rows that it was about, as they were before.
    fn announcements(
        &mut self,
        changes: &[std::sync::Arc<IndexChange>],
    ) -> Result<BTreeMap<RowId, Option<Row>>, Broken> {
        let mut touched = BTreeMap::new();
        for change in changes {
            if self.at_rest {
                return breaks("nothing is written when nothing changed", format!("{change:?}"));
            }
            if change.revision != self.revision + 1 {
                return breaks(ANNOUNCED, format!("revision {} after {}", change.revision, self.revision));
            }
            self.revision = change.revision;
            for line in &change.history {
                self.a_line(line)?;
            }
            for row in &change.upserts {
                self.say(|| format!("→ {}", line(row)));
                let was = self.rows.insert(row.id.clone(), row.clone());
                if was.as_ref().is_some_and(|was| says_the_same(was, row)) {
                    return breaks("nothing is written when nothing changed", line(row));
                }
                touched.entry(row.id.clone()).or_insert(was);
                self.state_is_told(row)?;
            }
            for id in &change.removals {
                self.say(|| format!("→ {id} is gone"));
                let Some(was) = self.rows.remove(id) else {
                    return breaks(ANNOUNCED, format!("{id} is said to be gone, and was not there"));
                };
                touched.entry(id.clone()).or_insert(Some(was));
            }
        }
        Ok(touched)
    }

    /// The history of a row is a chain: each line begins where the last one ended.
    fn a_line(&mut self, line: &tinyforge_core::events::Recorded) -> Result<(), Broken> {
        let change = &line.change;
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        self.say(|| {
            let (row, field, cause) = (&line.row_id, change.field.as_str(), change.cause.as_str());
            format!("· {row} {field} {}→{} {cause}", text(&change.from), text(&change.to))
        });
        if change.field != Field::State {
            return Ok(());
        }
        if change.to.as_deref() == Some(State::Missing.as_str()) {
            self.missed.insert(line.row_id.clone());
        }
        let before = self.told.insert(line.row_id.clone(), change.to.clone()).flatten();
        if before != change.from {
            let what = format!("{}: {before:?}, then {:?}→{:?}", line.row_id, change.from, change.to);
            return breaks("the history is a chain", what);
        }
        Ok(())
    }

    fn state_is_told(&self, row: &Row) -> Result<(), Broken> {
        let told = self.told.get(&row.id).cloned().flatten();
        if told.as_deref() == Some(row.facts.state.as_str()) {
            return Ok(());
        }
        breaks("the history ends in the row's state", format!("{}, and the history in {told:?}", line(row)))
    }

    fn a_row(&mut self, was: Option<&Row>, row: &Row, before: &Option<EngineId>) -> Result<(), Broken> {
        // When it was last seen to run: also of the engine that another one has just taken the place of.
        if was.is_some_and(|was| was.updated_at == row.updated_at && agree(was, row)) {
            return Ok(());
        }
        self.its_engine(row, before)?;
        if row.decided != self.decided.get(&row.id).cloned().unwrap_or_default() {
            return breaks("the deployer's columns are the deployer's", format!("{row:?}"));
        }
        let Some(id) = &row.container_id else {
            return breaks("no placeholder is touched", format!("{was:?} became {row:?}"));
        };
        if self.home.get(id) != Some(&row.engine_id) {
            return breaks("a row's container is one of its engine's", line(row));
        }
        let holder = was.and_then(|was| was.container_id.as_ref());
        if let Some(was) = was
            && holder != Some(id)
        {
            self.a_row_taken_on(was, id)?;
        }
        let absent = was.is_some_and(|was| was.facts.state == State::Missing);
        if row.facts.state != State::Missing {
            let same = was.is_some_and(|was| was.facts == row.facts) && holder == Some(id);
            return if same { Ok(()) } else { self.was_found(row, id) };
        }
        if absent {
            return Ok(());
        }
        match was {
            Some(was) => self.was_absent(was, id),
            None => breaks("nothing is falsely missing", format!("{} was made so", line(row))),
        }
    }

    /// A row that stood for another container, or for none yet.
    fn a_row_taken_on(&self, was: &Row, id: &ContainerId) -> Result<(), Broken> {
        let Some(before) = &was.container_id else {
            let deploy = self.recorded.get(id).cloned().flatten();
            if deploy.is_some() && deploy == was.decided.deploy_id {
                return Ok(());
            }
            return breaks("no placeholder is touched", format!("{} took {} on", line(was), id.short()));
        };
        if was.facts.state == State::Missing {
            return Ok(());
        }
        if self.missed.contains(&was.id) {
            return self.was_absent(was, before);
        }
        breaks("no row is adopted from a living container", format!("{} took {} on", line(was), id.short()))
    }

    /// What a row says was told by a look, and by none that is older than what it said before.
    fn was_found(&mut self, row: &Row, id: &ContainerId) -> Result<(), Broken> {
        if let Some((told, at)) = self.facts.get_mut(id)
            && let Some(place) =
                told.iter().rposition(|facts| *facts == row.facts).filter(|place| place >= at)
        {
            *at = place;
            return Ok(());
        }
        breaks(
            "a row says what a look found",
            format!("no look found, or one before the last: {}", line(row)),
        )
    }

    /// The container was truly absent at some moment since it was last found.
    fn was_absent(&self, was: &Row, id: &ContainerId) -> Result<(), Broken> {
        let found = self.found.get(id).copied().unwrap_or(0);
        if self.absent.get(id).is_some_and(|absent| *absent > found) {
            return Ok(());
        }
        breaks("nothing is falsely missing", format!("{} was there all the time", line(was)))
    }

    fn a_removal(&mut self, was: &Row, before: &Option<EngineId>) -> Result<(), Broken> {
        self.its_engine(was, before)?;
        self.decided.remove(&was.id);
        let Some(id) = &was.container_id else {
            return breaks("no placeholder is touched", format!("{} was taken away", line(was)));
        };
        if !was.owner.is_foreign() {
            return breaks("a workload's row stays", format!("{} was taken away", line(was)));
        }
        self.was_absent(was, id)
    }

    fn its_engine(&self, row: &Row, before: &Option<EngineId>) -> Result<(), Broken> {
        if [&self.engine, before, &self.parting].into_iter().flatten().any(|engine| *engine == row.engine_id)
        {
            return Ok(());
        }
        breaks("another engine's rows are left alone", line(row))
    }
}

/// What a face could tell apart.
fn says_the_same(was: &Row, row: &Row) -> bool {
    let plain = |row: &Row| Row {
        updated_at: jiff::Timestamp::UNIX_EPOCH,
        last_seen_at: None,
        missing_since: None,
        ..row.clone()
    };
    plain(was) == plain(row)
}

/// `last_seen_at` alone is written without anybody hearing of it.
fn agree(said: &Row, row: &Row) -> bool {
    said == row || said.last_seen_at < row.last_seen_at && says_the_same(said, row)
}
