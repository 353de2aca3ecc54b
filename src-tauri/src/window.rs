//! The window's life: shown, closed to the tray (which frees its web view), shown again, and the end of the program.

use tauri::{AppHandle, Manager, WebviewWindow, WebviewWindowBuilder};
use tauri_specta::Event;

use crate::events::{CloseAsked, ContainerChosen, PlaceChosen};
use crate::link::Link;

const MAIN: &str = "main";

/// Brings the window to the front; makes it anew where it was freed.
pub fn show(app: &AppHandle) {
    let shown = match app.get_webview_window(MAIN) {
        Some(window) => raise(&window),
        None => open(app, "index.html"),
    };
    if let Err(error) = shown {
        tracing::error!(%error, "the window cannot be shown");
    }
}

/// The same, on one container.
pub fn show_container(app: &AppHandle, row: &str) {
    let shown = match app.get_webview_window(MAIN) {
        Some(window) => raise(&window).and_then(|()| ContainerChosen(row.to_owned()).emit(app)),
        None => open(app, &format!("index.html#/containers?row={row}")),
    };
    if let Err(error) = shown {
        tracing::error!(%error, row, "the window cannot show a container");
    }
}

/// The same, on the page of that address: `#/containers?row=…`.
pub fn show_place(app: &AppHandle, place: &str) {
    let shown = match app.get_webview_window(MAIN) {
        Some(window) => raise(&window).and_then(|()| PlaceChosen(place.to_owned()).emit(app)),
        None => open(app, &format!("index.html{place}")),
    };
    if let Err(error) = shown {
        tracing::error!(%error, place, "the window cannot show a page");
    }
}

/// Closes the window and frees its web view; the core goes on.
pub fn free(app: &AppHandle) {
    if let Some(window) = app.get_webview_window(MAIN)
        && let Err(error) = window.destroy()
    {
        tracing::error!(%error, "the window cannot be closed");
    }
}

/// The user closes the window: into the tray where one shows it, else the window asks.
pub fn close_asked(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        if tray_is_shown().await {
            free(&app);
        } else if let Err(error) = CloseAsked.emit(&app) {
            tracing::error!(%error, "the window cannot ask how to close");
        }
    });
}

/// Stops the core in order, then the program.
pub fn quit(app: &AppHandle) {
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        app.state::<Link>().close().await;
        app.exit(0);
    });
}

fn raise(window: &WebviewWindow) -> tauri::Result<()> {
    window.unminimize()?;
    window.show()?;
    window.set_focus()
}

fn open(app: &AppHandle, page: &str) -> tauri::Result<()> {
    let mut config =
        app.config().app.windows.iter().find(|window| window.label == MAIN).cloned().unwrap_or_default();
    config.url = tauri::WebviewUrl::App(page.into());
    WebviewWindowBuilder::from_config(app, &config)?.build()?;
    Ok(())
}

/// Whether something draws our tray icon: without a watcher a closed window could not be had back.
#[cfg(target_os = "linux")]
async fn tray_is_shown() -> bool {
    async fn watcher_is_there() -> zbus::Result<bool> {
        let bus = zbus::Connection::session().await?;
        let name = zbus::names::BusName::try_from("org.kde.StatusNotifierWatcher")?;
        Ok(zbus::fdo::DBusProxy::new(&bus).await?.name_has_owner(name).await?)
    }
    watcher_is_there().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the session bus does not say whether a tray is shown");
        false
    })
}

#[cfg(not(target_os = "linux"))]
async fn tray_is_shown() -> bool {
    true
}
