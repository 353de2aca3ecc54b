//! Every transition a container can make, each equal in the index within a second, with its cause.

use std::time::Duration;

use harness::engine::{IMAGE, Release, Skill};
use tinyforge_core::rules::ids::ContainerId;

use super::site::Site;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transition_is_in_the_index_within_a_second_with_its_cause() {
    every_transition(Release::Own).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_so_it_is_on_the_engine_of_the_next_release() {
    every_transition(Release::Next).await;
}

/// In Podman's dialect: `remove` for `destroy`, `init` and `cleanup` besides, `stop` before `die`. What Podman lacks of
/// Docker stands in [`Skill`]; each lack is proved where it is met, so that it is noticed when it ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_so_it_is_on_podmans_service() {
    every_transition(Release::Podman).await;
}

async fn every_transition(release: Release) {
    let site = Site::open_on(release).await;
    created_started_paused_renamed_updated(&site).await;
    killed_stopped_restarted(&site).await;
    ends_by_itself(&site).await;
    runs_out_of_memory(&site).await;
    cannot_start(&site).await;
    removed(&site).await;
    runs_and_is_gone(&site).await;
    turns_unhealthy_and_healthy(&site).await;
    loops(&site).await;
    compose_up_recreate_down(&site).await;
    assert_eq!(site.pulse().divergences, 0, "every change was announced by an event");
    site.index.stop().await;
}

