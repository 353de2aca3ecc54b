//! The bus: tells faces and actors what has become true. Sent only after the transaction that made it true has
//! committed; a subscriber that lagged is told so and asks again.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::broadcast;

use crate::rules::diff::Change;
use crate::rules::gap::Gap;
use crate::rules::ids::{ContainerId, EngineId, RowId, WorkloadId};
use crate::rules::notice::Notice;
use crate::rules::row::Row;

/// How many announcements a slow subscriber may fall behind before it must ask for a snapshot. An announcement is
/// an `Arc`; a thousand of them cover a burst of several seconds at the highest rate an engine reaches.
const BACKLOG: usize = 1024;

/// What can be announced.
#[derive(Debug, Clone)]
pub enum Event {
    /// Rows of the index changed in one commit.
    IndexChanged(Arc<IndexChange>),
    /// A span turned out to be one that nobody verified.
    GapRecorded(Gap),
    /// The engine's connection, the stream's state or the index's age changed: `status` answers anew.
    StatusChanged,
    /// Containers have become stale that were not announced as such before.
    NewlyStale(Arc<NewlyStale>),
    /// A setting has a new value.
    SettingChanged { key: String },
    /// Somebody is to be told of this. Sent once for each notice, and never again after a restart.
    Noticed(Arc<Notice>),
    /// What is to be told changed: a pause began or ended, a workload or a kind was muted or is heard again.
    NoticeRulesChanged,
}

/// What one scan found to have become stale: all of it in one, so that many are told as few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewlyStale {
    pub engine_id: EngineId,
    pub at: Timestamp,
    pub containers: Vec<NewlyStaleContainer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewlyStaleContainer {
    pub row_id: RowId,
    pub container_id: Option<ContainerId>,
    pub name: String,
    pub workload_id: Option<WorkloadId>,
    pub role: Option<String>,
    /// Since when it has stood still.
    pub since: Timestamp,
    pub days: u32,
}

/// One commit's worth of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexChange {
    /// The index's revision that this commit made: one higher than the one before.
    pub revision: u64,
    /// The rows as they now stand.
    pub upserts: Vec<Row>,
    /// Rows that are no longer in the index.
    pub removals: Vec<RowId>,
    /// What was appended to the history.
    pub history: Vec<Recorded>,
}

/// One line of history, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The order of writing.
    pub seq: u64,
    pub row_id: RowId,
    pub container_id: Option<ContainerId>,
    /// The container's name when the line was written.
    pub name: String,
    pub workload_id: Option<WorkloadId>,
    pub role: Option<String>,
    pub recorded_at: Timestamp,
    pub change: Change,
}

/// What a subscriber finds when it asks for the next announcement.
#[derive(Debug, Clone)]
pub enum Heard {
    Event(Event),
    /// So many announcements were missed: ask for a snapshot.
    Lagged(u64),
    /// The daemon is stopping.
    Closed,
}

/// Cheap to clone; all clones are one bus.
#[derive(Debug, Clone)]
pub struct Bus {
    sender: broadcast::Sender<Event>,
}

pub struct Subscriber {
    receiver: broadcast::Receiver<Event>,
}

impl Default for Bus {
    fn default() -> Self {
        let (sender, _) = broadcast::channel(BACKLOG);
        Self { sender }
    }
}

impl Bus {
    /// Tells everyone who listens; nobody listening is fine.
    pub fn publish(&self, event: Event) {
        let _ = self.sender.send(event);
    }

    #[must_use]
    pub fn subscribe(&self) -> Subscriber {
        Subscriber { receiver: self.sender.subscribe() }
    }
}

impl Subscriber {
    pub async fn next(&mut self) -> Heard {
        match self.receiver.recv().await {
            Ok(event) => Heard::Event(event),
            Err(broadcast::error::RecvError::Lagged(missed)) => Heard::Lagged(missed),
            Err(broadcast::error::RecvError::Closed) => Heard::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_subscriber_that_lagged_is_told_how_much_it_missed() {
        let bus = Bus::default();
        let mut slow = bus.subscribe();
        for _ in 0..BACKLOG + 5 {
            bus.publish(Event::StatusChanged);
        }
        assert!(matches!(slow.next().await, Heard::Lagged(5)));
        assert!(matches!(slow.next().await, Heard::Event(Event::StatusChanged)));
    }
}
