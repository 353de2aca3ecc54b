//! The whole program on the fake engine over the wire, in every idiom.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use harness::sandbox::{GLANCE, PATIENCE, Running, Sandbox};
use harness::wire::OnTheWire;
use rustix::process::Signal;
use serde_json::Value;
use tinyforge_core::docker::fake::served::Idiom;
use tinyforge_core::docker::fake::{RestartPolicy, Spec, Weather};
use tinyforge_core::rules::container::Health;

/// A daemon that watches a served world.
struct Watched {
    wire: OnTheWire,
    sandbox: Sandbox,
    daemon: Running,
}

impl Watched {
    fn begin(wire: OnTheWire) -> Self {
        let sandbox = Sandbox::facing(&wire.served.host());
        let daemon = sandbox.serve(&[]);
        Self { wire, sandbox, daemon }
    }

    fn rows(&self) -> Vec<Value> {
        self.sandbox.run(&["ps", "--all", "--json"]).exits(0).read()
    }

    fn state(&self, name: &str) -> Option<String> {
        let row = self.rows().into_iter().find(|row| row["name"] == name)?;
        row["state"].as_str().map(str::to_owned)
    }

    #[track_caller]
    fn until_it_says(&self, name: &str, state: &str) {
        self.until(&format!("{name} is {state}"), || self.state(name).as_deref() == Some(state));
    }

    /// The program's own comparison with the engine.
    #[track_caller]
    fn until_equal(&self) {
        self.until("the index equals the engine", || self.sandbox.run(&["verify"]).code == Some(0));
        assert!(self.rows().iter().all(|row| row["state"] != "missing"), "{:#?}", self.rows());
    }

    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(
                Instant::now() < deadline,
                "it never comes to this: {what}\n{:#?}\n{:?}",
                self.rows(),
                self.sandbox.run(&["verify"])
            );
            thread::sleep(GLANCE);
        }
    }
}

#[test]
fn in_every_idiom_the_program_keeps_the_index_equal() {
    thread::scope(|scope| {
        for idiom in Idiom::ALL {
            scope.spawn(move || a_day_on(idiom));
        }
    });
}

fn a_day_on(idiom: Idiom) {
    let watched = Watched::begin(OnTheWire::new(5, idiom));
    let engine = &watched.wire.engine;
    let web = engine
        .run(Spec::named("web").publish(80).health_check().restart(RestartPolicy::UnlessStopped))
        .unwrap();
    let other = engine.run(Spec::named("other")).unwrap();
    watched.until_it_says("other", "running");
    engine.set_health(&web, Health::Healthy).unwrap();
    engine.pause(&other).unwrap();
    engine.run_rm(Spec::named("passing"), 0).unwrap();
    watched.until_it_says("other", "paused");
    watched.until_equal();

    // A person, from outside.
    let done = watched.wire.ask("POST /containers/other/unpause");
    assert_eq!((done.status, done.body.as_str()), (204, ""));
    watched.until_it_says("other", "running");
    assert_eq!(watched.wire.ask("POST /containers/other/stop").status, 204);
    watched.until_it_says("other", "stopped");
    watched.sandbox.run(&["start", "other"]).exits(0).says("running");
    watched.until_equal();

    // The engine restarts under the program.
    engine.restart_engine();
    watched.until_it_says("web", "running");
    watched.until_it_says("other", "stopped");
    watched.until_equal();
    engine.kill_engine();
    watched.until("the engine is away", || engine_state(&watched.sandbox) != "connected");
    engine.come_back();
    watched.until("the engine is back", || engine_state(&watched.sandbox) == "connected");
    watched.until_equal();

    // Another engine behind the same socket has rows of its own, and makes nothing of the first missing.
    let first = engine.engine_id();
    engine.become_another_engine("SOMEBODY:ELSE");
    engine.run(Spec::named("theirs")).unwrap();
    watched.until_it_says("theirs", "running");
    watched.until_equal();
    assert_eq!(watched.state("web"), None, "{idiom:?}: the first engine's are not shown as this one's");
    engine.become_another_engine(first.as_str());
    watched.until_it_says("web", watched.wire.engine.truth_of(&web).unwrap().state.as_str());
    watched.until_equal();
    assert_eq!(watched.state("theirs"), None);

    // An id comes back, as from a restored machine.
    engine.force_remove(&other).unwrap();
    watched.until("it is gone", || watched.state("other").is_none());
    engine.bring_back(&other).unwrap();
    engine.start_container(&other).unwrap();
    watched.until_it_says("other", "running");
    watched.until_equal();
}

