//! An engine on another machine, reached through the user's own ssh.

use harness::engine::{IMAGE, RealEngine};
use harness::sandbox::Sandbox;
use harness::ssh::SshServer;

use crate::engine::until;

#[test]
fn an_engine_behind_ssh_is_watched_and_acted_upon_like_any() {
    let engine = RealEngine::start();
    engine.run(&["--name", "web", IMAGE]);
    let server = SshServer::before(&engine);
    let sandbox = Sandbox::through(&server);

    sandbox.run(&["ps", "--all"]).exits(0).says("web").tells_nothing();
    sandbox.run(&["status"]).exits(0).says(&server.host());

    let _daemon = sandbox.serve(&[]);
    sandbox.run(&["verify"]).exits(0).says("equal: 1 container checked");
    engine.run(&["--name", "second", IMAGE]);
    let shows = |text: &str| sandbox.run(&["ps", "--all"]).stdout.contains(text);
    until("a change over there is seen here", || shows("second"));
    sandbox.run(&["stop", "web"]).exits(0).says("web stopped");
    let state = engine.docker(&["inspect", "-f", "{{.State.Status}}", "web"]).ok();
    assert_eq!(state, "exited", "the engine over there did it");
    sandbox.run(&["verify"]).exits(0).says("equal: 2 containers checked");
}

#[test]
fn what_ssh_says_when_it_gives_up_is_told() {
    let engine = RealEngine::start();
    let server = SshServer::before(&engine);
    let sandbox = Sandbox::through(&server);
    server.forget_keys();
    sandbox.run(&["verify"]).exits(3).says_nothing().tells("Permission denied (publickey");
    server.stop();
    sandbox.run(&["verify"]).exits(3).says_nothing().tells("Connection refused");
}
