//! `start`, `stop`, `restart`: an explicit act of the user, and the only way by which this code stops anything.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use super::commands::{Restart, Start, Stop};
use super::shapes::{Acted, ApiError, ErrorCode};
use super::{Answers, Control};
use crate::docker::EngineError;
use crate::reconcile::{Link, Pulse, UnderWay};
use crate::rules::cause::OwnAct;
use crate::rules::container::State;
use crate::rules::ids::ContainerId;
use crate::rules::row::Row;

/// How long the first pass is waited for; an engine that hangs must not hang the command.
const FIRST_PASS: Duration = Duration::from_secs(5);
/// How long the index may take to tell what came of an act, an engine or a disk in trouble included.
const OUTCOME: Duration = Duration::from_secs(10);
/// How long an engine that left an act unanswered is waited for.
const ENGINE_GOES_ON: Duration = Duration::from_secs(600);
/// How long after that an effect is still put down to the act: an engine that goes on begins with the grace.
const LATE_OUTCOME: Duration = Duration::from_secs(60);
const OUTCOME_GLANCE: Duration = Duration::from_millis(500);
/// Acts at once: a stop may take its whole grace.
const ACTS_AT_ONCE: usize = 8;

/// What came of one act.
struct Carried {
    acted: Acted,
    /// Set where the engine was out of reach.
    away: Option<EngineError>,
}

/// Whether a state is what an act aims at. A restart cannot be told from its state.
fn has_come(act: OwnAct, state: State) -> bool {
    match act {
        OwnAct::Start => state.is_alive(),
        OwnAct::Stop => !state.is_alive(),
        OwnAct::Restart => false,
    }
}

impl Answers<Start> for Control {
    async fn answer(&self, asked: Start) -> Result<Vec<Acted>, ApiError> {
        self.act(OwnAct::Start, &asked.containers).await
    }
}

impl Answers<Stop> for Control {
    async fn answer(&self, asked: Stop) -> Result<Vec<Acted>, ApiError> {
        self.act(OwnAct::Stop, &asked.containers).await
    }
}

impl Answers<Restart> for Control {
    async fn answer(&self, asked: Restart) -> Result<Vec<Acted>, ApiError> {
        self.act(OwnAct::Restart, &asked.containers).await
    }
}

