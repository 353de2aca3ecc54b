//! What befalls the engine: it is stopped, killed, frozen, flooded. Nothing is falsely missing, and the rows are equal
//! again within five seconds of its answering.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use harness::engine::IMAGE;
use tinyforge_core::reconcile::Link;
use tinyforge_core::rules::gap::GapReason;
use tinyforge_core::rules::ids::ContainerId;

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
    site.equal_within(FIVE).await;

    block(|| site.engine.stop_term());
    site.pulse_within(FIVE, "a stopped engine is said to be away", |p| matches!(p.link, Link::Away(_))).await;
    let rows = site.rows().await;
    assert_eq!(rows.len(), 3, "an engine that cannot be reached makes nothing missing");
    block(|| site.engine.start_again());
    let took = site.equal_within(FIVE).await;
    eprintln!("after TERM: equal {} ms after it answered", took.as_millis());
    assert_eq!(site.state(&kept).await, "running");
    assert_eq!(site.state(&plain).await, "stopped");
    assert_eq!(site.state(&created).await, "created");
    assert_eq!(site.last_state_line(&plain).await, "state running→stopped engine_restart");
    assert_eq!(site.last_state_line(&kept).await, "state stopped→running engine_restart");

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
    assert_eq!(site.rows().await.len(), 3);
    block(|| site.engine.thaw());
    let took = site.equal_within(FIVE).await;
    site.pulse_within(FIVE, "and to be back", |p| p.link == Link::Connected).await;
    eprintln!("after STOP: equal {} ms after it went on", took.as_millis());

    let engine = site.pulse().engine.unwrap().id;
    let gaps = site.store.gaps(&engine).await.unwrap();
    assert!(gaps.len() >= 2 && gaps.iter().all(|gap| gap.reason == GapReason::EngineAway), "{gaps:?}");
    site.index.stop().await;
}

/// Threads that rename a container each, for as long as this lives.
struct Workers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    fn rename(socket: &Path, ids: &[ContainerId]) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let threads = ids
            .iter()
            .map(|id| {
                let (stop, socket, id) = (Arc::clone(&stop), socket.to_owned(), id.clone());
                std::thread::spawn(move || rename_in_a_loop(&socket, &id, &stop))
            })
            .collect();
        Self { stop, threads }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Over one connection: Docker's command line would be slower than the engine. A rename is answered without a body.
fn rename_in_a_loop(socket: &Path, id: &ContainerId, stop: &AtomicBool) {
    let mut engine = UnixStream::connect(socket).unwrap();
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let path = format!("/containers/{id}/rename?name=r{n}-{}", id.short());
        write!(engine, "POST {path} HTTP/1.1\r\nHost: engine\r\nContent-Length: 0\r\n\r\n").unwrap();
        let mut answer = vec![];
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") && engine.read(&mut byte).unwrap() == 1 {
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 204"), "{}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_renames_delays_nobody_else_and_ends_equal() {
    let site = Site::open().await;
    let ids: Vec<_> =
        (0..8).map(|n| block(|| site.engine.create(&["--name", &format!("flood-{n}"), IMAGE]))).collect();
    let other = block(|| site.engine.run(&["--name", "other", IMAGE]));
    site.equal_within(FIVE).await;
    let socket = site.engine.socket();
    let before = site.pulse().events;
    let began = Instant::now();
    let workers = Workers::rename(&socket, &ids);
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        for verb in ["pause", "unpause"] {
            block(|| site.engine.docker(&[verb, "other"]).ok());
            let told = Instant::now();
            let wanted = site.door.inspect(&other).await.unwrap().unwrap().state.to_string();
            while site.state(&other).await != wanted {
                assert!(told.elapsed() < Duration::from_secs(1), "an event was unseen for a second");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            slowest = slowest.max(told.elapsed());
        }
    }
    let events = site.pulse().events - before;
    let rate = f64::from(u32::try_from(events).unwrap()) / began.elapsed().as_secs_f64();
    drop(workers);
    site.equal_within(FIVE).await;
    eprintln!(
        "{rate:.0} events/s; the slowest other change was in the index {} ms after it",
        slowest.as_millis()
    );
    assert!(events > 500, "the flood was one: {events} events");
    site.index.stop().await;
}
