//! What the world tells: the ring that the engine keeps, and the readers of its event stream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Hears, RING, Reader, Told, World};
use crate::docker::{Action, EngineEvent, attributes};
use crate::rules::container::State;
use crate::rules::ids::ContainerId;
use crate::rules::time::micros;

impl World {
    pub(super) fn emit(&mut self, id: &ContainerId, action: Action, extra: &[(&str, String)]) {
        let verb = verb(&action);
        self.tell(id, action, verb, extra);
    }

    /// A network was connected to a container, or disconnected from it.
    pub(super) fn emit_network(&mut self, id: &ContainerId, verb: &str) {
        let attributes = attributes([("container", id.as_str()), ("name", "bridge"), ("type", "bridge")]);
        let event =
            EngineEvent { container_id: id.clone(), action: Action::Network, at: self.stamp(), attributes };
        self.announce(Told { event, verb: verb.to_owned() });
    }

    fn tell(&mut self, id: &ContainerId, action: Action, verb: String, extra: &[(&str, String)]) {
        let Some(container) = self.containers.get(id) else { return };
        let mut attributes = container.spec.labels.clone();
        attributes.insert("image".to_owned(), container.spec.image.clone());
        attributes.insert("name".to_owned(), container.seen.name.clone());
        attributes.extend(extra.iter().map(|(k, v)| ((*k).to_owned(), v.clone())));
        let event = EngineEvent { container_id: id.clone(), action, at: self.stamp(), attributes };
        self.announce(Told { event, verb });
    }

    fn announce(&mut self, told: Told) {
        self.remember(told.clone());
        if self.rng.f64() < self.weather.event_losses {
            return;
        }
        let copies = if self.rng.f64() < self.weather.event_duplicates { 2 } else { 1 };
        for _ in 0..copies {
            self.deliver(&told);
        }
    }

    fn remember(&mut self, told: Told) {
        if self.ring.len() == RING {
            self.ring.pop_front();
        }
        self.ring.push_back(told);
    }

    fn deliver(&mut self, told: &Told) {
        let most = u64::try_from(self.weather.event_delay.as_micros()).unwrap_or(u64::MAX);
        let moment = self.moment();
        for reader in self.readers.values_mut() {
            let full = reader.queue.len() >= self.weather.reader_capacity;
            if reader.ended.is_some() || full || !(reader.hears)(told) {
                continue;
            }
            let mut due = moment + Duration::from_micros(self.rng.u64(0..=most));
            if !self.weather.event_shuffle {
                due = reader.queue.back().map_or(due, |(last, _)| due.max(*last));
            }
            let place = reader.queue.partition_point(|(other, _)| *other <= due);
            reader.queue.insert(place, (due, told.clone()));
            reader.notify.notify_one();
        }
    }

    /// So many events of health checks, three a check. The adapter's filter hides them; they flush the ring.
    pub(in crate::docker::fake) fn noise(&mut self, events: usize) {
        let running = self.containers.values().find(|c| c.seen.state == State::Running);
        let Some(id) = running.or(self.containers.values().next()).map(|c| c.seen.container_id.clone())
        else {
            return;
        };
        self.noise_of(&id, events);
    }

    pub(super) fn noise_of(&mut self, id: &ContainerId, events: usize) {
        for n in 0..events.min(RING) {
            let verb = EXEC[n % EXEC.len()];
            self.tell(id, Action::Other(verb.to_owned()), verb.to_owned(), &[]);
        }
    }

    /// A reader as the adapter is one, from `since` on: what cannot change a row is hidden from it.
    pub(in crate::docker::fake) fn subscribe(&mut self, since: Timestamp) -> u64 {
        self.subscribe_to(since, Box::new(|told| !matches!(told.event.action, Action::Other(_))))
    }

    /// A reader of what `hears` lets through, from `since` on.
    pub(in crate::docker::fake) fn subscribe_to(&mut self, since: Timestamp, hears: Hears) -> u64 {
        let now = Instant::now();
        let since = micros(since);
        let queue = if self.weather.replays {
            let kept = self.ring.iter().filter(|told| told.event.at >= since && hears(told));
            kept.map(|told| (now, told.clone())).collect()
        } else {
            VecDeque::new()
        };
        let id = self.next_reader;
        self.next_reader += 1;
        self.readers.insert(id, Reader { queue, hears, ended: None, notify: Arc::new(Notify::new()) });
        id
    }

    pub(in crate::docker::fake) fn break_streams(&mut self, detail: &str) {
        let error = self.broken("read the event stream", detail);
        for reader in self.readers.values_mut() {
            reader.ended.get_or_insert_with(|| error.clone());
            reader.notify.notify_one();
        }
    }
}

/// The three events of one health check.
const EXEC: [&str; 3] = ["exec_create: /bin/sh -c check", "exec_start: /bin/sh -c check", "exec_die"];

/// The engine's own word.
fn verb(action: &Action) -> String {
    match action {
        Action::Create => "create",
        Action::Start => "start",
        Action::Kill => "kill",
        Action::Die => "die",
        Action::Stop => "stop",
        Action::Restart => "restart",
        Action::Pause => "pause",
        Action::Unpause => "unpause",
        Action::Oom => "oom",
        Action::Rename => "rename",
        Action::Update => "update",
        Action::Destroy => "destroy",
        Action::HealthStatus(health) => return format!("health_status: {health}"),
        Action::Network => "connect",
        Action::Other(verb) => verb,
    }
    .to_owned()
}
