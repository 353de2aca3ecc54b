//! The command surface: one list of commands for every face, the shapes they answer with, and the socket that
//! carries both to a face in another process.
//!
//! [`commands`] is the list. [`shapes`] are the JSON shapes of the contract, built from domain types by `present`.
//! [`Control`] answers in this process; [`client::Client`] asks a daemon over [`server`]'s socket. A face holds a
//! [`client::Face`], which is either, and cannot tell.

mod act;
pub mod client;
pub mod commands;
mod doctor;
mod index;
mod inspect;
mod keep;
pub mod meant;
mod notices;
mod outgoing;
mod present;
pub mod protocol;
pub mod server;
pub mod shapes;
pub mod socket;
mod stale;
mod status;
mod verify;
pub mod words;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::StreamExt;
use jiff::Timestamp;
use serde_json::Value;

use crate::clock::SharedClock;
use crate::docker::{EngineError, SharedEngine};
use crate::events::{Bus, Event, Heard};
use crate::home::Home;
use crate::jobs::Board;
use crate::notify::webhook::Outgoing;
use crate::reconcile::Reconciler;
use crate::rules::ids::{EngineId, WorkloadId};
use crate::rules::verdict::Tally;
use crate::store::{Store, StoreError};
use client::SilentDaemon;
use commands::Command;
pub(crate) use keep::backup;
use protocol::{Announcements, Desk};
use shapes::{Announcement, ApiError, ErrorCode, Patch};
pub use verify::AsWritten;

/// Answers commands in the process that holds the core. Cheap to clone.
#[derive(Clone)]
pub struct Control {
    parts: Arc<ControlParts>,
    /// The verdicts as they were counted last, and of which engine's index at which revision.
    tally: Arc<Mutex<Option<Counted>>>,
}

type Counted = ((Option<EngineId>, u64), Tally);

/// What the answers are made from.
pub struct ControlParts {
    pub home: Home,
    pub engine: SharedEngine,
    pub store: Store,
    pub index: Reconciler,
    pub jobs: Board,
    pub outgoing: Outgoing,
    pub bus: Bus,
    pub clock: SharedClock,
    pub started: Timestamp,
    /// Whether this process may write: a command without a daemon that only observes may not.
    pub observes_only: bool,
    /// The daemon that holds the folder and does not answer, where this process observes in its place.
    pub silent_daemon: Option<SilentDaemon>,
    /// The index as it was before this process looked, where it only observes.
    pub as_written: Option<AsWritten>,
}

/// How one command is answered.
trait Answers<C: Command> {
    fn answer(&self, command: C) -> impl Future<Output = Result<C::Answer, ApiError>> + Send;
}

impl Control {
    #[must_use]
    pub fn new(parts: ControlParts) -> Self {
        Self { parts: Arc::new(parts), tally: Arc::default() }
    }

    #[must_use]
    pub fn home(&self) -> &Home {
        &self.parts.home
    }

    #[must_use]
    pub fn clock(&self) -> SharedClock {
        Arc::clone(&self.parts.clock)
    }

    #[must_use]
    pub fn outgoing(&self) -> Outgoing {
        self.parts.outgoing.clone()
    }

    #[must_use]
    pub fn started(&self) -> Timestamp {
        self.parts.started
    }

    /// Reads the arguments, answers, writes the answer.
    async fn serve<C: Command>(&self, args: Value) -> Result<Value, ApiError>
    where
        Self: Answers<C>,
    {
        let args = if args.is_null() { Value::Object(serde_json::Map::new()) } else { args };
        let command: C = serde_json::from_value(args).map_err(|error| {
            ApiError::new(ErrorCode::Usage, format!("{}: these arguments: {error}", C::NAME))
        })?;
        let answer = Answers::<C>::answer(self, command).await?;
        serde_json::to_value(answer)
            .map_err(|error| ApiError::new(ErrorCode::Internal, format!("{}: its answer: {error}", C::NAME)))
    }

    async fn patch(&self, change: &crate::events::IndexChange) -> Result<Patch, ApiError> {
        let names = self.parts.store.workload_names().await?;
        let seen = self.seen();
        let name_of = |id: &WorkloadId| names.get(id).map(|workload| workload.name.clone());
        Ok(Patch {
            revision: change.revision,
            upserts: change.upserts.iter().map(|row| present::container(row, &names, seen)).collect(),
            removals: change.removals.iter().map(ToString::to_string).collect(),
            history: change
                .history
                .iter()
                .map(|line| present::log_entry(line, line.workload_id.as_ref().and_then(name_of)))
                .collect(),
        })
    }

