//! Chance: as many seeds as there is time for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::schedule;

/// Schedules of an ordinary run, and of one that takes its time.
const SEEDS: u64 = 20_000;
const SEEDS_OF_A_SOAK: u64 = 100_000;
/// Failures of one run that are worth reading.
const ENOUGH: usize = 5;

fn wanted(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Every seed of the range on as many threads as there are cores, each schedule in a runtime of its own.
fn search(seeds: std::ops::Range<u64>) -> Vec<String> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(8);
    let stop = AtomicBool::new(false);
    let failures = std::sync::Mutex::new(vec![]);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (stop, failures, seeds) = (&stop, &failures, seeds.clone());
            scope.spawn(move || {
                for seed in seeds.skip(thread as usize).step_by(threads as usize) {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    if let Err(failure) = schedule::run(seed, None) {
                        let mut failures = failures.lock().unwrap();
                        failures.push(failure.to_string());
                        stop.store(failures.len() >= ENOUGH, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap()
}

#[test]
fn every_schedule_keeps_the_index_exact() {
    let soak = std::env::var_os("TINYFORGE_SOAK").is_some();
    let seeds = wanted("TINYFORGE_SEEDS").unwrap_or(if soak { SEEDS_OF_A_SOAK } else { SEEDS });
    let began = Instant::now();
    let failures = search(0..seeds);
    say!("{seeds} schedules in {:.1} s", began.elapsed().as_secs_f64());
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n\n"));
}

/// `TINYFORGE_SEED=n` tells one schedule; without it a few are told, each the same way twice.
#[test]
fn replay() {
    if let Some(seed) = wanted("TINYFORGE_SEED") {
        match schedule::told(seed, None) {
            Ok(told) => say!("{}\nseed {seed} holds", told.join("\n")),
            Err(failure) => panic!("\n{}\n{failure}", failure.transcript.join("\n")),
        }
        return;
    }
    for seed in 0..200 {
        let tell = || match schedule::told(seed, None) {
            Ok(told) => told,
            Err(failure) => failure.transcript,
        };
        assert_eq!(tell(), tell(), "seed {seed} is told the same way each time");
    }
}
