//! Carries what the core says to the web view, to the tray and to the desktop's notifications.

use std::time::Duration;

use tauri::{AppHandle, Manager};
use tauri_specta::Event;
use tinyforge_core::control::commands::{GetNoticeRules, GetSnapshot};
use tinyforge_core::control::shapes::Announcement;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::events::{Announced, StandingChanged};
use crate::link::{Heard, Link, Standing};
use crate::notify;
use crate::tray::{Board, Tray};

/// What may wait here before the core's own backlog takes over, which then says that some were missed.
const BACKLOG: usize = 256;

/// A tray is redrawn at most so often: its icon and menu travel over the session bus.
const REDRAW: Duration = Duration::from_millis(250);

/// Listens as long as the program runs.
pub async fn listen(app: AppHandle, tray: Tray) {
    let (up, heard) = mpsc::channel(BACKLOG);
    let link = app.state::<Link>();
    tokio::join!(link.keep(&up), carry(&app, heard, tray));
}

async fn carry(app: &AppHandle, mut heard: mpsc::Receiver<Heard>, mut tray: Tray) {
    let mut board = Board::default();
    let mut redraw: Option<Instant> = None;
    loop {
        tokio::select! {
            next = heard.recv() => match next {
                Some(heard) => {
                    pass_on(app, &mut board, heard).await;
                    redraw = redraw.or_else(|| Some(Instant::now() + REDRAW));
                }
                None => return,
            },
            () = until(redraw) => {
                redraw = None;
                if let Err(error) = tray.draw(app, board.picture()) {
                    tracing::warn!(%error, "the tray cannot be redrawn");
                }
            }
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The window first: a person may be looking at it.
async fn pass_on(app: &AppHandle, board: &mut Board, heard: Heard) {
    match heard {
        Heard::Standing(standing) => {
            emit(app, &StandingChanged(standing.clone()));
            let stands = matches!(standing, Standing::Own { .. } | Standing::Attached { .. });
            board.stand(standing);
            if stands {
                reread(app, board).await;
            }
        }
        Heard::Announced(announcement) => {
            let announced = Announced(announcement);
            emit(app, &announced);
            match &announced.0 {
                Announcement::Lagged { .. } => reread(app, board).await,
                Announcement::Notice(notice) => notify::show(app, notice),
                heard => board.hear(heard),
            }
        }
    }
}

async fn reread(app: &AppHandle, board: &mut Board) {
    match app.state::<Link>().ask(GetSnapshot {}).await {
        Ok(snapshot) => board.reset(&snapshot),
        Err(error) => tracing::warn!(%error, "the tray cannot be brought up to date"),
    }
    match app.state::<Link>().ask(GetNoticeRules {}).await {
        Ok(rules) => board.rule(&rules),
        Err(error) => tracing::warn!(%error, "the tray cannot say whether notifications are paused"),
    }
}

/// Costs nothing while no window is there to hear it.
fn emit<E: Event + serde::Serialize + Clone>(app: &AppHandle, event: &E) {
    if app.webview_windows().is_empty() {
        return;
    }
    if let Err(error) = event.emit(app) {
        tracing::warn!(%error, "an announcement did not reach the window");
    }
}
