//! The same acts on either engine.

use std::time::Duration;

use futures_util::StreamExt as _;
use harness::engine::{IMAGE, RealEngine, Release, Skill};
use harness::wire::OnTheWire;
use tinyforge_core::docker::bollard::DockerEngine;
use tinyforge_core::docker::endpoint::Endpoint;
use tinyforge_core::docker::fake::{FakeEngine, RestartPolicy, Spec};
use tinyforge_core::docker::{Action, EngineError, EngineEvent, EventStream, SharedEngine};
use tinyforge_core::rules::container::{Health, Observed};
use tinyforge_core::rules::ids::ContainerId;
use tokio::time::{sleep, timeout};

/// Beyond this a thing that a promise waits for will not come any more.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Stage {
    pub door: SharedEngine,
    kind: Kind,
}

/// Engines differ by their nature: where they do, a promise says it for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    Docker,
    /// Podman's service: it has words of its own, and the containers are not its children.
    Podman,
}

enum Kind {
    Fake(FakeEngine),
    Real(Box<RealEngine>),
}

/// Who plays: a name, and what is special.
#[derive(Clone, Copy, Default)]
pub struct Actor<'a> {
    pub name: &'a str,
    pub publishes: bool,
    pub labels: &'a [(&'a str, &'a str)],
    pub checked: Checked,
    pub auto_remove: bool,
    pub restart: Option<RestartPolicy>,
    /// A volume of that name, which it fills with [`FILLED`] bytes when told to.
    pub volume: Option<&'a str>,
}

/// How often a health check asks.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Checked {
    #[default]
    Never,
    Often,
    Seldom,
}

#[derive(Clone, Copy, Debug)]
pub enum EngineEnd {
    Term,
    Kill,
}

pub fn actor(name: &str) -> Actor<'_> {
    Actor { name, ..Actor::default() }
}

/// What [`Stage::fill`] writes, once into the volume and once beside it.
pub const FILLED: u64 = 512 * 1024;

/// What every actor on a real engine does: it ends with the code written into a file, and with 143 on SIGTERM.
const PROGRAM: &str = "trap 'exit 143' TERM; while [ ! -e /tmp/end ]; do sleep 0.05; done; code=$(cat /tmp/end); rm /tmp/end; exit $code";

/// What the health check of an actor prints when it fails.
pub const ILL: &str = "ill\n";

impl Stage {
    pub fn fake(engine: FakeEngine) -> Self {
        Self { door: std::sync::Arc::new(engine.clone()), kind: Kind::Fake(engine) }
    }

    /// The fake, through the real adapter.
    pub fn served(wire: &OnTheWire) -> Self {
        Self { door: std::sync::Arc::new(wire.door()), kind: Kind::Fake(wire.engine.clone()) }
    }

    /// `endpoint` leads to the engine, directly or through someone who listens.
    pub fn real(engine: RealEngine, endpoint: Endpoint) -> Self {
        let door = std::sync::Arc::new(DockerEngine::new(&endpoint).unwrap());
        Self { door, kind: Kind::Real(Box::new(engine)) }
    }

    pub fn nature(&self) -> Nature {
        match &self.kind {
            Kind::Real(engine) if engine.release() == Release::Podman => Nature::Podman,
            Kind::Real(_) | Kind::Fake(_) => Nature::Docker,
        }
    }

    /// What is promised of Docker, or of Podman.
    pub fn by_nature<T>(&self, docker: T, podman: T) -> T {
        match self.nature() {
            Nature::Docker => docker,
            Nature::Podman => podman,
        }
    }

    /// [`IMAGE`] as it is said of a container: Podman says whose it is.
    pub fn image(&self) -> String {
        self.by_nature(IMAGE.to_owned(), format!("docker.io/{IMAGE}"))
    }

    pub fn lacks(&self, skill: Skill) -> bool {
        match &self.kind {
            Kind::Real(engine) => engine.release().lacks(skill),
            Kind::Fake(_) => false,
        }
    }

    // ---- acts -------------------------------------------------------------------------------------------------

