//! A periodic pass over a thousand containers in which nothing changed.
//!
//! *Beside the bare list call*: fifteen interleaved pairs, each a listing read by somebody else on an open connection
//! (the bytes only, nothing is understood) and a pass by its own account, from before its listing to after its end.
//! The ratio is that of the medians. No row is due for its periodic re-inspection.
//!
//! *Writes*: what ten more passes changed of any file in the data folder, and what the kernel says that this process
//! wrote to a disk meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use harness::engine::RealEngine;

use crate::gauge::{median, ms, ratio, written};
use crate::index::{Index, runtime};
use crate::other::Other;
use crate::table::Figure;

const CONTAINERS: usize = 1_000;
const PAIRS: usize = 15;
const IDLE_PASSES: usize = 10;

pub fn measure() -> Vec<Figure> {
    let engine = RealEngine::start();
    let mut other = Other::of(&engine);
    for n in 0..CONTAINERS {
        other.create(&format!("b{n}"));
    }
    let runtime = runtime();
    let index = runtime.block_on(Index::of(engine.door()));
    let (mut passes, mut lists) = (vec![], vec![]);
    for pair in 0..PAIRS {
        if pair % 2 == 0 {
            lists.push(other.list());
        }
        passes.push(runtime.block_on(index.pass()));
        if pair % 2 == 1 {
            lists.push(other.list());
        }
    }
    let writes = writes(&index, &runtime);
    runtime.block_on(index.stop());
    let (pass, list) = (median(&passes), median(&lists));
    let ratio = ratio(pass, list);
    vec![
        Figure::new("pass over 1,000 containers, nothing changed", ms(pass))
            .beside(format!("the bare list call: {}", ms(list)))
            .ratio(ratio)
            .goal("≤ 1.15 × the list", ratio <= 1.15),
        writes,
    ]
}

fn writes(index: &Index, runtime: &tokio::runtime::Runtime) -> Figure {
    let me = std::process::id();
    let (files, bytes) = (files(index.folder()), written(me));
    for _ in 0..IDLE_PASSES {
        runtime.block_on(index.pass());
    }
    let bytes = written(me) - bytes;
    let changed = changed(&files, &self::files(index.folder()));
    Figure::new("written to the disk by ten such passes", format!("{bytes} bytes"))
        .beside(format!("files that changed: {changed}"))
        .goal("0 bytes", bytes == 0 && changed == 0)
}

type Files = BTreeMap<PathBuf, (Vec<u8>, SystemTime)>;

fn files(folder: &Path) -> Files {
    let mut found = Files::new();
    for entry in fs::read_dir(folder).expect("the data folder is read") {
        let path = entry.expect("the data folder is read").path();
        if path.is_dir() {
            found.extend(files(&path));
            continue;
        }
        let changed = fs::metadata(&path).and_then(|facts| facts.modified()).expect("a file has a time");
        found.insert(path.clone(), (fs::read(&path).expect("a file is read"), changed));
    }
    found
}

fn changed(before: &Files, after: &Files) -> usize {
    let paths = before.keys().chain(after.keys().filter(|path| !before.contains_key(*path)));
    paths.filter(|path| before.get(*path) != after.get(*path)).count()
}
