//! What befalls the engine itself: it ends, boots, is out of reach, is another.

use super::{Later, Reach, World};
use crate::rules::container::State;
use crate::rules::ids::{ContainerId, EngineId};

impl World {
    /// A tidy shutdown: everything is stopped and says so, then the streams break.
    pub(in crate::docker::fake) fn shut_down(&mut self) {
        for id in self.alive() {
            let _ = self.stop(&id);
            if let Some(container) = self.containers.get_mut(&id) {
                container.stopped_by_hand = false;
                container.ran_when_the_engine_ended = true;
            }
        }
        self.ring.clear();
        self.break_streams("unexpected end of the stream: the engine shuts down");
    }

    fn alive(&self) -> Vec<ContainerId> {
        let alive = self.containers.iter().filter(|(_, container)| container.seen.state.is_alive());
        alive.map(|(id, _)| id.clone()).collect()
    }

    pub(in crate::docker::fake) fn restart_engine(&mut self) {
        self.shut_down();
        let takes = self.weather.restart_takes;
        self.breaks += 1;
        self.set_reach(Reach::Hangs);
        self.later(takes, Later::Boot);
    }

    /// SIGKILL: no event, nothing listens.
    pub(in crate::docker::fake) fn kill_engine(&mut self) {
        self.ring.clear();
        self.break_streams("connection reset by peer");
        self.set_reach(Reach::Dead);
    }

    /// The engine's first moments. What it finds alive, because it was killed itself, it stops as a user would: the
    /// ring tells of it, and `unless-stopped` does not bring it back. Then the restart policies are served.
    pub(super) fn boot(&mut self) {
        self.set_reach(Reach::Answers);
        for id in self.alive() {
            let _ = self.stop(&id);
        }
        let mut to_start = Vec::new();
        for (id, container) in &mut self.containers {
            container.lagging = None;
            if container.seen.state == State::Stopped {
                let code = container.seen.exit_code.unwrap_or(0);
                let ran = container.ran_when_the_engine_ended && !container.stopped_by_hand;
                if container.spec.restart.starts_at_boot(ran, code) {
                    to_start.push(id.clone());
                }
            }
        }
        for id in to_start {
            let _ = self.start_one(&id);
        }
    }

    pub(in crate::docker::fake) fn set_reach(&mut self, reach: Reach) {
        self.breaks += u64::from(matches!(reach, Reach::Away | Reach::Dead | Reach::Denied));
        self.reach = reach;
        self.reach_changed.notify_waiters();
    }

    pub(in crate::docker::fake) fn come_back(&mut self) {
        match self.reach {
            Reach::Dead => self.boot(),
            Reach::Answers | Reach::Hangs | Reach::Away | Reach::Denied => self.set_reach(Reach::Answers),
        }
    }

    /// Another engine answers behind the same socket, with containers of its own; what it had before, if it was
    /// here already.
    pub(in crate::docker::fake) fn become_another_engine(&mut self, id: EngineId) {
        let theirs = self.other_engines.remove(&id).unwrap_or_default();
        let ours = std::mem::replace(&mut self.containers, theirs);
        let before = std::mem::replace(&mut self.engine_id, id);
        self.other_engines.insert(before, ours);
        self.ring.clear();
        self.break_streams("connection reset by peer");
    }
}
