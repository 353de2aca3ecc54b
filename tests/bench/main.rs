//! The figures that exist so far, each beside what it is compared with. `make bench` prints the table.
//!
//! Run on a quiet machine; quote ratios and medians. Every row names how it was taken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::engine::{IMAGE, RealEngine};
use tinyforge_core::clock::{SharedClock, SystemClock};
use tinyforge_core::events::{Bus, Event, Heard};
use tinyforge_core::reconcile::{OwnActs, Parts, Reconciler, Rhythm};
use tinyforge_core::rules::ids::ContainerId;
use tinyforge_core::store::Store;

struct Figure {
    what: &'static str,
    ours: String,
    compared_with: String,
    goal: &'static str,
    met: bool,
}

fn main() {
    // `cargo test --all-targets` builds and starts benches too: they measure only when asked by `cargo bench`.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let engine = RealEngine::start();
    let mut figures = runtime.block_on(latency(&engine));
    figures.extend(runtime.block_on(pass(&engine)));
    println!("{:<52} {:>22} {:>30} {:>26} {:>4}", "figure", "ours", "compared with", "goal", "met");
    for figure in &figures {
        let met = if figure.met { "yes" } else { "NO" };
        println!(
            "{:<52} {:>22} {:>30} {:>26} {met:>4}",
            figure.what, figure.ours, figure.compared_with, figure.goal
        );
    }
}

struct Core {
    index: Reconciler,
    bus: Bus,
    _home: tempfile::TempDir,
}

async fn core(engine: &RealEngine) -> Core {
    let home = tempfile::tempdir().unwrap();
    let bus = Bus::default();
    let store = Store::open(home.path(), bus.clone(), jiff::Timestamp::now()).unwrap();
    let index = Reconciler::start(Parts {
        engine: engine.door(),
        store,
        bus: bus.clone(),
        clock: Arc::new(SystemClock) as SharedClock,
        own: OwnActs::default(),
        // A pass is taken when it is asked for, by the shortest period.
        rhythm: Rhythm::default(),
    });
    index.settled().await;
    Core { index, bus, _home: home }
}

fn percentile(sorted: &[Duration], of: usize) -> Duration {
    sorted[(sorted.len() - 1) * of / 100]
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// From the engine's own time of a pause to the announcement of the committed row, with a hundred containers.
async fn latency(engine: &RealEngine) -> Vec<Figure> {
    let ids: Vec<ContainerId> = tokio::task::block_in_place(|| {
        (0..100).map(|n| engine.create(&["--name", &format!("b{n}"), IMAGE])).collect()
    });
    let core = core(engine).await;
    let mut heard = core.bus.subscribe();
    let mut times = vec![];
    for round in 0..200 {
        let id = &ids[round % ids.len()];
        let name = format!("r{round}-{}", id.short());
        tokio::task::block_in_place(|| engine.docker(&["rename", id.as_str(), &name]).ok());
        loop {
            match heard.next().await {
                Heard::Event(Event::IndexChanged(change)) => {
                    let line = change.history.iter().find(|line| line.container_id.as_ref() == Some(id));
                    if let Some(line) = line {
                        let took = jiff::Timestamp::now().duration_since(line.change.at);
                        times.push(Duration::try_from(took).unwrap_or_default());
                        break;
                    }
                }
                Heard::Event(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    core.index.stop().await;
    times.sort();
    let (p50, p99) = (percentile(&times, 50), percentile(&times, 99));
    vec![
        Figure {
            what: "engine event → committed row, 100 containers, p50",
            ours: ms(p50),
            compared_with: "the event's own time".to_owned(),
            goal: "< 8 ms",
            met: p50 < Duration::from_millis(8),
        },
        Figure {
            what: "engine event → committed row, 100 containers, p99",
            ours: ms(p99),
            compared_with: "the event's own time".to_owned(),
            goal: "< 40 ms",
            met: p99 < Duration::from_millis(40),
        },
    ]
}

/// A pass over a thousand containers in which nothing changed, beside the bare list call.
async fn pass(engine: &RealEngine) -> Vec<Figure> {
    let door = engine.door();
    tokio::task::block_in_place(|| {
        for n in 100..1_000 {
            engine.create(&["--name", &format!("b{n}"), IMAGE]);
        }
    });
    let core = core(engine).await;
    let (mut passes, mut lists) = (vec![], vec![]);
    for _ in 0..10 {
        let began = Instant::now();
        let rows = door.list().await.unwrap();
        lists.push(began.elapsed());
        assert_eq!(rows.len(), 1_000);
        let before = core.index.pulse().passes;
        core.index.pass_every(Duration::ZERO).await;
        let mut pulse = core.index.watch();
        pulse.wait_for(|pulse| pulse.passes > before).await.unwrap();
        core.index.pass_every(Duration::from_secs(600)).await;
        passes.push(core.index.pulse().last_pass.unwrap());
    }
    core.index.stop().await;
    passes.sort();
    lists.sort();
    let (pass, list) = (percentile(&passes, 50), percentile(&lists, 50));
    let ratio = pass.as_secs_f64() / list.as_secs_f64();
    vec![Figure {
        what: "pass over 1,000 containers, nothing changed",
        ours: ms(pass),
        compared_with: format!("bare list call {} ({ratio:.2} ×)", ms(list)),
        goal: "≤ 1.15 × the list",
        met: ratio <= 1.15,
    }]
}
