//! The table `settings`, and the one list of what can be set.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::error::{During as _, Sql, StoreError};
use super::executor::Done;
use super::words::time_text;
use crate::events::Event;

/// What can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    pub key: &'static str,
    pub default: &'static str,
    pub explanation: &'static str,
    pub allowed: Allowed,
}

/// Which values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    Number { least: u32, most: u32 },
    Switch,
}

const PASS_INTERVAL_S: &str = "pass_interval_s";
const STALE_THRESHOLD_DAYS: &str = "stale_threshold_days";
const CLOSE_TO_TRAY: &str = "close_to_tray";
const NOTIFICATIONS: &str = "notifications";
const BACKUP_KEEP: &str = "backup_keep";
const HISTORY_DAYS: &str = "history_days";
const HISTORY_CHANGES: &str = "history_changes";
const USE_KEYRING: &str = "use_keyring";

/// How many copies are kept unless the setting says otherwise.
pub(super) const BACKUPS_KEPT: u32 = 7;

/// Every setting there is, in the order in which they are shown.
pub const KNOWN: &[Known] = &[
    Known {
        key: STALE_THRESHOLD_DAYS,
        default: "7",
        explanation: "Days after which a container that does not run counts as stale; 0 for no threshold: at once",
        allowed: Allowed::Number { least: 0, most: 3650 },
    },
    Known {
        key: PASS_INTERVAL_S,
        default: "30",
        explanation: "Seconds between two full passes over the engine's containers",
        allowed: Allowed::Number { least: 1, most: 600 },
    },
    Known {
        key: CLOSE_TO_TRAY,
        default: "true",
        explanation: "Whether closing the window keeps Tinyforge running in the tray",
        allowed: Allowed::Switch,
    },
    Known {
        key: NOTIFICATIONS,
        default: "true",
        explanation: "Whether anything is notified at all",
        allowed: Allowed::Switch,
    },
    Known {
        key: BACKUP_KEEP,
        default: "7",
        explanation: "How many copies of the database are kept",
        allowed: Allowed::Number { least: 1, most: 100 },
    },
    Known {
        key: HISTORY_DAYS,
        default: "365",
        explanation: "Days for which the history of containers is kept",
        allowed: Allowed::Number { least: 1, most: 3650 },
    },
    Known {
        key: HISTORY_CHANGES,
        default: "1000000",
        explanation: "How many changes the history keeps at most, whatever their age",
        allowed: Allowed::Number { least: 1_000, most: 10_000_000 },
    },
    Known {
        key: USE_KEYRING,
        default: "true",
        explanation: "Whether the key of secrets is made in the session's keyring where one is unlocked, else in a file \
            of the data folder; what was made stays where it is",
        allowed: Allowed::Switch,
    },
];

/// One setting as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub key: &'static str,
    pub value: String,
    pub default: &'static str,
    pub explanation: &'static str,
}

/// All settings, in the types of those who read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub pass_interval: Duration,
    /// `None`: no threshold. Whatever does not run is stale.
    pub stale_threshold_days: Option<u32>,
    pub close_to_tray: bool,
    pub notifications: bool,
    pub backup_keep: u32,
    pub history_days: u32,
    pub history_changes: u32,
    pub use_keyring: bool,
}

impl Allowed {
    /// The value as it is stored, or what is allowed instead.
    fn check(self, value: &str) -> Result<String, String> {
        let value = value.trim();
        match self {
            Self::Number { least, most } => match value.parse::<u32>() {
                Ok(number) if (least..=most).contains(&number) => Ok(number.to_string()),
                _ => Err(format!("a whole number from {least} to {most} is allowed")),
            },
            Self::Switch => match value.to_ascii_lowercase().as_str() {
                "true" | "on" | "yes" | "1" => Ok("true".to_owned()),
                "false" | "off" | "no" | "0" => Ok("false".to_owned()),
                _ => Err("true or false is allowed".to_owned()),
            },
        }
    }
}

impl Known {
    /// The stored value; the default where there is none, or one that is no longer allowed.
    fn of(&'static self, stored: &BTreeMap<String, String>) -> Setting {
        let value = stored.get(self.key).and_then(|value| self.allowed.check(value).ok());
        Setting {
            key: self.key,
            value: value.unwrap_or_else(|| self.default.to_owned()),
            default: self.default,
            explanation: self.explanation,
        }
    }
}

