//! Any filter over ten thousand containers, as the window's pages filter them: `list.bench.ts` run by vitest on Node's
//! engine, which is not the window's but of its kind. Each sort of filter is changed again and again for half a second,
//! on the wall clock; the figure is the median change of the slowest sort.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::gauge::ms;
use crate::table::Figure;

pub fn measure() -> Figure {
    let report = run();
    let sorts =
        report["files"][0]["groups"][0]["benchmarks"].as_array().expect("vitest reports what it measured");
    let taken = |sort: &Value, what: &str| {
        Duration::from_secs_f64(sort[what].as_f64().expect("vitest measures milliseconds") / 1e3)
    };
    let slowest = sorts.iter().max_by_key(|sort| taken(sort, "median")).expect("there are sorts of filters");
    let (median, worst) = (taken(slowest, "median"), taken(slowest, "p99"));
    Figure::new("any filter over 10,000 containers, the slowest sort", ms(median))
        .beside(format!("{}, p99 {}", slowest["name"].as_str().unwrap_or_default(), ms(worst)))
        .goal("< 16 ms", median < Duration::from_millis(16))
}

fn run() -> Value {
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ui");
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let ran = Command::new(ui.join("node_modules/.bin/vitest"))
        .args(["bench", "--run", "--mode", "test", "--outputJson"])
        .arg(&report)
        .arg("src/features/containers/list.bench.ts")
        .current_dir(&ui)
        .output()
        .expect("vitest is there: `make bench` installs the window's packages");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&std::fs::read(&report).expect("vitest writes its report")).expect("a document")
}
