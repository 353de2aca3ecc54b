//! Finding the engine, losing it, and noticing that we or it were away.

use super::*;

impl Keeper {
    pub(super) fn seek(&mut self) {
        let Connection::Seeking { at, attempt } = self.connection else { return };
        if self.clock.steady() < at {
            return;
        }
        self.connection = Connection::Identifying { attempt };
        self.ask_who_answers();
    }

    fn ask_who_answers(&mut self) -> AbortHandle {
        let (engine, clock) = (Arc::clone(&self.engine), Arc::clone(&self.clock));
        self.tasks.spawn(async move {
            let began = clock.steady();
            let answer = engine.identify().await;
            Wake::Identified(answer, clock.steady().saturating_sub(began))
        })
    }

    pub(super) fn identified(&mut self, who: EngineIdentity, latency: Duration) {
        self.sign_of_life();
        self.pulse.latency = Some(latency);
        match &self.connection {
            Connection::Identifying { attempt } => self.answered_by(who, *attempt),
            Connection::Confirming { reader, attempt, .. } => {
                let (reader, attempt) = (reader.clone(), *attempt);
                if self.is_watched(&who) {
                    self.connected(reader, attempt);
                } else {
                    reader.abort();
                    self.answered_by(who, attempt);
                }
            }
            Connection::Seeking { .. }
            | Connection::Loading { .. }
            | Connection::Subscribing { .. }
            | Connection::Connected { .. } => {}
        }
    }

    fn answered_by(&mut self, who: EngineIdentity, attempt: u32) {
        if self.is_watched(&who) && self.reload_at.is_none() {
            self.pulse.engine = Some(who);
            return self.subscribe(attempt);
        }
        self.connection = Connection::Loading { attempt, who: Box::new(who.clone()) };
        self.load(who);
    }

    /// Whether it is this engine whose index is loaded.
    fn is_watched(&self, who: &EngineIdentity) -> bool {
        self.engine_id.as_ref().is_some_and(|id| *id == who.id || fault::is(Bug::AnotherEngineIsNotNoticed))
    }

    pub(super) fn load(&mut self, who: EngineIdentity) {
        // A read does not wait for the lock that the commit waits for, and would not see what that is to write.
        if self.committing.is_some() {
            self.load_next = Some(who);
            return;
        }
        if std::mem::replace(&mut self.loading, true) {
            return;
        }
        let (store, endpoint, now) = (self.store.clone(), self.engine.endpoint(), self.clock.now());
        self.tasks.spawn(async move {
            let loaded = match store.remember_engine(&who.id, &endpoint, now).await {
                Ok(()) => store.load_index(&who.id).await,
                Err(error) => Err(error),
            };
            Wake::Loaded(who, loaded)
        });
    }

    /// Takes over the index of an engine: at the start, when another one answers, and after a failed commit.
    pub(super) fn loaded(&mut self, who: EngineIdentity, load: IndexLoad) {
        self.loading = false;
        self.loads += 1;
        if let Connection::Loading { who: wanted, .. } = &self.connection
            && wanted.id != who.id
        {
            // The former engine's index was being read anew when another one answered.
            let wanted = (**wanted).clone();
            return self.load(wanted);
        }
        let another = self.engine_id.as_ref() != Some(&who.id);
        if another {
            self.part_from_the_other_engine();
        }
        self.reload_at = None;
        self.pulse.revision = load.revision;
        self.pulse.containers = u64::try_from(load.rows.len()).unwrap_or(u64::MAX);
        self.view = IndexView::new(load.rows, load.taken);
        self.claims = load.claims;
        if another {
            info!(engine = %who.id, version = %who.version, rows = self.view.len(), "the engine's index is loaded");
            self.pulse.verified_at = load.verified_at;
            self.pulse.passes = 0;
            self.verified_written = (self.clock.steady(), load.verified_at);
            self.doubt = Some((Doubt::Boot, load.verified_at));
        }
        self.engine_id = Some(who.id.clone());
        self.pulse.engine = Some(who);
        if let Connection::Loading { attempt, .. } = self.connection {
            self.subscribe(attempt);
        }
    }

