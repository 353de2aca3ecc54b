//! `stale`: which containers nobody needs any more, why the others are needed, and what their users want for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use super::commands::{ExplainStale, FindStaleContainers, Pin, SetStaleThreshold, Snooze, Unpin};
use super::present::Names;
use super::shapes::{
    ApiError, ErrorCode, HeldVolume, StaleAnswer, StaleContainer, StaleDigest, StaleNews, StaleThreshold,
};
use super::{Answers, Control};
use crate::docker::EngineError;
use crate::events::NewlyStale;
use crate::reconcile::Link;
use crate::rules::container::State;
use crate::rules::diff::Change;
use crate::rules::disk::{self, Freed, Holdings, Removal, Usage};
use crate::rules::ids::{ContainerId, EngineId, RowId, WorkloadId};
use crate::rules::labels;
use crate::rules::row::{Owner, Row};
use crate::rules::stale::{self as rule, Evidence, Judgement, Scope, Stale, Threshold, Yardstick};
use crate::store::{StaleKey, StaleMemory, Wish};

/// Containers that are measured at once.
const MEASURED_AT_ONCE: usize = 8;

impl Answers<FindStaleContainers> for Control {
    async fn answer(&self, asked: FindStaleContainers) -> Result<Vec<StaleContainer>, ApiError> {
        let scene = self.scene().await?;
        let scope = if asked.foreign { Scope::Everybody } else { Scope::Workloads };
        let yardstick = |row: &Row| scene.yardstick(row, asked.days, scope);
        let found: Vec<(&Row, Stale)> = rule::find_stale_containers(&scene.rows, yardstick).collect();
        let ends = found.iter().map(|(row, _)| (row.id.clone(), row.container_id.clone()));
        let ends = self.parts.store.last_ends(ends.collect()).await?;
        let measured = self.measured(&found).await;
        Ok(found.iter().map(|(row, stale)| scene.stale_container(row, *stale, &ends, &measured)).collect())
    }
}

impl Answers<ExplainStale> for Control {
    async fn answer(&self, asked: ExplainStale) -> Result<StaleAnswer, ApiError> {
        let scene = self.scene().await?;
        let row = meant(&scene.rows, &asked.container)?;
        let ends = self.parts.store.last_ends(vec![(row.id.clone(), row.container_id.clone())]).await?;
        Ok(scene.answer(row, asked.days, &ends))
    }
}

impl Answers<Pin> for Control {
    async fn answer(&self, asked: Pin) -> Result<Vec<StaleAnswer>, ApiError> {
        self.wish(&asked.containers, Wish::Pin).await
    }
}

impl Answers<Unpin> for Control {
    async fn answer(&self, asked: Unpin) -> Result<Vec<StaleAnswer>, ApiError> {
        self.wish(&asked.containers, Wish::Unpin).await
    }
}

impl Answers<Snooze> for Control {
    async fn answer(&self, asked: Snooze) -> Result<Vec<StaleAnswer>, ApiError> {
        match asked.until {
            Some(until) if until > self.parts.clock.now() => {
                self.wish(&asked.containers, Wish::SnoozeUntil(until)).await
            }
            Some(past) => {
                Err(ApiError::new(ErrorCode::Usage, format!("a snooze until {past} would be over already")))
            }
            None => Err(ApiError::new(ErrorCode::Usage, "say until when it is to be snoozed")),
        }
    }
}

impl Answers<SetStaleThreshold> for Control {
    async fn answer(&self, asked: SetStaleThreshold) -> Result<StaleThreshold, ApiError> {
        self.must_write()?;
        let names = self.parts.store.workload_names().await?;
        let (id, name) = workload(&names, &asked.workload)?;
        self.parts.store.set_stale_threshold(&id, asked.days, self.parts.clock.now()).await?;
        let setting = self.stale_setting().await?;
        Ok(StaleThreshold {
            workload_id: id.to_string(),
            workload_name: name,
            days: Threshold::of(None, asked.days, setting).days,
            own: asked.days.is_some(),
        })
    }
}

/// Everything that a judgement needs, of one moment.
struct Scene {
    /// Newest first.
    rows: Vec<Row>,
    names: Names,
    memory: StaleMemory,
    setting: u32,
    now: Timestamp,
}

