//! From an answer to a commit, and what follows from its outcome.

use super::*;
use crate::reconcile::Trouble;

impl Keeper {
    /// Plans what was answered and hands it to the store. One commit is under way at a time; what is answered
    /// meanwhile makes the next one.
    pub(super) fn commit(&mut self) {
        if self.committing.is_some() || !self.may_write() {
            return;
        }
        let Some(engine_id) = self.engine_id.clone() else { return };
        let now = self.clock.now();
        let some = if self.one_by_one { self.answers.len().min(1) } else { self.answers.len() };
        let answers: Vec<Answer> = self.answers.drain(..some).collect();
        let mut writes = vec![];
        let mut settles = vec![];
        let mut unannounced = vec![];
        for Answer { id, seen, mut want } in answers {
            let write = self.plan(&engine_id, &id, seen.as_ref(), &want, now);
            if self.may_be_explained(&want) && write.as_ref().is_some_and(RowWrite::is_unexplained) {
                self.looks.defer(&id, want, self.clock.steady());
                continue;
            }
            self.remember_clues(&id, &mut want, write.as_ref(), now);
            if let Some(write) = write {
                if want.is_unannounced() {
                    unannounced.push(id.clone());
                }
                self.view.apply(&write, now);
                writes.push(write);
            }
            settles.push((id, want));
        }
        #[cfg(feature = "simulation")]
        self.sweep_placeholders(&mut writes);
        let due = self.verified_is_due();
        let nothing = writes.is_empty() && self.gaps.is_empty() && self.recasts.is_empty() && !due;
        if nothing {
            settles.into_iter().for_each(|(id, want)| self.settle(&id, want));
            self.one_by_one &= !self.answers.is_empty();
            // Where one at a time is planned nobody would wake us for the next.
            if !self.answers.is_empty() {
                self.commit();
            }
            return;
        }
        let seen = self.seen_rides(due);
        let gaps = std::mem::take(&mut self.gaps);
        let recasts = std::mem::take(&mut self.recasts);
        let commit = IndexCommit {
            engine_id: engine_id.clone(),
            now,
            verified_at: self.pulse.verified_at,
            writes,
            seen,
            gaps: gaps.clone(),
            recasts: recasts.clone(),
        };
        let (writes_seen, writes_verified) = (seen.is_some(), commit.verified_at);
        let begun = self.clock.steady();
        self.committing = Some(Batch {
            engine_id,
            begun,
            settles,
            writes_verified,
            writes_seen,
            gaps,
            recasts,
            unannounced,
        });
        let store = self.store.clone();
        self.tasks.spawn(async move { Wake::Committed(store.commit_index(commit).await) });
    }

    pub(super) fn may_write(&mut self) -> bool {
        match self.reload_at {
            None => true,
            Some(at) if self.clock.steady() < at => false,
            Some(_) => {
                if let Some(who) = self.pulse.engine.clone() {
                    self.load(who);
                }
                false
            }
        }
    }

    pub(super) fn plan(
        &self,
        engine: &EngineId,
        id: &ContainerId,
        seen: Option<&Observed>,
        want: &Want,
        now: Timestamp,
    ) -> Option<RowWrite> {
        let earlier = self.clues.get(id).into_iter().flatten();
        let mut clues: Vec<Clue> = earlier.chain(&want.clues).cloned().collect();
        clues.sort_by_key(|clue| clue.at);
        let evidence = Evidence { clues, own: self.own.of(id), doubt: want.doubt };
        let around = Circumstances { engine, claims: &self.claims, now, verified_at: self.pulse.verified_at };
        match seen {
            Some(seen) => plan::of_inspect(&self.view, seen, &evidence, &around),
            None => plan::of_absence(&self.view, id, &evidence, &around),
        }
    }

    /// An inspect can be ahead of the event that tells what it found; what happened in a time of doubt has none.
    pub(super) fn may_be_explained(&self, want: &Want) -> bool {
        let waits = |until| self.clock.steady() < until || fault::is(Bug::AnExplanationIsWaitedForForEver);
        want.doubt.is_none() && want.explained_by.is_none_or(waits)
    }

