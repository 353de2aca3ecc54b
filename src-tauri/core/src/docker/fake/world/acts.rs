//! The acts: what each does to a container, and says on the event stream.

use std::time::Duration;

use super::{By, Container, FIRST_BACKOFF, LOG_LINES, LONGEST_BACKOFF, Later, World, no_such, refused};
use crate::docker::fake::spec::{OnTerm, RestartPolicy, Spec};
use crate::docker::{Action, EngineError};
use crate::rules::container::{Health, Observed, Port, State};
use crate::rules::ids::ContainerId;

impl World {
    pub(in crate::docker::fake) fn create(&mut self, mut spec: Spec) -> Result<ContainerId, EngineError> {
        let id = ContainerId::new(
            (0..64).map(|_| char::from_digit(self.rng.u32(0..16), 16).unwrap_or('0')).collect::<String>(),
        );
        if spec.name.is_empty() {
            spec.name = format!("nameless_{}", id.short());
        }
        let tried = format!("create {}", spec.name);
        self.name_is_free(&spec.name, &tried)?;
        let created_at = self.stamp();
        let seen = Observed {
            container_id: id.clone(),
            name: spec.name.clone(),
            image: spec.image.clone(),
            image_id: spec.image_id.clone(),
            state: State::Created,
            health: Health::None,
            exit_code: None,
            oom_killed: false,
            restart_count: 0,
            error: None,
            probe: None,
            ports: Vec::new(),
            labels: spec.labels.clone(),
            created_at,
            started_at: None,
            finished_at: None,
            restart_policy: spec.restart.as_str().to_owned(),
            auto_remove: spec.auto_remove,
        };
        let container = Container {
            spec,
            seen,
            lagging: None,
            life: 0,
            stopped_by_hand: false,
            ran_when_the_engine_ended: false,
            crash_loop: None,
            backoff: FIRST_BACKOFF,
            log: std::collections::VecDeque::new(),
        };
        self.containers.insert(id.clone(), container);
        self.emit(&id, Action::Create, &[]);
        Ok(id)
    }

    /// Starting what runs is already so; what is paused must be unpaused instead.
    pub(in crate::docker::fake) fn start(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("start {}", id.short());
        match self.state(id, &tried)? {
            State::Running | State::Restarting => Ok(()),
            State::Paused => {
                Err(refused(&tried, 409, "cannot start a paused container, try unpause instead"))
            }
            State::Removing | State::Failed => {
                Err(refused(&tried, 409, "container is marked for removal and cannot be started"))
            }
            State::Created | State::Stopped | State::Missing | State::Deploying | State::Unknown => {
                if let Some(container) = self.containers.get_mut(id) {
                    container.seen.restart_count = 0;
                    container.backoff = FIRST_BACKOFF;
                }
                self.start_one(id)
            }
        }
    }

    pub(super) fn start_one(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let at = self.stamp();
        let tried = format!("start {}", id.short());
        let Some(container) = self.containers.get_mut(id) else { return Err(no_such(&tried, id)) };
        container.life += 1;
        if let Some(sentence) = container.spec.start_error.clone() {
            container.seen.error = Some(sentence.clone());
            self.emit_network(id, "connect");
            self.emit_network(id, "disconnect");
            // A bad command is the caller's fault to an engine, a taken port its own.
            let status = if sentence.contains("executable file not found") { 400 } else { 500 };
            return Err(refused(&tried, status, &sentence));
        }
        let mut ports = Vec::new();
        for port in container.spec.published.clone() {
            self.next_port = if self.next_port == 60999 { 32768 } else { self.next_port + 1 };
            let (host_ip, host_port) = (Some("127.0.0.1".to_owned()), Some(self.next_port));
            ports.push(Port { container_port: port, protocol: "tcp".to_owned(), host_ip, host_port });
        }
        for port in container.spec.exposed.clone() {
            ports.push(Port {
                container_port: port,
                protocol: "tcp".to_owned(),
                host_ip: None,
                host_port: None,
            });
        }
        ports.sort();
        let seen = &mut container.seen;
        seen.state = State::Running;
        seen.health = if container.spec.health_check { Health::Starting } else { Health::None };
        seen.started_at = Some(at);
        seen.exit_code = None;
        seen.oom_killed = false;
        seen.error = None;
        seen.ports = ports;
        container.stopped_by_hand = false;
        container.ran_when_the_engine_ended = false;
        container.lagging = None;
        let (life, crash) = (container.life, container.crash_loop);
        self.emit(id, Action::Start, &[]);
        if let Some(after) = crash {
            self.later(after, Later::EndByItself(id.clone(), life));
        }
        Ok(())
    }

