//! What an engine's shutdown looked like before it was known to be one.

use super::*;

impl Keeper {
    /// The engine kills everything and then its stream ends. What was put down to somebody was its own doing: unless
    /// something still runs, in which case it did not shut its containers down.
    pub(super) fn recast_a_shutdown(&mut self) -> bool {
        let volley = last_volley(self.kills.make_contiguous());
        let runs_on = |id: &ContainerId| !volley.contains(id);
        let anything_alive = self
            .view
            .rows()
            .any(|row| row.facts.state.is_alive() && row.container_id.as_ref().is_some_and(runs_on));
        if volley.is_empty() || anything_alive {
            return false;
        }
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
        let since = before(self.clock.now(), SHUTDOWN);
        // One that lives, or has lived on with its signal, has no end to be put down to anybody.
        let rows = volley.iter().filter_map(|id| self.view.of_container(id));
        let rows = rows.filter(|row| !row.facts.state.is_alive());
        let recast =
            |row_id: RowId| Recast { row_id, field: Field::State, since, cause: Cause::EngineRestart };
        self.recasts.extend(rows.map(|row| recast(row.id.clone())));
        true
    }
}
