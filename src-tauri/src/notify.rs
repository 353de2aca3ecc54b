//! The desktop's notifications: draws what the core wants told, and opens the right page when one is clicked.
//!
//! The core decides whether and when; it announces each notice once, so nothing here remembers anything.

use tauri::AppHandle;
use tauri_plugin_notification::{ActionPerformed, NotificationExt as _};
use tinyforge_core::rules::notice::Notice;

use crate::window;

/// Under this name a notification carries the address of the page that it is to open.
const PLACE: &str = "place";

/// What the plugin calls a click on a notification itself.
const CLICK: &str = "tap";

/// Whatever is clicked from now on opens its page.
pub fn open_on_click(app: &AppHandle) -> tauri_plugin_notification::Result<()> {
    let window = app.clone();
    app.notification().on_action(move |performed| {
        if performed.action_id() == CLICK {
            match place(performed) {
                Some(place) => window::show_place(&window, place),
                None => window::show(&window),
            }
        }
    })
}

pub fn show(app: &AppHandle, notice: &Notice) {
    let shown = app
        .notification()
        .builder()
        .title(&notice.title)
        .body(body(&notice.body))
        .extra(PLACE, &notice.target)
        .show();
    if let Err(error) = shown {
        tracing::warn!(%error, notice = notice.id, "a notification cannot be shown");
    }
}

/// Only pages of our own.
fn place(performed: &ActionPerformed) -> Option<&str> {
    let place = performed.notification()?.extra().get(PLACE)?.as_str()?;
    place.starts_with("#/").then_some(place)
}

/// Servers on free desktops read the body as markup.
#[cfg(all(unix, not(target_os = "macos")))]
fn body(plain: &str) -> String {
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn body(plain: &str) -> String {
    plain.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(unix, not(target_os = "macos")))]
    fn what_a_server_would_take_for_markup_is_escaped() {
        assert_eq!(body("<b>a</b> &amp; <img src=x>"), "&lt;b&gt;a&lt;/b&gt; &amp;amp; &lt;img src=x&gt;");
        assert_eq!(body("exit 1"), "exit 1");
    }
}
