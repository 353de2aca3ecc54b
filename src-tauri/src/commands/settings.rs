use tauri::State;
use tinyforge_core::control::commands::{GetSettings, SetSetting};

use crate::error::Answer;
use crate::link::Link;

#[tauri::command]
#[specta::specta]
pub async fn settings(link: State<'_, Link>, ask: GetSettings) -> Answer<GetSettings> {
    link.ask(ask).await
}

#[tauri::command]
#[specta::specta]
pub async fn set_setting(link: State<'_, Link>, ask: SetSetting) -> Answer<SetSetting> {
    link.ask(ask).await
}
