//! Finds who answers a command: a daemon if one runs, else this process.

use std::time::Duration;

use tinyforge_core::app::{self, App};
use tinyforge_core::control::client::{Client, Face, HELLO_DEADLINE, Reach, SilentDaemon};
use tinyforge_core::control::commands::{Command, GetStatus, Nature};
use tinyforge_core::control::meant::{Elsewhere, Meant};
use tinyforge_core::control::shapes::{ApiError, ErrorCode};
use tinyforge_core::home::{Home, HomeError};

use crate::output::tell;
use crate::render::Host;

/// How long a command that acts waits for another one to be done with the data folder.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// How long a reading command waits for a daemon's hello. It can do without: what it then finds by itself is as true.
const READING_PATIENCE: Duration = Duration::from_secs(2);

/// Who answers.
pub struct Reached {
    pub face: Face,
    who: Who,
}

enum Who {
    Daemon(Client),
    /// The engine is watched from memory; nothing is written. A daemon may be there all the same and not answer.
    Observer(Option<SilentDaemon>),
    /// This process holds the data folder until it is done.
    InPlace(Box<App>),
}

impl Reached {
    /// For commands of that nature.
    pub async fn by(nature: Nature) -> Result<Self, ApiError> {
        let home = home()?;
        let reads = matches!(nature, Nature::Reads | Nature::NeedsEngine);
        match Client::reach(&home, if reads { READING_PATIENCE } else { HELLO_DEADLINE }).await? {
            Reach::Daemon(client) => Ok(Self::daemon(client)),
            Reach::Nobody if reads => Self::observing(&home, None).await,
            Reach::Nobody => Self::in_place(home).await,
            Reach::Silent(daemon) if reads => {
                tell(&format!("{}. {} This is seen without it.", daemon.text, daemon.cure()));
                Self::observing(&home, Some(daemon)).await
            }
            Reach::Silent(daemon) => Err(daemon.into()),
        }
    }

    /// For commands of that nature about an engine's containers. A daemon that watches another engine than `DOCKER_HOST`
    /// says shows what it has, and acts upon nothing.
    pub async fn on_the_engine(nature: Nature) -> Result<Self, ApiError> {
        let reached = Self::by(nature).await?;
        if let Some(elsewhere) = reached.elsewhere().await? {
            match nature {
                Nature::Reads | Nature::NeedsEngine => tell(&format!("{elsewhere}. This is of the latter.")),
                Nature::Acts => return Err(elsewhere.refusal()),
            }
        }
        Ok(reached)
    }

    async fn elsewhere(&self) -> Result<Option<Elsewhere>, ApiError> {
        match (&self.who, Meant::by_this_process()) {
            (Who::Daemon(client), Some(meant)) => Ok(meant.elsewhere(&client.call(GetStatus {}).await?)),
            (Who::Daemon(_) | Who::Observer(_) | Who::InPlace(_), _) => Ok(None),
        }
    }

    async fn observing(home: &Home, silent: Option<SilentDaemon>) -> Result<Self, ApiError> {
        let desk = app::observe(home, silent.clone()).await?;
        Ok(Self { face: Face::Local(desk), who: Who::Observer(silent) })
    }

    async fn in_place(home: Home) -> Result<Self, ApiError> {
        match app::work_in_place(&home, LOCK_WAIT).await {
            Ok(app) => Ok(Self { face: Face::Local(app.desk()), who: Who::InPlace(Box::new(app)) }),
            // A daemon may have come up while we waited for the lock that it now holds.
            Err(locked) if locked.code == ErrorCode::Locked => {
                Client::connect(&home).await?.map(Self::daemon).ok_or_else(|| busy(&locked))
            }
            Err(error) => Err(error),
        }
    }

    fn daemon(client: Client) -> Self {
        Self { face: Face::Remote(client.clone()), who: Who::Daemon(client) }
    }

    /// For the first line of the status.
    pub fn host(&self) -> Host<'_> {
        match &self.who {
            Who::Daemon(client) => Host::Daemon { version: &client.daemon().version },
            Who::Observer(Some(daemon)) => Host::SilentDaemon { pid: daemon.pid },
            Who::Observer(None) | Who::InPlace(_) => Host::Nobody,
        }
    }

    /// Where the daemon is lost under a command that reads, it is done without, as if it had not answered from the
    /// beginning.
    pub async fn call<C: Command>(&mut self, command: C) -> Result<C::Answer, ApiError> {
        match self.face.call(command.clone()).await {
            Err(lost) if self.may_be_done_without::<C>(&lost) => {
                *self = Self::by(C::NATURE).await?;
                self.face.call(command).await
            }
            answer => answer,
        }
    }

    fn may_be_done_without<C: Command>(&self, lost: &ApiError) -> bool {
        let daemon = matches!(self.who, Who::Daemon(_));
        daemon && lost.code == ErrorCode::DaemonGone && C::NATURE != Nature::Acts
    }

    /// Gives the data folder back, if this process took it.
    pub async fn leave(self) {
        match self.who {
            Who::InPlace(app) => app.stop().await,
            Who::Daemon(_) | Who::Observer(_) => {}
        }
    }
}

/// No daemon listens: it is another command that acts in place, or a daemon on its way up or down.
fn busy(locked: &ApiError) -> ApiError {
    let waited = LOCK_WAIT.as_secs();
    let message = format!("{} (waited for {waited} s)", locked.message.trim_end_matches('.'));
    ApiError::new(ErrorCode::Locked, message)
}

/// The data folder that the environment says.
pub fn home() -> Result<Home, ApiError> {
    Home::from_environment().map_err(|error: HomeError| ApiError::new(ErrorCode::Usage, error.to_string()))
}
