//! Who owns a container: an ordered table; the first row that claims it ends the search.
//!
//! ```text
//! 0  its id is recorded by the journal or an adopt act   → that workload
//! 1  tinyforge.workload.id                               → that workload if it exists and the kind agrees, else foreign
//! 2  tinyforge.instance-id   (legacy, read only)         → the row that was carried over
//! 3  tinyforge.static-site   (legacy, read only)         → the site of that id or name
//! 4  com.docker.compose.project                          → the stack of that compose project
//! 5  nothing of these                                    → foreign
//! ```
//!
//! Owning is an association. It authorises nothing.

use std::collections::BTreeMap;

use super::container::WorkloadKind;
use super::ids::{ContainerId, RowId, WorkloadId};
use super::labels::{self, Labels};
use super::row::Owner;

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
    /// The deploy that recorded it; `None` for an adopt act.
    pub deploy_id: Option<String>,
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

/// Which row of the table claimed a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    Recorded,
    WorkloadLabel,
    LegacyInstance,
    LegacySite,
    Compose,
    Nobody,
}

/// The outcome of the table for one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ruling {
    pub owner: Owner,
    pub claim: Claim,
    /// The row that a legacy label names: taken only where it is free.
    pub carried_over: Option<RowId>,
    /// The deploy that made the container: its placeholder is the container's row.
    pub deploy_id: Option<String>,
}

impl Ruling {
    fn new(owner: Owner, claim: Claim) -> Self {
        Self { owner, claim, carried_over: None, deploy_id: None }
    }
}

/// Stands for the role of a container whose labels name none.
const NO_ROLE: &str = "default";

/// Runs the table.
#[must_use]
pub fn owner_of(id: &ContainerId, of: &Labels, claims: &Claims) -> Ruling {
    recorded(id, claims)
        .or_else(|| workload_label(of, claims))
        .or_else(|| legacy_instance(of, claims))
        .or_else(|| legacy_site(of, claims))
        .or_else(|| compose(of, claims))
        .unwrap_or(Ruling::new(Owner::foreign(), Claim::Nobody))
}

fn recorded(id: &ContainerId, claims: &Claims) -> Option<Ruling> {
    let found = claims.recorded.get(id)?;
    let owner = owned(claims, &found.workload_id, &found.role)?;
    Some(Ruling { deploy_id: found.deploy_id.clone(), ..Ruling::new(owner, Claim::Recorded) })
}

fn workload_label(of: &Labels, claims: &Claims) -> Option<Ruling> {
    let id = WorkloadId::new(labels::value(of, labels::WORKLOAD_ID)?);
    let owner = match claims.workloads.get(&id) {
        None => turned_down(format!("its label names workload {id}, which does not exist here")),
        Some(workload) if !kind_agrees(of, workload.kind) => {
            let said = labels::value(of, labels::WORKLOAD_KIND).unwrap_or("nothing");
            turned_down(format!("its label names workload {id} as {said}, which is a {}", workload.kind))
        }
        Some(workload) => {
            let role = labels::value(of, labels::ROLE).unwrap_or(default_role(workload.kind)).to_owned();
            Owner::Workload { id, kind: workload.kind, role }
        }
    };
    Some(Ruling::new(owner, Claim::WorkloadLabel))
}

fn kind_agrees(of: &Labels, kind: WorkloadKind) -> bool {
    labels::value(of, labels::WORKLOAD_KIND).and_then(WorkloadKind::parse) == Some(kind)
}

fn legacy_instance(of: &Labels, claims: &Claims) -> Option<Ruling> {
    let carried = claims.legacy_instances.get(labels::value(of, labels::LEGACY_INSTANCE_ID)?)?;
    let owner = owned(claims, &carried.workload_id, &carried.role)?;
    Some(Ruling { carried_over: Some(carried.row.clone()), ..Ruling::new(owner, Claim::LegacyInstance) })
}

