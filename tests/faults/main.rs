//! Faults on the real program: the built `tinyforge serve` on a real engine, while its disk, its files, its clock, its
//! engine and its own process go wrong. After each: no panic, a database that is intact, an index that is equal.
//!
//! A file for each kind of fault, [`ground`] below them. Tests run beside each other, for most of them wait; what bounds a
//! time that a busy machine would stretch runs [`alone`].
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod calls;
mod clock;
mod damage;
mod disk;
mod double;
mod ground;
mod hanging;
mod killed;
mod locked;
mod steady;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static MACHINE: RwLock<()> = RwLock::new(());

/// The machine to itself: another test's failure is no reason to share it.
fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// The machine shared with the other tests that wait.
fn beside() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the suites run their full counts.
fn soaks() -> bool {
    std::env::var_os("TINYFORGE_SOAK").is_some()
}
