//! Docker's own command line on the fake engine: a person can look at it and act on it from outside.

use harness::engine::{Release, command_line};
use harness::wire::OnTheWire;
use tinyforge_core::docker::fake::served::Idiom;
use tinyforge_core::docker::fake::{RestartPolicy, Spec};
use tinyforge_core::rules::container::State;

#[test]
fn dockers_own_command_line_sees_the_fake_and_acts_on_it() {
    for (release, idiom) in [
        (Release::Own, Idiom::Api141),
        (Release::Next, Idiom::Api141),
        (Release::Next, Idiom::Api144),
        (Release::Next, Idiom::Api152),
        (Release::Next, Idiom::Podman),
    ] {
        let wire = OnTheWire::new(1, idiom);
        let host = wire.served.host();
        let docker = |args: &[&str]| command_line(release, &host, args);
        let told = |args: &[&str]| docker(args).ok();
        let state = |name: &str| wire.engine.truth_of(&wire.engine.id_of(name).unwrap()).unwrap().state;

        assert_eq!(told(&["version", "--format", "{{.Server.Version}}"]), idiom.version());
        let run =
            docker(&["run", "-d", "--name", "web", "--label", "a=b", "-p", "127.0.0.1::80", "busybox:1"]);
        assert_eq!(run.stderr, "", "it misses nothing");
        let id = run.ok();
        let seen = wire.engine.truth().into_values().next().unwrap();
        assert_eq!((seen.container_id.as_str(), seen.state), (id.as_str(), State::Running));
        assert_eq!((seen.labels["a"].as_str(), seen.ports[0].container_port), ("b", 80));
        assert!(told(&["ps"]).contains("127.0.0.1:32769->80/tcp"), "{}", told(&["ps"]));
        assert_eq!(told(&["inspect", "-f", "{{.Name}} {{.State.Status}}", "web"]), "/web running");

        told(&["pause", "web"]);
        assert_eq!(state("web"), State::Paused);
        told(&["unpause", "web"]);
        told(&["stop", "web"]);
        assert_eq!(state("web"), State::Stopped);
        assert_eq!(told(&["ps", "-q"]), "");
        assert_eq!(told(&["ps", "-aq", "--filter", "label=a=b"]), id[..12]);
        told(&["start", "web"]);
        told(&["restart", "-t", "1", "web"]);
        told(&["rename", "web", "shop"]);
        let update = docker(&["update", "--restart", "always", "shop"]);
        let policy = || wire.engine.truth_of(&seen.container_id).unwrap().restart_policy;
        if idiom == Idiom::Podman {
            assert_ne!(update.code, Some(0), "its service knows no such request: {update:?}");
            assert_eq!(policy(), RestartPolicy::No.as_str());
        } else {
            update.ok();
            assert_eq!(policy(), RestartPolicy::Always.as_str());
            told(&["update", "--restart", "no", "shop"]);
        }
        told(&["kill", "-s", "KILL", "shop"]);
        assert_eq!(told(&["wait", "shop"]), "137");
        assert_eq!(state("shop"), State::Stopped);

        let until = (wire.engine.now().as_second() + 1).to_string();
        let events = told(&["events", "--since", "0", "--until", &until, "--filter", "event=rename"]);
        assert!(events.contains("container rename"), "{events}");
        assert_eq!(events.contains("oldName=/web"), idiom != Idiom::Podman, "Podman forgets it: {events}");

        assert!(docker(&["rm", "nobody"]).stderr.contains("No such container"));
        wire.engine.run(Spec::named("other")).unwrap();
        assert_ne!(docker(&["rm", "other"]).code, Some(0), "it runs");
        told(&["rm", "-f", "other", "shop"]);
        assert!(wire.engine.truth().is_empty());
    }
}
