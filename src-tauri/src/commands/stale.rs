use tauri::State;
use tinyforge_core::control::commands::{
    ExplainStale, FindStaleContainers, Pin, SetStaleThreshold, Snooze, Unpin,
};

use crate::error::Answer;
use crate::link::Link;

#[tauri::command]
#[specta::specta]
pub async fn stale(link: State<'_, Link>, ask: FindStaleContainers) -> Answer<FindStaleContainers> {
    link.ask(ask).await
}

#[tauri::command]
#[specta::specta]
pub async fn stale_why(link: State<'_, Link>, ask: ExplainStale) -> Answer<ExplainStale> {
    link.ask(ask).await
}

#[tauri::command]
#[specta::specta]
pub async fn pin(link: State<'_, Link>, ask: Pin) -> Answer<Pin> {
    link.ask(ask).await
}

#[tauri::command]
#[specta::specta]
pub async fn unpin(link: State<'_, Link>, ask: Unpin) -> Answer<Unpin> {
    link.ask(ask).await
}

#[tauri::command]
#[specta::specta]
pub async fn snooze(link: State<'_, Link>, ask: Snooze) -> Answer<Snooze> {
    link.ask(ask).await
}

#[tauri::command]
#[specta::specta]
pub async fn stale_threshold(link: State<'_, Link>, ask: SetStaleThreshold) -> Answer<SetStaleThreshold> {
    link.ask(ask).await
}
