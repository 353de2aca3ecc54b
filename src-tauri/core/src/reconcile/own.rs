//! What we ourselves are doing to containers, so that the history can say it was us.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::rules::cause::OwnAct;
use crate::rules::ids::ContainerId;

/// The acts under way. Cheap to clone; all clones are one list.
#[derive(Debug, Clone, Default)]
pub struct OwnActs {
    /// Two may be under way on one container: a restart beside a stop.
    under_way: Arc<Mutex<BTreeMap<ContainerId, Vec<OwnAct>>>>,
}

/// An act is under way until this is dropped: after the look that found its effect.
#[derive(Debug)]
pub struct UnderWay {
    acts: OwnActs,
    id: ContainerId,
    act: OwnAct,
}

impl OwnActs {
    #[must_use]
    pub fn begin(&self, id: &ContainerId, act: OwnAct) -> UnderWay {
        self.lock().entry(id.clone()).or_default().push(act);
        UnderWay { acts: self.clone(), id: id.clone(), act }
    }

    #[must_use]
    pub fn of(&self, id: &ContainerId) -> Vec<OwnAct> {
        self.lock().get(id).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ContainerId, Vec<OwnAct>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut under_way = self.acts.lock();
        let Some(acts) = under_way.get_mut(&self.id) else { return };
        if let Some(place) = acts.iter().position(|act| *act == self.act) {
            acts.remove(place);
        }
        if acts.is_empty() {
            under_way.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_that_ends_leaves_the_other_one_under_way() {
        let (acts, id) = (OwnActs::default(), ContainerId::new("a"));
        let stop = acts.begin(&id, OwnAct::Stop);
        let restart = acts.begin(&id, OwnAct::Restart);
        let again = acts.begin(&id, OwnAct::Stop);
        drop(restart);
        assert_eq!(acts.of(&id), [OwnAct::Stop, OwnAct::Stop]);
        drop(stop);
        assert_eq!(acts.of(&id), [OwnAct::Stop]);
        drop(again);
        assert!(acts.of(&id).is_empty() && acts.lock().is_empty());
    }
}
