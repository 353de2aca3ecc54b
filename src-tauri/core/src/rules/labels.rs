//! Every label we read or write, in this one file. Labels associate; they never authorise.

use std::collections::BTreeMap;

pub const MANAGED: &str = "tinyforge.managed";
pub const WORKLOAD_ID: &str = "tinyforge.workload.id";
pub const WORKLOAD_KIND: &str = "tinyforge.workload.kind";
pub const ROLE: &str = "tinyforge.role";

/// Labels of the earlier design: read, never written.
pub const LEGACY_INSTANCE_ID: &str = "tinyforge.instance-id";
pub const LEGACY_STATIC_SITE: &str = "tinyforge.static-site";
pub const LEGACY_PROJECT: &str = "tinyforge.project";
pub const LEGACY_STAGE: &str = "tinyforge.stage";

pub const COMPOSE_PROJECT: &str = "com.docker.compose.project";
pub const COMPOSE_SERVICE: &str = "com.docker.compose.service";
/// Which of a scaled service's containers it is.
pub const COMPOSE_NUMBER: &str = "com.docker.compose.container-number";

/// What a listing of managed containers filters by.
pub const MANAGED_TRUE: &str = "tinyforge.managed=true";

/// A container's labels, as the engine tells them.
pub type Labels = BTreeMap<String, String>;

/// The label's value; an empty or blank one counts as absent.
#[must_use]
pub fn value<'a>(labels: &'a Labels, key: &str) -> Option<&'a str> {
    labels.get(key).map(|v| v.trim()).filter(|v| !v.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_counts_as_absent() {
        let labels: Labels =
            [("a", ""), ("b", " \t"), ("c", " x ")].map(|(k, v)| (k.into(), v.into())).into();
        assert_eq!(value(&labels, "a"), None);
        assert_eq!(value(&labels, "b"), None);
        assert_eq!(value(&labels, "c"), Some("x"));
        assert_eq!(value(&labels, "d"), None);
    }
}
