use tauri::State;
use tinyforge_core::control::commands::{Doctor, Events, GetStatus, Verify};

use crate::error::Answer;
use crate::link::Link;

#[tauri::command]
#[specta::specta]
pub async fn status(link: State<'_, Link>) -> Answer<GetStatus> {
    link.ask(GetStatus {}).await
}

/// Holds every row against a fresh inspect.
#[tauri::command]
#[specta::specta]
pub async fn verify(link: State<'_, Link>) -> Answer<Verify> {
    link.ask(Verify {}).await
}

#[tauri::command]
#[specta::specta]
pub async fn doctor(link: State<'_, Link>) -> Answer<Doctor> {
    link.ask(Doctor {}).await
}

#[tauri::command]
#[specta::specta]
pub async fn events(link: State<'_, Link>, ask: Events) -> Answer<Events> {
    link.ask(ask).await
}
