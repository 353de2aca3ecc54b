//! `tinyforge notifications`: what was notified, and what is to be.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use comfy_table::Cell;
use jiff::{Span, Timestamp, ZonedDateTime};
use tinyforge_core::control::commands as command;
use tinyforge_core::control::shapes::{ApiError, ErrorCode, Mute, NoticeRules};
use tinyforge_core::rules::notice::{Notice, NoticeKind};

use crate::args::Format;
use crate::moment;
use crate::output::Output;
use crate::render::{View, finished, table};
use crate::run::{Failure, Outcome, asked_once, print};
use crate::text::{ago, clock, count, plain};
use crate::webhook::{self, Webhook};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Notifications {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// What was notified, newest first
    List {
        /// How many of them
        #[arg(long, short = 'n', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=500))]
        lines: u32,
    },
    /// Whether there is a pause, and what is muted
    Rules,
    /// Notify nothing for a while: 1h, 1d, "until 14:30"; at its end one notification says how much it was
    Pause {
        #[arg(required = true, num_args = 1.., value_name = "SPAN")]
        span: Vec<String>,
    },
    /// End a pause
    Resume,
    /// Notify nothing of a workload or of a kind; without both, nothing at all
    Mute(Of),
    /// The opposite, also for one workload or kind of those that are muted
    Unmute(Of),
    Webhook(Webhook),
}

#[derive(Debug, Args)]
struct Of {
    /// Name or id
    workload: Option<String>,
    #[arg(long, value_parser = kind())]
    kind: Option<NoticeKind>,
}

fn kind() -> impl TypedValueParser<Value = NoticeKind> {
    PossibleValuesParser::new(NoticeKind::ALL.iter().map(|kind| kind.as_str()))
        .try_map(|word| NoticeKind::parse(&word).ok_or("not a kind of notification"))
}

pub async fn run(args: Notifications) -> Result<Outcome, Failure> {
    let (output, format) = (Output::new(args.format.json), args.format);
    let rules = match args.verb.unwrap_or(Verb::List { lines: 20 }) {
        Verb::List { lines } => {
            let notices = asked_once(command::ListNotices { limit: Some(lines) }).await?;
            print(&output, &notices, |view| list(&notices, view))?;
            return Ok(Outcome::Done);
        }
        Verb::Webhook(args) => return webhook::run(args, format).await,
        Verb::Rules => asked_once(command::GetNoticeRules {}).await?,
        Verb::Pause { span } => {
            let until = until(&span.join(" "), &ZonedDateTime::now())
                .map_err(|reason| ApiError::new(ErrorCode::Usage, reason))?;
            asked_once(command::PauseNotices { until: Some(until), for_s: None }).await?
        }
        Verb::Resume => asked_once(command::ResumeNotices {}).await?,
        Verb::Mute(of) => mute(of, true).await?,
        Verb::Unmute(of) => mute(of, false).await?,
    };
    print(&output, &rules, |view| ruled(&rules, view))?;
    Ok(Outcome::Done)
}

async fn mute(of: Of, muted: bool) -> Result<NoticeRules, ApiError> {
    asked_once(command::MuteNotices { workload: of.workload, kind: of.kind, muted }).await
}

/// The end of a pause that begins now: after a span of the user's own calendar, or at a time.
fn until(text: &str, now: &ZonedDateTime) -> Result<Timestamp, String> {
    if let Some(time) = text.trim().strip_prefix("until ") {
        return moment::parse_ahead(time, now);
    }
    let unclear = || format!("{text:?} is not a span; say 1h, 1d or \"until 14:30\"");
    let span: Span = text.trim().parse().map_err(|_| unclear())?;
    let end = now.checked_add(span).map_err(|_| unclear())?;
    if end <= *now {
        return Err(format!("{text:?} is over already; say 1h, 1d or \"until 14:30\""));
    }
    Ok(end.timestamp())
}

fn list(notices: &[Notice], view: &View) -> String {
    if notices.is_empty() {
        return "nothing was notified so far".to_owned();
    }
    let mut table = table(&["WHEN", "WHAT", "WHY AND WHAT TO DO"], view);
    for notice in notices {
        table.add_row([
            Cell::new(ago(notice.at, view.now)),
            Cell::new(plain(&notice.title)),
            Cell::new(plain(&notice.body)),
        ]);
    }
    finished(table, view, &[2, 1])
}

