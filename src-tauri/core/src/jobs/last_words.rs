//! Asks for the last lines of a program that crashed, while the engine still has them.
//!
//! *Expected flow.* A commit tells of a row whose verdict speaks of a crash and whose last words are of an earlier end,
//! or of none → its log's last lines are asked for → they are kept and its row is announced anew.
//!
//! *Guarantees.* At most [`AT_ONCE`] questions at once, each with the door's deadline; one container is asked at most
//! every [`PACE`], however fast it turns. What is kept is bounded, and nothing of it is interpreted.
//!
//! *Caveats.* What was removed before it could be asked keeps its secret. An end of long ago of a container that is
//! nobody's is not asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::debug;

use crate::clock::SharedClock;
use crate::docker::{EngineError, SharedEngine};
use crate::events::{Bus, Event, Heard};
use crate::rules::ids::{ContainerId, RowId};
use crate::rules::row::{LastWords, Row};
use crate::rules::text;
use crate::rules::verdict::{self, Kind};
use crate::store::Store;

/// A burst of deaths must not burden the engine.
const AT_ONCE: usize = 4;
/// Between two questions about one container: a crash loop says the same each time.
const PACE: Duration = Duration::from_secs(30);
/// After a question that came to nothing, which is asked once more.
const AGAIN: Duration = Duration::from_secs(5);
/// An end that lies further back is asked about only where the container is a workload's.
const RECENT: Duration = Duration::from_secs(3_600);

/// Enough to see why; more is for whoever reads the log.
const LINES: u32 = 20;
const LINE_BYTES: usize = 400;
const ALL_BYTES: usize = 4_096;

