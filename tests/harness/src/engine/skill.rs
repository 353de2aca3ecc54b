//! What one engine can do and another cannot, by its documented nature. A test that meets a lack proves it, so that it is
//! noticed when it ends.

use super::Release;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skill {
    /// `docker update`: Podman 4's service does not know the request.
    Updates,
    /// A health check by the clock: Podman leaves it to systemd's timers, and without them runs one when asked.
    ChecksByTheClock,
    /// Saying that memory ran out: Podman's runtime tells it on the second version of control groups only.
    TellsWhyItKilled,
    /// Keeping the sentence of a start that failed: Podman answers it and forgets it.
    KeepsTheError,
    /// Telling that somebody stops a container before it ends: Podman tells it before or after, as it happens.
    TellsAStopFirst,
}

impl Release {
    #[must_use]
    pub fn lacks(self, skill: Skill) -> bool {
        match self {
            Self::Own | Self::Next => false,
            Self::Podman => match skill {
                Skill::Updates
                | Skill::ChecksByTheClock
                | Skill::TellsWhyItKilled
                | Skill::KeepsTheError
                | Skill::TellsAStopFirst => true,
            },
        }
    }
}
