//! Domain words as the tables hold them, and back. A word that no version of ours wrote reads as the total answer
//! of its kind, never as an error: a row must always be readable.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Row as SqlRow, RowIndex};

use super::error::Sql;
use crate::rules::cause::Cause;
use crate::rules::container::Port;
use crate::rules::diff::Field;
use crate::rules::time;

pub(super) fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Own => "own",
        Cause::Foreign => "foreign",
        Cause::Compose => "compose",
        Cause::Exit => "exit",
        Cause::Oom => "oom",
        Cause::EngineRestart => "engine_restart",
        Cause::Sleep => "sleep",
        Cause::Unknown => "unknown",
    }
}

pub(super) fn cause_of(word: &str) -> Cause {
    match word {
        "own" => Cause::Own,
        "foreign" => Cause::Foreign,
        "compose" => Cause::Compose,
        "exit" => Cause::Exit,
        "oom" => Cause::Oom,
        "engine_restart" => Cause::EngineRestart,
        "sleep" => Cause::Sleep,
        _ => Cause::Unknown,
    }
}

pub(super) fn field(field: Field) -> &'static str {
    match field {
        Field::State => "state",
        Field::Health => "health",
        Field::Image => "image",
        Field::Name => "name",
    }
}

pub(super) fn field_of(word: &str) -> Option<Field> {
    [Field::State, Field::Health, Field::Image, Field::Name].into_iter().find(|f| field(*f) == word)
}

pub(super) fn time_text(t: Timestamp) -> String {
    time::text(time::micros(t))
}

pub(super) fn ports_text(ports: &[Port]) -> String {
    serde_json::to_string(ports).unwrap_or_else(|_| "[]".to_owned())
}

pub(super) fn times_text(times: &[Timestamp]) -> String {
    let texts: Vec<String> = times.iter().copied().map(time_text).collect();
    serde_json::to_string(&texts).unwrap_or_else(|_| "[]".to_owned())
}

pub(super) fn map_text(map: &BTreeMap<String, String>) -> String {
    serde_json::to_string(map).unwrap_or_else(|_| "{}".to_owned())
}

/// Reads of one column, in our types.
pub(super) trait Columns {
    fn time<I: RowIndex + Copy>(&self, column: I) -> Sql<Timestamp>;
    fn maybe_time<I: RowIndex + Copy>(&self, column: I) -> Sql<Option<Timestamp>>;
    fn times<I: RowIndex + Copy>(&self, column: I) -> Sql<Vec<Timestamp>>;
    fn json<T: serde::de::DeserializeOwned, I: RowIndex + Copy>(&self, column: I) -> Sql<T>;
    fn count<I: RowIndex + Copy>(&self, column: I) -> Sql<u64>;
}

impl Columns for SqlRow<'_> {
    fn time<I: RowIndex + Copy>(&self, column: I) -> Sql<Timestamp> {
        let text: String = self.get(column)?;
        time::parse(&text).ok_or_else(|| unreadable(format!("{text:?} is not a time")))
    }

    fn maybe_time<I: RowIndex + Copy>(&self, column: I) -> Sql<Option<Timestamp>> {
        let text: Option<String> = self.get(column)?;
        match text {
            None => Ok(None),
            Some(text) => {
                time::parse(&text).map(Some).ok_or_else(|| unreadable(format!("{text:?} is not a time")))
            }
        }
    }

    fn times<I: RowIndex + Copy>(&self, column: I) -> Sql<Vec<Timestamp>> {
        let texts: Vec<String> = self.json(column)?;
        let parsed =
            |text: &String| time::parse(text).ok_or_else(|| unreadable(format!("{text:?} is not a time")));
        texts.iter().map(parsed).collect()
    }

    fn json<T: serde::de::DeserializeOwned, I: RowIndex + Copy>(&self, column: I) -> Sql<T> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|e| unreadable(e.to_string()))
    }

    fn count<I: RowIndex + Copy>(&self, column: I) -> Sql<u64> {
        let number: i64 = self.get(column)?;
        Ok(u64::try_from(number).unwrap_or(0))
    }
}

fn unreadable(why: String) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, why.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_and_the_faces_use_the_same_words() {
        for c in [
            Cause::Own,
            Cause::Foreign,
            Cause::Compose,
            Cause::Exit,
            Cause::Oom,
            Cause::EngineRestart,
            Cause::Sleep,
            Cause::Unknown,
        ] {
            assert_eq!(serde_json::to_value(c).unwrap(), cause(c));
            assert_eq!(cause_of(cause(c)), c);
        }
        for f in [Field::State, Field::Health, Field::Image, Field::Name] {
            assert_eq!(serde_json::to_value(f).unwrap(), field(f));
            assert_eq!(field_of(field(f)), Some(f));
        }
    }
}