impl Control {
    async fn scene(&self) -> Result<Scene, ApiError> {
        let (_, rows) = self.rows_and_revision().await?;
        let memory = match self.engine_shown().await? {
            Some(engine) => self.parts.store.stale_memory(&engine).await?,
            None => StaleMemory::default(),
        };
        Ok(Scene {
            rows,
            names: self.parts.store.workload_names().await?,
            memory,
            setting: self.stale_setting().await?,
            now: self.parts.clock.now(),
        })
    }

    async fn stale_setting(&self) -> Result<u32, ApiError> {
        Ok(self.parts.store.typed_settings().await?.stale_threshold_days.unwrap_or(0))
    }

    pub(super) fn must_write(&self) -> Result<(), ApiError> {
        if self.parts.observes_only {
            return Err(ApiError::new(ErrorCode::Internal, "this process only observes"));
        }
        Ok(())
    }

    /// Finds all that are named before anything is written.
    async fn wish(&self, named: &[String], wish: Wish) -> Result<Vec<StaleAnswer>, ApiError> {
        self.must_write()?;
        if named.is_empty() {
            return Err(ApiError::new(ErrorCode::Usage, "name at least one container"));
        }
        let before = self.scene().await?;
        let mut meant_ones: Vec<&Row> = vec![];
        for name in named {
            let row = meant(&before.rows, name)?;
            if !meant_ones.iter().any(|known| known.id == row.id) {
                meant_ones.push(row);
            }
        }
        let engine = self.engine_shown().await?.unwrap_or_else(|| EngineId::new(""));
        let keys = meant_ones.iter().map(|row| StaleKey::of(row)).collect();
        self.parts.store.wish(&engine, keys, wish, before.now).await?;
        let after = Scene { memory: self.parts.store.stale_memory(&engine).await?, ..self.scene().await? };
        let ends = meant_ones.iter().map(|row| (row.id.clone(), row.container_id.clone())).collect();
        let ends = self.parts.store.last_ends(ends).await?;
        Ok(meant_ones.iter().map(|row| after.answer(row, None, &ends)).collect())
    }

    /// What each of them holds and frees; nothing where the engine cannot be asked.
    async fn measured(&self, found: &[(&Row, Stale)]) -> BTreeMap<RowId, Measured> {
        let there = found.iter().map(|(row, _)| *row).filter(|row| row.facts.state != State::Missing);
        let there: Vec<(&Row, ContainerId)> =
            there.filter_map(|row| Some((row, row.container_id.clone()?))).collect();
        if there.is_empty() || matches!(self.parts.index.pulse().link, Link::Away(_)) {
            return BTreeMap::new();
        }
        let engine = &self.parts.engine;
        let usage = engine.usage().await.inspect_err(unmeasured).ok();
        let ids: Vec<ContainerId> = there.iter().map(|(_, id)| id.clone()).collect();
        let holdings = ids.into_iter().map(|id| {
            let engine = Arc::clone(engine);
            async move { engine.holdings(&id).await.inspect_err(unmeasured).ok().flatten() }
        });
        let holdings: Vec<Option<Holdings>> =
            stream::iter(holdings).buffered(MEASURED_AT_ONCE).collect().await;
        let measured = there.iter().zip(holdings).filter_map(|((row, _), holds)| {
            let holds = holds?;
            let freed = usage.as_ref().map(|usage| freed(row, &holds, usage));
            Some((row.id.clone(), Measured { holds, freed }))
        });
        measured.collect()
    }

    pub(super) async fn stale_digest(&self, found: &NewlyStale) -> Result<StaleDigest, ApiError> {
        let names = self.parts.store.workload_names().await?;
        let of = |one: &crate::events::NewlyStaleContainer| StaleNews {
            id: one.row_id.to_string(),
            container_id: one.container_id.as_ref().map(ToString::to_string),
            name: one.name.clone(),
            workload_name: name_of(&names, one.workload_id.as_ref()),
            role: one.role.clone(),
            since: one.since,
            days_stale: one.days,
        };
        Ok(StaleDigest { at: found.at, containers: found.containers.iter().map(of).collect() })
    }
}

