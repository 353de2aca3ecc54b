//! The scan: looks every hour for containers that nobody needs any more, and announces each once.
//!
//! *Expected flow.* A turn waits for two good passes, judges every row, and hands what is newly stale to the store,
//! which remembers it, says it in the event log and announces it: one digest for all.
//!
//! *Guarantees.* Nothing is judged by an index that has not been held against its engine twice since the turn began: not
//! after our own start, not after a sleep, a jump of the clock, or an engine that was away or is another one. A
//! container is announced once for each time that it has stood still, also across our own restarts. A turn that finds
//! nothing writes nothing.
//!
//! *Caveats.* Foreign containers are judged when somebody asks; they are never announced.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Job;
use crate::clock::SharedClock;
use crate::events::{NewlyStale, NewlyStaleContainer};
use crate::rules::ids::EngineId;
use crate::rules::row::{Owner, Row};
use crate::rules::stale::{Scope, Stale, Threshold, Yardstick, find_stale_containers};
use crate::store::{Store, StoreError};

/// Between two scans. Thresholds are counted in days: an hour more does not matter to anybody.
const PERIOD: Duration = Duration::from_secs(3_600);

/// What keeps the index true, as far as the scan has to know.
#[async_trait]
pub trait Passes: Send + Sync + 'static {
    /// Returns once two passes over one and the same engine have ended well since the call, and whose they were.
    async fn two_more(&self) -> EngineId;
}

/// Looks for stale containers.
pub struct Scan {
    pub store: Store,
    pub clock: SharedClock,
    pub passes: Arc<dyn Passes>,
}

impl Scan {
    #[must_use]
    pub fn job(self) -> Job {
        let scan = Arc::new(self);
        let work = move || {
            let scan = Arc::clone(&scan);
            Box::pin(async move { scan.turn().await.map_err(|error| error.to_string()) }) as Pin<Box<_>>
        };
        Job {
            name: "stale_scan",
            purpose: "a look for containers that nobody needs any more",
            after: Duration::ZERO,
            period: PERIOD,
            work: Box::new(work),
        }
    }

    async fn turn(&self) -> Result<(), StoreError> {
        let engine_id = self.passes.two_more().await;
        let rows = self.store.containers(Some(&engine_id)).await?;
        let memory = self.store.stale_memory(&engine_id).await?;
        let setting = self.store.typed_settings().await?.stale_threshold_days.unwrap_or(0);
        let now = self.clock.now();
        let yardstick = |row: &Row| Yardstick {
            threshold: Threshold::of(None, memory.threshold(row.owner.workload_id()), setting),
            scope: Scope::Workloads,
            wishes: memory.wishes(row),
            now,
        };
        let containers: Vec<_> = find_stale_containers(&rows, yardstick)
            .filter(|(row, stale)| !memory.was_announced(row, stale.still.since))
            .map(|(row, stale)| newly_stale(row, stale))
            .collect();
        if containers.is_empty() && !memory.outlives(&rows) {
            return Ok(());
        }
        self.store.announce_stale(NewlyStale { engine_id, at: now, containers }).await
    }
}

fn newly_stale(row: &Row, stale: Stale) -> NewlyStaleContainer {
    let role = match &row.owner {
        Owner::Workload { role, .. } => Some(role.clone()),
        Owner::Foreign { .. } => None,
    };
    NewlyStaleContainer {
        row_id: row.id.clone(),
        container_id: row.container_id.clone(),
        name: row.facts.name.clone(),
        workload_id: row.owner.workload_id().cloned(),
        role,
        since: stale.still.since,
        days: stale.days,
    }
}
