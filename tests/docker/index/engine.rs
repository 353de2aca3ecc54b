//! What befalls the engine: it is stopped, killed, frozen, flooded. Nothing is falsely missing, and the rows are equal
//! again within five seconds of its answering.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use harness::engine::{IMAGE, ask};
use tinyforge_core::reconcile::{Link, Pulse};
use tinyforge_core::rules::gap::GapReason;
use tinyforge_core::rules::ids::ContainerId;
use tinyforge_core::rules::row::Row;

use super::relay::Relay;
use super::site::Site;

const FIVE: Duration = Duration::from_secs(5);

fn block<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_stopped_killed_or_frozen_is_followed_within_five_seconds_of_its_return() {
    let site = Site::open().await;
    let kept = block(|| site.engine.run(&["--name", "kept", "--restart", "always", IMAGE]));
    let plain = block(|| site.engine.run(&["--name", "plain", IMAGE]));
    let created = block(|| site.engine.create(&["--name", "created", IMAGE]));
    let paused = block(|| site.engine.run(&["--name", "paused", IMAGE]));
    block(|| site.engine.docker(&["pause", "paused"]).ok());
    site.equal_within(FIVE).await;

    block(|| site.engine.stop_term());
    site.pulse_within(FIVE, "a stopped engine is said to be away", |p| matches!(p.link, Link::Away(_))).await;
    let rows = site.rows().await;
    assert_eq!(rows.len(), 4, "an engine that cannot be reached makes nothing missing");
    block(|| site.engine.start_again());
    let took = site.equal_within(FIVE).await;
    eprintln!("after TERM: equal {} ms after it answered", took.as_millis());
    assert_eq!(site.state(&kept).await, "running");
    assert_eq!(site.state(&plain).await, "stopped");
    assert_eq!(site.state(&created).await, "created");
    assert_eq!(site.last_state_line(&plain).await, "state running→stopped engine_restart");
    assert_eq!(site.last_state_line(&kept).await, "state stopped→running engine_restart");
    let story = site.story(&paused).await;
    let since_the_pause: Vec<&String> =
        story.iter().skip_while(|line| !line.contains("running→paused")).skip(1).collect();
    assert!(
        !since_the_pause.is_empty() && since_the_pause.iter().all(|line| line.ends_with("engine_restart")),
        "it lets what is paused go on before it ends it: {story:?}"
    );

    block(|| site.engine.docker(&["start", "plain"]).ok());
    site.equal_within(FIVE).await;
    block(|| site.engine.kill9());
    site.pulse_within(FIVE, "a killed engine is said to be away", |p| matches!(p.link, Link::Away(_))).await;
    block(|| site.engine.start_again());
    let took = site.equal_within(FIVE).await;
    eprintln!("after KILL: equal {} ms after it answered", took.as_millis());
    assert_eq!(site.state(&kept).await, "running");
    assert_eq!(site.last_state_line(&plain).await, "state running→stopped engine_restart");

    block(|| site.engine.freeze());
    let frozen = Duration::from_secs(30);
    site.pulse_within(frozen, "a frozen engine is said to be away", |p| matches!(p.link, Link::Away(_)))
        .await;
    assert_eq!(site.rows().await.len(), 4);
    block(|| site.engine.thaw());
    let took = site.equal_within(FIVE).await;
    site.pulse_within(FIVE, "and to be back", |p| p.link == Link::Connected).await;
    eprintln!("after STOP: equal {} ms after it went on", took.as_millis());

    let engine = site.pulse().engine.unwrap().id;
    let gaps = site.store.gaps(&engine).await.unwrap();
    assert!(gaps.len() >= 2 && gaps.iter().all(|gap| gap.reason == GapReason::EngineAway), "{gaps:?}");
    site.index.stop().await;
}

