//! Ten thousand containers, nine of ten running, on the simulated engine in memory, with the real reconciler on a real
//! database.
//!
//! *Pass*: the processor time of this process over one periodic pass in which nothing changed, the median of ten. The
//! simulated engine's own work on the listing is in it, and is measured beside it.
//!
//! *Memory*: by how much the resident memory of this process grew from the engine's world being there to the end of
//! the first pass.
//!
//! *Filter*: see [`filter`].

use std::time::Duration;

use tinyforge_core::docker::Engine as _;
use tinyforge_core::docker::fake::{FakeEngine, Spec};

use crate::filter;
use crate::gauge::{median, mib, ms, own_cpu, resident};
use crate::index::{Index, runtime};
use crate::table::Figure;

const CONTAINERS: usize = 10_000;
const PASSES: usize = 10;

pub fn measure() -> Vec<Figure> {
    let runtime = runtime();
    let engine = runtime.block_on(async { world() });
    let before = resident(std::process::id());
    let index = runtime.block_on(Index::of(std::sync::Arc::new(engine.clone())));
    let grown = resident(std::process::id()).saturating_sub(before);
    let (mut passes, mut lists) = (vec![], vec![]);
    for _ in 0..PASSES {
        lists.push(cpu_of(|| runtime.block_on(engine.list()).expect("the simulated engine answers").len()));
        passes.push(cpu_of(|| runtime.block_on(index.pass())));
    }
    runtime.block_on(index.stop());
    let (pass, list) = (median(&passes), median(&lists));
    vec![
        Figure::new("pass over 10,000 containers, processor time", ms(pass))
            .beside(format!("of it the simulated engine's own listing: {}", ms(list)))
            .goal("< 300 ms", pass < Duration::from_millis(300)),
        Figure::new("resident memory that 10,000 containers take", mib(grown))
            .beside("before the index was built"),
        filter::measure(),
    ]
}

fn world() -> FakeEngine {
    let engine = FakeEngine::with_clock(1, jiff::Timestamp::now);
    for n in 0..CONTAINERS {
        let spec = Spec::named(&format!("container-{n}"));
        let made = if n % 10 == 0 { engine.create(spec) } else { engine.run(spec) };
        made.expect("the simulated engine makes a container");
    }
    engine
}

fn cpu_of<T>(work: impl FnOnce() -> T) -> Duration {
    let before = own_cpu();
    work();
    own_cpu().saturating_sub(before)
}
