//! What only the window can ask of its shell: what it stands on, and how it ends.

use tauri::{AppHandle, State};

use crate::link::{Link, Place, Standing};
use crate::window;

/// What the window stands on at this moment.
#[tauri::command]
#[specta::specta]
pub async fn standing(link: State<'_, Link>) -> Result<Standing, ()> {
    Ok(link.standing())
}

/// Tries to reach a core again at once, instead of at the next turn.
#[tauri::command]
#[specta::specta]
pub async fn try_again(link: State<'_, Link>) -> Result<(), ()> {
    link.try_again();
    Ok(())
}

/// Goes on with a simulated engine, for who wants to look around first.
#[tauri::command]
#[specta::specta]
pub async fn try_demo(link: State<'_, Link>) -> Result<(), ()> {
    link.work_at(Place::Demo).await;
    Ok(())
}

/// Goes back to the user's own engine.
#[tauri::command]
#[specta::specta]
pub async fn leave_demo(link: State<'_, Link>) -> Result<(), ()> {
    link.work_at(Place::Users).await;
    Ok(())
}

/// Frees the window and goes on without one.
#[tauri::command]
#[specta::specta]
pub async fn keep_running(app: AppHandle) -> Result<(), ()> {
    window::free(&app);
    Ok(())
}

/// Stops the core in order, then the program.
#[tauri::command]
#[specta::specta]
pub async fn quit(app: AppHandle) -> Result<(), ()> {
    window::quit(&app);
    Ok(())
}
