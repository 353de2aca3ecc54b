//! The scan announces what nobody needs any more: once, in one digest, and by an index that is known to be true.

use std::sync::Arc;
use std::time::Duration;

use harness::world::World;
use jiff::{SignedDuration, Timestamp};
use tinyforge_core::clock::{Clock as _, SharedClock};
use tinyforge_core::control::commands::{
    ExplainStale, FindStaleContainers, Pin, SetSetting, SetStaleThreshold, Snooze, Unpin,
};
use tinyforge_core::control::shapes::{Announcement, ErrorCode, StaleAnswer, StaleContainer};
use tinyforge_core::docker::EngineError;
use tinyforge_core::docker::fake::{Call, FakeEngine, Mishap, Spec};
use tinyforge_core::events::{Event, Heard, NewlyStale};
use tinyforge_core::jobs::Jobs;
use tinyforge_core::jobs::stale_scan::Scan;
use tinyforge_core::reconcile::Link;
use tinyforge_core::rules::container::WorkloadKind;
use tinyforge_core::rules::ids::ContainerId;
use tinyforge_core::rules::row::Decided;

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);
/// Two passes, and a little.
const TWO_PASSES: Duration = Duration::from_secs(61);

fn of_the_shop(name: &str, role: &str) -> Spec {
    Spec::named(name).managed("shop", WorkloadKind::Project, role)
}

/// Runs, and is stopped by somebody.
fn ended(engine: &FakeEngine, spec: Spec) -> ContainerId {
    let id = engine.run(spec).unwrap();
    engine.stop_container(&id).unwrap();
    id
}

/// A shop whose containers `old-0`, `old-1` … stopped that long ago, while nobody watched, and one that runs.
async fn shop(seed: u64, old: usize, age: Duration) -> World {
    let engine = FakeEngine::new(seed);
    for n in 0..old {
        ended(&engine, of_the_shop(&format!("old-{n}"), &format!("role-{n}")));
    }
    engine.run(of_the_shop("serves", "prod")).unwrap();
    ended(&engine, Spec::named("foreign"));
    tokio::time::sleep(age).await;
    World::begin_with_workload(engine, "shop", WorkloadKind::Project).await
}

/// A day is enough, so that stories are short.
async fn after_a_day(world: &World) {
    world.store.set_setting("stale_threshold_days", "1", world.clock.now()).await.unwrap();
}

fn scanning(world: &World) -> Jobs {
    let clock = Arc::new(world.clock.clone()) as SharedClock;
    let passes = Arc::new(world.index.clone());
    let scan = Scan { store: world.store.clone(), clock: Arc::clone(&clock), passes };
    Jobs::start(vec![scan.job()], &world.jobs, &clock)
}

/// Lets time pass, and tells what was announced meanwhile. Passes are seldom then: there are days to play.
async fn live(world: &mut World, time: Duration) -> Vec<Arc<NewlyStale>> {
    world.index.pass_every(Duration::from_secs(600)).await;
    let until = tokio::time::Instant::now() + time;
    let mut found = digests(world);
    while tokio::time::Instant::now() < until {
        world.wait(HOUR.min(until - tokio::time::Instant::now())).await;
        found.extend(digests(world));
    }
    world.index.pass_every(Duration::from_secs(30)).await;
    found
}

/// The digests that were announced since the last call.
fn digests(world: &mut World) -> Vec<Arc<NewlyStale>> {
    let mut found = vec![];
    while let Some(heard) = futures_util::FutureExt::now_or_never(world.heard.next()) {
        match heard {
            Heard::Event(Event::NewlyStale(digest)) => found.push(digest),
            Heard::Event(_) => {}
            Heard::Lagged(missed) => panic!("the story's subscriber lagged by {missed}"),
            Heard::Closed => break,
        }
    }
    found
}

fn names(digests: &[Arc<NewlyStale>]) -> Vec<Vec<&str>> {
    digests.iter().map(|digest| digest.containers.iter().map(|one| one.name.as_str()).collect()).collect()
}

async fn noted(world: &World) -> Vec<String> {
    let all = world.store.happenings(1_000).await.unwrap();
    all.into_iter().filter(|(_, one)| one.kind == "newly_stale").map(|(_, one)| one.text).collect()
}

async fn stale(world: &World, days: Option<u32>, foreign: bool) -> Vec<StaleContainer> {
    world.face().call(FindStaleContainers { days, foreign }).await.unwrap()
}