/// The way to it is closed for a while, and it goes on: what somebody does meanwhile is not the engine's doing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_could_not_be_reached_for_a_while_has_not_restarted() {
    let mut site = Site::open().await;
    let killed = block(|| site.engine.run(&["--name", "killed", IMAGE]));
    let flooded = block(|| site.engine.run(&["--name", "flooded", IMAGE]));
    let lives = block(|| site.engine.run(&["--name", "lives", IMAGE]));
    let mut relay = Relay::to(&site.engine.socket(), site.engine.scratch().join("relay.sock"));
    site.watch_through(relay.socket()).await;
    let away = |p: &Pulse| matches!(p.link, Link::Away(_));
    let ask_it = |verb: &str, id: &ContainerId, after: &str| {
        let answer = ask(&site.engine.socket(), "POST", &format!("/containers/{id}/{verb}{after}")).unwrap();
        assert!(answer.contains(" 204 "), "{answer}");
    };

    relay.close().await;
    site.pulse_within(FIVE, "it is said to be away", away).await;
    block(|| ask_it("kill", &killed, ""));
    relay.open();
    site.equal_within(FIVE).await;
    let told = site.last_state_line(&killed).await;
    assert_eq!(told, "state running→stopped foreign", "the engine remembers who did it");

    relay.close().await;
    site.pulse_within(FIVE, "it is said to be away", away).await;
    block(|| ask_it("kill", &flooded, ""));
    block(|| (0..300).for_each(|n| ask_it("rename", &lives, &format!("?name=renamed-{n}"))));
    relay.open();
    site.equal_within(FIVE).await;
    let told = site.last_state_line(&flooded).await;
    assert_eq!(told, "state running→stopped unknown", "it has forgotten, and something runs on as before");
    site.index.stop().await;
}

/// What a flood must come to, told by those who make it.
const FLOOD: f64 = 600.0;
const LASTS: Duration = Duration::from_secs(6);
/// Whoever shares the machine may take from a flood what makes it one: so often it is begun anew.
const FLOODS: usize = 4;
/// Between two looks at the index.
const GLANCE: Duration = Duration::from_millis(20);
/// The longest that anything may stay unseen in it.
const SEEN: Duration = Duration::from_secs(1);

/// Threads that rename a container each, for as long as this lives.
struct Renamers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    by_container: BTreeMap<ContainerId, Renames>,
}

/// When the engine confirmed each of a container's renames: the name says which it was, [`name`].
type Renames = Arc<Mutex<Vec<Instant>>>;

fn name(nth: usize, id: &ContainerId) -> String {
    format!("r{nth}-{}", id.short())
}

impl Renamers {
    fn begin(socket: &Path, ids: &[ContainerId]) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let by_container: BTreeMap<_, _> = ids.iter().map(|id| (id.clone(), Renames::default())).collect();
        let threads = by_container
            .iter()
            .map(|(id, renames)| {
                let (stop, renames) = (Arc::clone(&stop), Arc::clone(renames));
                let (socket, id) = (socket.to_owned(), id.clone());
                std::thread::spawn(move || rename_in_a_loop(&socket, &id, &renames, &stop))
            })
            .collect();
        Self { stop, threads, by_container }
    }

    fn confirmed(&self) -> usize {
        self.by_container.values().map(|renames| lock(renames).len()).sum()
    }

    /// Since when another name than this one stands on the engine; nothing where it is still the last one.
    fn outdated_for(&self, row: &Row) -> Option<Duration> {
        let id = row.container_id.as_ref()?;
        let renames = lock(self.by_container.get(id)?);
        let told = row.facts.name.strip_prefix('r').and_then(|rest| rest.split_once('-'));
        // Before the first of them it has the name that it was made with.
        let next = told.and_then(|(nth, _)| nth.parse::<usize>().ok()).map_or(0, |nth| nth + 1);
        renames.get(next).map(Instant::elapsed)
    }

    /// No more are made; tells how many there were.
    fn end(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("whoever renames is let to");
        }
        self.confirmed()
    }
}