fn unmeasured(error: &EngineError) {
    tracing::warn!("what stale containers take cannot be told: {error}");
}

/// What a container was found to hold.
struct Measured {
    holds: Holdings,
    /// `None` where the disk could not be measured.
    freed: Option<Freed>,
}

/// Compose's containers never wait in the bin: Compose would revive or delete them there.
fn freed(row: &Row, holds: &Holdings, usage: &Usage) -> Freed {
    let compose = labels::value(&row.facts.labels, labels::COMPOSE_PROJECT).is_some();
    let removal = if compose { Removal::AtOnce } else { Removal::ByTheBin };
    disk::freed(&row.facts.image_id, holds, usage, removal)
}

pub(super) fn name_of(names: &Names, workload: Option<&WorkloadId>) -> Option<String> {
    workload.and_then(|id| names.get(id)).map(|known| known.name.clone())
}

impl Scene {
    fn yardstick(&self, row: &Row, asked: Option<u32>, scope: Scope) -> Yardstick {
        let own = self.memory.threshold(row.owner.workload_id());
        Yardstick {
            threshold: Threshold::of(asked, own, self.setting),
            scope,
            wishes: self.memory.wishes(row),
            now: self.now,
        }
    }

    /// The workload's name and the role in it; neither for a foreign one.
    fn place(&self, row: &Row) -> (Option<String>, Option<String>) {
        match &row.owner {
            Owner::Workload { id, role, .. } => (name_of(&self.names, Some(id)), Some(role.clone())),
            Owner::Foreign { .. } => (None, None),
        }
    }

    /// What `history` and `rm` take for it: its name, or where another has that too, or it has none, its id.
    fn handle(&self, row: &Row) -> String {
        let name = &row.facts.name;
        let alike = self.rows.iter().filter(|other| other.facts.name == *name || other.id.as_str() == name);
        if !name.is_empty() && alike.count() == 1 {
            return name.clone();
        }
        row.container_id.as_ref().map_or_else(|| row.id.to_string(), ToString::to_string)
    }

    fn stale_container(
        &self,
        row: &Row,
        stale: Stale,
        ends: &BTreeMap<RowId, Change>,
        measured: &BTreeMap<RowId, Measured>,
    ) -> StaleContainer {
        let measured = measured.get(&row.id);
        // What the engine no longer has frees nothing.
        let gone = (row.facts.state == State::Missing).then(Freed::default);
        let freed = measured.and_then(|measured| measured.freed.clone()).or(gone);
        let networks = measured.map(|measured| measured.holds.networks.clone()).unwrap_or_default();
        let volumes = freed.as_ref().map(|freed| freed.volumes.clone()).unwrap_or_default();
        let (workload_name, role) = self.place(row);
        StaleContainer {
            container: self.handle(row),
            workload_name,
            role,
            days_stale: stale.days,
            reasons: self.reasons(row, stale, ends.get(&row.id), &volumes, &networks),
            frees_bytes: freed.as_ref().map(Freed::total),
            frees_bytes_now: freed.as_ref().map(|freed| freed.now),
            frees_bytes_later: freed.as_ref().map(|freed| freed.later),
            volumes: volumes
                .into_iter()
                .map(|volume| HeldVolume { name: volume.name, bytes: volume.bytes })
                .collect(),
            networks,
            id: row.id.to_string(),
            container_id: row.container_id.as_ref().map(ToString::to_string),
            name: row.facts.name.clone(),
            state: row.facts.state,
            since: stale.still.since,
            exit_code: row.facts.exit_code,
            cause: ends.get(&row.id).map(|end| end.cause),
            superseded_by: rule::successor(row, &self.rows).map(|next| next.facts.name.clone()),
            proxy_route_id: row.decided.proxy_route_id.clone(),
        }
    }

    fn reasons(
        &self,
        row: &Row,
        stale: Stale,
        end: Option<&Change>,
        volumes: &[disk::HeldVolume],
        networks: &[String],
    ) -> Vec<String> {
        let volumes: Vec<String> = volumes.iter().map(|volume| volume.name.clone()).collect();
        rule::reasons(&Evidence {
            stale,
            state: row.facts.state,
            exit_code: row.facts.exit_code,
            error: row.facts.error.as_deref(),
            ended_by: end.map(|end| end.cause),
            successor: rule::successor(row, &self.rows),
            route: row.decided.proxy_route_id.as_deref(),
            volumes: &volumes,
            networks,
        })
    }

