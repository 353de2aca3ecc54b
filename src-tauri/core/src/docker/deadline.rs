//! How long each call to the engine may take before it counts as hung. No call is made without one.

use std::time::Duration;

/// To be let in at the socket. A local socket accepts in microseconds; a remote engine needs a few round trips.
pub const CONNECT: Duration = Duration::from_secs(2);

/// For a sign of life: an engine that is busy with a thousand starts gives it within a second.
pub const PING: Duration = Duration::from_secs(5);

/// For an answer about one thing. An inspect takes 0.6 ms at rest and tens of milliseconds under a flood of starts;
/// beyond this nobody answers.
pub const READ: Duration = Duration::from_secs(10);

/// For a whole listing: 0.1 s for 1,000 containers at rest, and an engine that boots holds it back for seconds.
pub const LIST: Duration = Duration::from_secs(30);

/// For measuring the space that all images and volumes take: the engine walks every file of every volume, and a disk that
/// turns reads a few thousand files a second.
pub const USAGE: Duration = Duration::from_secs(120);

/// For measuring the files that one container has written.
pub const HOLDINGS: Duration = Duration::from_secs(30);

/// For a start: it may wait for a volume driver or a slow disk.
pub const START: Duration = Duration::from_secs(60);

/// What a stop gets beyond the container's grace: the engine sends SIGKILL after it, and then still has to unmount.
pub const AFTER_GRACE: Duration = Duration::from_secs(20);

/// The engine's own grace between SIGTERM and SIGKILL where nobody chose another.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// The longest grace that a container of its own (`--stop-timeout`) is waited for: the call cannot know it without
/// a look of its own.
pub const LONGEST_OWN_GRACE: Duration = Duration::from_secs(120);

/// For a stop: the grace asked for, or the longest that a container is believed to have chosen, and then some.
#[must_use]
pub fn stop(grace: Option<Duration>) -> Duration {
    grace.unwrap_or(LONGEST_OWN_GRACE).saturating_add(AFTER_GRACE)
}

/// For a restart: a stop and a start.
#[must_use]
pub fn restart(grace: Option<Duration>) -> Duration {
    stop(grace).saturating_add(START)
}
