//! Daemons that are started at once on one folder: two of them, fifty times; and fifty of them.

use std::time::{Duration, Instant};

use harness::sandbox::{GLANCE, PATIENCE, Running, Sandbox};
use rustix::process::Signal;

use super::alone;
use super::ground::{ends_in_order, is_intact, nothing_panicked, status};

const DOUBLE_STARTS: usize = 50;
const CROWD: usize = 50;
const CROWDS: usize = 4;
/// How soon whoever comes second is told so.
const REFUSED: Duration = Duration::from_secs(1);

#[test]
fn of_two_started_at_once_one_works_and_the_other_is_refused_within_a_second_fifty_times() {
    let _machine = alone();
    let mut sandbox = Sandbox::new();
    let mut refused = vec![];
    for round in 0..DOUBLE_STARTS {
        // By turns on a folder that is not there yet, and on the one that a killed daemon left.
        if round % 2 == 0 {
            sandbox = Sandbox::new();
        }
        let took = race(&sandbox, 2);
        assert!(took < REFUSED, "round {round}: refused after {took:?}");
        refused.push(took);
    }
    refused.sort();
    let (median, most) = (refused[refused.len() / 2], refused[refused.len() - 1]);
    eprintln!("{DOUBLE_STARTS} double starts: refused after {median:?} (median), {most:?} at most");
    ends_in_order(&mut sandbox.serve(&[]));
    is_intact(&sandbox.home());
}

#[test]
fn of_fifty_started_at_once_one_works_and_the_others_are_refused_within_a_second() {
    let _machine = alone();
    let sandbox = Sandbox::new();
    let slowest: Vec<Duration> = (0..CROWDS).map(|_| race(&sandbox, CROWD)).collect();
    eprintln!("the slowest refusal of each round: {slowest:?}");
    assert!(slowest.iter().max().unwrap() < &REFUSED, "{slowest:?}");
    ends_in_order(&mut sandbox.serve(&[]));
    is_intact(&sandbox.home());
}

/// Starts so many at once. One works and holds the folder, each of the others is told who does; then the one is killed and
/// leaves a database that is whole. Tells how long the slowest of the others took to be refused.
#[track_caller]
fn race(sandbox: &Sandbox, many: usize) -> Duration {
    let start = |_| (Instant::now(), Running::start(sandbox.command(&["serve"])));
    let mut running: Vec<(Instant, Running)> = (0..many).map(start).collect();
    let mut refusals = vec![];
    let mut slowest = Duration::ZERO;
    let deadline = Instant::now() + PATIENCE;
    while running.len() > 1 {
        assert!(Instant::now() < deadline, "{} work at once", running.len());
        let mut left = vec![];
        for (began, mut daemon) in running {
            let Some(code) = daemon.ended() else {
                left.push((began, daemon));
                continue;
            };
            slowest = slowest.max(began.elapsed());
            let stderr = daemon.stderr();
            assert_eq!(code, Some(1), "{stderr}");
            assert_eq!(daemon.line_or_end(), None, "whoever is refused has nothing to say");
            refusals.push(stderr);
        }
        running = left;
        std::thread::sleep(GLANCE / 5);
    }
    let (_, mut winner) = running.pop().expect("one works");
    let greeting = winner.line();
    assert!(greeting.contains(&winner.pid().to_string()), "{greeting}");
    assert_eq!(status(sandbox)["pid"], winner.pid());
    for refusal in refusals {
        tells_who_holds_it(&refusal, sandbox, winner.pid());
    }
    winner.signal(Signal::KILL);
    winner.ends();
    nothing_panicked(&sandbox.home(), &winner.stderr());
    is_intact(&sandbox.home());
    slowest
}

/// The folder always; the process only where it has told already, and then no other.
#[track_caller]
fn tells_who_holds_it(refusal: &str, sandbox: &Sandbox, holder: u32) {
    let holds = format!("another tinyforge holds {}", sandbox.home().display());
    let (_, rest) = refusal.split_once(&holds).unwrap_or_else(|| panic!("not who holds it: {refusal}"));
    if let Some(process) = rest.strip_prefix(" (process ") {
        let process = process.split(')').next().unwrap_or_default();
        assert_eq!(process, holder.to_string(), "{refusal}");
    }
}
