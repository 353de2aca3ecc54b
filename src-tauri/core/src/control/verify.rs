//! `verify`: every row held against a fresh inspect. It mends nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};

use super::commands::Verify;
use super::shapes::{ApiError, Difference, Verification};
use super::{Answers, Control};
use crate::rules::container::{Observed, State};
use crate::rules::ids::ContainerId;
use crate::rules::row::{Facts, Row};

/// Inspects at once.
const AT_ONCE: usize = 8;
/// A difference counts only if it outlasts these waits: a change may just be on its way into the index.
const PATIENCE: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(150),
    Duration::from_millis(400),
    Duration::from_millis(900),
];

impl Answers<Verify> for Control {
    async fn answer(&self, _: Verify) -> Result<Verification, ApiError> {
        self.reachable()?;
        let listed = self.parts.engine.list().await?;
        let rows = self.rows_by_container().await?;
        let ids: BTreeSet<ContainerId> =
            listed.into_iter().map(|line| line.container_id).chain(rows.keys().cloned()).collect();
        let checked = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        let mut suspects = self.differing(ids, &rows).await?;
        for wait in PATIENCE {
            if suspects.is_empty() {
                break;
            }
            tokio::time::sleep(wait).await;
            let rows = self.rows_by_container().await?;
            suspects = self.differing(suspects.into_keys().collect(), &rows).await?;
        }
        let differences: Vec<Difference> = suspects.into_values().flatten().collect();
        Ok(Verification { equal: differences.is_empty(), checked, differences })
    }
}

impl Control {
    async fn rows_by_container(&self) -> Result<BTreeMap<ContainerId, Row>, ApiError> {
        let (_, rows) = self.rows_and_revision().await?;
        Ok(rows.into_iter().filter_map(|row| Some((row.container_id.clone()?, row))).collect())
    }

    async fn differing(
        &self,
        ids: BTreeSet<ContainerId>,
        rows: &BTreeMap<ContainerId, Row>,
    ) -> Result<BTreeMap<ContainerId, Vec<Difference>>, ApiError> {
        let mut answers = stream::iter(ids)
            .map(|id| async move {
                let seen = self.parts.engine.inspect(&id).await;
                (id, seen)
            })
            .buffer_unordered(AT_ONCE);
        let mut found = BTreeMap::new();
        while let Some((id, seen)) = answers.next().await {
            let differences = compare(&id, rows.get(&id), seen?.as_ref());
            if !differences.is_empty() {
                found.insert(id, differences);
            }
        }
        Ok(found)
    }
}

/// Field by field. A workload's row of a container that is gone says missing, and so agrees.
fn compare(id: &ContainerId, row: Option<&Row>, seen: Option<&Observed>) -> Vec<Difference> {
    let differ = |field: &str, index: Option<String>, engine: Option<String>| Difference {
        container_id: id.to_string(),
        field: field.to_owned(),
        index,
        engine,
    };
    match (row, seen) {
        (None, None) => vec![],
        (Some(row), None) if row.facts.state == State::Missing => vec![],
        (Some(row), None) => vec![differ("state", Some(row.facts.state.to_string()), None)],
        (None, Some(seen)) => vec![differ("state", None, Some(seen.state.to_string()))],
        (Some(row), Some(seen)) => {
            let (index, engine) = (fields(&row.facts), fields(&Facts::of(seen)));
            let pairs = index.into_iter().zip(engine).filter(|(ours, theirs)| ours != theirs);
            pairs.map(|((field, ours), (_, theirs))| differ(field, Some(ours), Some(theirs))).collect()
        }
    }
}

fn fields(facts: &Facts) -> [(&'static str, String); 16] {
    let time = |time: Option<jiff::Timestamp>| time.map_or("never".to_owned(), |time| time.to_string());
    [
        ("name", facts.name.clone()),
        ("image", facts.image.clone()),
        ("image_id", facts.image_id.clone()),
        ("state", facts.state.to_string()),
        ("health", facts.health.to_string()),
        ("exit_code", facts.exit_code.map_or("none".to_owned(), |code| code.to_string())),
        ("oom_killed", facts.oom_killed.to_string()),
        ("restart_count", facts.restart_count.to_string()),
        ("error", facts.error.clone().unwrap_or_default()),
        ("ports", format!("{:?}", facts.ports)),
        ("labels", format!("{:?}", facts.labels)),
        ("created_at", time(facts.container_created_at)),
        ("started_at", time(facts.started_at)),
        ("finished_at", time(facts.finished_at)),
        ("restart_policy", facts.restart_policy.clone()),
        ("auto_remove", facts.auto_remove.to_string()),
    ]
}
