//! What is read off: percentiles, and what the system says of a process.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The kernel counts a process's time in hundredths of a second for whoever reads it.
const TICK: Duration = Duration::from_millis(10);

pub fn percentile(times: &[Duration], of: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() - 1) * of / 100]
}

pub fn median(times: &[Duration]) -> Duration {
    percentile(times, 50)
}

pub fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64()
}

pub fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

#[expect(clippy::cast_precision_loss)]
pub fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// The processor time of this process so far, all threads, to the nanosecond.
pub fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The processor time of a process so far, user's and system's, threads that ended included.
pub fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process is there");
    // After the name, which may hold blanks: the state is the third field, utime and stime the 14th and 15th.
    let (_, rest) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks: u32 =
        rest.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u32>().expect("a count")).sum();
    TICK * ticks
}

/// The memory of a process that is in RAM, in bytes.
pub fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kib * 1024
}

/// What a process caused to be written to a disk so far, in bytes.
pub fn written(pid: u32) -> u64 {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).expect("the process is there");
    let line =
        io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).expect("the kernel counts writes");
    line.parse().expect("a number of bytes")
}

/// The children of a process that bear that name.
pub fn children(parent: u32, name: &str) -> Vec<u32> {
    let mut found = vec![];
    for entry in fs::read_dir("/proc").expect("processes are listed").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let Some((head, rest)) = stat.rsplit_once(')') else { continue };
        let is_child = rest.split_whitespace().nth(1) == Some(&parent.to_string());
        if is_child && head.ends_with(&format!("({name}")) {
            found.push(pid);
        }
    }
    found
}
