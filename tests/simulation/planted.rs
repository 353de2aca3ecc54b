//! The oracles have teeth: each fault that is planted at a place where a right decision is made is found, by a seed
//! that holds without it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tinyforge_core::rules::planted::Bug;

use crate::schedule;

/// A fault that so many schedules do not show is not found.
const PATIENCE: u64 = 4_000;

struct Caught {
    bug: Bug,
    seed: u64,
    rule: &'static str,
}

fn first_seed(bug: Bug) -> Option<Caught> {
    (0..PATIENCE).find_map(|seed| {
        let failure = schedule::outcome(seed, Some(bug)).err()?;
        Some(Caught { bug, seed, rule: failure.broken.rule })
    })
}

#[test]
fn every_planted_bug_is_caught_and_the_same_seed_holds_without_it() {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(vec![]);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(|| {
                while let Some(&bug) = Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let caught = first_seed(bug);
                    found.lock().unwrap().push((bug, caught));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort_by_key(|(bug, _)| *bug as usize);
    say!("{:<36} {:>6}  caught by", "planted", "seed");
    for (bug, caught) in &found {
        match caught {
            Some(Caught { seed, rule, .. }) => say!("{:<36} {seed:>6}  {rule}", format!("{bug:?}")),
            None => say!("{:<36} {:>6}  nobody", format!("{bug:?}"), "-"),
        }
    }
    let missed: Vec<Bug> = found.iter().filter(|(_, caught)| caught.is_none()).map(|(bug, _)| *bug).collect();
    assert!(missed.is_empty(), "nobody caught {missed:?} in {PATIENCE} schedules");
    for Caught { bug, seed, .. } in found.into_iter().filter_map(|(_, caught)| caught) {
        if let Err(failure) = schedule::run(seed, None) {
            panic!("seed {seed}, which catches {bug:?}, fails without it:\n{failure}");
        }
    }
}
