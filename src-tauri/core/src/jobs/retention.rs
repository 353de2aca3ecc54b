//! Removes what of the past is too old or too much, as the settings say.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Job;
use crate::clock::SharedClock;
use crate::store::{HistoryBounds, Store};

/// What is too old is counted in days.
const PERIOD: Duration = Duration::from_secs(6 * 3_600);

/// Not while everything else starts.
const AFTER: Duration = Duration::from_secs(600);

#[must_use]
pub fn job(store: Store, clock: SharedClock) -> Job {
    let work = move || {
        let (store, clock) = (store.clone(), Arc::clone(&clock));
        Box::pin(async move {
            let settings = store.typed_settings().await.map_err(|error| error.to_string())?;
            let bounds = HistoryBounds { days: settings.history_days, lines: settings.history_changes };
            let removed =
                store.forget_the_past(bounds, clock.now()).await.map_err(|error| error.to_string())?;
            if removed > 0 {
                tracing::info!(removed, "what was too old of the history was removed");
            }
            Ok(())
        }) as Pin<Box<_>>
    };
    Job {
        name: "retention",
        purpose: "the removal of history that is too old",
        period: PERIOD,
        after: AFTER,
        work: Box::new(work),
    }
}
