//! The world's other side: it answers as an engine does, after the weather has had its say.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream;
use jiff::Timestamp;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::calls::InspectUnderWay;
use super::served::document;
use super::world::{Reach, Told};
use super::{Call, FakeEngine, Mishap, OnTerm};
use crate::docker::{Engine, EngineError, EngineIdentity, EventStream, Listed, deadline};
use crate::rules::container::{ManagedContainer, Observed};
use crate::rules::disk::{Holdings, Usage};
use crate::rules::ids::ContainerId;
use crate::rules::labels;

/// How a call finds its way.
impl FakeEngine {
    /// Counts the call, waits until the engine answers, and says what befalls it.
    pub(super) async fn reach(&self, call: Call, tried: &str) -> Result<Option<Mishap>, EngineError> {
        let mishap = {
            let mut world = self.world();
            let nth = world.calls.by_kind.entry(call).or_default();
            *nth += 1;
            let nth = *nth;
            let place = world.mishaps.iter().position(|(c, at, _)| *c == call && *at == nth);
            place.map(|i| world.mishaps.remove(i).2)
        };
        self.reach_uncounted(tried).await?;
        match mishap {
            Some(Mishap::Fail(error)) => Err(error),
            Some(Mishap::Hang) => std::future::pending().await,
            other => Ok(other),
        }
    }

    /// The way there, of what is no call of the door.
    pub(super) async fn reach_uncounted(&self, tried: &str) -> Result<(), EngineError> {
        let latency = self.world().weather.latency / 2;
        self.until_it_answers(tried, When::Connecting).await?;
        pass(latency).await;
        self.until_it_answers(tried, When::UnderWay).await
    }

    /// The way back: the second half of the latency, and whether the answer arrives.
    pub(super) async fn answer<T>(
        &self,
        tried: &str,
        mishap: Option<Mishap>,
        answer: T,
    ) -> Result<T, EngineError> {
        let latency = self.world().weather.latency / 2;
        pass(latency).await;
        self.until_it_answers(tried, When::UnderWay).await?;
        if mishap == Some(Mishap::LoseAnswer) {
            return Err(self.world().broken(tried, "connection reset by peer"));
        }
        Ok(answer)
    }

    async fn until_it_answers(&self, tried: &str, when: When) -> Result<(), EngineError> {
        loop {
            let (changed, due) = {
                let world = self.world();
                match (&world.reach, when) {
                    (Reach::Answers, _) => return Ok(()),
                    (Reach::Hangs, _) => {}
                    (Reach::Away | Reach::Dead, When::Connecting) => {
                        let detail = "nothing listens there".to_owned();
                        return Err(EngineError::Absent { endpoint: world.endpoint.clone(), detail });
                    }
                    (Reach::Denied, When::Connecting) => {
                        let detail = "the socket belongs to another user".to_owned();
                        return Err(EngineError::Denied { endpoint: world.endpoint.clone(), detail });
                    }
                    (Reach::Away | Reach::Dead | Reach::Denied, When::UnderWay) => {
                        return Err(world.broken(tried, "connection reset by peer"));
                    }
                }
                (world.reach_changed.clone().notified_owned(), world.next_due())
            };
            match due {
                Some(due) => tokio::select! { () = changed => {}, () = sleep_until(due) => {} },
                None => changed.await,
            }
        }
    }

    /// Inspects of some containers are never answered.
    pub(super) async fn until_it_is_inspected(&self, id: &ContainerId) {
        loop {
            let changed = {
                let world = self.world();
                if !world.hung_inspects.contains(id) {
                    return;
                }
                world.reach_changed.clone().notified_owned()
            };
            changed.await;
        }
    }

    /// Signals, waits for the grace where the program ignores that, and ends it.
    pub(super) async fn stop_as_asked(
        &self,
        id: &ContainerId,
        grace: Option<Duration>,
    ) -> Result<(), EngineError> {
        let begun = self.world().begin_stop(id)?;
        match begun {
            Some(OnTerm::Ignore) => sleep(grace.unwrap_or(deadline::DEFAULT_GRACE)).await,
            Some(OnTerm::Exit(_)) => {}
            None => return Ok(()),
        }
        self.world().finish_stop(id)
    }