    /// What is known of it is written; what was under way is of no use to the one that answers now.
    fn part_from_the_other_engine(&mut self) {
        if let Some(commit) = self.last_words() {
            let store = self.store.clone();
            self.tasks.spawn(async move { Wake::Parted(store.commit_index(commit).await) });
        }
        self.give_up_looks();
        self.looks = Looks::default();
        self.answers.clear();
        self.observed.clear();
        self.unannounced.clear();
        self.kills.clear();
        self.clues.clear();
        self.marks.forget();
        self.gaps.clear();
        self.recasts.clear();
        self.told.clear();
        self.parting = Parting::default();
        self.pass = None;
    }

    pub(super) fn subscribe(&mut self, attempt: u32) {
        self.connection = Connection::Subscribing { attempt };
        let wall =
            self.pulse.engine.as_ref().and_then(|who| who.system_time).unwrap_or_else(|| self.clock.now());
        let overlap = before(wall, OVERLAP);
        let since = self.marks.latest().map_or(overlap, |latest| latest.min(overlap));
        let engine = Arc::clone(&self.engine);
        self.tasks.spawn(async move { Wake::Subscribed(engine.events(since).await) });
    }

    /// The stream is read from the first moment on, and believed once it is known whose it is.
    pub(super) fn subscribed(&mut self, stream: EventStream) {
        let Connection::Subscribing { attempt } = self.connection else { return };
        self.sign_of_life();
        self.meet_again();
        self.generation += 1;
        #[cfg(feature = "simulation")]
        let stream = planted::behind_the_store(stream, &self.store);
        let (marks, clock, generation) = (Arc::clone(&self.marks), Arc::clone(&self.clock), self.generation);
        let reader = self.tasks.spawn(async move {
            let why = watch::read(stream, &marks, &clock).await;
            Wake::StreamEnded(generation, why)
        });
        let asked = self.ask_who_answers();
        self.connection = Connection::Confirming { reader, asked, attempt };
    }

    fn connected(&mut self, reader: AbortHandle, attempt: u32) {
        self.is_met();
        self.connection = Connection::Connected { reader, attempt, since: self.clock.steady() };
        if !fault::is(Bug::NoPassAfterAReconnect) {
            self.next_pass = self.clock.steady();
        }
        self.pass = None;
        self.doubt.get_or_insert((Doubt::Reconnected, Some(self.last_sign.1)));
        self.set_link(Link::Connected);
    }

    pub(super) fn not_reached(&mut self, error: EngineError) {
        let attempt = match &self.connection {
            Connection::Identifying { attempt } | Connection::Subscribing { attempt } => *attempt,
            Connection::Confirming { reader, asked, attempt } => {
                asked.abort();
                let (reader, attempt) = (reader.clone(), *attempt);
                self.lost_again(&error, &reader);
                attempt
            }
            Connection::Seeking { .. } | Connection::Loading { .. } | Connection::Connected { .. } => return,
        };
        self.presume_a_restart(&error);
        self.seek_after(attempt);
        self.set_link(Link::Away(error));
    }

    /// Each attempt that fails is followed by a longer, jittered wait.
    pub(super) fn seek_after(&mut self, attempt: u32) {
        let wait = SEEK_FIRST.saturating_mul(1 << attempt.min(8)).min(SEEK_LONGEST);
        let jittered = wait.mul_f64(0.75 + 0.25 * fastrand::f64());
        self.connection = Connection::Seeking { at: self.clock.steady() + jittered, attempt: attempt + 1 };
    }

    pub(super) fn not_loaded(&mut self, error: &StoreError) {
        self.loading = false;
        self.store_failed(error);
        if matches!(self.connection, Connection::Loading { .. }) {
            self.connection = Connection::Seeking { at: self.clock.steady() + STORE_RETRY, attempt: 0 };
        }
    }

