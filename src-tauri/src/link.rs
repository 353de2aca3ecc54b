//! What the window stands on: a core of its own, or a daemon that already holds the data folder.
//!
//! *Expected flow.* Connect to a daemon on the data folder; where none runs, start the core in this process. Tell
//! the window which it is, subscribe, and pass every announcement on. When the daemon goes, say so and begin again:
//! whichever of the two is then to be had takes over by itself.
//!
//! *Guarantees.* The subscription stands before the window is told that it may ask for a snapshot, so that no
//! change falls between the two. The own core is stopped in order before the program ends.

use std::sync::PoisonError;
use std::time::Duration;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use specta::Type;
use tinyforge_core::app::{App, AppOptions, EngineChoice};
use tinyforge_core::control::client::{Client, Face};
use tinyforge_core::control::commands::Command;
use tinyforge_core::control::protocol::Announcements;
use tinyforge_core::control::shapes::{Announcement, ApiError, ErrorCode};
use tinyforge_core::home::Home;
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::error::Answer;

/// How long a core that cannot be had is left alone before the next try. Long enough to cost nothing, short enough
/// that a daemon which was restarted is back on the screen before one looks twice.
const RETRY: Duration = Duration::from_secs(2);

/// What the window stands on, as it is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Standing {
    /// Looking for a daemon, or starting the core.
    Starting,
    /// The core runs in this program.
    Own { home: String },
    /// A daemon that was started elsewhere holds the data folder. Its version may differ as long as both speak the
    /// same protocol; the window says so.
    Attached { home: String, ours: String, daemon: String },
    /// The daemon that held the data folder is gone; another try follows by itself.
    Lost { reason: String },
    /// That daemon and this window do not understand each other.
    VersionDiffers { ours: String, reason: String },
    /// The core could not be started; another try follows by itself.
    Failed { code: ErrorCode, reason: String },
}

/// The window's line to the core.
pub struct Link {
    home: Home,
    engine: EngineChoice,
    /// Where the window works at present.
    place: std::sync::Mutex<Place>,
    /// The window goes on elsewhere: nothing is lost then.
    switched: Notify,
    face: watch::Sender<Option<Face>>,
    standing: watch::Sender<Standing>,
    own: Mutex<Option<App>>,
    again: Notify,
    closing: CancellationToken,
}

/// What the window can be asked to work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The user's data folder, and the engine that was chosen at the start.
    AsStarted,
    /// The user's data folder and own engine.
    Users,
    /// A simulated engine, in a data folder of its own: what it plays never stands among what is the user's.
    Demo,
}

/// The demo's data folder, below the user's.
const DEMO_FOLDER: &str = "demo";

/// A core that answers, and what it announces from now on.
struct Session {
    face: Face,
    standing: Standing,
    announcements: Announcements,
}

/// What goes up to the window and the tray.
pub enum Heard {
    Standing(Standing),
    Announced(Announcement),
}

impl Link {
    #[must_use]
    pub fn new(home: Home, engine: EngineChoice) -> Self {
        Self {
            home,
            engine,
            place: std::sync::Mutex::new(Place::AsStarted),
            switched: Notify::new(),
            face: watch::Sender::new(None),
            standing: watch::Sender::new(Standing::Starting),
            own: Mutex::new(None),
            again: Notify::new(),
            closing: CancellationToken::new(),
        }
    }

    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Passes one command to the core.
    pub async fn ask<C: Command>(&self, command: C) -> Answer<C> {
        let face = self.face.borrow().clone();
        match face {
            Some(face) => face.call(command).await,
            None => Err(without_a_core(&self.standing())),
        }
    }

    /// Cuts the pause before the next try short.
    pub fn try_again(&self) {
        self.again.notify_one();
    }

