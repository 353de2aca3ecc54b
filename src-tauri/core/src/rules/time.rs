//! One precision and one text for every time that is stored, compared or shown.

use jiff::Timestamp;

/// The same instant truncated to microseconds, so that what was written reads back equal.
#[must_use]
pub fn micros(t: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(t.as_microsecond()).unwrap_or(t)
}

/// RFC 3339 in UTC with six digits always: it sorts as text.
#[must_use]
pub fn text(t: Timestamp) -> String {
    format!("{:.6}", t)
}

/// What [`text`] wrote, or any other RFC 3339 time.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    text.parse().ok().map(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_keeps_microseconds_and_reads_back_equal() {
        let t: Timestamp = "2026-01-02T03:04:05.123456789Z".parse().unwrap();
        assert_eq!(text(micros(t)), "2026-01-02T03:04:05.123456Z");
        assert_eq!(parse(&text(micros(t))), Some(micros(t)));
    }

    #[test]
    fn the_text_of_a_time_has_a_fixed_width_so_that_it_sorts() {
        let whole: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(text(whole), "2026-01-02T03:04:05.000000Z");
    }
}
