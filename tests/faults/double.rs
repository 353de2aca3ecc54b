//! Fifty daemons are started at once on one folder.

use std::time::{Duration, Instant};

use harness::sandbox::{GLANCE, PATIENCE, Running, Sandbox};
use rustix::process::Signal;

use super::alone;
use super::ground::{ends_in_order, is_intact, status};

const STARTS: usize = 50;

/// On a folder that is not there yet, then on the one that a killed daemon left.
const ROUNDS: usize = 4;

#[test]
fn of_fifty_starts_at_once_one_works_and_the_others_are_refused_within_a_second() {
    let _machine = alone();
    let sandbox = Sandbox::new();
    let rounds = (0..ROUNDS).map(|_| {
        let (mut winner, slowest) = race(&sandbox);
        let greeting = winner.line();
        assert!(greeting.contains(&winner.pid().to_string()), "{greeting}");
        assert_eq!(status(&sandbox)["pid"], winner.pid());
        winner.signal(Signal::KILL);
        winner.ends();
        is_intact(&sandbox.home());
        slowest
    });
    let slowest: Vec<Duration> = rounds.collect();
    eprintln!("the slowest refusal of each round: {slowest:?}");
    // What is ours is the quickest round; the others tell how busy the machine was.
    assert!(slowest.iter().min().unwrap() < &Duration::from_secs(1), "{slowest:?}");
    ends_in_order(&mut sandbox.serve(&[]));
}

/// The one that works, and how long the slowest of the others took to be refused.
fn race(sandbox: &Sandbox) -> (Running, Duration) {
    let start = |_| (Instant::now(), Running::start(sandbox.command(&["serve"])));
    let mut running: Vec<(Instant, Running)> = (0..STARTS).map(start).collect();
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
            let took = began.elapsed();
            let stderr = daemon.stderr();
            assert_eq!(code, Some(1), "{stderr}");
            assert!(stderr.contains("another tinyforge holds"), "{stderr}");
            slowest = slowest.max(took);
        }
        running = left;
        std::thread::sleep(GLANCE / 5);
    }
    let (_, winner) = running.pop().expect("one works");
    (winner, slowest)
}
