//! The figures that the program promises, measured, each beside what it is compared with. `make bench` prints the
//! table; `scripts/bench.sh idle` measures one group.
//!
//! Run on a quiet machine as root; quote ratios and medians. Each group says in its own file how its numbers are
//! taken. What cannot be taken (no screen, no engine) stands in the table as such, and the run fails; so it
//! does where a goal is not met and no measurement beside it tells why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod filter;
mod gate;
mod gauge;
mod idle;
mod index;
mod latency;
mod many;
mod other;
mod pass;
mod table;
mod weight;
mod window;
mod year;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use table::{Figure, Table};

/// A group of figures that are taken together, on an engine of their own.
struct Group {
    name: &'static str,
    measure: fn() -> Vec<Figure>,
}

const GROUPS: [Group; 7] = [
    Group { name: "latency", measure: latency::measure },
    Group { name: "pass", measure: pass::measure },
    Group { name: "many", measure: many::measure },
    Group { name: "year", measure: year::measure },
    Group { name: "window", measure: window::measure },
    Group { name: "weight", measure: weight::measure },
    Group { name: "idle", measure: idle::measure },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` builds and starts benches too: they measure only when asked by `cargo bench`.
    if !args.iter().any(|arg| arg == "--bench") {
        return ExitCode::SUCCESS;
    }
    let named: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    if let Some(stranger) = named.iter().find(|name| GROUPS.iter().all(|group| group.name != name.as_str())) {
        eprintln!(
            "no group of figures is called {stranger}; there are: {}",
            GROUPS.map(|g| g.name).join(", ")
        );
        return ExitCode::from(2);
    }
    let mut table = Table::default();
    for group in GROUPS {
        if named.is_empty() || named.iter().any(|name| name.as_str() == group.name) {
            take(&group, &mut table);
        }
    }
    println!("{table}");
    if table.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One group's failure does not take the others' figures away.
fn take(group: &Group, table: &mut Table) {
    eprintln!("measuring: {}", group.name);
    let began = Instant::now();
    match catch_unwind(AssertUnwindSafe(group.measure)) {
        Ok(figures) => table.extend(figures),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let reason = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
            table.not_taken(group.name, reason);
        }
    }
    eprintln!("measured: {} in {} s", group.name, began.elapsed().as_secs());
}