    fn answer(&self, row: &Row, asked: Option<u32>, ends: &BTreeMap<RowId, Change>) -> StaleAnswer {
        let yardstick = self.yardstick(row, asked, Scope::Workloads);
        let judged = rule::judge(row, &yardstick);
        let (workload_name, role) = self.place(row);
        let (why, text, until, still) = match judged {
            Judgement::Stale(stale) => {
                let reasons = self.reasons(row, stale, ends.get(&row.id), &[], &[]);
                ("stale", reasons.join(" "), None, Some((stale.still, stale.days)))
            }
            Judgement::Not(why) => (why.word(), why.to_string(), why.until(), why.still()),
        };
        StaleAnswer {
            container: self.handle(row),
            workload_name,
            role,
            stale: matches!(judged, Judgement::Stale(_)),
            why: why.to_owned(),
            text,
            until,
            since: still.map(|(still, _)| still.since),
            days_stale: still.map(|(_, days)| days),
            threshold_days: yardstick.threshold.days,
            pinned_at: yardstick.wishes.pinned_at,
            snoozed_until: yardstick.wishes.snoozed_until.filter(|until| *until > self.now),
            id: row.id.to_string(),
            container_id: row.container_id.as_ref().map(ToString::to_string),
            name: row.facts.name.clone(),
            state: row.facts.state,
        }
    }
}

/// The one row of that id, name, or beginning of an id; also of a container that is missing.
fn meant<'a>(rows: &'a [Row], wanted: &str) -> Result<&'a Row, ApiError> {
    let wanted = wanted.trim();
    let id = |row: &Row| row.container_id.as_ref().map_or("", |id| id.as_str()).to_owned();
    let finders: [&dyn Fn(&Row) -> bool; 3] =
        [&|row| id(row) == wanted || row.id.as_str() == wanted, &|row| row.facts.name == wanted, &|row| {
            id(row).starts_with(wanted)
        }];
    let mut found = vec![];
    if !wanted.is_empty() {
        let all = finders.iter().map(|is| rows.iter().filter(|row| is(row)).collect::<Vec<_>>());
        found = all.into_iter().find(|found| !found.is_empty()).unwrap_or_default();
    }
    match found.as_slice() {
        [] => Err(ApiError::new(
            ErrorCode::NotFound,
            format!("there is no container {wanted:?}; `tinyforge ps --all` shows every one"),
        )),
        [row] => Ok(row),
        several => {
            let names = several.iter().map(|row| {
                let id = row.container_id.as_ref().map_or(row.id.as_str(), |id| id.short());
                format!("{id} ({})", row.facts.name)
            });
            let names: Vec<String> = names.collect();
            Err(ApiError::new(
                ErrorCode::Ambiguous,
                format!("{wanted:?} may be any of {}; write more of the id", names.join(", ")),
            ))
        }
    }
}

/// The one workload of that name or id.
pub(super) fn workload(names: &Names, wanted: &str) -> Result<(WorkloadId, String), ApiError> {
    let named = names.iter().filter(|(id, known)| id.as_str() == wanted || known.name == wanted);
    let mut found: Vec<(WorkloadId, String)> =
        named.map(|(id, known)| (id.clone(), known.name.clone())).collect();
    if let Some(exact) = found.iter().position(|(id, _)| id.as_str() == wanted) {
        return Ok(found.swap_remove(exact));
    }
    match found.len() {
        0 => Err(ApiError::new(
            ErrorCode::NotFound,
            format!("there is no workload {wanted:?}; `tinyforge ps` shows those that have containers"),
        )),
        1 => Ok(found.swap_remove(0)),
        _ => {
            let ids: Vec<&str> = found.iter().map(|(id, _)| id.as_str()).collect();
            let message =
                format!("several workloads are called {wanted:?}; say which by its id: {}", ids.join(", "));
            Err(ApiError::new(ErrorCode::Ambiguous, message))
        }
    }
}