impl Control {
    /// Finds all that are named before anything is touched, then acts on each; the index tells what came of it.
    async fn act(&self, act: OwnAct, named: &[String]) -> Result<Vec<Acted>, ApiError> {
        if named.is_empty() {
            return Err(ApiError::new(ErrorCode::Usage, "name at least one container"));
        }
        if self.parts.observes_only {
            return Err(ApiError::new(ErrorCode::Internal, "this process only observes"));
        }
        // Before the names: where the engine is away, a name that the index lacks may still be one of the engine's.
        self.reachable().await?;
        let (_, rows) = self.rows_and_revision().await?;
        let mut targets: Vec<(ContainerId, String)> = vec![];
        for name in named {
            let target = find(&rows, name)?;
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        let acts = targets.into_iter().map(|(id, name)| self.carry_through(act, id, name));
        let carried: Vec<Carried> = stream::iter(acts).buffered(ACTS_AT_ONCE).collect().await;
        // An engine that was out of reach for all of them is the command's trouble, not the containers'.
        if carried.iter().all(|carried| carried.away.is_some())
            && let Some(error) = carried.iter().find_map(|carried| carried.away.clone())
        {
            return Err(error.into());
        }
        Ok(carried.into_iter().map(|carried| carried.acted).collect())
    }

    /// An act that has begun is the engine's to finish, also when nobody waits for its answer any more: until then its
    /// effects are ours.
    async fn carry_through(&self, act: OwnAct, id: ContainerId, name: String) -> Carried {
        let (control, target, called) = (self.clone(), id.clone(), name.clone());
        let acting = tokio::spawn(async move { control.act_on(act, target, called).await });
        acting.await.unwrap_or_else(|died| Carried {
            acted: Acted {
                container_id: id.to_string(),
                name,
                state: State::Unknown,
                error: Some(format!("a fault of the program: {died}; see its log")),
            },
            away: None,
        })
    }

    async fn act_on(&self, act: OwnAct, id: ContainerId, name: String) -> Carried {
        let under_way = self.parts.index.own_acts().begin(&id, act);
        let outcome = tokio::select! {
            outcome = self.tell_the_engine(act, &id) => outcome,
            hung = self.engine_hangs() => Err(hung),
        };
        let away = outcome.as_ref().err().filter(|error| error.is_away()).cloned();
        let seen = away.is_none() && tokio::time::timeout(OUTCOME, self.parts.index.look(&id)).await.is_ok();
        if seen || away.as_ref().is_some_and(EngineError::never_reached_it) {
            drop(under_way);
        } else {
            self.expect_late_effects(act, &id, under_way);
        }
        let state = self.state_of(&id).await;
        let error = match outcome {
            Err(error) => Some(format!("{error}. {}", error.cure())),
            Ok(()) if !seen => {
                Some("the engine did it, and the index has not caught up; see `tinyforge doctor`".to_owned())
            }
            Ok(()) => None,
        };
        Carried { acted: Acted { container_id: id.to_string(), name, state, error }, away }
    }

    async fn tell_the_engine(&self, act: OwnAct, id: &ContainerId) -> Result<(), EngineError> {
        match act {
            OwnAct::Start => self.parts.engine.start(id).await,
            OwnAct::Stop => self.parts.engine.stop(id, None).await,
            OwnAct::Restart => self.parts.engine.restart(id, None).await,
        }
    }

    /// Returns when the engine answers nobody any more: the deadline of a stop has room for a long grace, and nobody is
    /// to wait that long for an engine that is known to hang.
    async fn engine_hangs(&self) -> EngineError {
        let mut pulse = self.parts.index.watch();
        let hangs = pulse.wait_for(|pulse| matches!(pulse.link, Link::Away(EngineError::Hung { .. }))).await;
        match hangs.map(|pulse| pulse.link.clone()) {
            Ok(Link::Away(error)) => error,
            Ok(Link::Connected | Link::Seeking) | Err(_) => std::future::pending().await,
        }
    }

    /// What the index finds of it later was our act all the same: a lost answer does not mean a lost effect, and one that
    /// an engine takes up when it goes on comes a grace later.
    fn expect_late_effects(&self, act: OwnAct, id: &ContainerId, under_way: UnderWay) {
        let (control, id) = (self.clone(), id.clone());
        tokio::spawn(async move {
            if tokio::time::timeout(ENGINE_GOES_ON, control.parts.index.look(&id)).await.is_ok() {
                let until = Instant::now() + LATE_OUTCOME;
                while !has_come(act, control.state_of(&id).await) && Instant::now() < until {
                    tokio::time::sleep(OUTCOME_GLANCE).await;
                }
            }
            drop(under_way);
        });
    }

    /// The state that the index then has; one that is gone is missing.
    async fn state_of(&self, id: &ContainerId) -> State {
        let rows = self.rows_and_revision().await.map(|(_, rows)| rows).unwrap_or_default();
        let row = rows.iter().find(|row| row.container_id.as_ref() == Some(id));
        row.map_or(State::Missing, |row| row.facts.state)
    }

    /// Returns once the index has been looked over for the first time, or the engine is known to be out of reach: a
    /// daemon that has just been started is asked no sooner.
    pub(super) async fn settled(&self) -> Pulse {
        let index = &self.parts.index;
        tokio::time::timeout(FIRST_PASS, index.settled()).await.unwrap_or_else(|_| index.pulse())
    }

    /// An act needs the engine now, not later.
    pub(super) async fn reachable(&self) -> Result<(), ApiError> {
        match self.settled().await.link {
            Link::Away(error) => Err(error.into()),
            Link::Connected | Link::Seeking => Ok(()),
        }
    }
}

/// The one container of that name, id, or beginning of an id.
pub(super) fn find(rows: &[Row], wanted: &str) -> Result<(ContainerId, String), ApiError> {
    let named = |row: &&Row| row.facts.name == wanted && row.facts.state != State::Missing;
    let exact = |row: &&Row| row.container_id.as_ref().is_some_and(|id| id.as_str() == wanted);
    let begins = |row: &&Row| {
        !wanted.is_empty() && row.container_id.as_ref().is_some_and(|id| id.as_str().starts_with(wanted))
    };
    let found: Vec<&Row> = [
        rows.iter().filter(exact).collect::<Vec<_>>(),
        rows.iter().filter(named).collect(),
        rows.iter().filter(begins).collect(),
    ]
    .into_iter()
    .find(|found| !found.is_empty())
    .unwrap_or_default();
    match found.as_slice() {
        [] => Err(ApiError::new(
            ErrorCode::NotFound,
            format!("there is no container {wanted:?}; `tinyforge ps --all` shows every one"),
        )),
        [row] => match &row.container_id {
            Some(id) => Ok((id.clone(), row.facts.name.clone())),
            None => Err(ApiError::new(
                ErrorCode::Conflict,
                format!("{wanted:?} is being deployed: it has no container yet"),
            )),
        },
        several => {
            let names: Vec<String> = several
                .iter()
                .filter_map(|row| {
                    Some(format!("{} ({})", row.container_id.as_ref()?.short(), row.facts.name))
                })
                .collect();
            Err(ApiError::new(
                ErrorCode::Ambiguous,
                format!("{wanted:?} may be any of {}; write more of the id", names.join(", ")),
            ))
        }
    }
}