    /// A look that found no other state leaves its clues to the next one, for as long as they can explain anything.
    pub(super) fn remember_clues(
        &mut self,
        id: &ContainerId,
        want: &mut Want,
        write: Option<&RowWrite>,
        now: Timestamp,
    ) {
        if write.is_some_and(RowWrite::tells_a_state) {
            // Should the commit fail, they are wanted again with the look.
            want.clues.splice(0..0, self.clues.remove(id).unwrap_or_default());
            return;
        }
        let lasting = want.clues.iter().filter(|clue| clue.explains_what_follows()).cloned();
        let lasting: Vec<Clue> = lasting.collect();
        if !lasting.is_empty() {
            self.clues.retain(|_, clues| clues.last().is_some_and(|clue| clue.at >= before(now, KILL_REACH)));
            let kept = self.clues.entry(id.clone()).or_default();
            kept.extend(lasting);
            let surplus = kept.len().saturating_sub(CLUES);
            kept.drain(..surplus);
        }
    }

    pub(super) fn committed(&mut self, outcome: Result<u64, StoreError>) {
        let Some(batch) = self.committing.take() else { return };
        if self.engine_id.as_ref() != Some(&batch.engine_id) {
            return parted(outcome);
        }
        match outcome {
            Ok(revision) => {
                let steady = self.clock.steady();
                self.one_by_one &= !self.answers.is_empty();
                self.pulse.revision = revision;
                self.pulse.containers = u64::try_from(self.view.len()).unwrap_or(u64::MAX);
                if self.pulse.store_trouble.take().is_some() {
                    self.say();
                    self.bus.publish(Event::StatusChanged);
                }
                self.verified_written = (steady, batch.writes_verified);
                if batch.writes_seen {
                    self.seen_written = steady;
                }
                // An event may still be on its way.
                self.unannounced.extend(batch.unannounced.into_iter().map(|id| (id, steady + LATE_EVENT)));
                batch.settles.into_iter().for_each(|(id, want)| self.settle(&id, want));
            }
            Err(error) => {
                self.gaps.splice(0..0, batch.gaps);
                self.recasts.splice(0..0, batch.recasts);
                let at_fault = matches!(error, StoreError::Conflict(_));
                let alone = batch.settles.len() == 1;
                for (id, want) in batch.settles {
                    if fault::is(Bug::AFailedCommitIsForgotten) {
                        self.settle(&id, want);
                    } else if at_fault && alone {
                        self.no_longer_pending(&id, want.pass);
                        self.looks.retry(&id, want, self.clock.steady());
                    } else {
                        self.looks.put_back(&id, want);
                    }
                }
                self.one_by_one = at_fault;
                self.store_failed(&error);
            }
        }
    }

    /// A lock that another program holds fails nothing: the commit waits, and whoever asks is told so.
    pub(super) fn notice_a_slow_store(&mut self) {
        let now = self.clock.steady();
        let waits =
            self.committing.as_ref().is_some_and(|batch| now.saturating_sub(batch.begun) >= STORE_WAIT);
        if waits && self.pulse.store_trouble.is_none() {
            self.pulse.store_trouble = Some(Trouble {
                text: "a commit waits for the database: another program holds its lock, or the disk is slow"
                    .to_owned(),
                cure: "Close whatever has tinyforge.db open; what waits is written once the database is free.",
            });
            self.say();
            self.bus.publish(Event::StatusChanged);
        }
    }

    /// What could not be written is looked at and planned again, from what the store then has.
    pub(super) fn store_failed(&mut self, error: &StoreError) {
        warn!("the index could not be written: {error}");
        self.reload_at = Some(self.clock.steady() + STORE_RETRY);
        self.pulse.store_trouble = Some(Trouble { text: error.to_string(), cure: error.cure() });
        self.say();
        self.bus.publish(Event::StatusChanged);
    }

    pub(super) fn settle(&mut self, id: &ContainerId, want: Want) {
        self.looks.settle(id);
        self.no_longer_pending(id, want.pass);
        for waiter in want.waiters {
            let _ = waiter.send(());
        }
        if self.view.of_container(id).is_none() {
            self.observed.remove(id);
        }
    }

    pub(super) fn verified_is_due(&self) -> bool {
        let (at, written) = self.verified_written;
        let old = self.clock.steady().saturating_sub(at) >= self.rhythm.write_verified;
        let due = old || written.is_none() || fault::is(Bug::EveryPassIsWritten);
        due && self.pulse.verified_at.is_some() && self.pulse.verified_at != written
    }

    /// When the rows that run were last known to run, when it is time to write it.
    pub(super) fn seen_rides(&self, due: bool) -> Option<Timestamp> {
        let rested = self.clock.steady().saturating_sub(self.seen_written) >= SEEN_RIDES;
        self.pulse.verified_at.filter(|_| due || rested)
    }
}