impl Drop for Renamers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Over one connection: Docker's command line would be slower than the engine. A rename is answered without a body.
fn rename_in_a_loop(socket: &Path, id: &ContainerId, renames: &Mutex<Vec<Instant>>, stop: &AtomicBool) {
    let mut engine = UnixStream::connect(socket).unwrap();
    let mut buffer = [0; 1024];
    for nth in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let path = format!("/containers/{id}/rename?name={}", name(nth, id));
        let request = format!("POST {path} HTTP/1.1\r\nHost: engine\r\nContent-Length: 0\r\n\r\n");
        engine.write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        while !buffer[..length].ends_with(b"\r\n\r\n") {
            let more = engine.read(&mut buffer[length..]).unwrap();
            assert!(more > 0, "the engine hangs up");
            length += more;
        }
        assert!(buffer.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&buffer[..length]));
        lock(renames).push(Instant::now());
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_six_hundred_events_a_second_nothing_stays_unseen_for_a_second() {
    let site = Site::open().await;
    let ids: Vec<_> =
        (0..8).map(|n| block(|| site.engine.create(&["--name", &format!("flood-{n}"), IMAGE]))).collect();
    let other = block(|| site.engine.run(&["--name", "other", IMAGE]));
    site.equal_within(FIVE).await;
    let before = site.pulse();
    let mut rates = vec![];
    while rates.last().is_none_or(|rate| *rate < FLOOD) {
        assert!(rates.len() < FLOODS, "no flood was one: {rates:.0?} renames/s");
        rates.push(flood(&site, &ids, &other).await);
    }
    assert_eq!(site.pulse().divergences, before.divergences, "each change was announced by an event");
    site.index.stop().await;
}

/// Renames these as fast as the engine does it and changes another one meanwhile; tells how many renames a second there
/// were.
async fn flood(site: &Site, ids: &[ContainerId], other: &ContainerId) -> f64 {
    let socket = site.engine.socket();
    let before = site.pulse().events;
    let began = Instant::now();
    let renamers = Renamers::begin(&socket, ids);
    let (mut oldest, mut slowest) = (Duration::ZERO, Duration::ZERO);
    let mut others = 0;
    while began.elapsed() < LASTS || others % 2 == 1 {
        // What is not renamed at all must not wait behind what is.
        let (verb, state) = [("pause", "paused"), ("unpause", "running")][others % 2];
        others += 1;
        let answer = block(|| ask(&socket, "POST", &format!("/containers/{other}/{verb}"))).unwrap();
        assert!(answer.contains(" 204 "), "{answer}");
        let told = Instant::now();
        let mut seen = false;
        while !seen {
            tokio::time::sleep(GLANCE).await;
            let rows = site.rows().await;
            let outdated = rows.iter().filter_map(|row| renamers.outdated_for(row)).max().unwrap_or_default();
            assert!(outdated < SEEN, "a rename was unseen for {outdated:?}");
            assert!(told.elapsed() < SEEN, "that the other is {state} was unseen for a second");
            oldest = oldest.max(outdated);
            let row = rows.iter().find(|row| row.container_id.as_ref() == Some(other)).unwrap();
            seen = row.facts.state.to_string() == state;
        }
        slowest = slowest.max(told.elapsed());
    }
    let lasted = began.elapsed();
    let renames = block(|| renamers.end());
    let rate = f64::from(u32::try_from(renames).unwrap()) / lasted.as_secs_f64();
    let all = before + u64::try_from(renames + others).unwrap();
    site.pulse_within(SEEN, "every event is read", |pulse| pulse.events >= all).await;
    site.equal_within(SEEN).await;
    eprintln!(
        "{rate:.0} renames/s for {:.1} s: each in the index {} ms after the engine confirmed it, {others} changes of \
         another one {} ms, at the latest",
        lasted.as_secs_f64(),
        oldest.as_millis(),
        slowest.as_millis()
    );
    rate
}
