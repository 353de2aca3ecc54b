//! `/containers/{name}/wait`: the head comes at once, the answer when the program has ended.

use futures_util::{Stream, stream};
use hyper::body::{Bytes, Frame};
use jiff::SignedDuration;
use serde_json::json;

use super::idiom::Idiom;
use super::replies::Dropped;
use crate::docker::fake::FakeEngine;
use crate::docker::{Action, EngineError};
use crate::rules::ids::ContainerId;

/// What a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Already so where nothing runs.
    NotRunning,
    NextExit,
    Removed,
}

impl Until {
    /// Docker 20.10 takes what it does not know for the first.
    pub(super) fn read(condition: Option<&str>, idiom: Idiom) -> Option<Self> {
        match condition.unwrap_or_default() {
            "" | "not-running" => Some(Self::NotRunning),
            "next-exit" => Some(Self::NextExit),
            "removed" => Some(Self::Removed),
            _ => (idiom == Idiom::Api141).then_some(Self::NotRunning),
        }
    }
}

pub(super) fn open(
    engine: &FakeEngine,
    id: &ContainerId,
    until: Until,
) -> impl Stream<Item = Result<Frame<Bytes>, Dropped>> + Send + use<> {
    // Not what has happened just now.
    let since = engine.now() + SignedDuration::from_micros(1);
    let of = id.clone();
    let reading = engine.read_all(since, move |told| {
        let ends = match until {
            Until::NotRunning | Until::NextExit => told.event.action == Action::Die,
            Until::Removed => told.event.action == Action::Destroy,
        };
        ends && told.event.container_id == of
    });
    let seen = engine.truth_of(id).filter(|seen| until == Until::NotRunning && !seen.state.is_alive());
    let so_already = seen.map(|seen| seen.exit_code.unwrap_or(0));
    stream::once(async move {
        if let Some(code) = so_already {
            return Ok(answer(code));
        }
        let told = reading.next().await.ok_or(Dropped)?.map_err(|_: EngineError| Dropped)?;
        let code = told.event.attributes.get("exitCode").and_then(|code| code.parse().ok());
        Ok(answer(code.unwrap_or(0)))
    })
}

fn answer(code: i64) -> Frame<Bytes> {
    Frame::data(format!("{}\n", json!({ "StatusCode": code })).into())
}
