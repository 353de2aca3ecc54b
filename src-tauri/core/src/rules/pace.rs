//! How often one container is looked at: at once when it changes, twenty times a second while it will not stop changing.
//!
//! An event only says that a container is to be looked at; a hundred events say no more than one. A flood on one
//! container must not become a flood of inspects on the engine that everybody shares.

use std::time::Duration;

/// Looks that may follow each other at once: a `docker restart` tells five events, a Compose up a dozen.
const BURST: f64 = 16.0;
/// Looks a second after that: the index stays within a twentieth of a second of a container in a flood.
const PER_SECOND: f64 = 20.0;

/// The allowance of one container. Times are of the steady clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    left: f64,
    at: Duration,
}

impl Pace {
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self { left: BURST, at: now }
    }

    /// Takes one look out of the allowance, or says how long to wait for it.
    ///
    /// # Errors
    /// The time until a look is allowed.
    pub fn take(&mut self, now: Duration) -> Result<(), Duration> {
        self.refill(now);
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.left) / PER_SECOND).max(Duration::from_millis(1)))
    }

    /// Whether the allowance is whole again: nothing needs to be remembered.
    #[must_use]
    pub fn is_rested(&self, now: Duration) -> bool {
        let mut then = *self;
        then.refill(now);
        then.left >= BURST
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.left = (self.left + passed * PER_SECOND).min(BURST);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_marks_becomes_twenty_looks_a_second_after_a_burst() {
        let mut pace = Pace::new(Duration::ZERO);
        let looks = (0..6_000).filter(|ms| pace.take(Duration::from_millis(*ms)).is_ok()).count();
        assert!((134..=137).contains(&looks), "16 at once and 20 a second for 6 s, found {looks}");
    }

    #[test]
    fn the_wait_it_names_is_enough() {
        let mut pace = Pace::new(Duration::ZERO);
        let mut now = Duration::ZERO;
        for _ in 0..100 {
            while let Err(wait) = pace.take(now) {
                assert!(wait <= Duration::from_millis(51));
                now += wait;
            }
        }
        assert!(!pace.is_rested(now));
        assert!(pace.is_rested(now + Duration::from_secs(1)));
    }
}
