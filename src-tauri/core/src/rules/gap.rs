//! Spans that nobody verified: what they are, and whom they concern.

use jiff::{SignedDuration, Timestamp};

use super::cause::Doubt;

/// Below the shortest span that a reader would notice there is no gap.
const NOTICEABLE: SignedDuration = SignedDuration::from_millis(100);

/// A span of an engine's index that could not be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    pub from: Timestamp,
    /// When the pass ended that looked at everything again.
    pub to: Timestamp,
    pub reason: GapReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    NotRunning,
    EngineAway,
    /// The machine slept, or the process was frozen.
    Asleep,
}

impl GapReason {
    /// What a doubt hides; a clock that jumped hides nothing.
    #[must_use]
    pub fn of(doubt: Doubt) -> Option<Self> {
        match doubt {
            Doubt::Boot => Some(Self::NotRunning),
            Doubt::EngineAway | Doubt::Reconnected => Some(Self::EngineAway),
            Doubt::Asleep => Some(Self::Asleep),
            Doubt::ClockJumped | Doubt::Asked => None,
        }
    }

    pub const ALL: &'static [Self] = &[Self::NotRunning, Self::EngineAway, Self::Asleep];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotRunning => "not_running",
            Self::EngineAway => "engine_away",
            Self::Asleep => "asleep",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
    }
}

impl Gap {
    /// The span that a pass after a doubt has closed, if there is one.
    #[must_use]
    pub fn closed_by(doubt: Doubt, from: Timestamp, to: Timestamp) -> Option<Self> {
        let reason = GapReason::of(doubt)?;
        (to.duration_since(from) >= NOTICEABLE).then_some(Self { from, to, reason })
    }

    /// Whether the moment lies in it. It ends where it ends: then everything has been looked at.
    #[must_use]
    pub fn covers(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// Whether it hides something of what was there from `began` until `ended`, or still is.
    #[must_use]
    pub fn concerns(&self, began: Timestamp, ended: Option<Timestamp>) -> bool {
        began < self.to && ended.is_none_or(|ended| self.from < ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_doubt_that_lasted_leaves_a_gap_of_its_kind() {
        let cases = [
            (Doubt::Boot, Some(GapReason::NotRunning)),
            (Doubt::EngineAway, Some(GapReason::EngineAway)),
            (Doubt::Reconnected, Some(GapReason::EngineAway)),
            (Doubt::Asleep, Some(GapReason::Asleep)),
            (Doubt::ClockJumped, None),
            (Doubt::Asked, None),
        ];
        for (doubt, reason) in cases {
            let gap = |to| Gap::closed_by(doubt, at(10), to).map(|gap| gap.reason);
            assert_eq!(gap(at(20)), reason, "{doubt:?}");
            assert_eq!(gap(at(10) + NOTICEABLE), reason, "{doubt:?}");
            assert_eq!(gap(at(10) + SignedDuration::from_millis(99)), None, "{doubt:?}");
            assert_eq!(gap(at(9)), None, "{doubt:?}: a clock that went back");
        }
    }

    #[test]
    fn a_gap_covers_its_beginning_and_not_its_end() {
        let gap = Gap { from: at(10), to: at(20), reason: GapReason::Asleep };
        for (second, covered) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(gap.covers(at(second)), covered, "{second}");
        }
    }

    #[test]
    fn a_gap_concerns_what_was_there_during_a_part_of_it() {
        let gap = Gap { from: at(10), to: at(20), reason: GapReason::NotRunning };
        let cases = [
            (at(0), None, true),
            (at(15), None, true),
            (at(20), None, false),
            (at(0), Some(at(10)), false),
            (at(0), Some(at(11)), true),
            (at(12), Some(at(14)), true),
            (at(21), Some(at(30)), false),
        ];
        for (began, ended, concerned) in cases {
            assert_eq!(gap.concerns(began, ended), concerned, "{began} until {ended:?}");
        }
    }

    #[test]
    fn a_reason_is_read_as_it_is_written() {
        for reason in GapReason::ALL {
            assert_eq!(GapReason::parse(reason.as_str()), Some(*reason));
        }
        assert_eq!(GapReason::parse("lunch"), None);
    }
}
