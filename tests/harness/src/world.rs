//! A small world for stories: the fake engine, the real reconciler, the real store in memory, and tokio's paused clock.
//!
//! Time passes only where a story waits, and then at once: a story of ten minutes takes milliseconds.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tinyforge_core::clock::{Clock, SharedClock};
use tinyforge_core::control::client::Face;
use tinyforge_core::control::{Control, ControlParts};
use tinyforge_core::docker::fake::FakeEngine;
use tinyforge_core::events::{Bus, Event, Heard, IndexChange, Subscriber};
use tinyforge_core::home::Home;
use tinyforge_core::jobs::Board;
use tinyforge_core::notify::webhook::Outgoing;
use tinyforge_core::notify::webhook::post::HttpPost;
use tinyforge_core::reconcile::{OwnActs, Parts, Pulse, Reconciler, Rhythm};
use tinyforge_core::rules::container::{Observed, State, WorkloadKind};
use tinyforge_core::rules::ids::{ContainerId, EngineId, WorkloadId};
use tinyforge_core::rules::row::{Facts, Row};
use tinyforge_core::rules::secret::KeyRecord;
use tinyforge_core::rules::time::micros;
use tinyforge_core::secrets::{Ledger, Vault};
use tinyforge_core::store::{NewShape, NewWorkload, Store};

/// tokio's clock, with the fake engine's wall time; the wall may be set apart from it.
#[derive(Clone)]
pub struct StoryClock {
    engine: FakeEngine,
    began: tokio::time::Instant,
    jump: Arc<std::sync::Mutex<jiff::SignedDuration>>,
}

impl StoryClock {
    #[must_use]
    pub fn of(engine: &FakeEngine) -> Self {
        Self { engine: engine.clone(), began: tokio::time::Instant::now(), jump: Arc::default() }
    }

    /// Somebody sets the wall clock.
    pub fn jump(&self, by: jiff::SignedDuration) {
        *self.jump.lock().unwrap() += by;
    }
}

impl Clock for StoryClock {
    fn now(&self) -> Timestamp {
        micros(self.engine.now()).checked_add(*self.jump.lock().unwrap()).unwrap()
    }

    fn steady(&self) -> Duration {
        self.began.elapsed()
    }
}

pub struct World {
    pub engine: FakeEngine,
    pub store: Store,
    pub bus: Bus,
    pub clock: StoryClock,
    pub index: Reconciler,
    pub jobs: Board,
    pub outgoing: Outgoing,
    pub heard: Subscriber,
    _keys: tempfile::TempDir,
}

impl World {
    /// A world whose reconciler has just been started.
    #[must_use]
    pub fn begin(engine: FakeEngine) -> Self {
        let bus = Bus::default();
        let store = Store::in_memory(bus.clone()).unwrap();
        Self::begin_with(engine, store, bus)
    }

    /// The same on a store that has a past.
    #[must_use]
    pub fn begin_with(engine: FakeEngine, store: Store, bus: Bus) -> Self {
        let clock = StoryClock::of(&engine);
        let heard = bus.subscribe();
        let index = Reconciler::start(Parts {
            engine: Arc::new(engine.clone()),
            store: store.clone(),
            bus: bus.clone(),
            clock: Arc::new(clock.clone()) as SharedClock,
            own: OwnActs::default(),
            rhythm: Rhythm::default(),
        });
        let keys = tempfile::tempdir().unwrap();
        let shared = Arc::new(clock.clone()) as SharedClock;
        let vault = vault(&store, &shared, keys.path());
        let outgoing = Outgoing::new(store.clone(), vault, shared, Arc::new(HttpPost::default()));
        Self { engine, store, bus, clock, index, jobs: Board::default(), outgoing, heard, _keys: keys }
    }

    /// A world with one workload, whose first pass is through.
    pub async fn begin_with_workload(engine: FakeEngine, name: &str, kind: WorkloadKind) -> Self {
        let bus = Bus::default();
        let store = Store::in_memory(bus.clone()).unwrap();
        let shape = match kind {
            WorkloadKind::Project => NewShape::Project { image: name.to_owned() },
            WorkloadKind::Stack | WorkloadKind::Site => panic!("only projects so far"),
        };
        let workload = NewWorkload { id: WorkloadId::new(name), name: name.to_owned(), shape };
        store.add_workload(workload, engine.now()).await.unwrap();
        let mut world = Self::begin_with(engine, store, bus);
        world.index.settled().await;
        world.drain();
        world
    }

    /// A world whose first pass is through.
    pub async fn settled(engine: FakeEngine) -> Self {
        let mut world = Self::begin(engine);
        world.index.settled().await;
        world.drain();
        world
    }

    /// What a face in this process asks.
    #[must_use]
    pub fn face(&self) -> Face {
        Face::Local(Arc::new(Control::new(ControlParts {
            home: Home::at("/nowhere"),
            engine: Arc::new(self.engine.clone()),
            store: self.store.clone(),
            index: self.index.clone(),
            jobs: self.jobs.clone(),
            outgoing: self.outgoing.clone(),
            bus: self.bus.clone(),
            clock: Arc::new(self.clock.clone()) as SharedClock,
            started: self.clock.now(),
            observes_only: false,
            silent_daemon: None,
            as_written: None,
        })))
    }

