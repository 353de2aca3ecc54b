//! The `filters` of listings and of the event stream.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::idiom::Form;
use super::replies::Reply;
use super::shapes::Line;
use crate::docker::Listed;
use crate::rules::container::State;
use crate::rules::labels::{self, Labels};

/// By key, what may stand there. An absent key lets everything through.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Filters(BTreeMap<String, Vec<String>>);

/// Clients write either; the map's values say nothing.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    List(Vec<String>),
    Map(BTreeMap<String, bool>),
}

impl Filters {
    pub(super) fn read(text: Option<&str>, form: Form) -> Result<Self, Reply> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Self::default()) };
        let read: BTreeMap<String, Values> = serde_json::from_str(text)
            .map_err(|error| Reply::refusal(form, form.unreadable(), &error.to_string()))?;
        let values = |values| match values {
            Values::List(list) => list,
            Values::Map(map) => map.into_keys().collect(),
        };
        Ok(Self(read.into_iter().map(|(key, of)| (key, values(of))).collect()))
    }

    pub(super) fn knows_only(&self, known: &[&str], form: Form) -> Result<(), Reply> {
        match self.0.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(Reply::refusal(form, 400, &format!("Invalid filter '{key}'"))),
            None => Ok(()),
        }
    }

    /// Whether only what we manage is asked for: a call of the door of its own.
    pub(super) fn asks_for_managed(&self) -> bool {
        self.0.get("label").is_some_and(|wanted| wanted.iter().any(|label| label == labels::MANAGED_TRUE))
    }

    /// A listing by state holds those that do not run too.
    pub(super) fn names_a_state(&self) -> bool {
        self.0.contains_key("status")
    }

    fn any(&self, key: &str, holds: impl Fn(&str) -> bool) -> bool {
        self.0.get(key).is_none_or(|wanted| wanted.is_empty() || wanted.iter().any(|value| holds(value)))
    }

    /// Labels must all be there, by their key or by key and value.
    fn labels(&self, labels: &Labels) -> bool {
        self.0.get("label").into_iter().flatten().all(|wanted| match wanted.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|found| found == value),
            None => labels.contains_key(wanted),
        })
    }

    pub(super) fn lets_row(&self, row: &Listed, labels: &Labels) -> bool {
        self.labels(labels)
            && self.any("id", |id| row.container_id.as_str().starts_with(id))
            && self.any("name", |name| row.name.contains(name.trim_start_matches('/')))
            && self.any("status", |status| State::from_engine(status) == row.state)
    }

    pub(super) fn lets_line(&self, line: &Line) -> bool {
        self.any("type", |kind| line.kind == kind)
            && self.any("event", |verb| matches_verb(&line.verb, verb))
            && self.any("container", |text| {
                let id = line.container.as_str();
                (id.starts_with(text) && !text.is_empty())
                    || line.attributes.get("name").is_some_and(|name| name == text.trim_start_matches('/'))
            })
            && self.any("image", |image| line.attributes.get("image").is_some_and(|found| found == image))
            && self.labels(&line.attributes)
    }
}

/// A verb with something after a colon is also named by what stands before it.
fn matches_verb(verb: &str, wanted: &str) -> bool {
    verb == wanted || verb.split_once(": ").is_some_and(|(before, _)| before == wanted)
}
