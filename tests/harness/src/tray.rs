//! The part of a desktop that shows tray icons: a StatusNotifier watcher, and a hand that clicks in their menus.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use zbus::blocking::{Connection, Proxy, connection};
use zbus::interface;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Structure, Value};

use crate::desktop::until;

const WATCHER: &str = "org.kde.StatusNotifierWatcher";

/// Shows tray icons as long as it lives.
pub struct Tray {
    bus: Connection,
    items: Arc<Mutex<Vec<Item>>>,
}

/// Where a tray icon is on the bus.
#[derive(Debug, Clone)]
struct Item {
    service: String,
    path: String,
}

/// An entry of a menu.
#[derive(Debug, Clone)]
struct Entry {
    id: i32,
    label: String,
    enabled: bool,
}

impl Tray {
    pub fn watch(address: &str) -> Self {
        let items = Arc::new(Mutex::new(Vec::new()));
        let watcher = Watcher { items: Arc::clone(&items) };
        let bus = connection::Builder::address(address)
            .and_then(|bus| bus.name(WATCHER))
            .and_then(|bus| bus.serve_at("/StatusNotifierWatcher", watcher))
            .and_then(connection::Builder::build)
            .expect("the session bus takes a watcher");
        Self { bus, items }
    }

    /// The labels of the only icon's menu, once it is there.
    pub fn menu(&self) -> Vec<String> {
        self.entries().into_iter().map(|entry| entry.label).filter(|label| !label.is_empty()).collect()
    }

    /// The text beside the icon, or its accessible description.
    pub fn wait_for_entry(&self, label: &str) {
        until(&format!("the tray's menu has {label:?}"), || self.menu().iter().any(|entry| entry == label));
    }

    pub fn click(&self, label: &str) {
        self.wait_for_entry(label);
        let entry = self.entries().into_iter().find(|entry| entry.label == label).expect("it is there");
        assert!(entry.enabled, "{label} can be clicked");
        let data = Value::from(0_i32);
        let _: () =
            self.dbusmenu().call("Event", &(entry.id, "clicked", data, 0_u32)).expect("a menu is clicked");
    }

    fn entries(&self) -> Vec<Entry> {
        let none: Vec<&str> = Vec::new();
        type Layout = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);
        let answer: zbus::Result<(u32, Layout)> = self.dbusmenu().call("GetLayout", &(0_i32, -1_i32, none));
        let (_, (_, _, children)) = answer.expect("a menu tells its entries");
        children.into_iter().filter_map(|child| Entry::read(&child)).collect()
    }

    fn dbusmenu(&self) -> Proxy<'static> {
        let item = self.item();
        let icon = Proxy::new(&self.bus, item.service.clone(), item.path, "org.kde.StatusNotifierItem");
        let menu: OwnedObjectPath =
            icon.and_then(|icon| icon.get_property("Menu")).expect("an icon tells where its menu is");
        Proxy::new(&self.bus, item.service, menu, "com.canonical.dbusmenu").expect("a menu has an address")
    }

    fn item(&self) -> Item {
        let known = || self.items.lock().unwrap_or_else(PoisonError::into_inner).first().cloned();
        until("a tray icon is shown", || known().is_some());
        known().expect("it is there")
    }
}

impl Entry {
    fn read(value: &OwnedValue) -> Option<Self> {
        let structure: Structure<'_> = value.try_clone().ok()?.try_into().ok()?;
        let [id, properties, _] = structure.fields() else { return None };
        let id = i32::try_from(id.try_clone().ok()?).ok()?;
        let properties: HashMap<String, OwnedValue> = properties.try_clone().ok()?.try_into().ok()?;
        let text = |name: &str| {
            properties.get(name).and_then(|value| String::try_from(value.try_clone().ok()?).ok())
        };
        let flag =
            |name: &str| properties.get(name).and_then(|value| bool::try_from(value.try_clone().ok()?).ok());
        Some(Self {
            id,
            // Underlines mark a letter for the keyboard; they are not part of the text.
            label: text("label").unwrap_or_default().replace('_', ""),
            enabled: flag("enabled").unwrap_or(true),
        })
    }
}

struct Watcher {
    items: Arc<Mutex<Vec<Item>>>,
}

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    /// An icon gives its name on the bus, or the path where it is.
    async fn register_status_notifier_item(
        &self,
        service: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        let item = match service.strip_prefix('/') {
            Some(_) => Item { service: sender, path: service.clone() },
            None => Item { service: service.clone(), path: "/StatusNotifierItem".to_owned() },
        };
        self.items.lock().unwrap_or_else(PoisonError::into_inner).push(item);
        let _ = Self::status_notifier_item_registered(&emitter, &service).await;
    }

    fn register_status_notifier_host(&self, _service: String) {}

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        let items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        items.iter().map(|item| format!("{}{}", item.service, item.path)).collect()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(signal)]
    async fn status_notifier_item_registered(emitter: &SignalEmitter<'_>, service: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn status_notifier_host_registered(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;
}
