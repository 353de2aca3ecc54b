//! One schedule: a seed, sixty steps and more, and the rest after them.

use std::fmt;
use std::time::Duration;

use tinyforge_core::rules::planted::{self, Bug};

use crate::oracle::Broken;
use crate::rest::rest;
use crate::story;
use crate::world::World;

/// No schedule has fewer.
const STEPS: usize = 60;

/// A schedule that did not hold, with everything that is needed to see it again.
pub struct Failure {
    pub seed: u64,
    pub step: usize,
    pub broken: Broken,
    pub transcript: Vec<String>,
}

/// How much of a transcript is shown.
const SHOWN: usize = 80;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, step, broken: Broken { rule, what }, transcript } = self;
        let from = transcript.len().saturating_sub(SHOWN);
        writeln!(f, "seed {seed}, step {step}: {rule}")?;
        for line in &transcript[from..] {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "seed {seed}, step {step}: {rule}: {what}")?;
        write!(f, "To see it again: TINYFORGE_SEED={seed} cargo test --workspace --test simulation replay")
    }
}

/// The transcript of a schedule that held.
pub type Told = Vec<String>;

/// Runs a schedule; one that fails is run once more to be told.
pub fn run(seed: u64, bug: Option<Bug>) -> Result<(), Failure> {
    match outcome(seed, bug) {
        Ok(()) => Ok(()),
        Err(_) => match of_seed(seed, bug, true) {
            Err(failure) => Err(failure),
            Ok(_) => panic!("seed {seed} failed once, and held when it was told"),
        },
    }
}

/// The same, without its transcript.
pub fn outcome(seed: u64, bug: Option<Bug>) -> Result<(), Failure> {
    of_seed(seed, bug, false).map(drop)
}

/// The same, told.
pub fn told(seed: u64, bug: Option<Bug>) -> Result<Told, Failure> {
    of_seed(seed, bug, true)
}

fn of_seed(seed: u64, bug: Option<Bug>, tell: bool) -> Result<Told, Failure> {
    planted::plant(bug);
    let outcome = alone(async {
        let mut world = World::new(seed, tell);
        let mut step = 0;
        let outcome = play(&mut world, &mut step).await;
        world.crash();
        let transcript = world.transcript.take().unwrap_or_default();
        match outcome {
            Ok(()) => Ok(transcript),
            Err(broken) => Err(Failure { seed, step, broken, transcript }),
        }
    });
    planted::plant(None);
    outcome
}

async fn play(world: &mut World, step: &mut usize) -> Result<(), Broken> {
    story::furnish(world);
    world.look_around();
    world.begin();
    if world.chance.u8(0..4) != 0 {
        world.flow_for(Duration::from_millis(50)).await?;
    }
    let steps = STEPS + world.chance.usize(..30);
    while *step < steps {
        *step += 1;
        story::step(world).await?;
    }
    rest(world).await
}

/// A runtime of its own, with its clock paused, for one future: nothing else has a turn, and time begins at nought.
pub fn alone<T>(story: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    // Whoever yields is polled again once nobody else can do anything.
    let runtime = runtime.enable_time().start_paused(true).event_interval(1_000_000).build().unwrap();
    runtime.block_on(story)
}
