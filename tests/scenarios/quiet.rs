//! What must not happen while nothing happens.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use harness::world::World;
use tinyforge_core::docker::fake::{Call, FakeEngine, Spec};
use tinyforge_core::store::Access;

fn hundred(seed: u64) -> FakeEngine {
    let engine = FakeEngine::new(seed);
    for n in 0..100 {
        engine.run(Spec::named(&format!("c{n}"))).unwrap();
    }
    engine
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_finds_nothing_writes_nothing_and_announces_no_row() {
    let mut world = World::settled(hundred(1)).await;
    world.wait(Duration::from_secs(10)).await;
    world.drain();
    let revision = world.pulse().revision;
    let written = || async { world.store.load_index(&world.engine.engine_id()).await.unwrap().verified_at };
    let before = written().await;
    world.wait(Duration::from_secs(240)).await;
    assert!(world.pulse().passes >= 8, "{}", world.pulse().passes);
    assert_eq!(world.pulse().revision, revision);
    assert_eq!(written().await, before, "eight passes, no commit: the time of a pass rides along with any");
    assert!(world.drain().is_empty());
}

#[tokio::test(start_paused = true)]
async fn verified_at_is_written_every_five_minutes_and_at_the_end() {
    let world = World::settled(hundred(2)).await;
    let engine_id = world.engine.engine_id();
    world.wait(Duration::from_secs(650)).await;
    let written = world.store.load_index(&engine_id).await.unwrap().verified_at.unwrap();
    let age = world.engine.now().duration_since(written);
    assert!(age.as_secs() <= 331, "written {} s ago", age.as_secs());
    world.wait(Duration::from_secs(100)).await;
    world.index.stop().await;
    let written = world.store.load_index(&engine_id).await.unwrap();
    assert!(world.engine.now().duration_since(written.verified_at.unwrap()).as_secs() <= 1);
    assert!(
        written.rows.iter().all(|row| row.last_seen_at >= written.verified_at),
        "running rows were seen then"
    );
}

#[tokio::test(start_paused = true)]
async fn each_row_is_inspected_within_ten_minutes_and_never_in_a_heap() {
    let world = World::settled(hundred(3)).await;
    world.engine.forget_calls();
    for _ in 0..60 {
        let before = world.engine.calls().of(Call::Inspect);
        world.wait(Duration::from_secs(10)).await;
        let step = world.engine.calls().of(Call::Inspect) - before;
        assert!(step <= 12, "{step} inspects in ten seconds");
    }
    let calls = world.engine.calls();
    assert_eq!(calls.inspects_of.len(), 100, "each one in its turn");
}

/// Another program holds the database's lock: nothing fails, and nobody is left to believe that all is written.
#[tokio::test(start_paused = true)]
async fn a_commit_that_waits_is_told_until_it_is_through() {
    let world = World::settled(hundred(4)).await;
    let (hold, held) = tokio::sync::watch::channel(true);
    world.store.put_behind(Arc::new(move |access| {
        let mut held = held.clone();
        async move {
            if access == Access::Read {
                return Ok(());
            }
            let _ = held.wait_for(|held| !held).await;
            Ok(())
        }
        .boxed()
    }));
    let id = world.engine.id_of("c7").unwrap();
    world.engine.pause(&id).unwrap();
    world.wait(Duration::from_secs(1)).await;
    assert_eq!(world.pulse().store_trouble, None, "a second is no trouble");
    world.wait(Duration::from_secs(4)).await;
    let trouble = world.pulse().store_trouble.expect("five seconds are");
    assert!(trouble.text.contains("lock"), "{trouble:?}");
    assert!(trouble.cure.contains("Close whatever has tinyforge.db open"), "{trouble:?}");
    hold.send(false).unwrap();
    world.equal_within(Duration::from_secs(1)).await;
    assert_eq!(world.pulse().store_trouble, None);
}
