//! A year of history at a hundred containers, on a real database: what it takes, and how long the past is waited for.
//!
//! Each container turns ten times a day and is replaced every month; twenty foreign ones come and go each day. What is
//! asked is asked at moments all over the year, twenty times; quoted is the slowest median.

use std::path::Path;
use std::time::{Duration, Instant};

use tinyforge_core::clock::Timestamp;
use tinyforge_core::events::Bus;
use tinyforge_core::rules::cause::Cause;
use tinyforge_core::rules::container::{Health, State};
use tinyforge_core::rules::course::Course;
use tinyforge_core::rules::diff::{Change, Field};
use tinyforge_core::rules::ids::{ContainerId, EngineId, RowId};
use tinyforge_core::rules::row::{Decided, Facts, Owner, Row};
use tinyforge_core::store::{IndexCommit, RowWrite, Store};

use crate::index::runtime;
use crate::table::Figure;

const CONTAINERS: usize = 100;
const DAYS: i64 = 365;
const TURNS: i64 = 10;
const PASSING: usize = 20;
const DAY: i64 = 86_400;
const TIMES: usize = 20;

const AT_GOAL: Duration = Duration::from_millis(50);
const HISTORY_GOAL: Duration = Duration::from_millis(20);

pub fn measure() -> Vec<Figure> {
    let home = tempfile::tempdir().unwrap();
    runtime().block_on(figures(home.path()))
}

async fn figures(home: &Path) -> Vec<Figure> {
    let store = Store::open(home, Bus::default(), moment(0)).unwrap();
    let began = Instant::now();
    for day in 0..DAYS {
        store.commit_index(a_day(day)).await.unwrap();
    }
    let wrote = began.elapsed();
    let lines = store.history_size().await.unwrap().lines;
    let mut slowest_at = Duration::ZERO;
    for day in [1, 90, 180, 270, 364] {
        let at = moment(day * DAY + 45_000);
        let taken = median(async || {
            let then = store.index_at(&engine(), at).await.unwrap();
            assert!(then.containers.len() >= CONTAINERS, "{}", then.containers.len());
        });
        slowest_at = slowest_at.max(taken.await);
    }
    let history = median(async || {
        let found = store.history_of(Some(&engine()), "c-50").await.unwrap();
        assert!(found.lines.len() > 3_000, "{}", found.lines.len());
    });
    let history = history.await;
    let bytes = store.bytes();
    store.close().await;
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    vec![
        Figure::new("a year of history, 100 containers", format!("{:.0} MB", bytes as f64 / 1e6))
            .beside(format!("{lines} changes, written in {:.0} s", wrote.as_secs_f64())),
        Figure::new("`at` in that year", ms(slowest_at)).goal("< 50 ms", slowest_at < AT_GOAL),
        Figure::new("`history` of one of them", ms(history)).goal("< 20 ms", history < HISTORY_GOAL),
    ]
}

async fn median(ask: impl AsyncFn()) -> Duration {
    let mut times = vec![];
    for _ in 0..TIMES {
        let began = Instant::now();
        ask().await;
        times.push(began.elapsed());
    }
    times.sort();
    times[TIMES / 2]
}

fn engine() -> EngineId {
    EngineId::new("ENGINE-OF-THE-YEAR")
}

fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn a_day(day: i64) -> IndexCommit {
    let mut writes: Vec<RowWrite> = (0..CONTAINERS).flat_map(|n| lived(n, day)).collect();
    writes.extend((0..PASSING).flat_map(|n| passed(n, day)));
    let now = moment((day + 1) * DAY);
    IndexCommit {
        engine_id: engine(),
        now,
        verified_at: Some(now),
        writes,
        seen: None,
        gaps: vec![],
        recasts: vec![],
    }
}

fn lived(n: usize, day: i64) -> Option<RowWrite> {
    let month = day / 30;
    let begins = day % 30 == 0;
    let id = ContainerId::new(format!("{:064x}", n as i64 * 1_000 + month));
    let turns = (0..TURNS).map(|turn| {
        let at = moment(day * DAY + turn * 8_000 + n as i64);
        let (from, to) = if turn % 2 == 0 { ("stopped", "running") } else { ("running", "stopped") };
        let first = begins && turn == 0;
        change(Field::State, (!first).then_some(from), Some(to), at)
    });
    let facts = facts(&format!("c-{n}"), moment(month * 30 * DAY));
    let history = turns.collect();
    let row_id = RowId::new(format!("row-{n}"));
    if day == 0 {
        return Some(RowWrite::Insert { row: Box::new(row(row_id, id, facts)), history });
    }
    Some(RowWrite::Observe {
        id: row_id,
        owner: Owner::foreign(),
        container_id: id,
        facts: Box::new(facts),
        course: Box::new(Course::default()),
        last_seen_at: None,
        history,
    })
}

fn passed(n: usize, day: i64) -> [RowWrite; 2] {
    let name = format!("brief-{day}-{n}");
    let id = ContainerId::new(format!("{:0<64}", format!("f{day:06x}{n:04x}")));
    let (came, went) = (moment(day * DAY + 3_600), moment(day * DAY + 3_660));
    let row_id = RowId::new(id.as_str());
    let row = row(row_id.clone(), id, facts(&name, came));
    let insert = RowWrite::Insert {
        row: Box::new(row),
        history: vec![change(Field::State, None, Some("running"), came)],
    };
    [
        insert,
        RowWrite::Retire { id: row_id, history: vec![change(Field::State, Some("running"), None, went)] },
    ]
}

fn change(field: Field, from: Option<&str>, to: Option<&str>, at: Timestamp) -> Change {
    let owned = |text: &str| text.to_owned();
    Change { field, from: from.map(owned), to: to.map(owned), at, cause: Cause::Foreign, detail: None }
}

fn facts(name: &str, created: Timestamp) -> Facts {
    Facts {
        name: name.to_owned(),
        image: "registry.test/shop:v1".to_owned(),
        image_id: format!("sha256:{:064x}", 1),
        state: State::Stopped,
        health: Health::None,
        exit_code: Some(0),
        oom_killed: false,
        restart_count: 0,
        error: None,
        ports: vec![],
        labels: [].into(),
        container_created_at: Some(created),
        started_at: Some(created),
        finished_at: None,
        restart_policy: "no".to_owned(),
        auto_remove: false,
    }
}

fn row(id: RowId, container: ContainerId, facts: Facts) -> Row {
    let created = facts.container_created_at.unwrap();
    Row {
        id,
        engine_id: engine(),
        owner: Owner::foreign(),
        container_id: Some(container),
        facts,
        course: Course::default(),
        decided: Decided::default(),
        created_at: created,
        updated_at: created,
        last_seen_at: None,
        missing_since: None,
        legacy_instance_id: None,
        last_words: None,
    }
}
