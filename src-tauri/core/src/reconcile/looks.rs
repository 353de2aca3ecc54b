//! Which containers are to be looked at, in which order, and which are being looked at.
//!
//! At most one look at a container is under way; what is asked for meanwhile makes another one afterwards. What an
//! event marked goes before what a pass wants, and leaves it every fourth turn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::sync::oneshot;

use super::watch::CLUES;
use crate::rules::cause::{Clue, Doubt};
use crate::rules::ids::ContainerId;
use crate::rules::pace::Pace;
use crate::rules::planted::{self as fault, Bug};

/// Why a container is looked at, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Want {
    pub(super) clues: Vec<Clue>,
    /// An event marked it, so a change that is found was announced.
    pub(super) announced: bool,
    pub(super) doubt: Option<Doubt>,
    /// The pass that waits for it.
    pub(super) pass: Option<u64>,
    pub(super) waiters: Vec<oneshot::Sender<()>>,
    /// Until when it waits for the event that explains what was found, once it does.
    pub(super) explained_by: Option<Duration>,
}

impl Want {
    fn merge(&mut self, other: Want) {
        self.clues.extend(other.clues);
        let surplus = self.clues.len().saturating_sub(CLUES);
        self.clues.drain(..surplus);
        self.announced |= other.announced;
        self.doubt = self.doubt.or(other.doubt);
        self.pass = self.pass.max(other.pass);
        self.waiters.extend(other.waiters);
        self.explained_by = self.explained_by.or(other.explained_by);
    }

    /// Whether only a pass asked for it, in a time that nobody doubts: a change that is found had no event.
    pub(super) fn is_unannounced(&self) -> bool {
        self.pass.is_some() && self.doubt.is_none() && !self.announced && self.waiters.is_empty()
    }

    fn is_urgent(&self) -> bool {
        self.announced || !self.waiters.is_empty()
    }
}

/// First and longest wait before a look that failed is tried again.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LONGEST: Duration = Duration::from_secs(30);
/// Looks that may fail in a row before the container counts as stuck: the first may be the engine's trouble.
const STUCK_AFTER: u32 = 1;

/// An inspect can be ahead of its event by as much as the engine and we are busy: measured, a few milliseconds at rest
/// and hundreds under load. The event ends the wait; what no event ever tells is in the index within a second.
const EXPLANATION: Duration = Duration::from_millis(800);

/// So many turns in which the urgent go first are followed by one of the patient: a flood must not starve a pass.
const URGENT_TURNS: u32 = 3;

/// Rested paces are forgotten this often.
const SWEEP: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Looks {
    wanted: BTreeMap<ContainerId, Wanted>,
    /// Entries here and below that are no longer where `wanted` says are passed over.
    urgent: VecDeque<ContainerId>,
    patient: VecDeque<ContainerId>,
    /// Not before the steady time of the key.
    waiting: BTreeMap<Duration, Vec<ContainerId>>,
    urgent_turns: u32,
    under_way: BTreeSet<ContainerId>,
    /// How often in a row the last looks at a container came to nothing, failed or refused by the store.
    failures: BTreeMap<ContainerId, u32>,
    paces: BTreeMap<ContainerId, Pace>,
    paces_swept: Duration,
}

#[derive(Debug)]
struct Wanted {
    want: Want,
    place: Place,
}

/// Where a container waits for its look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Urgent,
    Patient,
    /// It was looked at too often: a further event does not change that.
    Paced(Duration),
    /// The last look failed or found what is not explained yet: an event is a reason to look at once.
    Resting(Duration),
    /// The look that is under way comes first.
    Behind,
}

impl Looks {
    pub(super) fn want(&mut self, id: &ContainerId, want: Want) {
        if fault::is(Bug::AMarkDuringALookIsLost) && self.under_way.contains(id) {
            return;
        }
        let place = match self.wanted.get_mut(id) {
            Some(known) => {
                let (urgent, doubted) = (want.is_urgent(), want.doubt.is_some());
                known.want.merge(want);
                match known.place {
                    Place::Patient | Place::Resting(_) if urgent => Place::Urgent,
                    // What kept it from being answered may be over.
                    Place::Resting(_) if doubted => Place::Patient,
                    Place::Urgent | Place::Patient | Place::Paced(_) | Place::Resting(_) | Place::Behind => {
                        return;
                    }
                }
            }
            None => {
                let place = if self.under_way.contains(id) { Place::Behind } else { queue_of(&want) };
                self.wanted.insert(id.clone(), Wanted { want, place });
                place
            }
        };
        self.put(id, place);
    }

