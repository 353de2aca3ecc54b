//! Rows, commits and databases to test with.

use std::collections::BTreeMap;

use tinyforge_core::clock::Timestamp;
use tinyforge_core::events::{Bus, Event, Heard, IndexChange, Subscriber};
use tinyforge_core::rules::cause::Cause;
use tinyforge_core::rules::container::{Health, Port, State};
use tinyforge_core::rules::course::Course;
use tinyforge_core::rules::diff::{Change, Field};
use tinyforge_core::rules::ids::{ContainerId, EngineId, RowId, WorkloadId};
use tinyforge_core::rules::row::{Decided, Facts, Owner, Row};
use tinyforge_core::store::{IndexCommit, NewShape, NewWorkload, RowWrite, Store};

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

pub fn engine() -> EngineId {
    EngineId::new("ENGINE-A")
}

pub fn facts(name: &str, state: State) -> Facts {
    Facts {
        name: name.to_owned(),
        image: format!("registry.test/{name}:v1"),
        image_id: "sha256:0123".to_owned(),
        state,
        health: Health::None,
        exit_code: None,
        oom_killed: false,
        restart_count: 0,
        error: None,
        ports: vec![Port {
            container_port: 80,
            protocol: "tcp".to_owned(),
            host_ip: Some("127.0.0.1".to_owned()),
            host_port: Some(32_768),
        }],
        labels: BTreeMap::from([("a".to_owned(), "'; DROP TABLE containers; --".to_owned())]),
        container_created_at: Some(at(0)),
        started_at: Some(at(1)),
        finished_at: None,
        restart_policy: "no".to_owned(),
        auto_remove: false,
    }
}

pub fn row(name: &str, state: State) -> Row {
    Row {
        id: RowId::new(format!("row-{name}")),
        engine_id: engine(),
        owner: Owner::foreign(),
        container_id: Some(container_id(name)),
        facts: facts(name, state),
        course: Course::default(),
        decided: Decided::default(),
        created_at: at(5),
        updated_at: at(5),
        last_seen_at: Some(at(5)),
        missing_since: None,
        legacy_instance_id: None,
        last_words: None,
    }
}

/// As long as a real one, and beginning differently for each name.
pub fn container_id(name: &str) -> ContainerId {
    let hex: String = name.bytes().map(|b| format!("{b:02x}")).collect();
    ContainerId::new(format!("{hex:0<64}"))
}

pub fn change(field: Field, from: Option<&str>, to: Option<&str>, when: Timestamp) -> Change {
    Change {
        field,
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
        at: when,
        cause: Cause::Foreign,
        detail: None,
    }
}

pub fn appeared(row: &Row, when: Timestamp) -> Vec<Change> {
    vec![change(Field::State, None, Some(row.facts.state.as_str()), when)]
}

pub fn commit(writes: Vec<RowWrite>, now: Timestamp) -> IndexCommit {
    IndexCommit {
        engine_id: engine(),
        now,
        verified_at: None,
        writes,
        seen: None,
        gaps: Vec::new(),
        recasts: Vec::new(),
    }
}

pub fn insert(row: &Row, when: Timestamp) -> RowWrite {
    RowWrite::Insert { row: Box::new(row.clone()), history: appeared(row, when) }
}

/// The row as it would be observed now in that state.
pub fn observe(row: &Row, state: State, when: Timestamp) -> RowWrite {
    RowWrite::Observe {
        id: row.id.clone(),
        owner: row.owner.clone(),
        container_id: row.container_id.clone().unwrap(),
        facts: Box::new(Facts { state, ..row.facts.clone() }),
        course: Box::default(),
        last_seen_at: row.last_seen_at,
        history: vec![change(Field::State, Some(row.facts.state.as_str()), Some(state.as_str()), when)],
    }
}

pub fn project(id: &str) -> NewWorkload {
    NewWorkload {
        id: WorkloadId::new(id),
        name: format!("{id}-name"),
        shape: NewShape::Project { image: "shop".to_owned() },
    }
}

/// A database in memory and someone who listens.
pub fn in_memory() -> (Store, Subscriber) {
    let bus = Bus::default();
    let ear = bus.subscribe();
    (Store::in_memory(bus).unwrap(), ear)
}

/// Everything that was announced so far.
pub async fn heard(ear: &mut Subscriber) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        tokio::select! {
            biased;
            heard = ear.next() => match heard {
                Heard::Event(event) => events.push(event),
                other => panic!("{other:?}"),
            },
            () = std::future::ready(()) => return events,
        }
    }
}

/// The one change of the index that was announced, and nothing besides.
pub async fn heard_one(ear: &mut Subscriber) -> IndexChange {
    match heard(ear).await.as_slice() {
        [Event::IndexChanged(change)] => (**change).clone(),
        other => panic!("one change of the index was expected, not {other:?}"),
    }
}
