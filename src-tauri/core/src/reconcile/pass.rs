//! One look over the whole of the engine, from its listing to the last look it asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::docker::Listed;
use crate::rules::cause::Doubt;
use crate::rules::container::State;
use crate::rules::ids::ContainerId;
use crate::rules::missing::{self, Standing, Suspicion};
use crate::rules::plan::IndexView;
use crate::rules::planted::{self as fault, Bug};
use crate::rules::row::Row;

/// A pass under way.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) number: u64,
    /// `None` for a periodic one.
    pub(super) doubt: Option<Doubt>,
    /// The steady time it began.
    pub(super) began: Duration,
    /// The number of the last look that had begun when the listing that counts began.
    pub(super) listing_began: u64,
    /// A first listing would have made most of the index vanish.
    pub(super) confirming: bool,
    pub(super) listed: bool,
    /// Looks it still waits for.
    pub(super) pending: BTreeSet<ContainerId>,
    /// Whose rows were still to be written when it listed: it verifies nothing before they are.
    pub(super) unwritten: BTreeSet<ContainerId>,
}

/// What a pass makes of its listing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    LookAt(Vec<ContainerId>),
    ListAgain,
}

impl Pass {
    pub(super) fn is_done(&self) -> bool {
        self.listed && self.pending.is_empty() && self.unwritten.is_empty()
    }

    /// After a doubt everything is looked at, otherwise what disagrees; in either case what the listing lacks.
    /// `observed` tells the number of the look that observed a container last.
    pub(super) fn read(
        &self,
        listing: &[Listed],
        view: &IndexView,
        observed: impl Fn(&ContainerId) -> u64,
    ) -> Finding {
        let present: BTreeSet<ContainerId> = listing.iter().map(|line| line.container_id.clone()).collect();
        let standing: Vec<Standing> = view
            .rows()
            .filter_map(|row| {
                let container_id = row.container_id.clone()?;
                let seen_since = observed(&container_id) > self.listing_began;
                Some(Standing { container_id, state: row.facts.state, seen_since })
            })
            .collect();
        let absent = match missing::suspects(&standing, &present, self.confirming) {
            Suspicion::ListAgain => return Finding::ListAgain,
            Suspicion::Nobody => vec![],
            Suspicion::Inspect(absent) => absent,
        };
        let doubted = self.doubt.is_some() && !fault::is(Bug::ADoubtLooksAtWhatDiffers);
        let differs = |line: &&Listed| match view.of_container(&line.container_id) {
            Some(row) => doubted || disagrees(line, row),
            None => true,
        };
        let looks = listing.iter().filter(differs).map(|line| line.container_id.clone());
        Finding::LookAt(looks.chain(absent).collect())
    }
}

/// Whether a line of a listing says something else than the row. It may be the listing that is late: an inspect tells.
/// The image is left out: a listing shows an id where the tag has moved on.
fn disagrees(line: &Listed, row: &Row) -> bool {
    line.state != row.facts.state
        || line.name != row.facts.name
        || line.state == State::Running && line.health != row.facts.health
}