    pub async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    #[must_use]
    pub fn pulse(&self) -> Pulse {
        self.index.pulse()
    }

    pub async fn rows(&self) -> Vec<Row> {
        self.store.containers(Some(&self.engine.engine_id())).await.unwrap()
    }

    pub async fn rows_of(&self, engine: &str) -> Vec<Row> {
        self.store.containers(Some(&EngineId::new(engine))).await.unwrap()
    }

    pub async fn row(&self, id: &ContainerId) -> Option<Row> {
        self.rows().await.into_iter().find(|row| row.container_id.as_ref() == Some(id))
    }

    /// The row's state, in a word; `-` where there is no row.
    pub async fn state(&self, id: &ContainerId) -> String {
        self.row(id).await.map_or("-".to_owned(), |row| row.facts.state.to_string())
    }

    /// Waits until the index equals the engine, at most `within`, and tells how long it took.
    pub async fn equal_within(&self, within: Duration) -> Duration {
        let began = tokio::time::Instant::now();
        loop {
            let differences = self.differences().await;
            if differences.is_empty() {
                return began.elapsed();
            }
            assert!(
                began.elapsed() < within,
                "not equal after {:?}:\n{}\n{:?}",
                began.elapsed(),
                differences.join("\n"),
                self.pulse()
            );
            // Closer looks at first: what takes long is not looked at a hundred thousand times.
            tokio::time::sleep(Duration::from_millis(5).max(began.elapsed() / 50)).await;
        }
    }

    /// Waits until the index agrees with the engine in all that a listing shows: which there are, state and name.
    pub async fn listed_within(&self, within: Duration) {
        let began = tokio::time::Instant::now();
        loop {
            let gone = |row: &Row| row.facts.state == State::Missing;
            let ours: BTreeMap<_, _> = (self.rows().await.into_iter())
                .filter(|row| !gone(row))
                .filter_map(|row| Some((row.container_id?, (row.facts.state, row.facts.name))))
                .collect();
            let theirs: BTreeMap<_, _> =
                self.engine.truth().into_iter().map(|(id, seen)| (id, (seen.state, seen.name))).collect();
            if ours == theirs {
                return;
            }
            assert!(began.elapsed() < within, "after {:?}: {ours:?} and {theirs:?}", began.elapsed());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What the index says otherwise than the engine, a line each.
    pub async fn differences(&self) -> Vec<String> {
        differences(&self.rows().await, &self.engine.truth())
    }

    /// The history of a container: `field from→to cause`, oldest first.
    pub async fn story(&self, id: &ContainerId) -> Vec<String> {
        let log = self.store.log(None, 10_000).await.unwrap();
        log.iter()
            .filter(|line| line.recorded.container_id.as_ref() == Some(id))
            .map(|line| {
                let change = &line.recorded.change;
                let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
                format!(
                    "{} {}→{} {}",
                    change.field.as_str(),
                    text(&change.from),
                    text(&change.to),
                    change.cause.as_str()
                )
            })
            .collect()
    }

    /// The index's announcements since the last call.
    pub fn drain(&mut self) -> Vec<Arc<IndexChange>> {
        let mut heard = vec![];
        while let Some(event) = futures_util::FutureExt::now_or_never(self.heard.next()) {
            match event {
                Heard::Event(Event::IndexChanged(change)) => heard.push(change),
                Heard::Event(_) => {}
                Heard::Lagged(missed) => panic!("the story's subscriber lagged by {missed}"),
                Heard::Closed => break,
            }
        }
        heard
    }
}

/// A story's secrets, whose key lies in this folder.
#[must_use]
pub fn vault(store: &Store, clock: &SharedClock, folder: &Path) -> Vault {
    Vault::new(Arc::new(Records(store.clone(), Arc::clone(clock))), folder, None)
}

struct Records(Store, SharedClock);

#[async_trait]
impl Ledger for Records {
    async fn key_record(&self) -> Result<Option<KeyRecord>, String> {
        self.0.key_record().await.map_err(|error| error.to_string())
    }

    async fn record_key(&self, record: KeyRecord) -> Result<KeyRecord, String> {
        self.0.record_key(record, self.1.now()).await.map_err(|error| error.to_string())
    }
}

/// Rows against the truth, a line for each difference. Missing rows stand for what is gone.
#[must_use]
pub fn differences(rows: &[Row], truth: &BTreeMap<ContainerId, Observed>) -> Vec<String> {
    let mut found = vec![];
    let mut unseen: BTreeMap<&ContainerId, &Observed> = truth.iter().collect();
    for row in rows {
        let Some(id) = &row.container_id else { continue };
        match unseen.remove(id) {
            None if row.facts.state == State::Missing => {}
            None => found.push(format!("{row}: not on the engine")),
            Some(seen) if Facts::of(seen) != row.facts => {
                found.push(format!(
                    "{row}: the engine says {:?}, the index {:?}",
                    Facts::of(seen),
                    row.facts
                ));
            }
            Some(_) => {}
        }
    }
    found.extend(
        unseen.into_values().map(|seen| format!("{} {}: no row", seen.container_id.short(), seen.name)),
    );
    found
}
