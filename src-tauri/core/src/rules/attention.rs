//! Whether the state of the index is worth somebody's attention.

use std::time::Duration;

/// How long a change that came without an event is worth a warning. It was found and mended; one of last week says
/// nothing about the engine of today.
const RECENT: Duration = Duration::from_secs(3_600);

/// Passes that may be missed before it is worth a look: one is slow, two are bad luck.
const MISSED: u32 = 3;

/// What is known of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexFacts {
    /// Since it was last verified; `None` where it never was.
    pub age: Option<Duration>,
    /// Between two passes, as the setting says.
    pub pass_interval: Duration,
    pub engine_answers: bool,
    /// Containers whose rows stand as last known.
    pub stuck: u64,
    /// Since a change that came without an event was last found.
    pub surprised: Option<Duration>,
}

/// Why somebody should look. The first that applies is the one to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    NeverVerified,
    Stuck,
    Surprised,
    Overdue,
}

/// `None` where all is well.
#[must_use]
pub fn to_index(facts: &IndexFacts) -> Option<Attention> {
    let Some(age) = facts.age else { return Some(Attention::NeverVerified) };
    if facts.stuck > 0 {
        return Some(Attention::Stuck);
    }
    if facts.surprised.is_some_and(|ago| ago < RECENT) {
        return Some(Attention::Surprised);
    }
    (facts.engine_answers && age > facts.pass_interval * MISSED).then_some(Attention::Overdue)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worth_a_look() {
        let s = Duration::from_secs;
        let well = IndexFacts {
            age: Some(s(20)),
            pass_interval: s(30),
            engine_answers: true,
            stuck: 0,
            surprised: None,
        };
        for (facts, expected) in [
            (well, None),
            (IndexFacts { age: None, stuck: 1, ..well }, Some(Attention::NeverVerified)),
            (
                IndexFacts { stuck: 1, surprised: Some(s(1)), age: Some(s(900)), ..well },
                Some(Attention::Stuck),
            ),
            (IndexFacts { surprised: Some(s(3_599)), age: Some(s(900)), ..well }, Some(Attention::Surprised)),
            (IndexFacts { surprised: Some(s(3_600)), ..well }, None),
            (IndexFacts { age: Some(s(90)), ..well }, None),
            (IndexFacts { age: Some(s(91)), ..well }, Some(Attention::Overdue)),
            (IndexFacts { age: Some(s(91)), engine_answers: false, ..well }, None),
            (IndexFacts { age: Some(s(590)), pass_interval: s(600), ..well }, None),
            (IndexFacts { age: Some(s(1_801)), pass_interval: s(600), ..well }, Some(Attention::Overdue)),
            (IndexFacts { age: Some(s(16)), pass_interval: s(5), ..well }, Some(Attention::Overdue)),
        ] {
            assert_eq!(to_index(&facts), expected, "{facts:?}");
        }
    }
}