    pub fn create(&self, who: Actor<'_>) -> ContainerId {
        match &self.kind {
            Kind::Fake(engine) => engine.create(spec(who)).unwrap(),
            Kind::Real(engine) => engine.create(&words(&arguments(who))),
        }
    }

    pub fn run(&self, who: Actor<'_>) -> ContainerId {
        match &self.kind {
            Kind::Fake(engine) => engine.run(spec(who)).unwrap(),
            Kind::Real(engine) => engine.run(&words(&arguments(who))),
        }
    }

    /// Creates one whose program does not exist, and tries to start it from outside.
    pub fn run_misspelt(&self, name: &str) -> ContainerId {
        match &self.kind {
            Kind::Fake(engine) => {
                let id = engine
                    .create(
                        Spec::named(name)
                            .fails_to_start("exec: \"serverr\": executable file not found in $PATH"),
                    )
                    .unwrap();
                assert!(engine.start_container(&id).is_err());
                id
            }
            Kind::Real(engine) => {
                let id = engine.create(&["--name", name, IMAGE, "serverr"]);
                assert_ne!(engine.docker(&["start", id.as_str()]).code, Some(0));
                id
            }
        }
    }

    /// One that needs more memory than it may have.
    pub fn run_out_of_memory(&self, name: &str) -> ContainerId {
        match &self.kind {
            Kind::Fake(engine) => {
                let id = engine.run(Spec::named(name)).unwrap();
                engine.oom(&id).unwrap();
                id
            }
            Kind::Real(engine) => engine.run(&[
                "--name",
                name,
                "--memory",
                "16m",
                "--memory-swap",
                "16m",
                IMAGE,
                "dd",
                "if=/dev/zero",
                "of=/dev/null",
                "bs=200M",
            ]),
        }
    }

    pub fn stop(&self, id: &ContainerId) {
        self.act(&["stop"], id, |engine| engine.stop_container(id));
    }

    pub fn start(&self, id: &ContainerId) {
        self.act(&["start"], id, |engine| engine.start_container(id));
    }

    pub fn restart(&self, id: &ContainerId) {
        self.act(&["restart"], id, |engine| engine.restart_container(id));
    }

    pub fn kill(&self, id: &ContainerId, signal: i32) {
        self.act(&["kill", "--signal", &signal.to_string()], id, |engine| engine.kill(id, signal));
    }

    pub fn pause(&self, id: &ContainerId) {
        self.act(&["pause"], id, |engine| engine.pause(id));
    }

    pub fn unpause(&self, id: &ContainerId) {
        self.act(&["unpause"], id, |engine| engine.unpause(id));
    }

    pub fn remove(&self, id: &ContainerId) {
        self.act(&["rm"], id, |engine| engine.remove(id));
    }

    pub fn force_remove(&self, id: &ContainerId) {
        self.act(&["rm", "-f"], id, |engine| engine.force_remove(id));
    }

    /// Its restart policy becomes `always`.
    pub fn update(&self, id: &ContainerId) {
        self.act(&["update", "--restart", "always"], id, |engine| engine.update(id, RestartPolicy::Always));
    }

    /// Whether the engine knows how to change a policy at all.
    pub fn may_update(&self, id: &ContainerId) -> bool {
        match &self.kind {
            Kind::Fake(_) => true,
            Kind::Real(engine) => {
                !engine.docker(&["update", "--restart", "always", id.as_str()]).stderr.contains("Not Found")
            }
        }
    }

    pub fn rename(&self, id: &ContainerId, name: &str) {
        match &self.kind {
            Kind::Fake(engine) => engine.rename(id, name).unwrap(),
            Kind::Real(engine) => drop(engine.docker(&["rename", id.as_str(), name]).ok()),
        }
    }

    /// Its program ends by itself.
    pub fn end(&self, id: &ContainerId, code: i64) {
        match &self.kind {
            Kind::Fake(engine) => engine.die(id, code).unwrap(),
            Kind::Real(engine) => {
                // Written aside and renamed, so that the program never reads half of it.
                let write = format!("echo {code} >/tmp/code && mv /tmp/code /tmp/end");
                self.exec(engine, &[id.as_str(), "sh", "-c", &write]);
            }
        }
    }

