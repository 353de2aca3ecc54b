//! Pieces of text: times, sizes, and names made harmless. Pure.

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub use tinyforge_core::control::words::{bytes, count, milliseconds, span};

/// The same text without anything that steers a terminal or turns the reading direction: names, labels and the
/// engine's own words come from others. Control characters become their visible pictures.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// The same, no longer than a column may be: one name of thousands of letters must not widen every line of a table.
#[must_use]
pub fn brief(text: &str) -> String {
    const MOST: usize = 60;
    let mut letters = text.chars().map(visible);
    let head: String = letters.by_ref().take(MOST).collect();
    if letters.next().is_some() { head + "…" } else { head }
}

/// A JSON document in which whatever [`plain`] would replace is written as an escape: the same to a program, and
/// harmless on a terminal. JSON has such characters nowhere but within its strings; the line ends and spaces between
/// them stay.
#[must_use]
pub fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character == '\n' || visible(character) == character {
            text.push(character);
        } else {
            let mut units = [0; 2];
            text.extend(character.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

fn visible(character: char) -> char {
    match character {
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(character)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '\u{2421}',
        // C1 controls; soft hyphen; marks, embeddings and isolates of direction; separators; joiners; tags.
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

/// `3 min ago`; after 30 days the date.
#[must_use]
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second());
    match seconds {
        ..=-2 => "in the future".to_owned(),
        -1..1 => "now".to_owned(),
        1..2_592_000 => format!("{} ago", span(seconds.unsigned_abs())),
        _ => then.to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m-%d").to_string(),
    }
}

/// The clock's time in the user's zone, with the day.
#[must_use]
pub fn clock(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The same of a time that is read beside an earlier one: with the day only where it is another.
#[must_use]
pub fn clock_after(earlier: Timestamp, time: Timestamp, zone: &TimeZone) -> String {
    let then = time.to_zoned_datetime(zone.clone());
    if then.date() == earlier.to_zoned_datetime(zone.clone()).date() {
        return then.strftime("%H:%M:%S").to_string();
    }
    clock(time, zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_survives() {
        let cases = [
            ("shop-web_1", "shop-web_1"),
            ("größe 日本 👋", "größe 日本 👋"),
            ("a\x1b[31mred", "a␛[31mred"),
            ("two\nlines\ttab", "two␊lines␉tab"),
            ("\x7f\u{9b}31m", "␡\u{fffd}31m"),
            ("abc\u{202e}fed", "abc\u{fffd}fed"),
            ("\u{2066}x\u{2069}\u{200b}", "\u{fffd}x\u{fffd}\u{fffd}"),
        ];
        for (text, expected) in cases {
            assert_eq!(plain(text), expected, "{text:?}");
        }
        for character in (0..=0x10_ffff).filter_map(char::from_u32) {
            assert!(!plain(&character.to_string()).contains(char::is_control), "{character:?}");
        }
    }

    #[test]
    fn the_day_is_told_again_only_where_it_is_another() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let east = TimeZone::fixed(jiff::tz::offset(2));
        let (before, midnight) = (at("2026-05-10T21:59:59Z"), at("2026-05-10T22:00:00Z"));
        assert_eq!(clock_after(before, midnight, &TimeZone::UTC), "22:00:00");
        assert_eq!(clock_after(before, midnight, &east), "2026-05-11 00:00:00");
    }

    #[test]
    fn a_json_document_says_the_same_and_steers_no_terminal() {
        let hostile: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        let document = serde_json::json!({ "name": hostile, "deep": [{ "\u{202e}key": "\u{9b}31m" }] });
        for text in
            [serde_json::to_string(&document).unwrap(), serde_json::to_string_pretty(&document).unwrap()]
        {
            let written = escaped(&text);
            assert!(written.chars().all(|c| c == '\n' || visible(c) == c));
            assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), document);
        }
    }

    #[test]
    fn times_are_told_as_one_would_say_them() {
        let now: Timestamp = "2026-05-10T12:00:00Z".parse().unwrap();
        let cases = [
            ("2026-05-10T12:00:00Z", "now"),
            ("2026-05-10T12:00:01Z", "now"),
            ("2026-05-10T12:01:00Z", "in the future"),
            ("2026-05-10T11:59:59Z", "1 s ago"),
            ("2026-05-10T11:59:00Z", "1 min ago"),
            ("2026-05-10T11:00:01Z", "59 min ago"),
            ("2026-05-10T11:00:00Z", "1 h ago"),
            ("2026-05-09T12:00:00Z", "1 d ago"),
            ("2026-04-11T12:00:00Z", "29 d ago"),
            ("2026-04-10T12:00:00Z", "2026-04-10"),
            ("1970-01-01T00:00:00Z", "1970-01-01"),
        ];
        for (then, expected) in cases {
            assert_eq!(ago(then.parse().unwrap(), now), expected, "{then}");
        }
    }
}