/// Podman turns down what comes while its own cleanup of an end is at work; whoever asks again is heard.
async fn docker(site: &Site, args: &[&str]) {
    let until = std::time::Instant::now() + Duration::from_secs(5);
    loop {
        let ran = tokio::task::block_in_place(|| site.engine.docker(args));
        let cleaning_up = ran.stderr.contains("container state improper");
        if site.release != Release::Podman || !cleaning_up || std::time::Instant::now() > until {
            ran.ok();
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn run(site: &Site, args: &[&str]) -> ContainerId {
    tokio::task::block_in_place(|| site.engine.run(args))
}

fn create(site: &Site, args: &[&str]) -> ContainerId {
    tokio::task::block_in_place(|| site.engine.create(args))
}

async fn becomes(site: &Site, id: &ContainerId, state: &str, line: &str) {
    let took = site.equal_within(SECOND).await;
    assert_eq!(site.state(id).await, state, "after {line}");
    assert_eq!(site.last_state_line(id).await, line, "{:?}", site.store.log(None, 12).await);
    eprintln!("{line}: equal {} ms after the command returned", took.as_millis());
}

async fn created_started_paused_renamed_updated(site: &Site) {
    let id = create(site, &["--name", "web", "-p", "127.0.0.1::8080", IMAGE]);
    becomes(site, &id, "created", "state -→created foreign").await;
    docker(site, &["start", "web"]).await;
    becomes(site, &id, "running", "state created→running foreign").await;
    let port = site.row(&id).await.unwrap().facts.ports[0].host_port;
    assert!(port.is_some(), "the port that the engine chose is known");
    docker(site, &["pause", "web"]).await;
    becomes(site, &id, "paused", "state running→paused foreign").await;
    docker(site, &["unpause", "web"]).await;
    becomes(site, &id, "running", "state paused→running foreign").await;
    docker(site, &["rename", "web", "web-2"]).await;
    site.equal_within(SECOND).await;
    assert_eq!(site.story(&id).await.last().unwrap(), "name web→web-2 foreign");
    updated(site, &id).await;
    docker(site, &["rm", "-f", "web-2"]).await;
    site.equal_within(SECOND).await;
}

async fn updated(site: &Site, id: &ContainerId) {
    let update = ["update", "--restart", "unless-stopped", "web-2"];
    let ran = tokio::task::block_in_place(|| site.engine.docker(&update));
    if site.release.lacks(Skill::Updates) {
        assert!(ran.stderr.contains("Not Found"), "{ran:?}");
        return;
    }
    ran.ok();
    site.equal_within(SECOND).await;
    assert_eq!(site.row(id).await.unwrap().facts.restart_policy, "unless-stopped");
}

async fn killed_stopped_restarted(site: &Site) {
    let id = run(site, &["--name", "victim", IMAGE]);
    site.equal_within(SECOND).await;
    docker(site, &["kill", "victim"]).await;
    becomes(site, &id, "stopped", "state running→stopped foreign").await;
    assert_eq!(site.row(&id).await.unwrap().facts.exit_code, Some(137));
    docker(site, &["start", "victim"]).await;
    becomes(site, &id, "running", "state stopped→running foreign").await;
    docker(site, &["stop", "victim"]).await;
    site.equal_within(SECOND).await;
    assert_eq!(site.state(&id).await, "stopped");
    was_stopped(site, &site.last_state_line(&id).await, "foreign");
    docker(site, &["start", "victim"]).await;
    site.equal_within(SECOND).await;
    docker(site, &["restart", "victim"]).await;
    becomes(site, &id, "running", "state stopped→running foreign").await;
    let story = site.story(&id).await;
    was_stopped(site, &story[story.len() - 2], "foreign");
    docker(site, &["rm", "-f", "victim"]).await;
    site.equal_within(SECOND).await;
}

/// The line tells an end that somebody brought about; where the engine does not say so, nobody knows.
#[track_caller]
fn was_stopped(site: &Site, line: &str, by: &str) {
    let told = line.strip_prefix("state running→stopped ");
    let may_be_missed = site.release.lacks(Skill::TellsAStopFirst) && told == Some("unknown");
    assert!(told == Some(by) || may_be_missed, "{line}: not by {by}");
}

async fn ends_by_itself(site: &Site) {
    let id = run(site, &["--name", "brief", IMAGE, "sh", "-c", "read -t 1 line < /dev/zero; exit 3"]);
    within_five_seconds(site, &id, "stopped").await;
    assert_eq!(site.last_state_line(&id).await, "state running→stopped exit");
    let row = site.row(&id).await.unwrap();
    assert_eq!(row.facts.exit_code, Some(3));
    assert_eq!(row.last_seen_at, row.facts.finished_at, "last seen at the engine's own finish time");
    docker(site, &["rm", "brief"]).await;
    site.equal_within(SECOND).await;
}

/// The program takes its own time; what is measured begins when the engine says so.
async fn within_five_seconds(site: &Site, id: &ContainerId, state: &str) {
    let until = std::time::Instant::now() + Duration::from_secs(5);
    // Podman answers with an error while a container goes.
    let found = async || match site.door.inspect(id).await {
        Ok(seen) => seen.map_or("-".to_owned(), |seen| seen.state.to_string()),
        Err(error) => error.to_string(),
    };
    while found().await != state {
        assert!(std::time::Instant::now() < until, "the container is not {state}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    site.equal_within(SECOND).await;
}

/// An engine on the first version of control groups does not always notice why the kernel killed: what counts is what
/// it says itself, so the story is told again until it says it.
async fn runs_out_of_memory(site: &Site) {
    let hungry = "x=a; while true; do x=$x$x$x$x; done";
    let args = ["--name", "hungry", "--memory", "8m", "--memory-swap", "8m", IMAGE, "sh", "-c", hungry];
    for _ in 0..10 {
        let id = run(site, &args);
        within_five_seconds(site, &id, "stopped").await;
        let facts = site.row(&id).await.unwrap().facts;
        let noticed = facts.oom_killed;
        let line = site.last_state_line(&id).await;
        docker(site, &["rm", "hungry"]).await;
        site.equal_within(SECOND).await;
        if noticed {
            assert_eq!(line, "state running→stopped oom");
            return;
        }
        if site.release.lacks(Skill::TellsWhyItKilled) {
            assert_eq!((line.as_str(), facts.exit_code), ("state running→stopped unknown", Some(137)));
            return;
        }
    }
    panic!("the engine never said that memory ran out");
}

async fn cannot_start(site: &Site) {
    let id = create(site, &["--name", "broken", IMAGE, "/no/such/program"]);
    let ran = tokio::task::block_in_place(|| site.engine.docker(&["start", "broken"]));
    assert_ne!(ran.code, Some(0));
    site.equal_within(SECOND).await;
    assert_eq!(site.state(&id).await, "created");
    let error = site.row(&id).await.unwrap().facts.error.unwrap_or_default();
    let kept = error.contains("no/such/program");
    assert_ne!(
        kept,
        site.release.lacks(Skill::KeepsTheError),
        "the engine's own sentence is kept: {error:?}"
    );
    docker(site, &["rm", "broken"]).await;
    site.equal_within(SECOND).await;
}

async fn removed(site: &Site) {
    let gone = create(site, &["--name", "gone", IMAGE]);
    let forced = run(site, &["--name", "forced", IMAGE]);
    site.equal_within(SECOND).await;
    docker(site, &["rm", "gone"]).await;
    docker(site, &["rm", "-f", "forced"]).await;
    site.equal_within(SECOND).await;
    assert_eq!((site.state(&gone).await, site.state(&forced).await), ("-".to_owned(), "-".to_owned()));
    assert_eq!(site.last_state_line(&gone).await, "state created→- foreign");
    assert!(site.last_state_line(&forced).await.ends_with("→- foreign"));
}

async fn runs_and_is_gone(site: &Site) {
    docker(site, &["run", "--rm", "--name", "fleeting", IMAGE, "true"]).await;
    site.equal_within(SECOND).await;
    assert!(!site.rows().await.iter().any(|row| row.facts.name == "fleeting"));
    let broken = ["--rm", "--name", "breaks", IMAGE, "sh", "-c", "read -t 1 line < /dev/zero; exit 5"];
    let (breaks, stopped) = (run(site, &broken), run(site, &["--rm", "--name", "stopped", IMAGE]));
    within_five_seconds(site, &breaks, "-").await;
    docker(site, &["stop", "stopped"]).await;
    site.equal_within(SECOND).await;
    goes_by(site, &breaks, "exit").await;
    if !site.release.lacks(Skill::TellsAStopFirst) {
        goes_by(site, &stopped, "foreign").await;
    }
}

/// One that removes itself is gone by what ended it, however many states were seen on the way.
async fn goes_by(site: &Site, id: &ContainerId, cause: &str) {
    let story = site.story(id).await;
    let states = story.iter().filter(|line| line.starts_with("state"));
    let ends = states.skip_while(|line| !line.contains("→running ")).skip(1);
    assert!(
        ends.clone().count() > 0 && ends.clone().all(|line| line.ends_with(cause)),
        "not by {cause}: {story:?}"
    );
}

async fn turns_unhealthy_and_healthy(site: &Site) {
    let check = ["--health-cmd", "test -e /tmp/well", "--health-interval", "1s", "--health-retries", "1"];
    let id = run(site, &[&["--name", "patient"][..], &check, &[IMAGE]].concat());
    site.equal_within(SECOND).await;
    assert_eq!(site.row(&id).await.unwrap().facts.health.to_string(), "starting");
    health_becomes(site, &id, "unhealthy").await;
    docker(site, &["exec", "patient", "touch", "/tmp/well"]).await;
    health_becomes(site, &id, "healthy").await;
    let story = site.story(&id).await;
    assert!(story.contains(&"health starting→unhealthy exit".to_owned()), "{story:?}");
    assert!(story.contains(&"health unhealthy→healthy exit".to_owned()), "{story:?}");
    docker(site, &["rm", "-f", "patient"]).await;
    site.equal_within(SECOND).await;
}

async fn health_becomes(site: &Site, id: &ContainerId, health: &str) {
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while site.door.inspect(id).await.unwrap().unwrap().health.to_string() != health {
        assert!(std::time::Instant::now() < until, "the container is not {health}");
        tokio::task::block_in_place(|| site.engine.check_health(id));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    site.equal_within(SECOND).await;
}

async fn loops(site: &Site) {
    let id = run(site, &["--name", "looping", "--restart", "always", IMAGE, "false"]);
    let until = std::time::Instant::now() + Duration::from_secs(20);
    while site.row(&id).await.is_none_or(|row| row.facts.restart_count < 3) {
        assert!(std::time::Instant::now() < until, "{:?}", site.row(&id).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ends = site.story(&id).await.iter().filter(|line| line.ends_with("exit")).count();
    assert!(ends >= 2, "{:?}", site.story(&id).await);
    docker(site, &["rm", "-f", "looping"]).await;
    site.equal_within(SECOND).await;
}

async fn compose_up_recreate_down(site: &Site) {
    let folder = site.engine.scratch().join("blog");
    std::fs::create_dir_all(&folder).unwrap();
    let file = |level: &str| {
        let text =
            format!("services:\n  web:\n    image: {IMAGE}\n    environment: {{ LEVEL: '{level}' }}\n");
        std::fs::write(folder.join("compose.yml"), text).unwrap();
    };
    let compose = |args: &[&str]| tokio::task::block_in_place(|| site.engine.compose(&folder, args).ok());
    file("one");
    compose(&["up", "-d"]);
    site.equal_within(SECOND).await;
    let old = web(site).await;
    assert!(site.story(&old).await[0].ends_with("compose"), "{:?}", site.story(&old).await);
    file("two");
    compose(&["up", "-d"]);
    site.equal_within(SECOND).await;
    let new = web(site).await;
    assert_ne!(new, old);
    assert_eq!(site.state(&old).await, "-");
    let ends: Vec<String> = site
        .story(&old)
        .await
        .into_iter()
        .filter(|line| line.contains("→stopped") || line.contains("→-"))
        .collect();
    assert!(!ends.is_empty());
    let (gone, stopped): (Vec<_>, Vec<_>) = ends.iter().partition(|line| line.contains("→-"));
    stopped.iter().for_each(|line| was_stopped(site, line, "compose"));
    assert!(gone.iter().all(|line| line.ends_with("compose")), "{ends:?}");
    compose(&["down", "-t", "1"]);
    site.equal_within(SECOND).await;
    assert_eq!(site.state(&new).await, "-");
}

async fn web(site: &Site) -> ContainerId {
    let rows = site.rows().await;
    let row = rows.iter().find(|row| row.facts.name == "blog-web-1");
    row.and_then(|row| row.container_id.clone()).unwrap_or_else(|| panic!("{rows:?}"))
}