    /// The signal that begins a stop. `Ok(None)`: it is already so. Else whether the program ignores it.
    pub(in crate::docker::fake) fn begin_stop(
        &mut self,
        id: &ContainerId,
    ) -> Result<Option<OnTerm>, EngineError> {
        let tried = format!("stop {}", id.short());
        match self.state(id, &tried)? {
            State::Running | State::Paused => {
                let on_term = self.containers.get(id).map(|c| c.spec.on_term);
                self.emit(id, Action::Kill, &[("signal", "15".to_owned())]);
                Ok(on_term)
            }
            // There is nothing to signal.
            State::Restarting => Ok(Some(OnTerm::Exit(0))),
            State::Created
            | State::Removing
            | State::Stopped
            | State::Failed
            | State::Missing
            | State::Deploying
            | State::Unknown => Ok(None),
        }
    }

    /// The rest of a stop: the program ended, or the grace did.
    pub(in crate::docker::fake) fn finish_stop(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("stop {}", id.short());
        let state = self.state(id, &tried)?;
        if !state.is_alive() {
            return Ok(());
        }
        if state == State::Restarting {
            self.stop_waiting(id);
            return Ok(());
        }
        let on_term = self.containers.get(id).map_or(OnTerm::Exit(143), |c| c.spec.on_term);
        if on_term == OnTerm::Ignore {
            self.emit(id, Action::Kill, &[("signal", "9".to_owned())]);
        }
        self.end_and_say_so(id, on_term.exit_code());
        self.remove_if_automatic(id);
        Ok(())
    }

    /// What waits for its policy waits no more: its last end was long before.
    fn stop_waiting(&mut self, id: &ContainerId) {
        if let Some(container) = self.containers.get_mut(id) {
            container.life += 1;
            container.stopped_by_hand = true;
            container.seen.state = State::Stopped;
        }
        self.emit(id, Action::Stop, &[]);
    }

    pub(in crate::docker::fake) fn stop_told_late(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("stop {}", id.short());
        if self.state(id, &tried)? != State::Running {
            return Ok(());
        }
        let on_term = self.containers.get(id).map_or(OnTerm::Exit(143), |c| c.spec.on_term);
        self.end(id, on_term.exit_code(), By::Hand);
        self.emit(id, Action::Stop, &[]);
        Ok(())
    }

    /// The end of a stop: die, stop; the other way round with newer engines, where one overtakes the other.
    pub(super) fn end_and_say_so(&mut self, id: &ContainerId, exit_code: i64) {
        if self.weather.stop_before_die {
            self.emit(id, Action::Stop, &[]);
            self.end(id, exit_code, By::Hand);
        } else {
            self.end(id, exit_code, By::Hand);
            self.emit(id, Action::Stop, &[]);
        }
    }

    pub(in crate::docker::fake) fn stop(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        match self.begin_stop(id)? {
            Some(_) => self.finish_stop(id),
            None => Ok(()),
        }
    }

    pub(in crate::docker::fake) fn kill(&mut self, id: &ContainerId, signal: i32) -> Result<(), EngineError> {
        let tried = format!("kill {}", id.short());
        if !self.state(id, &tried)?.is_alive() {
            return Err(refused(&tried, 409, &format!("Container {id} is not running")));
        }
        let on_term = self.containers.get(id).map_or(OnTerm::Exit(143), |c| c.spec.on_term);
        self.emit(id, Action::Kill, &[("signal", signal.to_string())]);
        let code = match (signal, on_term) {
            (9, _) => 137,
            (15, OnTerm::Exit(code)) => code,
            _ => return Ok(()),
        };
        self.end(id, code, By::Hand);
        self.remove_if_automatic(id);
        Ok(())
    }

    /// The program ends by itself; its restart policy decides what follows.
    pub(in crate::docker::fake) fn die(
        &mut self,
        id: &ContainerId,
        exit_code: i64,
    ) -> Result<(), EngineError> {
        let tried = format!("end the program of {}", id.short());
        match self.state(id, &tried)? {
            State::Running | State::Paused => {}
            other => return Err(refused(&tried, 409, &format!("no program runs: it is {other}"))),
        }
        self.end(id, exit_code, By::Itself);
        self.revive_or_rest(id, exit_code);
        Ok(())
    }

    pub(in crate::docker::fake) fn oom(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("run {} out of memory", id.short());
        if self.state(id, &tried)? != State::Running {
            return Err(refused(&tried, 409, "no program runs"));
        }
        self.emit(id, Action::Oom, &[]);
        self.end(id, 137, By::Itself);
        if let Some(container) = self.containers.get_mut(id) {
            container.seen.oom_killed = true;
        }
        self.revive_or_rest(id, 137);
        Ok(())
    }

