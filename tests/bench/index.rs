//! The index as `serve` keeps it, in this process: on a real database in a folder of its own, and on as many threads.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tinyforge_core::clock::{SharedClock, SystemClock};
use tinyforge_core::docker::SharedEngine;
use tinyforge_core::events::Bus;
use tinyforge_core::reconcile::{OwnActs, Parts, Reconciler, Rhythm};
use tinyforge_core::store::Store;
use tokio::runtime::{Builder, Runtime};

/// No periodic pass comes by itself while passes are asked for.
const NEVER: Duration = Duration::from_secs(3_600);

pub struct Index {
    reconciler: Reconciler,
    pub bus: Bus,
    home: TempDir,
}

impl Index {
    /// Once its first pass is through.
    pub async fn of(engine: SharedEngine) -> Self {
        let home = tempfile::tempdir().unwrap();
        let bus = Bus::default();
        let store = Store::open(home.path(), bus.clone(), jiff::Timestamp::now()).unwrap();
        let reconciler = Reconciler::start(Parts {
            engine,
            store,
            bus: bus.clone(),
            clock: Arc::new(SystemClock) as SharedClock,
            own: OwnActs::default(),
            rhythm: Rhythm { pass: NEVER, ..Rhythm::default() },
        });
        let pulse = reconciler.settled().await;
        assert_eq!(pulse.passes, 1, "the first pass is through: {pulse:?}");
        Self { reconciler, bus, home }
    }

    /// One periodic pass; how long it took by its own account, the listing's call included.
    pub async fn pass(&self) -> Duration {
        let before = self.reconciler.pulse().passes;
        // One that is due at once, and no other after it.
        self.reconciler.pass_every(Duration::ZERO).await;
        self.reconciler.pass_every(NEVER).await;
        let mut pulse = self.reconciler.watch();
        let after = pulse.wait_for(|pulse| pulse.passes > before).await.unwrap().clone();
        assert_eq!(after.passes, before + 1, "one pass");
        after.last_pass.unwrap()
    }

    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    pub async fn stop(self) {
        self.reconciler.stop().await;
    }
}

pub fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
