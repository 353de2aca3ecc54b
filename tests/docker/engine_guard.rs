//! The guard of a real engine keeps its word: the engine serves, survives its stories, and leaves nothing behind.

use harness::engine::{IMAGE, RealEngine, Release};

#[test]
fn an_engine_leaves_nothing_behind_however_it_ended() {
    let engine = RealEngine::start();
    let traces = engine.traces();
    engine.docker(&["network", "create", "net"]).ok();
    let web = engine.run(&["--network", "net", "-p", "127.0.0.1::8080", "-v", "/data", IMAGE]);
    engine.kill9();
    engine.start_again();
    assert_eq!(engine.docker(&["inspect", "-f", "{{.State.Running}}", web.as_str()]).ok(), "false");
    engine.docker(&["start", web.as_str()]).ok();
    let paused = engine.run(&[IMAGE]);
    engine.docker(&["pause", paused.as_str()]).ok();
    engine.kill9();
    assert!(!traces.leftovers().is_empty(), "a killed engine leaves its containers running");
    drop(engine);
    assert_eq!(traces.leftovers(), Vec::<String>::new());
}

#[test]
fn podmans_service_goes_with_all_that_it_started() {
    let engine = RealEngine::start_release(Release::Podman);
    let traces = engine.traces();
    engine.docker(&["network", "create", "net"]).ok();
    engine.run(&["--network", "net", "-p", "127.0.0.1::8080", "-v", "/data", IMAGE]);
    let paused = engine.run(&[IMAGE]);
    engine.docker(&["pause", paused.as_str()]).ok();
    assert!(!traces.leftovers().is_empty(), "it is there");
    drop(engine);
    assert_eq!(traces.leftovers(), Vec::<String>::new());
}

#[test]
fn an_engine_goes_with_the_test_that_panics() {
    let traces = std::thread::spawn(|| {
        let engine = RealEngine::start();
        let traces = engine.traces();
        engine.run(&[IMAGE]);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            engine.freeze();
            assert!(engine.pid().is_none(), "a test fails while its engine is frozen");
        }));
        assert!(result.is_err());
        traces
    })
    .join()
    .unwrap();
    assert_eq!(traces.leftovers(), Vec::<String>::new());
}
