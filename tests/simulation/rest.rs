//! What must have come to pass once the mishaps end and the world rests: the index equals the engine, within the
//! time that was promised, and then nothing is written any more.

use std::collections::BTreeMap;
use std::time::Duration;

use harness::world::differences;
use tinyforge_core::reconcile::Link;
use tinyforge_core::rules::container::State;
use tinyforge_core::rules::ids::ContainerId;
use tinyforge_core::rules::row::Row;
use tokio::time::Instant;

use crate::oracle::{Broken, breaks};
use crate::story::Climate;
use crate::world::World;

/// With events, the wait for the one that explains a change included.
const SECOND: Duration = Duration::from_secs(1);
/// After the engine's return, and after a listing that failed.
const RETURN: Duration = Duration::from_secs(5);
/// What failed is tried again after twice this, and after twice as long each time.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_LONGEST: Duration = Duration::from_secs(30);
/// After a failed commit the index is loaded anew.
const RELOAD: Duration = Duration::from_secs(2);
/// What a listing shows, where events were lost: one that had begun before is followed by another.
const LISTED: Duration = Duration::from_secs(63);
/// What no listing shows: each row is inspected in its turn.
const TURN_OF_ALL: Duration = Duration::from_secs(612);

/// What is promised from the moment on at which the mishaps end.
#[derive(Debug, Clone, Copy)]
struct Promise {
    listed: Duration,
    all: Duration,
}

fn promise(world: &World) -> Promise {
    let connected = world.index.as_ref().is_some_and(|index| index.pulse().link == Link::Connected);
    let streams = world.streams.iter().any(|open| open.ended.is_none());
    let happened = world.happened;
    if !connected || !streams {
        return Promise { listed: RETURN, all: RETURN };
    }
    if happened.unseen {
        return Promise { listed: LISTED, all: TURN_OF_ALL };
    }
    let retried = world.failures.values().max().map_or(Duration::ZERO, |failures| {
        RETRY_FIRST.saturating_mul(1 << (*failures).min(10)).min(RETRY_LONGEST)
    });
    let reloaded = if happened.store_failed { RELOAD } else { Duration::ZERO };
    let listed = if happened.list_failed { RETURN } else { Duration::ZERO };
    let refused = if happened.in_its_way { RETRY_LONGEST } else { Duration::ZERO };
    let all = SECOND + retried.max(reloaded).max(listed).max(refused);
    Promise { listed: all, all }
}

/// Ends all mishaps and holds the index to its promise.
pub async fn rest(world: &mut World) -> Result<(), Broken> {
    world.tell(|| "the world rests".to_owned());
    world.climate = Climate::default();
    world.engine.change_weather(|weather| weather.list_lag = Duration::ZERO);
    world.gate.open();
    until_it_answers(world).await?;
    let promise = promise(world);
    if world.index.is_none() {
        world.begin();
    }
    world.tell(|| format!("promised: {promise:?}"));
    let began = Instant::now();
    let (mut looked_at, mut rows, mut found) = (None, vec![], vec![]);
    loop {
        world.flow().await?;
        let now = Some((world.oracle.written(), world.last_change));
        if std::mem::replace(&mut looked_at, now) != now {
            rows = of_this_engine(world);
            found = differences(&rows, &world.engine.truth());
        }
        if found.is_empty() {
            break;
        }
        // What has just changed by itself is promised anew.
        let waited = began.elapsed();
        let late = |within: Duration| waited > within && world.last_change.elapsed() > within.min(SECOND);
        if late(promise.all) {
            return breaks(
                "the index equals the engine in time",
                format!("after {waited:?} of {:?}:\n{}", promise.all, found.join("\n")),
            );
        }
        if late(promise.listed) && !agrees_with_a_listing(world, &rows) {
            return breaks(
                "the index equals the engine in time",
                format!(
                    "a listing shows it, after {waited:?} of {:?}:\n{}",
                    promise.listed,
                    found.join("\n")
                ),
            );
        }
        let next = if waited < promise.listed { promise.listed } else { promise.all };
        world.until_something(began + next.max(waited) + Duration::from_millis(1)).await;
    }
    world.oracle.as_it_stands(&world.store)?;
    world.tell(|| "the index equals the engine".to_owned());
    nothing_is_left(world).await
}

/// An engine that restarts is waited for; every other is back.
async fn until_it_answers(world: &mut World) -> Result<(), Broken> {
    let began = Instant::now();
    while !matches!(world.engine.knock(), Some(Ok(()))) {
        match world.engine.next_by_itself() {
            Some(after) if began.elapsed() < Duration::from_secs(60) => {
                world.flow_for(after.max(Duration::from_millis(1))).await?;
            }
            _ => world.engine.come_back(),
        }
    }
    world.look_around();
    Ok(())
}

fn of_this_engine(world: &World) -> Vec<Row> {
    let here = world.engine_id();
    world.oracle.rows().filter(|row| row.engine_id == here).cloned().collect()
}

fn agrees_with_a_listing(world: &World, rows: &[Row]) -> bool {
    let ours: BTreeMap<&ContainerId, (State, &str)> = rows
        .iter()
        .filter(|row| row.facts.state != State::Missing)
        .filter_map(|row| Some((row.container_id.as_ref()?, (row.facts.state, row.facts.name.as_str()))))
        .collect();
    let truth = world.engine.truth();
    let theirs = truth.iter().map(|(id, seen)| (id, (seen.state, seen.name.as_str()))).collect();
    ours == theirs
}

/// Whoever asked has been answered, and where nothing changes nothing is written.
async fn nothing_is_left(world: &mut World) -> Result<(), Broken> {
    if world.chance.u8(0..4) != 0 {
        return Ok(());
    }
    world.flow_for(Duration::from_secs(35)).await?;
    if !world.waiters.is_empty() {
        return breaks("who asks for a look is answered", format!("{} wait still", world.waiters.len()));
    }
    if world.last_change.elapsed() < Duration::from_secs(35) {
        return Ok(());
    }
    world.oracle.at_rest = true;
    world.tell(|| "from here on nothing changes".to_owned());
    world.flow_for(Duration::from_secs(65)).await
}
