//! A pass every second, for as long as it takes to see that nothing grows.

use std::time::{Duration, Instant};

use harness::engine::RealEngine;
use harness::sandbox::Sandbox;

use super::ground::{Churn, created, ends_whole, serves_equal, status};
use super::{beside, soaks};

const SAMPLE: Duration = Duration::from_secs(5);
/// What one sample may have more than another of an even course: pages that the allocator keeps for a burst.
const PLAY_KB: u64 = 2_048;
/// The log is cut back to 4 MiB after each checkpoint and grows beyond it by a commit.
const LOG_BYTES: u64 = 5 << 20;
/// Sockets of the commands that ask, which come and go.
const PLAY_DESCRIPTORS: u64 = 8;

fn span() -> Duration {
    Duration::from_secs(if soaks() { 600 } else { 75 })
}

#[test]
fn with_a_pass_every_second_memory_descriptors_and_log_stay_as_they_are() {
    let _machine = beside();
    let engine = RealEngine::start();
    let ids = created(&engine, 20);
    let sandbox = Sandbox::on(&engine);
    sandbox.run(&["settings", "set", "pass_interval_s", "1"]).exits(0);
    let mut daemon = serves_equal(&sandbox);
    let churn = Churn::renames(engine.socket(), ids, 4);
    let passes = || status(&sandbox)["index"]["passes"].as_u64().unwrap();
    let before = passes();
    let began = Instant::now();
    let mut samples = vec![];
    while began.elapsed() < span() {
        // The span itself is the subject: an even course between two samples.
        std::thread::sleep(SAMPLE);
        samples.push(Sample::of(&sandbox, daemon.pid()));
    }
    let (seconds, passed) = (began.elapsed().as_secs(), passes() - before);
    churn.end();
    assert!(passed >= seconds * 8 / 10, "{passed} passes in {seconds} s");

    // The first third is for caches to fill.
    let even = &samples[samples.len() / 3..];
    let (early, late) = even.split_at(even.len() / 2);
    let most = |samples: &[Sample], of: fn(&Sample) -> u64| samples.iter().map(of).max().unwrap();
    eprintln!("{passed} passes in {seconds} s; {:?} … {:?}", samples[0], samples.last().unwrap());
    let (then, now) = (most(early, |s| s.resident_kb), most(late, |s| s.resident_kb));
    assert!(now <= then + PLAY_KB, "resident memory grew from {then} to {now} kB: {samples:?}");
    let (then, now) = (most(early, |s| s.descriptors), most(late, |s| s.descriptors));
    assert!(now <= then + PLAY_DESCRIPTORS, "descriptors grew from {then} to {now}: {samples:?}");
    assert!(most(&samples, |s| s.log_bytes) <= LOG_BYTES, "the log grew: {samples:?}");
    sandbox.run(&["verify"]).exits(0);
    ends_whole(&sandbox, &mut daemon);
}

#[derive(Debug)]
struct Sample {
    resident_kb: u64,
    descriptors: u64,
    log_bytes: u64,
}

impl Sample {
    fn of(sandbox: &Sandbox, pid: u32) -> Self {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let resident = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        let log = std::fs::metadata(sandbox.home().join("tinyforge.db-wal"));
        Self {
            resident_kb: resident.trim().trim_end_matches(" kB").parse().unwrap(),
            descriptors: u64::try_from(descriptors).unwrap(),
            log_bytes: log.map_or(0, |log| log.len()),
        }
    }
}
