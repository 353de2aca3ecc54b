//! Our weight on the engine: how long somebody else's rename takes with `tinyforge serve` watching, beside how long it
//! takes without.
//!
//! Ten interleaved pairs, every second one in the other order, over a hundred containers. Each half is fifty renames a
//! second, for two seconds; its figure is the median, the ratio is that of the medians of the halves. One daemon runs
//! all the time: a gate on its way to the engine takes its weight off and puts it on again, and a half begins when the
//! daemon, let in again, has looked at everything and grown still.
//!
//! *Bare*: the same with a reader in our place that holds nothing, decides nothing and writes nothing: it reads the
//! events and inspects what each is about. Whoever is to be exact asks at least that much.
//!
//! *Blocked*: the same while another connection holds the database's write lock, from before the first pair to after
//! the last, sixty seconds and more; afterwards the index must come to what the engine has.

use std::time::{Duration, Instant};

use harness::engine::RealEngine;
use harness::sandbox::Sandbox;
use rusqlite::{Connection, OpenFlags};
use tinyforge_core::rules::ids::ContainerId;

use crate::gate::Gate;
use crate::gauge::{median, ms, ratio};
use crate::other::Other;
use crate::table::Figure;

const CONTAINERS: usize = 100;
const PAIRS: usize = 10;
const A_SECOND: u32 = 50;
/// Renames of one half.
const HALF: u32 = 100;
/// For how long the database is blocked at least.
const BLOCKED: Duration = Duration::from_secs(60);
/// By how much two runs of the same thing differ here.
const NOISE: f64 = 1.02;
/// After the lock is gone the index is equal long before this.
const OVERDUE: Duration = Duration::from_secs(30);

pub fn measure() -> Vec<Figure> {
    let engine = RealEngine::start();
    let mut others = Others::of(&engine);
    let gate = Gate::before(&engine.socket(), engine.scratch().join("gate.sock"));
    let sandbox = Sandbox::facing(&gate.host());
    let _daemon = sandbox.serve(&[]);
    until_it_is_exact(&sandbox);

    let free = others.pairs(&gate);
    gate.shut();
    let bare = bare_reader(&engine);
    let floor = others.pairs(&bare);
    bare.shut();
    gate.open();
    let lock = lock(&sandbox);
    let began = Instant::now();
    let blocked = others.pairs(&gate);
    while began.elapsed() < BLOCKED {
        others.half();
    }
    let held = began.elapsed();
    drop(lock);
    until_it_is_exact(&sandbox);
    vec![
        free.figure("others' renames with us watching", "without us").unless_met(explained(&free, &floor)),
        blocked.figure(
            "others' renames, our database blocked",
            &format!("without us (blocked for {} s)", held.as_secs()),
        ),
    ]
}

/// A reader that is no better than it must be, behind a gate of its own.
fn bare_reader(engine: &RealEngine) -> Gate {
    let gate = Gate::before(&engine.socket(), engine.scratch().join("bare.sock"));
    let socket = engine.scratch().join("bare.sock");
    std::thread::spawn(move || {
        loop {
            Other::at(&socket).and_then(|inspecting| Other::at(&socket)?.inspect_each_event(inspecting)).ok();
            // The gate is shut, which is how it is told to rest.
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    gate.open();
    gate
}

/// What a bare reader costs, where we cost no more.
fn explained(ours: &Halves, floor: &Halves) -> Option<String> {
    (ours.ratio() <= floor.ratio() * NOISE).then(|| {
        format!(
            "a bare reader that inspects once for each event costs {:.3} × in the same run: it is the engine's price of being asked",
            floor.ratio()
        )
    })
}

/// A program that renames containers, and what it goes through.
struct Others {
    other: Other,
    ids: Vec<ContainerId>,
    renames: usize,
}

impl Others {
    fn of(engine: &RealEngine) -> Self {
        let mut other = Other::of(engine);
        let ids = (0..CONTAINERS).map(|n| other.create(&format!("w{n}"))).collect();
        Self { other, ids, renames: 0 }
    }

    fn pairs(&mut self, gate: &Gate) -> Halves {
        let mut halves = Halves { with: vec![], without: vec![] };
        for pair in 0..PAIRS {
            // The gate stays as the pair before left it: open after an odd one, shut after an even one.
            if pair % 2 == 0 {
                halves.with.push(self.half());
                gate.shut();
                halves.without.push(self.half());
            } else {
                halves.without.push(self.half());
                gate.open();
                halves.with.push(self.half());
            }
        }
        halves
    }

    /// The median of so many renames at their times.
    fn half(&mut self) -> Duration {
        let began = Instant::now();
        let times: Vec<Duration> = (0..HALF)
            .map(|n| {
                // The span itself is the subject: somebody who works on the engine, and does not flood it.
                std::thread::sleep((Duration::from_secs(1) * n / A_SECOND).saturating_sub(began.elapsed()));
                self.renames += 1;
                let id = &self.ids[self.renames % self.ids.len()];
                self.other.rename(id, &format!("o{}", self.renames))
            })
            .collect();
        median(&times)
    }
}

struct Halves {
    with: Vec<Duration>,
    without: Vec<Duration>,
}

impl Halves {
    fn ratio(&self) -> f64 {
        ratio(median(&self.with), median(&self.without))
    }

    fn figure(&self, what: &'static str, beside: &str) -> Figure {
        let (with, without) = (median(&self.with), median(&self.without));
        let ratio = self.ratio();
        Figure::new(what, ms(with))
            .beside(format!("{beside}: {}", ms(without)))
            .ratio(ratio)
            .goal("≤ 1.05 ×", ratio <= 1.05)
    }
}

/// The write lock of the daemon's database, for as long as it lives.
fn lock(sandbox: &Sandbox) -> Connection {
    let path = sandbox.home().join("tinyforge.db");
    let db =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).expect("the database is there");
    db.busy_timeout(OVERDUE).expect("a lock can be waited for");
    db.execute_batch("BEGIN IMMEDIATE").expect("the write lock is ours");
    db
}

fn until_it_is_exact(sandbox: &Sandbox) {
    let deadline = Instant::now() + OVERDUE;
    while sandbox.run(&["verify"]).code != Some(0) {
        assert!(Instant::now() < deadline, "the index is not what the engine has");
        std::thread::sleep(Duration::from_millis(100));
    }
}