    /// Now, and up to when the index was verified.
    fn seen(&self) -> present::Seen {
        present::Seen { now: self.parts.clock.now(), verified_at: self.parts.index.pulse().verified_at }
    }

    async fn announcement(&self, heard: Heard) -> Option<Announcement> {
        let told = match heard {
            Heard::Lagged(missed) => return Some(Announcement::Lagged { missed }),
            Heard::Closed => return None,
            Heard::Event(Event::IndexChanged(change)) => self.patch(&change).await.map(Announcement::Patch),
            Heard::Event(Event::GapRecorded(gap)) => Ok(Announcement::Gap(present::gap(&gap))),
            Heard::Event(Event::StatusChanged) => {
                self.status().await.map(|status| Announcement::Status(Box::new(status)))
            }
            Heard::Event(Event::NewlyStale(found)) => {
                self.stale_digest(&found).await.map(Announcement::Stale)
            }
            Heard::Event(Event::Noticed(notice)) => Ok(Announcement::Notice(Box::new((*notice).clone()))),
            Heard::Event(Event::NoticeRulesChanged) => {
                self.notice_rules().await.map(Announcement::NoticeRules)
            }
            Heard::Event(Event::SettingChanged { key }) => {
                self.setting(&key).await.map(|setting| Announcement::Setting { key, value: setting.value })
            }
        };
        match told {
            Ok(announcement) => Some(announcement),
            Err(error) => {
                tracing::warn!("an announcement could not be made, a snapshot will be asked for: {error}");
                Some(Announcement::Lagged { missed: 1 })
            }
        }
    }
}

macro_rules! dispatch {
    ($($command:ident),+ $(,)?) => {
        impl Control {
            async fn dispatch(&self, name: &str, args: Value) -> Result<Value, ApiError> {
                match name {
                    $(commands::$command::NAME => self.serve::<commands::$command>(args).await,)+
                    unknown => Err(ApiError::new(
                        ErrorCode::Usage,
                        format!("there is no command {unknown:?}; this daemon may be older than the program that asks"),
                    )),
                }
            }
        }
    };
}
crate::every_command!(dispatch);

#[async_trait]
impl Desk for Control {
    async fn answer(&self, name: &str, args: Value) -> Result<Value, ApiError> {
        self.dispatch(name, args).await
    }

    fn announcements(&self) -> Announcements {
        let subscriber = self.parts.bus.subscribe();
        let told = futures_util::stream::unfold(
            (self.clone(), subscriber),
            |(control, mut subscriber)| async move {
                let heard = subscriber.next().await;
                let announcement = control.announcement(heard).await?;
                Some((announcement, (control, subscriber)))
            },
        );
        let gone = Announcement::Gone { reason: "the daemon is stopping".to_owned() };
        told.chain(futures_util::stream::once(async { gone })).boxed()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Locked(_) => ErrorCode::Locked,
            StoreError::NoSuchSetting { .. }
            | StoreError::NoSuchContainer(_)
            | StoreError::NoSuchBackup(_) => ErrorCode::NotFound,
            StoreError::AmbiguousContainer { .. } => ErrorCode::Ambiguous,
            StoreError::BadSetting { .. } => ErrorCode::Usage,
            StoreError::Conflict(_) => ErrorCode::Conflict,
            StoreError::Newer { .. } => ErrorCode::Version,
            StoreError::Busy { .. }
            | StoreError::DiskFull { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::Io { .. }
            | StoreError::Damaged { .. }
            | StoreError::Folder { .. }
            | StoreError::Migration { .. }
            | StoreError::SchemaDiffers(_)
            | StoreError::Interrupted
            | StoreError::BadBackup { .. }
            | StoreError::InMemory(_)
            | StoreError::Refused { .. }
            | StoreError::Closed => ErrorCode::Database,
        };
        Self::new(code, error.to_string())
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let code = match &error {
            EngineError::NotFound { .. } => ErrorCode::NotFound,
            EngineError::Refused { status: 409, .. } => ErrorCode::Conflict,
            EngineError::Refused { .. } => ErrorCode::Refused,
            EngineError::Garbled { .. } => ErrorCode::Internal,
            EngineError::Absent { .. }
            | EngineError::Denied { .. }
            | EngineError::Hung { .. }
            | EngineError::Broken { .. }
            | EngineError::Endpoint(_) => ErrorCode::EngineAway,
        };
        Self::new(code, format!("{error}. {}", error.cure()))
    }
}
