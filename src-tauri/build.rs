//! Declares the window's commands, so that each of them needs a permission by its name.

#[allow(clippy::panic, reason = "a build script that cannot go on panics")]
fn main() {
    let manifest = tauri_build::AppManifest::new().commands(&[
        "at",
        "backup_create",
        "backup_list",
        "doctor",
        "events",
        "history",
        "inspect",
        "keep_running",
        "leave_demo",
        "notice_rules",
        "notices",
        "notices_mute",
        "notices_pause",
        "notices_resume",
        "outgoing_deliveries",
        "outgoing_webhook",
        "pin",
        "ps",
        "quit",
        "remove_outgoing_webhook",
        "restart",
        "set_outgoing_webhook",
        "set_setting",
        "settings",
        "snapshot",
        "snooze",
        "stale",
        "stale_threshold",
        "stale_why",
        "standing",
        "start",
        "status",
        "stop",
        "test_outgoing_webhook",
        "try_again",
        "try_demo",
        "unpin",
        "verify",
    ]);
    if let Err(error) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)) {
        panic!("the window's build script failed: {error:#}");
    }
}