    pub(super) fn stream_ended(&mut self, generation: u64, why: &str) {
        if self.parting.was_heard_to_the_end(generation) {
            return self.heard_to_the_end();
        }
        if generation != self.generation || fault::is(Bug::ABrokenStreamIsNotNoticed) {
            return;
        }
        let error = EngineError::Broken {
            endpoint: self.engine.endpoint(),
            tried: "reading events".to_owned(),
            detail: why.to_owned(),
        };
        if let Connection::Confirming { .. } = self.connection {
            return self.not_reached(error);
        }
        if self.is_connected() {
            self.sign_of_life();
            self.lose_engine(error);
        }
    }

    /// From here on nothing is verified until a pass after the return.
    pub(super) fn lose_engine(&mut self, error: EngineError) {
        let Connection::Connected { reader, attempt, since } = &self.connection else { return };
        self.parting = Parting::begin(&error, reader, self.generation, self.clock.now());
        // A connection that lasts begins anew with the first wait; one that breaks at once must not be sought in a rush.
        let lasted = self.clock.steady().saturating_sub(*since) >= LASTED;
        let attempt = if lasted { None } else { Some(*attempt) };
        info!("the engine is out of reach: {error}");
        self.fetch_marks();
        self.give_up_looks();
        let doubt = if self.recast_a_shutdown() { Doubt::EngineAway } else { Doubt::Reconnected };
        self.doubt.get_or_insert((doubt, Some(self.last_sign.1)));
        self.pass = None;
        match attempt {
            None => self.connection = Connection::Seeking { at: self.clock.steady(), attempt: 0 },
            Some(attempt) => self.seek_after(attempt),
        }
        self.set_link(Link::Away(error));
    }

    pub(super) fn set_link(&mut self, link: Link) {
        let same_kind = std::mem::discriminant(&self.pulse.link) == std::mem::discriminant(&link);
        if !same_kind {
            self.pulse.since = self.clock.now();
        }
        if self.pulse.link != link {
            self.pulse.link = link;
            self.say();
            self.bus.publish(Event::StatusChanged);
        }
    }

    pub(super) fn sign_of_life(&mut self) {
        self.last_sign = (self.clock.steady(), self.clock.now());
    }

    /// A turn that comes far too late, or a wall clock that moved on its own, puts the index in doubt.
    pub(super) fn notice_a_freeze(&mut self) {
        let (steady, now) = (self.clock.steady(), self.clock.now());
        let (last_steady, last_now) = std::mem::replace(&mut self.last_turn, (steady, now));
        let slept = steady.saturating_sub(last_steady);
        let jumped = apart(now, last_now, slept);
        let doubt = if slept > FROZEN {
            Doubt::Asleep
        } else if jumped > FROZEN {
            Doubt::ClockJumped
        } else {
            return;
        };
        info!(?slept, ?jumped, "the index is in doubt");
        if self.is_connected() {
            self.doubt.get_or_insert((doubt, Some(last_now)));
            self.pass = None;
            self.next_pass = steady;
        }
    }

    /// Asks the engine for a sign of life when it has been quiet for long: one that hangs keeps its stream open.
    pub(super) fn keep_in_touch(&mut self) {
        let quiet = self.clock.steady().saturating_sub(self.last_sign.0);
        if self.is_connected() && !self.pinging && quiet >= self.rhythm.heartbeat {
            self.ping();
        }
    }

    pub(super) fn ping(&mut self) {
        if self.pinging {
            return;
        }
        self.pinging = true;
        let (engine, clock, generation) =
            (Arc::clone(&self.engine), Arc::clone(&self.clock), self.generation);
        self.tasks.spawn(async move {
            let began = clock.steady();
            let answer = engine.ping().await;
            Wake::Pinged(generation, answer, clock.steady().saturating_sub(began))
        });
    }

    pub(super) fn pinged(&mut self, generation: u64, answer: Result<(), EngineError>, latency: Duration) {
        self.pinging = false;
        match answer {
            Ok(()) => {
                self.sign_of_life();
                self.pulse.latency = Some(latency);
            }
            Err(error) if generation == self.generation => self.lose_engine(error),
            Err(_) => {}
        }
    }
}
