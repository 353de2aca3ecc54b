//! Users are told what deserves it, once, and no more than they can bear.

use std::sync::Arc;
use std::time::Duration;

use harness::world::World;
use tinyforge_core::clock::{Clock as _, SharedClock};
use tinyforge_core::control::commands::{
    GetNoticeRules, ListNotices, MuteNotices, PauseNotices, Restart, ResumeNotices, SetSetting, Stop,
};
use tinyforge_core::control::shapes::{Announcement, ErrorCode};
use tinyforge_core::docker::fake::{FakeEngine, OnTerm, RestartPolicy, Spec};
use tinyforge_core::events::{Bus, Event, Heard, NewlyStale, NewlyStaleContainer};
use tinyforge_core::notify;
use tinyforge_core::rules::cause::Cause;
use tinyforge_core::rules::container::{Health, WorkloadKind};
use tinyforge_core::rules::ids::{ContainerId, WorkloadId};
use tinyforge_core::rules::notice::{Notice, NoticeKind};
use tinyforge_core::rules::verdict::Level;
use tinyforge_core::store::{NewShape, NewWorkload, Store};
use tokio::task::JoinHandle;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// Two passes, and a little.
const TWO_PASSES: Duration = Duration::from_secs(61);

fn of(workload: &str, role: &str) -> Spec {
    Spec::named(&format!("{workload}-{role}")).managed(workload, WorkloadKind::Project, role)
}

async fn with_workloads(engine: &FakeEngine, names: &[&str]) -> (Store, Bus) {
    let bus = Bus::default();
    let store = Store::in_memory(bus.clone()).unwrap();
    for name in names {
        let shape = NewShape::Project { image: "image".to_owned() };
        let new = NewWorkload { id: WorkloadId::new(*name), name: (*name).to_owned(), shape };
        store.add_workload(new, engine.now()).await.unwrap();
    }
    (store, bus)
}

/// A world that notifies.
struct Watched {
    world: World,
    notifier: JoinHandle<()>,
}

impl Watched {
    fn begin(engine: FakeEngine, store: Store, bus: Bus) -> Self {
        let world = World::begin_with(engine, store, bus);
        let notifier = notify::listen(notify::Parts {
            store: world.store.clone(),
            bus: world.bus.clone(),
            clock: Arc::new(world.clock.clone()) as SharedClock,
            index: Arc::new(world.index.clone()),
        });
        Self { world, notifier }
    }

    /// Two passes over everything there is, of which nothing is to be told.
    async fn settled(engine: FakeEngine, names: &[&str]) -> Self {
        let (store, bus) = with_workloads(&engine, names).await;
        let mut watched = Self::begin(engine, store, bus);
        assert_eq!(titles(&watched.live(TWO_PASSES).await), [""; 0]);
        watched
    }

    /// Lets time pass, and hands over what was told meanwhile.
    async fn live(&mut self, time: Duration) -> Vec<Arc<Notice>> {
        let until = tokio::time::Instant::now() + time;
        let mut told = self.told();
        while tokio::time::Instant::now() < until {
            self.world.wait(SECOND.min(until - tokio::time::Instant::now())).await;
            told.extend(self.told());
        }
        told
    }

    /// What was told since the last call.
    fn told(&mut self) -> Vec<Arc<Notice>> {
        let mut told = vec![];
        while let Some(heard) = futures_util::FutureExt::now_or_never(self.world.heard.next()) {
            match heard {
                Heard::Event(Event::Noticed(notice)) => told.push(notice),
                Heard::Event(_) => {}
                Heard::Lagged(missed) => panic!("the story's subscriber lagged by {missed}"),
                Heard::Closed => break,
            }
        }
        told
    }

    /// Our own restart, with `meanwhile` in between.
    async fn restarted(self, meanwhile: impl FnOnce(&FakeEngine)) -> Self {
        let (engine, store, bus) =
            (self.world.engine.clone(), self.world.store.clone(), self.world.bus.clone());
        self.notifier.abort();
        self.world.index.stop().await;
        meanwhile(&engine);
        Self::begin(engine, store, bus)
    }

