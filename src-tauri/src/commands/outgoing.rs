use tauri::State;
use tinyforge_core::control::commands::{
    GetOutgoingWebhook, ListOutgoingDeliveries, RemoveOutgoingWebhook, SetOutgoingWebhook,
    TestOutgoingWebhook,
};

use crate::error::Answer;
use crate::link::Link;

#[tauri::command]
#[specta::specta]
pub async fn outgoing_webhook(link: State<'_, Link>) -> Answer<GetOutgoingWebhook> {
    link.ask(GetOutgoingWebhook {}).await
}

#[tauri::command]
#[specta::specta]
pub async fn set_outgoing_webhook(
    link: State<'_, Link>,
    ask: SetOutgoingWebhook,
) -> Answer<SetOutgoingWebhook> {
    link.ask(ask).await
}

#[tauri::command]
#[specta::specta]
pub async fn remove_outgoing_webhook(link: State<'_, Link>) -> Answer<RemoveOutgoingWebhook> {
    link.ask(RemoveOutgoingWebhook {}).await
}

#[tauri::command]
#[specta::specta]
pub async fn test_outgoing_webhook(link: State<'_, Link>) -> Answer<TestOutgoingWebhook> {
    link.ask(TestOutgoingWebhook {}).await
}

#[tauri::command]
#[specta::specta]
pub async fn outgoing_deliveries(
    link: State<'_, Link>,
    ask: ListOutgoingDeliveries,
) -> Answer<ListOutgoingDeliveries> {
    link.ask(ask).await
}
