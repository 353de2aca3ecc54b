//! The key in a keyring: a Secret Service on a session bus of the test's own, which can be locked.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use harness::sandbox::{Ran, Sandbox};
use zbus::blocking::{Connection, connection};
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value};

use crate::program::webhook;
use crate::receiver::Receiver;

const ROOT: &str = "/org/freedesktop/secrets";
const COLLECTION: &str = "/org/freedesktop/secrets/collection/login";
const SESSION: &str = "/org/freedesktop/secrets/session/1";

type OnTheBus = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);

#[derive(Debug, Clone)]
struct Item {
    path: OwnedObjectPath,
    attributes: HashMap<String, String>,
    secret: Vec<u8>,
}

#[derive(Default)]
struct Shelf {
    locked: bool,
    items: Vec<Item>,
    prompted: bool,
}

type Shared = Arc<Mutex<Shelf>>;

struct Service(Shared);

#[zbus::interface(name = "org.freedesktop.Secret.Service")]
impl Service {
    fn open_session(&self, _algorithm: &str, _input: Value<'_>) -> (OwnedValue, OwnedObjectPath) {
        (Value::from("").try_into().unwrap(), path(SESSION))
    }

    fn read_alias(&self, name: &str) -> OwnedObjectPath {
        path(if name == "default" { COLLECTION } else { "/" })
    }

    fn search_items(&self, wanted: HashMap<String, String>) -> (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) {
        let shelf = self.0.lock().unwrap();
        let fits = |item: &&Item| wanted.iter().all(|(name, value)| item.attributes.get(name) == Some(value));
        let found = shelf.items.iter().filter(fits).map(|item| item.path.clone()).collect();
        if shelf.locked { (vec![], found) } else { (found, vec![]) }
    }

    fn get_secrets(
        &self,
        items: Vec<OwnedObjectPath>,
        session: OwnedObjectPath,
    ) -> HashMap<OwnedObjectPath, OnTheBus> {
        let shelf = self.0.lock().unwrap();
        let found = shelf.items.iter().filter(|item| items.contains(&item.path) && !shelf.locked);
        found
            .map(|item| {
                let secret = (session.clone(), vec![], item.secret.clone(), "text/plain".to_owned());
                (item.path.clone(), secret)
            })
            .collect()
    }

    fn unlock(&self, _objects: Vec<OwnedObjectPath>) -> (Vec<OwnedObjectPath>, OwnedObjectPath) {
        self.0.lock().unwrap().prompted = true;
        (vec![], path("/org/freedesktop/secrets/prompt/1"))
    }
}

struct Login(Shared);

#[zbus::interface(name = "org.freedesktop.Secret.Collection")]
impl Login {
    fn create_item(
        &self,
        properties: HashMap<String, OwnedValue>,
        secret: OnTheBus,
        _replace: bool,
    ) -> (OwnedObjectPath, OwnedObjectPath) {
        let mut shelf = self.0.lock().unwrap();
        let attributes = properties["org.freedesktop.Secret.Item.Attributes"].try_clone().unwrap();
        let item = Item {
            path: path(&format!("{COLLECTION}/{}", shelf.items.len() + 1)),
            attributes: attributes.try_into().unwrap(),
            secret: secret.2,
        };
        shelf.items.push(item.clone());
        (item.path, path("/"))
    }

    #[zbus(property)]
    fn locked(&self) -> bool {
        self.0.lock().unwrap().locked
    }
}

fn path(text: &str) -> OwnedObjectPath {
    ObjectPath::try_from(text.to_owned()).unwrap().into()
}

/// A session bus, with a keyring on it if one is wanted.
struct Desktop {
    bus: Child,
    address: String,
    shelf: Shared,
    _service: Option<Connection>,
}