fn legacy_site(of: &Labels, claims: &Claims) -> Option<Ruling> {
    let key = labels::value(of, labels::LEGACY_STATIC_SITE)?;
    let site = |workload: &Workload| workload.kind == WorkloadKind::Site;
    let by_id = WorkloadId::new(key);
    let id = match claims.workloads.get(&by_id) {
        Some(workload) if site(workload) => by_id,
        Some(_) | None => claims.workloads.iter().find(|(_, w)| site(w) && w.name == key)?.0.clone(),
    };
    let owner =
        Owner::Workload { id, kind: WorkloadKind::Site, role: default_role(WorkloadKind::Site).to_owned() };
    Some(Ruling::new(owner, Claim::LegacySite))
}

fn compose(of: &Labels, claims: &Claims) -> Option<Ruling> {
    let id = claims.compose_projects.get(labels::value(of, labels::COMPOSE_PROJECT)?)?;
    let role = labels::value(of, labels::COMPOSE_SERVICE).unwrap_or(NO_ROLE);
    Some(Ruling::new(owned(claims, id, role)?, Claim::Compose))
}

fn owned(claims: &Claims, id: &WorkloadId, role: &str) -> Option<Owner> {
    let workload = claims.workloads.get(id)?;
    Some(Owner::Workload { id: id.clone(), kind: workload.kind, role: role.to_owned() })
}

fn default_role(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::Site => "site",
        WorkloadKind::Project | WorkloadKind::Stack => NO_ROLE,
    }
}

