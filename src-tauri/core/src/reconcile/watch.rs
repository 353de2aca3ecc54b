//! The event reader: it marks which containers to look at, and does nothing else.
//!
//! It must never wait for a database, a socket or a face: a reader that stalls slows the whole engine and silently
//! loses events. Marks are bounded by the number of containers; the clues of one mark by [`CLUES`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::clock::SharedClock;
use crate::docker::{Action, EngineEvent, EventStream};
use crate::rules::cause::{Clue, Deed};
use crate::rules::ids::ContainerId;
use crate::rules::labels;

/// Clues kept of one container between two looks; the latest tell most.
pub(super) const CLUES: usize = 16;
/// How long after a sign of Compose's work on a project another event of it is put down to Compose. It goes from one
/// container to the next within a second, and each is a new sign.
const COMPOSE_WORKS: Duration = Duration::from_secs(3);
/// How long after it has stopped a container of a project its removal is a sign of Compose's `down`: by hand nobody
/// stops and removes that fast.
const COMPOSE_DOWN: Duration = Duration::from_secs(3);
/// Compose projects remembered as being worked on, and containers of any as just stopped.
const COMPOSE_PROJECTS: usize = 256;

/// What events left behind for the loop to fetch.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marked: Mutex<Marked>,
    fresh: Notify,
}

/// The marks since the loop last fetched them.
#[derive(Debug, Default)]
pub(super) struct Marked {
    pub(super) clues: BTreeMap<ContainerId, VecDeque<Clue>>,
    /// Events read since the start.
    pub(super) events: u64,
    /// The engine's time of the latest event.
    pub(super) latest: Option<Timestamp>,
    /// The latest that was told before the present stream began.
    past: Option<Timestamp>,
    /// Whether the present stream has told of the past: an engine that was restarted has forgotten it.
    remembers: bool,
    compose: BTreeMap<String, Duration>,
    /// Containers of Compose's projects that were just stopped.
    stopped: BTreeMap<ContainerId, Duration>,
}

impl Marks {
    fn lock(&self) -> MutexGuard<'_, Marked> {
        self.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self, event: &EngineEvent, now: Duration) {
        let mut marked = self.lock();
        let compose = marked.is_compose_at_work(event, now);
        marked.events += 1;
        let told_before = marked.past.is_some_and(|past| event.at <= past);
        marked.remembers |= told_before;
        marked.latest = Some(marked.latest.map_or(event.at, |latest| latest.max(event.at)));
        let clues = marked.clues.entry(event.container_id.clone()).or_default();
        // What was told before was evidence then: of what came since it tells nothing.
        if !told_before {
            if clues.len() == CLUES {
                clues.pop_front();
            }
            clues.push_back(clue(event, compose));
        }
        drop(marked);
        self.fresh.notify_one();
    }

    /// Another engine's events say nothing of this one's containers.
    pub(super) fn forget(&self) {
        let mut marked = self.lock();
        marked.clues.clear();
        marked.latest = None;
        marked.past = None;
        marked.remembers = false;
        marked.compose.clear();
        marked.stopped.clear();
    }

    /// Everything that was marked since the last call.
    pub(super) fn take(&self) -> BTreeMap<ContainerId, VecDeque<Clue>> {
        std::mem::take(&mut self.lock().clues)
    }

    pub(super) fn events(&self) -> u64 {
        self.lock().events
    }

    pub(super) fn latest(&self) -> Option<Timestamp> {
        self.lock().latest
    }

    /// A stream begins, and reaches back.
    pub(super) fn ask_for_the_past(&self) {
        let mut marked = self.lock();
        marked.past = marked.latest;
        marked.remembers = false;
    }

    /// Whether it has told again what was told before it began.
    pub(super) fn remember_the_past(&self) -> bool {
        self.lock().remembers
    }

    /// Returns when something was marked.
    pub(super) async fn marked(&self) {
        self.fresh.notified().await;
    }
}

impl Marked {
    /// Compose labels what it creates; a create or a rename of its making shows that it is at work on the project, and so
    /// does a removal that follows at once upon a stop.
    fn is_compose_at_work(&mut self, event: &EngineEvent, now: Duration) -> bool {
        let Some(project) = labels::value(&event.attributes, labels::COMPOSE_PROJECT) else { return false };
        let sign = matches!(event.action, Action::Create | Action::Rename | Action::Destroy);
        let down = self.goes_down(event, now);
        let at_work = self.compose.get(project).is_some_and(|at| now.saturating_sub(*at) < COMPOSE_WORKS);
        if sign && (event.action == Action::Create || at_work || down) {
            if self.compose.len() >= COMPOSE_PROJECTS {
                self.compose.retain(|_, at| now.saturating_sub(*at) < COMPOSE_WORKS);
            }
            self.compose.insert(project.to_owned(), now);
            return true;
        }
        at_work
    }

