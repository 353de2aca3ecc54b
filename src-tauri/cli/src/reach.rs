//! Finds who answers a command: a daemon if one runs, else this process.

use std::time::Duration;

use tinyforge_core::app::{self, App};
use tinyforge_core::control::client::{Client, Face};
use tinyforge_core::control::commands::{Command, Nature};
use tinyforge_core::control::shapes::{ApiError, ErrorCode};
use tinyforge_core::home::{Home, HomeError};

/// How long a command that acts waits for another one to be done with the data folder.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Who answers.
pub struct Reached {
    pub face: Face,
    who: Who,
}

enum Who {
    Daemon(Client),
    /// The engine is watched from memory; nothing is written.
    Observer,
    /// This process holds the data folder until it is done.
    InPlace(App),
}

impl Reached {
    /// For commands of that nature.
    pub async fn by(nature: Nature) -> Result<Self, ApiError> {
        let home = home()?;
        if let Some(client) = Client::connect(&home).await? {
            return Ok(Self::daemon(client));
        }
        match nature {
            Nature::Reads | Nature::NeedsEngine => {
                Ok(Self { face: Face::Local(app::observe(&home).await?), who: Who::Observer })
            }
            Nature::Acts => Self::in_place(home).await,
        }
    }

    async fn in_place(home: Home) -> Result<Self, ApiError> {
        match app::work_in_place(&home, LOCK_WAIT).await {
            Ok(app) => Ok(Self { face: Face::Local(app.desk()), who: Who::InPlace(app) }),
            // A daemon may have come up while we waited for the lock that it now holds.
            Err(locked) if locked.code == ErrorCode::Locked => {
                Client::connect(&home).await?.map(Self::daemon).ok_or(locked)
            }
            Err(error) => Err(error),
        }
    }

    fn daemon(client: Client) -> Self {
        Self { face: Face::Remote(client.clone()), who: Who::Daemon(client) }
    }

    /// The daemon's version; `None` where this process answers.
    pub fn daemon_version(&self) -> Option<&str> {
        match &self.who {
            Who::Daemon(client) => Some(&client.daemon().version),
            Who::Observer | Who::InPlace(_) => None,
        }
    }

    pub async fn call<C: Command>(&self, command: C) -> Result<C::Answer, ApiError> {
        self.face.call(command).await
    }

    /// Gives the data folder back, if this process took it.
    pub async fn leave(self) {
        match self.who {
            Who::InPlace(app) => app.stop().await,
            Who::Daemon(_) | Who::Observer => {}
        }
    }
}

/// The data folder that the environment says.
pub fn home() -> Result<Home, ApiError> {
    Home::from_environment().map_err(|error: HomeError| ApiError::new(ErrorCode::Usage, error.to_string()))
}
