//! Which containers are to be looked at, in which order, and which are being looked at.
//!
//! At most one look at a container is under way; what is asked for meanwhile makes another one afterwards. What an
//! event marked goes before what a pass wants.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::sync::oneshot;

use super::watch::CLUES;
use crate::rules::cause::{Clue, Doubt};
use crate::rules::ids::ContainerId;
use crate::rules::pace::Pace;

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
    /// How often in a row the look failed.
    pub(super) failures: u32,
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
        self.failures = self.failures.max(other.failures);
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

/// An inspect can be ahead of its event by as much as the engine and we are busy: measured, a few milliseconds at rest
/// and hundreds under load. The event ends the wait; what no event ever tells is in the index within a second.
const EXPLANATION: Duration = Duration::from_millis(800);

#[derive(Debug, Default)]
pub(super) struct Looks {
    wants: HashMap<ContainerId, Want>,
    urgent: VecDeque<ContainerId>,
    patient: VecDeque<ContainerId>,
    /// Not before the steady time of the key.
    waiting: BTreeMap<Duration, Vec<ContainerId>>,
    under_way: HashSet<ContainerId>,
    paces: HashMap<ContainerId, Pace>,
    paces_swept: Duration,
}

/// Rested paces are forgotten this often.
const SWEEP: Duration = Duration::from_secs(2);

impl Looks {
    pub(super) fn want(&mut self, id: &ContainerId, want: Want) {
        let urgent = want.is_urgent();
        let fresh = match self.wants.get_mut(id) {
            Some(known) => {
                known.merge(want);
                false
            }
            None => {
                self.wants.insert(id.clone(), want);
                true
            }
        };
        if self.under_way.contains(id) {
            return;
        }
        if urgent {
            self.urgent.push_back(id.clone());
        } else if fresh {
            self.patient.push_back(id.clone());
        }
    }

    /// The next container to look at, and all that was wanted of it. `None` while everything waits.
    pub(super) fn next(&mut self, now: Duration) -> Option<(ContainerId, Want)> {
        self.wake(now);
        while let Some(id) = self.urgent.pop_front().or_else(|| self.patient.pop_front()) {
            let Some(want) = self.wants.get(&id).filter(|_| !self.under_way.contains(&id)) else { continue };
            if want.announced
                && let Err(wait) = self.paces.entry(id.clone()).or_insert_with(|| Pace::new(now)).take(now)
            {
                self.waiting.entry(now + wait).or_default().push(id);
                continue;
            }
            let Some(want) = self.wants.remove(&id) else { continue };
            self.under_way.insert(id.clone());
            self.forget_rested(now);
            return Some((id, want));
        }
        None
    }

    /// The look is done and its outcome committed.
    pub(super) fn settle(&mut self, id: &ContainerId) {
        self.under_way.remove(id);
        if let Some(want) = self.wants.get(id) {
            let queue = if want.is_urgent() { &mut self.urgent } else { &mut self.patient };
            queue.push_back(id.clone());
        }
    }

    /// The look failed: what was wanted is wanted still, after a while.
    pub(super) fn retry(&mut self, id: &ContainerId, mut want: Want, now: Duration) {
        want.failures += 1;
        let wait = RETRY_FIRST.saturating_mul(1 << want.failures.min(10)).min(RETRY_LONGEST);
        self.again(id, want, now + wait);
    }

    /// The look found what no event has told yet: another one tells it with its cause, at each event that comes, and
    /// at last without.
    pub(super) fn defer(&mut self, id: &ContainerId, want: Want, now: Duration) {
        let until = want.explained_by.unwrap_or(now + EXPLANATION);
        self.again(id, Want { explained_by: Some(until), ..want }, until);
    }

    fn again(&mut self, id: &ContainerId, mut want: Want, at: Duration) {
        self.under_way.remove(id);
        // What was marked meanwhile is the later evidence, and a reason to look at once.
        if let Some(later) = self.wants.remove(id) {
            if later.announced {
                self.urgent.push_back(id.clone());
            }
            want.merge(later);
        }
        self.wants.insert(id.clone(), want);
        self.waiting.entry(at).or_default().push(id.clone());
    }

    /// When the first of those that wait may be looked at.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.waiting.keys().next().copied()
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether looks at the container have been failing: a pass does not wait for it.
    pub(super) fn is_failing(&self, id: &ContainerId) -> bool {
        self.wants.get(id).is_some_and(|want| want.failures > 1)
    }

    /// Containers whose look failed at least twice in a row.
    pub(super) fn stuck(&self) -> usize {
        self.wants.values().filter(|want| want.failures > 1).count()
    }

    /// What is wanted and not yet begun, for evidence that turns out to mean something else.
    pub(super) fn wants_mut(&mut self) -> impl Iterator<Item = (&ContainerId, &mut Want)> {
        self.wants.iter_mut()
    }

    fn wake(&mut self, now: Duration) {
        while let Some(entry) = self.waiting.first_entry() {
            if *entry.key() > now {
                return;
            }
            self.urgent.extend(entry.remove());
        }
    }

    fn forget_rested(&mut self, now: Duration) {
        if now.saturating_sub(self.paces_swept) >= SWEEP {
            self.paces_swept = now;
            self.paces.retain(|_, pace| !pace.is_rested(now));
        }
    }
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
    }
}
