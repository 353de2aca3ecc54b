//! What we ourselves are doing to containers, so that the history can say it was us.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::rules::cause::OwnAct;
use crate::rules::ids::ContainerId;

/// The acts under way. Cheap to clone; all clones are one list.
#[derive(Debug, Clone, Default)]
pub struct OwnActs {
    under_way: Arc<Mutex<HashMap<ContainerId, OwnAct>>>,
}

/// An act is under way until this is dropped: after the look that found its effect.
#[derive(Debug)]
pub struct UnderWay {
    acts: OwnActs,
    id: ContainerId,
}

impl OwnActs {
    #[must_use]
    pub fn begin(&self, id: &ContainerId, act: OwnAct) -> UnderWay {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), act);
        UnderWay { acts: self.clone(), id: id.clone() }
    }

    #[must_use]
    pub fn of(&self, id: &ContainerId) -> Option<OwnAct> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.acts.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}
