//! The inspect of one container hangs for as long as a real engine's may: the others go on.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use harness::engine::{IMAGE, RealEngine};
use harness::sandbox::Sandbox;
use tinyforge_core::rules::ids::ContainerId;

use super::beside;
use super::ground::{ends_in_order, is_equal, serves_equal, state_of, status, within};

/// A pass and the deadline of a look.
const CONVERGED: Duration = Duration::from_secs(35);

#[test]
fn while_one_inspect_hangs_the_other_containers_are_followed() {
    let _machine = beside();
    let engine = RealEngine::start();
    let stuck = engine.run(&["--name", "stuck", IMAGE]);
    engine.run(&["--name", "web", IMAGE]);
    let door = Door::before(&engine);
    let sandbox = Sandbox::facing(&format!("unix://{}", door.socket.display()));
    let mut daemon = serves_equal(&sandbox);

    door.hold(Some(&stuck));
    let began = Instant::now();
    engine.docker(&["kill", "stuck"]).ok();
    // Beyond two deadlines of the look that hangs: the first failure, and what follows from it.
    for round in 0..3 {
        let told = Instant::now();
        let name = format!("new-{round}");
        engine.create(&["--name", &name, IMAGE]);
        engine.docker(&[if round % 2 == 0 { "stop" } else { "start" }, "web"]).ok();
        let wanted = if round % 2 == 0 { "stopped" } else { "running" };
        let followed = || {
            state_of(&sandbox, "web").as_deref() == Some(wanted)
                && state_of(&sandbox, &name).as_deref() == Some("created")
        };
        let took = within(CONVERGED, "the others are followed", followed);
        eprintln!(
            "{} s into it: the others followed in {} ms",
            told.duration_since(began).as_secs(),
            took.as_millis()
        );
        assert_eq!(state_of(&sandbox, "stuck").as_deref(), Some("running"), "as last known");
        // The span itself is the subject: three of them are longer than two deadlines.
        std::thread::sleep(Duration::from_secs(8));
    }
    within(CONVERGED, "the one that hangs is said", || {
        sandbox.run(&["doctor"]).exits(0).stdout.contains("cannot be inspected")
    });
    assert_eq!(status(&sandbox)["engine"]["state"], "connected", "the engine answers others");

    door.hold(None);
    let took = within(CONVERGED, "equal once it answers", || is_equal(&sandbox));
    eprintln!("equal {} ms after it answered again", took.as_millis());
    assert_eq!(state_of(&sandbox, "stuck").as_deref(), Some("stopped"));
    ends_in_order(&mut daemon);
}

/// Stands before an engine, passes everything on, and keeps to itself what asks for one container's inspect.
struct Door {
    socket: PathBuf,
    held: Arc<Mutex<Option<String>>>,
}

impl Door {
    fn before(engine: &RealEngine) -> Self {
        let socket = engine.scratch().join("door.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let held = Arc::<Mutex<Option<String>>>::default();
        let (holds, beyond) = (Arc::clone(&held), engine.socket());
        // The threads end with their connections, which end with the engine and the daemon.
        std::thread::spawn(move || {
            for caller in listener.incoming().map_while(Result::ok) {
                let (holds, beyond) = (Arc::clone(&holds), beyond.clone());
                std::thread::spawn(move || pass_on(&caller, &beyond, &holds));
            }
        });
        Self { socket, held }
    }

    fn hold(&self, container: Option<&ContainerId>) {
        let path = container.map(|id| format!("/containers/{id}/json"));
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = path;
    }
}

fn pass_on(caller: &UnixStream, beyond: &Path, holds: &Mutex<Option<String>>) {
    let Ok(engine) = UnixStream::connect(beyond) else { return };
    let (mut answers, mut answered) = (engine.try_clone().unwrap(), caller.try_clone().unwrap());
    let back = std::thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut answered);
        let _ = answered.shutdown(std::net::Shutdown::Both);
    });
    let (mut asks, mut asked) = (caller, &engine);
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = asks.read(&mut buffer) {
        // The client writes each head at once.
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let is_held = || {
            let held = holds.lock().unwrap_or_else(PoisonError::into_inner);
            held.as_ref()
                .is_some_and(|path| text.lines().next().is_some_and(|line| line.contains(path.as_str())))
        };
        while is_held() {
            std::thread::sleep(Duration::from_millis(20));
        }
        if asked.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = engine.shutdown(std::net::Shutdown::Both);
    let _ = back.join();
}