async fn why(world: &World, container: &str) -> StaleAnswer {
    let ask = ExplainStale { container: container.to_owned(), days: None };
    world.face().call(ask).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_announced_before_two_good_passes_and_then_everything_in_one_digest() {
    let engine = FakeEngine::new(1);
    for n in 0..7 {
        ended(&engine, of_the_shop(&format!("old-{n}"), &format!("role-{n}")));
    }
    ended(&engine, Spec::named("foreign"));
    tokio::time::sleep(DAY * 8).await;
    ended(&engine, of_the_shop("young", "young"));
    let mut world = World::begin_with_workload(engine, "shop", WorkloadKind::Project).await;
    let _jobs = scanning(&world);
    world.wait(Duration::from_secs(1)).await;
    assert_eq!(world.pulse().passes, 1);
    assert!(digests(&mut world).is_empty(), "one pass is not enough");
    world.wait(TWO_PASSES).await;
    let told = digests(&mut world);
    let mut all = names(&told);
    all.iter_mut().for_each(|names| names.sort_unstable());
    assert_eq!(
        all,
        [["old-0", "old-1", "old-2", "old-3", "old-4", "old-5", "old-6"]],
        "one digest, no stranger"
    );
    assert!(told[0].containers.iter().all(|one| one.days == 8), "{told:?}");
    let noted = noted(&world).await;
    assert_eq!(noted.len(), 1);
    assert!(noted[0].ends_with("and 2 more have become stale"), "{noted:?}");
}

#[tokio::test(start_paused = true)]
async fn it_looks_every_hour_and_tells_only_what_is_new() {
    let mut world = shop(2, 1, DAY * 8).await;
    after_a_day(&world).await;
    let late = ended(&world.engine, of_the_shop("late", "late"));
    let _jobs = scanning(&world);
    world.wait(TWO_PASSES).await;
    assert_eq!(names(&digests(&mut world)), [["old-0"]]);
    assert!(live(&mut world, DAY - HOUR).await.is_empty(), "a day of hourly looks tells nothing again");
    let told = live(&mut world, HOUR * 3).await;
    assert_eq!(names(&told), [["late"]], "soon after its day");
    assert_eq!(world.jobs.read()["stale_scan"].last.clone().unwrap().error, None);
    // It runs again, stops, and stands still once more: that is news.
    world.engine.start_container(&late).unwrap();
    assert!(live(&mut world, HOUR * 3).await.is_empty());
    world.engine.stop_container(&late).unwrap();
    assert!(live(&mut world, DAY - HOUR).await.is_empty());
    assert_eq!(names(&live(&mut world, HOUR * 3).await), [["late"]]);
    assert_eq!(
        noted(&world).await,
        ["old-0 has become stale", "late has become stale", "late has become stale"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_ours_announces_nothing_again() {
    let mut world = shop(3, 3, DAY * 30).await;
    let jobs = scanning(&world);
    world.wait(TWO_PASSES).await;
    assert_eq!(names(&digests(&mut world))[0].len(), 3);
    for _ in 0..3 {
        let (engine, store, bus) = (world.engine.clone(), world.store.clone(), world.bus.clone());
        world.index.stop().await;
        world = World::begin_with(engine, store, bus);
        let _jobs = scanning(&world);
        assert!(live(&mut world, HOUR * 3).await.is_empty());
    }
    jobs.stop().await;
    assert_eq!(noted(&world).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_is_not_judged_until_two_passes_after_its_return() {
    let mut world = shop(4, 2, DAY * 8).await;
    world.engine.go_away();
    world.wait(Duration::from_secs(1)).await;
    assert!(matches!(world.pulse().link, Link::Away(_)));
    let _jobs = scanning(&world);
    assert!(live(&mut world, HOUR * 5).await.is_empty(), "an engine that is away is not judged");
    assert!(world.jobs.read()["stale_scan"].last.is_none(), "nor is that a failure");
    world.engine.come_back();
    world.wait(Duration::from_secs(10)).await;
    assert!(digests(&mut world).is_empty(), "one pass after its return is not enough");
    world.wait(TWO_PASSES).await;
    assert_eq!(names(&digests(&mut world)).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_engine_behind_the_socket_is_looked_at_twice_and_has_its_own_news() {
    let mut world = shop(5, 1, DAY * 8).await;
    after_a_day(&world).await;
    let _jobs = scanning(&world);
    world.wait(TWO_PASSES).await;
    assert_eq!(names(&digests(&mut world)), [["old-0"]]);
    world.engine.become_another_engine("OTHER");
    ended(&world.engine, of_the_shop("theirs", "theirs"));
    let told = live(&mut world, DAY + HOUR * 2).await;
    assert_eq!(names(&told), [["theirs"]]);
    assert_eq!(told[0].engine_id.as_str(), "OTHER");
}

#[tokio::test(start_paused = true)]
async fn a_scan_that_finds_nothing_writes_nothing_and_forgets_only_what_is_gone() {
    let mut world = shop(6, 1, DAY - HOUR * 9).await;
    after_a_day(&world).await;
    let _jobs = scanning(&world);
    assert!(live(&mut world, HOUR * 5).await.is_empty());
    assert!(noted(&world).await.is_empty());
    assert_eq!(names(&live(&mut world, HOUR * 6).await), [["old-0"]]);
    // The container goes; the row stands for what is missing, and that is another standstill.
    let old = world.engine.id_of("old-0").unwrap();
    world.engine.remove(&old).unwrap();
    assert!(live(&mut world, DAY - HOUR).await.is_empty(), "it has only just gone");
    assert_eq!(world.state(&old).await, "missing");
    assert_eq!(names(&live(&mut world, HOUR * 3).await), [["old-0"]]);
}

#[tokio::test(start_paused = true)]
async fn what_users_wish_counts_for_the_list_and_for_the_scan() {
    let mut world = shop(7, 3, DAY * 8).await;
    let face = world.face();
    let all = |found: &[StaleContainer]| {
        let mut names: Vec<String> = found.iter().map(|one| one.name.clone()).collect();
        names.sort_unstable();
        names.join(" ")
    };
    assert_eq!(all(&stale(&world, None, false).await), "old-0 old-1 old-2");
    let pinned = face.call(Pin { containers: vec!["old-0".into()] }).await.unwrap();
    assert_eq!((pinned[0].why.as_str(), pinned[0].stale), ("pinned", false));
    let until = world.clock.now().checked_add(SignedDuration::from_hours(24)).unwrap();
    let snoozed = face.call(Snooze { containers: vec!["old-1".into()], until: Some(until) }).await.unwrap();
    assert_eq!((snoozed[0].why.as_str(), snoozed[0].until), ("snoozed", Some(until)));
    assert_eq!(all(&stale(&world, None, false).await), "old-2");
    assert_eq!(all(&stale(&world, Some(0), false).await), "old-2", "also without a threshold");
    let _jobs = scanning(&world);
    world.wait(TWO_PASSES).await;
    assert_eq!(names(&digests(&mut world)), [["old-2"]]);
    let told = live(&mut world, HOUR * 26).await;
    assert_eq!(names(&told), [["old-1"]], "when its snooze is over it is told");
    // Snoozed after it was told, it is told anew.
    let until = world.clock.now().checked_add(SignedDuration::from_hours(5)).unwrap();
    face.call(Snooze { containers: vec!["old-2".into()], until: Some(until) }).await.unwrap();
    assert_eq!(names(&live(&mut world, HOUR * 8).await), [["old-2"]]);
    face.call(Unpin { containers: vec!["old-0".into(), "old-1".into(), "old-0".into()] }).await.unwrap();
    assert_eq!(all(&stale(&world, None, false).await), "old-0 old-1 old-2");

    let own = |days| SetStaleThreshold { workload: "shop".into(), days };
    let set = face.call(own(Some(30))).await.unwrap();
    assert_eq!((set.days, set.own, set.workload_name.as_str()), (30, true, "shop"));
    assert_eq!(all(&stale(&world, None, false).await), "");
    assert_eq!(why(&world, "old-0").await.threshold_days, 30);
    assert_eq!(
        all(&stale(&world, Some(3), false).await),
        "old-0 old-1 old-2",
        "what is asked for counts more"
    );
    let set = face.call(own(None)).await.unwrap();
    assert_eq!((set.days, set.own), (7, false));
    let setting = SetSetting { key: "stale_threshold_days".into(), value: "60".into() };
    face.call(setting).await.unwrap();
    assert_eq!(all(&stale(&world, None, false).await), "");
    face.call(own(Some(0))).await.unwrap();
    assert_eq!(all(&stale(&world, None, false).await), "old-0 old-1 old-2", "0 is no threshold");
}

#[tokio::test(start_paused = true)]
async fn of_any_container_it_can_be_said_why_it_is_not_stale() {
    let world = shop(8, 1, DAY * 8).await;
    let young = ended(&world.engine, of_the_shop("young", "young"));
    let paused = world.engine.run(of_the_shop("paused", "paused")).unwrap();
    world.engine.pause(&paused).unwrap();
    let looping = world.engine.run(of_the_shop("looping", "looping")).unwrap();
    world.engine.restart_loop(&looping, Duration::from_millis(1)).unwrap();
    let kept = ended(&world.engine, of_the_shop("kept", "kept"));
    world.wait(Duration::from_secs(10)).await;
    let row = world.row(&kept).await.unwrap();
    let decided = Decided { release_id: Some("r1".into()), ..Decided::default() };
    world.store.commit_decision(&row.id, decided, world.clock.now()).await.unwrap();
    let cases = [
        ("old-0", "stale"),
        ("serves", "running"),
        ("paused", "paused"),
        ("looping", "restarting"),
        ("kept", "kept"),
        ("young", "young"),
        ("foreign", "foreign"),
    ];
    for (name, expected) in cases {
        let answer = why(&world, name).await;
        assert_eq!((answer.why.as_str(), answer.name.as_str()), (expected, name), "{answer:?}");
        assert_eq!(answer.stale, expected == "stale");
        assert!(!answer.text.is_empty());
    }
    let answer = why(&world, young.short()).await;
    let finished = world.row(&young).await.unwrap().facts.finished_at.unwrap();
    let week = SignedDuration::from_hours(7 * 24);
    assert_eq!(answer.until, Some(finished.checked_add(week).unwrap()), "when it will be");
    let face = world.face();
    let nobody = face.call(ExplainStale { container: "nobody".into(), days: None }).await.unwrap_err();
    assert_eq!(nobody.code, ErrorCode::NotFound);
    let empty = face.call(Pin { containers: vec![] }).await.unwrap_err();
    assert_eq!(empty.code, ErrorCode::Usage);
    let past = Snooze { containers: vec!["old-0".into()], until: Some(Timestamp::UNIX_EPOCH) };
    assert_eq!(face.call(past).await.unwrap_err().code, ErrorCode::Usage);
    let unknown = SetStaleThreshold { workload: "nobody".into(), days: Some(1) };
    assert_eq!(face.call(unknown).await.unwrap_err().code, ErrorCode::NotFound);
    let much = SetStaleThreshold { workload: "shop".into(), days: Some(4_000) };
    assert_eq!(face.call(much).await.unwrap_err().code, ErrorCode::Usage);
}

#[tokio::test(start_paused = true)]
async fn a_stale_container_comes_with_its_evidence() {
    let engine = FakeEngine::new(9);
    let spec = of_the_shop("tf-shop-prod-3", "prod")
        .image_of("shop:v3", "sha256:33", 50_000_000, 20_000_000)
        .writes(4_000)
        .volume("uploads", 700_000)
        .volume("shared", 9_000);
    let old = engine.run(spec).unwrap();
    engine.run(of_the_shop("other", "other").volume("shared", 9_000)).unwrap();
    let mut world = World::begin_with_workload(engine, "shop", WorkloadKind::Project).await;
    world.engine.stop_container(&old).unwrap();
    let next = of_the_shop("tf-shop-prod-4", "prod").image_of("shop:v4", "sha256:44", 50_000_000, 0);
    world.engine.run(next).unwrap();
    let foreign = ended(&world.engine, Spec::named("stranger").writes(7));
    after_a_day(&world).await;
    live(&mut world, DAY * 2 + HOUR).await;
    let found = stale(&world, None, false).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    let one = &found[0];
    assert_eq!(one.container, "tf-shop-prod-3");
    assert_eq!((one.workload_name.as_deref(), one.role.as_deref()), (Some("shop"), Some("prod")));
    assert_eq!(one.days_stale, 2);
    assert_eq!(one.superseded_by.as_deref(), Some("tf-shop-prod-4"));
    assert_eq!(one.cause.map(|cause| cause.as_str()), Some("foreign"));
    assert_eq!(one.frees_bytes_now, Some(0), "it would wait in the bin");
    assert_eq!(one.frees_bytes_later, Some(30_004_000), "its layer, and what only its image has");
    assert_eq!(one.frees_bytes, Some(30_704_000), "and the volume that only it holds");
    assert_eq!(one.volumes.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(), ["uploads"]);
    let told = one.reasons.join(" ");
    for words in [
        "Has not run for 2 days: stopped by somebody else, exit code 143.",
        "Superseded by tf-shop-prod-4, which runs.",
        "Only it holds the volume uploads",
        "in the network bridge",
    ] {
        assert!(told.contains(words), "{words:?} is not in {told:?}");
    }
    let with_foreign = stale(&world, None, true).await;
    let stranger = with_foreign.iter().find(|one| one.name == "stranger").unwrap();
    assert_eq!((&stranger.workload_name, &stranger.role), (&None, &None));
    assert_eq!((stranger.frees_bytes, with_foreign.len()), (Some(7), 2), "its image is everybody's");

    // What cannot be measured is not known, and hides nothing.
    world.engine.mishap(Call::Usage, 1, Mishap::Hang);
    let blind = stale(&world, None, false).await;
    assert_eq!((blind.len(), blind[0].frees_bytes, blind[0].volumes.len()), (1, None, 0));
    let refused = EngineError::Refused { tried: "measure".into(), status: 500, detail: "no".into() };
    world.engine.mishap(Call::Holdings, 1, Mishap::Fail(refused));
    assert_eq!(stale(&world, None, false).await[0].frees_bytes, None);
    world.engine.go_away();
    world.wait(Duration::from_secs(1)).await;
    let away = stale(&world, None, true).await;
    assert_eq!(away.len(), 2, "the index answers");
    assert!(away.iter().all(|one| one.frees_bytes.is_none()));
    world.engine.come_back();
    world.wait(Duration::from_secs(10)).await;
    world.engine.remove(&old).unwrap();
    world.engine.remove(&foreign).unwrap();
    live(&mut world, DAY + HOUR).await;
    let gone = stale(&world, None, true).await;
    assert_eq!(gone.len(), 1, "a foreign one that is gone is gone");
    assert_eq!((gone[0].state.as_str(), gone[0].frees_bytes), ("missing", Some(0)));
    assert!(gone[0].reasons[0].contains("Missing for 1 day: removed by somebody else"), "{gone:#?}");
}

/// The name of a container that is gone is another's now: either is found by what is told for it.
#[tokio::test(start_paused = true)]
async fn what_is_told_for_a_container_names_it_alone() {
    let engine = FakeEngine::new(10);
    let first = ended(&engine, of_the_shop("web", "a"));
    let world = World::begin_with_workload(engine, "shop", WorkloadKind::Project).await;
    world.engine.remove(&first).unwrap();
    let second = ended(&world.engine, of_the_shop("web", "b"));
    world.wait(HOUR).await;
    let found = stale(&world, Some(0), false).await;
    assert_eq!(found.len(), 2, "{found:#?}");
    for one in &found {
        assert_eq!(Some(&one.container), one.container_id.as_ref(), "two are called web");
        let answer = why(&world, &one.container).await;
        assert_eq!(answer.id, one.id);
    }
    let ambiguous =
        world.face().call(ExplainStale { container: "web".into(), days: None }).await.unwrap_err();
    assert_eq!(ambiguous.code, ErrorCode::Ambiguous);
    assert!(ambiguous.message.contains(second.short()), "{ambiguous}");
}

#[tokio::test(start_paused = true)]
async fn faces_hear_of_the_digest() {
    let world = shop(11, 2, DAY * 8).await;
    let mut heard = world.face().subscribe().await.unwrap();
    let _jobs = scanning(&world);
    loop {
        let next = tokio::time::timeout(HOUR, futures_util::StreamExt::next(&mut heard)).await;
        match next.expect("within the hour").unwrap() {
            Announcement::Stale(digest) => {
                assert_eq!(digest.containers.len(), 2);
                let one = &digest.containers[0];
                assert_eq!((one.workload_name.as_deref(), one.days_stale), (Some("shop"), 8));
                return;
            }
            Announcement::Patch(_)
            | Announcement::Gap(_)
            | Announcement::Status(_)
            | Announcement::Notice(_)
            | Announcement::NoticeRules(_)
            | Announcement::Setting { .. }
            | Announcement::Lagged { .. } => {}
            Announcement::Gone { reason } => panic!("{reason}"),
        }
    }
}