    pub(in crate::docker::fake) fn restart_loop(
        &mut self,
        id: &ContainerId,
        runs_for: Duration,
    ) -> Result<(), EngineError> {
        let tried = format!("let {} crash in a loop", id.short());
        let state = self.state(id, &tried)?;
        let Some(container) = self.containers.get_mut(id) else { return Err(no_such(&tried, id)) };
        container.crash_loop = Some(runs_for);
        if !container.spec.restart.revives(1) {
            container.spec.restart = RestartPolicy::Always;
            RestartPolicy::Always.as_str().clone_into(&mut container.seen.restart_policy);
        }
        let life = container.life;
        if state == State::Running {
            self.later(runs_for, Later::EndByItself(id.clone(), life));
            return Ok(());
        }
        self.start(id)
    }

    pub(in crate::docker::fake) fn end_restart_loop(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("let {} run", id.short());
        let Some(container) = self.containers.get_mut(id) else { return Err(no_such(&tried, id)) };
        container.crash_loop = None;
        container.life += 1;
        if container.seen.state == State::Restarting {
            container.seen.state = State::Stopped;
            container.seen.exit_code = Some(1);
            return self.start_one(id);
        }
        Ok(())
    }

    pub(super) fn revive_or_rest(&mut self, id: &ContainerId, exit_code: i64) {
        let Some(container) = self.containers.get_mut(id) else { return };
        if container.spec.auto_remove || !container.spec.restart.revives(exit_code) {
            self.remove_if_automatic(id);
            return;
        }
        container.seen.state = State::Restarting;
        container.seen.restart_count += 1;
        container.life += 1;
        let (life, pause) = (container.life, container.backoff);
        container.backoff = (container.backoff * 2).min(LONGEST_BACKOFF);
        self.later(pause, Later::Revive(id.clone(), life));
    }

    pub(super) fn end(&mut self, id: &ContainerId, exit_code: i64, by: By) {
        let at = self.stamp();
        let lag = self.draw_lag();
        let Some(container) = self.containers.get_mut(id) else { return };
        container.lagging = lag.map(|until| (container.seen.state, until));
        container.life += 1;
        container.stopped_by_hand = by == By::Hand;
        let seen = &mut container.seen;
        seen.state = State::Stopped;
        seen.health = Health::None;
        seen.exit_code = Some(exit_code);
        seen.finished_at = Some(at);
        seen.ports = Vec::new();
        self.emit(id, Action::Die, &[("exitCode", exit_code.to_string())]);
    }

    pub(in crate::docker::fake) fn pause(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        self.flip(id, "pause", State::Running, State::Paused, Action::Pause)
    }

    pub(in crate::docker::fake) fn unpause(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        self.flip(id, "unpause", State::Paused, State::Running, Action::Unpause)
    }

    pub(super) fn flip(
        &mut self,
        id: &ContainerId,
        verb: &str,
        from: State,
        to: State,
        action: Action,
    ) -> Result<(), EngineError> {
        let tried = format!("{verb} {}", id.short());
        let state = self.state(id, &tried)?;
        if state != from {
            // Of what is not paused an engine says so as if the fault were its own.
            let status = if action == Action::Unpause { 500 } else { 409 };
            return Err(refused(&tried, status, &format!("it is {state}")));
        }
        let lag = self.draw_lag();
        if let Some(container) = self.containers.get_mut(id) {
            container.lagging = lag.map(|until| (from, until));
            container.seen.state = to;
            // The check rests while the program is frozen; until it next asks, the engine says unhealthy, without an event.
            container.seen.health = if to == State::Running && container.spec.health_check {
                Health::Unhealthy
            } else {
                Health::None
            };
        }
        self.emit(id, action, &[]);
        Ok(())
    }

    pub(in crate::docker::fake) fn restart(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("restart {}", id.short());
        if self.state(id, &tried)?.is_alive() {
            let on_term = self.begin_stop(id)?.unwrap_or(OnTerm::Exit(143));
            self.end_and_say_so(id, on_term.exit_code());
        }
        self.start_one(id)?;
        self.emit(id, Action::Restart, &[]);
        Ok(())
    }

    pub(in crate::docker::fake) fn rename(
        &mut self,
        id: &ContainerId,
        name: &str,
    ) -> Result<(), EngineError> {
        let tried = format!("rename {} to {name}", id.short());
        self.state(id, &tried)?;
        self.name_is_free(name, &tried)?;
        let Some(container) = self.containers.get_mut(id) else { return Err(no_such(&tried, id)) };
        let old = std::mem::replace(&mut container.seen.name, name.to_owned());
        self.emit(id, Action::Rename, &[("oldName", format!("/{old}"))]);
        Ok(())
    }

