//! What the core relies on, one promise after the other.

use std::time::Duration;

use harness::engine::Skill;
use serde_json::Value;
use tinyforge_core::docker::fake::RestartPolicy;
use tinyforge_core::docker::{Dialect, EngineError};
use tinyforge_core::rules::container::{Health, State, WorkloadKind};
use tinyforge_core::rules::disk::Usage;
use tinyforge_core::rules::ids::ContainerId;
use tinyforge_core::rules::labels;
use tokio::time::{Instant, sleep, timeout};

use crate::stage::{Actor, Checked, EngineEnd, FILLED, ILL, Nature, Stage, actor};

pub async fn all(stage: &Stage) {
    the_engine_says_who_it_is(stage).await;
    every_state_is_seen_as_it_is(stage).await;
    every_act_is_told_in_its_order(stage).await;
    our_own_acts_do_what_they_say_and_twice_is_as_good_as_once(stage).await;
    what_is_not_there_and_what_cannot_be_are_told_apart(stage).await;
    a_log_is_read_from_its_end(stage).await;
    a_failed_start_is_told_by_its_network_alone(stage).await;
    memory_that_runs_out_is_told(stage).await;
    health_comes_by_event_and_only_counts_while_running(stage).await;
    ports_are_dealt_anew(stage).await;
    a_name_moves_and_the_id_stays(stage).await;
    a_crash_counts_and_comes_back(stage).await;
    what_removes_itself_is_gone(stage).await;
    the_list_says_what_there_is(stage).await;
    the_managed_list_says_who_claims_it(stage).await;
    an_inspect_is_handed_on_as_it_came(stage).await;
    what_takes_the_disk_is_measured(stage).await;
    a_subscription_reaches_back(stage).await;
    compose_replaces_in_its_order(stage).await;
    match stage.nature() {
        Nature::Docker => {
            for how in [EngineEnd::Term, EngineEnd::Kill] {
                an_engine_that_restarts_serves_the_policies(stage, how).await;
            }
        }
        // Its containers are not the service's children: there is no engine whose end would be theirs.
        Nature::Podman => {}
    }
}

async fn the_engine_says_who_it_is(stage: &Stage) {
    let first = stage.door.identify().await.unwrap();
    let second = stage.door.identify().await.unwrap();
    assert_eq!(first.id, second.id, "the id is stable");
    assert!(!first.id.as_str().is_empty());
    assert_eq!(first.dialect, stage.by_nature(Dialect::Docker, Dialect::Podman));
    stage.door.ping().await.unwrap();
    assert!(first.version.split('.').count() >= 2 && first.api_version.starts_with("1."), "{first:?}");
    assert!(second.system_time >= first.system_time, "the engine's clock goes forward");
}

async fn every_state_is_seen_as_it_is(stage: &Stage) {
    let id = stage.create(actor("states"));
    let seen = stage.seen(&id).await;
    assert_eq!((seen.state, seen.exit_code, seen.restart_count), (State::Created, None, 0));
    assert_eq!((seen.started_at, seen.finished_at), (None, None), "the year 1 means never");
    assert_eq!((seen.name.as_str(), seen.image.as_str()), ("states", stage.image().as_str()));
    assert!(seen.image_id.starts_with("sha256:"), "{}", seen.image_id);
    assert_eq!((seen.restart_policy.as_str(), seen.auto_remove), ("no", false));

    stage.start(&id);
    let running = stage.seen(&id).await;
    assert_eq!((running.state, running.exit_code, running.finished_at), (State::Running, None, None));
    assert!(running.started_at >= Some(seen.created_at));
    assert_eq!(running.created_at, seen.created_at);

    stage.pause(&id);
    let paused = stage.seen(&id).await;
    assert_eq!((paused.state, paused.exit_code), (State::Paused, None));
    stage.unpause(&id);
    assert_eq!(stage.seen(&id).await.state, State::Running);

    stage.end(&id, 3);
    let ended = stage.until(&id, "stopped", |o| o.state == State::Stopped).await;
    assert_eq!((ended.exit_code, ended.oom_killed), (Some(3), false));
    assert!(ended.finished_at > running.started_at);

    stage.remove(&id);
    assert_eq!(stage.door.inspect(&id).await.unwrap(), None, "gone is certain");
}

