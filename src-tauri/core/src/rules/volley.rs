//! What an engine's shutdown looks like from outside: it asks all it runs to end, waits, and kills what is left.

use std::collections::BTreeSet;
use std::time::Duration;

use super::ids::ContainerId;

/// The engine gives its containers 15 s when it shuts down.
pub const SHUTDOWN: Duration = Duration::from_secs(20);
/// Kills that follow each other this closely belong to one act on many.
const VOLLEY: Duration = Duration::from_secs(1);

/// That a container was sent a signal, at a steady time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kill {
    pub container: ContainerId,
    pub at: Duration,
}

/// The containers of the last kills that followed each other closely. One that ignored the first signal is killed
/// again at the end of its grace: the volley then reaches back to the first, and to those that were asked with it.
#[must_use]
pub fn last_volley(kills: &[Kill]) -> BTreeSet<ContainerId> {
    let Some(last) = kills.last() else { return BTreeSet::new() };
    let mut from = kills.len() - 1;
    loop {
        while from > 0 && kills[from].at.saturating_sub(kills[from - 1].at) <= VOLLEY {
            from -= 1;
        }
        let members: BTreeSet<&ContainerId> = kills[from..].iter().map(|kill| &kill.container).collect();
        let asked_before =
            |kill: &Kill| members.contains(&kill.container) && last.at.saturating_sub(kill.at) <= SHUTDOWN;
        match kills[..from].iter().position(asked_before) {
            Some(earlier) => from = earlier,
            None => return members.into_iter().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volley(kills: &[(&str, u64)]) -> Vec<String> {
        let kill = |(name, ms): &(&str, u64)| Kill {
            container: ContainerId::new(*name),
            at: Duration::from_millis(*ms),
        };
        let kills: Vec<Kill> = kills.iter().map(kill).collect();
        last_volley(&kills).into_iter().map(|id| id.to_string()).collect()
    }

    #[test]
    fn it_leaves_out_what_somebody_killed_long_before() {
        assert_eq!(volley(&[("a", 0), ("b", 5_000), ("c", 5_200), ("d", 5_900)]), ["b", "c", "d"]);
        assert!(volley(&[]).is_empty());
    }

    #[test]
    fn one_that_had_to_be_killed_twice_was_asked_together_with_the_others() {
        let shutdown = [("z", 0), ("a", 9_000), ("b", 9_100), ("c", 9_200), ("c", 19_200)];
        assert_eq!(volley(&shutdown), ["a", "b", "c"]);
    }

    #[test]
    fn a_kill_before_any_shutdown_could_have_begun_is_another_story() {
        assert_eq!(volley(&[("a", 0), ("c", 100), ("b", 30_000), ("c", 30_100)]), ["b", "c"]);
    }
}
