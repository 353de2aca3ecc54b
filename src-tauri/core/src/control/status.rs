//! Version, engine, index, database, listeners.

use std::sync::PoisonError;

use super::commands::{GetSnapshot, GetStatus};
use super::shapes::{
    ApiError, DatabaseStatus, DnsStatus, EngineState, EngineStatus, IndexStatus, ProxyStatus, Snapshot,
    Status, WebhookStatus,
};
use super::{Answers, Control, present};
use crate::docker::EngineError;
use crate::docker::fake::Demo;
use crate::reconcile::{Link, Pulse};
use crate::rules::verdict::Tally;

/// The zone of names beside `.localhost`, until the name server asks the settings for it.
const ZONE: &str = "test";

impl Answers<GetStatus> for Control {
    async fn answer(&self, _: GetStatus) -> Result<Status, ApiError> {
        self.status().await
    }
}

impl Answers<GetSnapshot> for Control {
    async fn answer(&self, _: GetSnapshot) -> Result<Snapshot, ApiError> {
        let status = self.status().await?;
        let names = self.parts.store.workload_names().await?;
        let (revision, rows) = self.rows_and_revision().await?;
        let seen = present::Seen { verified_at: status.index.verified_at, ..self.seen() };
        let containers = rows.iter().map(|row| present::container(row, &names, seen)).collect();
        Ok(Snapshot { revision, containers, status })
    }
}

impl Control {
    pub(super) async fn status(&self) -> Result<Status, ApiError> {
        let pulse = self.parts.index.pulse();
        let now = self.parts.clock.now();
        let uptime = u64::try_from(now.duration_since(self.parts.started).as_secs()).unwrap_or(0);
        let keeps = !self.parts.observes_only;
        Ok(Status {
            version: crate::VERSION.to_owned(),
            pid: keeps.then(std::process::id),
            uptime_s: keeps.then_some(uptime),
            engine: self.engine_status(&pulse),
            index: self.index_status(&pulse).await?,
            database: self.database_status(&pulse),
            proxy: ProxyStatus { address: None, state: "off".to_owned(), routes: 0 },
            webhook: WebhookStatus { address: None, enabled: false },
            dns: DnsStatus { address: None, zone: ZONE.to_owned(), enabled: false },
            verdicts: self.tally(&pulse).await?,
        })
    }

    /// The verdicts on all containers, counted once for each revision of the index.
    async fn tally(&self, pulse: &Pulse) -> Result<Tally, ApiError> {
        let engine = match &pulse.engine {
            Some(engine) => Some(engine.id.clone()),
            None => self.last_engine().await?.map(|engine| engine.id),
        };
        let known = self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let stands = (engine.clone(), self.parts.store.revision().await?);
        if let Some((_, tally)) = known.filter(|(counted, _)| *counted == stands) {
            return Ok(tally);
        }
        let (revision, rows) = self.parts.store.index_of(engine.as_ref()).await?;
        let tally = Tally::of(&rows, self.parts.clock.now());
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner) = Some(((engine, revision), tally));
        Ok(tally)
    }

    fn engine_status(&self, pulse: &Pulse) -> EngineStatus {
        let (state, why) = engine_state(pulse);
        let why = why.or(pulse.unlisted.as_ref());
        let endpoint = self.parts.engine.endpoint();
        EngineStatus {
            state,
            version: pulse.engine.as_ref().map(|engine| engine.version.clone()),
            api_version: pulse.engine.as_ref().map(|engine| engine.api_version.clone()),
            id: pulse.engine.as_ref().map(|engine| engine.id.to_string()),
            latency_ms: pulse.latency.map(|latency| (latency.as_secs_f64() * 1e6).round() / 1e3),
            since: pulse.since,
            reason: why.map(ToString::to_string),
            cure: why.map(|error| error.cure().to_owned()),
            simulated: Demo::is_at(&endpoint),
            endpoint,
        }
    }

    async fn index_status(&self, pulse: &Pulse) -> Result<IndexStatus, ApiError> {
        let (revision, verified_at, containers) = match &pulse.engine {
            Some(_) => (pulse.revision, pulse.verified_at, pulse.containers),
            None => {
                let (revision, rows) = self.rows_and_revision().await?;
                let verified_at = self.last_engine().await?.and_then(|engine| engine.verified_at);
                (revision, verified_at, u64::try_from(rows.len()).unwrap_or(u64::MAX))
            }
        };
        let age = verified_at.map(|at| self.parts.clock.now().duration_since(at).as_millis());
        Ok(IndexStatus {
            containers,
            revision,
            verified_at,
            age_ms: age.map(|ms| u64::try_from(ms).unwrap_or(0)),
            last_pass_ms: pulse.last_pass.map(|pass| (pass.as_secs_f64() * 1e6).round() / 1e3),
            passes: pulse.passes,
            events: pulse.events,
            divergences: pulse.divergences,
            unreadable: pulse.stuck,
        })
    }

    fn database_status(&self, pulse: &Pulse) -> DatabaseStatus {
        let store = &self.parts.store;
        let notes = store.report().notes.iter().map(ToString::to_string).collect::<Vec<_>>();
        let found = (!notes.is_empty()).then(|| notes.join("; "));
        DatabaseStatus {
            path: self.parts.home.database().display().to_string(),
            bytes: store.bytes(),
            schema_version: store.schema_version(),
            ok: pulse.store_trouble.is_none() && !store.report().is_damaged(),
            note: pulse.store_trouble.as_ref().map(|trouble| trouble.text.clone()).or(found),
        }
    }
}

/// The link in the contract's words: an engine that answered before is away, one that never did is absent.
fn engine_state(pulse: &Pulse) -> (EngineState, Option<&EngineError>) {
    match &pulse.link {
        Link::Connected => (EngineState::Connected, None),
        Link::Away(error @ EngineError::Denied { .. }) => (EngineState::Denied, Some(error)),
        Link::Away(error) if pulse.engine.is_some() => (EngineState::Away, Some(error)),
        Link::Away(error @ EngineError::Absent { .. }) => (EngineState::Absent, Some(error)),
        Link::Away(error) => (EngineState::Away, Some(error)),
        Link::Seeking => (EngineState::Away, None),
    }
}
