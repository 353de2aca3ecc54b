//! `/events`: what is told while somebody listens.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _, stream};
use hyper::body::{Bytes, Frame};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::filters::Filters;
use super::idiom::Form;
use super::replies::{Dropped, Reply};
use super::shapes::{self, Line};
use crate::docker::fake::FakeEngine;
use crate::docker::fake::world::Told;

/// Subscribes, and answers with the lines as they come. The world breaks the connection by an error, or `until` ends
/// it tidily.
pub(super) fn open(
    engine: &FakeEngine,
    form: Form,
    since: Option<&str>,
    until: Option<&str>,
    filters: Filters,
) -> Result<impl Stream<Item = Result<Frame<Bytes>, Dropped>> + Send + use<>, Reply> {
    let now = engine.now();
    let since = since.map(|text| moment(text, form)).transpose()?.unwrap_or(now);
    let until = until.map(|text| moment(text, form)).transpose()?;
    let chosen = {
        let filters = filters.clone();
        move |told: &Told| shapes::lines(told, form).iter().any(|line| filters.lets_line(line))
    };
    let reading = engine.read_all(since, chosen);
    let ends = until.map(|until| {
        Instant::now() + Duration::try_from(until.duration_since(now)).unwrap_or(Duration::ZERO)
    });
    let told = stream::unfold(reading, move |reading| async move {
        let next = match ends {
            None => reading.next().await,
            // What was told before the end came is still said.
            Some(at) => timeout_at(at, reading.next()).await.ok().flatten(),
        };
        if let Some(Err(_)) = next {
            // What was said before the connection breaks is on its way by then.
            tokio::task::yield_now().await;
        }
        next.map(|told| (told, reading))
    });
    let written = told.flat_map(move |told| {
        let lines: Vec<Result<Frame<Bytes>, Dropped>> = match told {
            Ok(told) => shapes::lines(&told, form)
                .iter()
                .filter(|line| filters.lets_line(line) && until.is_none_or(|until| line.at <= until))
                .map(|line| Ok(Frame::data(text(line, form))))
                .collect(),
            Err(_) => vec![Err(Dropped)],
        };
        stream::iter(lines)
    });
    Ok(written)
}

fn text(line: &Line, form: Form) -> Bytes {
    let mut text = shapes::written(line, form).to_string();
    text.push('\n');
    text.into()
}

/// `seconds`, `seconds.nanos` or a time in words.
fn moment(text: &str, form: Form) -> Result<Timestamp, Reply> {
    let (seconds, nanos) = text.split_once('.').unwrap_or((text, ""));
    let number = seconds.parse::<i64>().ok().and_then(|seconds| {
        let nanos: i32 = if nanos.is_empty() { 0 } else { format!("{nanos:0<9}").get(..9)?.parse().ok()? };
        Timestamp::new(seconds, nanos).ok()
    });
    number.or_else(|| text.parse().ok()).ok_or_else(|| {
        Reply::refusal(form, 400, &format!("failed to parse value as time or duration: \"{text}\""))
    })
}
