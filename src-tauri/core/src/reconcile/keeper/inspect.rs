//! From a mark to an answer: which containers are looked at, and what came back.

use super::*;
use crate::rules::container::State;

impl Keeper {
    pub(super) fn fetch_marks(&mut self) {
        let taken = self.marks.take();
        if !taken.is_empty() {
            self.sign_of_life();
        }
        let now = self.clock.steady();
        // Until the pass after a doubt is through, what an event tells may be of the time that nobody saw.
        let doubt = self.doubt.map(|(doubt, _)| doubt);
        for (id, clues) in taken {
            if self.says_nothing(&id, &clues) {
                continue;
            }
            #[cfg(feature = "simulation")]
            self.believe(&id, &clues);
            self.unannounced.remove(&id);
            if clues.iter().any(|clue| self.is_an_end_by_somebody(&id, clue)) {
                self.kills.push_back(Kill { container: id.clone(), at: now });
            }
            self.looks.want(&id, Want { clues: clues.into(), announced: true, doubt, ..Want::default() });
        }
        while self.kills.front().is_some_and(|kill| now.saturating_sub(kill.at) > SHUTDOWN) {
            self.kills.pop_front();
        }
    }

    /// A signal; of a container that waits for its policy, and has no process, the stop that takes its place.
    fn is_an_end_by_somebody(&self, id: &ContainerId, clue: &Clue) -> bool {
        let waits = || self.view.of_container(id).is_some_and(|row| row.facts.state == State::Restarting);
        clue.deed == Deed::Kill || clue.deed == Deed::Stop && waits()
    }

    /// A network that is connected or disconnected tells of a start that failed; of what runs it tells nothing.
    pub(super) fn says_nothing(&self, id: &ContainerId, clues: &VecDeque<Clue>) -> bool {
        let runs = self.view.of_container(id).is_some_and(|row| row.facts.state.is_alive());
        runs && clues.iter().all(|clue| clue.deed == Deed::Network)
    }

    pub(super) fn look_for(&mut self, id: &ContainerId, reply: oneshot::Sender<()>) {
        self.looks.want(id, Want { waiters: vec![reply], ..Want::default() });
    }

    pub(super) fn begin_looks(&mut self) {
        if !self.is_connected() || self.reload_at.is_some() {
            return;
        }
        let now = self.clock.steady();
        while self.has_a_free_look() {
            let Some((id, want)) = self.looks.next(now) else { return };
            self.looks_begun += 1;
            let (engine, number, looked_at) = (Arc::clone(&self.engine), self.looks_begun, id.clone());
            let task = self.tasks.spawn(async move {
                let answer = engine.inspect(&looked_at).await;
                Wake::Looked(number, looked_at, answer)
            });
            self.under_way.insert(id, UnderWay { number, want, task });
        }
    }

    /// Nothing that was asked over a connection that is lost is waited for: it may hang for as long as a deadline.
    pub(super) fn give_up_looks(&mut self) {
        if fault::is(Bug::AnAnswerOfALostConnectionCounts) {
            return;
        }
        for (id, look) in std::mem::take(&mut self.under_way) {
            look.task.abort();
            self.looks.put_back(&id, look.want);
        }
    }

    pub(super) fn has_a_free_look(&self) -> bool {
        self.looks.under_way() < LOOKS_AT_ONCE + self.waiting_for_commit()
    }

    /// Looks that are answered and not yet settled: they do not burden the engine any more.
    pub(super) fn waiting_for_commit(&self) -> usize {
        self.answers.len() + self.committing.as_ref().map_or(0, |batch| batch.settles.len())
    }

    pub(super) fn looked(
        &mut self,
        number: u64,
        id: ContainerId,
        answer: Result<Option<Observed>, EngineError>,
    ) {
        // One that was given up may have been answered all the same.
        let Some(look) = self.under_way.remove(&id) else { return };
        if look.number != number {
            self.under_way.insert(id, look);
            return;
        }
        let want = look.want;
        let answer = if fault::is(Bug::ALookThatFailsIsA404) { answer.or(Ok(None)) } else { answer };
        match answer {
            Ok(seen) => {
                self.sign_of_life();
                let look = self.in_order(number);
                self.observed.insert(id.clone(), Observation { look, at: self.clock.steady() });
                self.answers.push(Answer { id, seen, want });
            }
            Err(error) => {
                debug!(container = %id, "a look failed: {error}");
                if fault::is(Bug::AFailedLookIsForgotten) {
                    return self.settle(&id, want);
                }
                let away = error.is_away();
                // One that fails again is its own trouble; the first time it may be the engine's.
                let pass = want.pass.filter(|_| away && !self.looks.has_failed(&id));
                if pass.is_none() {
                    self.no_longer_pending(&id, want.pass);
                }
                self.looks.retry(&id, Want { pass, ..want }, self.clock.steady());
                if away {
                    self.ping();
                }
            }
        }
    }
}
