//! An engine that is found anew whenever who answers is asked: engines come and go, and so do their sockets.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::discover::{self, Environment};
use super::{Engine, EngineError, EngineIdentity, EventStream, Listed, SharedEngine};
use crate::rules::container::{ManagedContainer, Observed};
use crate::rules::disk::{Holdings, Usage};
use crate::rules::ids::ContainerId;

/// The engine that the environment means, as it is found at each [`Engine::identify`].
pub struct Seeking {
    environment: Environment,
    found: RwLock<Option<SharedEngine>>,
}

impl Seeking {
    #[must_use]
    pub fn from_environment() -> Self {
        Self { environment: Environment::of_process(), found: RwLock::new(None) }
    }

    fn found(&self, tried: &str) -> Result<SharedEngine, EngineError> {
        let found = self.found.read().unwrap_or_else(PoisonError::into_inner).clone();
        found.ok_or_else(|| EngineError::Absent {
            endpoint: self.endpoint(),
            detail: format!("{tried}: no engine has been found yet"),
        })
    }

    fn take(&self, engine: SharedEngine) {
        *self.found.write().unwrap_or_else(PoisonError::into_inner) = Some(engine);
    }
}

#[async_trait]
impl Engine for Seeking {
    fn endpoint(&self) -> String {
        let found = self
            .found
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|engine| engine.endpoint());
        found.unwrap_or_else(|| discover::meant(&self.environment))
    }

    /// Finds the engine; where the endpoint is still the same one, the connections to it are kept.
    async fn identify(&self) -> Result<EngineIdentity, EngineError> {
        let (engine, choice) = discover::open(&self.environment).await?;
        let known =
            self.found("identify").ok().filter(|known| known.endpoint() == choice.endpoint.to_string());
        let engine = known.unwrap_or(engine);
        let identity = engine.identify().await?;
        self.take(engine);
        Ok(identity)
    }

    async fn ping(&self) -> Result<(), EngineError> {
        self.found("ask for a sign of life")?.ping().await
    }

    async fn list(&self) -> Result<Vec<Listed>, EngineError> {
        self.found("list the containers")?.list().await
    }

    async fn list_managed(&self) -> Result<Vec<ManagedContainer>, EngineError> {
        self.found("list the managed containers")?.list_managed().await
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Option<Observed>, EngineError> {
        self.found("inspect")?.inspect(id).await
    }

    async fn inspect_whole(&self, id: &ContainerId) -> Result<Option<String>, EngineError> {
        self.found("inspect")?.inspect_whole(id).await
    }

    async fn logs(&self, id: &ContainerId, lines: u32) -> Result<Vec<String>, EngineError> {
        self.found("read the log")?.logs(id, lines).await
    }

    async fn usage(&self) -> Result<Usage, EngineError> {
        self.found("measure the disk")?.usage().await
    }

    async fn holdings(&self, id: &ContainerId) -> Result<Option<Holdings>, EngineError> {
        self.found("measure a container")?.holdings(id).await
    }

    async fn events(&self, since: Timestamp) -> Result<EventStream, EngineError> {
        self.found("subscribe to the events")?.events(since).await
    }

    async fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.found("start")?.start(id).await
    }

    async fn stop(&self, id: &ContainerId, grace: Option<Duration>) -> Result<(), EngineError> {
        self.found("stop")?.stop(id, grace).await
    }

    async fn restart(&self, id: &ContainerId, grace: Option<Duration>) -> Result<(), EngineError> {
        self.found("restart")?.restart(id, grace).await
    }
}

/// [`Seeking`], as the core takes it.
#[must_use]
pub fn from_environment() -> SharedEngine {
    Arc::new(Seeking::from_environment())
}
