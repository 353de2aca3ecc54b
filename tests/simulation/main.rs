//! The index under every weather that chance can make: the real reconciler and the real store, on one thread, in
//! virtual time, with every answer, event, job of the database and tick decided by a seed.
//!
//! Reading order: [`schedule`] (one seed from its first step to its rest), [`story`] (what a step may do), [`rest`]
//! (what is promised once the mishaps end), [`oracle`] (what must hold after every step), [`world`] with its [`door`]
//! (what is between the reconciler and the engine).
//!
//! A failure prints its seed and its last steps. To see it again: `TINYFORGE_SEED=n`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

/// A line that is seen also where the test holds.
macro_rules! say {
    ($($line:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($line)*);
    }};
}

mod door;
mod exhaustive;
mod oracle;
mod planted;
mod rest;
mod schedule;
mod seeds;
mod story;
mod world;
