//! Passes over the whole of the engine, and each row in its turn between them.

use super::*;

impl Keeper {
    pub(super) fn pass_every(&mut self, period: Duration) {
        self.rhythm.pass = period;
        self.next_pass = self.next_pass.min(self.clock.steady() + period);
    }

    pub(super) fn begin_pass(&mut self) {
        let now = self.clock.steady();
        if self.pass.is_some() || !self.is_connected() || now < self.next_pass || self.reload_at.is_some() {
            return;
        }
        if self.stopping.is_some() {
            return;
        }
        self.passes_begun += 1;
        self.pass = Some(Pass {
            number: self.passes_begun,
            doubt: self.doubt.map(|(doubt, _)| doubt),
            began: now,
            listing_began: self.in_order(self.looks_begun),
            confirming: false,
            listed: false,
            pending: [].into(),
            unwritten: [].into(),
        });
        self.list();
    }

    /// What tells what was observed after what: the number of a look, and never a time.
    pub(super) fn in_order(&self, look: u64) -> u64 {
        let wall = || u64::try_from(self.clock.now().as_microsecond()).unwrap_or(0);
        if fault::is(Bug::TheWallClockOrders) { wall() } else { look }
    }

    pub(super) fn list(&mut self) {
        let (engine, number) = (Arc::clone(&self.engine), self.passes_begun);
        self.tasks.spawn(async move { Wake::Listed(number, engine.list().await) });
    }

    pub(super) fn listed(&mut self, number: u64, listing: Result<Vec<Listed>, EngineError>) {
        let Some(mut pass) = self.pass.take_if(|pass| pass.number == number) else { return };
        let listing = match listing {
            Ok(listing) => listing,
            #[cfg(feature = "simulation")]
            Err(_) if fault::is(Bug::AFailedListingSweeps) => return self.sweep(|_| true),
            Err(error) => return self.pass_failed(&error),
        };
        self.sign_of_life();
        #[cfg(feature = "simulation")]
        self.trust(&listing);
        let observed = |id: &ContainerId| self.observed.get(id).map_or(0, |seen| seen.look);
        match pass.read(&listing, &self.view, observed) {
            Finding::ListAgain => {
                pass.confirming = true;
                pass.listing_began = self.in_order(self.looks_begun);
                self.pass = Some(pass);
                self.list();
            }
            Finding::LookAt(ids) => {
                for id in &ids {
                    let want = Want { pass: Some(pass.number), doubt: pass.doubt, ..Want::default() };
                    self.looks.want(id, want);
                }
                pass.pending.extend(ids.into_iter().filter(|id| !self.looks.is_stuck(id)));
                // What is planned is in the view that the listing was held against, and not yet in the index.
                let planned = self.committing.iter().flat_map(|batch| batch.settles.iter().map(|(id, _)| id));
                pass.unwritten.extend(planned.chain(self.answers.iter().map(|answer| &answer.id)).cloned());
                pass.listed = true;
                self.pass = Some(pass);
                self.end_pass();
            }
        }
    }

    pub(super) fn pass_failed(&mut self, error: &EngineError) {
        warn!("a pass could not list the containers: {error}");
        self.next_pass = self.clock.steady() + SEEK_LONGEST;
        if error.is_away() {
            self.ping();
        } else {
            self.pulse.unlisted = Some(error.clone());
        }
    }

    pub(super) fn no_longer_pending(&mut self, id: &ContainerId, pass: Option<u64>) {
        if let Some(under_way) = self.pass.as_mut().filter(|p| Some(p.number) == pass) {
            under_way.pending.remove(id);
            self.end_pass();
        }
    }

    pub(super) fn is_written(&mut self, id: &ContainerId) {
        if self.pass.as_mut().is_some_and(|pass| pass.unwritten.remove(id)) {
            self.end_pass();
        }
    }

    pub(super) fn end_pass(&mut self) {
        let Some(pass) = self.pass.take_if(|pass| pass.is_done()) else { return };
        let (steady, now) = (self.clock.steady(), self.clock.now());
        self.pulse.verified_at = Some(now);
        self.pulse.unlisted = None;
        self.pulse.last_pass = Some(steady.saturating_sub(pass.began));
        self.pulse.passes += 1;
        self.next_pass = steady + self.rhythm.pass;
        if let Some((doubt, since)) = self.doubt.take_if(|_| pass.doubt.is_some()) {
            self.gaps.extend(since.and_then(|since| Gap::closed_by(doubt, since, now)));
        }
        self.say();
        self.bus.publish(Event::StatusChanged);
    }

    /// Inspects the rows in turn, the longest unseen first, so that each is seen within the rhythm's time.
    pub(super) fn reinspect_in_turn(&mut self) {
        let now = self.clock.steady();
        if fault::is(Bug::NobodyIsLookedAtInTurn)
            || now < self.next_reinspect
            || !self.is_connected()
            || self.pass.is_some()
            || self.stopping.is_some()
        {
            return;
        }
        self.next_reinspect = now + REINSPECT_STEP;
        let half = self.rhythm.reinspect / 2;
        let share = REINSPECT_STEP.as_secs_f64() / half.as_secs_f64();
        let old: BTreeSet<(Duration, &ContainerId)> = self
            .observed
            .iter()
            .filter(|(_, seen)| now.saturating_sub(seen.at) >= half)
            .map(|(id, seen)| (seen.at, id))
            .collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let budget = (self.observed.len() as f64 * share).ceil() as usize;
        let due: Vec<ContainerId> = old.into_iter().take(budget).map(|(_, id)| id.clone()).collect();
        for id in due {
            self.looks.want(&id, Want { pass: Some(0), ..Want::default() });
        }
        for id in self.calmed() {
            self.looks.want(&id, Want::default());
        }
    }

    /// Those whose crash loop is over because nothing happened for a while: no event tells that.
    fn calmed(&self) -> Vec<ContainerId> {
        let wall = self.clock.now();
        let calmed = self.view.rows().filter(|row| row.course.has_calmed(wall));
        calmed.filter_map(|row| row.container_id.clone()).collect()
    }

    pub(super) fn count_divergences(&mut self) {
        let now = self.clock.steady();
        let before = self.unannounced.len();
        self.unannounced.retain(|_, until| *until > now);
        let found = u64::try_from(before - self.unannounced.len()).unwrap_or(0);
        if found > 0 {
            self.pulse.divergences += found;
            self.pulse.last_divergence = Some(self.clock.now());
        }
    }
}
