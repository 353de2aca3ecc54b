//! Not by chance but one after the other: a story of every act, and the same mishap at each of its moments.

use std::time::Duration;

use tinyforge_core::docker::Listed;

use crate::oracle::Broken;
use crate::rest::rest;
use crate::schedule::alone;
use crate::story::{self, ACTS};
use crate::world::{Fate, World};

/// Stories: the same acts in their order, on other containers.
const STORIES: u64 = 4;
/// Between two acts.
const PAUSE: Duration = Duration::from_millis(70);

fn begin(seed: u64) -> World {
    let mut world = World::new(seed, true);
    story::furnish(&mut world);
    world.climate = story::Climate::default();
    world.engine.change_weather(|weather| weather.list_lag = Duration::ZERO);
    world.look_around();
    world.begin();
    world
}

fn act(world: &mut World, n: u8) {
    match story::somebody(world) {
        Some(id) => story::do_it(world, n % ACTS, &id),
        None => story::an_act(world),
    }
}

#[track_caller]
fn holds(what: &str, world: &World, outcome: Result<(), Broken>) {
    if let Err(Broken { rule, what: detail }) = outcome {
        let transcript = world.transcript.clone().unwrap_or_default();
        let from = transcript.len().saturating_sub(60);
        panic!("{what}: {rule}: {detail}\n{}", transcript[from..].join("\n"));
    }
}

/// Tells the story one answer, event and job of the database at a time. After so many of them our process is killed
/// and starts anew. Returns how many there were.
async fn one_by_one(world: &mut World, killed_after: Option<usize>) -> Result<usize, Broken> {
    let mut count = 0;
    world.gate.shut();
    for n in 0..=ACTS {
        loop {
            world.turn().await?;
            let moved = world.gate.next(Ok(()))
                || !world.calls.is_empty() && world.deliver(0, Fate::Honest)
                || !world.streams.is_empty() && world.let_through(0, 0);
            if !moved {
                break;
            }
            count += 1;
            if killed_after == Some(count) {
                world.tell(|| "our process is killed".to_owned());
                world.crash();
                world.turn().await?;
                world.begin();
            }
        }
        world.pass(PAUSE).await?;
        if n < ACTS {
            act(world, n);
        }
    }
    rest(world).await?;
    Ok(count)
}

#[test]
fn killed_after_any_command_the_next_process_makes_it_good() {
    let mut kills = 0;
    for seed in 0..STORIES {
        let commands = alone(async {
            let mut world = begin(seed);
            let outcome = one_by_one(&mut world, None).await;
            let commands = outcome.clone().unwrap_or_default();
            holds("undisturbed", &world, outcome.map(drop));
            commands
        });
        for after in 1..=commands {
            alone(async {
                let mut world = begin(seed);
                let outcome = one_by_one(&mut world, Some(after)).await.map(drop);
                holds(&format!("story {seed}, killed after command {after}"), &world, outcome);
            });
            kills += 1;
        }
    }
    say!("{kills} kills");
}

/// Tells the story in fair weather up to an act. Returns what a listing told before each of them.
async fn fairly(world: &mut World, acts: u8) -> Result<Vec<Vec<Listed>>, Broken> {
    let mut listings = vec![];
    world.flow_for(PAUSE).await?;
    for n in 0..acts {
        listings.push(world.engine.listing());
        act(world, n);
        world.flow_for(PAUSE).await?;
    }
    Ok(listings)
}

/// A listing of an earlier moment is told once more, by a pass of its turn or by one after a doubt.
async fn an_older_listing(world: &mut World, acts: u8, older: u8, doubt: bool) -> Result<(), Broken> {
    let mut listings = fairly(world, acts).await?;
    world.instead = Some(listings.swap_remove(usize::from(acts - older)));
    world.happened.unseen = true;
    if doubt {
        world.engine.break_streams();
    }
    world.flow_for(Duration::from_secs(31)).await?;
    rest(world).await
}

#[test]
fn an_older_listing_told_at_any_later_moment_undoes_nothing() {
    let mut told = 0;
    for seed in 0..STORIES {
        for acts in 1..=ACTS {
            for older in 1..=acts {
                for doubt in [false, true] {
                    alone(async {
                        let mut world = begin(seed);
                        let outcome = an_older_listing(&mut world, acts, older, doubt).await;
                        let what =
                            format!("story {seed}, the listing of {older} acts before act {acts}, {doubt}");
                        holds(&what, &world, outcome);
                    });
                    told += 1;
                }
            }
        }
    }
    say!("{told} older listings");
}

#[test]
fn any_single_event_may_be_lost() {
    let mut lost = 0;
    for seed in 0..STORIES {
        let tell = |suppressed| {
            alone(async move {
                let mut world = begin(seed);
                world.suppressed = suppressed;
                let mut outcome = fairly(&mut world, ACTS).await.map(drop);
                if outcome.is_ok() {
                    outcome = rest(&mut world).await;
                }
                holds(&format!("story {seed} without event {suppressed:?}"), &world, outcome);
                world.told
            })
        };
        let events = tell(None);
        for event in 1..=events {
            tell(Some(event));
            lost += 1;
        }
    }
    say!("{lost} lost events");
}
