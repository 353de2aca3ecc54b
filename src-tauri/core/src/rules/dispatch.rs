//! Who owns a container: an ordered table; the first row that claims it ends the search.

use std::collections::BTreeMap;

use super::container::WorkloadKind;
use super::ids::{ContainerId, RowId, WorkloadId};

/// Everything a claim can rest on, as the store has it for one engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// Ids recorded by the journal or by an adopt act.
    pub recorded: BTreeMap<ContainerId, Recorded>,
    pub workloads: BTreeMap<WorkloadId, Workload>,
    /// `legacy_instance_id` → the row that the migration carried over.
    pub legacy_instances: BTreeMap<String, LegacyInstance>,
    /// Compose project name → stack.
    pub compose_projects: BTreeMap<String, WorkloadId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub workload_id: WorkloadId,
    pub role: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    pub kind: WorkloadKind,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyInstance {
    pub row: RowId,
    pub workload_id: WorkloadId,
    pub role: String,
}
