//! `events --follow`: what was last, then what happens, as it happens.

use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use tinyforge_core::control::commands::{Events, GetStatus, Nature};
use tinyforge_core::control::shapes::{Announcement, ApiError, ErrorCode, HistoryEntry, LogEntry};
use tokio::time::timeout;

use crate::output::{Output, tell};
use crate::reach::Reached;
use crate::render;
use crate::run::{Failure, LATEST, Outcome, view};

/// After how long without a word it is asked whether the daemon still answers: one that is frozen says nothing, and
/// neither does an engine on which nothing happens.
const QUIET: Duration = Duration::from_secs(5);

/// Subscribes, then asks for the latest, then prints what is newer than that: nothing is missed and nothing is twice.
pub async fn follow(output: &Output, lines: u32) -> Result<Outcome, Failure> {
    let mut reached = Reached::on_the_engine(Nature::Reads).await?;
    let mut announcements = reached.face.subscribe().await?;
    let status = reached.call(GetStatus {}).await?;
    render::age(&status, Timestamp::now()).iter().for_each(|age| tell(age));
    let mut told = Told::default();
    let latest = reached.call(Events { limit: Some(LATEST.max(lines)) }).await?;
    let old = latest.len().saturating_sub(usize::try_from(lines).unwrap_or(usize::MAX));
    latest.iter().take(old).for_each(|line| told.pass_over(line));
    told.print_newer(output, latest)?;
    let mut silent = false;
    while !output.is_closed() {
        let Ok(next) = timeout(QUIET, announcements.next()).await else {
            silent = is_silent(&reached, silent).await;
            continue;
        };
        if std::mem::take(&mut silent) {
            tell("the daemon answers again");
        }
        match next {
            Some(Announcement::Patch(patch)) => told.print_newer(output, patch.history)?,
            Some(Announcement::Gap(gap)) => told.print_gap(output, gap)?,
            Some(Announcement::Lagged { .. }) => {
                let entries = reached.call(Events { limit: Some(LATEST) }).await?;
                if told.has_missed(&entries) {
                    tell(
                        "more happened at once than could be shown here; `tinyforge history CONTAINER` has all of it",
                    );
                }
                told.print_newer(output, entries)?;
            }
            Some(Announcement::Gone { reason }) => {
                return Err(ApiError::new(ErrorCode::DaemonGone, format!("no more events: {reason}")).into());
            }
            Some(
                Announcement::Status(_)
                | Announcement::Stale(_)
                | Announcement::Notice(_)
                | Announcement::NoticeRules(_)
                | Announcement::Setting { .. },
            ) => {}
            None => {
                return Err(
                    ApiError::new(ErrorCode::DaemonGone, "no more events: the daemon went away").into()
                );
            }
        }
    }
    Ok(Outcome::Done)
}

/// Whether the daemon answers nothing; says so once.
async fn is_silent(reached: &Reached, silent: bool) -> bool {
    match reached.face.call(GetStatus {}).await {
        Err(error) if error.code == ErrorCode::DaemonGone => {
            if !silent {
                tell(&format!("{error}; what happens is shown when it answers again"));
            }
            true
        }
        Ok(_) | Err(_) => {
            if silent {
                tell("the daemon answers again");
            }
            false
        }
    }
}

/// How far the log has been printed.
#[derive(Default)]
struct Told {
    seq: Option<u64>,
    /// The beginning of the latest gap.
    gap: Option<Timestamp>,
}

impl Told {
    fn pass_over(&mut self, line: &LogEntry) {
        match line.seq {
            Some(seq) => self.seq = self.seq.max(Some(seq)),
            None => self.gap = self.gap.max(Some(line.entry.at)),
        }
    }

    fn is_new(&self, line: &LogEntry) -> bool {
        match line.seq {
            Some(seq) => self.seq.is_none_or(|told| told < seq),
            None => self.gap.is_none_or(|told| told < line.entry.at),
        }
    }

    /// Whether lines lie between what was printed and the first of these.
    fn has_missed(&self, entries: &[LogEntry]) -> bool {
        let first = entries.iter().find_map(|line| line.seq);
        first.is_some_and(|first| self.seq.is_some_and(|told| first > told + 1))
    }

    fn print_newer(&mut self, output: &Output, entries: Vec<LogEntry>) -> io::Result<()> {
        for line in entries {
            if self.is_new(&line) {
                self.pass_over(&line);
                print(output, &line)?;
            }
        }
        Ok(())
    }

    /// One that was shown while it lasted is shown again when it is over: now its end is known.
    fn print_gap(&mut self, output: &Output, entry: HistoryEntry) -> io::Result<()> {
        let line = LogEntry::of_gap(entry);
        self.pass_over(&line);
        print(output, &line)
    }
}

fn print(output: &Output, line: &LogEntry) -> io::Result<()> {
    if output.json { output.line(line) } else { output.text(&render::event(line, &view(output))) }
}