    /// The next container to look at, and all that was wanted of it. `None` while everything waits.
    pub(super) fn next(&mut self, now: Duration) -> Option<(ContainerId, Want)> {
        self.wake(now);
        while let Some(id) = self.pop() {
            let announced = self.wanted.get(&id).is_some_and(|wanted| wanted.want.announced);
            if announced && let Err(wait) = self.pace_of(&id, now).take(now) {
                self.put(&id, Place::Paced(now + wait));
                continue;
            }
            let Some(Wanted { want, .. }) = self.wanted.remove(&id) else { continue };
            self.under_way.insert(id.clone());
            self.forget_rested(now);
            return Some((id, want));
        }
        None
    }

    /// The look is done and its outcome committed.
    pub(super) fn settle(&mut self, id: &ContainerId) {
        self.failures.remove(id);
        self.under_way.remove(id);
        if let Some(place) = self.wanted.get(id).map(|wanted| queue_of(&wanted.want)) {
            self.put(id, place);
        }
    }

    /// The look came to nothing, through no fault of the container's: it is wanted as before.
    pub(super) fn put_back(&mut self, id: &ContainerId, want: Want) {
        self.take_back(id, want);
        if let Some(place) = self.wanted.get(id).map(|wanted| queue_of(&wanted.want)) {
            self.put(id, place);
        }
    }

    /// The look failed: what was wanted is wanted still, after a while.
    pub(super) fn retry(&mut self, id: &ContainerId, want: Want, now: Duration) {
        let failures = self.failures.entry(id.clone()).or_default();
        *failures += 1;
        let wait = RETRY_FIRST.saturating_mul(1 << (*failures).min(10)).min(RETRY_LONGEST);
        self.rest(id, want, now + wait);
    }

    /// The look found what no event has told yet: another one tells it with its cause, at each event that comes, and
    /// at last without.
    pub(super) fn defer(&mut self, id: &ContainerId, want: Want, now: Duration) {
        self.failures.remove(id);
        let known = want.explained_by.filter(|_| !fault::is(Bug::AnExplanationIsWaitedForForEver));
        let until = known.unwrap_or(now + EXPLANATION);
        self.rest(id, Want { explained_by: Some(until), ..want }, until);
    }