    /// Lets go of what the window stands on, an own core ended in order, and begins anew at that place.
    pub async fn work_at(&self, place: Place) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
        let mut own = self.own.lock().await;
        self.switched.notify_one();
        if let Some(app) = own.take() {
            app.stop().await;
        }
        self.try_again();
    }

    fn home(&self) -> Home {
        match *self.place.lock().unwrap_or_else(PoisonError::into_inner) {
            Place::AsStarted | Place::Users => self.home.clone(),
            Place::Demo => Home::at(self.home.folder().join(DEMO_FOLDER)),
        }
    }

    fn options(&self) -> AppOptions {
        let place = *self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = match place {
            Place::AsStarted => self.engine.clone(),
            Place::Users => EngineChoice::Discover,
            Place::Demo => EngineChoice::Demo,
        };
        AppOptions { home: self.home(), engine }
    }

    /// Stays connected until [`Link::close`], and tells `up` everything in order.
    pub async fn keep(&self, up: &mpsc::Sender<Heard>) {
        loop {
            let next = match self.open().await {
                Ok(session) => self.listen(session, up).await,
                Err(error) => standing_after(error),
            };
            self.face.send_replace(None);
            if self.closing.is_cancelled() {
                return;
            }
            self.stand(next, up).await;
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = self.again.notified() => {}
                () = self.closing.cancelled() => return,
            }
        }
    }

    /// Lets go of a daemon; stops an own core in order.
    pub async fn close(&self) {
        self.closing.cancel();
        self.face.send_replace(None);
        if let Some(app) = self.own.lock().await.take() {
            app.stop().await;
        }
    }

    /// A daemon on the data folder, else a core of our own. The own one comes first once it runs: it would answer on
    /// the daemon's socket too.
    async fn open(&self) -> Result<Session, ApiError> {
        let mut own = self.own.lock().await;
        if self.closing.is_cancelled() {
            return Err(ApiError::new(ErrorCode::DaemonGone, "the program is ending"));
        }
        let (face, standing) = if let Some(app) = own.as_ref() {
            (Face::Local(app.desk()), self.owned())
        } else if let Some(daemon) = Client::connect(&self.home()).await? {
            let standing = self.attached(&daemon);
            (Face::Remote(daemon), standing)
        } else {
            let app = own.insert(App::start(self.options()).await?);
            (Face::Local(app.desk()), self.owned())
        };
        drop(own);
        let announcements = face.subscribe().await?;
        Ok(Session { face, standing, announcements })
    }

    fn attached(&self, daemon: &Client) -> Standing {
        Standing::Attached {
            home: self.home_text(),
            ours: tinyforge_core::VERSION.to_owned(),
            daemon: daemon.daemon().version.clone(),
        }
    }

    fn owned(&self) -> Standing {
        Standing::Own { home: self.home_text() }
    }

    /// Passes announcements on until they end; returns what the window then stands on.
    async fn listen(&self, session: Session, up: &mpsc::Sender<Heard>) -> Standing {
        let Session { face, standing, mut announcements } = session;
        self.face.send_replace(Some(face));
        self.stand(standing, up).await;
        loop {
            let next = tokio::select! {
                next = announcements.next() => next,
                () = self.closing.cancelled() => return Standing::Starting,
                () = self.switched.notified() => return Standing::Starting,
            };
            match next {
                Some(Announcement::Gone { reason }) => return Standing::Lost { reason },
                Some(announcement) => tell(up, Heard::Announced(announcement)).await,
                None => return Standing::Lost { reason: "the connection to the daemon ended".to_owned() },
            }
        }
    }

    async fn stand(&self, standing: Standing, up: &mpsc::Sender<Heard>) {
        let before = self.standing.send_replace(standing.clone());
        if before != standing {
            tracing::info!(?standing, "the window stands on something else");
            tell(up, Heard::Standing(standing)).await;
        }
    }

    fn home_text(&self) -> String {
        self.home().folder().display().to_string()
    }
}

/// Nobody listens only at the very end, when there is nobody left to tell.
async fn tell(up: &mpsc::Sender<Heard>, heard: Heard) {
    let _ = up.send(heard).await;
}

/// What the window stands on where no core could be had.
fn standing_after(error: ApiError) -> Standing {
    match error.code {
        ErrorCode::Version => {
            Standing::VersionDiffers { ours: tinyforge_core::VERSION.to_owned(), reason: error.message }
        }
        ErrorCode::DaemonGone => Standing::Lost { reason: error.message },
        code => Standing::Failed { code, reason: error.message },
    }
}

/// Why a command cannot be passed on.
fn without_a_core(standing: &Standing) -> ApiError {
    let (code, message) = match standing {
        Standing::Starting | Standing::Own { .. } | Standing::Attached { .. } => {
            (ErrorCode::DaemonGone, "Tinyforge is still starting; try again in a moment".to_owned())
        }
        Standing::Lost { reason } => {
            (ErrorCode::DaemonGone, format!("the daemon is gone ({reason}); the window reconnects by itself"))
        }
        Standing::VersionDiffers { reason, .. } => (ErrorCode::Version, reason.clone()),
        Standing::Failed { code, reason } => (*code, reason.clone()),
    };
    ApiError::new(code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_cannot_be_had_is_told_apart_by_what_the_user_can_do() {
        let after = |code| standing_after(ApiError::new(code, "why"));
        assert!(matches!(after(ErrorCode::Version), Standing::VersionDiffers { .. }));
        assert!(matches!(after(ErrorCode::DaemonGone), Standing::Lost { .. }));
        assert!(matches!(after(ErrorCode::Locked), Standing::Failed { code: ErrorCode::Locked, .. }));
        assert!(matches!(after(ErrorCode::Database), Standing::Failed { code: ErrorCode::Database, .. }));
    }

    #[test]
    fn a_command_without_a_core_fails_with_the_reason_that_is_on_the_screen() {
        let lost = without_a_core(&Standing::Lost { reason: "killed".into() });
        assert_eq!(lost.code, ErrorCode::DaemonGone);
        assert!(lost.message.contains("killed"), "{lost}");
        let failed =
            without_a_core(&Standing::Failed { code: ErrorCode::Database, reason: "disk full".into() });
        assert_eq!(failed, ApiError::new(ErrorCode::Database, "disk full"));
    }
}