    pub(super) async fn restart_as_asked(
        &self,
        id: &ContainerId,
        grace: Option<Duration>,
    ) -> Result<(), EngineError> {
        let ignores = self.world().containers.get(id).is_some_and(|c| c.spec.on_term == OnTerm::Ignore);
        if ignores {
            sleep(grace.unwrap_or(deadline::DEFAULT_GRACE)).await;
        }
        self.world().restart(id)
    }

    /// Subscribes to what `hears` lets through.
    #[cfg(unix)]
    pub(super) fn read_all(
        &self,
        since: Timestamp,
        hears: impl Fn(&Told) -> bool + Send + 'static,
    ) -> Reading {
        let reader = self.world().subscribe_to(since, Box::new(hears));
        Reading { engine: self.clone(), reader }
    }

    async fn within<T>(
        &self,
        tried: &str,
        deadline: Duration,
        call: impl Future<Output = Result<T, EngineError>> + Send,
    ) -> Result<T, EngineError> {
        timeout(deadline, call).await.unwrap_or_else(|_| {
            Err(EngineError::Hung { endpoint: self.endpoint.to_string(), tried: tried.to_owned(), deadline })
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Connecting,
    UnderWay,
}

/// Lets `latency` pass; none at all still gives others their turn.
async fn pass(latency: Duration) {
    if latency.is_zero() {
        tokio::task::yield_now().await;
    } else {
        sleep(latency).await;
    }
}
#[async_trait]
impl Engine for FakeEngine {
    fn endpoint(&self) -> String {
        self.endpoint.to_string()
    }

    async fn identify(&self) -> Result<EngineIdentity, EngineError> {
        let tried = "ask who answers";
        self.within(tried, deadline::READ, async {
            let mishap = self.reach(Call::Identify, tried).await?;
            self.answer(tried, mishap, self.who()).await
        })
        .await
    }

    async fn ping(&self) -> Result<(), EngineError> {
        let tried = "ask for a sign of life";
        self.within(tried, deadline::PING, async {
            let mishap = self.reach(Call::Ping, tried).await?;
            self.answer(tried, mishap, ()).await
        })
        .await
    }

    async fn list(&self) -> Result<Vec<Listed>, EngineError> {
        let tried = "list the containers";
        self.within(tried, deadline::LIST, async {
            let mishap = self.reach(Call::List, tried).await?;
            let mut rows: Vec<Listed> = self.world().listed().into_iter().map(|(row, _)| row).collect();
            if let Some(Mishap::Truncate(kept)) = mishap {
                rows.truncate(kept);
            }
            self.answer(tried, mishap, rows).await
        })
        .await
    }

    async fn list_managed(&self) -> Result<Vec<ManagedContainer>, EngineError> {
        let tried = "list the managed containers";
        self.within(tried, deadline::LIST, async {
            let mishap = self.reach(Call::ListManaged, tried).await?;
            let mut rows: Vec<ManagedContainer> = self
                .world()
                .listed()
                .into_iter()
                .filter(|(_, c)| c.spec.labels.get(labels::MANAGED).is_some_and(|v| v == "true"))
                .map(|(row, c)| {
                    ManagedContainer::from_labels(row.container_id, row.name, row.state, &c.spec.labels)
                })
                .collect();
            if let Some(Mishap::Truncate(kept)) = mishap {
                rows.truncate(kept);
            }
            self.answer(tried, mishap, rows).await
        })
        .await
    }

    async fn inspect(&self, id: &ContainerId) -> Result<Option<Observed>, EngineError> {
        let tried = format!("inspect {}", id.short());
        let _under_way = InspectUnderWay::begin(self, id);
        self.within(&tried, deadline::READ, async {
            let mishap = self.reach(Call::Inspect, &tried).await?;
            self.until_it_is_inspected(id).await;
            let seen = self.truth_of(id);
            self.answer(&tried, mishap, seen).await
        })
        .await
    }

    async fn inspect_whole(&self, id: &ContainerId) -> Result<Option<String>, EngineError> {
        let tried = format!("inspect {}", id.short());
        self.within(&tried, deadline::READ, async {
            let mishap = self.reach(Call::InspectWhole, &tried).await?;
            let told = self.world().containers.get(id).map(document);
            self.answer(&tried, mishap, told).await
        })
        .await
    }

    async fn logs(&self, id: &ContainerId, lines: u32) -> Result<Vec<String>, EngineError> {
        let tried = format!("read the log of {}", id.short());
        self.within(&tried, deadline::READ, async {
            let mishap = self.reach(Call::Logs, &tried).await?;
            let said = self.world().last_lines(id, lines);
            self.answer(&tried, mishap, said).await?
        })
        .await
    }

    async fn usage(&self) -> Result<Usage, EngineError> {
        let tried = "measure the disk";
        self.within(tried, deadline::USAGE, async {
            let mishap = self.reach(Call::Usage, tried).await?;
            let usage = self.world().usage();
            self.answer(tried, mishap, usage).await
        })
        .await
    }

    async fn holdings(&self, id: &ContainerId) -> Result<Option<Holdings>, EngineError> {
        let tried = format!("measure {}", id.short());
        self.within(&tried, deadline::HOLDINGS, async {
            let mishap = self.reach(Call::Holdings, &tried).await?;
            let holds = self.world().holdings(id);
            self.answer(&tried, mishap, holds).await
        })
        .await
    }

    async fn events(&self, since: Timestamp) -> Result<EventStream, EngineError> {
        let tried = "subscribe to the events";
        self.within(tried, deadline::READ, async {
            let mishap = self.reach(Call::Events, tried).await?;
            let reading = Reading { engine: self.clone(), reader: self.world().subscribe(since) };
            let events = stream::unfold(reading, |reading| async move {
                Some((reading.next().await?.map(|told| told.event), reading))
            });
            self.answer(tried, mishap, Box::pin(events) as EventStream).await
        })
        .await
    }

    async fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        let tried = format!("start {}", id.short());
        self.within(&tried, deadline::START, async {
            let mishap = self.reach(Call::Start, &tried).await?;
            let done = self.world().start(id);
            self.answer(&tried, mishap, done).await?
        })
        .await
    }

    async fn stop(&self, id: &ContainerId, grace: Option<Duration>) -> Result<(), EngineError> {
        let tried = format!("stop {}", id.short());
        self.within(&tried, deadline::stop(grace), async {
            let mishap = self.reach(Call::Stop, &tried).await?;
            let done = self.stop_as_asked(id, grace).await;
            self.answer(&tried, mishap, done).await?
        })
        .await
    }

    async fn restart(&self, id: &ContainerId, grace: Option<Duration>) -> Result<(), EngineError> {
        let tried = format!("restart {}", id.short());
        self.within(&tried, deadline::restart(grace), async {
            let mishap = self.reach(Call::Restart, &tried).await?;
            let done = self.restart_as_asked(id, grace).await;
            self.answer(&tried, mishap, done).await?
        })
        .await
    }
}

/// One open event stream. Leaving it closes it.
pub(super) struct Reading {
    engine: FakeEngine,
    reader: u64,
}

impl Reading {
    pub(super) async fn next(&self) -> Option<Result<Told, EngineError>> {
        loop {
            let (notify, due) = {
                let mut world = self.engine.world();
                let frozen = world.reach == Reach::Hangs;
                let next_due = world.next_due();
                let reader = world.readers.get_mut(&self.reader)?;
                let first = reader.queue.front().map(|(due, _)| *due);
                // What was sent before the connection broke still arrives; a frozen engine sends nothing.
                match first {
                    Some(due) if due <= Instant::now() && (!frozen || reader.ended.is_some()) => {
                        return reader.queue.pop_front().map(|(_, told)| Ok(told));
                    }
                    None if reader.ended.is_some() => {
                        let ended = reader.ended.take();
                        world.readers.remove(&self.reader);
                        return ended.map(Err);
                    }
                    _ => {}
                }
                let first = if frozen && reader.ended.is_none() { None } else { first };
                (reader.notify.clone(), [first, next_due].into_iter().flatten().min())
            };
            match due {
                Some(due) => tokio::select! { () = notify.notified() => {}, () = sleep_until(due) => {} },
                None => notify.notified().await,
            }
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.engine.world().readers.remove(&self.reader);
    }
}
