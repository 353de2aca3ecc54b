//! The window's shell: translation only. Every decision is the core's.
//!
//! [`run`] looks for what the system must have, builds the app, and then these things go on side by side: [`link`]
//! holds the line to the core, [`events`] carry what it announces to the web view, and [`tray`] and [`notify`] draw it
//! small.

mod bindings;
mod commands;
mod error;
mod events;
mod hearing;
mod link;
mod log;
mod notify;
mod preflight;
mod renderer;
mod tray;
mod window;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::process::ExitCode;

use tauri::{AppHandle, RunEvent, WindowEvent};
use tinyforge_core::app::EngineChoice;
use tinyforge_core::home::{self, Home};

use crate::link::Link;

/// Under this name a running window is found on the session bus.
const BUS_NAME: &str = "dev.tinyforge.app";

/// Set to anything, the window shows the demo's engine instead of the user's.
const DEMO: &str = "TINYFORGE_DEMO";

/// Runs until the user quits.
pub fn run() -> ExitCode {
    match start() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tinyforge: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<i32, Box<dyn std::error::Error>> {
    // First of all: it may start the program anew.
    renderer::choose();
    preflight::check()?;
    home::create_privately();
    let home = Home::from_environment()?;
    let _log = log::open(&home)?;
    let bindings = bindings::builder();
    let app = tauri::Builder::default()
        .plugin(single_instance(&home))
        .plugin(tauri_plugin_window_state::Builder::default().build())
        .plugin(tauri_plugin_notification::init())
        .invoke_handler(bindings.invoke_handler())
        .manage(Link::new(home, engine()))
        .setup(move |app| {
            bindings.mount_events(app);
            notify::open_on_click(app.handle())?;
            let tray = tray::Tray::hang(app.handle())?;
            tauri::async_runtime::spawn(hearing::listen(app.handle().clone(), tray));
            tauri::async_runtime::spawn(quit_on_signal(app.handle().clone()));
            window::show(app.handle());
            Ok(())
        })
        .build(tauri::generate_context!())?;
    Ok(app.run_return(react))
}

/// The user's engine, or a fake one with a life of its own for who wants to look around first.
fn engine() -> EngineChoice {
    match std::env::var_os(DEMO) {
        Some(value) if !value.is_empty() => EngineChoice::Demo,
        Some(_) | None => EngineChoice::Discover,
    }
}

fn react(app: &AppHandle, event: RunEvent) {
    match event {
        RunEvent::WindowEvent { event: WindowEvent::CloseRequested { api, .. }, .. } => {
            api.prevent_close();
            window::close_asked(app);
        }
        // The last window was freed; only `quit` ends the program, with a code.
        RunEvent::ExitRequested { code: None, api, .. } => api.prevent_exit(),
        _ => {}
    }
}

/// A second start on the same data folder brings the first one's window to the front.
fn single_instance(home: &Home) -> tauri::plugin::TauriPlugin<tauri::Wry> {
    let mut folder = DefaultHasher::new();
    home.folder().hash(&mut folder);
    tauri_plugin_single_instance::Builder::new()
        .callback(|app, _, _| window::show(app))
        .dbus_id(format!("{BUS_NAME}.Home{:016x}", folder.finish()))
        .build()
}

/// The session ends, or somebody stops the program from a terminal: both end it in order.
#[cfg(unix)]
async fn quit_on_signal(app: AppHandle) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hang_up)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()))
    else {
        tracing::warn!("signals cannot be caught: a stop from outside will not be in order");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hang_up.recv() => {}
    }
    window::quit(&app);
}

#[cfg(not(unix))]
async fn quit_on_signal(app: AppHandle) {
    if tokio::signal::ctrl_c().await.is_ok() {
        window::quit(&app);
    }
}