async fn every_act_is_told_in_its_order(stage: &Stage) {
    let mut told = stage.listen().await;
    let id = stage.run(actor("orders"));
    told.says(&id, &["create", "start"]).await;
    stage.stop(&id);
    // Podman does not tell the signal. What it tells of a stop comes before the end or after it, and may not come at all.
    told.says(&id, stage.by_nature(&["kill 15", "die 143", "stop"][..], &["die 137"])).await;
    stage.start(&id);
    stage.restart(&id);
    let restarted = stage.by_nature(
        &["start", "kill 15", "die 143", "stop", "start", "restart"][..],
        &["start", "die 137", "start"],
    );
    told.says(&id, restarted).await;
    stage.pause(&id);
    stage.unpause(&id);
    told.says(&id, &["pause", "unpause"]).await;
    if stage.lacks(Skill::Updates) {
        assert!(!stage.may_update(&id));
    } else {
        stage.update(&id);
        told.says(&id, &["update"]).await;
    }
    stage.kill(&id, 9);
    // A kill is no stop.
    told.says(&id, stage.by_nature(&["kill 9", "die 137"][..], &["kill", "die 137"])).await;
    stage.start(&id);
    stage.force_remove(&id);
    // Nor is a forced removal, unless to Podman.
    let removed =
        stage.by_nature(&["start", "kill 9", "die 137", "destroy"][..], &["start", "die 137", "destroy"]);
    told.says(&id, removed).await;

    let id = stage.run(actor("order2"));
    stage.end(&id, 7);
    told.says(&id, &["create", "start", "die 7"]).await;
    stage.remove(&id);
    told.says(&id, &["destroy"]).await;
}

async fn our_own_acts_do_what_they_say_and_twice_is_as_good_as_once(stage: &Stage) {
    let id = stage.create(actor("acts"));
    for _ in 0..2 {
        stage.door.start(&id).await.unwrap();
        assert_eq!(stage.seen(&id).await.state, State::Running);
    }
    let before = stage.seen(&id).await;
    stage.door.restart(&id, Some(Duration::from_secs(5))).await.unwrap();
    assert!(stage.seen(&id).await.started_at > before.started_at);
    for grace in [None, Some(Duration::from_secs(5))] {
        stage.door.stop(&id, grace).await.unwrap();
        let seen = stage.seen(&id).await;
        // What was made over Docker's API has no grace of its own with Podman: it is killed at once unless one is named.
        let code = if grace.is_none() { stage.by_nature(143, 137) } else { 143 };
        assert_eq!((seen.state, seen.exit_code), (State::Stopped, Some(code)), "{grace:?}");
        stage.door.start(&id).await.unwrap();
    }
    stage.force_remove(&id);
}

async fn what_is_not_there_and_what_cannot_be_are_told_apart(stage: &Stage) {
    let nobody = ContainerId::new("0".repeat(64));
    assert_eq!(stage.door.inspect(&nobody).await.unwrap(), None);
    for error in [
        stage.door.start(&nobody).await.unwrap_err(),
        stage.door.stop(&nobody, None).await.unwrap_err(),
        stage.door.restart(&nobody, None).await.unwrap_err(),
    ] {
        assert!(matches!(error, EngineError::NotFound { .. }), "{error}");
        assert!(error.to_string().contains("000000000000"), "it says which: {error}");
        assert!(!error.is_away());
    }
    let id = stage.run(actor("refuses"));
    stage.pause(&id);
    let error = stage.door.start(&id).await.unwrap_err();
    assert!(matches!(&error, EngineError::Refused { detail, .. } if !detail.is_empty()), "{error}");
    stage.unpause(&id);
    stage.force_remove(&id);
}