    /// When the first of those that wait may be looked at.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.waiting.keys().next().copied()
    }

    #[cfg(feature = "simulation")]
    pub(super) fn is_under_way(&self, id: &ContainerId) -> bool {
        self.under_way.contains(id)
    }

    /// Whether nobody is to be looked at.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.under_way.is_empty()
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn has_failed(&self, id: &ContainerId) -> bool {
        self.failures.contains_key(id)
    }

    /// Whether looks at the container keep failing: a pass does not wait for it.
    pub(super) fn is_stuck(&self, id: &ContainerId) -> bool {
        self.failures.get(id).is_some_and(|failures| *failures > STUCK_AFTER)
    }

    pub(super) fn stuck(&self) -> usize {
        self.failures.values().filter(|failures| **failures > STUCK_AFTER).count()
    }

    /// What is wanted and not yet begun, for evidence that turns out to mean something else.
    pub(super) fn wants_mut(&mut self) -> impl Iterator<Item = (&ContainerId, &mut Want)> {
        self.wanted.iter_mut().map(|(id, wanted)| (id, &mut wanted.want))
    }

    /// What was marked meanwhile is the later evidence, and a reason to look at once.
    fn rest(&mut self, id: &ContainerId, want: Want, until: Duration) {
        let marked = self.wanted.get(id).is_some_and(|later| later.want.announced);
        self.take_back(id, want);
        self.put(id, if marked { Place::Urgent } else { Place::Resting(until) });
    }

    fn take_back(&mut self, id: &ContainerId, mut want: Want) {
        self.under_way.remove(id);
        if let Some(later) = self.wanted.remove(id) {
            want.merge(later.want);
        }
        self.wanted.insert(id.clone(), Wanted { want, place: Place::Behind });
    }

    /// Gives a container that is wanted its place.
    fn put(&mut self, id: &ContainerId, place: Place) {
        let Some(wanted) = self.wanted.get_mut(id) else { return };
        wanted.place = place;
        match place {
            Place::Urgent => self.urgent.push_back(id.clone()),
            Place::Patient => self.patient.push_back(id.clone()),
            Place::Paced(at) | Place::Resting(at) => self.waiting.entry(at).or_default().push(id.clone()),
            Place::Behind => {}
        }
    }

    fn pop(&mut self) -> Option<ContainerId> {
        let patient_first = self.urgent_turns >= URGENT_TURNS;
        let order =
            if patient_first { [Place::Patient, Place::Urgent] } else { [Place::Urgent, Place::Patient] };
        let (place, id) = order.into_iter().find_map(|place| Some((place, self.pop_from(place)?)))?;
        self.urgent_turns = if place == Place::Urgent { self.urgent_turns + 1 } else { 0 };
        Some(id)
    }

    fn pop_from(&mut self, place: Place) -> Option<ContainerId> {
        let queue = if place == Place::Urgent { &mut self.urgent } else { &mut self.patient };
        let is_there = |id: &ContainerId| self.wanted.get(id).is_some_and(|wanted| wanted.place == place);
        std::iter::from_fn(|| queue.pop_front()).find(is_there)
    }

    fn wake(&mut self, now: Duration) {
        while let Some(entry) = self.waiting.first_entry() {
            let at = *entry.key();
            if at > now {
                return;
            }
            for id in entry.remove() {
                let place = self.wanted.get(&id).map(|wanted| wanted.place);
                if place == Some(Place::Paced(at)) || place == Some(Place::Resting(at)) {
                    self.put(&id, Place::Urgent);
                }
            }
        }
    }

    fn pace_of(&mut self, id: &ContainerId, now: Duration) -> &mut Pace {
        self.paces.entry(id.clone()).or_insert_with(|| Pace::new(now))
    }

    fn forget_rested(&mut self, now: Duration) {
        if now.saturating_sub(self.paces_swept) >= SWEEP {
            self.paces_swept = now;
            self.paces.retain(|_, pace| !pace.is_rested(now));
        }
    }
}

