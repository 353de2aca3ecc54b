//! Planted faults that take more than a condition.

use futures_util::StreamExt as _;

use super::*;
use crate::rules::container::State;
use crate::rules::row::Row;

/// A reader that writes down what it reads before it goes on.
pub(super) fn behind_the_store(stream: EventStream, store: &Store) -> EventStream {
    if !fault::is(Bug::TheReaderWaitsForTheStore) {
        return stream;
    }
    let store = store.clone();
    Box::pin(stream.then(move |event| {
        let store = store.clone();
        async move {
            let _ = store.queue_behind_the_writes().await;
            event
        }
    }))
}

impl Keeper {
    /// What an event says is taken for what is so.
    pub(super) fn believe(&mut self, id: &ContainerId, clues: &VecDeque<Clue>) {
        if !fault::is(Bug::AnEventIsBelieved) {
            return;
        }
        let state = match clues.back().map(|clue| clue.deed) {
            Some(Deed::Die | Deed::Stop) => State::Stopped,
            Some(Deed::Start | Deed::Unpause) => State::Running,
            Some(Deed::Pause) => State::Paused,
            _ => return,
        };
        if let Some(seen) = self.view.of_container(id).and_then(|row| as_if(row, state)) {
            self.as_if_answered(id, Some(seen));
        }
    }

    /// What a listing says is taken for what is so, and what it does not say for what is not.
    pub(super) fn trust(&mut self, listing: &[Listed]) {
        if fault::is(Bug::AListOverwrites) {
            for line in listing {
                let row = self.view.of_container(&line.container_id).filter(|r| r.facts.state != line.state);
                if let Some(seen) = row.and_then(|row| as_if(row, line.state)) {
                    self.as_if_answered(&line.container_id, Some(seen));
                }
            }
        }
        if fault::is(Bug::AbsenceFromAListIsCertain) {
            self.sweep(|id| listing.iter().all(|line| line.container_id != *id));
        }
    }

    /// Rows become missing, and nobody has looked.
    pub(super) fn sweep(&mut self, is_gone: impl Fn(&ContainerId) -> bool) {
        let ids: Vec<ContainerId> = self.view.rows().filter_map(|row| row.container_id.clone()).collect();
        for id in ids.into_iter().filter(is_gone) {
            self.as_if_answered(&id, None);
        }
    }

    /// As if a look had answered this.
    fn as_if_answered(&mut self, id: &ContainerId, seen: Option<Observed>) {
        if !self.looks.is_under_way(id) {
            // In doubt, so that nobody waits for an explanation.
            let want = Want { doubt: Some(Doubt::Asked), ..Want::default() };
            self.answers.push(Answer { id: id.clone(), seen, want });
        }
    }

    /// Rows without a container leave the index.
    pub(super) fn sweep_placeholders(&mut self, writes: &mut Vec<RowWrite>) {
        if fault::is(Bug::APlaceholderIsSwept) {
            let empty = self.view.rows().filter(|row| row.container_id.is_none());
            writes.extend(empty.map(|row| RowWrite::Retire { id: row.id.clone(), history: vec![] }));
            let now = self.clock.now();
            writes.iter().for_each(|write| self.view.apply(write, now));
        }
    }
}

fn as_if(row: &Row, state: State) -> Option<Observed> {
    let facts = row.facts.clone();
    Some(Observed {
        container_id: row.container_id.clone()?,
        name: facts.name,
        image: facts.image,
        image_id: facts.image_id,
        state,
        health: facts.health,
        exit_code: facts.exit_code,
        oom_killed: facts.oom_killed,
        restart_count: facts.restart_count,
        error: facts.error,
        probe: None,
        ports: facts.ports,
        labels: facts.labels,
        created_at: facts.container_created_at?,
        started_at: facts.started_at,
        finished_at: facts.finished_at,
        restart_policy: facts.restart_policy,
        auto_remove: facts.auto_remove,
    })
}
