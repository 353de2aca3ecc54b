//! How a notice is said. Every text of others passes [`inert`] here, and only here.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::policy::{Down, Finding, StaleOne};
use super::{Notice, NoticeKind};
use crate::rules::dispatch::Workload;
use crate::rules::ids::{RowId, WorkloadId};
use crate::rules::text::{head, inert};
use crate::rules::verdict::Level;

/// Names of workloads, for those who are spoken of.
pub type Names = BTreeMap<WorkloadId, Workload>;

/// What one list of a digest names; the rest is counted.
const NAMED: usize = 5;
/// How much of one name is shown: a desktop shows two lines.
const NAME_BYTES: usize = 80;
/// How much of a sentence is shown.
const SENTENCE_BYTES: usize = 300;

const LOOK: &str = "Open Tinyforge to see each of them and what to do.";
const START_THEM: &str =
    "Start what is needed; with the restart policy `unless-stopped` the engine would have done so.";

/// What all notices have that is not words.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    pub id: u64,
    pub at: Timestamp,
}

/// One finding. `merged`: so many more were not told since the last notice of its workload.
pub fn single(stamp: Stamp, finding: &Finding, merged: u32, names: &Names) -> Notice {
    let more = match merged {
        0 => String::new(),
        more => format!(" {more} more since the last notice."),
    };
    let fix = finding.fix.as_deref().map(sentence);
    let why = match finding.kind {
        NoticeKind::Flapping => format!("It turns between good and bad every few seconds. {}", finding.text),
        _ => finding.text.clone(),
    };
    let body = format!("{} {}{more}", ended(&sentence(&why)), fix.clone().unwrap_or_default());
    Notice {
        id: stamp.id,
        at: stamp.at,
        kind: finding.kind,
        level: finding.kind.level(),
        title: format!("{} {}", place(&finding.workload, &finding.role, names), happened(finding.kind)),
        body: body.trim_end().to_owned(),
        workload: Some(name(&finding.workload, names)),
        role: Some(part(&finding.role)),
        workload_ids: vec![finding.workload.clone()],
        row_ids: vec![finding.row.clone()],
        cause: finding.cause,
        fix,
        target: container(&finding.row),
    }
}

/// Several at once. `absent`: they are of a time in which we did not run.
pub fn digest(stamp: Stamp, findings: &[&Finding], absent: bool, names: &Names) -> Notice {
    let workload_ids = workloads(findings.iter().map(|finding| &finding.workload));
    let need = format!("{} containers need you", findings.len());
    let title = match workload_ids.as_slice() {
        _ if absent => format!("While Tinyforge was not running: {need}"),
        [one] => format!("{}: {need}", name(one, names)),
        _ => need,
    };
    let told = findings.iter().map(|finding| {
        format!("{} {}", place(&finding.workload, &finding.role, names), happened(finding.kind))
    });
    Notice {
        id: stamp.id,
        at: stamp.at,
        kind: NoticeKind::Digest,
        level: findings.iter().map(|finding| finding.kind.level()).max().unwrap_or(Level::Info),
        title,
        body: format!("{}. {LOOK}", listed(told)),
        workload: only(&workload_ids, names),
        role: None,
        workload_ids,
        row_ids: findings.iter().map(|finding| finding.row.clone()).collect(),
        cause: None,
        fix: Some(LOOK.to_owned()),
        target: "#/containers".to_owned(),
    }
}

pub fn stale(stamp: Stamp, found: &[StaleOne], names: &Names) -> Notice {
    let workload_ids = workloads(found.iter().map(|one| &one.workload));
    let title = match found {
        [one] => format!("{} is stale", place(&one.workload, &one.role, names)),
        all => format!("{} containers have become stale", all.len()),
    };
    let told = found.iter().map(|one| {
        let days = if one.days == 1 { "1 day".to_owned() } else { format!("{} days", one.days) };
        format!("{} has not run for {days}", place(&one.workload, &one.role, names))
    });
    let fix = "Look at what they hold and remove what nobody needs.".to_owned();
    Notice {
        id: stamp.id,
        at: stamp.at,
        kind: NoticeKind::Stale,
        level: NoticeKind::Stale.level(),
        title,
        body: format!("{}. {fix}", listed(told)),
        workload: only(&workload_ids, names),
        role: found.first().filter(|_| found.len() == 1).map(|one| part(&one.role)),
        workload_ids,
        row_ids: found.iter().map(|one| one.row.clone()).collect(),
        cause: None,
        fix: Some(fix),
        target: "#/containers/stale".to_owned(),
    }
}

pub fn engine_gone(stamp: Stamp, since: Timestamp, reason: &str) -> Notice {
    let fix = "Start the engine; everything is looked at anew when it is back.".to_owned();
    let away = long(stamp.at, since);
    let body = format!("For {away} now: {} {fix}", ended(&sentence(reason)));
    of_the_engine(stamp, NoticeKind::EngineGone, "The engine does not answer", body, Some(fix), &[])
}

