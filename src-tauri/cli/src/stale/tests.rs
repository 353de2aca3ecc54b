use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::*;
use crate::output::Look;

const EXPECTED: &str = include_str!("transcript.txt");

#[test]
fn people_see_what_the_transcript_shows() {
    let transcript = transcript();
    assert_eq!(transcript, EXPECTED, "\nThe new page would be:\n\n{transcript}");
}

#[test]
fn no_table_is_wider_than_its_terminal() {
    for width in 60..140 {
        let text = list(&every_sort(), true, &terminal(width));
        for line in text.lines() {
            assert!(line.chars().count() <= usize::from(width), "{width} columns:\n{text}");
        }
    }
}

/// What others wrote into names and the engine's words steers nothing.
#[test]
fn hostile_words_come_out_inert() {
    let hostile = "a\u{1b}[31m\n\u{202e}<b>'; DROP TABLE x; --\u{9b}31m\u{7}";
    let one: StaleContainer = stale(json!({
        "container": hostile, "name": hostile, "workload_name": hostile, "role": hostile,
        "reasons": [hostile, hostile]
    }));
    let answer: StaleAnswer = answered(json!({"name": hostile, "text": hostile}));
    let set = StaleThreshold { workload_id: "w".into(), workload_name: hostile.into(), days: 3, own: true };
    let view = View { look: Look { width: None, colour: false }, ..terminal(0) };
    for text in [list(std::slice::from_ref(&one), true, &view), explained(&answer, &view), threshold(&set)] {
        let steers = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!text.contains(steers), "{text:?}");
    }
    // One header, one row, one sum: a name makes no lines.
    assert_eq!(list(std::slice::from_ref(&one), true, &view).lines().count(), 3);
    let document = serde_json::to_string(&one).unwrap();
    assert!(!document.contains(|c: char| c < ' '), "{document:?}");
    assert_eq!(serde_json::from_str::<StaleContainer>(&document).unwrap(), one);
}

#[test]
fn the_contracts_fields_come_first_and_in_their_order() {
    let document = serde_json::to_string(&stale(json!({}))).unwrap();
    let promised = ["container", "workload_name", "role", "days_stale", "reasons", "frees_bytes"];
    let places: Vec<usize> =
        promised.iter().map(|key| document.find(&format!("\"{key}\":")).unwrap()).collect();
    assert!(places.is_sorted() && places[0] == 1, "{document}");
    let before_the_last = &document[..places[5]];
    assert_eq!(before_the_last.matches("\":").count(), 5, "nothing stands between them: {document}");
}

#[test]
fn a_snooze_ends_at_the_same_time_of_a_later_day() {
    let now: ZonedDateTime = "2026-03-28T12:00:00+01:00[Europe/Berlin]".parse().unwrap();
    let cases = [
        ("14d", "2026-04-11T10:00:00Z"),
        ("1 day", "2026-03-29T10:00:00Z"),
        (" 3 weeks ", "2026-04-18T10:00:00Z"),
        ("12h", "2026-03-28T23:00:00Z"),
        ("1h 30m", "2026-03-28T12:30:00Z"),
        ("10 years", "2036-03-28T11:00:00Z"),
    ];
    for (text, expected) in cases {
        assert_eq!(until(text, &now).map(|t| t.to_string()), Ok(expected.to_owned()), "{text}");
    }
    for (text, hint) in [
        ("", "14d"),
        ("tomorrow", "14d"),
        ("14", "14d"),
        ("-1d", "over already"),
        ("0d", "over already"),
        ("2 days ago", "over already"),
        ("11 years", "pin it"),
        ("9999999 years", "14d"),
    ] {
        let error = until(text, &now).expect_err(text);
        assert!(error.contains(hint), "{text}: {error}");
    }
}

#[test]
fn a_threshold_is_a_number_of_days_or_the_settings() {
    assert_eq!(days_or_default("14"), Ok(Days::Own(14)));
    assert_eq!(days_or_default(" 0 "), Ok(Days::Own(0)));
    assert_eq!(days_or_default("default"), Ok(Days::Default));
    for bad in ["", "-1", "1.5", "never"] {
        assert!(days_or_default(bad).is_err(), "{bad}");
    }
}