/// Whatever a program may write comes out as lines of text, the last ones, in their order.
async fn a_log_is_read_from_its_end(stage: &Stage) {
    let id = stage.run(actor("speaks"));
    assert_eq!(stage.door.logs(&id, 20).await.unwrap(), [""; 0]);
    stage.write_log(&id, &["one", "<b>two</b> \u{1b}[31mred", "größe \u{202e}three"]);
    let whole = ["one", "<b>two</b> \u{1b}[31mred", "größe \u{202e}three"];
    assert_eq!(stage.door.logs(&id, 20).await.unwrap(), whole);
    stage.end(&id, 3);
    stage.until(&id, "ended", |seen| seen.state == State::Stopped).await;
    assert_eq!(stage.door.logs(&id, 2).await.unwrap(), whole[1..], "it outlives the program");
    let nobody = ContainerId::new("0".repeat(64));
    let error = stage.door.logs(&nobody, 2).await.unwrap_err();
    assert!(matches!(error, EngineError::NotFound { .. }), "{error}");
    stage.remove(&id);
}

async fn a_failed_start_is_told_by_its_network_alone(stage: &Stage) {
    let mut told = stage.listen().await;
    let id = stage.run_misspelt("misspelt");
    let seen = stage.seen(&id).await;
    assert_eq!((seen.state, seen.exit_code), (State::Created, None));
    let kept = seen.error.as_deref().is_some_and(|e| e.contains("serverr"));
    assert_ne!(kept, stage.lacks(Skill::KeepsTheError), "{:?}", seen.error);
    let error = stage.door.start(&id).await.unwrap_err();
    assert!(matches!(&error, EngineError::Refused { detail, .. } if detail.contains("serverr")), "{error}");
    if stage.nature() == Nature::Docker {
        told.hears_of_a_network(&id).await;
    }
    stage.remove(&id);
    told.says(&id, &["create", "destroy"]).await;
}

/// An engine on the first version of control groups does not always notice why the kernel killed; where it does, it
/// says so in this order.
async fn memory_that_runs_out_is_told(stage: &Stage) {
    for n in 0..10 {
        let mut told = stage.listen().await;
        let id = stage.run_out_of_memory(&format!("hungry-{n}"));
        let seen = stage.until(&id, "stopped", |o| o.state == State::Stopped).await;
        assert_eq!(seen.exit_code, Some(137));
        if seen.oom_killed {
            told.says(&id, &["create", "start", "oom", "die 137"]).await;
            stage.remove(&id);
            return;
        }
        stage.remove(&id);
        if stage.lacks(Skill::TellsWhyItKilled) {
            told.says(&id, &["create", "start", "die 137", "destroy"]).await;
            return;
        }
    }
    panic!("the engine never said that memory ran out");
}

async fn health_comes_by_event_and_only_counts_while_running(stage: &Stage) {
    let mut told = stage.listen().await;
    let id = stage.run(Actor { checked: Checked::Often, ..actor("checked") });
    stage.set_health(&id, true);
    stage.until(&id, "healthy", |seen| seen.health == Health::Healthy).await;
    match stage.nature() {
        Nature::Docker => told.hears(&id, "health healthy").await,
        // Of a check Podman tells that it was made, and not what came of it: enough to look at the container.
        Nature::Podman => told.hears_of_a_check(&id).await,
    }
    // Podman's listing says nothing of health.
    assert_eq!(listed(stage, &id).await.health, stage.by_nature(Health::Healthy, Health::None));
    stage.set_health(&id, false);
    stage.until(&id, "unhealthy", |seen| seen.health == Health::Unhealthy).await;
    // Nothing is told of the checks themselves.
    match stage.nature() {
        Nature::Docker => told.says(&id, &["health unhealthy"]).await,
        Nature::Podman => told.hears_of_a_check(&id).await,
    }
    let seen = stage.seen(&id).await;
    assert_eq!(
        (seen.health, seen.probe.as_deref()),
        (Health::Unhealthy, Some(stage.by_nature(ILL, ILL.trim_end()))),
        "with what the check printed"
    );
    stage.force_remove(&id);

    // This one is checked so seldom that no check falls into its pause.
    let id = stage.run(Actor { checked: Checked::Seldom, ..actor("seldom-checked") });
    assert_eq!(stage.seen(&id).await.health, Health::Starting);
    stage.pause(&id);
    assert_eq!(stage.seen(&id).await.health, Health::None, "nobody checks what is paused");
    stage.unpause(&id);
    stage.stop(&id);
    assert_eq!(stage.seen(&id).await.health, Health::None, "nor what is stopped");
    stage.start(&id);
    assert_eq!(stage.seen(&id).await.health, Health::Starting);
    stage.force_remove(&id);
}