fn queue_of(want: &Want) -> Place {
    if want.is_urgent() { Place::Urgent } else { Place::Patient }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ContainerId {
        ContainerId::new(name)
    }

    fn event() -> Want {
        Want { announced: true, ..Want::default() }
    }

    fn next(looks: &mut Looks) -> Option<String> {
        looks.next(Duration::ZERO).map(|(id, _)| id.to_string())
    }

    #[test]
    fn at_most_one_look_at_a_container_is_under_way_and_a_new_mark_makes_another() {
        let mut looks = Looks::default();
        looks.want(&id("a"), event());
        assert_eq!(next(&mut looks).as_deref(), Some("a"));
        looks.want(&id("a"), event());
        assert_eq!(next(&mut looks), None, "it is being looked at");
        looks.settle(&id("a"));
        assert_eq!(next(&mut looks).as_deref(), Some("a"), "the mark was not lost");
        looks.settle(&id("a"));
        assert_eq!(next(&mut looks), None);
    }

    #[test]
    fn what_an_event_marked_goes_before_what_a_pass_wants() {
        let mut looks = Looks::default();
        for name in ["p1", "p2", "p3"] {
            looks.want(&id(name), Want::default());
        }
        looks.want(&id("e"), event());
        looks.want(&id("p3"), event());
        let order: Vec<String> = std::iter::from_fn(|| next(&mut looks)).collect();
        assert_eq!(order, ["e", "p3", "p1", "p2"]);
    }

    #[test]
    fn a_flood_of_events_leaves_a_pass_its_turns() {
        let mut looks = Looks::default();
        for n in 0..4 {
            looks.want(&id(&format!("p{n}")), Want::default());
        }
        let mut passed = 0;
        for n in 0..16 {
            looks.want(&id(&format!("e{n}")), event());
            let name = next(&mut looks).unwrap();
            passed += usize::from(name.starts_with('p'));
        }
        assert_eq!(passed, 4, "every fourth look");
    }

    #[test]
    fn marks_of_one_container_make_no_queue() {
        let mut looks = Looks::default();
        for _ in 0..1_000 {
            looks.want(&id("a"), event());
        }
        assert_eq!(looks.urgent.len(), 1);
        while next(&mut looks).is_some() {
            looks.settle(&id("a"));
            looks.want(&id("a"), event());
        }
        for _ in 0..1_000 {
            looks.want(&id("a"), event());
            assert_eq!(next(&mut looks), None, "it was looked at too often, an event does not change that");
        }
        assert_eq!((looks.urgent.len(), looks.waiting.len()), (0, 1));
    }

    #[test]
    fn a_look_that_is_put_back_is_wanted_at_once_and_has_not_failed() {
        let mut looks = Looks::default();
        looks.want(&id("a"), event());
        looks.want(&id("b"), Want { pass: Some(3), ..Want::default() });
        let (a, want_a) = looks.next(Duration::ZERO).unwrap();
        let (b, want_b) = looks.next(Duration::ZERO).unwrap();
        looks.want(&b, event());
        looks.put_back(&a, want_a);
        looks.put_back(&b, want_b);
        assert_eq!(looks.under_way(), 0);
        let (_, again) = looks.next(Duration::ZERO).unwrap();
        assert!(again.announced);
        let (_, again) = looks.next(Duration::ZERO).unwrap();
        assert!(again.announced && again.pass == Some(3), "with what was marked meanwhile");
        assert!(!looks.has_failed(&a) && looks.stuck() == 0);
    }

    #[test]
    fn a_container_in_a_flood_waits_and_is_not_forgotten() {
        let mut looks = Looks::default();
        let mut done = 0;
        looks.want(&id("a"), event());
        while next(&mut looks).is_some() {
            done += 1;
            looks.settle(&id("a"));
            looks.want(&id("a"), event());
        }
        assert!(done < 30, "the burst ends, after {done}");
        let due = looks.next_due().expect("it waits for its turn");
        assert!(looks.next(due).is_some());
    }

    #[test]
    fn a_look_that_waits_for_its_explanation_comes_at_the_next_event_or_at_last() {
        let mut looks = Looks::default();
        looks.want(&id("a"), event());
        let (a, want) = looks.next(Duration::ZERO).unwrap();
        looks.want(&a, event());
        looks.defer(&a, want, Duration::ZERO);
        let (_, want) = looks.next(Duration::ZERO).expect("an event came during the look");
        assert_eq!(want.explained_by, Some(EXPLANATION));
        looks.defer(&a, want, Duration::from_millis(9));
        assert!(looks.next(Duration::from_millis(10)).is_none());
        let (_, want) = looks.next(EXPLANATION).expect("at last without");
        assert_eq!(want.explained_by, Some(EXPLANATION), "the wait is not prolonged");
    }

    #[test]
    fn after_a_doubt_what_failed_before_is_looked_at_at_once() {
        let mut looks = Looks::default();
        looks.want(&id("a"), event());
        let (a, want) = looks.next(Duration::ZERO).unwrap();
        looks.retry(&a, want, Duration::ZERO);
        looks.want(&a, Want { pass: Some(1), ..Want::default() });
        assert!(looks.next(Duration::ZERO).is_none(), "a pass in its turn waits with it");
        let doubted = Want { pass: Some(2), doubt: Some(Doubt::Reconnected), ..Want::default() };
        looks.want(&a, doubted);
        assert!(looks.next(Duration::ZERO).is_some());
    }

    #[test]
    fn a_failed_look_keeps_its_evidence_and_comes_again_later_and_later() {
        let mut looks = Looks::default();
        looks.want(&id("a"), Want { pass: Some(7), ..event() });
        let mut now = Duration::ZERO;
        let mut waits = vec![];
        for _ in 0..9 {
            let (id, want) = looks.next(now).unwrap();
            assert!(want.announced && want.pass == Some(7));
            looks.retry(&id, want, now);
            let due = looks.next_due().unwrap();
            waits.push(due - now);
            now = due;
        }
        assert!(waits.windows(2).all(|w| w[0] <= w[1]));
        assert_eq!(waits.last(), Some(&RETRY_LONGEST));
        assert_eq!(looks.stuck(), 1);
        looks.next(now).unwrap();
        looks.settle(&id("a"));
        assert_eq!(looks.stuck(), 0);
    }
}
