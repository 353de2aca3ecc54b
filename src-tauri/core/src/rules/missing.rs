//! When a container that a listing does not name is gone.
//!
//! Absence from one complete listing is a suspicion; only an inspect that answers 404 is certain. A listing that
//! would make most of the index vanish at once is itself suspected first.

use std::collections::BTreeSet;

use super::container::State;
use super::ids::ContainerId;
use super::planted::{self as fault, Bug};

/// What the sweep needs to know of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub container_id: ContainerId,
    pub state: State,
    /// It was inspected after the listing began: the listing says nothing about it.
    pub seen_since: bool,
}

/// What to do about the rows that a listing does not name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suspicion {
    Nobody,
    /// An inspect each: a 404 is certain.
    Inspect(Vec<ContainerId>),
    /// So many at once: a second listing must agree before any is inspected.
    ListAgain,
}

/// Vanishing rows up to this number never make a listing itself suspect.
const FEW: usize = 3;

/// Holds a complete listing against the rows of the same engine.
#[must_use]
pub fn suspects(rows: &[Standing], listed: &BTreeSet<ContainerId>, confirmed: bool) -> Suspicion {
    let present = |row: &&Standing| match row.state {
        State::Missing | State::Deploying => false,
        State::Created
        | State::Running
        | State::Paused
        | State::Restarting
        | State::Removing
        | State::Stopped
        | State::Failed
        | State::Unknown => true,
    };
    let known = rows.iter().filter(present).count();
    let absent: Vec<ContainerId> = rows
        .iter()
        .filter(present)
        .filter(|row| !row.seen_since && !listed.contains(&row.container_id))
        .map(|row| row.container_id.clone())
        .collect();
    let believed = confirmed || fault::is(Bug::ALossOfMostIsBelieved);
    match absent.len() {
        0 => Suspicion::Nobody,
        many if many > FEW && many * 2 > known && !believed => Suspicion::ListAgain,
        _ => Suspicion::Inspect(absent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, state: State) -> Standing {
        Standing { container_id: ContainerId::new(id), state, seen_since: false }
    }

    fn listing(ids: &[&str]) -> BTreeSet<ContainerId> {
        ids.iter().map(|id| ContainerId::new(*id)).collect()
    }

    fn running(ids: &[&str]) -> Vec<Standing> {
        ids.iter().map(|id| row(id, State::Running)).collect()
    }

    #[test]
    fn an_absent_row_is_a_suspicion_that_an_inspect_settles() {
        let found = suspects(&running(&["a", "b"]), &listing(&["a"]), false);
        assert_eq!(found, Suspicion::Inspect(vec![ContainerId::new("b")]));
        assert_eq!(suspects(&running(&["a", "b"]), &listing(&["a", "b", "c"]), false), Suspicion::Nobody);
    }

    #[test]
    fn a_row_seen_after_the_listing_began_is_not_suspected() {
        let mut rows = running(&["a"]);
        rows[0].seen_since = true;
        assert_eq!(suspects(&rows, &listing(&[]), false), Suspicion::Nobody);
    }

    #[test]
    fn missing_rows_and_placeholders_are_left_alone() {
        let rows = [row("a", State::Missing), row("", State::Deploying)];
        assert_eq!(suspects(&rows, &listing(&[]), false), Suspicion::Nobody);
    }

    #[test]
    fn a_listing_that_would_empty_the_index_must_be_confirmed() {
        let four = running(&["a", "b", "c", "d"]);
        assert_eq!(suspects(&four, &listing(&[]), false), Suspicion::ListAgain);
        assert!(matches!(suspects(&four, &listing(&[]), true), Suspicion::Inspect(all) if all.len() == 4));
        let half = suspects(
            &running(&["a", "b", "c", "d", "e", "f", "g", "h"]),
            &listing(&["a", "b", "c", "d"]),
            false,
        );
        assert!(matches!(half, Suspicion::Inspect(_)), "exactly half is not over half");
        assert!(
            matches!(suspects(&running(&["a", "b", "c"]), &listing(&[]), false), Suspicion::Inspect(_)),
            "three are few"
        );
    }
}