    /// Whether the container is removed just after it was stopped.
    fn goes_down(&mut self, event: &EngineEvent, now: Duration) -> bool {
        match event.action {
            Action::Stop => {
                if self.stopped.len() >= COMPOSE_PROJECTS {
                    self.stopped.retain(|_, at| now.saturating_sub(*at) < COMPOSE_DOWN);
                }
                if self.stopped.len() < COMPOSE_PROJECTS {
                    self.stopped.insert(event.container_id.clone(), now);
                }
                false
            }
            Action::Destroy => {
                let stopped = self.stopped.remove(&event.container_id);
                stopped.is_some_and(|at| now.saturating_sub(at) < COMPOSE_DOWN)
            }
            Action::Create
            | Action::Start
            | Action::Kill
            | Action::Die
            | Action::Restart
            | Action::Pause
            | Action::Unpause
            | Action::Oom
            | Action::Rename
            | Action::Update
            | Action::HealthStatus(_)
            | Action::Network
            | Action::Other(_) => false,
        }
    }
}

/// Drains the stream into marks until it ends. Says why it ended.
pub(super) async fn read(mut stream: EventStream, marks: &Marks, clock: &SharedClock) -> String {
    while let Some(next) = stream.next().await {
        match next {
            Ok(event) => marks.mark(&event, clock.steady()),
            Err(error) => return error.to_string(),
        }
    }
    "the event stream ended".to_owned()
}

fn clue(event: &EngineEvent, compose: bool) -> Clue {
    Clue { deed: deed(&event.action), at: event.at, signal: event.attributes.get("signal").cloned(), compose }
}

fn deed(action: &Action) -> Deed {
    match action {
        Action::Create => Deed::Create,
        Action::Start => Deed::Start,
        Action::Kill => Deed::Kill,
        Action::Die => Deed::Die,
        Action::Stop => Deed::Stop,
        Action::Restart => Deed::Restart,
        Action::Pause => Deed::Pause,
        Action::Unpause => Deed::Unpause,
        Action::Oom => Deed::Oom,
        Action::Rename => Deed::Rename,
        Action::Update => Deed::Update,
        Action::Destroy => Deed::Destroy,
        Action::HealthStatus(_) => Deed::Health,
        Action::Network => Deed::Network,
        Action::Other(_) => Deed::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docker::attributes;

    fn event(id: &str, action: Action) -> EngineEvent {
        let attributes = attributes([(labels::COMPOSE_PROJECT, "blog")]);
        EngineEvent { container_id: ContainerId::new(id), action, at: Timestamp::UNIX_EPOCH, attributes }
    }

    #[test]
    fn a_flood_on_one_container_leaves_one_mark_with_the_latest_clues() {
        let marks = Marks::default();
        for _ in 0..1_000 {
            marks.mark(&event("a", Action::Rename), Duration::ZERO);
        }
        marks.mark(&event("a", Action::Die), Duration::ZERO);
        let taken = marks.take();
        assert_eq!(taken.len(), 1);
        let clues = &taken[&ContainerId::new("a")];
        assert_eq!(clues.len(), CLUES);
        assert_eq!(clues.back().unwrap().deed, Deed::Die);
        assert_eq!(marks.events(), 1_001);
        assert!(marks.take().is_empty(), "fetched once");
    }

    #[test]
    fn what_a_stream_tells_again_shows_that_the_engine_remembers_and_is_no_evidence() {
        let marks = Marks::default();
        let at =
            |second| EngineEvent { at: Timestamp::from_second(second).unwrap(), ..event("a", Action::Die) };
        marks.mark(&at(10), Duration::ZERO);
        marks.take();
        marks.ask_for_the_past();
        assert!(!marks.remember_the_past());
        marks.mark(&at(10), Duration::ZERO);
        assert!(marks.remember_the_past());
        marks.mark(&at(11), Duration::ZERO);
        assert_eq!(marks.take()[&ContainerId::new("a")].len(), 1, "only what is new");
        marks.ask_for_the_past();
        marks.mark(&at(12), Duration::ZERO);
        assert!(!marks.remember_the_past(), "one that was restarted begins anew");
    }

    #[test]
    fn a_kill_beside_a_create_of_the_same_project_is_composes() {
        let marks = Marks::default();
        marks.mark(&event("new", Action::Create), Duration::from_secs(1));
        marks.mark(&event("old", Action::Kill), Duration::from_secs(2));
        assert!(marks.take()[&ContainerId::new("old")][0].compose);
        marks.mark(&event("old", Action::Kill), Duration::from_secs(4));
        assert!(!marks.take()[&ContainerId::new("old")][0].compose, "three seconds later it is anybody's");
    }

    #[test]
    fn a_removal_that_follows_at_once_upon_a_stop_is_composes_and_shows_it_at_work() {
        let after = |pause: u64| {
            let marks = Marks::default();
            marks.mark(&event("a", Action::Stop), Duration::from_secs(1));
            marks.mark(&event("a", Action::Destroy), Duration::from_secs(1) + Duration::from_millis(pause));
            marks.mark(&event("b", Action::Kill), Duration::from_secs(6));
            let taken = marks.take();
            let compose = |id: &str| taken[&ContainerId::new(id)].back().unwrap().compose;
            (compose("a"), compose("b"))
        };
        assert_eq!(after(2_999), (true, true));
        assert_eq!(after(3_000), (false, false), "somebody stopped it and removed it");
        let marks = Marks::default();
        marks.mark(&event("a", Action::Kill), Duration::from_secs(1));
        marks.mark(&event("a", Action::Destroy), Duration::from_secs(1));
        assert!(!marks.take()[&ContainerId::new("a")][1].compose, "a forced removal has no stop");
    }
}
