//! From an answer to a commit, and what follows from its outcome.

use super::*;
use crate::reconcile::Trouble;

impl Keeper {
    /// Plans what was answered and hands it to the store. One commit is under way at a time; what is answered
    /// meanwhile makes the next one.
    pub(super) fn commit(&mut self) {
        // Where one at a time is planned, nobody would wake us for the one after an answer that changes nothing.
        while self.commit_some() {}
    }

    /// Tells whether nothing was to be written and more is to be planned.
    fn commit_some(&mut self) -> bool {
        if self.committing.is_some() || !self.may_write() {
            return false;
        }
        let Some(engine_id) = self.engine_id.clone() else { return false };
        let now = self.clock.now();
        let some = if self.one_by_one { self.answers.len().min(1) } else { self.answers.len() };
        let answers: Vec<Answer> = self.answers.drain(..some).collect();
        self.notice_survivors(&answers);
        let mut writes = vec![];
        let mut settles = vec![];
        let mut workloads = BTreeSet::new();
        for Answer { id, seen, mut want } in answers {
            self.think_again(&id, &want);
            let write = self.plan(&engine_id, &id, seen.as_ref(), &want, now);
            if self.may_be_explained(&want)
                && write.as_ref().is_some_and(|write| self.lacks_a_cause(write, &want))
            {
                self.looks.defer(&id, want, self.clock.steady());
                continue;
            }
            let lives = seen.as_ref().is_some_and(|seen| seen.state.is_alive());
            self.remember_clues(&id, &mut want, write.as_ref(), lives);
            if let Some(write) = write {
                self.presume(&engine_id, &id, seen.as_ref(), &want, &write);
                self.note_what_a_shutdown_does(&id, &write, now);
                if want.is_unannounced() && self.is_news(&id, &write) {
                    self.unannounced.insert(id.clone(), self.clock.steady() + LATE_EVENT);
                }
                workloads.extend(self.workload_of(&id));
                self.view.apply(&write, now);
                workloads.extend(self.workload_of(&id));
                writes.push(write);
            }
            settles.push((id, want));
        }
        let superseded = plan::supersessions(&self.view, &workloads);
        superseded.iter().for_each(|write| self.view.apply(write, now));
        writes.extend(superseded);
        #[cfg(feature = "simulation")]
        self.sweep_placeholders(&mut writes);
        let due = self.verified_is_due();
        let nothing = writes.is_empty() && self.gaps.is_empty() && self.recasts.is_empty() && !due;
        if nothing {
            settles.into_iter().for_each(|(id, want)| self.settle(&id, want));
            self.one_by_one &= !self.answers.is_empty();
            return !self.answers.is_empty();
        }
        let seen = self.seen_rides(due);
        let gaps = std::mem::take(&mut self.gaps);
        let recasts = std::mem::take(&mut self.recasts);
        let commit = IndexCommit {
            engine_id,
            now,
            verified_at: self.pulse.verified_at,
            writes,
            seen,
            gaps: gaps.clone(),
            recasts: recasts.clone(),
        };
        let (writes_seen, writes_verified) = (seen.is_some(), commit.verified_at);
        let (begun, load) = (self.clock.steady(), self.loads);
        self.committing = Some(Batch { begun, load, settles, writes_verified, writes_seen, gaps, recasts });
        let store = self.store.clone();
        self.tasks.spawn(async move { Wake::Committed(store.commit_index(commit).await) });
        false
    }

    /// Whether the engine has something new to say of it; that time went by, an event need not tell.
    fn is_news(&self, id: &ContainerId, write: &RowWrite) -> bool {
        match write {
            RowWrite::Observe { facts, owner, .. } => {
                let row = self.view.of_container(id);
                row.is_none_or(|row| row.facts != **facts || row.owner != *owner)
            }
            RowWrite::Insert { .. } | RowWrite::Missing { .. } | RowWrite::Retire { .. } => true,
            RowWrite::Supersede { .. } => false,
        }
    }

    fn workload_of(&self, id: &ContainerId) -> Option<WorkloadId> {
        self.view.of_container(id).and_then(|row| row.owner.workload_id()).cloned()
    }

    /// What was put down to somebody may turn out to have been another one's, by what is told only afterwards.
    fn think_again(&mut self, id: &ContainerId, want: &Want) {
        let Some(row) = self.view.of_container(id).filter(|_| want.doubt.is_none()) else { return };
        if let Some(cause) = plan::second_thought(row, &want.clues) {
            self.recast(row.id.clone(), cause, KILL_REACH);
        }
    }