    /// Somebody runs a command in it. Podman may forget a command that has ended before it is asked how: what it did is
    /// seen by whoever looks.
    fn exec(&self, engine: &RealEngine, args: &[&str]) {
        let ran = engine.docker(&[&["exec"], args].concat());
        if self.nature() == Nature::Docker || !ran.stderr.contains("no such exec session") {
            ran.ok();
        }
    }

    /// Its program writes these lines, one after the other, each with what a real one may write: colours, other bytes.
    pub fn write_log(&self, id: &ContainerId, lines: &[&str]) {
        for line in lines {
            match &self.kind {
                Kind::Fake(engine) => engine.write_log(id, line).unwrap(),
                Kind::Real(engine) => {
                    let write = format!("printf '%s\\n' '{line}' >/proc/1/fd/1");
                    self.exec(engine, &[id.as_str(), "sh", "-c", &write]);
                }
            }
        }
    }

    /// It writes [`FILLED`] bytes into its volume, and as many into its own files. On the fake it has done so already.
    pub fn fill(&self, id: &ContainerId) {
        match &self.kind {
            Kind::Fake(_) => {}
            Kind::Real(engine) => {
                let count = format!("count={}", FILLED / 1024);
                for place in ["of=/data/filled", "of=/filled"] {
                    let args = [id.as_str(), "dd", "if=/dev/urandom", place, "bs=1024", &count];
                    self.exec(engine, &args);
                }
            }
        }
    }

    /// Its health check passes, or fails with [`ILL`], from now on.
    pub fn set_health(&self, id: &ContainerId, healthy: bool) {
        match &self.kind {
            Kind::Fake(engine) => {
                let (health, output) = if healthy { (Health::Healthy, "") } else { (Health::Unhealthy, ILL) };
                engine.set_health_saying(id, health, output).unwrap();
            }
            Kind::Real(engine) => {
                let change = if healthy { "touch /tmp/healthy" } else { "rm -f /tmp/healthy" };
                self.exec(engine, &[id.as_str(), "sh", "-c", change]);
            }
        }
    }

    /// The engine ends and comes back: tidily, or killed.
    pub async fn restart_engine(&self, how: EngineEnd) {
        match (&self.kind, how) {
            (Kind::Fake(engine), EngineEnd::Term) => engine.restart_engine(),
            (Kind::Fake(engine), EngineEnd::Kill) => {
                engine.kill_engine();
                engine.come_back();
            }
            (Kind::Real(engine), EngineEnd::Term) => engine.restart(),
            (Kind::Real(engine), EngineEnd::Kill) => {
                engine.kill9();
                engine.start_again();
            }
        }
        let back = async {
            while self.door.identify().await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, back).await.expect("the engine comes back");
    }

    /// `docker compose up` of a project with one service, which a changed `version` makes Compose replace.
    pub async fn compose_up(&self, version: &str) -> ContainerId {
        match &self.kind {
            Kind::Fake(engine) => match engine.id_of("demo-web-1") {
                Some(old) => engine.compose_recreate(&old, IMAGE).unwrap(),
                None => engine.run(Spec::named("demo-web-1").image(IMAGE).compose("demo", "web")).unwrap(),
            },
            Kind::Real(engine) => {
                let folder = engine.scratch().join("demo");
                std::fs::create_dir_all(&folder).unwrap();
                let file = format!(
                    "services:\n  web:\n    image: {IMAGE}\n    environment:\n      VERSION: {version}\n"
                );
                std::fs::write(folder.join("compose.yaml"), file).unwrap();
                engine.compose(&folder, &["up", "-d"]).ok();
                let rows = self.door.list().await.unwrap();
                rows.into_iter().find(|row| row.name == "demo-web-1").unwrap().container_id
            }
        }
    }

    fn act(
        &self,
        verb: &[&str],
        id: &ContainerId,
        fake: impl FnOnce(&FakeEngine) -> Result<(), EngineError>,
    ) {
        match &self.kind {
            Kind::Fake(engine) => fake(engine).unwrap(),
            Kind::Real(engine) => drop(engine.docker(&[verb, &[id.as_str()]].concat()).ok()),
        }
    }

