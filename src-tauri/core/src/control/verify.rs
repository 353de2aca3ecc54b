//! `verify`: every row held against a fresh inspect. It mends nothing.
//!
//! The rows are the daemon's. A process that only observes has made a pass of its own in memory: what it would hold
//! against the engine is the engine. It takes the rows as they were written before it looked.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::commands::Verify;
use super::shapes::{ApiError, Difference, ErrorCode, Verification};
use super::{Answers, Control};
use crate::docker::EngineError;
use crate::rules::container::{Observed, State};
use crate::rules::ids::{ContainerId, EngineId};
use crate::rules::row::{Facts, Row};
use crate::store::{Store, StoreError};

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
        self.reachable().await?;
        // A ping is given up long before a listing is.
        self.parts.engine.ping().await?;
        let listed = self.parts.engine.list().await?;
        let known = self.rows_by_container().await?.into_keys();
        let mut open: BTreeSet<ContainerId> =
            listed.into_iter().map(|line| line.container_id).chain(known).collect();
        let all = open.len();
        let (mut suspects, mut hung) = (Suspects::new(), Suspects::new());
        for (turn, wait) in iter::once(Duration::ZERO).chain(PATIENCE).enumerate() {
            tokio::time::sleep(wait).await;
            let found = self.look_at(open).await?;
            hung.extend(found.hung);
            suspects = if turn == 0 { found.suspects } else { still_standing(&suspects, found.suspects) };
            open = suspects.keys().cloned().collect();
            if open.is_empty() {
                break;
            }
        }
        let differences: Vec<Difference> =
            suspects.into_values().chain(hung.into_values()).flatten().collect();
        let unchecked = differences.iter().filter(|difference| difference.field == INSPECT).count();
        Ok(Verification {
            equal: differences.is_empty(),
            checked: u64::try_from(all - unchecked).unwrap_or(u64::MAX),
            differences,
        })
    }
}

/// The rows of every engine whose index was ever written, as they were at one moment.
#[derive(Debug, Clone, Default)]
pub struct AsWritten {
    rows: BTreeMap<EngineId, Vec<Row>>,
}

impl AsWritten {
    pub async fn of(store: &Store) -> Result<Self, StoreError> {
        let mut rows = BTreeMap::new();
        for engine in store.engines().await? {
            let of_engine = store.containers(Some(&engine.id)).await?;
            rows.insert(engine.id, of_engine);
        }
        Ok(Self { rows })
    }

    /// Where nothing was ever written there is nothing that could be equal.
    fn of_engine(&self, engine: Option<&EngineId>) -> Result<Vec<Row>, ApiError> {
        let written = engine.and_then(|engine| self.rows.get(engine)).cloned();
        written.ok_or_else(|| {
            let message = "no index of this engine has been written yet, so there is nothing to verify; a daemon writes and keeps one (start it with: tinyforge serve)";
            ApiError::new(ErrorCode::NotFound, message)
        })
    }
}

/// What one look at some containers left open, by container.
#[derive(Default)]
struct Look {
    suspects: Suspects,
    /// Those whose inspect took its whole deadline: asking again would take as long.
    hung: Suspects,
}

type Suspects = BTreeMap<ContainerId, Vec<Difference>>;

impl Control {
    async fn rows_by_container(&self) -> Result<BTreeMap<ContainerId, Row>, ApiError> {
        let rows = match &self.parts.as_written {
            Some(written) => written.of_engine(self.engine_shown().await?.as_ref())?,
            None => self.rows_and_revision().await?.1,
        };
        Ok(rows.into_iter().filter_map(|row| Some((row.container_id.clone()?, row))).collect())
    }

    /// Reads the rows before the inspects and after them: what changes in between is in the one or the other.
    async fn look_at(&self, ids: BTreeSet<ContainerId>) -> Result<Look, ApiError> {
        let before = self.rows_by_container().await?;
        let seen = self.inspect_all(ids).await?;
        let after = self.rows_by_container().await?;
        let mut look = Look::default();
        for (id, seen) in seen {
            let rows = [before.get(&id), after.get(&id)];
            match seen {
                Ok(seen) => {
                    let differences = compare(&id, rows, seen.as_ref());
                    if !differences.is_empty() {
                        look.suspects.insert(id, differences);
                    }
                }
                Err(error) => {
                    let into = match error {
                        EngineError::Hung { .. } => &mut look.hung,
                        _ => &mut look.suspects,
                    };
                    into.insert(id.clone(), vec![unchecked(&id, rows[1], &error)]);
                }
            }
        }
        Ok(look)
    }

    /// An inspect that fails is that container's trouble, unless the engine itself no longer answers.
    async fn inspect_all(&self, ids: BTreeSet<ContainerId>) -> Result<BTreeMap<ContainerId, Seen>, ApiError> {
        let answers = stream::iter(ids).map(|id| async move {
            let seen = self.parts.engine.inspect(&id).await;
            if seen.as_ref().is_err_and(EngineError::is_away) {
                self.parts.engine.ping().await?;
            }
            Ok((id, seen))
        });
        answers.buffer_unordered(AT_ONCE).try_collect().await
    }
}

type Seen = Result<Option<Observed>, EngineError>;

/// The field of a difference that says: this one could not be checked.
const INSPECT: &str = "inspect";

fn unchecked(id: &ContainerId, row: Option<&Row>, error: &EngineError) -> Difference {
    Difference {
        container_id: id.to_string(),
        field: INSPECT.to_owned(),
        index: row.map(|row| row.facts.state.to_string()),
        engine: Some(format!("could not be checked: {error}")),
    }
}

/// Those of the differences that were there at the look before, with the index saying the same: where it says something
/// else by now, it is following a container that does not rest.
fn still_standing(before: &Suspects, now: Suspects) -> Suspects {
    let stood = |id: &ContainerId, found: &Difference| {
        // Where the look before could not tell, this one is the first.
        let same = |earlier: &Difference| {
            earlier.field == INSPECT || (earlier.field == found.field && earlier.index == found.index)
        };
        found.field == INSPECT || before.get(id).is_some_and(|earlier| earlier.iter().any(same))
    };
    let standing = now.into_iter().map(|(id, mut found)| {
        found.retain(|difference| stood(&id, difference));
        (id, found)
    });
    standing.filter(|(_, found)| !found.is_empty()).collect()
}

/// Field by field. What the engine said must be what the index said before the inspect or after it; what it said at
/// neither differs, unless the index was just changing it. A row that says missing says that there is no container.
fn compare(id: &ContainerId, rows: [Option<&Row>; 2], seen: Option<&Observed>) -> Vec<Difference> {
    let differ = |field: &str, index: Option<String>, engine: Option<String>| Difference {
        container_id: id.to_string(),
        field: field.to_owned(),
        index,
        engine,
    };
    let state = rows[1].map(|row| row.facts.state.to_string());
    match (rows.map(|row| row.filter(|row| row.facts.state != State::Missing)), seen) {
        ([None, _] | [_, None], None) | ([Some(_), None] | [None, Some(_)], Some(_)) => vec![],
        ([Some(_), Some(_)], None) => vec![differ("state", state, None)],
        ([None, None], Some(seen)) => vec![differ("state", state, Some(seen.state.to_string()))],
        ([Some(before), Some(after)], Some(seen)) => {
            let index = fields(&before.facts).into_iter().zip(fields(&after.facts));
            let both = index.zip(fields(&Facts::of(seen)));
            both.filter(|((before, after), engine)| before == after && after != engine)
                .map(|((_, (field, ours)), (_, theirs))| differ(field, Some(ours), Some(theirs)))
                .collect()
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
