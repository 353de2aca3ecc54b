//! How the releases of engines differ in what they say.

use crate::docker::fake::FakeEngine;

/// The newest form that an engine speaks. An older client is answered in its own, where the engine still knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Idiom {
    /// Docker 20.10.
    Api141,
    /// Docker 25 (26 says the same of what is served here).
    Api144,
    /// Docker 27.
    Api147,
    /// Docker 29: events have neither `status` nor `id` nor `from`, listings say the health.
    Api152,
    /// Podman 4.3: an id that is new at every call, its own words for events, errors with a cause.
    Podman,
}

/// The API version in which a request wants its answer, by its minor number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) idiom: Idiom,
    pub(super) minor: u32,
}

impl Idiom {
    pub const ALL: [Self; 5] = [Self::Api141, Self::Api144, Self::Api147, Self::Api152, Self::Podman];

    pub(super) fn number(self) -> u8 {
        self as u8
    }

    /// The engine's own version.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Self::Api141 => "20.10.24",
            Self::Api144 => "25.0.5",
            Self::Api147 => "27.5.1",
            Self::Api152 => "29.1.3",
            Self::Podman => "4.3.1",
        }
    }

    /// The newest API that it speaks.
    #[must_use]
    pub fn api(self) -> &'static str {
        match self {
            Self::Api141 | Self::Podman => "1.41",
            Self::Api144 => "1.44",
            Self::Api147 => "1.47",
            Self::Api152 => "1.52",
        }
    }

    /// The oldest that it still speaks.
    pub(super) fn oldest_api(self) -> &'static str {
        match self {
            Self::Api141 => "1.12",
            Self::Api144 | Self::Api147 | Self::Podman => "1.24",
            Self::Api152 => "1.44",
        }
    }

    /// Podman tells a stop before the death that it brings.
    pub(super) fn season(self, engine: &FakeEngine) {
        engine.change_weather(|weather| weather.stop_before_die |= self == Self::Podman);
    }

    /// The form for a request with this version in its path, or with none.
    ///
    /// # Errors
    /// The engine's sentence about a version that it does not speak.
    pub(super) fn form(self, asked: Option<&str>) -> Result<Form, String> {
        let newest = Form::newest(self).minor;
        let Some(text) = asked else { return Ok(Form::newest(self)) };
        let Some(minor_asked) = minor(text) else { return Err(format!("invalid version '{text}'")) };
        if self == Self::Podman {
            return Ok(Form { idiom: self, minor: newest.min(minor_asked) });
        }
        if minor_asked > newest {
            return Err(format!(
                "client version {text} is too new. Maximum supported API version is {}",
                self.api()
            ));
        }
        if minor(self.oldest_api()).is_some_and(|oldest| minor_asked < oldest) {
            return Err(format!(
                "client version {text} is too old. Minimum supported API version is {}, please upgrade your client to a newer version",
                self.oldest_api()
            ));
        }
        Ok(Form { idiom: self, minor: minor_asked })
    }
}

impl Form {
    /// Of a request that names no version.
    pub(super) fn newest(idiom: Idiom) -> Self {
        Self { idiom, minor: minor(idiom.api()).unwrap_or(0) }
    }

    pub(super) fn is_podman(self) -> bool {
        self.idiom == Idiom::Podman
    }

    /// `status`, `id` and `from` beside `Action` and `Actor`.
    pub(super) fn events_say_it_twice(self) -> bool {
        self.minor < 52
    }

    /// What takes the disk is told in summaries, one of a kind.
    pub(super) fn usage_is_summed_up(self) -> bool {
        self.minor >= 52
    }

    pub(super) fn listings_say_the_health(self) -> bool {
        self.minor >= 52
    }

    /// What Docker 20.10 cannot read it takes for a fault of its own.
    pub(super) fn unreadable(self) -> u16 {
        if self.idiom == Idiom::Api141 { 500 } else { 400 }
    }

    /// Of a log in frames. Older engines guess it from the first bytes; a newer one names it as old clients know it.
    pub(super) fn log_type(self, is_empty: bool) -> &'static str {
        match (self.idiom, self.minor) {
            (_, 42..) => "application/vnd.docker.multiplexed-stream",
            (Idiom::Api144 | Idiom::Api147 | Idiom::Api152, _) => "application/vnd.docker.raw-stream",
            (Idiom::Api141 | Idiom::Podman, _) if is_empty => "",
            (Idiom::Api141 | Idiom::Podman, _) => "application/octet-stream",
        }
    }

    pub(super) fn stream_type(self) -> &'static str {
        if self.minor >= 52 { "application/x-ndjson" } else { "application/json" }
    }
}

fn minor(version: &str) -> Option<u32> {
    let (major, minor) = version.split_once('.')?;
    (major == "1").then(|| minor.parse().ok()).flatten()
}
