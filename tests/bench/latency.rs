//! From an event of the engine to the announcement of the committed row, with a hundred containers.
//!
//! *Quiet*: two hundred renames, one after the other, each waited for. From the time that the engine put on the event
//! to the moment at which a subscriber of the bus hears of the committed row.
//!
//! *In a flood*: six hundred renames a second for ten seconds, over all the containers in turn. Every rename counts,
//! also those whose name was another again before anyone could look: it is seen when a committed row of its container
//! bears its name or a later one. From the moment at which the rename was asked for, which is before its event.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::engine::RealEngine;
use tinyforge_core::events::{Event, Heard, Subscriber};
use tinyforge_core::rules::ids::ContainerId;

use crate::gauge::{ms, percentile};
use crate::index::{Index, runtime};
use crate::other::Other;
use crate::table::Figure;

const CONTAINERS: usize = 100;
const QUIET: usize = 200;
const A_SECOND: u32 = 600;
const FLOOD: usize = 6_000;
/// Renames that are asked for at once: one connection alone does not reach the rate on a slow disk.
const HANDS: usize = 10;
/// After a flood everything must have been seen long before this.
const OVERDUE: Duration = Duration::from_secs(10);

pub fn measure() -> Vec<Figure> {
    let engine = RealEngine::start();
    let mut other = Other::of(&engine);
    let ids: Vec<ContainerId> = (0..CONTAINERS).map(|n| other.create(&format!("q{n}"))).collect();
    let runtime = runtime();
    let index = runtime.block_on(Index::of(engine.door()));
    let mut figures = quiet(&mut other, &ids, &index, &runtime);
    figures.push(flood(&engine, &ids, &index, &runtime));
    runtime.block_on(index.stop());
    figures
}

fn quiet(
    other: &mut Other,
    ids: &[ContainerId],
    index: &Index,
    runtime: &tokio::runtime::Runtime,
) -> Vec<Figure> {
    let mut heard = index.bus.subscribe();
    let times: Vec<Duration> = (0..QUIET)
        .map(|round| {
            let id = &ids[round % ids.len()];
            other.rename(id, &format!("r{round}"));
            runtime.block_on(committed(&mut heard, id))
        })
        .collect();
    let (p50, p99) = (percentile(&times, 50), percentile(&times, 99));
    vec![
        Figure::new("event → committed row, 100 containers, p50", ms(p50))
            .beside("the engine's time of the event")
            .goal("< 8 ms", p50 < Duration::from_millis(8)),
        Figure::new("event → committed row, 100 containers, p99", ms(p99))
            .beside("the engine's time of the event")
            .goal("< 40 ms", p99 < Duration::from_millis(40)),
    ]
}

/// The time between the change's own time, which is the event's, and now that its commit is announced.
async fn committed(heard: &mut Subscriber, id: &ContainerId) -> Duration {
    loop {
        match heard.next().await {
            Heard::Event(Event::IndexChanged(change)) => {
                let told = change.history.iter().find(|line| line.container_id.as_ref() == Some(id));
                if let Some(line) = told {
                    let took = jiff::Timestamp::now().duration_since(line.change.at);
                    return Duration::try_from(took).unwrap_or_default();
                }
            }
            Heard::Event(_) => {}
            other => panic!("the bus is read as fast as it speaks: {other:?}"),
        }
    }
}

fn flood(
    engine: &RealEngine,
    ids: &[ContainerId],
    index: &Index,
    runtime: &tokio::runtime::Runtime,
) -> Figure {
    let mut heard = index.bus.subscribe();
    let listening = runtime.spawn(async move { listen(&mut heard).await });
    let began = Instant::now();
    let asked = rename_in_turn(engine, ids, began);
    let rate = FLOOD as f64 / began.elapsed().as_secs_f64();
    let seen = runtime.block_on(listening).expect("the listener hears the last name of each");
    let unseen: Vec<Duration> =
        asked.iter().map(|(n, at)| first_at(&seen, *n).saturating_duration_since(*at)).collect();
    let (worst, p99) = (percentile(&unseen, 100), percentile(&unseen, 99));
    Figure::new("the longest that an event stayed unseen in a flood", ms(worst))
        .beside(format!("p99 {}, p50 {}, at {rate:.0} events/s", ms(p99), ms(percentile(&unseen, 50))))
        .goal("< 1 s at 600 events/s", worst < Duration::from_secs(1) && rate >= 0.95 * f64::from(A_SECOND))
}

/// Asks for the renames at their times, in several hands; when each was asked for.
fn rename_in_turn(engine: &RealEngine, ids: &[ContainerId], began: Instant) -> Vec<(usize, Instant)> {
    std::thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS)
            .map(|hand| {
                let mut other = Other::of(engine);
                scope.spawn(move || {
                    let mine = (0..FLOOD).skip(hand).step_by(HANDS);
                    mine.map(|n| {
                        let due = Duration::from_secs(1) * u32::try_from(n).unwrap() / A_SECOND;
                        // The span itself is the subject: the flood has a rate.
                        std::thread::sleep(due.saturating_sub(began.elapsed()));
                        let at = Instant::now();
                        other.rename(&ids[n % ids.len()], &name(n));
                        (n, at)
                    })
                    .collect::<Vec<_>>()
                })
            })
            .collect();
        hands.into_iter().flat_map(|hand| hand.join().expect("the engine renames")).collect()
    })
}

/// Which names the committed rows of each container bore, and when they were announced, until each has its last.
async fn listen(heard: &mut Subscriber) -> BTreeMap<usize, Vec<(usize, Instant)>> {
    let mut seen: BTreeMap<usize, Vec<(usize, Instant)>> = BTreeMap::new();
    let is_last = |n: usize| n + CONTAINERS >= FLOOD;
    while seen.values().filter(|names| names.iter().any(|(n, _)| is_last(*n))).count() < CONTAINERS {
        let next = tokio::time::timeout(OVERDUE, heard.next()).await.expect("the flood is seen to its end");
        // What was missed of the announcements counts as seen with the next one.
        let Heard::Event(Event::IndexChanged(change)) = next else { continue };
        for row in &change.upserts {
            if let Some(n) = number(&row.facts.name) {
                seen.entry(n % CONTAINERS).or_default().push((n, Instant::now()));
            }
        }
    }
    seen
}

fn first_at(seen: &BTreeMap<usize, Vec<(usize, Instant)>>, n: usize) -> Instant {
    let names = &seen[&(n % CONTAINERS)];
    names
        .iter()
        .filter(|(name, _)| *name >= n)
        .map(|(_, at)| *at)
        .min()
        .expect("its container was seen later on")
}

fn name(n: usize) -> String {
    format!("f{n}")
}

fn number(name: &str) -> Option<usize> {
    name.strip_prefix('f')?.parse().ok()
}