    fn engine(&self) -> &FakeEngine {
        &self.world.engine
    }

    fn id(&self, name: &str) -> ContainerId {
        self.engine().id_of(name).unwrap()
    }
}

fn titles(told: &[Arc<Notice>]) -> Vec<&str> {
    told.iter().map(|notice| notice.title.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_crash_names_workload_cause_and_fix_and_leads_to_its_container() {
    let engine = FakeEngine::new(1);
    engine.run(of("shop", "dev")).unwrap();
    engine.run(Spec::named("foreign")).unwrap();
    let mut watched = Watched::settled(engine, &["shop"]).await;
    watched.engine().die(&watched.id("foreign"), 1).unwrap();
    let id = watched.id("shop-dev");
    watched.engine().die(&id, 3).unwrap();
    let told = watched.live(MINUTE).await;
    assert_eq!(titles(&told), ["shop/dev crashed"], "a stranger's crash is none of our business");
    let notice = &told[0];
    assert_eq!(
        notice.body,
        "Crashed: exit 3. Read the last lines of its log, mend what they complain about, and start it again."
    );
    assert_eq!((notice.kind, notice.level), (NoticeKind::Crashed, Level::Bad));
    assert_eq!(notice.cause, Some(Cause::Exit));
    assert_eq!((notice.workload.as_deref(), notice.role.as_deref()), (Some("shop"), Some("dev")));
    let row = watched.world.row(&id).await.unwrap();
    assert_eq!(notice.row_ids, std::slice::from_ref(&row.id));
    assert_eq!(notice.target, format!("#/containers?row={}", row.id.as_str().replace(':', "%3A")));
    assert_eq!(titles(&watched.live(HOUR).await), [""; 0], "and once is enough");
}

#[tokio::test(start_paused = true)]
async fn every_kind_that_deserves_it_is_told_and_nothing_else() {
    let engine = FakeEngine::new(2);
    let roles =
        ["crash", "oom", "loop", "ill", "gone", "done", "stopped", "removed", "paused", "blip", "late"];
    for role in roles {
        let spec = of(role, "a");
        let spec = match role {
            "blip" | "loop" => spec.restart(RestartPolicy::Always),
            "ill" => spec.health_check(),
            _ => spec,
        };
        engine.run(spec).unwrap();
    }
    let mut watched = Watched::settled(engine, &roles).await;
    let id = |role: &str| watched.id(&format!("{role}-a"));
    type Act = dyn Fn(&FakeEngine, &ContainerId);
    let acts: [(&str, &Act); 11] = [
        ("crash", &|engine, id| engine.die(id, 1).unwrap()),
        ("oom", &|engine, id| engine.oom(id).unwrap()),
        ("loop", &|engine, id| engine.restart_loop(id, Duration::from_millis(10)).unwrap()),
        ("ill", &|engine, id| engine.set_health_saying(id, Health::Unhealthy, "no answer").unwrap()),
        ("gone", &|engine, id| engine.force_remove(id).unwrap()),
        ("done", &|engine, id| engine.die(id, 0).unwrap()),
        ("stopped", &|engine, id| engine.stop_container(id).unwrap()),
        ("removed", &|engine, id| {
            engine.compose_recreate(id, "image").unwrap();
        }),
        ("paused", &|engine, id| engine.pause(id).unwrap()),
        ("blip", &|engine, id| engine.die(id, 1).unwrap()),
        ("late", &|engine, id| engine.set_health(id, Health::Starting).unwrap()),
    ];
    let ids: Vec<ContainerId> = acts.iter().map(|(role, _)| id(role)).collect();
    let mut all = vec![];
    for ((role, act), id) in acts.iter().zip(&ids) {
        act(watched.engine(), id);
        let told = watched.live(MINUTE * 3).await;
        all.extend(told.iter().map(|notice| format!("{role}: {}", notice.title)));
    }
    assert_eq!(
        all,
        [
            "crash: crash/a crashed",
            "oom: oom/a ran out of memory",
            "loop: loop/a keeps crashing",
            "ill: ill/a is unhealthy",
            "gone: gone/a is missing",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_we_do_ourselves_is_no_news() {
    let engine = FakeEngine::new(3);
    engine.run(of("shop", "dev").on_term(OnTerm::Ignore)).unwrap();
    let mut watched = Watched::settled(engine, &["shop"]).await;
    let face = watched.world.face();
    let containers = vec!["shop-dev".to_owned()];
    face.call(Restart { containers: containers.clone() }).await.unwrap();
    face.call(Stop { containers }).await.unwrap();
    assert_eq!(watched.world.state(&watched.id("shop-dev")).await, "stopped");
    assert_eq!(titles(&watched.live(HOUR).await), [""; 0]);
}

/// Of failure mode 40: five hundred deaths within ten seconds.
#[tokio::test(start_paused = true)]
async fn five_hundred_deaths_in_ten_seconds_are_at_most_three_notices_and_none_is_forgotten() {
    for (seed, workloads) in [(4, 1), (5, 7), (6, 100)] {
        let engine = FakeEngine::new(seed);
        let names: Vec<String> = (0..workloads).map(|n| format!("w{n}")).collect();
        let ids: Vec<ContainerId> =
            (0..500).map(|n| engine.run(of(&names[n % workloads], &format!("r{n}"))).unwrap()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut watched = Watched::settled(engine, &names).await;
        let mut told = vec![];
        for id in &ids {
            watched.engine().die(id, 1).unwrap();
            told.extend(watched.live(Duration::from_millis(20)).await);
        }
        told.extend(watched.live(MINUTE * 30).await);
        assert!((1..=3).contains(&told.len()), "{workloads} workloads: {:?}", titles(&told));
        let rows: usize = told.iter().map(|notice| notice.row_ids.len()).sum();
        assert_eq!(rows, 500, "each is in one of them: {:?}", titles(&told));
        watched.notifier.abort();
    }
}

/// One after the other, each long enough to be told: a trickle is held back like a storm.
#[tokio::test(start_paused = true)]
async fn a_trickle_of_deaths_is_at_most_three_notices_a_minute_and_then_a_digest() {
    let engine = FakeEngine::new(7);
    let names: Vec<String> = (0..60).map(|n| format!("w{n}")).collect();
    let ids: Vec<ContainerId> = names.iter().map(|name| engine.run(of(name, "a")).unwrap()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut watched = Watched::settled(engine, &names).await;
    let mut told = vec![];
    for id in &ids {
        watched.engine().die(id, 1).unwrap();
        told.extend(watched.live(SECOND * 2).await);
    }
    told.extend(watched.live(MINUTE * 10).await);
    assert_eq!(told.iter().map(|notice| notice.row_ids.len()).sum::<usize>(), 60, "{:?}", titles(&told));
    assert!(told.len() <= 6, "two minutes: {:?}", titles(&told));
    for of_a_minute in told.windows(4) {
        let span = of_a_minute[3].at.duration_since(of_a_minute[0].at);
        assert!(span.as_secs() >= 60, "{:?}", titles(&told));
    }
}

/// Of failure mode 40: a flap a second for an hour, of a health check and of a program that somebody starts again.
#[tokio::test(start_paused = true)]
async fn an_hour_of_flapping_is_at_most_six_notices() {
    for (seed, period, starts) in [
        (8, SECOND, false),
        (9, SECOND, true),
        (10, SECOND * 5, false),
        (11, SECOND * 40, true),
        (12, Duration::from_millis(3_500), true),
    ] {
        let engine = FakeEngine::new(seed);
        let id = engine.run(of("shop", "dev").health_check()).unwrap();
        let mut watched = Watched::settled(engine, &["shop"]).await;
        let began = tokio::time::Instant::now();
        let mut told = vec![];
        while began.elapsed() < HOUR {
            match starts {
                true => watched.engine().die(&id, 1).unwrap(),
                false => watched.engine().set_health(&id, Health::Unhealthy).unwrap(),
            }
            told.extend(watched.live(period).await);
            match starts {
                true => watched.engine().start_container(&id).unwrap(),
                false => watched.engine().set_health(&id, Health::Healthy).unwrap(),
            }
            told.extend(watched.live(period).await);
        }
        assert!((1..=6).contains(&told.len()), "every {period:?}: {:?}", titles(&told));
        if period == SECOND {
            assert_eq!(told[0].title, "shop/dev keeps flapping", "{:?}", titles(&told));
            assert!(told.len() <= 2, "{:?}", titles(&told));
        } else {
            assert!(told[1].body.contains("more since the last notice"), "{}", told[1].body);
        }
        watched.notifier.abort();
    }
}

/// Of failure modes 5 and 40: whatever the engine took down and brought back, its restart is one notice.
#[tokio::test(start_paused = true)]
async fn a_restart_of_the_engine_is_one_notice_that_names_what_did_not_come_back() {
    for (seed, is_killed) in [(13, false), (14, true)] {
        let engine = FakeEngine::new(seed);
        for n in 0..20 {
            engine.run(of("back", &format!("r{n}")).restart(RestartPolicy::Always)).unwrap();
        }
        engine.run(of("shop", "dev")).unwrap();
        engine.run(of("blog", "web").on_term(OnTerm::Exit(7))).unwrap();
        engine.run(Spec::named("foreign")).unwrap();
        let mut watched = Watched::settled(engine, &["shop", "blog", "back"]).await;
        if is_killed {
            watched.engine().kill_engine();
            let told = watched.live(SECOND * 4).await;
            assert_eq!(titles(&told), [""; 0]);
            watched.engine().come_back();
        } else {
            watched.engine().restart_engine();
        }
        let told = watched.live(HOUR).await;
        assert_eq!(titles(&told), ["The engine restarted"], "killed: {is_killed}");
        let body = &told[0].body;
        assert!(body.starts_with("Not running since: "), "{body}");
        assert!(body.contains("shop/dev") && body.contains("blog/web") && !body.contains("back/"), "{body}");
        assert_eq!((told[0].row_ids.len(), told[0].level), (2, Level::Warn));
        watched.notifier.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_gone_for_long_is_told_and_so_is_its_return() {
    let engine = FakeEngine::new(15);
    engine.run(of("shop", "dev")).unwrap();
    let mut watched = Watched::settled(engine, &["shop"]).await;
    watched.engine().go_away();
    assert_eq!(titles(&watched.live(SECOND * 10).await), [""; 0]);
    watched.engine().come_back();
    assert_eq!(
        titles(&watched.live(MINUTE * 5).await),
        [""; 0],
        "a line that broke for seconds is nobody's matter"
    );

    watched.engine().kill_engine();
    let told = watched.live(MINUTE).await;
    assert_eq!(titles(&told), ["The engine does not answer"]);
    assert_eq!((told[0].level, told[0].target.as_str()), (Level::Bad, "#/health"));
    watched.engine().come_back();
    let told = watched.live(HOUR).await;
    assert_eq!(titles(&told), ["The engine is back"]);
    assert!(told[0].body.contains("It was away for 1 min. Not running since: shop/dev."), "{}", told[0].body);
}

/// Of failure mode 40: our own restart repeats nothing, and forgets nothing.
#[tokio::test(start_paused = true)]
async fn our_own_restart_repeats_nothing_and_tells_what_it_missed_once() {
    let engine = FakeEngine::new(16);
    let roles = ["crash", "loop", "ill", "fine", "late", "later"];
    for role in roles {
        let spec = if role == "ill" { of(role, "a").health_check() } else { of(role, "a") };
        let spec = if role == "loop" { spec.restart(RestartPolicy::Always) } else { spec };
        engine.run(spec).unwrap();
    }
    let mut watched = Watched::settled(engine, &roles).await;
    watched.engine().die(&watched.id("crash-a"), 1).unwrap();
    watched.engine().restart_loop(&watched.id("loop-a"), SECOND).unwrap();
    watched.engine().set_health(&watched.id("ill-a"), Health::Unhealthy).unwrap();
    let told = watched.live(MINUTE * 20).await;
    assert_eq!(told.iter().map(|notice| notice.row_ids.len()).sum::<usize>(), 3, "{:?}", titles(&told));
    for _ in 0..3 {
        watched = watched.restarted(|_| {}).await;
        assert_eq!(titles(&watched.live(MINUTE * 20).await), [""; 0]);
    }
    watched = watched
        .restarted(|engine| {
            engine.die(&engine.id_of("late-a").unwrap(), 1).unwrap();
            engine.oom(&engine.id_of("later-a").unwrap()).unwrap();
        })
        .await;
    assert_eq!(titles(&watched.live(SECOND * 20).await), [""; 0], "not before it is known to be so");
    let told = watched.live(MINUTE * 20).await;
    assert_eq!(titles(&told), ["While Tinyforge was not running: 2 containers need you"]);
    watched = watched.restarted(|_| {}).await;
    assert_eq!(titles(&watched.live(MINUTE * 20).await), [""; 0]);
    let ids: Vec<u64> =
        watched.world.store.notices(100).await.unwrap().iter().map(|notice| notice.id).collect();
    assert!(ids.iter().rev().copied().eq(1..=ids.len() as u64), "each has its number: {ids:?}");
}

#[tokio::test(start_paused = true)]
async fn on_the_first_start_an_old_mess_is_no_news() {
    let engine = FakeEngine::new(17);
    for n in 0..9 {
        let id = engine.run(of("shop", &format!("r{n}"))).unwrap();
        engine.die(&id, 1).unwrap();
    }
    tokio::time::sleep(HOUR).await;
    let mut watched = Watched::settled(engine, &["shop"]).await;
    assert_eq!(titles(&watched.live(MINUTE * 20).await), [""; 0]);
    watched = watched.restarted(|_| {}).await;
    assert_eq!(titles(&watched.live(MINUTE * 20).await), [""; 0]);
    let id = watched.id("shop-r0");
    watched.engine().start_container(&id).unwrap();
    watched.live(MINUTE).await;
    watched.engine().die(&id, 1).unwrap();
    assert_eq!(titles(&watched.live(MINUTE).await), ["shop/r0 crashed"], "what happens from now on is");
}

#[tokio::test(start_paused = true)]
async fn what_falls_into_a_pause_is_counted_and_never_told() {
    let engine = FakeEngine::new(18);
    let names = ["a", "b", "c", "d", "e"];
    names.iter().for_each(|name| drop(engine.run(of(name, "x")).unwrap()));
    let mut watched = Watched::settled(engine, &names).await;
    let face = watched.world.face();
    let rules = face.call(PauseNotices { until: None, for_s: Some(3_600) }).await.unwrap();
    let in_an_hour = watched.world.clock.now().checked_add(jiff::SignedDuration::from_hours(1)).unwrap();
    assert_eq!(rules.paused_until, Some(in_an_hour));
    for name in ["a", "b"] {
        watched.engine().die(&watched.id(&format!("{name}-x")), 1).unwrap();
    }
    assert_eq!(titles(&watched.live(MINUTE * 10).await), [""; 0]);
    assert_eq!(face.call(GetNoticeRules {}).await.unwrap().unheard, 2);
    // A pause outlives our own restart.
    watched = watched.restarted(|_| {}).await;
    let face = watched.world.face();
    watched.engine().die(&watched.id("c-x"), 1).unwrap();
    assert_eq!(titles(&watched.live(MINUTE * 49).await), [""; 0]);
    let told = watched.live(MINUTE * 20).await;
    assert_eq!(titles(&told), ["3 things happened while notifications were paused"]);
    let rules = face.call(GetNoticeRules {}).await.unwrap();
    assert_eq!((rules.paused_until, rules.unheard), (None, 0));

    // Ended early, and nothing happened.
    face.call(PauseNotices { until: Some(rules_end(&watched)), for_s: None }).await.unwrap();
    watched.live(MINUTE).await;
    face.call(ResumeNotices {}).await.unwrap();
    face.call(ResumeNotices {}).await.unwrap();
    assert_eq!(titles(&watched.live(MINUTE).await), [""; 0]);
    watched.engine().die(&watched.id("d-x"), 1).unwrap();
    assert_eq!(titles(&watched.live(MINUTE).await), ["d/x crashed"]);

    let wrong = |until, for_s| face.call(PauseNotices { until, for_s });
    let past = Some(watched.world.clock.now());
    for refused in [wrong(None, None).await, wrong(past, None).await, wrong(None, Some(u32::MAX)).await] {
        assert_eq!(refused.unwrap_err().code, ErrorCode::Usage);
    }
}

fn rules_end(watched: &Watched) -> jiff::Timestamp {
    watched.world.clock.now().checked_add(jiff::SignedDuration::from_hours(24)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_muted_is_not_told_neither_now_nor_when_it_is_heard_again() {
    let engine = FakeEngine::new(19);
    let names = ["a", "b", "c", "d"];
    names.iter().for_each(|name| drop(engine.run(of(name, "x").health_check()).unwrap()));
    let mut watched = Watched::settled(engine, &names).await;
    let face = watched.world.face();
    let mute = |workload: Option<&str>, kind, muted| MuteNotices {
        workload: workload.map(str::to_owned),
        kind,
        muted,
    };
    face.call(mute(Some("a"), None, true)).await.unwrap();
    face.call(mute(None, Some(NoticeKind::Unhealthy), true)).await.unwrap();
    let rules = face.call(mute(Some("b"), Some(NoticeKind::Unhealthy), false)).await.unwrap();
    assert_eq!(rules.mutes.len(), 3, "{rules:?}");
    watched.engine().die(&watched.id("a-x"), 1).unwrap();
    for name in ["b", "c"] {
        watched.engine().set_health(&watched.id(&format!("{name}-x")), Health::Unhealthy).unwrap();
    }
    assert_eq!(titles(&watched.live(MINUTE * 10).await), ["b/x is unhealthy"]);
    face.call(mute(Some("a"), None, false)).await.unwrap();
    face.call(mute(None, Some(NoticeKind::Unhealthy), false)).await.unwrap();
    assert_eq!(titles(&watched.live(MINUTE * 10).await), [""; 0]);
    let off = |value: &str| SetSetting { key: "notifications".into(), value: value.into() };
    face.call(off("off")).await.unwrap();
    watched.engine().die(&watched.id("d-x"), 1).unwrap();
    watched.engine().kill_engine();
    watched.live(MINUTE).await;
    watched.engine().come_back();
    assert_eq!(titles(&watched.live(MINUTE * 10).await), [""; 0]);
    face.call(off("on")).await.unwrap();
    assert_eq!(titles(&watched.live(MINUTE * 10).await), [""; 0]);
    let nobody = face.call(mute(Some("nobody"), None, true)).await.unwrap_err();
    assert_eq!(nobody.code, ErrorCode::NotFound);
}

#[tokio::test(start_paused = true)]
async fn newly_stale_containers_are_one_notice() {
    let engine = FakeEngine::new(20);
    let mut watched = Watched::settled(engine, &["shop", "quiet"]).await;
    let at = watched.world.clock.now();
    let one = |workload: Option<&str>, role: &str| NewlyStaleContainer {
        row_id: tinyforge_core::rules::ids::RowId::new(role),
        container_id: None,
        name: "n".into(),
        workload_id: workload.map(WorkloadId::new),
        role: Some(role.into()),
        since: at,
        days: 8,
    };
    let mute = MuteNotices { workload: Some("quiet".into()), kind: Some(NoticeKind::Stale), muted: true };
    watched.world.face().call(mute).await.unwrap();
    let containers =
        vec![one(Some("shop"), "a"), one(Some("shop"), "b"), one(Some("quiet"), "c"), one(None, "d")];
    let found = NewlyStale { engine_id: watched.engine().engine_id(), at, containers };
    watched.world.bus.publish(Event::NewlyStale(Arc::new(found)));
    let told = watched.live(HOUR).await;
    assert_eq!(titles(&told), ["2 containers have become stale"]);
    assert_eq!(
        told[0].body,
        "shop/a has not run for 8 days, shop/b has not run for 8 days. Look at what they hold and remove what nobody needs."
    );
    assert_eq!(told[0].target, "#/containers/stale");
}

/// Of failure mode 43: whatever others wrote, a notice is plain text.
#[tokio::test(start_paused = true)]
async fn hostile_names_labels_and_words_come_out_inert() {
    let hostile =
        "a\u{1b}[31m\u{1b}]0;owned\u{7}<b>&'; DROP TABLE notices; --\u{202e}\r\nx\u{9b}2J\u{0}\u{200b}";
    let engine = FakeEngine::new(21);
    let bus = Bus::default();
    let store = Store::in_memory(bus.clone()).unwrap();
    let id = "w'; DROP TABLE notices_told; --";
    let shape = NewShape::Project { image: "image".to_owned() };
    let new = NewWorkload { id: WorkloadId::new(id), name: hostile.to_owned(), shape };
    store.add_workload(new, engine.now()).await.unwrap();
    let ill = engine.run(of(id, hostile).health_check()).unwrap();
    let mut watched = Watched::begin(engine, store, bus);
    watched.live(TWO_PASSES).await;
    watched.engine().set_health_saying(&ill, Health::Unhealthy, hostile).unwrap();
    let told = watched.live(MINUTE).await;
    assert_eq!(told.len(), 1, "{:?}", titles(&told));
    let notice = &told[0];
    let name = "a<b>&'; DROP TABLE notices; --";
    assert!(notice.title.starts_with(&format!("{name} x/{name}")), "{:?}", notice.title);
    assert!(notice.body.starts_with(&format!("Unhealthy: {name}")), "{:?}", notice.body);
    let texts = [Some(&notice.title), Some(&notice.body), notice.workload.as_ref(), notice.role.as_ref()];
    for text in texts.into_iter().flatten().chain(&notice.fix).chain([&notice.target]) {
        let steers = |c: char| c.is_control() || ('\u{200b}'..='\u{202e}').contains(&c);
        assert!(!text.contains(steers), "{text:?}");
    }
    assert!(!notice.target.contains(['<', '\'', ' ', '"', '&']), "{}", notice.target);
    assert_eq!(watched.world.face().call(ListNotices { limit: None }).await.unwrap(), [(**notice).clone()]);
    watched = watched.restarted(|_| {}).await;
    assert_eq!(titles(&watched.live(MINUTE * 20).await), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn faces_hear_a_notice_and_what_is_to_be_told() {
    let engine = FakeEngine::new(22);
    engine.run(of("shop", "dev")).unwrap();
    let watched = Watched::settled(engine, &["shop"]).await;
    let face = watched.world.face();
    let mut heard = face.subscribe().await.unwrap();
    watched.engine().die(&watched.id("shop-dev"), 1).unwrap();
    let mut seen = vec![];
    while seen.len() < 2 {
        let next = tokio::time::timeout(HOUR, futures_util::StreamExt::next(&mut heard)).await;
        match next.expect("within the hour").unwrap() {
            Announcement::Notice(notice) => {
                seen.push(notice.title.clone());
                face.call(PauseNotices { until: None, for_s: Some(60) }).await.unwrap();
            }
            Announcement::NoticeRules(rules) => {
                seen.push(format!("paused: {}", rules.paused_until.is_some()))
            }
            Announcement::Patch(_)
            | Announcement::Gap(_)
            | Announcement::Status(_)
            | Announcement::Stale(_)
            | Announcement::Setting { .. }
            | Announcement::Lagged { .. } => {}
            Announcement::Gone { reason } => panic!("{reason}"),
        }
    }
    assert_eq!(seen, ["shop/dev crashed", "paused: true"]);
}
