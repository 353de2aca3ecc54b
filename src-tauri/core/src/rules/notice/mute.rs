//! Which notices a user does not want, by workload and by kind.

use std::collections::BTreeMap;

use super::NoticeKind;
use crate::rules::ids::WorkloadId;

/// What a wish is about: one workload or all, one kind or all.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    pub workload: Option<WorkloadId>,
    pub kind: Option<NoticeKind>,
}

/// The wishes there are; `true` is mute. The most specific counts, and a workload is more specific than a kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mutes(BTreeMap<Scope, bool>);

impl Mutes {
    #[must_use]
    pub fn of(wishes: impl IntoIterator<Item = (Scope, bool)>) -> Self {
        Self(wishes.into_iter().collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Scope, bool)> {
        self.0.iter().map(|(scope, muted)| (scope, *muted))
    }

    /// Without a workload: of what concerns none, as the engine.
    #[must_use]
    pub fn is_muted(&self, workload: Option<&WorkloadId>, kind: NoticeKind) -> bool {
        let workload = workload.cloned();
        self.wish(&Scope { workload, kind: Some(kind) })
    }

    /// Writes a wish, and only where it says something that a broader one does not.
    pub fn set(&mut self, scope: Scope, muted: bool) {
        self.0.remove(&scope);
        if self.wish(&scope) != muted {
            self.0.insert(scope, muted);
        }
    }

    fn wish(&self, of: &Scope) -> bool {
        let (workload, kind) = (of.workload.clone(), of.kind);
        let from_the_narrowest = [
            Scope { workload: workload.clone(), kind },
            Scope { workload, kind: None },
            Scope { workload: None, kind },
            Scope::default(),
        ];
        from_the_narrowest.iter().find_map(|scope| self.0.get(scope)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(workload: &str, kind: Option<NoticeKind>) -> Scope {
        Scope { workload: (!workload.is_empty()).then(|| WorkloadId::new(workload)), kind }
    }

    #[test]
    fn the_most_specific_wish_counts_and_a_workload_is_more_specific_than_a_kind() {
        use NoticeKind::{Crashed, Unhealthy};
        let (all, unhealthy) = (scope("", None), scope("", Some(Unhealthy)));
        let (shop, shop_crashed) = (scope("shop", None), scope("shop", Some(Crashed)));
        let cases = [
            (vec![], "shop", Crashed, false),
            (vec![(&all, true)], "shop", Crashed, true),
            (vec![(&all, true), (&shop, false)], "shop", Crashed, false),
            (vec![(&all, true), (&shop, false)], "blog", Crashed, true),
            (vec![(&unhealthy, true)], "shop", Unhealthy, true),
            (vec![(&unhealthy, true)], "shop", Crashed, false),
            (vec![(&unhealthy, true), (&shop, false)], "shop", Unhealthy, false),
            (vec![(&shop, true), (&shop_crashed, false)], "shop", Crashed, false),
            (vec![(&shop, true), (&shop_crashed, false)], "shop", Unhealthy, true),
        ];
        for (wishes, workload, kind, muted) in cases {
            let mutes = Mutes::of(wishes.iter().map(|(scope, muted)| ((*scope).clone(), *muted)));
            assert_eq!(mutes.is_muted(Some(&WorkloadId::new(workload)), kind), muted, "{wishes:?}");
        }
        let engine = Mutes::of([(scope("shop", None), true)]);
        assert!(!engine.is_muted(None, NoticeKind::EngineGone), "the engine is nobody's");
    }

    #[test]
    fn a_wish_that_says_nothing_new_is_not_kept() {
        let mut mutes = Mutes::default();
        mutes.set(scope("shop", None), false);
        assert_eq!(mutes, Mutes::default());
        mutes.set(Scope::default(), true);
        mutes.set(scope("shop", None), true);
        assert_eq!(mutes.iter().count(), 1);
        mutes.set(scope("shop", None), false);
        assert_eq!(mutes.iter().count(), 2, "one is heard although all are muted");
        mutes.set(Scope::default(), false);
        mutes.set(scope("shop", None), false);
        assert_eq!(mutes, Mutes::default());
    }
}
