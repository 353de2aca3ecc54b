//! What can befall an answer on its way, and the book of what is to befall whom.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The kinds of requests, for counting them and for mishaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    Ping,
    Version,
    Info,
    List,
    Inspect,
    Logs,
    /// What takes the disk.
    Usage,
    /// An inspect with sizes.
    Holdings,
    Events,
    Start,
    Stop,
    Restart,
    /// Everything that only a person or a story asks.
    Other,
}

/// What can befall one answer. What befalls the engine itself, and all of its answers, is the world's to tell
/// ([`crate::docker::fake::Mishap`], [`crate::docker::fake::Weather`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Befalls {
    /// The connection closes after so many bytes of the answer, its head among them; 0 is an answer that is lost
    /// after its effect.
    Cut(usize),
    /// So many bytes arrive, and then none ever again.
    Stall(usize),
    /// The head promises so many bytes more (or fewer) than the body has.
    WrongLength(i64),
    /// It is never answered and has no effect.
    Hang,
    /// Somebody else answers, without effect: a proxy, another program behind the socket.
    Stranger { status: u16, content_type: &'static str, body: String },
}

#[derive(Default)]
pub(super) struct Book {
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    asked: BTreeMap<Question, u64>,
    entries: Vec<(Question, u64, Befalls)>,
}

impl Book {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter(&self, question: Question, nth: u64, what: Befalls) {
        let mut pages = self.pages();
        let at = pages.asked.get(&question).copied().unwrap_or(0) + nth;
        pages.entries.push((question, at, what));
    }

    pub(super) fn asked(&self, question: Question) -> u64 {
        self.pages().asked.get(&question).copied().unwrap_or(0)
    }

    /// Counts a question and says what befalls it.
    pub(super) fn count(&self, question: Question) -> Option<Befalls> {
        let mut pages = self.pages();
        let nth = pages.asked.entry(question).or_default();
        *nth += 1;
        let nth = *nth;
        let place = pages.entries.iter().position(|(q, at, _)| *q == question && *at == nth)?;
        Some(pages.entries.remove(place).2)
    }
}
