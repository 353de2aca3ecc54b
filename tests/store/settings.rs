//! What can be set, and the event log.

use std::collections::BTreeMap;
use std::time::Duration;

use tinyforge_core::events::Event;
use tinyforge_core::store::{Happening, StoreError};

use super::world::*;

#[tokio::test]
async fn a_setting_is_checked_stored_and_announced_once() {
    let (store, mut ear) = in_memory();
    assert_eq!(store.setting("stale_threshold_days").await.unwrap().value, "7");
    let set = store.set_setting("stale_threshold_days", " 014 ", at(1)).await.unwrap();
    assert_eq!((set.value.as_str(), set.default), ("14", "7"));
    store.set_setting("stale_threshold_days", "14", at(2)).await.unwrap();
    let events = heard(&mut ear).await;
    assert!(
        matches!(events.as_slice(), [Event::SettingChanged { key }] if key == "stale_threshold_days"),
        "the same value again is no news: {events:?}"
    );
    assert_eq!(store.setting("stale_threshold_days").await.unwrap().value, "14");
    store.set_setting("stale_threshold_days", "0", at(3)).await.unwrap();
    store.set_setting("pass_interval_s", "10", at(3)).await.unwrap();
    store.set_setting("close_to_tray", "off", at(3)).await.unwrap();
    let typed = store.typed_settings().await.unwrap();
    assert_eq!(typed.stale_threshold_days, None, "0 means that there is no threshold");
    assert_eq!(typed.pass_interval, Duration::from_secs(10));
    assert!(!typed.close_to_tray);
}

#[tokio::test]
async fn what_is_refused_says_what_is_allowed_and_changes_nothing() {
    let (store, mut ear) = in_memory();
    let before = store.settings().await.unwrap();
    let unknown = store.set_setting("stale_days", "7", at(1)).await.unwrap_err();
    assert!(unknown.to_string().contains("stale_threshold_days"), "{unknown}");
    let bad = store.set_setting("stale_threshold_days", "soon", at(1)).await.unwrap_err();
    assert!(matches!(&bad, StoreError::BadSetting { allowed, .. } if allowed.contains("0 to 3650")), "{bad}");
    assert!(store.setting("nothing").await.is_err());
    assert_eq!(store.settings().await.unwrap(), before);
    assert!(heard(&mut ear).await.is_empty());
}

#[tokio::test]
async fn the_event_log_keeps_its_order() {
    let (store, _) = in_memory();
    for n in 0..5 {
        let happening = Happening {
            at: at(100 - n),
            kind: "engine_away".into(),
            subject: "ENGINE-A".into(),
            text: format!("line {n}"),
            detail: BTreeMap::from([("n".to_owned(), n.to_string())]),
        };
        assert_eq!(store.note(happening).await.unwrap(), u64::try_from(n).unwrap() + 1);
    }
    let lines = store.happenings(3).await.unwrap();
    let texts: Vec<_> = lines.iter().map(|(seq, h)| (*seq, h.text.as_str())).collect();
    assert_eq!(texts, [(3, "line 2"), (4, "line 3"), (5, "line 4")], "the latest, oldest first, as written");
}
