//! Which of the history is removed for its age: all that no question about the time that is kept needs.
//!
//! Of a container that was still there when that time began, the last change of each field before it stays: it says what
//! held then, and since when. So does the line that says that it began.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::diff::Field;

/// A line of the history that is older than what is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldLine<L> {
    /// The order of writing.
    pub seq: u64,
    /// Whose it is: a container, in the row that stood for it.
    pub life: L,
    pub field: Field,
    pub at: Timestamp,
    /// Whether it says that the life began: nothing else tells what it was then.
    pub begins: bool,
}

/// From when on everything is kept: so many days, or what so many lines reach back to, where that is less.
/// `reached_back_to` is the moment of the oldest line that the number allows; `None` where there are not so many.
#[must_use]
pub fn horizon(now: Timestamp, days: u32, reached_back_to: Option<Timestamp>) -> Timestamp {
    let by_age =
        now.saturating_sub(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MIN);
    reached_back_to.map_or(by_age, |by_number| by_age.max(by_number))
}

/// The lines that go. `was_there` says whether a life had not ended at the horizon.
#[must_use]
pub fn doomed<L: Ord + Clone>(lines: &[OldLine<L>], was_there: impl Fn(&L) -> bool) -> Vec<u64> {
    let mut last: BTreeMap<(&L, Field), (Timestamp, u64)> = BTreeMap::new();
    for line in lines {
        let known = last.entry((&line.life, line.field)).or_insert((line.at, line.seq));
        *known = (*known).max((line.at, line.seq));
    }
    let stays = |line: &OldLine<L>| {
        let is_last = last.get(&(&line.life, line.field)) == Some(&(line.at, line.seq));
        (is_last || line.begins) && was_there(&line.life)
    };
    lines.iter().filter(|line| !stays(line)).map(|line| line.seq).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn line(seq: u64, life: &'static str, field: Field, second: i64) -> OldLine<&'static str> {
        OldLine { seq, life, field, at: at(second), begins: seq == 1 }
    }

    #[test]
    fn of_what_was_still_there_the_last_word_on_each_field_stays() {
        let lines = [
            line(1, "web", Field::State, 1),
            line(2, "web", Field::State, 2),
            line(3, "web", Field::Name, 3),
            line(4, "web", Field::State, 4),
            // Written later, and of before: what happened last counts.
            line(5, "web", Field::State, 3),
            line(6, "gone", Field::State, 1),
            line(7, "gone", Field::State, 5),
            line(8, "twice", Field::State, 6),
            line(9, "twice", Field::State, 6),
        ];
        assert_eq!(doomed(&lines, |life| *life != "gone"), [2, 5, 6, 7, 8]);
        assert_eq!(doomed(&lines, |_| false).len(), lines.len());
        assert_eq!(doomed::<&str>(&[], |_| true), [0_u64; 0]);
    }

    #[test]
    fn days_and_number_bound_it_whichever_is_less() {
        let now = at(86_400 * 30);
        assert_eq!(horizon(now, 10, None), at(86_400 * 20));
        assert_eq!(horizon(now, 10, Some(at(86_400 * 25))), at(86_400 * 25));
        assert_eq!(horizon(now, 10, Some(at(86_400 * 5))), at(86_400 * 20));
        assert!(horizon(now, u32::MAX, None) < at(0), "more days than there were are no error");
    }
}
