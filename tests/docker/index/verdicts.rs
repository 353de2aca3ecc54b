//! What is judged of containers on a real engine: each with its kind, who ended it, and what it said last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::engine::IMAGE;
use jiff::Timestamp;
use tinyforge_core::clock::{SharedClock, SystemClock};
use tinyforge_core::jobs::last_words;
use tinyforge_core::rules::cause::Cause;
use tinyforge_core::rules::ids::ContainerId;
use tinyforge_core::rules::row::Row;
use tinyforge_core::rules::verdict::{self, Kind, Verdict, What};

use super::site::Site;

/// Beyond this a program has not ended, a check has not run, an engine has not told.
const PATIENCE: Duration = Duration::from_secs(20);

fn block<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

fn run(site: &Site, args: &[&str]) -> ContainerId {
    block(|| site.engine.run(args))
}

fn docker(site: &Site, args: &[&str]) {
    block(|| site.engine.docker(args).ok());
}

async fn judged(site: &Site, id: &ContainerId) -> Option<Verdict> {
    let row = site.row(id).await?;
    Some(verdict::judge(&row, Timestamp::now()))
}

/// Waits until it is judged so, and hands the judgement over.
async fn becomes(site: &Site, id: &ContainerId, kind: Kind, cause: Option<Cause>) -> Verdict {
    let until = Instant::now() + PATIENCE;
    loop {
        let found = judged(site, id).await;
        if let Some(found) = found.as_ref().filter(|found| found.kind == kind && found.cause == cause) {
            return found.clone();
        }
        let story = site.story(id).await;
        assert!(Instant::now() < until, "not {kind:?} by {cause:?} but {found:#?}\n{story:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn exhibit(of: &Verdict, what: What) -> &str {
    let found = of.evidence.iter().find(|exhibit| exhibit.what == what);
    found.map_or("", |exhibit| exhibit.text.as_str())
}

/// Waits until its last words are known.
async fn says(site: &Site, id: &ContainerId, text: &str) {
    let until = Instant::now() + PATIENCE;
    while judged(site, id).await.is_none_or(|found| exhibit(&found, What::Log) != text) {
        assert!(Instant::now() < until, "{:#?}", judged(site, id).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_is_judged_by_who_brought_it() {
    let site = Site::open().await;
    let clock = Arc::new(SystemClock) as SharedClock;
    let listener = last_words::listen(Arc::clone(&site.door), site.store.clone(), &site.bus, clock);

    ends_of_its_own(&site).await;
    memory_that_runs_out(&site).await;
    ends_by_others(&site).await;
    never_started(&site).await;
    ill_and_well_again(&site).await;
    composes(&site).await;
    a_loop(&site).await;
    an_engine_that_goes(&site).await;
    assert_eq!(site.pulse().divergences, 0, "every change was announced by an event");
    listener.abort();
    site.index.stop().await;
}

async fn ends_of_its_own(site: &Site) {
    let init = run(site, &["--name", "init", IMAGE, "true"]);
    let found = becomes(site, &init, Kind::Completed, Some(Cause::Exit)).await;
    assert_eq!((found.text.as_str(), found.fix), ("Completed (exit 0)", None));

    let hostile = "printf '<b>bye</b> \\033[31mred\\n\\377raw\\n'; exit 3";
    let crashed = run(site, &["--name", "crashed", IMAGE, "sh", "-c", hostile]);
    let found = becomes(site, &crashed, Kind::Crashed, Some(Cause::Exit)).await;
    assert_eq!(found.text, "Crashed: exit 3");
    assert_eq!(found.since, site.row(&crashed).await.unwrap().facts.finished_at, "the engine's own time");
    says(site, &crashed, "<b>bye</b> \u{1b}[31mred\n\u{fffd}raw").await;

    let lost = run(site, &["--name", "lost", IMAGE, "sh", "-c", "no-such-command"]);
    let found = becomes(site, &lost, Kind::Crashed, Some(Cause::Exit)).await;
    assert_eq!(found.text, "Crashed: exit 127, the command was not found");

    let signalled = run(site, &["--name", "signalled", IMAGE, "sh", "-c", "sh -c 'kill -SEGV $$'; exit $?"]);
    let found = becomes(site, &signalled, Kind::Crashed, Some(Cause::Exit)).await;
    assert_eq!(found.text, "Crashed: exit 139, SIGSEGV");
    docker(site, &["rm", "init", "crashed", "lost", "signalled"]);
}

/// As in the story of the transitions, told again until the engine itself says so.
async fn memory_that_runs_out(site: &Site) {
    let hungry = "x=a; while true; do x=$x$x$x$x; done";
    let args = ["--name", "hungry", "--memory", "8m", "--memory-swap", "8m", IMAGE, "sh", "-c", hungry];
    for _ in 0..10 {
        let id = run(site, &args);
        let until = Instant::now() + PATIENCE;
        while site.door.inspect(&id).await.unwrap().unwrap().state.is_alive() {
            assert!(Instant::now() < until, "it does not starve");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let noticed = site.door.inspect(&id).await.unwrap().unwrap().oom_killed;
        if noticed {
            becomes(site, &id, Kind::OutOfMemory, Some(Cause::Oom)).await;
        }
        docker(site, &["rm", "hungry"]);
        if noticed {
            return;
        }
    }
    panic!("the engine never said that memory ran out");
}

async fn ends_by_others(site: &Site) {
    let stopped = run(site, &["--name", "stopped", IMAGE]);
    let killed = run(site, &["--name", "killed", IMAGE]);
    docker(site, &["stop", "stopped"]);
    docker(site, &["kill", "killed"]);
    becomes(site, &stopped, Kind::Stopped, Some(Cause::Foreign)).await;
    let found = becomes(site, &killed, Kind::Stopped, Some(Cause::Foreign)).await;
    assert_eq!(found.text, "Stopped by somebody (exit 137, SIGKILL)");
    docker(site, &["rm", "stopped", "killed"]);
}

async fn never_started(site: &Site) {
    let id = block(|| site.engine.create(&["--name", "broken", IMAGE, "/no/such/program"]));
    assert_ne!(block(|| site.engine.docker(&["start", "broken"])).code, Some(0));
    let found = becomes(site, &id, Kind::NeverStarted, None).await;
    assert!(found.text.contains("no/such/program"), "{found:#?}");
    assert!(found.fix.unwrap().starts_with("Correct its command"));
    docker(site, &["rm", "broken"]);
}

async fn ill_and_well_again(site: &Site) {
    let check = "test -e /tmp/well || { echo 'no database'; exit 1; }";
    let args =
        ["--name", "patient", "--health-cmd", check, "--health-interval", "1s", "--health-retries", "1"];
    let id = run(site, &[&args[..], &[IMAGE]].concat());
    becomes(site, &id, Kind::Starting, None).await;
    let found = becomes(site, &id, Kind::Unhealthy, None).await;
    assert_eq!(
        (found.text.as_str(), exhibit(&found, What::Probe)),
        ("Unhealthy: no database", "no database\n")
    );
    docker(site, &["exec", "patient", "touch", "/tmp/well"]);
    let found = becomes(site, &id, Kind::Fine, None).await;
    assert_eq!(found.evidence, []);
    docker(site, &["rm", "-f", "patient"]);
}

async fn composes(site: &Site) {
    let folder = site.engine.scratch().join("pair");
    std::fs::create_dir_all(&folder).unwrap();
    let service = |name: &str| format!("  {name}:\n    image: {IMAGE}\n");
    let file = format!("services:\n{}{}", service("web"), service("db"));
    std::fs::write(folder.join("compose.yml"), file).unwrap();
    let compose = |args: &[&str]| block(|| site.engine.compose(&folder, args).ok());
    compose(&["up", "-d"]);
    site.equal_within(Duration::from_secs(5)).await;
    // Until what it created is no sign any more of what it does now.
    let young =
        |row: &Row| row.facts.started_at.is_some_and(|at| Timestamp::now().duration_since(at).as_secs() < 11);
    let until = Instant::now() + PATIENCE;
    while site.rows().await.iter().any(|row| row.facts.name.starts_with("pair-") && young(row)) {
        assert!(Instant::now() < until, "time stands still");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let rows = site.rows().await;
    let of_the_pair = rows.iter().filter(|row| row.facts.name.starts_with("pair-"));
    let ids: Vec<ContainerId> = of_the_pair.filter_map(|row| row.container_id.clone()).collect();
    assert_eq!(ids.len(), 2);
    compose(&["down", "-t", "1"]);
    site.equal_within(Duration::from_secs(5)).await;
    for id in &ids {
        let story = site.story(id).await;
        let ends: Vec<&String> =
            story.iter().filter(|l| l.contains("→stopped") || l.contains("→-")).collect();
        assert!(ends.len() >= 2 && ends.iter().all(|line| line.ends_with("compose")), "{story:#?}");
    }
}

async fn a_loop(site: &Site) {
    let args = ["--name", "looping", "--restart", "always", IMAGE, "sh", "-c", "echo why; exit 5"];
    let id = run(site, &args);
    let until = Instant::now() + PATIENCE;
    while judged(site, &id).await.is_none_or(|found| found.kind != Kind::CrashLooping) {
        assert!(Instant::now() < until, "{:#?}", judged(site, &id).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let until = Instant::now() + PATIENCE;
    while judged(site, &id).await.is_none_or(|found| !exhibit(&found, What::Log).ends_with("why")) {
        assert!(Instant::now() < until, "{:#?}", judged(site, &id).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // It waits for its next turn when it is stopped: the engine has no process to signal and tells the stop alone.
    while site.door.inspect(&id).await.unwrap().unwrap().state.as_str() != "restarting" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    docker(site, &["stop", "looping"]);
    becomes(site, &id, Kind::Stopped, Some(Cause::Foreign)).await;
    docker(site, &["rm", "looping"]);
    site.equal_within(Duration::from_secs(5)).await;
}

async fn an_engine_that_goes(site: &Site) {
    let plain = run(site, &["--name", "plain", IMAGE]);
    let looping = run(site, &["--name", "turning", "--restart", "on-failure:50", IMAGE, "false"]);
    let until = Instant::now() + PATIENCE;
    // The pause between two turns has grown to seconds: it waits for its policy when the engine goes.
    while site.row(&looping).await.is_none_or(|row| row.facts.restart_count < 6) {
        assert!(Instant::now() < until, "{:?}", site.row(&looping).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while site.state(&looping).await != "restarting" {
        assert!(Instant::now() < until, "{:?}", site.row(&looping).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    block(|| site.engine.stop_term());
    block(|| site.engine.start_again());
    site.equal_within(Duration::from_secs(5)).await;
    becomes(site, &plain, Kind::StoppedWithEngine, Some(Cause::EngineRestart)).await;
    let story = site.story(&looping).await;
    eprintln!("{story:#?}");
    assert!(story.iter().skip(1).all(|line| !line.ends_with("unknown")), "{story:#?}");
    assert!(story.iter().any(|line| line.ends_with("engine_restart")), "{story:#?}");
    docker(site, &["rm", "-f", "plain", "turning"]);
}
