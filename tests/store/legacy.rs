//! The database of the earlier design, carried over.

use std::path::Path;

use tinyforge_core::events::Bus;
use tinyforge_core::rules::container::{State, WorkloadKind};
use tinyforge_core::rules::dispatch::{Claim, owner_of};
use tinyforge_core::rules::ids::{ContainerId, EngineId, RowId, WorkloadId};
use tinyforge_core::rules::labels::Labels;
use tinyforge_core::rules::row::{Owner, Row};
use tinyforge_core::store::{IndexCommit, OpenNote, RowWrite, Store};

use super::world::*;

/// All of the earlier design that is known, with what a real one would hold and some that it should not.
pub const WHOLE: &str = r#"
CREATE TABLE projects (id TEXT PRIMARY KEY, name TEXT NOT NULL, image TEXT, port INTEGER, healthcheck TEXT, env TEXT,
    webhook_secret TEXT, created_at TEXT);
CREATE TABLE stages (id TEXT PRIMARY KEY, project_id TEXT REFERENCES projects (id) ON DELETE CASCADE, name TEXT,
    tag_pattern TEXT, auto_deploy BOOLEAN, max_instances INTEGER, promote_from TEXT, subdomain TEXT);
CREATE TABLE instances (id TEXT PRIMARY KEY, project_id TEXT REFERENCES projects (id) ON DELETE CASCADE,
    stage_id TEXT REFERENCES stages (id), container_id TEXT, image_tag TEXT, subdomain TEXT, npm_proxy_id INTEGER,
    status TEXT, port INTEGER, created_at DATETIME, last_alive_at DATETIME);
CREATE INDEX idx_instances_project ON instances (project_id);
CREATE TABLE static_sites (id TEXT PRIMARY KEY, name TEXT, repo_url TEXT, branch TEXT, folder TEXT,
    container_id TEXT, status TEXT, webhook_secret TEXT);
CREATE TABLE stacks (id TEXT PRIMARY KEY, name TEXT, compose_project_name TEXT, compose_yaml TEXT);
CREATE TABLE settings (id INTEGER PRIMARY KEY, npm_url TEXT, stale_threshold_days INTEGER);

INSERT INTO projects VALUES
    ('p1', 'shop', 'registry.test/shop', 8080, '/healthz', '{"LOG":"info"}', 's3cret', '2025-01-02 03:04:05'),
    ('p2', 'worker', 'worker', NULL, NULL, 'A=1', NULL, '2025-01-02T03:04:05Z'),
    ('p3', 'shop', NULL, 99999999, NULL, NULL, NULL, NULL);
INSERT INTO stages VALUES
    ('s1', 'p1', 'dev', 'dev-*', 1, 2, NULL, NULL),
    ('s2', 'p1', 'prod', 'v*', 0, 0, 's1', 'www'),
    ('s3', 'nobody', 'lost', NULL, NULL, NULL, NULL, NULL);
INSERT INTO instances VALUES
    ('i1', 'p1', 's1', 'c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1', 'dev-1', 'dev-shop', 17, 'running', 32001, '2025-02-01 00:00:00', '2025-03-01 00:00:00'),
    ('i2', 'p1', 's1', 'c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2c2', 'dev-2', '', NULL, 'exited', NULL, '2025-02-02 00:00:00', '2025-02-03 00:00:00'),
    ('i3', 'p1', 's2', 'c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3', 'v1', NULL, NULL, 'dead', NULL, 1738540800, 1738627200000),
    ('i4', 'p2', NULL, '', NULL, NULL, NULL, 'running', NULL, '2025-02-02 00:00:00', '2025-02-05 00:00:00'),
    ('i5', 'gone', 's9', 'c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5', 'x', NULL, NULL, 'dancing', NULL, NULL, NULL),
    ('i6', 'p1', 's2', 'c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3', 'v0', NULL, NULL, 'stopped', NULL, '2024-02-02 00:00:00', NULL);
