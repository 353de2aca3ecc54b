use tauri::State;
use tinyforge_core::control::commands::{At, GetSnapshot, History, Inspect, Ps, Restart, Start, Stop};

use crate::error::Answer;
use crate::link::Link;

/// All containers and the status; patches with a higher revision follow.
#[tauri::command]
#[specta::specta]
pub async fn snapshot(link: State<'_, Link>) -> Answer<GetSnapshot> {
    link.ask(GetSnapshot {}).await
}

#[tauri::command]
#[specta::specta]
pub async fn ps(link: State<'_, Link>, ask: Ps) -> Answer<Ps> {
    link.ask(ask).await
}

#[tauri::command]
#[specta::specta]
pub async fn history(link: State<'_, Link>, ask: History) -> Answer<History> {
    link.ask(ask).await
}

#[tauri::command]
#[specta::specta]
pub async fn inspect(link: State<'_, Link>, ask: Inspect) -> Answer<Inspect> {
    link.ask(ask).await
}

#[tauri::command]
#[specta::specta]
pub async fn at(link: State<'_, Link>, ask: At) -> Answer<At> {
    link.ask(ask).await
}

#[tauri::command]
#[specta::specta]
pub async fn start(link: State<'_, Link>, ask: Start) -> Answer<Start> {
    link.ask(ask).await
}

#[tauri::command]
#[specta::specta]
pub async fn stop(link: State<'_, Link>, ask: Stop) -> Answer<Stop> {
    link.ask(ask).await
}

#[tauri::command]
#[specta::specta]
pub async fn restart(link: State<'_, Link>, ask: Restart) -> Answer<Restart> {
    link.ask(ask).await
}