fn ruled(rules: &NoticeRules, view: &View) -> String {
    let state = match rules.paused_until {
        _ if !rules.enabled => {
            "notifications are switched off (`tinyforge settings set notifications on`)".to_owned()
        }
        None => "notifications are on".to_owned(),
        Some(until) if rules.unheard == 0 => format!("paused until {}", clock(until, &view.zone)),
        Some(until) => {
            let unheard = count(rules.unheard.into(), "notification");
            format!("paused until {}, {unheard} held back so far", clock(until, &view.zone))
        }
    };
    let wishes = rules.mutes.iter().map(|mute| format!("\n{}", wished(mute)));
    std::iter::once(state).chain(wishes).collect()
}

fn wished(mute: &Mute) -> String {
    let verb = if mute.muted { "muted" } else { "not muted" };
    let whose = match (&mute.workload_name, &mute.workload_id) {
        (Some(name), _) | (None, Some(name)) => plain(name),
        (None, None) => "every workload".to_owned(),
    };
    match mute.kind {
        Some(kind) => format!("{verb}: {} of {whose}", kind.as_str()),
        None => format!("{verb}: everything of {whose}"),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use serde_json::json;

    use super::*;
    use crate::output::Look;

    fn view() -> View {
        View {
            look: Look { width: None, colour: false },
            now: "2026-05-10T10:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
        }
    }

    #[test]
    fn the_end_of_a_pause_is_meant_in_the_users_own_calendar() {
        let now: ZonedDateTime = "2026-03-28T12:00:00+01:00[Europe/Berlin]".parse().unwrap();
        let cases = [
            ("1h", "2026-03-28T12:00:00Z"),
            ("1d", "2026-03-29T10:00:00Z"),
            ("2 days", "2026-03-30T10:00:00Z"),
            ("until 14:30", "2026-03-28T13:30:00Z"),
            ("until 9:00", "2026-03-29T07:00:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(until(text, &now).map(|t| t.to_string()), Ok(expected.to_owned()), "{text:?}");
        }
        for text in ["", "a while", "-1h", "0s", "until", "until yesterday"] {
            assert!(until(text, &now).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_rules_are_told_as_one_would_say_them() {
        let rules = |rules| ruled(&serde_json::from_value(rules).unwrap(), &view());
        assert_eq!(
            rules(json!({"enabled": true, "paused_until": null, "unheard": 0, "mutes": []})),
            "notifications are on"
        );
        let mutes = json!([
            {"workload_id": null, "workload_name": null, "kind": "stale", "muted": true},
            {"workload_id": "w1", "workload_name": "shop", "kind": null, "muted": true},
            {"workload_id": "w1", "workload_name": "shop", "kind": "crashed", "muted": false},
        ]);
        assert_eq!(
            rules(
                json!({"enabled": true, "paused_until": "2026-05-10T11:00:00Z", "unheard": 2, "mutes": mutes})
            ),
            "paused until 2026-05-10 11:00:00, 2 notifications held back so far\n\
             muted: stale of every workload\n\
             muted: everything of shop\n\
             not muted: crashed of shop"
        );
    }

    /// A notice is harmless already; whatever comes over the socket, nothing steers the terminal.
    #[test]
    fn hostile_words_come_out_inert() {
        let hostile = "a\u{1b}[31m\n\u{202e}<b>";
        let notice: Notice = serde_json::from_value(json!({
            "id": 1, "at": "2026-05-10T09:00:00Z", "kind": "crashed", "level": "bad", "title": hostile,
            "body": hostile, "workload": hostile, "role": hostile, "workload_ids": [], "row_ids": [],
            "cause": "exit", "fix": null, "target": "#/"
        }))
        .unwrap();
        let text = list(&[notice], &view());
        assert_eq!(text.lines().count(), 2, "{text:?}");
        assert!(!text.contains(|c: char| c != '\n' && (c.is_control() || c == '\u{202e}')), "{text:?}");
    }
}
