//! Random bytes over pages of a closed database, over its header, over the log that a crash left.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use harness::engine::{IMAGE, RealEngine};
use harness::sandbox::Sandbox;
use rustix::process::Signal;

use super::beside;
use super::ground::{ends_in_order, ends_whole, serves_equal, state_of, status};

const PAGE: u64 = 4_096;

type Damage = fn(&Path);

#[test]
fn a_damaged_database_is_set_aside_said_and_rebuilt_from_its_copy_and_the_engine() {
    let damages: [(&str, Damage); 3] = [
        ("its header", |database| scribble(database, 0, 100)),
        ("one page in three", |database| {
            for page in (1..pages(database)).step_by(3) {
                scribble(database, page * PAGE, PAGE);
            }
        }),
        ("all of it", |database| scribble(database, 0, pages(database) * PAGE)),
    ];
    let _machine = beside();
    let engine = RealEngine::start();
    engine.run(&["--name", "web", IMAGE]);
    for (nth, (what, damage)) in damages.into_iter().enumerate() {
        let sandbox = Sandbox::on(&engine);
        let mut daemon = serves_equal(&sandbox);
        sandbox.run(&["backup", "create"]).exits(0);
        let later = format!("later-{nth}");
        engine.create(&["--name", &later, IMAGE]);
        sandbox.run(&["verify"]).exits(0);
        ends_in_order(&mut daemon);
        let database = sandbox.home().join("tinyforge.db");
        damage(&database);
        let damaged = fs::read(&database).unwrap();
        sandbox.run(&["status"]).exits(0);
        sandbox.run(&["ps", "--all"]).exits(0).says(&later);

        let mut daemon = sandbox.serve(&[]);
        let aside = set_aside(&sandbox);
        assert_eq!(aside.len(), 1, "{what}: {aside:?}");
        assert_eq!(fs::read(&aside[0]).unwrap(), damaged, "{what}: nothing of it is lost");
        let database = &status(&sandbox)["database"];
        let note = database["note"].as_str().unwrap_or_default();
        assert!(database["ok"] == true && note.contains(&aside[0].display().to_string()), "{what}: {note}");
        assert!(note.contains("the copy"), "{what}: {note}");
        sandbox.run(&["doctor"]).exits(0).says("set aside");
        sandbox.run(&["verify"]).exits(0);
        assert_eq!(
            state_of(&sandbox, &later).as_deref(),
            Some("created"),
            "{what}: the engine completes the copy"
        );
        ends_whole(&sandbox, &mut daemon);
        let mut daemon = sandbox.serve(&[]);
        assert_eq!(
            status(&sandbox)["database"]["note"],
            serde_json::Value::Null,
            "{what}: once mended it stays so"
        );
        ends_in_order(&mut daemon);
    }
}

/// What a log says is believed only as far as it is whole: the rest is seen on the engine again.
#[test]
fn a_damaged_log_costs_only_what_stood_in_it() {
    let _machine = beside();
    let engine = RealEngine::start();
    for (nth, from) in [(0, 0), (1, 1), (2, 2)] {
        let sandbox = Sandbox::on(&engine);
        let mut daemon = sandbox.serve(&[]);
        let name = format!("web-{nth}");
        engine.create(&["--name", &name, IMAGE]);
        sandbox.run(&["verify"]).exits(0);
        daemon.signal(Signal::KILL);
        daemon.ends();
        let log = sandbox.home().join("tinyforge.db-wal");
        let bytes = fs::metadata(&log).unwrap().len();
        assert!(bytes > 0, "a crash leaves a log");
        scribble(&log, bytes * from / 3, bytes - bytes * from / 3);

        let mut daemon = serves_equal(&sandbox);
        sandbox.run(&["doctor"]).exits(0).says("no page is damaged");
        assert_eq!(state_of(&sandbox, &name).as_deref(), Some("created"));
        ends_whole(&sandbox, &mut daemon);
    }
}

fn pages(database: &Path) -> u64 {
    fs::metadata(database).unwrap().len() / PAGE
}

fn scribble(path: &Path, at: u64, length: u64) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    fastrand::fill(&mut bytes);
    file.write_all(&bytes).unwrap();
}

fn set_aside(sandbox: &Sandbox) -> Vec<PathBuf> {
    let entries = fs::read_dir(sandbox.home()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.display().to_string().contains(".damaged-")).collect()
}
