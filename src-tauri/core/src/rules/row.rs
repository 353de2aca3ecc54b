//! A row of `containers`: what the engine says, beside what the deployer decided.

use std::fmt;

use jiff::Timestamp;

use super::container::{Health, Observed, Port, State, WorkloadKind};
use super::course::Course;
use super::ids::{ContainerId, EngineId, RowId, WorkloadId};
use super::labels::Labels;

/// The whole row. `id`, `engine_id` and `owner` are settled when the row is made and when ownership moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub id: RowId,
    pub engine_id: EngineId,
    pub owner: Owner,
    /// `None` for a placeholder: a deploy is under way.
    pub container_id: Option<ContainerId>,
    pub facts: Facts,
    pub course: Course,
    pub decided: Decided,
    /// When the row was made.
    pub created_at: Timestamp,
    /// When the row last changed.
    pub updated_at: Timestamp,
    /// When the container was last known to run.
    pub last_seen_at: Option<Timestamp>,
    /// When it was found to be missing.
    pub missing_since: Option<Timestamp>,
    /// The key of the `instances` table of the earlier design.
    pub legacy_instance_id: Option<String>,
    /// What the program said last before it ended, where somebody has asked.
    pub last_words: Option<LastWords>,
}

/// The last lines that a program wrote before it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWords {
    /// The end they belong to.
    pub ended_at: Timestamp,
    /// Lines as the program wrote them; nothing of them may be trusted.
    pub text: String,
}

/// Who owns a container, and by which claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    Workload {
        id: WorkloadId,
        kind: WorkloadKind,
        role: String,
    },
    Foreign {
        /// Why a claim was turned down, where there was one.
        reason: Option<String>,
    },
}

impl Owner {
    #[must_use]
    pub fn foreign() -> Self {
        Self::Foreign { reason: None }
    }

    #[must_use]
    pub fn workload_id(&self) -> Option<&WorkloadId> {
        match self {
            Self::Workload { id, .. } => Some(id),
            Self::Foreign { .. } => None,
        }
    }

    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.workload_id().is_none()
    }
}

/// The columns that the engine's answers fill. Only the reconciler writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub name: String,
    pub image: String,
    pub image_id: String,
    pub state: State,
    pub health: Health,
    pub exit_code: Option<i64>,
    pub oom_killed: bool,
    pub restart_count: u32,
    pub error: Option<String>,
    pub ports: Vec<Port>,
    pub labels: Labels,
    /// The container's own creation; the row's is [`Row::created_at`].
    pub container_created_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub restart_policy: String,
    pub auto_remove: bool,
}

impl Facts {
    /// What a fresh inspect says.
    #[must_use]
    pub fn of(seen: &Observed) -> Self {
        Self {
            name: seen.name.clone(),
            image: seen.image.clone(),
            image_id: seen.image_id.clone(),
            state: seen.state,
            health: seen.health,
            exit_code: seen.exit_code,
            oom_killed: seen.oom_killed,
            restart_count: seen.restart_count,
            error: seen.error.clone(),
            ports: seen.ports.clone(),
            labels: seen.labels.clone(),
            container_created_at: Some(seen.created_at),
            started_at: seen.started_at,
            finished_at: seen.finished_at,
            restart_policy: seen.restart_policy.clone(),
            auto_remove: seen.auto_remove,
        }
    }

    /// Whether the engine may start it again by itself.
    #[must_use]
    pub fn has_a_policy(&self) -> bool {
        !matches!(self.restart_policy.as_str(), "" | "no")
    }
}

/// The columns that the deployer decided. The reconciler reads them and never writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decided {
    pub stage_id: Option<String>,
    pub release_id: Option<String>,
    pub deploy_id: Option<String>,
    pub image_tag: Option<String>,
    pub subdomain: Option<String>,
    pub proxy_route_id: Option<String>,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let container = self.container_id.as_ref().map_or("-", ContainerId::short);
        write!(f, "{} {} {} {}", self.id, container, self.facts.name, self.facts.state)
    }
}
