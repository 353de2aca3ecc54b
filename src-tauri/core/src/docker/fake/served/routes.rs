//! What a request asks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hyper::{Method, Uri};

use super::filters::Filters;
use super::idiom::{Form, Idiom};
use super::mishaps::Question;
use super::replies::Reply;
use super::waiting::Until;

/// A request, understood.
#[derive(Debug, PartialEq)]
pub(super) enum Asked {
    Ping,
    Version,
    Info,
    List {
        all: bool,
        filters: Filters,
    },
    Inspect(String),
    /// The last so many lines; all of them where no number is named.
    Logs(String, u32),
    /// An inspect with sizes.
    Measure(String),
    Usage,
    Events {
        since: Option<String>,
        until: Option<String>,
        filters: Filters,
    },
    Create {
        name: String,
    },
    Wait(String, Until),
    Act(String, Act),
}

/// What is to be done to a container.
#[derive(Debug, PartialEq)]
pub(super) enum Act {
    Start,
    /// The grace in seconds, where one is named; below zero it is for ever.
    Stop(Option<i64>),
    Restart(Option<i64>),
    Kill(i32),
    Pause,
    Unpause,
    Rename(String),
    Update,
    Remove {
        force: bool,
    },
}

impl Asked {
    pub(super) fn question(&self) -> Question {
        match self {
            Self::Ping => Question::Ping,
            Self::Version => Question::Version,
            Self::Info => Question::Info,
            Self::List { .. } => Question::List,
            Self::Inspect(_) => Question::Inspect,
            Self::Logs(..) => Question::Logs,
            Self::Measure(_) => Question::Holdings,
            Self::Usage => Question::Usage,
            Self::Events { .. } => Question::Events,
            Self::Create { .. } | Self::Wait(..) => Question::Other,
            Self::Act(_, act) => match act {
                Act::Start => Question::Start,
                Act::Stop(_) => Question::Stop,
                Act::Restart(_) => Question::Restart,
                Act::Kill(_)
                | Act::Pause
                | Act::Unpause
                | Act::Rename(_)
                | Act::Update
                | Act::Remove { .. } => Question::Other,
            },
        }
    }
}

/// Reads a request's line.
///
/// # Errors
/// The engine's answer to what it does not serve or cannot read.
pub(super) fn read(method: &Method, uri: &Uri, idiom: Idiom) -> Result<(Form, Asked), Reply> {
    let parts: Vec<Cow<'_, str>> =
        uri.path().split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let mut parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    let version = parts.first().and_then(|first| first.strip_prefix('v')).filter(|text| text.contains('.'));
    if version.is_some() {
        parts.remove(0);
    }
    let newest = Form::newest(idiom);
    let form = idiom.form(version).map_err(|sentence| Reply::wrong_version(newest, &sentence))?;
    let query = Query::of(uri);
    let filters = || Filters::read(query.text("filters"), form);
    let asked = match (method, parts.as_slice()) {
        (&Method::GET | &Method::HEAD, ["_ping"]) => Asked::Ping,
        (&Method::GET, ["version"]) => Asked::Version,
        (&Method::GET, ["info"]) => Asked::Info,
        (&Method::GET, ["system", "df"]) => Asked::Usage,
        (&Method::GET, ["events"]) => Asked::Events {
            since: query.text("since").map(str::to_owned),
            until: query.text("until").map(str::to_owned),
            filters: filters()?,
        },
        (&Method::GET, ["containers", "json"]) => {
            let filters = filters()?;
            filters.knows_only(&["label", "id", "name", "status"], form)?;
            Asked::List { all: query.flag("all"), filters }
        }
        (&Method::GET, ["containers", name, "json"]) if query.flag("size") => {
            Asked::Measure((*name).to_owned())
        }
        (&Method::GET, ["containers", name, "json"]) => Asked::Inspect((*name).to_owned()),
        (&Method::GET, ["containers", name, "logs"]) => {
            if !query.flag("stdout") && !query.flag("stderr") {
                return Err(Reply::no_stream(form, uri.path()));
            }
            let most = query.text("tail").and_then(|tail| tail.parse().ok()).unwrap_or(u32::MAX);
            Asked::Logs((*name).to_owned(), most)
        }
        (&Method::POST, ["containers", "create"]) => {
            Asked::Create { name: query.text("name").unwrap_or_default().to_owned() }
        }
        (&Method::POST, ["containers", name, "wait"]) => match Until::read(query.text("condition"), idiom) {
            Some(until) => Asked::Wait((*name).to_owned(), until),
            None => return Err(Reply::refusal_of_all(form, 400, "invalid condition")),
        },
        (&Method::POST, ["containers", name, verb]) => {
            Asked::Act((*name).to_owned(), act(verb, &query, form)?)
        }
        (&Method::DELETE, ["containers", name]) => {
            Asked::Act((*name).to_owned(), Act::Remove { force: query.flag("force") })
        }
        _ => return Err(Reply::page_not_found(form)),
    };
    Ok((form, asked))
}

fn act(verb: &str, query: &Query, form: Form) -> Result<Act, Reply> {
    let grace = || match query.text("t").filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| {
            Reply::refusal(form, 400, &format!("strconv.Atoi: parsing \"{text}\": invalid syntax"))
        }),
    };
    match verb {
        "start" => Ok(Act::Start),
        "stop" => Ok(Act::Stop(grace()?)),
        "restart" => Ok(Act::Restart(grace()?)),
        "pause" => Ok(Act::Pause),
        "unpause" => Ok(Act::Unpause),
        // Podman 4 does not know it.
        "update" if !form.is_podman() => Ok(Act::Update),
        "rename" => match query.text("name").filter(|name| !name.is_empty()) {
            Some(name) => Ok(Act::Rename(name.trim_start_matches('/').to_owned())),
            None => Err(Reply::refusal(form, 400, "Neither old nor new names may be empty")),
        },
        "kill" => {
            let named = query.text("signal").filter(|signal| !signal.is_empty()).unwrap_or("KILL");
            match signal(named) {
                Some(number) => Ok(Act::Kill(number)),
                None => Err(Reply::refusal(form, 400, &format!("Invalid signal: {named}"))),
            }
        }
        _ => Err(Reply::page_not_found(form)),
    }
}

/// A signal by its number or its name, with or without `SIG`.
fn signal(text: &str) -> Option<i32> {
    const NAMES: [(&str, i32); 12] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ABRT", 6),
        ("KILL", 9),
        ("USR1", 10),
        ("USR2", 12),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
        ("CONT", 18),
        ("WINCH", 28),
    ];
    if let Ok(number) = text.parse() {
        return (1..=64).contains(&number).then_some(number);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

struct Query(BTreeMap<String, String>);

impl Query {
    fn of(uri: &Uri) -> Self {
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    let text = |part: &str| decoded(&part.replace('+', " ")).into_owned();
                    (text(key), text(value))
                })
                .collect(),
        )
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn flag(&self, key: &str) -> bool {
        self.text(key).is_some_and(|value| matches!(value, "1" | "true" | "True"))
    }
}

/// Without percent signs. What is no encoding stays as it is.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut done = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = (*byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                done.push(value);
                at += 3;
            }
            None => {
                done.push(*byte);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&done).into_owned())
}
