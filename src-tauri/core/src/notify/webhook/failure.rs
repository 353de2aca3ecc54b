//! Why something was not delivered, in our words, and what can be done.

use core::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::rules::outgoing::{Outcome, Refusal};
use crate::rules::text;

/// The longest text of another program's that is shown.
const LONGEST_QUOTE: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It was not even tried.
    Refused {
        host: String,
        address: Option<IpAddr>,
        why: Refusal,
    },
    NoAddress {
        host: String,
        reason: String,
    },
    Unreached {
        address: SocketAddr,
        reason: String,
    },
    Tls {
        host: String,
        reason: String,
    },
    Slow {
        limit: Duration,
    },
    Broken {
        reason: String,
    },
    Redirected {
        status: u16,
        to: Option<String>,
    },
    Status {
        status: u16,
        retry_after: Option<Duration>,
    },
    /// Its secrets cannot be had.
    Sealed(String),
    NotSent(String),
}

impl Failure {
    /// What it decides.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Status { status, retry_after } => {
                Outcome::Answered { status: *status, retry_after: *retry_after }
            }
            Self::Redirected { status, .. } => Outcome::Answered { status: *status, retry_after: None },
            Self::NoAddress { .. }
            | Self::Unreached { .. }
            | Self::Tls { .. }
            | Self::Slow { .. }
            | Self::Broken { .. }
            | Self::Sealed(_) => Outcome::Unreached,
            Self::Refused { .. } | Self::NotSent(_) => Outcome::Refused,
        }
    }

    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } | Self::Redirected { status, .. } => Some(*status),
            Self::Refused { .. }
            | Self::NoAddress { .. }
            | Self::Unreached { .. }
            | Self::Tls { .. }
            | Self::Slow { .. }
            | Self::Broken { .. }
            | Self::Sealed(_)
            | Self::NotSent(_) => None,
        }
    }

    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Refused { host, address: Some(address), why } if host != &address.to_string() => {
                format!("{host} is {address}, {}, which is never sent to", why.words())
            }
            Self::Refused { host, why, .. } => format!("{host} is {}, which is never sent to", why.words()),
            Self::NoAddress { host, reason } => format!("no address of {host} was found: {}", quote(reason)),
            Self::Unreached { address, reason } => {
                format!("{address} could not be reached: {}", quote(reason))
            }
            Self::Tls { host, reason } => {
                format!("no trusted connection to {host} could be made: {}", quote(reason))
            }
            Self::Slow { limit } => format!("there was no answer within {} s", limit.as_secs()),
            Self::Broken { reason } => format!("the receiver did not answer: {}", quote(reason)),
            Self::Redirected { status, to } => {
                let to = to.as_deref().map(|to| format!(" to {}", origin(to))).unwrap_or_default();
                format!(
                    "the receiver answered {status}: it sends elsewhere{to}, and redirects are not followed"
                )
            }
            Self::Status { status, .. } => format!("the receiver answered {status}"),
            Self::Sealed(reason) => reason.clone(),
            Self::NotSent(reason) => format!("it could not be sent: {}", quote(reason)),
        }
    }

    #[must_use]
    pub fn cure(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "Set the URL of a receiver of your own.",
            Self::NoAddress { .. } => "Check the host's name in the URL, and this machine's name servers.",
            Self::Unreached { .. } => "Check that the receiver runs, its port, and what lies between.",
            Self::Tls { .. } => {
                "Check the receiver's certificate and its name; an authority of your own belongs into the system's \
                 store of certificates."
            }
            Self::Slow { .. } => "Let the receiver answer at once and work afterwards.",
            Self::Broken { .. } => {
                "Check that the port is one that speaks HTTP, and https where it is encrypted."
            }
            Self::Redirected { .. } => "Set the URL that it leads to.",
            Self::Status { status: 401 | 403, .. } => {
                "Check the token in the URL, and that the receiver has the same secret."
            }
            Self::Status { status: 404 | 410, .. } => "Check the path of the URL.",
            Self::Status { status: 429, .. } => "The receiver wants fewer messages; it is tried again later.",
            Self::Status { status: 500..=599, .. } => {
                "Look at the receiver's own log; it is tried again later."
            }
            Self::Status { .. } => "Look at the receiver's own log.",
            Self::Sealed(_) => "Set the webhook again where its key is lost for good.",
            Self::NotSent(_) => "Set the webhook again.",
        }
    }
}

/// What another program wrote; faces make it harmless.
fn quote(text: &str) -> &str {
    text::first_line(text, LONGEST_QUOTE)
}

/// Where it leads to, without a path: that may hold a token.
fn origin(to: &str) -> String {
    match url::Url::parse(to) {
        Ok(url) => url.origin().ascii_serialization(),
        Err(_) => "another path".to_owned(),
    }
}
