//! The world without its door: for a test that decides itself when a call is answered and when an event arrives.

use jiff::Timestamp;

use super::FakeEngine;
use super::world::{Reach, World};
use crate::docker::{Dialect, EngineError, EngineEvent, EngineIdentity, Listed};
use crate::rules::ids::ContainerId;

impl FakeEngine {
    /// What a call meets that arrives now. `None`: nobody answers it.
    #[must_use]
    pub fn knock(&self) -> Option<Result<(), EngineError>> {
        let world = self.world();
        match world.reach {
            Reach::Answers => Some(Ok(())),
            Reach::Hangs => None,
            Reach::Away | Reach::Dead => Some(Err(EngineError::Absent {
                endpoint: world.endpoint.clone(),
                detail: "nothing listens there".to_owned(),
            })),
            Reach::Denied => Some(Err(EngineError::Denied {
                endpoint: world.endpoint.clone(),
                detail: "the socket belongs to another user".to_owned(),
            })),
        }
    }

    #[must_use]
    pub fn who(&self) -> EngineIdentity {
        let world = self.world();
        EngineIdentity {
            id: world.engine_id.clone(),
            dialect: Dialect::Docker,
            version: "20.10.24".to_owned(),
            api_version: "1.41".to_owned(),
            system_time: Some(world.engine_now()),
        }
    }

    #[must_use]
    pub fn listing(&self) -> Vec<Listed> {
        self.world().listed().into_iter().map(|(row, _)| row).collect()
    }

    #[must_use]
    pub fn ids(&self) -> Vec<ContainerId> {
        self.world().containers.keys().cloned().collect()
    }

    /// Whether the engine has the container.
    #[must_use]
    pub fn has(&self, id: &ContainerId) -> bool {
        self.world().containers.contains_key(id)
    }

    /// How long it is until something happens by itself.
    #[must_use]
    pub fn next_by_itself(&self) -> Option<std::time::Duration> {
        let due = self.world().next_due()?;
        Some(due.saturating_duration_since(tokio::time::Instant::now()))
    }

    /// Subscribes to the events from `since` on, to be fetched rather than waited for.
    #[must_use]
    pub fn overhear(&self, since: Timestamp) -> Overheard {
        Overheard { engine: self.clone(), reader: self.world().subscribe(since) }
    }
}

/// A subscription whose events are fetched. Dropping it ends it.
pub struct Overheard {
    engine: FakeEngine,
    reader: u64,
}

impl Overheard {
    /// What was said since the last call, and why the stream ended, once it did.
    #[must_use]
    pub fn take(&self) -> (Vec<EngineEvent>, Option<EngineError>) {
        let mut world = self.engine.world();
        let world: &mut World = &mut world;
        let Some(reader) = world.readers.get_mut(&self.reader) else { return (vec![], None) };
        (reader.queue.drain(..).map(|(_, told)| told.event).collect(), reader.ended.take())
    }
}

impl Drop for Overheard {
    fn drop(&mut self) {
        self.engine.world().readers.remove(&self.reader);
    }
}
