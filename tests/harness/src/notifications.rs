//! The part of a desktop that shows notifications, and a hand that clicks on them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use zbus::blocking::{Connection, connection};
use zbus::interface;
use zbus::zvariant::OwnedValue;

use crate::desktop::until;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// Shows notifications as long as it lives.
pub struct Notifications {
    bus: Connection,
    shown: Arc<Mutex<Vec<Shown>>>,
}

/// A `Notify` call, as it came over the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub id: u32,
    pub summary: String,
    pub body: String,
    /// Keys and labels by turns.
    pub actions: Vec<String>,
}

impl Notifications {
    pub fn serve(address: &str) -> Self {
        let shown = Arc::new(Mutex::new(Vec::new()));
        let server = Server { shown: Arc::clone(&shown) };
        let bus = connection::Builder::address(address)
            .and_then(|bus| bus.name(NAME))
            .and_then(|bus| bus.serve_at(PATH, server))
            .and_then(connection::Builder::build)
            .expect("the session bus takes a notification server");
        Self { bus, shown }
    }

    /// All that were shown so far, oldest first.
    pub fn shown(&self) -> Vec<Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The notification of that title, once it is shown.
    pub fn wait_for(&self, summary: &str) -> Shown {
        let found = || self.shown().into_iter().find(|one| one.summary == summary);
        until(&format!("{summary:?} is notified"), || found().is_some());
        found().expect("it is there")
    }

    /// A click on the notification itself, as servers tell it.
    pub fn click(&self, on: &Shown) {
        assert!(on.actions.chunks(2).any(|action| action[0] == "default"), "it can be clicked: {on:?}");
        self.bus
            .emit_signal(None::<&str>, PATH, NAME, "ActionInvoked", &(on.id, "default"))
            .expect("a click is told");
    }
}

struct Server {
    shown: Arc<Mutex<Vec<Shown>>>,
}

#[interface(name = "org.freedesktop.Notifications")]
impl Server {
    #[expect(clippy::too_many_arguments, reason = "the bus says how many `Notify` has")]
    fn notify(
        &self,
        _app_name: String,
        _replaces: u32,
        _icon: String,
        summary: String,
        body: String,
        actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _timeout: i32,
    ) -> u32 {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let id = u32::try_from(shown.len()).unwrap_or(u32::MAX - 1) + 1;
        shown.push(Shown { id, summary, body, actions });
        id
    }

    fn close_notification(&self, _id: u32) {}

    fn get_capabilities(&self) -> Vec<String> {
        ["actions", "body", "body-markup"].map(str::to_owned).into()
    }

    fn get_server_information(&self) -> (String, String, String, String) {
        let [name, vendor, version, spec] = ["test", "tinyforge", "1", "1.2"].map(str::to_owned);
        (name, vendor, version, spec)
    }
}
