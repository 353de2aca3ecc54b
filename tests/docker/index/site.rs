//! A real engine with the real core watching it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::engine::{RealEngine, Release};
use harness::world::differences;
use tinyforge_core::clock::{SharedClock, SystemClock};
use tinyforge_core::docker::SharedEngine;
use tinyforge_core::docker::bollard::DockerEngine;
use tinyforge_core::docker::endpoint::Endpoint;
use tinyforge_core::events::Bus;
use tinyforge_core::reconcile::{OwnActs, Parts, Pulse, Reconciler, Rhythm};
use tinyforge_core::rules::container::Observed;
use tinyforge_core::rules::ids::ContainerId;
use tinyforge_core::rules::row::Row;
use tinyforge_core::store::Store;

/// How long the first pass may take to be through on a busy machine.
const UP: Duration = Duration::from_secs(60);

pub struct Site {
    pub release: Release,
    pub engine: RealEngine,
    pub door: SharedEngine,
    pub store: Store,
    pub bus: Bus,
    pub index: Reconciler,
    _home: tempfile::TempDir,
}

impl Site {
    /// An engine of its own, the core upon it, the first pass through.
    pub async fn open() -> Self {
        Self::open_on(Release::Own).await
    }

    pub async fn open_on(release: Release) -> Self {
        let start = move || RealEngine::start_release(release);
        let engine = tokio::task::spawn_blocking(start).await.unwrap();
        let home = tempfile::tempdir().unwrap();
        let bus = Bus::default();
        let store = Store::open(home.path(), bus.clone(), jiff::Timestamp::now()).unwrap();
        let door = engine.door();
        let index = watch(&door, &store, &bus);
        index.settled().await;
        let site = Self { release, engine, door, store, bus, index, _home: home };
        // Podman's first answer about itself may take longer than a call is waited for.
        site.pulse_within(UP, "the first pass is through", |pulse| pulse.passes > 0).await;
        site
    }

    /// Goes on watching by another way to the engine.
    pub async fn watch_through(&mut self, socket: &Path) {
        self.index.stop().await;
        let door: SharedEngine = Arc::new(DockerEngine::new(&Endpoint::Unix(socket.to_owned())).unwrap());
        self.index = watch(&door, &self.store, &self.bus);
        self.pulse_within(UP, "the first pass is through", |pulse| pulse.passes > 0).await;
    }

    pub fn pulse(&self) -> Pulse {
        self.index.pulse()
    }

    pub async fn rows(&self) -> Vec<Row> {
        let engine = self.pulse().engine.expect("an engine has answered").id;
        self.store.containers(Some(&engine)).await.unwrap()
    }

    pub async fn row(&self, id: &ContainerId) -> Option<Row> {
        self.rows().await.into_iter().find(|row| row.container_id.as_ref() == Some(id))
    }

    /// The row's state; `-` where there is no row.
    pub async fn state(&self, id: &ContainerId) -> String {
        self.row(id).await.map_or("-".to_owned(), |row| row.facts.state.to_string())
    }

    /// Every container by a fresh inspect.
    pub async fn truth(&self) -> BTreeMap<ContainerId, Observed> {
        let mut truth = BTreeMap::new();
        for line in self.door.list().await.unwrap() {
            if let Some(seen) = self.door.inspect(&line.container_id).await.unwrap() {
                truth.insert(line.container_id, seen);
            }
        }
        truth
    }

    /// Waits until the index equals the engine; tells how long it took.
    pub async fn equal_within(&self, within: Duration) -> Duration {
        let began = Instant::now();
        loop {
            let found = differences(&self.rows().await, &self.truth().await);
            if found.is_empty() {
                return began.elapsed();
            }
            assert!(
                began.elapsed() < within,
                "not equal after {:?}:\n{}\n{:?}",
                began.elapsed(),
                found.join("\n"),
                self.pulse()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits for a condition on the pulse.
    pub async fn pulse_within(&self, within: Duration, what: &str, is: impl FnMut(&Pulse) -> bool) {
        let mut pulse = self.index.watch();
        let reached = tokio::time::timeout(within, pulse.wait_for(is)).await.is_ok();
        assert!(reached, "{what}: not within {within:?}: {:?}", self.pulse());
    }

    /// A container's history: `field from→to cause`, oldest first.
    pub async fn story(&self, id: &ContainerId) -> Vec<String> {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let log = self.store.log(None, 10_000).await.unwrap();
        let lines =
            log.iter().map(|line| &line.recorded).filter(|line| line.container_id.as_ref() == Some(id));
        lines
            .map(|line| {
                let change = &line.change;
                let (from, to) = (text(&change.from), text(&change.to));
                format!("{} {from}→{to} {}", change.field.as_str(), change.cause.as_str())
            })
            .collect()
    }

    /// The last line of the history that tells a state.
    pub async fn last_state_line(&self, id: &ContainerId) -> String {
        self.story(id).await.into_iter().rfind(|line| line.starts_with("state")).unwrap_or_default()
    }
}

fn watch(door: &SharedEngine, store: &Store, bus: &Bus) -> Reconciler {
    Reconciler::start(Parts {
        engine: Arc::clone(door),
        store: store.clone(),
        bus: bus.clone(),
        clock: Arc::new(SystemClock) as SharedClock,
        own: OwnActs::default(),
        rhythm: Rhythm::default(),
    })
}