    /// The end that was recorded within the span before now had another cause.
    pub(super) fn recast(&mut self, row_id: RowId, cause: Cause, within: Duration) {
        self.view.recast(&row_id, cause);
        let since = before(self.clock.now(), within);
        self.recasts.push(Recast { row_id, line: Line::End, since, cause });
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
        let mut clues: Vec<Clue> = self.remembered(id).chain(&want.clues).cloned().collect();
        clues.sort_by_key(|clue| clue.at);
        let evidence = Evidence {
            clues,
            own: self.own.of(id),
            doubt: self.as_it_turned_out(want.doubt),
            may_hide_a_stop: self.may_hide_a_stop(),
        };
        let around = Circumstances { engine, claims: &self.claims, now, verified_at: self.pulse.verified_at };
        match seen {
            Some(seen) => plan::of_inspect(&self.view, seen, &evidence, &around),
            None => plan::of_absence(&self.view, id, &evidence, &around),
        }
    }

    /// Whether it tells something whose cause may still be told: a death that is told by an engine which may keep a stop
    /// to itself gets none any more.
    fn lacks_a_cause(&self, write: &RowWrite, want: &Want) -> bool {
        match self.may_hide_a_stop() && want.clues.iter().any(|clue| clue.deed == Deed::Die) {
            true => write.is_unexplained_beyond_ends(),
            false => write.is_unexplained(),
        }
    }

    /// An inspect can be ahead of the event that tells what it found; what happened in a time of doubt has none.
    pub(super) fn may_be_explained(&self, want: &Want) -> bool {
        let waits = |until| self.clock.steady() < until || fault::is(Bug::AnExplanationIsWaitedForForEver);
        want.doubt.is_none() && want.explained_by.is_none_or(waits)
    }

    fn may_hide_a_stop(&self) -> bool {
        self.pulse.engine.as_ref().is_some_and(|who| who.dialect == Dialect::Podman)
    }

    /// A look that found no other state leaves its clues to the next one, for as long as they can explain anything.
    fn remember_clues(&mut self, id: &ContainerId, want: &mut Want, write: Option<&RowWrite>, lives: bool) {
        if write.is_some_and(RowWrite::tells_a_state) {
            // Should the commit fail, they are wanted again with the look.
            let earlier = self.clues.remove(id).unwrap_or_default();
            want.clues.splice(0..0, earlier.into_iter().map(|remembered| remembered.clue));
            return;
        }
        let left = if lives { cause::left_to_explain(&want.clues) } else { vec![] };
        if left.is_empty() {
            return;
        }
        let now = self.clock.steady();
        self.clues.retain(|_, kept| kept.iter().any(|remembered| remembered.until > now));
        let kept = self.clues.entry(id.clone()).or_default();
        kept.extend(left.into_iter().map(|clue| Remembered { clue, until: now + KILL_REACH }));
        let surplus = kept.len().saturating_sub(CLUES);
        kept.drain(..surplus);
    }

    /// What earlier looks left to explain what may follow.
    fn remembered(&self, id: &ContainerId) -> impl Iterator<Item = &Clue> {
        let now = self.clock.steady();
        let kept = self.clues.get(id).into_iter().flatten();
        kept.filter(move |remembered| remembered.until > now).map(|remembered| &remembered.clue)
    }

    pub(super) fn committed(&mut self, outcome: Result<u64, StoreError>) {
        let Some(batch) = self.committing.take() else { return };
        if batch.load == self.loads {
            self.conclude(batch, outcome);
        } else {
            parted(outcome);
        }
        if let Some(who) = self.load_next.take() {
            self.load(who);
        }
    }

    fn conclude(&mut self, batch: Batch, outcome: Result<u64, StoreError>) {
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
                batch.settles.into_iter().for_each(|(id, want)| self.settle(&id, want));
            }
            Err(_) if fault::is(Bug::AFailedCommitIsForgotten) => {
                batch.settles.into_iter().for_each(|(id, want)| self.settle(&id, want));
            }
            Err(error) => {
                self.gaps.splice(0..0, batch.gaps);
                self.recasts.splice(0..0, batch.recasts);
                let at_fault = matches!(error, StoreError::Conflict(_) | StoreError::Refused { .. });
                let alone = batch.settles.len() == 1;
                for (id, want) in batch.settles {
                    if at_fault && alone {
                        self.no_longer_pending(&id, want.pass);
                        self.looks.retry(&id, want, self.clock.steady());
                    } else {
                        self.looks.put_back(&id, want);
                    }
                }
                self.one_by_one = at_fault;
                // It would call verified what is not written.
                self.pass = None;
                self.next_pass = self.clock.steady();
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
        self.is_written(id);
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
        // After trouble the next pass is written, which proves that it is over.
        let troubled = self.pulse.store_trouble.is_some();
        let due = old || written.is_none() || troubled || fault::is(Bug::EveryPassIsWritten);
        due && self.pulse.verified_at.is_some() && self.pulse.verified_at != written
    }

    /// When the rows that run were last known to run, when it is time to write it.
    pub(super) fn seen_rides(&self, due: bool) -> Option<Timestamp> {
        let rested = self.clock.steady().saturating_sub(self.seen_written) >= SEEN_RIDES;
        self.pulse.verified_at.filter(|_| due || rested)
    }
}
