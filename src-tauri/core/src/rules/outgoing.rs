//! The outgoing webhook: which addresses it never speaks to, what it says, and when it says it again.
//!
//! A receiver tells a message of ours by its signature, which covers the whole body. The body holds the moment at which
//! it was sent, so that an old message that somebody repeats is told by its age, and the delivery's id, which is the same
//! in every retry, so that a message that came twice is told by that.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::notice::Notice;
use super::verdict::Level;

/// Why an address is never spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Where a cloud hands out its machines' credentials to whoever asks.
    Metadata,
    /// Reached without any routing: the next machine on the wire, and where metadata is served.
    LinkLocal,
    Unspecified,
    Multicast,
    Broadcast,
}

impl Refusal {
    /// What kind of address it is, in a sentence's middle.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Metadata => "a cloud's metadata address",
            Self::LinkLocal => "a link-local address",
            Self::Unspecified => "no address of any machine",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "a broadcast address",
        }
    }
}

/// Where clouds serve metadata outside of the link-local addresses: Alibaba, Azure's wire server, Oracle's classic cloud.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];

/// And the one of them that has a well-known place among the link-local ones, to be told by its right name.
const METADATA_LINK_LOCAL: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// Amazon's and Google's.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// Names under which they are served, whatever they resolve to here.
const METADATA_NAMES: [&str; 5] =
    ["metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"];

/// Whether an address is never spoken to. Loopback and private networks are: that is where a developer's receivers are.
#[must_use]
pub fn refused(address: IpAddr) -> Option<Refusal> {
    match address {
        IpAddr::V4(v4) => refused_v4(v4),
        IpAddr::V6(v6) => refused_v6(v6),
    }
}

/// Whether a host is never asked for, by its name alone.
#[must_use]
pub fn refused_name(host: &str) -> Option<Refusal> {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    METADATA_NAMES.contains(&name.as_str()).then_some(Refusal::Metadata)
}

fn refused_v4(v4: Ipv4Addr) -> Option<Refusal> {
    if v4 == METADATA_LINK_LOCAL || METADATA_V4.contains(&v4) {
        Some(Refusal::Metadata)
    } else if v4.is_link_local() {
        Some(Refusal::LinkLocal)
    } else if v4.octets()[0] == 0 {
        // The whole block means "this network"; some systems take any of it for themselves.
        Some(Refusal::Unspecified)
    } else if v4.is_multicast() {
        Some(Refusal::Multicast)
    } else if v4.is_broadcast() {
        Some(Refusal::Broadcast)
    } else {
        None
    }
}

fn refused_v6(v6: Ipv6Addr) -> Option<Refusal> {
    if METADATA_V6.contains(&v6) {
        Some(Refusal::Metadata)
    } else if v6.is_unspecified() {
        Some(Refusal::Unspecified)
    } else if v6.is_multicast() {
        Some(Refusal::Multicast)
    } else if v6.segments()[0] & 0xffc0 == 0xfe80 {
        Some(Refusal::LinkLocal)
    } else if v6.is_loopback() {
        None
    } else {
        carried_v4(v6).and_then(refused_v4)
    }
}

/// The address of the older kind that one of the newer leads to: mapped, compatible, translated, or by 6to4.
fn carried_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = v6.segments();
    let at = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        | [0x2002, high, low, ..] => Some(at(high, low)),
        _ => None,
    }
}

/// How long after each try the next one comes. Together over an hour: a receiver that is being deployed, or restarted
/// with its machine, misses nothing.
pub const BACKOFF: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
    Duration::from_secs(3_600),
];

/// The longest wait that a receiver may ask for.
pub const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3_600);

/// What came of one try, as far as it decides what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It answered with this status, and asked to be left alone until then.
    Answered { status: u16, retry_after: Option<Duration> },
    /// Nothing was answered: it may be otherwise next time.
    Unreached,
    /// It would be the same next time.
    Refused,
}

/// What follows upon a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Delivered,
    Again(Duration),
    GivenUp,
}

/// `tries` counts the one whose outcome it is.
#[must_use]
pub fn then(outcome: Outcome, tries: u32) -> Then {
    let (may_pass, asked) = match outcome {
        Outcome::Answered { status: 200..=299, .. } => return Then::Delivered,
        Outcome::Answered { status, retry_after } => (is_passing(status), retry_after),
        Outcome::Unreached => (true, None),
        Outcome::Refused => (false, None),
    };
    let next = usize::try_from(tries).ok().and_then(|tries| BACKOFF.get(tries.saturating_sub(1)));
    match next {
        Some(own) if may_pass => Then::Again(asked.map_or(*own, |asked| asked.min(LONGEST_WAIT).max(*own))),
        Some(_) | None => Then::GivenUp,
    }
}

/// Whether a status tells of a trouble that passes by itself.
fn is_passing(status: u16) -> bool {
    matches!(status, 429 | 500..=599)
}

/// What a `Retry-After` asks for: seconds, or a moment.
#[must_use]
pub fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(header).ok()?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default())
}

/// What is said of a notice. It says who and what, never an environment, a log or a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// One word for programs: `crashed`, `test`.
    pub event: String,
    /// When it happened.
    pub at: Timestamp,
    pub title: String,
    pub body: String,
    pub level: String,
    pub workload_name: Option<String>,
    pub role: Option<String>,
    pub containers: Vec<String>,
    pub cause: Option<String>,
    pub fix: Option<String>,
    /// The machine that says it.
    pub host: String,
}

impl Letter {
    /// `containers` are the names of those that the notice is about.
    #[must_use]
    pub fn of(notice: &Notice, containers: Vec<String>, host: String) -> Self {
        Self {
            event: notice.kind.as_str().to_owned(),
            at: notice.at,
            title: notice.title.clone(),
            body: notice.body.clone(),
            level: notice.level.as_str().to_owned(),
            workload_name: notice.workload.clone(),
            role: notice.role.clone(),
            containers,
            cause: notice.cause.map(|cause| cause.as_str().to_owned()),
            fix: notice.fix.clone(),
            host,
        }
    }

    /// To try whether a receiver takes what is sent.
    #[must_use]
    pub fn test(now: Timestamp, host: String) -> Self {
        Self {
            event: TEST.to_owned(),
            at: now,
            title: format!("A test from {host}"),
            body: "This is what a notification of Tinyforge looks like. Nothing has happened.".to_owned(),
            level: Level::Info.as_str().to_owned(),
            workload_name: None,
            role: None,
            containers: Vec::new(),
            cause: None,
            fix: None,
            host,
        }
    }
}

/// The event of a letter that somebody asked for.
pub const TEST: &str = "test";

/// A letter as it goes out: with the delivery it is of and the moment at which it is sent, under the signature.
#[derive(Debug, Serialize)]
struct Sent<'a> {
    delivery: &'a str,
    sent_at: Timestamp,
    #[serde(flatten)]
    letter: &'a serde_json::Value,
}

/// The body of one try. `letter` is one that was kept; `None` where it is no object.
#[must_use]
pub fn body(letter: &str, delivery: &str, now: Timestamp) -> Option<Vec<u8>> {
    let letter: serde_json::Value = serde_json::from_str(letter).ok().filter(serde_json::Value::is_object)?;
    serde_json::to_vec(&Sent { delivery, sent_at: now, letter: &letter }).ok()
}

#[cfg(test)]
#[path = "outgoing_tests.rs"]
mod tests;