    // ---- looking ----------------------------------------------------------------------------------------------

    /// The inspect of what must be there.
    pub async fn seen(&self, id: &ContainerId) -> Observed {
        self.door.inspect(id).await.unwrap().unwrap_or_else(|| panic!("{id} is gone"))
    }

    pub async fn until(&self, id: &ContainerId, what: &str, holds: impl Fn(&Observed) -> bool) -> Observed {
        let wait = async {
            loop {
                if let Kind::Real(engine) = &self.kind {
                    engine.check_health(id);
                }
                let seen = self.seen(id).await;
                if holds(&seen) {
                    return seen;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        match timeout(PATIENCE, wait).await {
            Ok(seen) => seen,
            Err(_) => panic!("{id} is not {what}: {:?}", self.seen(id).await),
        }
    }

    pub async fn until_gone(&self, id: &ContainerId) {
        let wait = async {
            loop {
                match self.door.inspect(id).await {
                    Ok(None) => return,
                    // In the moment of its going Podman stumbles over what it has just looked up.
                    Err(EngineError::Refused { status: 500, detail, .. })
                        if self.nature() == Nature::Podman && detail.contains("no such container") => {}
                    Ok(Some(_)) => {}
                    Err(error) => panic!("{error}"),
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(timeout(PATIENCE, wait).await.is_ok(), "{id} is still there");
    }

    /// A reader from now on.
    pub async fn listen(&self) -> Listener {
        self.listen_since(self.door.identify().await.unwrap().system_time.expect("the engine says its time"))
            .await
    }

    pub async fn listen_since(&self, since: jiff::Timestamp) -> Listener {
        Listener {
            events: self.door.events(since).await.unwrap(),
            strict: matches!(self.kind, Kind::Fake(_)),
            nature: self.nature(),
            heard: Vec::new(),
        }
    }
}

pub struct Listener {
    events: EventStream,
    strict: bool,
    nature: Nature,
    heard: Vec<EngineEvent>,
}

impl Listener {
    /// Exactly this is said about one container, in this order. Of a real engine only the order of `die` and `stop` is
    /// not asked for: newer ones let one overtake the other.
    pub async fn says(&mut self, id: &ContainerId, expected: &[&str]) {
        let wait = async {
            while self.said(id).len() < expected.len() {
                self.heard.push(self.events.next().await.expect("the stream goes on").unwrap());
            }
        };
        let came = timeout(PATIENCE, wait).await.is_ok();
        let said = self.said(id);
        assert!(came && said == expected, "of {id} was said {said:?}, not {expected:?}");
        self.heard.retain(|e| e.container_id != *id);
    }

    /// Waits until this is said about one container; what was said of it before does not matter.
    pub async fn hears(&mut self, id: &ContainerId, expected: &str) {
        let wait = async {
            while self.said(id).last().is_none_or(|word| word != expected) {
                self.heard.push(self.events.next().await.expect("the stream goes on").unwrap());
            }
        };
        let came = timeout(PATIENCE, wait).await.is_ok();
        assert!(came, "of {id} was said {:?}, never '{expected}'", self.said(id));
        self.heard.retain(|e| e.container_id != *id);
    }

    /// Waits until it is told that the container's health was checked, whatever came of it.
    pub async fn hears_of_a_check(&mut self, id: &ContainerId) {
        let told = |e: &EngineEvent| {
            e.container_id == *id && matches!(&e.action, Action::Other(word) if word.starts_with("exec"))
        };
        let wait = async {
            while !self.heard.iter().any(told) {
                self.heard.push(self.events.next().await.expect("the stream goes on").unwrap());
            }
        };
        assert!(timeout(PATIENCE, wait).await.is_ok(), "no check is told of {id}: {:?}", self.heard);
        self.heard.retain(|e| e.container_id != *id);
    }

    /// Waits until a network was connected to the container or disconnected from it. When that is told among the
    /// rest differs by release, so no order is asked for.
    pub async fn hears_of_a_network(&mut self, id: &ContainerId) {
        let told = |e: &EngineEvent| e.container_id == *id && e.action == Action::Network;
        let wait = async {
            while !self.heard.iter().any(told) {
                self.heard.push(self.events.next().await.expect("the stream goes on").unwrap());
            }
        };
        assert!(timeout(PATIENCE, wait).await.is_ok(), "no network is told of {id}");
    }

    fn said(&self, id: &ContainerId) -> Vec<String> {
        let of_it = self.heard.iter().filter(|e| e.container_id == *id && counts(&e.action, self.nature));
        let mut said: Vec<String> = of_it.map(word).collect();
        // One want of memory may be told twice.
        said.dedup_by(|a, b| a == "oom" && b == "oom");
        if !self.strict {
            for at in 1..said.len() {
                if said[at - 1] == "stop" && said[at].starts_with("die") {
                    said.swap(at - 1, at);
                }
            }
        }
        said
    }

    /// The stream ends, by an error or without.
    pub async fn ends(&mut self) {
        let end = async { while let Some(Ok(_)) = self.events.next().await {} };
        timeout(PATIENCE, end).await.expect("the stream ends");
    }

    /// The next event about a container.
    pub async fn next_of(&mut self, id: &ContainerId) -> EngineEvent {
        let wait = async {
            loop {
                let event = self.events.next().await.expect("the stream goes on").unwrap();
                if event.container_id == *id {
                    return event;
                }
            }
        };
        timeout(PATIENCE, wait).await.expect("something is said")
    }
}

/// Docker is asked for what can change a row; of Podman everything is heard, and what changes none is let pass. What it
/// says of a stop comes before the end or after it, once, twice or not at all: the end itself is what is promised.
fn counts(action: &Action, nature: Nature) -> bool {
    match (action, nature) {
        (Action::Network, _) | (Action::Other(_) | Action::Stop, Nature::Podman) => false,
        (_, Nature::Docker | Nature::Podman) => true,
    }
}

fn word(event: &EngineEvent) -> String {
    let extra = ["signal", "exitCode", "oldName"].iter().find_map(|key| event.attributes.get(*key));
    let action = match &event.action {
        Action::HealthStatus(health) => format!("health {health}"),
        other => format!("{other:?}").to_lowercase(),
    };
    extra.map_or(action.clone(), |value| format!("{action} {value}"))
}

fn spec(who: Actor<'_>) -> Spec {
    let mut spec = Spec::named(who.name).image(IMAGE).expose(8080);
    if who.publishes {
        spec.exposed.clear();
        spec = spec.publish(8080);
    }
    for (key, value) in who.labels {
        spec = spec.label(key, value);
    }
    spec.health_check = who.checked != Checked::Never;
    spec.auto_remove = who.auto_remove;
    spec.restart = who.restart.unwrap_or(RestartPolicy::No);
    if let Some(volume) = who.volume {
        spec = spec.volume(volume, FILLED).writes(FILLED);
    }
    spec
}

fn arguments(who: Actor<'_>) -> Vec<String> {
    let mut args = vec!["--name".to_owned(), who.name.to_owned()];
    if who.publishes {
        args.extend(["-p".into(), "127.0.0.1::8080".into()]);
    }
    for (key, value) in who.labels {
        args.extend(["--label".into(), format!("{key}={value}")]);
    }
    if who.checked != Checked::Never {
        let interval = if who.checked == Checked::Often { "100ms" } else { "1h" };
        args.extend(["--health-cmd".into(), "test -e /tmp/healthy || { echo ill; exit 1; }".into()]);
        args.extend(["--health-interval".into(), interval.into(), "--health-retries".into(), "2".into()]);
    }
    if who.auto_remove {
        args.push("--rm".into());
    }
    if let Some(policy) = who.restart {
        args.extend(["--restart".into(), policy.as_str().into()]);
    }
    if let Some(volume) = who.volume {
        args.extend(["--volume".into(), format!("{volume}:/data")]);
    }
    args.extend([IMAGE.into(), "sh".into(), "-c".into(), PROGRAM.into()]);
    args
}

fn words(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}
