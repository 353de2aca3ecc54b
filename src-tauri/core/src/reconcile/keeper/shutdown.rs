//! What an engine's shutdown looked like before it was known to be one.

use super::*;
use crate::rules::container::State;
use crate::rules::row::Row;

impl Keeper {
    /// The engine kills everything and then its stream ends. What was put down to somebody was its own doing: unless
    /// something still runs, in which case it did not shut its containers down. One that waits for its policy has
    /// nothing to kill: it goes without a word.
    pub(super) fn recast_a_shutdown(&mut self) -> bool {
        let mut volley = last_volley(self.kills.make_contiguous());
        let runs_on = |row: &Row| match row.facts.state {
            State::Running | State::Paused => {
                row.container_id.as_ref().is_some_and(|id| !volley.contains(id))
            }
            State::Restarting
            | State::Created
            | State::Removing
            | State::Stopped
            | State::Failed
            | State::Missing
            | State::Deploying
            | State::Unknown => false,
        };
        if volley.is_empty() || self.view.rows().any(runs_on) {
            return false;
        }
        let since = before(self.clock.now(), SHUTDOWN);
        volley.extend(self.went_silently(since));
        for (id, want) in self.looks.wants_mut() {
            if volley.contains(id) {
                want.clues.clear();
                want.doubt = Some(Doubt::EngineAway);
            }
        }
        self.clues.retain(|id, _| !volley.contains(id));
        let settling = self.committing.iter_mut().flat_map(|batch| &mut batch.settles);
        for (_, want) in settling.filter(|(id, _)| volley.contains(id)) {
            want.clues.clear();
            want.doubt = Some(Doubt::EngineAway);
        }
        for answer in self.answers.iter_mut().filter(|answer| volley.contains(&answer.id)) {
            answer.want.clues.clear();
            answer.want.doubt = Some(Doubt::EngineAway);
        }
        let members: BTreeSet<RowId> =
            volley.iter().filter_map(|id| self.view.of_container(id)).map(|row| row.id.clone()).collect();
        for told in std::mem::take(&mut self.told) {
            if told.at < since || !members.contains(&told.row_id) {
                continue;
            }
            match told.line {
                // One that lives again has no end to be put down to anybody.
                Line::End if self.view.row(&told.row_id).is_some_and(|row| row.facts.state.is_alive()) => {}
                Line::End => self.recast(told.row_id, Cause::EngineRestart, SHUTDOWN),
                Line::Unpaused | Line::Latest => self.recasts.push(Recast {
                    row_id: told.row_id,
                    line: told.line,
                    since,
                    cause: Cause::EngineRestart,
                }),
            }
        }
        true
    }

    /// Notes what is written of a container and an engine's shutdown may turn out to be behind: an end, and that it went on
    /// from a pause, for it lets go on what is paused, to end it.
    pub(super) fn note_what_a_shutdown_does(&mut self, id: &ContainerId, write: &RowWrite, now: Timestamp) {
        let was_paused = self.view.of_container(id).is_some_and(|row| row.facts.state == State::Paused);
        let line = match write.told_state() {
            Some(State::Stopped | State::Failed) => Line::End,
            Some(State::Running) if was_paused => Line::Unpaused,
            Some(_) | None => return,
        };
        let since = before(now, SHUTDOWN);
        self.told.retain(|told| told.at >= since);
        self.told.push(Told { row_id: write.row_id().clone(), line, at: now });
    }

    /// Those that waited for their policy, and those of them that were found to have ended and nobody knew why.
    fn went_silently(&self, since: Timestamp) -> Vec<ContainerId> {
        let unexplained = |row: &Row| {
            let cause = row.course.last_end.as_ref().map(|end| end.cause);
            row.facts.state == State::Stopped && cause == Some(Cause::Unknown) && row.updated_at >= since
        };
        let rows = self.view.rows();
        let silent = rows.filter(|row| row.facts.state == State::Restarting || unexplained(row));
        silent.filter_map(|row| row.container_id.clone()).collect()
    }
}
