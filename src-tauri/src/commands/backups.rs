use tauri::State;
use tinyforge_core::control::commands::{CreateBackup, ListBackups};

use crate::error::Answer;
use crate::link::Link;

#[tauri::command]
#[specta::specta]
pub async fn backup_list(link: State<'_, Link>) -> Answer<ListBackups> {
    link.ask(ListBackups {}).await
}

#[tauri::command]
#[specta::specta]
pub async fn backup_create(link: State<'_, Link>) -> Answer<CreateBackup> {
    link.ask(CreateBackup {}).await
}