/// After it was told that it is gone.
pub fn engine_back(stamp: Stamp, away: (Timestamp, Timestamp), down: &[&Down], names: &Names) -> Notice {
    let (since, until) = away;
    let body = format!("It was away for {}. {}", long(until, since), what_came_back(down, names));
    of_the_engine(stamp, NoticeKind::EngineBack, "The engine is back", body, start_them(down), down)
}

pub fn engine_restarted(stamp: Stamp, down: &[&Down], names: &Names) -> Notice {
    let body = what_came_back(down, names);
    of_the_engine(stamp, NoticeKind::EngineRestarted, "The engine restarted", body, start_them(down), down)
}

pub fn after_pause(stamp: Stamp, unheard: u32) -> Notice {
    let things = if unheard == 1 { "1 thing".to_owned() } else { format!("{unheard} things") };
    let fix = "Open Tinyforge to see how everything is now.".to_owned();
    Notice {
        title: format!("{things} happened while notifications were paused"),
        target: "#/containers".to_owned(),
        ..of_the_engine(stamp, NoticeKind::AfterPause, "", fix.clone(), Some(fix), &[])
    }
}

fn of_the_engine(
    stamp: Stamp,
    kind: NoticeKind,
    title: &str,
    body: String,
    fix: Option<String>,
    down: &[&Down],
) -> Notice {
    let workload_ids = workloads(down.iter().map(|one| &one.workload));
    Notice {
        id: stamp.id,
        at: stamp.at,
        kind,
        level: if down.is_empty() { kind.level() } else { kind.level().max(Level::Warn) },
        title: title.to_owned(),
        body,
        workload: None,
        role: None,
        workload_ids,
        row_ids: down.iter().map(|one| one.row.clone()).collect(),
        cause: None,
        fix,
        target: match down {
            [] => "#/health".to_owned(),
            [one] => container(&one.row),
            _ => "#/containers".to_owned(),
        },
    }
}

fn what_came_back(down: &[&Down], names: &Names) -> String {
    if down.is_empty() {
        return "All that ran of your workloads runs again.".to_owned();
    }
    let told = down.iter().map(|one| place(&one.workload, &one.role, names));
    format!("Not running since: {}. {START_THEM}", listed(told))
}

fn start_them(down: &[&Down]) -> Option<String> {
    (!down.is_empty()).then(|| START_THEM.to_owned())
}

/// `shop/dev`.
fn place(workload: &WorkloadId, role: &str, names: &Names) -> String {
    let role = part(role);
    let name = name(workload, names);
    if role.is_empty() { name } else { format!("{name}/{role}") }
}

fn name(workload: &WorkloadId, names: &Names) -> String {
    part(names.get(workload).map_or(workload.as_str(), |known| known.name.as_str()))
}

fn only(workloads: &[WorkloadId], names: &Names) -> Option<String> {
    match workloads {
        [one] => Some(name(one, names)),
        _ => None,
    }
}

fn workloads<'a>(all: impl Iterator<Item = &'a WorkloadId>) -> Vec<WorkloadId> {
    let mut found: Vec<WorkloadId> = all.cloned().collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn happened(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Crashed => "crashed",
        NoticeKind::OutOfMemory => "ran out of memory",
        NoticeKind::CrashLooping => "keeps crashing",
        NoticeKind::Unhealthy => "is unhealthy",
        NoticeKind::Vanished => "is missing",
        NoticeKind::Flapping => "keeps flapping",
        NoticeKind::Stale => "is stale",
        NoticeKind::EngineGone
        | NoticeKind::EngineBack
        | NoticeKind::EngineRestarted
        | NoticeKind::Digest
        | NoticeKind::AfterPause => "needs you",
    }
}

/// The first few, what is said twice with its number, and how many more there are.
fn listed(all: impl Iterator<Item = String>) -> String {
    let mut different: Vec<(String, usize)> = vec![];
    for one in all {
        match different.iter_mut().find(|(known, _)| *known == one) {
            Some((_, times)) => *times += 1,
            None => different.push((one, 1)),
        }
    }
    let more: usize = different.iter().skip(NAMED).map(|(_, times)| times).sum();
    let mut said: Vec<String> = (different.into_iter().take(NAMED))
        .map(|(one, times)| if times == 1 { one } else { format!("{one} ({times} times)") })
        .collect();
    if more > 0 {
        said.push(format!("and {more} more"));
    }
    said.join(", ")
}

fn long(until: Timestamp, since: Timestamp) -> String {
    let seconds = Duration::try_from(until.duration_since(since)).unwrap_or_default().as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}

fn part(name: &str) -> String {
    head(&inert(name), NAME_BYTES).to_owned()
}

fn sentence(text: &str) -> String {
    head(&inert(text), SENTENCE_BYTES).to_owned()
}

fn ended(sentence: &str) -> String {
    let stop = if sentence.ends_with(['.', '!', '?']) || sentence.is_empty() { "" } else { "." };
    format!("{sentence}{stop}")
}

/// A row's id may hold what a label said: nothing of it steers an address.
fn container(row: &RowId) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let mut target = "#/containers?row=".to_owned();
    for byte in row.as_str().bytes() {
        if plain(byte) {
            target.push(char::from(byte));
        } else {
            target.push_str(&format!("%{byte:02X}"));
        }
    }
    target
}