async fn ports_are_dealt_anew(stage: &Stage) {
    let id = stage.create(Actor { publishes: true, ..actor("ports") });
    // Podman says what is to be published, whether it is or not.
    let at_rest = stage.by_nature(0, 1);
    assert_eq!(stage.seen(&id).await.ports.len(), at_rest, "what has not started holds no port");
    stage.start(&id);
    let first = stage.seen(&id).await.ports;
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!((first[0].container_port, first[0].protocol.as_str()), (8080, "tcp"));
    assert_eq!(first[0].host_ip.as_deref(), Some("127.0.0.1"));
    assert!(first[0].host_port.is_some_and(|p| p >= 1024), "{first:?}");
    stage.stop(&id);
    assert_eq!(stage.seen(&id).await.ports.len(), at_rest, "what does not run holds no port");
    stage.start(&id);
    let second = stage.seen(&id).await.ports;
    assert!(second[0].host_port.is_some(), "{second:?}");
    stage.force_remove(&id);

    let id = stage.run(actor("exposes"));
    let exposed = stage.seen(&id).await.ports;
    assert_eq!((exposed[0].container_port, &exposed[0].host_ip, exposed[0].host_port), (8080, &None, None));
    stage.force_remove(&id);
}

async fn a_name_moves_and_the_id_stays(stage: &Stage) {
    let mut told = stage.listen().await;
    let id = stage.create(actor("first-name"));
    told.says(&id, &["create"]).await;
    stage.rename(&id, "second-name");
    let event = told.next_of(&id).await;
    let old = event.attributes.get("oldName").map(String::as_str);
    assert_eq!(old, stage.by_nature(Some("/first-name"), None), "with a slash; Podman does not tell it");
    assert_eq!(event.attributes.get("name").map(String::as_str), Some("second-name"), "and without");
    assert_eq!(stage.seen(&id).await.name, "second-name");
    let other = stage.create(actor("first-name"));
    assert_eq!(stage.seen(&other).await.name, "first-name", "a name that is free is anybody's");
    stage.remove(&id);
    stage.remove(&other);
}

async fn a_crash_counts_and_comes_back(stage: &Stage) {
    let mut told = stage.listen().await;
    let id = stage.run(Actor { restart: Some(RestartPolicy::UnlessStopped), ..actor("comes-back") });
    let first = stage.seen(&id).await;
    assert_eq!(first.restart_policy, "unless-stopped");
    stage.end(&id, 1);
    let back = stage.until(&id, "back", |o| o.restart_count == 1 && o.state == State::Running).await;
    assert!(back.started_at > first.started_at);
    assert_eq!(back.exit_code, None);
    told.says(&id, &["create", "start", "die 1", "start"]).await;
    stage.force_remove(&id);
}

async fn what_removes_itself_is_gone(stage: &Stage) {
    let mut told = stage.listen().await;
    let id = stage.run(Actor { auto_remove: true, ..actor("once") });
    assert!(stage.seen(&id).await.auto_remove);
    stage.end(&id, 0);
    stage.until_gone(&id).await;
    told.says(&id, &["create", "start", "die 0", "destroy"]).await;
}

