//! A data folder of the earlier design, on an engine that still runs what it deployed.

use harness::sandbox::Sandbox;
use harness::wire::OnTheWire;
use serde_json::Value;
use tinyforge_core::docker::fake::Spec;
use tinyforge_core::docker::fake::served::Idiom;
use tinyforge_core::rules::ids::ContainerId;
use tinyforge_core::rules::labels;

fn lay(sandbox: &Sandbox, instances: &[(&str, &str, &str)]) {
    std::fs::create_dir_all(sandbox.home()).unwrap();
    let db = rusqlite::Connection::open(sandbox.home().join("tinyforge.db")).unwrap();
    db.execute_batch(
        "CREATE TABLE projects (id TEXT, name TEXT, image TEXT, port INTEGER);
         CREATE TABLE stages (id TEXT, project_id TEXT, name TEXT);
         CREATE TABLE instances (id TEXT, project_id TEXT, stage_id TEXT, container_id TEXT, image_tag TEXT, status TEXT);
         INSERT INTO projects VALUES ('p', 'shop', 'shop', 8080);
         INSERT INTO stages VALUES ('d', 'p', 'dev'), ('r', 'p', 'rel'), ('s', 'p', 'prod');",
    )
    .unwrap();
    for (id, stage, container) in instances {
        db.execute("INSERT INTO instances VALUES (?1, 'p', ?2, ?3, 'v1', 'running')", [id, stage, container])
            .unwrap();
    }
    db.close().unwrap();
}

/// Whichever form of a container's id the earlier design had written down.
#[test]
fn what_it_deployed_has_one_row_each_and_what_is_gone_is_missing() {
    let wire = OnTheWire::new(4, Idiom::ALL[0]);
    let deployed = |name: &str, instance: &str| -> ContainerId {
        wire.engine.run(Spec::named(name).label(labels::LEGACY_INSTANCE_ID, instance)).unwrap()
    };
    let (by_whole_id, by_short_id) = (deployed("shop-dev", "1"), deployed("shop-rel", "2"));
    let sandbox = Sandbox::facing(&wire.served.host());
    lay(
        &sandbox,
        &[("1", "d", by_whole_id.as_str()), ("2", "r", by_short_id.short()), ("3", "s", &"f".repeat(64))],
    );
    let mut daemon = sandbox.serve(&[]);

    sandbox.run(&["verify"]).exits(0).says("3 containers");
    let list: Vec<Value> = sandbox.run(&["ps", "--json"]).exits(0).read();
    let of = |role: &str| -> (Value, Value) {
        let rows: Vec<&Value> = list.iter().filter(|row| row["role"] == role).collect();
        assert_eq!(rows.len(), 1, "{list:#?}");
        (rows[0]["state"].clone(), rows[0]["container_id"].clone())
    };
    assert_eq!(of("dev"), ("running".into(), by_whole_id.as_str().into()));
    assert_eq!(of("rel"), ("running".into(), by_short_id.as_str().into()));
    assert_eq!(of("prod").0, "missing");
    assert_eq!(list.len(), 3, "{list:#?}");
    assert!(list.iter().all(|row| row["workload_name"] == "shop" && row["image_tag"] == "v1"), "{list:#?}");
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.ends(), Some(0));
}
