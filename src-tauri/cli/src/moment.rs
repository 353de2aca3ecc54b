//! The moment that a user means by "14:30" or "2h ago".

use jiff::civil::{DateTime, Time};
use jiff::{Span, Timestamp, ZonedDateTime};

/// Understood in the zone of `now`, unless the text itself says one. Only moments that have been.
pub fn parse(text: &str, now: &ZonedDateTime) -> Result<Timestamp, String> {
    let text = text.trim();
    let moment = meant(text, now).ok_or_else(|| {
        format!(
            "{text:?} is not a time; say 14:30, \"2h ago\", 10m, \"2026-05-01 14:30\" or 2026-05-01T14:30:00Z"
        )
    })?;
    if moment > now.timestamp() {
        return Err(format!("{text:?} lies in the future ({moment}); only what has been can be shown"));
    }
    Ok(moment)
}

/// A moment that is still to come: `14:30` is the next time that the clock reads so, and a span counts from now.
pub fn parse_ahead(text: &str, now: &ZonedDateTime) -> Result<Timestamp, String> {
    let text = text.trim();
    let moment = text
        .parse::<Timestamp>()
        .ok()
        .or_else(|| next_time_of_day(text, now))
        .or_else(|| date(text, now))
        .ok_or_else(|| {
            format!("{text:?} is not a time; say 14:30, \"2026-05-01 14:30\" or 2026-05-01T14:30:00Z")
        })?;
    if moment <= now.timestamp() {
        return Err(format!("{text:?} is over already ({moment})"));
    }
    Ok(moment)
}

fn next_time_of_day(text: &str, now: &ZonedDateTime) -> Option<Timestamp> {
    let latest = time_of_day(text, now)?.to_zoned_datetime(now.time_zone().clone());
    Some(latest.checked_add(jiff::ToSpan::day(1)).ok()?.timestamp())
}

fn meant(text: &str, now: &ZonedDateTime) -> Option<Timestamp> {
    if text == "now" {
        return Some(now.timestamp());
    }
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| time_of_day(text, now))
        .or_else(|| date(text, now))
        .or_else(|| so_long_ago(text, now))
}

/// The latest time of the clock that reads so: one that is still to come today was yesterday.
fn time_of_day(text: &str, now: &ZonedDateTime) -> Option<Timestamp> {
    let digits_and_colons = text.contains(':') && text.bytes().all(|b| b.is_ascii_digit() || b == b':');
    let time: Time = digits_and_colons.then(|| two_digit_hour(text)).flatten()?.parse().ok()?;
    let of = |day: jiff::civil::Date| day.to_datetime(time).to_zoned_datetime(now.time_zone().clone()).ok();
    let today = of(now.date())?;
    if today <= *now { Some(today.timestamp()) } else { Some(of(now.date().yesterday().ok()?)?.timestamp()) }
}

/// `9:05` is written as often as `09:05`.
fn two_digit_hour(text: &str) -> Option<String> {
    let (hour, _) = text.split_once(':')?;
    Some(if hour.len() == 1 { format!("0{text}") } else { text.to_owned() })
}

fn date(text: &str, now: &ZonedDateTime) -> Option<Timestamp> {
    let begins_with_a_year = text.bytes().take(5).collect::<Vec<_>>();
    let [a, b, c, d, b'-'] = begins_with_a_year.as_slice() else { return None };
    if ![a, b, c, d].into_iter().all(u8::is_ascii_digit) {
        return None;
    }
    let moment: DateTime = text.parse().ok()?;
    Some(moment.to_zoned_datetime(now.time_zone().clone()).ok()?.timestamp())
}

/// `2h ago` and `2h` both look back: there is no future to show.
fn so_long_ago(text: &str, now: &ZonedDateTime) -> Option<Timestamp> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let span: Span = text.parse().ok()?;
    Some(now.checked_sub(span.abs()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> ZonedDateTime {
        "2026-05-10T12:00:00+02:00[Europe/Berlin]".parse().unwrap()
    }

    #[test]
    fn every_way_of_saying_a_time_is_understood() {
        let cases = [
            ("2026-05-01T14:30:00Z", "2026-05-01T14:30:00Z"),
            ("2026-05-01T14:30:00+02:00", "2026-05-01T12:30:00Z"),
            ("2026-05-01 14:30", "2026-05-01T12:30:00Z"),
            ("2026-05-01T14:30", "2026-05-01T12:30:00Z"),
            ("2026-05-01 14:30:05", "2026-05-01T12:30:05Z"),
            ("2026-05-01", "2026-04-30T22:00:00Z"),
            ("11:30", "2026-05-10T09:30:00Z"),
            ("11:30:15", "2026-05-10T09:30:15Z"),
            ("9:05", "2026-05-10T07:05:00Z"),
            ("12:00", "2026-05-10T10:00:00Z"),
            ("2h ago", "2026-05-10T08:00:00Z"),
            ("2 h ago", "2026-05-10T08:00:00Z"),
            ("10m", "2026-05-10T09:50:00Z"),
            ("90s", "2026-05-10T09:58:30Z"),
            ("1h 30m ago", "2026-05-10T08:30:00Z"),
            ("3 days ago", "2026-05-07T10:00:00Z"),
            ("2 weeks ago", "2026-04-26T10:00:00Z"),
            (" now ", "2026-05-10T10:00:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, &now()).map(|t| t.to_string()), Ok(expected.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn a_time_of_day_that_is_still_to_come_was_yesterday() {
        assert_eq!(parse("23:50", &now()).unwrap().to_string(), "2026-05-09T21:50:00Z");
    }

    #[test]
    fn a_time_of_day_counts_across_the_clock_change() {
        let after_the_change: ZonedDateTime = "2026-03-29T12:00:00+02:00[Europe/Berlin]".parse().unwrap();
        assert_eq!(parse("01:30", &after_the_change).unwrap().to_string(), "2026-03-29T00:30:00Z");
        assert_eq!(parse("03:30", &after_the_change).unwrap().to_string(), "2026-03-29T01:30:00Z");
    }

    #[test]
    fn what_is_no_time_is_told_with_what_would_be() {
        for text in [
            "",
            "yesterdy",
            "25:00",
            "12:61",
            "2h from now",
            "-2h",
            "+2h",
            "2026-13-01",
            "12",
            "1:2:3:4",
            "👋",
        ] {
            let error = parse(text, &now()).expect_err(text);
            assert!(error.contains("2h ago"), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_future_is_told_apart() {
        for text in ["2030-01-01", "2026-05-10T10:00:01Z"] {
            assert!(parse(text, &now()).expect_err(text).contains("future"), "{text}");
        }
    }

    #[test]
    fn a_moment_ahead_is_the_next_that_is_called_so() {
        let cases = [
            ("14:30", "2026-05-10T12:30:00Z"),
            ("9:05", "2026-05-11T07:05:00Z"),
            ("12:00", "2026-05-11T10:00:00Z"),
            ("2026-05-12 09:00", "2026-05-12T07:00:00Z"),
            ("2026-05-12T09:00:00Z", "2026-05-12T09:00:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_ahead(text, &now()).map(|t| t.to_string()), Ok(expected.to_owned()), "{text:?}");
        }
        for (text, hint) in [("2026-05-01", "over already"), ("tomorrow", "14:30"), ("", "14:30")] {
            assert!(parse_ahead(text, &now()).expect_err(text).contains(hint), "{text:?}");
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        for text in
            ["9999999999999999999h", "999999999 years ago", "2026-", "00:", ":", "2026-05-01T", "1e9s"]
        {
            let _ = parse(text, &now());
        }
    }
}
