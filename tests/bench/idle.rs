//! A hundred running containers and nobody who looks.
//!
//! One minute without us, then `tinyforge serve` for six, then one more minute without it. Each minute the processor
//! time of the daemon, of dockerd and of its containerd is read from the kernel. The daemon's figure is that of its
//! busiest minute: in the sixth it inspects its rows in turn, which begins when they are five minutes old. The
//! engine's is the mean minute with us less the mean minute without. Memory is what is resident at the end of a
//! minute, the most of six.

use std::time::{Duration, Instant};

use harness::engine::RealEngine;
use harness::sandbox::{GLANCE, PATIENCE, Running, Sandbox};

use crate::gauge::{children, cpu, mib, resident};
use crate::other::Other;
use crate::table::Figure;

const CONTAINERS: usize = 100;
const MINUTE: Duration = Duration::from_secs(60);
const MINUTES: usize = 6;

pub fn measure() -> Vec<Figure> {
    let engine = RealEngine::start();
    let mut other = Other::of(&engine);
    for n in 0..CONTAINERS {
        other.run(&format!("i{n}"));
    }
    let daemons = Daemons::of(&engine);
    until_still(&daemons);

    let before = daemons.minute();
    let sandbox = Sandbox::on(&engine);
    let mut serve = sandbox.serve(&[]);
    until_settled(&sandbox);
    let minutes: Vec<Minute> = (0..MINUTES).map(|_| Minute::of(&serve, &daemons)).collect();
    serve.signal(rustix::process::Signal::TERM);
    assert_eq!(serve.ends(), Some(0), "{}", serve.stderr());
    let after = daemons.minute();

    let own = minutes.iter().map(|minute| minute.own).max().unwrap();
    let memory = minutes.iter().map(|minute| minute.resident).max().unwrap();
    let with = minutes.iter().map(|minute| minute.engine).sum::<Duration>() / u32::try_from(MINUTES).unwrap();
    let without = (before + after) / 2;
    let extra = with.as_secs_f64() - without.as_secs_f64();
    let each: Vec<String> = minutes.iter().map(|minute| format!("{:.2}", minute.own.as_secs_f64())).collect();
    vec![
        Figure::new(
            "idle, 100 running: `serve`, CPU seconds a minute",
            format!("{:.2} s", own.as_secs_f64()),
        )
        .beside(format!("minutes: {}; lazydocker 3.6, Dockge 0.7", each.join(" ")))
        .goal("< 0.3 s", own < Duration::from_millis(300)),
        Figure::new("idle, 100 running: `serve`, resident", mib(memory))
            .beside("lazydocker 50 MB, Dockge 137 MB")
            .goal("< 40 MB", memory < 40_000_000),
        Figure::new("idle, 100 running: the engine's load from us, a minute", format!("{extra:+.2} s"))
            .beside(format!(
                "with us {:.2} s, without {:.2} and {:.2} s; lazydocker +17",
                with.as_secs_f64(),
                before.as_secs_f64(),
                after.as_secs_f64()
            ))
            .goal("< 0.3 s", extra < 0.3),
    ]
}

struct Minute {
    own: Duration,
    engine: Duration,
    resident: u64,
}

impl Minute {
    fn of(serve: &Running, daemons: &Daemons) -> Self {
        let own = cpu(serve.pid());
        let engine = daemons.minute();
        Self { own: cpu(serve.pid()) - own, engine, resident: resident(serve.pid()) }
    }
}

/// The engine's processes: dockerd and the containerd that it started.
struct Daemons {
    pids: Vec<u32>,
}

impl Daemons {
    fn of(engine: &RealEngine) -> Self {
        let dockerd = engine.pid().expect("the engine runs");
        let containerd = children(dockerd, "containerd");
        assert_eq!(containerd.len(), 1, "dockerd has one containerd");
        Self { pids: [vec![dockerd], containerd].concat() }
    }

    fn cpu(&self) -> Duration {
        self.pids.iter().map(|pid| cpu(*pid)).sum()
    }

    /// What they use in the minute from now.
    fn minute(&self) -> Duration {
        let before = self.cpu();
        // The span itself is the subject: a minute in which nobody does anything.
        std::thread::sleep(MINUTE);
        self.cpu() - before
    }
}

/// What the starts have left to do is over when a second passes with next to no work.
fn until_still(daemons: &Daemons) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = daemons.cpu();
        std::thread::sleep(Duration::from_secs(1));
        if daemons.cpu() - before <= Duration::from_millis(20) {
            return;
        }
        assert!(Instant::now() < deadline, "the engine does not come to rest");
    }
}

fn until_settled(sandbox: &Sandbox) {
    let deadline = Instant::now() + PATIENCE;
    while sandbox.run(&["status", "--json"]).exits(0).json()["index"]["passes"].as_u64() == Some(0) {
        assert!(Instant::now() < deadline, "the first pass is through");
        std::thread::sleep(GLANCE);
    }
}