INSERT INTO static_sites VALUES
    ('w1', 'docs', 'https://git.test/docs', 'main', 'public', 'c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9c9', 'running', 'sitesecret'),
    ('p1', 'blog', NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO stacks VALUES ('k1', 'blog', 'blog_x', 'services: {}'), ('k2', 'bare', NULL, NULL);
INSERT INTO settings VALUES (1, 'http://npm.test', 21);
"#;

/// The least that can be called such a database: names and ids.
pub const MINIMAL: &str = "
CREATE TABLE projects (id TEXT, name TEXT);
CREATE TABLE stages (id TEXT, project_id TEXT, name TEXT);
CREATE TABLE instances (id TEXT, project_id TEXT, stage_id TEXT, container_id TEXT, status TEXT);
CREATE TABLE static_sites (id TEXT, name TEXT);
CREATE TABLE stacks (id TEXT, name TEXT);
CREATE TABLE settings (stale_threshold_days);
INSERT INTO projects VALUES ('p', 'shop');
INSERT INTO stages VALUES ('s', 'p', 'prod');
INSERT INTO instances VALUES ('i', 'p', 's', 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', 'running');
INSERT INTO static_sites VALUES ('w', 'docs');
INSERT INTO stacks VALUES ('k', 'blog');
INSERT INTO settings VALUES ('3');
";

/// Some of the tables, and one that nobody knows.
pub const PARTIAL: &str = "
CREATE TABLE instances (id TEXT PRIMARY KEY, project_id TEXT, container_id TEXT, status TEXT, last_alive_at TEXT);
CREATE TABLE settings (key TEXT, value TEXT);
CREATE TABLE deploys (id TEXT, note TEXT);
CREATE INDEX deploys_by_id ON deploys (id);
CREATE VIEW running AS SELECT * FROM instances WHERE status = 'running';
CREATE TABLE schema_migrations (version uint64, dirty bool);
INSERT INTO instances VALUES ('i', 'p', 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', 'running', '2025-03-01 00:00:00');
INSERT INTO settings VALUES ('stale_threshold_days', '0'), ('theme', 'dark');
INSERT INTO deploys VALUES ('d', 'dear to somebody');
INSERT INTO schema_migrations VALUES (20240101, false);
";

pub fn lay(home: &Path, sql: &str) {
    let db = rusqlite::Connection::open(home.join("tinyforge.db")).unwrap();
    db.pragma_update(None, "foreign_keys", false).unwrap();
    // What a test lays down need not survive a power failure.
    db.pragma_update(None, "synchronous", "OFF").unwrap();
    db.execute_batch(sql).unwrap();
    db.close().unwrap();
}

fn by_legacy<'a>(rows: &'a [Row], id: &str) -> &'a Row {
    rows.iter().find(|r| r.legacy_instance_id.as_deref() == Some(id)).unwrap()
}

#[tokio::test]
async fn everything_known_of_the_earlier_design_is_carried_over() {
    let home = tempfile::tempdir().unwrap();
    lay(home.path(), WHOLE);
    let store = Store::open(home.path(), Bus::default(), at(0)).unwrap();
    assert!(matches!(&store.report().notes[..], [OpenNote::Migrated { from: 0, backup: Some(_), .. }]));
    let load = store.load_index(&engine()).await.unwrap();
    let rows = &load.rows;
    assert_eq!(rows.len(), 7, "six instances and the site's container");

    let i1 = by_legacy(rows, "i1");
    assert_eq!(i1.id, RowId::new("p1:dev"));
    assert_eq!(
        i1.owner,
        Owner::Workload { id: WorkloadId::new("p1"), kind: WorkloadKind::Project, role: "dev".into() }
    );
    assert_eq!(i1.container_id.as_ref().unwrap().as_str(), "c1".repeat(32));
    assert_eq!(i1.facts.state, State::Running);
    assert_eq!(i1.facts.image, "registry.test/shop:dev-1");
    assert_eq!((i1.facts.ports[0].container_port, i1.facts.ports[0].host_port), (8080, Some(32001)));
    assert_eq!(
        i1.last_seen_at.unwrap().to_string(),
        "2025-03-01T00:00:00Z",
        "last_alive_at becomes last_seen_at"
    );
    assert_eq!(i1.created_at.to_string(), "2025-02-01T00:00:00Z");
    assert_eq!(i1.decided.stage_id.as_deref(), Some("s1"));
    assert_eq!(i1.decided.image_tag.as_deref(), Some("dev-1"));
    assert_eq!(i1.decided.subdomain.as_deref(), Some("dev-shop"));

    let i2 = by_legacy(rows, "i2");
    assert_eq!(
        (i2.id.as_str(), i2.facts.state),
        ("p1:dev:i2", State::Stopped),
        "the living one has the short key"
    );
    assert_eq!(i2.decided.subdomain, None, "an empty text counts as absent");
    let i3 = by_legacy(rows, "i3");
    assert_eq!(i3.facts.state, State::Failed);
    assert_eq!(i3.last_seen_at.unwrap().to_string(), "2025-02-04T00:00:00Z");
    let i4 = by_legacy(rows, "i4");
    assert_eq!(
        (i4.container_id.as_ref(), i4.facts.state),
        (None, State::Missing),
        "no container, so not running"
    );
    assert!(i4.missing_since.is_some());
    let i5 = by_legacy(rows, "i5");
    assert!(matches!(&i5.owner, Owner::Foreign { reason: Some(_) }));
    assert_eq!(i5.facts.state, State::Unknown);
    let i6 = by_legacy(rows, "i6");
    assert_eq!(i6.container_id, None, "one container is one row's, the newer one's");
    assert_eq!(
        i6.facts.state,
        State::Missing,
        "and what has none cannot be stopped: nobody could look at it"
    );
    assert_eq!(i6.missing_since, Some(i6.created_at));
    let site = rows.iter().find(|r| r.id.as_str() == "w1:site").unwrap();
    assert_eq!((site.facts.state, site.legacy_instance_id.as_deref()), (State::Running, None));

    let claims = &load.claims;
    assert_eq!(claims.legacy_instances.len(), 5, "the one without a project claims nothing");
    assert_eq!(claims.legacy_instances["i2"].row, i2.id);
    assert_eq!(claims.compose_projects["blog_x"], WorkloadId::new("k1"));
    assert_eq!(claims.compose_projects["bare"], WorkloadId::new("k2"));
    let name = |id: &str| claims.workloads[&WorkloadId::new(id)].name.as_str();
    assert_eq!((name("p1"), name("p3")), ("shop", "shop-p3"), "two projects cannot have one name");
    assert_eq!(name("site-p1"), "blog", "a site whose id a project has keeps its name");
    assert_eq!(store.typed_settings().await.unwrap().stale_threshold_days, Some(21));
    store.close().await;

    let db = rusqlite::Connection::open(home.path().join("tinyforge.db")).unwrap();
    let one = |sql: &str| -> String { db.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(
        one("SELECT group_concat(name) FROM sqlite_schema WHERE name IN ('instances', 'static_sites') \
                    OR name LIKE 'legacy%' OR name LIKE 'idx%' HAVING count(*) > 0 UNION ALL SELECT 'none' LIMIT 1"),
        "none"
    );
    assert_eq!(
        one("SELECT healthcheck || env || webhook_secret FROM projects WHERE workload_id = 'p1'"),
        r#"{"path":"/healthz"}{"LOG":"info"}s3cret"#
    );
    assert_eq!(one("SELECT env FROM projects WHERE workload_id = 'p2'"), r#"{"A":"1"}"#);
    assert_eq!(one("SELECT coalesce(port, 'none') FROM projects WHERE workload_id = 'p3'"), "none");
    assert_eq!(
        one("SELECT tag_pattern || auto_deploy || max_instances FROM stages WHERE id = 's1'"),
        "dev-*12"
    );
    assert_eq!(
        one("SELECT promote_from || subdomain || max_instances FROM stages WHERE id = 's2'"),
        "devwww1",
        "promoted from a stage's name, and at least one instance"
    );
    assert_eq!(
        one("SELECT git_url || git_branch || folder || webhook_secret FROM sites WHERE workload_id = 'w1'"),
        "https://git.test/docsmainpublicsitesecret"
    );
    assert_eq!(one("SELECT compose_yaml FROM stacks WHERE workload_id = 'k1'"), "services: {}");
    assert_eq!(one("SELECT legacy_proxy_id FROM containers WHERE legacy_instance_id = 'i1'"), "17");
}

#[tokio::test]
async fn absent_columns_get_their_defaults() {
    let home = tempfile::tempdir().unwrap();
    lay(home.path(), MINIMAL);
    let store = Store::open(home.path(), Bus::default(), at(0)).unwrap();
    let load = store.load_index(&engine()).await.unwrap();
    assert_eq!(load.rows.len(), 1);
    let row = &load.rows[0];
    assert_eq!((row.id.as_str(), row.facts.state, row.last_seen_at), ("p:prod", State::Running, None));
    assert_eq!(row.created_at, at(0), "the time of the carrying over, for want of a better one");
    assert_eq!(load.claims.workloads.len(), 3);
    assert_eq!(store.typed_settings().await.unwrap().stale_threshold_days, Some(3));
}

#[tokio::test]
async fn what_nobody_knows_is_kept_unread() {
    let home = tempfile::tempdir().unwrap();
    lay(home.path(), PARTIAL);
    let store = Store::open(home.path(), Bus::default(), at(0)).unwrap();
    let load = store.load_index(&engine()).await.unwrap();
    assert_eq!(load.rows[0].legacy_instance_id.as_deref(), Some("i"));
    assert_eq!(store.typed_settings().await.unwrap().stale_threshold_days, None);
    store.close().await;
    let db = rusqlite::Connection::open(home.path().join("tinyforge.db")).unwrap();
    let note: String = db.query_row("SELECT note FROM earlier_deploys", [], |row| row.get(0)).unwrap();
    assert_eq!(note, "dear to somebody");
    drop(db);
    drop(Store::open(home.path(), Bus::default(), at(1)).expect("and does not stand in the way later"));
}

#[tokio::test]
async fn the_first_engine_that_commits_takes_the_carried_rows_and_no_other_sees_them_after() {
    let home = tempfile::tempdir().unwrap();
    lay(home.path(), MINIMAL);
    let store = Store::open(home.path(), Bus::default(), at(0)).unwrap();
    let b = EngineId::new("ENGINE-B");
    assert_eq!(store.load_index(&b).await.unwrap().rows[0].engine_id, b, "whoever asks may have them");
    let row = store.load_index(&engine()).await.unwrap().rows.remove(0);
    assert_eq!(row.engine_id, engine());

    let write = RowWrite::Missing {
        id: row.id.clone(),
        since: at(3),
        course: Box::default(),
        last_seen_at: None,
        history: Vec::new(),
    };
    store.commit_index(commit(vec![write], at(3))).await.unwrap();
    assert_eq!(store.load_index(&engine()).await.unwrap().rows[0].facts.state, State::Missing);
    let load = store.load_index(&b).await.unwrap();
    assert!(load.rows.is_empty());
    assert!(load.taken.contains(&row.id));
    let theirs = IndexCommit { engine_id: b, ..commit(vec![observe(&row, State::Running, at(4))], at(4)) };
    store.commit_index(theirs).await.expect_err("another engine cannot write the row any more");
}

#[tokio::test]
async fn the_beginning_of_an_id_is_no_container() {
    let home = tempfile::tempdir().unwrap();
    lay(home.path(), &MINIMAL.replace(&"c".repeat(64), "cccccccccccc"));
    let store = Store::open(home.path(), Bus::default(), at(0)).unwrap();
    let load = store.load_index(&engine()).await.unwrap();
    assert_eq!((load.rows[0].container_id.as_ref(), load.rows[0].facts.state), (None, State::Missing));
    assert_eq!(load.claims.legacy_instances["i"].row, load.rows[0].id, "its container's label leads to it");
}

/// The earlier program noted which container was an instance's: that stands where the container has no label.
#[tokio::test]
async fn an_instance_keeps_the_container_that_it_was_recorded_with() {
    let home = tempfile::tempdir().unwrap();
    lay(home.path(), MINIMAL);
    let store = Store::open(home.path(), Bus::default(), at(0)).unwrap();
    let load = store.load_index(&engine()).await.unwrap();
    let row = &load.rows[0];
    let container = row.container_id.clone().unwrap();
    let ruling = owner_of(&container, &Labels::default(), &load.claims);
    assert_eq!((ruling.claim, &ruling.owner), (Claim::Recorded, &row.owner));
    let other = owner_of(&ContainerId::new("d".repeat(64)), &Labels::default(), &load.claims);
    assert_eq!(other.owner, Owner::foreign());
}