async fn the_list_says_what_there_is(stage: &Stage) {
    let prepared = stage.create(actor("prepared"));
    let running = stage.run(actor("running"));
    let stopped = stage.run(actor("stopped"));
    stage.stop(&stopped);
    let expected = [
        (&prepared, "prepared", State::Created),
        (&running, "running", State::Running),
        (&stopped, "stopped", State::Stopped),
    ];
    // A listing may lag behind; it must come to the truth.
    let settled = async {
        loop {
            let rows = stage.door.list().await.unwrap();
            assert_eq!(rows.len(), 3, "{rows:?}");
            let right = |(id, name, state): &(&ContainerId, &str, State)| {
                rows.iter().any(|row| {
                    row.container_id == **id
                        && row.name == *name
                        && row.state == *state
                        && row.image == stage.image()
                })
            };
            if expected.iter().all(right) {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(Duration::from_secs(10), settled).await.is_ok(), "{:?}", stage.door.list().await);
    for id in [prepared, running, stopped] {
        stage.force_remove(&id);
    }
    assert_eq!(stage.door.list().await.unwrap(), []);
}

async fn the_managed_list_says_who_claims_it(stage: &Stage) {
    let ours = [
        (labels::MANAGED, "true"),
        (labels::WORKLOAD_ID, "w-1"),
        (labels::WORKLOAD_KIND, "stack"),
        (labels::ROLE, "web"),
    ];
    let whole = stage.create(Actor { labels: &ours, ..actor("whole") });
    let hollow = stage
        .create(Actor { labels: &[(labels::MANAGED, "true"), (labels::WORKLOAD_ID, "")], ..actor("hollow") });
    let other = stage.create(Actor {
        labels: &[(labels::MANAGED, "false"), (labels::WORKLOAD_ID, "w-2")],
        ..actor("other")
    });
    let mut rows = stage.door.list_managed().await.unwrap();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(
        (&rows[0].container_id, rows[0].workload_id.as_deref()),
        (&hollow, None),
        "an empty value counts as absent"
    );
    assert_eq!((&rows[1].container_id, rows[1].workload_id.as_deref()), (&whole, Some("w-1")));
    assert_eq!((rows[1].workload_kind, rows[1].role.as_deref()), (Some(WorkloadKind::Stack), Some("web")));
    assert_eq!((rows[1].state, rows[1].name.as_str()), (State::Created, "whole"));
    assert_eq!(stage.seen(&whole).await.labels.get(labels::WORKLOAD_ID).map(String::as_str), Some("w-1"));
    for id in [whole, hollow, other] {
        stage.remove(&id);
    }
}

async fn an_inspect_is_handed_on_as_it_came(stage: &Stage) {
    let nobody = ContainerId::new("0".repeat(64));
    assert_eq!(stage.door.inspect_whole(&nobody).await.unwrap(), None, "gone is certain");
    let id = stage.create(actor("whole"));
    let told = stage.door.inspect_whole(&id).await.unwrap().unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["Id"], id.as_str());
    // Podman leaves the slash out.
    assert_eq!(told["Name"].as_str().map(|name| name.trim_start_matches('/')), Some("whole"));
    for part in ["Config", "HostConfig", "State", "NetworkSettings", "Mounts"] {
        assert!(!told[part].is_null(), "{part} is told: {told}");
    }
    stage.remove(&id);
}

async fn what_takes_the_disk_is_measured(stage: &Stage) {
    let nobody = ContainerId::new("0".repeat(64));
    assert_eq!(stage.door.holdings(&nobody).await.unwrap(), None, "gone is certain");
    let alone = stage.run(Actor { volume: Some("alone"), ..actor("alone") });
    stage.fill(&alone);
    let users = |usage: &Usage, name: &str| {
        let volume = usage.volumes.iter().find(|volume| volume.name == name);
        volume.unwrap_or_else(|| panic!("no {name} in {usage:?}")).users
    };
    // What was written, and what a file system adds to it.
    let is_filled = |bytes: Option<u64>| bytes.is_some_and(|bytes| (FILLED..FILLED * 2).contains(&bytes));
    let image_id = stage.seen(&alone).await.image_id;
    let image_users = |usage: &Usage| {
        let image = usage.images.iter().find(|image| image.image_id == image_id);
        let image = image.unwrap_or_else(|| panic!("no {image_id} in {usage:?}"));
        assert!(image.bytes > 0 && image.shared_bytes <= image.bytes, "{image:?}");
        image.users
    };
    for ends in [false, true] {
        if ends {
            stage.stop(&alone);
        }
        let holds = stage.door.holdings(&alone).await.unwrap().unwrap();
        assert!(is_filled(holds.writable_bytes), "{holds:?}");
        assert_eq!(holds.volumes, ["alone"]);
        assert_eq!(holds.networks, [stage.by_nature("bridge", "podman")]);
        let usage = stage.door.usage().await.unwrap();
        assert_eq!(
            (users(&usage, "alone"), image_users(&usage)),
            (Some(1), Some(1)),
            "also once it has ended"
        );
        let volume = usage.volumes.iter().find(|volume| volume.name == "alone").unwrap();
        assert!(is_filled(volume.bytes), "{volume:?}");
    }
    let other = stage.create(Actor { volume: Some("alone"), ..actor("other-holder") });
    let usage = stage.door.usage().await.unwrap();
    assert_eq!((users(&usage, "alone"), image_users(&usage)), (Some(2), Some(2)), "also of what never ran");
    stage.remove(&alone);
    stage.remove(&other);
}

async fn a_subscription_reaches_back(stage: &Stage) {
    let mut early = stage.listen().await;
    let id = stage.create(actor("earlier"));
    let created = early.next_of(&id).await;
    let since = created.at;
    let before = Instant::now();
    let mut late = stage.listen_since(since).await;
    assert!(before.elapsed() < Duration::from_secs(5), "a subscription does not wait for the first event");
    assert_eq!(late.next_of(&id).await, created, "since is inclusive");
    stage.remove(&id);
    assert!(late.next_of(&id).await.at > created.at);
}

async fn compose_replaces_in_its_order(stage: &Stage) {
    let mut told = stage.listen().await;
    let old = stage.compose_up("v1").await;
    told.says(&old, &["create", "start"]).await;
    let labels = stage.seen(&old).await.labels;
    let label = |key: &str| labels.get(key).map(String::as_str);
    assert_eq!((label(labels::COMPOSE_PROJECT), label(labels::COMPOSE_SERVICE)), (Some("demo"), Some("web")));
    let new = stage.compose_up("v2").await;
    assert_ne!(old, new, "it is replaced");
    let rename = format!("rename /{}_demo-web-1", old.short());
    told.says(&new, &["create", stage.by_nature(rename.as_str(), "rename"), "start"]).await;
    assert_eq!(stage.door.inspect(&old).await.unwrap(), None);
    assert_eq!(stage.seen(&new).await.name, "demo-web-1");
    stage.force_remove(&new);
}

async fn an_engine_that_restarts_serves_the_policies(stage: &Stage, how: EngineEnd) {
    let with = |name, restart| stage.run(Actor { restart: Some(restart), ..actor(name) });
    let kept = with("kept", RestartPolicy::UnlessStopped);
    let by_hand = with("by-hand", RestartPolicy::UnlessStopped);
    let always = with("always", RestartPolicy::Always);
    let plain = stage.run(actor("plain"));
    let once = stage.run(Actor { auto_remove: true, ..actor("passing") });
    stage.stop(&by_hand);
    let who = stage.door.identify().await.unwrap().id;
    let before = stage.seen(&always).await;
    let mut told = stage.listen().await;
    stage.restart_engine(how).await;
    told.ends().await;
    assert_eq!(stage.door.identify().await.unwrap().id, who, "it is the same engine");
    let back = stage.until(&always, "back", |o| o.state == State::Running).await;
    assert!(back.started_at > before.started_at);
    // What a killed engine finds alive it stops as a user would, and `unless-stopped` takes it for that.
    let expected = match how {
        EngineEnd::Term => State::Running,
        EngineEnd::Kill => State::Stopped,
    };
    stage.until(&kept, expected.as_str(), |o| o.state == expected).await;
    let ended = stage.until(&plain, "stopped", |o| o.state == State::Stopped).await;
    assert!(ended.exit_code.is_some() && ended.finished_at.is_some(), "{how:?}: {ended:?}");
    assert_eq!(stage.seen(&by_hand).await.state, State::Stopped, "{how:?}");
    stage.until_gone(&once).await;
    for id in [kept, by_hand, always, plain] {
        stage.force_remove(&id);
    }
}

async fn listed(stage: &Stage, id: &ContainerId) -> tinyforge_core::docker::Listed {
    stage.door.list().await.unwrap().into_iter().find(|row| row.container_id == *id).unwrap()
}
