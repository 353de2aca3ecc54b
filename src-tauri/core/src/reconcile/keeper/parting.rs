//! Whether an engine that was lost and is found again has lived through it.
//!
//! A socket that is gone may mean an engine that stops, or one that goes on behind it. One that stops lets nobody in any
//! more and only then ends what it runs, and tells it on the streams that are still open: they are heard to their end.
//! One that went on still knows what it told before, keeps the stream open, or runs a container that nobody started
//! anew. Whatever was put down to a restart until that shows gets the cause that is left without one.

use super::*;
use crate::rules::container::State;
use crate::rules::row::Row;

/// What is known of an engine since it was lost.
#[derive(Default)]
pub(super) struct Parting {
    /// When it was lost.
    at: Option<Timestamp>,
    /// The stream of the connection that was lost, where it is still open.
    open_stream: Option<(AbortHandle, u64)>,
    /// It was met again and had not stopped meanwhile.
    lived_on: bool,
    /// What was put down to its restart, with the cause that it has if there was none.
    presumed: Vec<Presumed>,
}

/// A line of a row's history.
struct Presumed {
    row_id: RowId,
    /// What is behind it without a restart.
    otherwise: Cause,
    /// Whether it tells an end: a start says nothing of the end before it.
    ends: bool,
}

impl Parting {
    /// Nobody is let in any more: the stream may still tell why. In any other case it is of no use.
    pub(super) fn begin(why: &EngineError, reader: &AbortHandle, generation: u64, now: Timestamp) -> Self {
        let shut = matches!(why, EngineError::Absent { .. }) && !reader.is_finished();
        if !shut {
            reader.abort();
        }
        Self { at: Some(now), open_stream: shut.then(|| (reader.clone(), generation)), ..Self::default() }
    }

    /// Whether it is the stream that was listened to beyond the loss which has ended.
    pub(super) fn was_heard_to_the_end(&mut self, generation: u64) -> bool {
        self.open_stream.take_if(|(_, of)| *of == generation).is_some()
    }
}

impl Keeper {
    /// All is told that the engine had to tell before it went.
    pub(super) fn heard_to_the_end(&mut self) {
        self.fetch_marks();
        if self.recast_a_shutdown() {
            self.doubt_the_engine();
        }
    }

    /// Nothing answers any more where the engine was.
    pub(super) fn presume_a_restart(&mut self, error: &EngineError) {
        if matches!(error, EngineError::Absent { .. }) && self.parting.open_stream.is_none() {
            self.doubt_the_engine();
        }
    }

    fn doubt_the_engine(&mut self) {
        if let Some((doubt @ Doubt::Reconnected, _)) = &mut self.doubt {
            *doubt = Doubt::EngineAway;
        }
    }

    /// There is a stream again, which shows from now on whether the engine remembers.
    pub(super) fn meet_again(&mut self) {
        self.marks.ask_for_the_past();
    }

    /// It is known who answers on the new stream. If the one before is still open, the engine never stopped.
    pub(super) fn is_met(&mut self) {
        if let Some((reader, _)) = self.parting.open_stream.take() {
            self.parting.lived_on |= !reader.is_finished();
            reader.abort();
        }
    }

    /// What was begun anew came to nothing: an engine that shuts down answers over a connection from before, and lets
    /// nobody in. What its new stream still tells is as good as the old one's.
    pub(super) fn lost_again(&mut self, error: &EngineError, reader: &AbortHandle) {
        if matches!(error, EngineError::Absent { .. })
            && !reader.is_finished()
            && self.parting.open_stream.is_none()
        {
            self.parting.open_stream = Some((reader.clone(), self.generation));
        } else {
            reader.abort();
        }
    }

    /// A doubt in the light of what is known by now.
    pub(super) fn as_it_turned_out(&self, doubt: Option<Doubt>) -> Option<Doubt> {
        match doubt {
            Some(Doubt::EngineAway) if self.parting.lived_on || self.marks.remember_the_past() => {
                Some(Doubt::Reconnected)
            }
            doubt => doubt,
        }
    }

    /// A container that runs on as it was started before shows that the engine did not stop it. What these answers show
    /// holds for each of them, and for what was written before.
    pub(super) fn notice_survivors(&mut self, answers: &[Answer]) {
        let survives = |answer: &Answer| self.survives(&answer.id, answer.seen.as_ref());
        self.parting.lived_on |= answers.iter().any(survives);
        if self.as_it_turned_out(Some(Doubt::EngineAway)) != Some(Doubt::EngineAway) {
            self.take_back_the_restart();
        }
    }

    fn survives(&self, id: &ContainerId, seen: Option<&Observed>) -> bool {
        let known = |row: &&Row| is_of_one_life(row.facts.state) && Some(row.updated_at) <= self.parting.at;
        let row = self.view.of_container(id).filter(known);
        row.zip(seen)
            .is_some_and(|(row, seen)| is_of_one_life(seen.state) && row.facts.started_at == seen.started_at)
    }

    fn take_back_the_restart(&mut self) {
        let since = before(self.clock.now(), SHUTDOWN);
        for Presumed { row_id, otherwise: cause, ends } in std::mem::take(&mut self.parting.presumed) {
            if ends {
                self.view.recast(&row_id, cause);
            }
            self.recasts.push(Recast { row_id, line: Line::Latest, since, cause });
        }
    }

    /// Notes what was put down to a restart that nothing has proved yet.
    pub(super) fn presume(
        &mut self,
        engine: &EngineId,
        id: &ContainerId,
        seen: Option<&Observed>,
        want: &Want,
        write: &RowWrite,
    ) {
        if write.cause_of_state() != Some(Cause::EngineRestart) {
            return;
        }
        let otherwise =
            Want { doubt: Some(Doubt::Reconnected), clues: want.clues.clone(), ..Want::default() };
        let otherwise = self.plan(engine, id, seen, &otherwise, self.clock.now());
        if let Some(otherwise) = otherwise.and_then(|write| write.cause_of_state()) {
            let ends = !write.told_state().is_some_and(is_of_one_life);
            self.parting.presumed.push(Presumed { row_id: write.row_id().clone(), otherwise, ends });
        }
    }
}

/// Whether a container in that state has the process that it was started with.
fn is_of_one_life(state: State) -> bool {
    matches!(state, State::Running | State::Paused)
}