fn engine_state(sandbox: &Sandbox) -> String {
    sandbox.run(&["status", "--json"]).exits(0).json()["engine"]["state"].as_str().unwrap().to_owned()
}

/// An upgrade of the engine, in weather as it was measured.
#[test]
fn an_engine_that_is_upgraded_in_measured_weather_is_followed() {
    let wire = OnTheWire::new(9, Idiom::Api141);
    wire.engine.set_weather(Weather { restart_takes: Duration::from_millis(300), ..Weather::measured() });
    let watched = Watched::begin(wire);
    let engine = &watched.wire.engine;
    for n in 0..20 {
        engine.run(Spec::named(&format!("web{n}")).restart(RestartPolicy::Always)).unwrap();
    }
    for idiom in [Idiom::Api144, Idiom::Api147, Idiom::Api152] {
        watched.until_equal();
        watched.wire.served.speak(idiom);
        engine.restart_engine();
        watched.until("the new release is known", || {
            let status = watched.sandbox.run(&["status", "--json"]).exits(0).json();
            status["engine"]["version"] == idiom.version()
        });
        watched.until_it_says("web7", "running");
    }
    watched.until_equal();
    assert_eq!(watched.rows().len(), 20);
}

#[test]
fn a_program_that_is_not_let_in_says_so() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    use std::process::{Command, Stdio};

    let wire = OnTheWire::new(1, Idiom::Api141);
    let sandbox = Sandbox::facing(&wire.served.host());
    for folder in [wire.folder(), sandbox.path(), &sandbox.path().join("user"), &sandbox.path().join("run")] {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    wire.served.let_everybody_in().unwrap();
    // Where it was built, another user may not be able to read it.
    let program = sandbox.path().join("tinyforge");
    std::fs::copy(harness::sandbox::program(), &program).unwrap();
    let doctor = || {
        let here = sandbox.command(&[]);
        let mut command = Command::new(&program);
        command.arg("doctor").env_clear().stdin(Stdio::null());
        command.envs(here.get_envs().filter_map(|(key, value)| Some((key, value?))));
        if rustix::process::geteuid().is_root() {
            command.uid(65534).gid(65534);
        }
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    wire.engine.run(Spec::named("web")).unwrap();
    assert!(!doctor().contains("permission denied"));
    wire.engine.deny();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let said = doctor();
        if said.contains("permission denied") {
            assert!(said.contains("group"), "and what to do: {said}");
            return;
        }
        assert!(Instant::now() < deadline, "{said}");
    }
}

/// The freeze comes after the hello, while the answer is being made.
#[test]
fn a_daemon_that_freezes_under_a_reading_command_is_done_without() {
    let watched = Watched::begin(OnTheWire::new(5, Idiom::ALL[0]));
    let engine = &watched.wire.engine;
    let web = engine.run(Spec::named("web")).unwrap();
    watched.until_it_says("web", "running");
    watched.until_equal();
    let looks = || engine.calls().inspects_of(&web);
    let before = looks();
    engine.hang_inspects_of(&web);
    let asking =
        watched.sandbox.command(&["verify"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    watched.until("the daemon is at it", || looks() > before);
    watched.daemon.signal(Signal::STOP);
    engine.unhang_inspects_of(&web);
    let began = Instant::now();
    let ran = asking.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && told.contains("This is seen without it"), "{ran:?}");
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
}