    pub(in crate::docker::fake) fn update(
        &mut self,
        id: &ContainerId,
        policy: RestartPolicy,
    ) -> Result<(), EngineError> {
        let tried = format!("update {}", id.short());
        let Some(container) = self.containers.get_mut(id) else { return Err(no_such(&tried, id)) };
        container.spec.restart = policy;
        policy.as_str().clone_into(&mut container.seen.restart_policy);
        self.emit(id, Action::Update, &[]);
        Ok(())
    }

    pub(in crate::docker::fake) fn remove(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("remove {}", id.short());
        if self.state(id, &tried)?.is_alive() {
            return Err(refused(
                &tried,
                409,
                "You cannot remove a running container. Stop the container before attempting removal or force remove",
            ));
        }
        self.take_away(id);
        Ok(())
    }

    pub(in crate::docker::fake) fn force_remove(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("remove {}", id.short());
        if self.state(id, &tried)?.is_alive() {
            self.emit(id, Action::Kill, &[("signal", "9".to_owned())]);
            self.end(id, 137, By::Hand);
        }
        self.take_away(id);
        Ok(())
    }

    pub(super) fn remove_if_automatic(&mut self, id: &ContainerId) {
        if self.containers.get(id).is_some_and(|c| c.spec.auto_remove) {
            self.take_away(id);
        }
    }

    pub(super) fn take_away(&mut self, id: &ContainerId) {
        self.emit(id, Action::Destroy, &[]);
        if let Some(mut container) = self.containers.remove(id) {
            container.life += 1;
            self.removed.insert(id.clone(), container);
        }
    }

    /// What was removed is there again, silently: a restored virtual machine.
    pub(in crate::docker::fake) fn bring_back(&mut self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("bring {} back", id.short());
        let Some(container) = self.removed.remove(id) else { return Err(no_such(&tried, id)) };
        self.containers.insert(id.clone(), container);
        Ok(())
    }

    pub(in crate::docker::fake) fn set_health(
        &mut self,
        id: &ContainerId,
        health: Health,
        output: &str,
    ) -> Result<(), EngineError> {
        let tried = format!("set the health of {}", id.short());
        if self.state(id, &tried)? != State::Running {
            return Err(refused(&tried, 409, "only a running container has a health"));
        }
        let Some(container) = self.containers.get_mut(id) else { return Err(no_such(&tried, id)) };
        let before = std::mem::replace(&mut container.seen.health, health);
        container.seen.probe = container.spec.health_check.then(|| output.to_owned());
        self.noise_of(id, 3);
        if before != health {
            self.emit(id, Action::HealthStatus(health), &[]);
        }
        Ok(())
    }

    pub(in crate::docker::fake) fn write_log(
        &mut self,
        id: &ContainerId,
        line: &str,
    ) -> Result<(), EngineError> {
        let Some(container) = self.containers.get_mut(id) else { return Err(no_such("write a log", id)) };
        container.log.push_back(line.to_owned());
        let surplus = container.log.len().saturating_sub(LOG_LINES);
        container.log.drain(..surplus);
        Ok(())
    }

    /// A state that no act here leads to (`removing`, `failed`, a word nobody knows), without an event.
    pub(in crate::docker::fake) fn set_state(
        &mut self,
        id: &ContainerId,
        state: State,
    ) -> Result<(), EngineError> {
        let tried = format!("set the state of {}", id.short());
        let Some(container) = self.containers.get_mut(id) else { return Err(no_such(&tried, id)) };
        container.seen.state = state;
        Ok(())
    }

    /// Compose's order: create `<hex>_name`, stop and remove the old one, rename, start.
    pub(in crate::docker::fake) fn compose_recreate(
        &mut self,
        id: &ContainerId,
        image: &str,
    ) -> Result<ContainerId, EngineError> {
        let tried = format!("recreate {}", id.short());
        let Some(old) = self.containers.get(id) else { return Err(no_such(&tried, id)) };
        let name = old.seen.name.clone();
        let mut spec = old.spec.clone();
        spec.name = format!("{}_{name}", id.short());
        image.clone_into(&mut spec.image);
        let new = self.create(spec)?;
        self.stop(id)?;
        if self.containers.contains_key(id) {
            self.take_away(id);
        }
        self.rename(&new, &name)?;
        self.start(&new)?;
        Ok(new)
    }
}
