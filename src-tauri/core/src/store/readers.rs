//! The connections that only read: lent for one read each, kept for the next, all closed at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle};

use super::connection;
use super::error::StoreError;
use super::executor::guard;

/// An interrupt ends the statements that run and not those that follow them: until a read has ended it is interrupted
/// again.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(20);

pub(super) struct Readers {
    path: PathBuf,
    shelf: Mutex<Shelf>,
    returned: Condvar,
}

#[derive(Default)]
struct Shelf {
    closed: bool,
    idle: Vec<Connection>,
    lent: BTreeMap<u64, InterruptHandle>,
    next: u64,
}

impl Readers {
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), shelf: Mutex::default(), returned: Condvar::new() }
    }

    /// Does the work on a connection that cannot write. The caller sees to it that not too much is done at once.
    pub(super) fn lend<T>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (_loan, mut db) = self.take()?;
        let answer = work(&mut db);
        if self.keep(db) {
            return answer;
        }
        // What was interrupted was not refused.
        answer.map_err(|_| StoreError::Closed)
    }

    /// For the next read; closed where there will be none.
    fn keep(&self, db: Connection) -> bool {
        let mut shelf = guard(&self.shelf);
        if !shelf.closed {
            shelf.idle.push(db);
        }
        !shelf.closed
    }

    /// Ends what reads, and returns once no connection is open. Whoever comes later is turned away.
    pub(super) fn close(&self) {
        let mut shelf = guard(&self.shelf);
        shelf.closed = true;
        shelf.idle.clear();
        while !shelf.lent.is_empty() {
            shelf.lent.values().for_each(InterruptHandle::interrupt);
            let waited = self.returned.wait_timeout(shelf, INTERRUPT_AGAIN);
            shelf = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Opens one under the lock of the shelf where none is idle, so that closing knows of every one that is open.
    fn take(&self) -> Result<(Loan<'_>, Connection), StoreError> {
        let mut shelf = guard(&self.shelf);
        if shelf.closed {
            return Err(StoreError::Closed);
        }
        let db = match shelf.idle.pop() {
            Some(db) => db,
            None => connection::reader(&self.path)?,
        };
        let number = shelf.next;
        shelf.next += 1;
        shelf.lent.insert(number, db.get_interrupt_handle());
        Ok((Loan { readers: self, number }, db))
    }

    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        let shelf = guard(&self.shelf);
        shelf.idle.len() + shelf.lent.len()
    }
}

/// Ends after its connection is kept or closed, also where the work panicked.
struct Loan<'a> {
    readers: &'a Readers,
    number: u64,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        guard(&self.readers.shelf).lent.remove(&self.number);
        self.readers.returned.notify_all();
    }
}
