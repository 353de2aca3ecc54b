//! Numbers as people say them, for sentences that every face shows as they are. Pure.

/// The largest whole unit: `4 s`, `3 min`, `5 h`, `2 d`.
#[must_use]
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Two digits and a unit.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let mut size = count as f64;
    let mut unit = "B";
    for larger in UNITS {
        if size < 999.5 {
            break;
        }
        size /= 1000.0;
        unit = larger;
    }
    if size < 9.95 { format!("{size:.1} {unit}") } else { format!("{size:.0} {unit}") }
}

#[must_use]
pub fn milliseconds(count: f64) -> String {
    if count < 9.95 { format!("{count:.1} ms") } else { format!("{count:.0} ms") }
}

/// `1 row`, `2 rows`, `2 copies`.
#[must_use]
pub fn count(number: u64, one: &str) -> String {
    let many = match one.strip_suffix('y') {
        _ if number == 1 => one.to_owned(),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if one.ends_with('s') => format!("{one}es"),
        _ => format!("{one}s"),
    };
    format!("{number} {many}")
}

/// The text without what Rust puts behind a system's error: ` (os error 2)`.
#[must_use]
pub fn without_error_numbers(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once(" (os error ") {
        plain.push_str(before);
        rest = match from.split_once(')') {
            Some((number, after)) if number.bytes().all(|byte| byte.is_ascii_digit()) => after,
            _ => {
                plain.push_str(" (os error ");
                from
            }
        };
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_two_digits_and_a_unit() {
        let cases = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (9949, "9.9 kB"),
            (9950, "10 kB"),
            (123_456, "123 kB"),
            (999_600, "1.0 MB"),
            (5_000_000_000, "5.0 GB"),
            (u64::MAX, "18446744 TB"),
        ];
        for (count, expected) in cases {
            assert_eq!(bytes(count), expected);
        }
    }

    #[test]
    fn spans_are_told_in_the_largest_whole_unit() {
        let cases = [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (3_600, "1 h"),
            (86_400, "1 d"),
            (200_000, "2 d"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(span(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn a_systems_error_is_told_without_its_number() {
        let error = std::io::Error::from_raw_os_error(2);
        assert!(!without_error_numbers(&error.to_string()).contains('2'), "{error}");
        let cases = [
            ("copying a (os error 13): x (os error 2)", "copying a: x"),
            ("a (os error two)", "a (os error two)"),
            ("a (os error 2", "a (os error 2"),
            ("plain", "plain"),
        ];
        for (text, plain) in cases {
            assert_eq!(without_error_numbers(text), plain);
        }
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(
            [count(0, "copy"), count(1, "copy"), count(2, "copy")],
            ["0 copies", "1 copy", "2 copies"]
        );
        assert_eq!([count(1, "row"), count(2, "row"), count(2, "day")], ["1 row", "2 rows", "2 days"]);
    }
}
