//! How the door was used, and what can befall one call.

use std::collections::BTreeMap;

use super::FakeEngine;
use crate::docker::EngineError;
use crate::rules::ids::ContainerId;

/// The calls of the door, for counting them and for mishaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    Identify,
    Ping,
    List,
    ListManaged,
    Inspect,
    InspectWhole,
    Logs,
    Usage,
    Holdings,
    Events,
    Start,
    Stop,
    Restart,
}

impl Call {
    pub const ALL: [Self; 13] = [
        Self::Identify,
        Self::Ping,
        Self::List,
        Self::ListManaged,
        Self::Inspect,
        Self::InspectWhole,
        Self::Logs,
        Self::Usage,
        Self::Holdings,
        Self::Events,
        Self::Start,
        Self::Stop,
        Self::Restart,
    ];
}

/// What can befall one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mishap {
    /// It fails and has no effect.
    Fail(EngineError),
    /// It takes effect and its answer is lost.
    LoseAnswer,
    /// It is never answered: the deadline ends it, without effect.
    Hang,
    /// A listing answers with its first so many rows only, and calls that complete.
    Truncate(usize),
}

/// How often the door was used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calls {
    pub by_kind: BTreeMap<Call, u64>,
    pub inspects_of: BTreeMap<ContainerId, u64>,
    /// The most inspects that were ever under way at once.
    pub inspects_at_once: usize,
    /// The most inspects of one and the same container that were ever under way at once.
    pub inspects_of_one_at_once: usize,
    pub(super) under_way: BTreeMap<ContainerId, usize>,
}

impl Calls {
    #[must_use]
    pub fn of(&self, call: Call) -> u64 {
        self.by_kind.get(&call).copied().unwrap_or(0)
    }

    #[must_use]
    pub fn inspects_of(&self, id: &ContainerId) -> u64 {
        self.inspects_of.get(id).copied().unwrap_or(0)
    }

    fn begin_inspect(&mut self, id: &ContainerId) {
        *self.inspects_of.entry(id.clone()).or_default() += 1;
        let of_one = self.under_way.entry(id.clone()).or_default();
        *of_one += 1;
        self.inspects_of_one_at_once = self.inspects_of_one_at_once.max(*of_one);
        self.inspects_at_once = self.inspects_at_once.max(self.under_way.values().sum());
    }

    fn end_inspect(&mut self, id: &ContainerId) {
        if let Some(count) = self.under_way.get_mut(id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.under_way.remove(id);
            }
        }
    }
}

/// Counts an inspect as under way for as long as it lives, also where it is cancelled.
pub(super) struct InspectUnderWay<'a> {
    engine: &'a FakeEngine,
    id: &'a ContainerId,
}

impl<'a> InspectUnderWay<'a> {
    pub(super) fn begin(engine: &'a FakeEngine, id: &'a ContainerId) -> Self {
        engine.world().calls.begin_inspect(id);
        Self { engine, id }
    }
}

impl Drop for InspectUnderWay<'_> {
    fn drop(&mut self) {
        self.engine.world().calls.end_inspect(self.id);
    }
}