fn turned_down(reason: String) -> Owner {
    Owner::Foreign { reason: Some(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::labels::{
        COMPOSE_PROJECT, COMPOSE_SERVICE, LEGACY_INSTANCE_ID, LEGACY_STATIC_SITE, ROLE, WORKLOAD_ID,
        WORKLOAD_KIND,
    };

    fn claims() -> Claims {
        let workload =
            |id: &str, kind, name: &str| (WorkloadId::new(id), Workload { kind, name: name.into() });
        Claims {
            recorded: [(
                ContainerId::new("recorded"),
                Recorded { workload_id: WorkloadId::new("p1"), role: "prod".into(), deploy_id: None },
            )]
            .into(),
            workloads: [
                workload("p1", WorkloadKind::Project, "shop"),
                workload("s1", WorkloadKind::Stack, "blog"),
                workload("w1", WorkloadKind::Site, "docs"),
            ]
            .into(),
            legacy_instances: [(
                "inst-1".to_owned(),
                LegacyInstance {
                    row: RowId::new("p1:dev"),
                    workload_id: WorkloadId::new("p1"),
                    role: "dev".into(),
                },
            )]
            .into(),
            compose_projects: [("blog".to_owned(), WorkloadId::new("s1"))].into(),
        }
    }

    /// What each label may hold: absent, empty, garbage, and what is valid.
    const WORKLOAD_IDS: [Option<&str>; 5] = [None, Some(""), Some("no-such"), Some("p1"), Some("s1")];
    const KINDS: [Option<&str>; 5] = [None, Some(""), Some("castle"), Some("project"), Some("stack")];
    const ROLES: [Option<&str>; 3] = [None, Some(" "), Some("rel")];
    const INSTANCES: [Option<&str>; 4] = [None, Some(""), Some("inst-9"), Some("inst-1")];
    const SITES: [Option<&str>; 6] = [None, Some(""), Some("nowhere"), Some("w1"), Some("docs"), Some("p1")];
    const PROJECTS: [Option<&str>; 4] = [None, Some(""), Some("other"), Some("blog")];
    const SERVICES: [Option<&str>; 3] = [None, Some(""), Some("web")];

    /// The contract's table once more, in the plainest words: the oracle of the matrix.
    fn expected(recorded: bool, l: &Labels) -> (Claim, Option<(&'static str, String)>) {
        let get = |key: &str| l.get(key).map(|v| v.trim()).filter(|v| !v.is_empty());
        if recorded {
            return (Claim::Recorded, Some(("p1", "prod".into())));
        }
        if let Some(id) = get(WORKLOAD_ID) {
            let role = get(ROLE).unwrap_or("default").to_owned();
            return match (id, get(WORKLOAD_KIND)) {
                ("p1", Some("project")) => (Claim::WorkloadLabel, Some(("p1", role))),
                ("s1", Some("stack")) => (Claim::WorkloadLabel, Some(("s1", role))),
                _ => (Claim::WorkloadLabel, None),
            };
        }
        if get(LEGACY_INSTANCE_ID) == Some("inst-1") {
            return (Claim::LegacyInstance, Some(("p1", "dev".into())));
        }
        if matches!(get(LEGACY_STATIC_SITE), Some("w1" | "docs")) {
            return (Claim::LegacySite, Some(("w1", "site".into())));
        }
        if get(COMPOSE_PROJECT) == Some("blog") {
            return (Claim::Compose, Some(("s1", get(COMPOSE_SERVICE).unwrap_or("default").to_owned())));
        }
        (Claim::Nobody, None)
    }

    #[test]
    fn every_combination_of_labels_is_ruled_by_the_first_row_that_claims_it() {
        let claims = claims();
        let mut checked = 0;
        for recorded in [false, true] {
            let id = ContainerId::new(if recorded { "recorded" } else { "another" });
            for workload_id in WORKLOAD_IDS {
                for kind in KINDS {
                    for role in ROLES {
                        for instance in INSTANCES {
                            for site in SITES {
                                for project in PROJECTS {
                                    for service in SERVICES {
                                        let of = labels_of([
                                            (WORKLOAD_ID, workload_id),
                                            (WORKLOAD_KIND, kind),
                                            (ROLE, role),
                                            (LEGACY_INSTANCE_ID, instance),
                                            (LEGACY_STATIC_SITE, site),
                                            (COMPOSE_PROJECT, project),
                                            (COMPOSE_SERVICE, service),
                                        ]);
                                        check(&id, &of, &claims, recorded);
                                        checked += 1;
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(checked, 2 * 5 * 5 * 3 * 4 * 6 * 4 * 3);
    }

    fn labels_of<const N: usize>(pairs: [(&str, Option<&str>); N]) -> Labels {
        pairs.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned()))).collect()
    }

    fn check(id: &ContainerId, of: &Labels, claims: &Claims, recorded: bool) {
        let ruling = owner_of(id, of, claims);
        let (claim, owner) = expected(recorded, of);
        let found = match &ruling.owner {
            Owner::Workload { id, role, .. } => Some((id.as_str(), role.clone())),
            Owner::Foreign { .. } => None,
        };
        assert_eq!((ruling.claim, found), (claim, owner), "{of:?}");
    }

    #[test]
    fn a_claim_that_is_turned_down_says_why() {
        let reason = |pairs: [(&str, Option<&str>); 2]| match owner_of(
            &ContainerId::new("c"),
            &labels_of(pairs),
            &claims(),
        )
        .owner
        {
            Owner::Foreign { reason } => reason.unwrap(),
            Owner::Workload { .. } => panic!("owned"),
        };
        assert_eq!(
            reason([(WORKLOAD_ID, Some("gone")), (WORKLOAD_KIND, Some("project"))]),
            "its label names workload gone, which does not exist here"
        );
        assert_eq!(
            reason([(WORKLOAD_ID, Some("p1")), (WORKLOAD_KIND, Some("stack"))]),
            "its label names workload p1 as stack, which is a project"
        );
    }

    #[test]
    fn a_recorded_id_of_a_workload_that_is_gone_claims_nothing() {
        let mut claims = claims();
        claims.workloads.clear();
        let ruling = owner_of(&ContainerId::new("recorded"), &Labels::new(), &claims);
        assert_eq!(ruling.claim, Claim::Nobody);
    }

    #[test]
    fn a_legacy_label_names_the_row_that_was_carried_over() {
        let of = labels_of([(LEGACY_INSTANCE_ID, Some("inst-1"))]);
        let ruling = owner_of(&ContainerId::new("c"), &of, &claims());
        assert_eq!(ruling.carried_over, Some(RowId::new("p1:dev")));
    }
}
