//! The door to time. Rules take `now` as a parameter; actors ask a [`Clock`]; tests own one.

use std::sync::Arc;
use std::time::Duration;

pub use jiff::Timestamp;

use crate::rules::time::micros;

/// Wall time for what is written down, and a steady time for what is compared.
///
/// The wall clock can jump (a user sets it, NTP corrects it); the steady one never does and goes on while the
/// machine sleeps, so that the difference between the two tells a jump from a sleep.
pub trait Clock: Send + Sync + 'static {
    /// Wall time, truncated to microseconds: the precision the index stores.
    fn now(&self) -> Timestamp;
    /// Time since some fixed point, sleep included.
    fn steady(&self) -> Duration;
}

pub type SharedClock = Arc<dyn Clock>;

/// The machine's clocks.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        micros(Timestamp::now())
    }

    fn steady(&self) -> Duration {
        steady_now()
    }
}

#[cfg(target_os = "linux")]
fn steady_now() -> Duration {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(t.tv_sec.unsigned_abs(), u32::try_from(t.tv_nsec).unwrap_or(0))
}

#[cfg(not(target_os = "linux"))]
fn steady_now() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_clock_never_goes_back() {
        let clock = SystemClock;
        let first = clock.steady();
        assert!(clock.steady() >= first);
    }
}
