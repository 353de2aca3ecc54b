use futures_util::StreamExt as _;

use tokio::time::{sleep, timeout};

use super::*;
use crate::docker::{Action, Engine as _, EngineEvent, EventStream};

async fn drain(events: &mut EventStream) -> Vec<String> {
    let mut words = Vec::new();
    while let Ok(Some(Ok(event))) = timeout(Duration::from_millis(1), events.next()).await {
        words.push(word(&event));
    }
    words
}

fn word(event: &EngineEvent) -> String {
    let extra = ["signal", "exitCode", "oldName"].iter().find_map(|k| event.attributes.get(*k));
    let action = match &event.action {
        Action::HealthStatus(health) => format!("health {health}"),
        other => format!("{other:?}").to_lowercase(),
    };
    extra.map_or(action.clone(), |value| format!("{action} {value}"))
}

/// Each act and the events that were measured for it on a real engine.
#[tokio::test(start_paused = true)]
async fn every_act_says_what_was_measured_in_its_order() {
    let engine = FakeEngine::new(1);
    let mut events = engine.events(engine.now()).await.unwrap();
    let web = engine.run(Spec::named("web")).unwrap();
    assert_eq!(drain(&mut events).await, ["create", "start"]);
    engine.stop_container(&web).unwrap();
    assert_eq!(drain(&mut events).await, ["kill 15", "die 143", "stop"]);
    engine.stop_container(&web).unwrap();
    assert!(drain(&mut events).await.is_empty(), "stopping what is stopped is already so");
    engine.start_container(&web).unwrap();
    engine.restart_container(&web).unwrap();
    assert_eq!(drain(&mut events).await, ["start", "kill 15", "die 143", "stop", "start", "restart"]);
    engine.die(&web, 3).unwrap();
    assert_eq!(drain(&mut events).await, ["die 3"]);
    engine.start_container(&web).unwrap();
    engine.kill(&web, 9).unwrap();
    assert_eq!(drain(&mut events).await, ["start", "kill 9", "die 137"]);
    engine.rename(&web, "web2").unwrap();
    assert_eq!(drain(&mut events).await, ["rename /web"]);
    engine.start_container(&web).unwrap();
    engine.pause(&web).unwrap();
    engine.unpause(&web).unwrap();
    engine.oom(&web).unwrap();
    assert_eq!(drain(&mut events).await, ["start", "pause", "unpause", "oom", "die 137"]);
    engine.start_container(&web).unwrap();
    engine.force_remove(&web).unwrap();
    assert_eq!(drain(&mut events).await, ["start", "kill 9", "die 137", "destroy"]);
    engine.run_rm(Spec::named("once"), 0).unwrap();
    assert_eq!(drain(&mut events).await, ["create", "start", "die 0", "destroy"]);
    let broken = engine.create(Spec::named("broken").fails_to_start("no such file")).unwrap();
    assert!(matches!(engine.start_container(&broken), Err(EngineError::Refused { .. })));
    assert_eq!(
        drain(&mut events).await,
        ["create", "network", "network"],
        "of a failed start only the network tells"
    );
    assert_eq!(engine.truth_of(&broken).unwrap().state, State::Created);
    let service = engine.run(Spec::named("p-web-1").compose("p", "web")).unwrap();
    drain(&mut events).await;
    engine.compose_recreate(&service, "web:2").unwrap();
    let hex = service.short();
    assert_eq!(
        drain(&mut events).await,
        [
            "create".to_owned(),
            "kill 15".into(),
            "die 143".into(),
            "stop".into(),
            "destroy".into(),
            format!("rename /{hex}_p-web-1"),
            "start".into()
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn ports_are_dealt_anew_at_every_start() {
    let engine = FakeEngine::new(1);
    let web = engine.run(Spec::named("web").publish(80).expose(9000)).unwrap();
    let first = engine.truth_of(&web).unwrap().ports;
    engine.restart_container(&web).unwrap();
    let second = engine.truth_of(&web).unwrap().ports;
    assert_ne!(first, second);
    assert_eq!(second.len(), 2);
    engine.stop_container(&web).unwrap();
    assert!(engine.truth_of(&web).unwrap().ports.is_empty(), "what does not run holds no port");
}

#[tokio::test(start_paused = true)]
async fn a_listing_lags_behind_and_an_inspect_does_not() {
    let engine = FakeEngine::new(3);
    engine.change_weather(|w| w.list_lag = Duration::from_millis(600));
    let mut behind = 0;
    for round in 0..20 {
        let web = engine.run(Spec::named(&format!("web{round}"))).unwrap();
        engine.pause(&web).unwrap();
        let rows = engine.list().await.unwrap();
        behind += usize::from(rows.iter().any(|r| r.container_id == web && r.state == State::Running));
        assert_eq!(engine.inspect(&web).await.unwrap().unwrap().state, State::Paused);
    }
    assert!(behind > 10, "only {behind} of 20 listings lagged");
    sleep(Duration::from_millis(600)).await;
    assert!(engine.list().await.unwrap().iter().all(|r| r.state == State::Paused));
}

#[tokio::test(start_paused = true)]
async fn since_replays_at_most_the_ring() {
    let engine = FakeEngine::new(1);
    let start = engine.now();
    let web = engine.create(Spec::named("web")).unwrap();
    for n in 0..300 {
        engine.rename(&web, &format!("web{n}")).unwrap();
    }
    let mut events = engine.events(start).await.unwrap();
    assert_eq!(drain(&mut events).await.len(), 256);
    engine.noise(200);
    let mut events = engine.events(start).await.unwrap();
    assert_eq!(drain(&mut events).await.len(), 56, "hidden events take their place in the ring");
}

#[tokio::test(start_paused = true)]
async fn an_engine_restart_stops_everything_breaks_the_stream_hangs_and_serves_the_policies() {
    let engine = FakeEngine::new(1);
    let kept = engine.run(Spec::named("kept").restart(RestartPolicy::UnlessStopped)).unwrap();
    let by_hand = engine.run(Spec::named("by-hand").restart(RestartPolicy::UnlessStopped)).unwrap();
    engine.stop_container(&by_hand).unwrap();
    let always = engine.run(Spec::named("always").restart(RestartPolicy::Always)).unwrap();
    engine.stop_container(&always).unwrap();
    let plain = engine.run(Spec::named("plain")).unwrap();
    let gone = engine.run(Spec::named("gone").auto_remove()).unwrap();
    let mut events = engine.events(engine.now()).await.unwrap();
    drain(&mut events).await;
    engine.restart_engine();
    let mut words = Vec::new();
    let end = loop {
        match events.next().await.unwrap() {
            Ok(event) => words.push(word(&event)),
            Err(error) => break error,
        }
    };
    assert_eq!(words.iter().filter(|w| *w == "stop").count(), 3, "{words:?}");
    assert!(matches!(end, EngineError::Broken { .. }));
    assert!(events.next().await.is_none());
    let before = Instant::now();
    engine.identify().await.map_or_else(|e| assert!(e.is_away()), |_| ());
    assert!(before.elapsed() >= Duration::from_secs(10), "connections hang while it restarts");
    engine.identify().await.unwrap();
    let state = |id| engine.truth_of(id).map(|o| o.state);
    assert_eq!(state(&kept), Some(State::Running));
    assert_eq!(state(&by_hand), Some(State::Stopped), "unless-stopped remembers who stopped it");
    assert_eq!(state(&always), Some(State::Running));
    assert_eq!(state(&plain), Some(State::Stopped));
    assert_eq!(state(&gone), None);
}

#[tokio::test(start_paused = true)]
async fn a_restart_loop_counts_and_pauses_longer_each_time() {
    let engine = FakeEngine::new(1);
    let web = engine.run(Spec::named("web")).unwrap();
    engine.restart_loop(&web, Duration::from_secs(1)).unwrap();
    let mut events = engine.events(engine.now()).await.unwrap();
    assert_eq!(drain(&mut events).await, ["start"], "since is inclusive");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(
        engine.truth_of(&web).unwrap().restart_count,
        4,
        "ends after 1 s each, pauses of 0.1, 0.2, 0.4, 0.8 s"
    );
    assert_eq!(drain(&mut events).await, ["die 1", "start", "die 1", "start", "die 1", "start", "die 1"]);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_is_told_by_the_deadline_and_goes_on_where_it_froze() {
    let engine = FakeEngine::new(1);
    let web = engine.run(Spec::named("web")).unwrap();
    engine.hang();
    assert!(matches!(engine.inspect(&web).await, Err(EngineError::Hung { .. })));
    engine.unhang();
    assert!(engine.inspect(&web).await.unwrap().is_some());
    engine.hang_inspects_of(&web);
    assert!(matches!(engine.inspect(&web).await, Err(EngineError::Hung { .. })));
    assert_eq!(engine.list().await.unwrap().len(), 1, "others are not held up");
}

#[tokio::test(start_paused = true)]
async fn mishaps_befall_the_call_they_were_meant_for() {
    let engine = FakeEngine::new(1);
    let web = engine.run(Spec::named("web")).unwrap();
    engine.mishap(Call::List, 2, Mishap::Truncate(0));
    engine.mishap(Call::Stop, 1, Mishap::LoseAnswer);
    assert_eq!(engine.list().await.unwrap().len(), 1);
    assert_eq!(engine.list().await.unwrap().len(), 0);
    assert_eq!(engine.list().await.unwrap().len(), 1);
    assert!(matches!(engine.stop(&web, None).await, Err(EngineError::Broken { .. })));
    assert_eq!(
        engine.truth_of(&web).unwrap().state,
        State::Stopped,
        "the effect happened, its answer was lost"
    );
    assert_eq!(engine.calls().of(Call::List), 3);
}

#[tokio::test(start_paused = true)]
async fn another_engine_has_its_own_containers_and_the_first_keeps_its() {
    let engine = FakeEngine::new(1);
    let first = engine.engine_id();
    let web = engine.run(Spec::named("web")).unwrap();
    engine.become_another_engine("OTHER");
    assert_eq!(engine.identify().await.unwrap().id, EngineId::new("OTHER"));
    assert_eq!(engine.inspect(&web).await.unwrap(), None);
    engine.become_another_engine(first.as_str());
    assert!(engine.inspect(&web).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_tells_the_same_story() {
    async fn story() -> Vec<String> {
        let engine = FakeEngine::new(42);
        engine.set_weather(Weather::foul());
        let mut events = engine.events(engine.now()).await.unwrap();
        for n in 0..10 {
            let id = engine.run(Spec::named(&format!("c{n}"))).unwrap();
            engine.die(&id, n).unwrap();
        }
        sleep(Duration::from_secs(1)).await;
        drain(&mut events).await
    }
    let first = story().await;
    assert_eq!(first, story().await);
    assert_ne!(first.len(), 30, "some were lost, some came twice");
}

#[tokio::test(start_paused = true)]
async fn the_demo_goes_on_and_never_contradicts_itself() {
    let start = Instant::now();
    let now = move || Timestamp::UNIX_EPOCH + SignedDuration::try_from(start.elapsed()).unwrap();
    let (engine, life) = FakeEngine::demo(now).unwrap();
    let states: std::collections::BTreeSet<State> = engine.truth().values().map(|o| o.state).collect();
    for state in [State::Created, State::Running, State::Paused, State::Stopped] {
        assert!(states.contains(&state), "{state} is missing from the demo");
    }
    let mut events = engine.events(engine.now()).await.unwrap();
    let _ = timeout(Duration::from_secs(300), life.go_on()).await;
    assert!(drain(&mut events).await.len() > 100);
}
