use tauri::State;
use tinyforge_core::control::commands::{
    GetNoticeRules, ListNotices, MuteNotices, PauseNotices, ResumeNotices,
};

use crate::error::Answer;
use crate::link::Link;

#[tauri::command]
#[specta::specta]
pub async fn notices(link: State<'_, Link>, ask: ListNotices) -> Answer<ListNotices> {
    link.ask(ask).await
}

#[tauri::command]
#[specta::specta]
pub async fn notice_rules(link: State<'_, Link>) -> Answer<GetNoticeRules> {
    link.ask(GetNoticeRules {}).await
}

#[tauri::command]
#[specta::specta]
pub async fn notices_pause(link: State<'_, Link>, ask: PauseNotices) -> Answer<PauseNotices> {
    link.ask(ask).await
}

#[tauri::command]
#[specta::specta]
pub async fn notices_resume(link: State<'_, Link>) -> Answer<ResumeNotices> {
    link.ask(ResumeNotices {}).await
}

#[tauri::command]
#[specta::specta]
pub async fn notices_mute(link: State<'_, Link>, ask: MuteNotices) -> Answer<MuteNotices> {
    link.ask(ask).await
}