fn transcript() -> String {
    let mut page =
        "What people see of stale containers, in a terminal of 110 columns where nothing else is said.\n"
            .to_owned();
    let mut section =
        |title: &str, text: String| page.push_str(&format!("\n## {title}\n{}\n", text.trim_end()));
    let view = terminal(110);
    section("stale", list(&every_sort(), true, &view));
    section("stale, 60 columns", list(&every_sort(), true, &terminal(60)));
    section("stale, none", list(&[], false, &view));
    section("stale --foreign, none", list(&[], true, &view));
    section("stale why", explained(&answered(json!({})), &view));
    let not = |why: &str, text: &str, until: Value| {
        answered(json!({"stale": false, "why": why, "text": text, "until": until, "since": null}))
    };
    let young = "it has not run for 3 days, which is not long enough";
    section(
        "stale why, not stale",
        [
            not("running", "it runs", Value::Null),
            not("young", young, json!("2026-05-14T12:00:00Z")),
            not("snoozed", "it is snoozed", json!("2026-05-24T12:00:00Z")),
        ]
        .iter()
        .map(|of| explained(of, &view) + "\n")
        .collect(),
    );
    section("stale pin", wished(&[not("pinned", "it is pinned", Value::Null)], &view));
    let set = |days, own| StaleThreshold { workload_id: "w".into(), workload_name: "shop".into(), days, own };
    let all = [set(14, true), set(1, true), set(0, true), set(7, false)];
    section("stale threshold", all.iter().map(|set| threshold(set) + "\n").collect());
    page
}

fn terminal(width: u16) -> View {
    let look = Look { width: Some(width), colour: false };
    View { look, now: "2026-05-10T12:00:00Z".parse().unwrap(), zone: TimeZone::UTC }
}

fn every_sort() -> Vec<StaleContainer> {
    vec![
        stale(json!({})),
        stale(json!({
            "name": "loud\u{1b}[31m\nname\u{202e}", "workload_name": null, "role": null, "days_stale": 0,
            "state": "created", "frees_bytes": 0, "reasons": ["Never started in less than a day."]
        })),
        stale(json!({
            "name": "shop-old", "days_stale": 400, "state": "missing", "frees_bytes": null,
            "reasons": ["Missing for 400 days: removed by somebody else."]
        })),
    ]
}

/// One that stopped twelve days ago, with what is given put in its place.
fn stale(changes: Value) -> StaleContainer {
    read(
        json!({
            "container": "tf-shop-prod-3", "workload_name": "shop", "role": "prod", "days_stale": 12,
            "reasons": [
                "Has not run for 12 days: stopped by somebody else, exit code 143.",
                "Superseded by tf-shop-prod-4, which runs."
            ],
            "frees_bytes": 734_200_000, "frees_bytes_now": 0, "frees_bytes_later": 4_200_000,
            "volumes": [{"name": "uploads", "bytes": 730_000_000}], "networks": ["bridge"], "id": "shop:prod",
            "container_id": "0123456789abcdef", "name": "tf-shop-prod-3", "state": "stopped",
            "since": "2026-04-28T11:00:00Z", "exit_code": 143, "cause": "foreign",
            "superseded_by": "tf-shop-prod-4", "proxy_route_id": null
        }),
        changes,
    )
}

fn answered(changes: Value) -> StaleAnswer {
    read(
        json!({
            "container": "web", "workload_name": "shop", "role": "prod", "stale": true, "why": "stale",
            "text": "Has not run for 12 days: it ended by itself, exit code 1.", "until": null,
            "since": "2026-04-28T11:00:00Z", "days_stale": 12, "threshold_days": 7, "pinned_at": null,
            "snoozed_until": null, "id": "shop:prod", "container_id": "0123456789abcdef", "name": "web",
            "state": "stopped"
        }),
        changes,
    )
}

fn read<T: serde::de::DeserializeOwned>(mut whole: Value, changes: Value) -> T {
    for (key, with) in changes.as_object().unwrap() {
        assert!(whole.get(key).is_some(), "there is no field {key}");
        whole[key] = with.clone();
    }
    serde_json::from_value(whole).unwrap()
}