/// Listens until it is aborted.
#[must_use]
pub fn listen(engine: SharedEngine, store: Store, bus: &Bus, clock: SharedClock) -> JoinHandle<()> {
    let mut heard = bus.subscribe();
    tokio::spawn(async move {
        let mut asking = Asking::new(engine, store, clock);
        asking.look_around().await;
        loop {
            asking.ask();
            let due = asking.next_due();
            tokio::select! {
                heard = heard.next() => match heard {
                    Heard::Event(Event::IndexChanged(change)) => change.upserts.iter().for_each(|row| asking.hear(row)),
                    Heard::Event(
                        Event::GapRecorded(_)
                        | Event::NewlyStale(_)
                        | Event::StatusChanged
                        | Event::SettingChanged { .. }
                        | Event::Noticed(_)
                        | Event::NoticeRulesChanged,
                    ) => {}
                    Heard::Lagged(_) => asking.look_around().await,
                    Heard::Closed => return,
                },
                Some(done) = asking.under_way.join_next(), if !asking.under_way.is_empty() => {
                    asking.answered(done.ok()).await;
                }
                () = until(due) => {}
            }
        }
    })
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

/// One that is to be asked about.
#[derive(Debug, Clone)]
struct Wanted {
    row: RowId,
    ended_at: Timestamp,
    not_before: Instant,
    again: bool,
}

type Answer = (ContainerId, Wanted, Result<Vec<String>, EngineError>);

struct Asking {
    engine: SharedEngine,
    store: Store,
    clock: SharedClock,
    wanted: BTreeMap<ContainerId, Wanted>,
    asked: BTreeMap<ContainerId, Instant>,
    in_hand: BTreeSet<ContainerId>,
    under_way: JoinSet<Answer>,
}

impl Asking {
    fn new(engine: SharedEngine, store: Store, clock: SharedClock) -> Self {
        Self {
            engine,
            store,
            clock,
            wanted: BTreeMap::new(),
            asked: BTreeMap::new(),
            in_hand: BTreeSet::new(),
            under_way: JoinSet::new(),
        }
    }

    fn hear(&mut self, row: &Row) {
        let (Some(id), Some(ended_at)) = (&row.container_id, is_to_be_asked(row, self.clock.now())) else {
            return;
        };
        let now = Instant::now();
        let not_before = self.asked.get(id).map_or(now, |asked| now.max(*asked + PACE));
        let wanted = Wanted { row: row.id.clone(), ended_at, not_before, again: false };
        self.wanted.insert(id.clone(), wanted);
    }

    /// At the start, and where too much was told at once to hear all of it.
    async fn look_around(&mut self) {
        match self.store.containers(None).await {
            Ok(rows) => rows.iter().for_each(|row| self.hear(row)),
            Err(error) => debug!("who has crashed could not be read: {error}"),
        }
    }

    fn ask(&mut self) {
        let now = Instant::now();
        while self.under_way.len() < AT_ONCE {
            let due = self.wanted.iter().find(|(id, w)| w.not_before <= now && !self.in_hand.contains(*id));
            let Some(id) = due.map(|(id, _)| id.clone()) else { return };
            let Some(wanted) = self.wanted.remove(&id) else { return };
            self.asked.retain(|_, asked| now.saturating_duration_since(*asked) < PACE);
            self.asked.insert(id.clone(), now);
            self.in_hand.insert(id.clone());
            let engine = Arc::clone(&self.engine);
            self.under_way.spawn(async move {
                let said = engine.logs(&id, LINES).await;
                (id, wanted, said)
            });
        }
    }

    /// When somebody who waits may be asked about. Nobody, while as many questions are under way as may be.
    fn next_due(&self) -> Option<Instant> {
        if self.under_way.len() >= AT_ONCE {
            return None;
        }
        let waiting = self.wanted.iter().filter(|(id, _)| !self.in_hand.contains(*id));
        waiting.map(|(_, wanted)| wanted.not_before).min()
    }

    async fn answered(&mut self, answer: Option<Answer>) {
        let Some((id, wanted, said)) = answer else {
            // It panicked and did not say whom it was about: nobody waits for it any more.
            return self.in_hand.clear();
        };
        self.in_hand.remove(&id);
        let said = match said {
            Ok(lines) => written(&lines),
            Err(error) if error.is_away() && !wanted.again => {
                let not_before = Instant::now() + AGAIN;
                self.wanted.entry(id).or_insert(Wanted { not_before, again: true, ..wanted });
                return;
            }
            Err(error) => return debug!(container = %id, "its last words are not known: {error}"),
        };
        let words = LastWords { ended_at: wanted.ended_at, text: said };
        if let Err(error) = self.store.keep_last_words(&wanted.row, &id, words, self.clock.now()).await {
            debug!(container = %id, "its last words could not be kept: {error}");
        }
    }
}

/// The end that somebody should know the last words of, and does not.
fn is_to_be_asked(row: &Row, now: Timestamp) -> Option<Timestamp> {
    let ended_at = row.course.last_end.as_ref()?.at;
    let crashed = matches!(
        verdict::judge(row, now).kind,
        Kind::Crashed | Kind::OutOfMemory | Kind::CrashLooping | Kind::Restarting
    );
    let known = row.last_words.as_ref().is_some_and(|words| words.ended_at == ended_at);
    let ago = Duration::try_from(now.duration_since(ended_at)).unwrap_or_default();
    (crashed && !known && (ago < RECENT || !row.owner.is_foreign())).then_some(ended_at)
}

/// Lines and the whole cut to their sizes. A database's text has no zero byte.
fn written(lines: &[String]) -> String {
    let cut: Vec<&str> = lines.iter().map(|line| text::head(line, LINE_BYTES)).collect();
    let whole = cut.join("\n").replace('\0', "\u{fffd}");
    text::tail(whole.trim_end(), ALL_BYTES).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_keeps_the_end() {
        assert_eq!(written(&["a".to_owned(), String::new(), "b".to_owned(), String::new()]), "a\n\nb");
        assert_eq!(written(&["x\0y".to_owned()]), "x\u{fffd}y");
        let long: Vec<String> = (0..20).map(|n| format!("{n:02}{}", "ü".repeat(1_000))).collect();
        let kept = written(&long);
        assert!(kept.len() <= ALL_BYTES && kept.lines().all(|line| line.len() <= LINE_BYTES));
        assert!(kept.lines().last().unwrap().starts_with("19ü"), "the last line is whole");
        assert_eq!(written(&[]), "");
    }
}
