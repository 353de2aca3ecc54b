//! `tinyforge stale`: what nobody needs any more, why the rest is needed, and what is wished for it.

use clap::{Args, Subcommand};
use comfy_table::Cell;
use jiff::{Span, Timestamp, ToSpan, ZonedDateTime};
use tinyforge_core::control::commands as command;
use tinyforge_core::control::shapes::{ApiError, ErrorCode, StaleAnswer, StaleContainer, StaleThreshold};

use crate::args::{Format, named};
use crate::output::Output;
use crate::render::{NOTHING, View, finished, table, whose};
use crate::run::{Failure, Outcome, asked_of_the_engine, asked_with_age, print};
use crate::text::{ago, bytes, clock, count, plain};

/// The longest snooze: who means longer means a pin.
const LONGEST_SNOOZE_YEARS: i32 = 10;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Stale {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Counts what has not run for more than so many days, in place of every threshold; 0 for none: whatever does not run
    #[arg(long, value_name = "N")]
    days: Option<u32>,
    /// Foreign containers too: those that no workload owns
    #[arg(long)]
    foreign: bool,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Why a container is stale, or why not
    Why {
        #[arg(value_parser = named)]
        container: String,
        /// As of `stale`
        #[arg(long, value_name = "N")]
        days: Option<u32>,
    },
    /// Never count these as stale
    Pin {
        #[arg(required = true, value_name = "CONTAINER", value_parser = named)]
        containers: Vec<String>,
    },
    /// Count these like any other again
    Unpin {
        #[arg(required = true, value_name = "CONTAINER", value_parser = named)]
        containers: Vec<String>,
    },
    /// Not count a container as stale for a while: 14d, "3 weeks"; then it is announced anew
    Snooze {
        #[arg(value_parser = named)]
        container: String,
        #[arg(required = true, num_args = 1..)]
        span: Vec<String>,
    },
    /// A workload's own number of days; `default` gives it back to the setting
    Threshold {
        workload: String,
        #[arg(value_parser = days_or_default)]
        days: Days,
    },
}

/// What a workload's threshold is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Days {
    Own(u32),
    Default,
}

fn days_or_default(text: &str) -> Result<Days, String> {
    match text.trim() {
        "default" => Ok(Days::Default),
        days => days.parse().map(Days::Own).map_err(|_| "a whole number of days, or `default`".to_owned()),
    }
}

pub async fn run(args: Stale) -> Result<Outcome, Failure> {
    let output = Output::new(args.format.json);
    match args.verb {
        None => {
            let wanted = command::FindStaleContainers { days: args.days, foreign: args.foreign };
            let found = asked_with_age(wanted).await?;
            print(&output, &found, |view| list(&found, args.foreign, view))?;
        }
        Some(Verb::Why { container, days }) => {
            let answer = asked_with_age(command::ExplainStale { container, days }).await?;
            print(&output, &answer, |view| explained(&answer, view))?;
        }
        Some(Verb::Pin { containers }) => {
            let answers = asked_of_the_engine(command::Pin { containers }).await?;
            print(&output, &answers, |view| wished(&answers, view))?;
        }
        Some(Verb::Unpin { containers }) => {
            let answers = asked_of_the_engine(command::Unpin { containers }).await?;
            print(&output, &answers, |view| wished(&answers, view))?;
        }
        Some(Verb::Snooze { container, span }) => {
            let until = until(&span.join(" "), &ZonedDateTime::now())
                .map_err(|reason| ApiError::new(ErrorCode::Usage, reason))?;
            let wanted = command::Snooze { containers: vec![container], until: Some(until) };
            let answers = asked_of_the_engine(wanted).await?;
            print(&output, &answers, |view| wished(&answers, view))?;
        }
        Some(Verb::Threshold { workload, days }) => {
            let days = match days {
                Days::Own(days) => Some(days),
                Days::Default => None,
            };
            let set = asked_of_the_engine(command::SetStaleThreshold { workload, days }).await?;
            print(&output, &set, |_| threshold(&set))?;
        }
    }
    Ok(Outcome::Done)
}

/// The end of a span that begins now, of the user's own calendar.
fn until(text: &str, now: &ZonedDateTime) -> Result<Timestamp, String> {
    let unclear = || format!("{text:?} is not a span; say 14d, \"3 weeks\" or 12h");
    let span: Span = text.trim().parse().map_err(|_| unclear())?;
    let end = now.checked_add(span).map_err(|_| unclear())?;
    let latest = now.checked_add(LONGEST_SNOOZE_YEARS.years()).map_err(|_| unclear())?;
    if end <= *now {
        return Err(format!("{text:?} is over already; say 14d, \"3 weeks\" or 12h"));
    }
    if end > latest {
        return Err(format!("{text:?} is longer than {LONGEST_SNOOZE_YEARS} years: pin it instead"));
    }
    Ok(end.timestamp())
}

fn list(found: &[StaleContainer], foreign: bool, view: &View) -> String {
    if found.is_empty() {
        return if foreign {
            "nothing is stale"
        } else {
            "nothing of workloads is stale; --foreign looks at foreign containers too"
        }
        .to_owned();
    }
    let mut table = table(&["STALE", "NAME", "WORKLOAD", "STATE", "FREES", "WHY"], view);
    for one in found {
        table.add_row([
            Cell::new(format!("{} d", one.days_stale)),
            Cell::new(plain(&one.name)),
            Cell::new(whose(one.workload_name.as_deref(), one.role.as_deref())),
            Cell::new(one.state.as_str()),
            Cell::new(one.frees_bytes.map_or_else(|| NOTHING.to_owned(), bytes)),
            Cell::new(plain(&one.reasons.join(" "))),
        ]);
    }
    let total: u64 = found.iter().filter_map(|one| one.frees_bytes).fold(0, u64::saturating_add);
    let sum = format!("{}, {}", count(found.len() as u64, "stale container"), bytes(total));
    format!("{}\n{sum}", finished(table, view, &[3, 2]))
}

fn explained(of: &StaleAnswer, view: &View) -> String {
    let name = plain(&of.name);
    if of.stale {
        let since = of.since.map_or_else(String::new, |since| format!(" since {}", when(since, view)));
        return format!("{name} is stale{since}: {}", plain(&of.text));
    }
    let until = match of.why.as_str() {
        "young" => of.until.map(|at| format!("; it will be stale on {}", clock(at, &view.zone))),
        _ => of.until.map(|at| format!(" until {}", clock(at, &view.zone))),
    };
    format!("{name} is not stale: {}{}", plain(&of.text), until.unwrap_or_default())
}

fn when(at: Timestamp, view: &View) -> String {
    format!("{} ({})", clock(at, &view.zone), ago(at, view.now))
}

fn wished(answers: &[StaleAnswer], view: &View) -> String {
    let line = |of: &StaleAnswer| format!("{}\n", explained(of, view));
    answers.iter().map(line).collect()
}

fn threshold(set: &StaleThreshold) -> String {
    let name = plain(&set.workload_name);
    let by = if set.own { "its own threshold" } else { "the setting's threshold" };
    match set.days {
        0 => format!("{name}: {by}: none, whatever does not run is stale"),
        days => format!("{name}: {by}: {}", count(days.into(), "day")),
    }
}

#[cfg(test)]
mod tests;
