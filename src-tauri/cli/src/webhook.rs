//! `tinyforge notifications webhook`: where notices are sent to, and what came of them.

use std::io;

use clap::{Args, Subcommand};
use comfy_table::Cell;
use tinyforge_core::control::commands as command;
use tinyforge_core::control::shapes::{
    ApiError, ErrorCode, OutgoingDelivery, OutgoingTest, OutgoingWebhook, OutgoingWebhookSet,
};
use tinyforge_core::rules::secret::{KeyPlace, Secret};

use crate::args::Format;
use crate::output::{Output, tell};
use crate::render::{NOTHING, View, finished, table};
use crate::run::{Failure, Outcome, asked_once, print};
use crate::text::{ago, count, plain};

/// In the place of the URL: it is read from standard input.
const FROM_STDIN: &str = "-";

/// A receiver of your own that is told what is notified
///
/// Each notice is sent as JSON by POST, signed with HMAC-SHA256 (X-Hub-Signature-256) and repeated until it is accepted.
/// Without a further word, what is set is shown.
#[derive(Debug, Args)]
pub struct Webhook {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Send to this URL from now on; the secret that signs is made and shown once
    Set {
        /// http or https; `-` reads it from standard input, where no other user can see it
        url: String,
        /// Read the secret that signs from standard input (its first line; the second where the URL is `-`)
        #[arg(long, conflicts_with = "unsigned")]
        secret_stdin: bool,
        /// Sign nothing: for receivers that cannot check a signature
        #[arg(long)]
        unsigned: bool,
    },
    /// Send a test now and tell what came of it; code 1 if it was not accepted
    Test,
    /// Send nothing any more
    Off,
    /// What was sent and what came of it, newest first
    Deliveries {
        /// How many of the latest to show [default: all that are remembered]
        #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
        lines: Option<u32>,
    },
}

pub async fn run(args: Webhook, format: Format) -> Result<Outcome, Failure> {
    let output = Output::new(format.json);
    match args.verb {
        None => {
            let webhook = asked_once(command::GetOutgoingWebhook {}).await?;
            print(&output, &webhook, |view| shown(webhook.as_ref(), view))?;
        }
        Some(Verb::Set { url, secret_stdin, unsigned }) => {
            let mut input = io::stdin().lock();
            let url = if url == FROM_STDIN { line(&mut input, "a URL")? } else { Secret::new(url) };
            let secret = if secret_stdin { Some(line(&mut input, "a secret")?) } else { None };
            drop(input);
            let wanted = command::SetOutgoingWebhook { url: Some(url), secret, unsigned };
            let set = asked_once(wanted).await?;
            print(&output, &set, |_| told(&set))?;
            if set.secret.is_some() {
                tell(
                    "this secret is shown this once: give it to the receiver, which checks the signature with it",
                );
            }
        }
        Some(Verb::Test) => {
            let test = asked_once(command::TestOutgoingWebhook {}).await?;
            print(&output, &test, |_| tested(&test))?;
            return Ok(Outcome::done_if(test.delivered));
        }
        Some(Verb::Off) => {
            let removed = asked_once(command::RemoveOutgoingWebhook {}).await?;
            let text = if removed { "nothing is sent any more" } else { "nothing was sent anyway" };
            print(&output, &removed, |_| text.to_owned())?;
        }
        Some(Verb::Deliveries { lines }) => {
            let found = asked_once(command::ListOutgoingDeliveries { limit: lines }).await?;
            print(&output, &found, |view| list(&found, view))?;
        }
    }
    Ok(Outcome::Done)
}

fn line(input: &mut impl io::BufRead, what: &str) -> Result<Secret, Failure> {
    let mut text = String::new();
    input.read_line(&mut text).map_err(|error| {
        ApiError::new(ErrorCode::Usage, format!("standard input cannot be read: {error}"))
    })?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(ApiError::new(ErrorCode::Usage, format!("{what} is expected on standard input")).into()),
        text => Ok(Secret::new(text)),
    }
}

fn shown(webhook: Option<&OutgoingWebhook>, view: &View) -> String {
    let Some(webhook) = webhook else {
        return "no webhook is set; set one with: tinyforge notifications webhook set URL".to_owned();
    };
    let last = match &webhook.last {
        None => "nothing yet".to_owned(),
        Some(last) => format!("{} {} ({})", plain(&last.title), outcome(last), ago(last.at, view.now)),
    };
    let mut lines = vec![
        format!("receiver  {}", plain(&webhook.receiver)),
        format!("signed    {}", if webhook.signed { "yes" } else { "no" }),
        format!("set       {}", ago(webhook.set_at, view.now)),
        format!("last      {last}"),
        format!("waiting   {}", webhook.waiting),
    ];
    lines.extend(webhook.key_place.map(|place| format!("key       {}", place_in_words(place))));
    lines.join("\n")
}

fn place_in_words(place: KeyPlace) -> &'static str {
    match place {
        KeyPlace::Keyring => "in the system's keyring",
        KeyPlace::File => "in the data folder (secrets.key): keep it with your backups",
    }
}

fn told(set: &OutgoingWebhookSet) -> String {
    let receiver = plain(&set.webhook.receiver);
    match &set.secret {
        Some(secret) => format!("notices are sent to {receiver}, signed with\n{}", secret.reveal()),
        None if set.webhook.signed => format!("notices are sent to {receiver}, signed"),
        None => format!("notices are sent to {receiver}, unsigned"),
    }
}

fn tested(test: &OutgoingTest) -> String {
    let text = plain(&test.text);
    match &test.cure {
        None => format!("{}: {text} after {} ms", plain(&test.receiver), test.latency_ms),
        Some(cure) => format!("{}: not delivered: {text}. {cure}", plain(&test.receiver)),
    }
}

fn outcome(of: &OutgoingDelivery) -> String {
    let status = of.status.map(|status| format!(" ({status})")).unwrap_or_default();
    match of.state.as_str() {
        "delivered" => format!("was delivered{status}"),
        "waiting" => "waits to be tried again".to_owned(),
        _ => format!("was given up{status}"),
    }
}

fn list(found: &[OutgoingDelivery], view: &View) -> String {
    if found.is_empty() {
        return "nothing was sent yet".to_owned();
    }
    let mut table = table(&["WHEN", "EVENT", "WHAT", "STATE", "TRIES", "STATUS", "NEXT", "WHY"], view);
    for one in found {
        let next = one.next_at.map(|at| {
            let seconds = at.duration_since(view.now).as_secs();
            if seconds > 0 { format!("in {seconds} s") } else { "now".to_owned() }
        });
        table.add_row([
            Cell::new(ago(one.at, view.now)),
            Cell::new(plain(&one.event)),
            Cell::new(plain(&one.title)),
            Cell::new(plain(&one.state).replace('_', " ")),
            Cell::new(one.attempts),
            Cell::new(one.status.map_or_else(|| NOTHING.to_owned(), |status| status.to_string())),
            Cell::new(next.unwrap_or_else(|| NOTHING.to_owned())),
            Cell::new(one.error.as_deref().map(plain).unwrap_or_default()),
        ]);
    }
    format!("{}\n{}", finished(table, view, &[7, 2]), count(found.len() as u64, "delivery"))
}
