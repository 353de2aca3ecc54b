//! A believable machine, for the demo: containers of every state, and a life that goes on by itself.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{FakeEngine, RestartPolicy, Spec};
use crate::docker::{EngineError, SharedEngine};
use crate::rules::container::Health;
use crate::rules::ids::ContainerId;

/// The same life at every start of the demo.
const SEED: u64 = 7;

/// How the name of the folder begins in which a demo's socket is.
const FOLDER: &str = "tinyforge-demo-engine-";

/// The demo as the core takes it: an engine that goes on by itself, until this is dropped.
///
/// Where there are Unix sockets it is served at one, in a folder of its own, and the door to it is the ordinary one:
/// the demo runs what a real engine runs, and a person may act on it from outside with `docker -H`.
pub struct Demo {
    door: SharedEngine,
    life: JoinHandle<()>,
    #[cfg(unix)]
    _socket: socket::Socket,
}

impl Demo {
    /// Begins it; needs a tokio runtime.
    ///
    /// # Errors
    /// [`EngineError::Endpoint`] where no socket can be made below the system's temporary folder.
    pub fn begin(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Result<Self, EngineError> {
        let (engine, life) = FakeEngine::demo(now)?;
        #[cfg(unix)]
        {
            let (door, socket) = socket::open(engine)?;
            Ok(Self { door, life: tokio::spawn(life.go_on()), _socket: socket })
        }
        #[cfg(not(unix))]
        Ok(Self { door: Arc::new(engine), life: tokio::spawn(life.go_on()) })
    }

    /// Whether what is reached there is a demo.
    #[must_use]
    pub fn is_at(endpoint: &str) -> bool {
        endpoint == super::FAKE_ENDPOINT || endpoint.contains(FOLDER)
    }

    #[must_use]
    pub fn door(&self) -> SharedEngine {
        Arc::clone(&self.door)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.life.abort();
    }
}

#[cfg(unix)]
mod socket {
    use std::io;
    use std::sync::Arc;

    use tempfile::TempDir;

    use crate::docker::bollard::DockerEngine;
    use crate::docker::fake::FakeEngine;
    use crate::docker::fake::served::{Idiom, Served};
    use crate::docker::{EngineError, SharedEngine};

    /// The socket, and then its folder, go with it.
    pub(super) struct Socket {
        _served: Served,
        _folder: TempDir,
    }

    pub(super) fn open(engine: FakeEngine) -> Result<(SharedEngine, Socket), EngineError> {
        let unusable =
            |error: io::Error| EngineError::Endpoint(format!("the demo's socket cannot be made: {error}"));
        let folder = tempfile::Builder::new().prefix(super::FOLDER).tempdir().map_err(unusable)?;
        let served =
            Served::start(engine, &folder.path().join("docker.sock"), Idiom::Api147).map_err(unusable)?;
        let door = Arc::new(DockerEngine::new(&served.endpoint())?);
        Ok((door, Socket { _served: served, _folder: folder }))
    }
}

impl FakeEngine {
    /// A world of every state, stamped by `now`, and the life that moves it while it is awaited.
    ///
    /// # Errors
    /// None that a fresh world can give; the engine's own, should a story in here contradict itself.
    pub fn demo(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Result<(Self, DemoLife), EngineError> {
        let engine = Self::with_clock(SEED, now);
        let cast = Cast::enter(&engine)?;
        let life = DemoLife { engine: engine.clone(), cast, chance: fastrand::Rng::with_seed(SEED) };
        Ok((engine, life))
    }
}

/// Who lives in the demo.
struct Cast {
    shop: ContainerId,
    worker: ContainerId,
    blog: ContainerId,
    crasher: ContainerId,
}

impl Cast {
    fn enter(engine: &FakeEngine) -> Result<Self, EngineError> {
        let always = RestartPolicy::UnlessStopped;
        let service = |name: &str, image: &str, project: &str, service: &str| {
            Spec::named(name).image(image).compose(project, service).restart(always)
        };
        let shop = engine.run(
            service("shop-web-1", "localhost:5000/shop:v12", "shop", "web").publish(8080).health_check(),
        )?;
        engine.set_health(&shop, Health::Healthy)?;
        engine.run(service("shop-db-1", "postgres:17", "shop", "db").expose(5432).health_check())?;
        engine.run(service("shop-cache-1", "valkey:8", "shop", "cache").expose(6379))?;
        let worker = engine.run(service("shop-worker-1", "localhost:5000/shop:v12", "shop", "worker"))?;
        let blog =
            engine.run(Spec::named("blog").image("localhost:5000/blog:v3").publish(80).health_check())?;
        engine.set_health(&blog, Health::Unhealthy)?;
        let paused = engine.run(Spec::named("report-nightly").image("localhost:5000/report:v1"))?;
        engine.pause(&paused)?;
        let old = Spec::named("blog-old").image_of(
            "localhost:5000/blog:v2",
            "sha256:2222",
            180_000_000,
            60_000_000,
        );
        let stopped = engine.run(old.writes(4_200_000).volume("blog-uploads", 730_000_000))?;
        engine.stop_container(&stopped)?;
        let failed = engine.run(Spec::named("import-2025").image("localhost:5000/import:v1"))?;
        engine.die(&failed, 3)?;
        let hungry = engine.run(Spec::named("thumbnails").image("localhost:5000/thumbs:v4"))?;
        engine.oom(&hungry)?;
        engine.create(Spec::named("prepared").image("busybox:1"))?;
        let broken = engine.create(
            Spec::named("typo")
                .image("busybox:1")
                .fails_to_start("exec: \"serverr\": executable file not found in $PATH"),
        )?;
        let _ = engine.start_container(&broken);
        let crasher = engine.run(service("mailer", "localhost:5000/mailer:v1", "mail", "mailer"))?;
        engine.restart_loop(&crasher, Duration::from_secs(20))?;
        Ok(Self { shop, worker, blog, crasher })
    }
}

/// What goes on in the demo. It moves only while [`DemoLife::go_on`] is awaited, so whoever awaits it decides when it ends.
pub struct DemoLife {
    engine: FakeEngine,
    cast: Cast,
    chance: fastrand::Rng,
}

impl DemoLife {
    /// One small thing after another, for ever.
    pub async fn go_on(mut self) {
        for scene in 0_u64.. {
            sleep(Duration::from_millis(self.chance.u64(1_500..4_000))).await;
            // The user may stop or remove anyone of the cast: then their scene is left out.
            let _ = self.play(scene);
        }
    }

    fn play(&mut self, scene: u64) -> Result<(), EngineError> {
        let engine = &self.engine;
        match scene % 8 {
            0 => engine.run_rm(Spec::named("").image("localhost:5000/build:v1"), 0).map(drop),
            1 => engine.restart_container(&self.cast.worker),
            2 => engine.set_health(&self.cast.blog, Health::Healthy),
            3 => engine.set_health(&self.cast.shop, Health::Unhealthy),
            4 => {
                self.cast.shop = engine.compose_recreate(&self.cast.shop, "localhost:5000/shop:v13")?;
                engine.set_health(&self.cast.shop, Health::Healthy)
            }
            5 => engine.die(&self.cast.worker, 1),
            6 => engine.set_health(&self.cast.blog, Health::Unhealthy),
            _ => engine.end_restart_loop(&self.cast.crasher).and_then(|()| {
                engine.restart_loop(&self.cast.crasher, Duration::from_secs(self.chance.u64(5..30)))
            }),
        }
    }
}