impl Desktop {
    fn start(sandbox: &Sandbox, keyring: bool) -> Self {
        let socket = format!("--address=unix:path={}", sandbox.path().join("bus").display());
        let mut bus = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address=1", &socket])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        let shelf = Shared::default();
        let serve = || {
            connection::Builder::address(address.as_str())
                .unwrap()
                .serve_at(ROOT, Service(Arc::clone(&shelf)))
                .unwrap()
                .serve_at(COLLECTION, Login(Arc::clone(&shelf)))
                .unwrap()
                .name("org.freedesktop.secrets")
                .unwrap()
                .build()
                .unwrap()
        };
        let service = keyring.then(serve);
        Self { bus, shelf, _service: service, address }
    }

    /// The program as somebody who is logged in here runs it.
    fn run(&self, sandbox: &Sandbox, args: &[&str]) -> Ran {
        let mut command = sandbox.command(args);
        let output = command.env("DBUS_SESSION_BUS_ADDRESS", &self.address).output().unwrap();
        Ran {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            took: std::time::Duration::ZERO,
        }
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        let _ = self.bus.kill();
        let _ = self.bus.wait();
    }
}

#[test]
fn in_a_session_with_an_unlocked_keyring_the_key_lies_there_and_in_no_file() {
    let (sandbox, receiver) = (Sandbox::new(), Receiver::replying([]));
    let desktop = Desktop::start(&sandbox, true);
    desktop.run(&sandbox, &webhook(&["set", &receiver.url("/"), "--unsigned"])).exits(0);
    assert!(!sandbox.home().join("secrets.key").exists());
    let items = desktop.shelf.lock().unwrap().items.clone();
    let [item] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!((item.attributes["application"].as_str(), item.secret.len()), ("tinyforge", 64));
    desktop.run(&sandbox, &webhook(&[])).exits(0).says("in the system's keyring");
    desktop.run(&sandbox, &webhook(&["test"])).exits(0);

    desktop.shelf.lock().unwrap().locked = true;
    let locked = desktop.run(&sandbox, &webhook(&["test"])).exits(1);
    locked.says("keyring").says("it is locked").says("unlock it");
    desktop.run(&sandbox, &webhook(&["set", &receiver.url("/new")])).exits(1).tells("unlock it");
    // Over ssh, say: there is no session.
    sandbox.run(&webhook(&["set", &receiver.url("/new")])).exits(1).tells("keyring").says_nothing();
    assert!(!sandbox.home().join("secrets.key").exists(), "no second key");
    assert_eq!(desktop.shelf.lock().unwrap().items.len(), 1);
    assert!(!desktop.shelf.lock().unwrap().prompted, "nobody is ever asked for a password by us");

    desktop.shelf.lock().unwrap().locked = false;
    desktop.run(&sandbox, &webhook(&["test"])).exits(0);
    desktop.shelf.lock().unwrap().items.clear();
    desktop.run(&sandbox, &webhook(&["test"])).exits(1).says("put it back");
}

#[test]
fn where_no_keyring_is_open_or_none_is_wanted_the_key_is_a_file() {
    let receiver = Receiver::replying([]);
    let set = |sandbox: &Sandbox, desktop: &Desktop| {
        desktop.run(sandbox, &webhook(&["set", &receiver.url("/"), "--unsigned"])).exits(0);
        assert!(sandbox.home().join("secrets.key").exists());
        assert!(desktop.shelf.lock().unwrap().items.is_empty());
        desktop.run(sandbox, &webhook(&["test"])).exits(0);
    };
    let sandbox = Sandbox::new();
    let locked = Desktop::start(&sandbox, true);
    locked.shelf.lock().unwrap().locked = true;
    set(&sandbox, &locked);
    // It stays where it was made.
    locked.shelf.lock().unwrap().locked = false;
    set(&sandbox, &locked);

    let sandbox = Sandbox::new();
    set(&sandbox, &Desktop::start(&sandbox, false));

    let sandbox = Sandbox::new();
    let unwanted = Desktop::start(&sandbox, true);
    unwanted.run(&sandbox, &["settings", "set", "use_keyring", "off"]).exits(0);
    set(&sandbox, &unwanted);
}