impl Settings {
    fn of(settings: &[Setting]) -> Self {
        let value = |key: &str| settings.iter().find(|s| s.key == key).map_or("", |s| s.value.as_str());
        let number = |key: &str| value(key).parse::<u32>().unwrap_or(0);
        Self {
            pass_interval: Duration::from_secs(number(PASS_INTERVAL_S).into()),
            stale_threshold_days: Some(number(STALE_THRESHOLD_DAYS)).filter(|days| *days > 0),
            close_to_tray: value(CLOSE_TO_TRAY) == "true",
            notifications: value(NOTIFICATIONS) == "true",
            backup_keep: number(BACKUP_KEEP),
            history_days: number(HISTORY_DAYS),
            history_changes: number(HISTORY_CHANGES),
            use_keyring: value(USE_KEYRING) == "true",
        }
    }
}

pub(super) fn known(key: &str) -> Result<&'static Known, StoreError> {
    KNOWN.iter().find(|known| known.key == key).ok_or_else(|| {
        let known: Vec<_> = KNOWN.iter().map(|known| known.key).collect();
        StoreError::NoSuchSetting { key: key.to_owned(), known: known.join(", ") }
    })
}

pub(super) fn all(db: &Connection) -> Result<Vec<Setting>, StoreError> {
    let stored = stored(db).during("reading the settings")?;
    Ok(KNOWN.iter().map(|known| known.of(&stored)).collect())
}

pub(super) fn typed(db: &Connection) -> Result<Settings, StoreError> {
    Ok(Settings::of(&all(db)?))
}

/// Writes, and announces, only what changes something.
pub(super) fn set(
    db: &Connection,
    known: &'static Known,
    value: &str,
    now: Timestamp,
) -> Result<Done<Setting>, StoreError> {
    const SET: &str = "writing a setting";
    let checked = known.allowed.check(value).map_err(|allowed| StoreError::BadSetting {
        key: known.key.to_owned(),
        value: value.to_owned(),
        allowed,
    })?;
    let before = known.of(&stored(db).during(SET)?);
    if before.value == checked {
        return Ok(Done::quietly(before));
    }
    write(db, known.key, &checked, now).during(SET)?;
    let event = Event::SettingChanged { key: known.key.to_owned() };
    Ok(Done { answer: Setting { value: checked, ..before }, announce: vec![event] })
}

fn stored(db: &Connection) -> Sql<BTreeMap<String, String>> {
    db.prepare_cached("SELECT key, value FROM settings")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

fn write(db: &Connection, key: &str, value: &str, now: Timestamp) -> Sql<()> {
    db.prepare_cached(
        "INSERT INTO settings (key, value, updated_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at",
    )?
    .execute(params![key, value, time_text(now)])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_allowed_and_reads_back() {
        for known in KNOWN {
            assert_eq!(known.allowed.check(known.default).as_deref(), Ok(known.default), "{}", known.key);
        }
        let settings = Settings::of(&KNOWN.iter().map(|k| k.of(&BTreeMap::new())).collect::<Vec<_>>());
        assert_eq!(settings.pass_interval, Duration::from_secs(30));
        assert_eq!(settings.stale_threshold_days, Some(7));
        assert!(settings.close_to_tray && settings.notifications);
        assert_eq!(settings.backup_keep, 7);
    }

    #[test]
    fn a_value_is_checked_and_brought_into_one_form() {
        let days = known("stale_threshold_days").unwrap().allowed;
        assert_eq!(days.check(" 012 ").as_deref(), Ok("12"));
        for bad in ["", "-1", "1.5", "seven", "99999", "99999999999999999999"] {
            assert!(days.check(bad).is_err_and(|allowed| allowed.contains("0 to 3650")), "{bad}");
        }
        let tray = known("close_to_tray").unwrap().allowed;
        assert_eq!(tray.check("Off").as_deref(), Ok("false"));
        assert!(tray.check("maybe").is_err());
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_known_ones() {
        let error = known("stale").unwrap_err().to_string();
        assert!(error.contains("stale_threshold_days") && error.contains("backup_keep"), "{error}");
    }
}
