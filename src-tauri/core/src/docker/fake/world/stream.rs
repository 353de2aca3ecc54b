//! What the world tells: the ring that the engine keeps, and the readers of its event stream.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{RING, Reader, World};
use crate::docker::{Action, EngineEvent};
use crate::rules::ids::ContainerId;
use crate::rules::time::micros;

impl World {
    pub(super) fn emit(&mut self, id: &ContainerId, action: Action, extra: &[(&str, String)]) {
        let Some(container) = self.containers.get(id) else { return };
        let mut attributes = container.spec.labels.clone();
        attributes.insert("image".to_owned(), container.spec.image.clone());
        attributes.insert("name".to_owned(), container.seen.name.clone());
        attributes.extend(extra.iter().map(|(k, v)| ((*k).to_owned(), v.clone())));
        let event = EngineEvent { container_id: id.clone(), action, at: self.stamp(), attributes };
        self.remember(Some(event.clone()));
        if self.rng.f64() < self.weather.event_losses {
            return;
        }
        let copies = if self.rng.f64() < self.weather.event_duplicates { 2 } else { 1 };
        for _ in 0..copies {
            self.deliver(&event);
        }
    }

    pub(super) fn remember(&mut self, event: Option<EngineEvent>) {
        if self.ring.len() == RING {
            self.ring.pop_front();
        }
        self.ring.push_back(event);
    }

    pub(super) fn deliver(&mut self, event: &EngineEvent) {
        let most = u64::try_from(self.weather.event_delay.as_micros()).unwrap_or(u64::MAX);
        let moment = self.moment();
        for reader in self.readers.values_mut() {
            if reader.ended.is_some() || reader.queue.len() >= self.weather.reader_capacity {
                continue;
            }
            let mut due = moment + Duration::from_micros(self.rng.u64(0..=most));
            if !self.weather.event_shuffle {
                due = reader.queue.back().map_or(due, |(last, _)| due.max(*last));
            }
            let place = reader.queue.partition_point(|(other, _)| *other <= due);
            reader.queue.insert(place, (due, event.clone()));
            reader.notify.notify_one();
        }
    }

    /// Events that the adapter's filter hides (a health check's three `exec_*`): they only flush the ring.
    pub(in crate::docker::fake) fn noise(&mut self, events: usize) {
        for _ in 0..events.min(RING) {
            self.remember(None);
        }
    }

    pub(in crate::docker::fake) fn subscribe(&mut self, since: Timestamp) -> u64 {
        let now = Instant::now();
        let queue = if self.weather.replays {
            self.ring.iter().flatten().filter(|e| e.at >= micros(since)).map(|e| (now, e.clone())).collect()
        } else {
            VecDeque::new()
        };
        let id = self.next_reader;
        self.next_reader += 1;
        self.readers.insert(id, Reader { queue, ended: None, notify: Arc::new(Notify::new()) });
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
