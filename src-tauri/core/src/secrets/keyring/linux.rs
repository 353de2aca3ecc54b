//! The Secret Service of the desktop (GNOME's keyring, KDE's wallet, KeePassXC) on the session bus.
//!
//! It is never started by us and never asked to prompt: on a machine without a desktop, or before somebody has logged in
//! to one, there is simply none that is open. What travels on the bus is plain: the bus is the user's own, as the keyring
//! is to every program on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use zbus::zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value};
use zbus::{Connection, Proxy};

use super::{Keyring, KeyringError, LABEL, Named};
use crate::rules::secret::Secret;

const SERVICE: &str = "org.freedesktop.secrets";
const ROOT: &str = "/org/freedesktop/secrets";
/// The path that stands for none.
const NOTHING: &str = "/";

/// A keyring that does not answer is as good as none; the daemon's start does not wait for it.
const DEADLINE: Duration = Duration::from_secs(3);

/// A secret on the bus: its session, parameters of its encryption, itself, its type.
type OnTheBus = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);

pub(super) fn keyring() -> Option<Arc<dyn Keyring>> {
    Some(Arc::new(SecretService))
}

struct SecretService;

#[async_trait]
impl Keyring for SecretService {
    async fn is_open(&self) -> bool {
        let open = within(async {
            let service = Service::find().await?;
            Ok(service.open_collection().await?.is_some())
        });
        open.await.unwrap_or(false)
    }

    async fn look_up(&self, named: &Named<'_>) -> Result<Option<Secret>, KeyringError> {
        within(async {
            let service = Service::find().await?;
            if let Some(secret) = service.look_up(named).await? {
                return Ok(Some(secret));
            }
            // One that is locked may hide what is looked for.
            if service.open_collection().await?.is_none() {
                return Err(KeyringError("it is locked".to_owned()));
            }
            Ok(None)
        })
        .await
    }

    async fn keep(&self, named: &Named<'_>, secret: &Secret) -> Result<(), KeyringError> {
        within(async {
            let service = Service::find().await?;
            let collection = service.open_collection().await?;
            let collection = collection.ok_or_else(|| KeyringError("it is locked".to_owned()))?;
            service.keep(&collection, named, secret).await
        })
        .await
    }
}

async fn within<T>(work: impl Future<Output = Result<T, KeyringError>>) -> Result<T, KeyringError> {
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(done) => done,
        Err(_) => Err(KeyringError("it does not answer".to_owned())),
    }
}

impl From<zbus::Error> for KeyringError {
    fn from(error: zbus::Error) -> Self {
        Self(format!("the session bus says: {error}"))
    }
}

impl From<zbus::fdo::Error> for KeyringError {
    fn from(error: zbus::fdo::Error) -> Self {
        Self(format!("the session bus says: {error}"))
    }
}

/// The service as it runs.
struct Service {
    bus: Connection,
    root: Proxy<'static>,
    session: OwnedObjectPath,
}

impl Service {
    /// Only one that runs: asking for one that does not would start it.
    async fn find() -> Result<Self, KeyringError> {
        let away = |error: zbus::Error| KeyringError(format!("there is no session bus ({error})"));
        let bus = Connection::session().await.map_err(away)?;
        let names = zbus::fdo::DBusProxy::new(&bus).await?;
        let name = SERVICE.try_into().map_err(zbus::Error::from)?;
        if !names.name_has_owner(name).await? {
            return Err(KeyringError("none runs in this session".to_owned()));
        }
        let root = Proxy::new(&bus, SERVICE, ROOT, "org.freedesktop.Secret.Service").await?;
        let (_, session): (OwnedValue, OwnedObjectPath) =
            root.call("OpenSession", &("plain", Value::from(""))).await?;
        Ok(Self { bus, root, session })
    }

    /// The default collection, where it is there and not locked.
    async fn open_collection(&self) -> Result<Option<Proxy<'static>>, KeyringError> {
        let path: OwnedObjectPath = self.root.call("ReadAlias", &("default",)).await?;
        if path.as_str() == NOTHING {
            return Ok(None);
        }
        let collection = Proxy::new(&self.bus, SERVICE, path, "org.freedesktop.Secret.Collection").await?;
        let locked: bool = collection.get_property("Locked").await?;
        Ok((!locked).then_some(collection))
    }

    async fn look_up(&self, named: &Named<'_>) -> Result<Option<Secret>, KeyringError> {
        let attributes = attributes(named);
        let wanted: HashMap<&str, &str> = match named.check {
            Some(_) => pick(&attributes, &["application", "check"]),
            None => pick(&attributes, &["application", "folder"]),
        };
        let (open, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            self.root.call("SearchItems", &(wanted,)).await?;
        let Some(item) = open.first() else {
            let is_locked = || KeyringError("it is locked".to_owned());
            return if locked.is_empty() { Ok(None) } else { Err(is_locked()) };
        };
        let mut found: HashMap<OwnedObjectPath, OnTheBus> =
            self.root.call("GetSecrets", &(vec![item], &self.session)).await?;
        let secret = found.remove(item).map(|(_, _, text, _)| String::from_utf8(text));
        match secret {
            Some(Ok(text)) => Ok(Some(Secret::new(text))),
            Some(Err(_)) | None => Err(KeyringError("its entry cannot be read".to_owned())),
        }
    }

    async fn keep(
        &self,
        collection: &Proxy<'_>,
        named: &Named<'_>,
        secret: &Secret,
    ) -> Result<(), KeyringError> {
        let properties: HashMap<&str, Value<'_>> = HashMap::from([
            ("org.freedesktop.Secret.Item.Label", Value::from(LABEL)),
            ("org.freedesktop.Secret.Item.Attributes", Value::from(attributes(named))),
        ]);
        let on_the_bus = (&self.session, Vec::<u8>::new(), secret.reveal().as_bytes(), "text/plain");
        let never_replace = false;
        let (item, _prompt): (OwnedObjectPath, OwnedObjectPath) =
            collection.call("CreateItem", &(properties, on_the_bus, never_replace)).await?;
        if ObjectPath::from(item).as_str() == NOTHING {
            return Err(KeyringError("it asks for somebody's consent".to_owned()));
        }
        Ok(())
    }
}

fn attributes(named: &Named<'_>) -> HashMap<String, String> {
    let mut attributes = HashMap::from([
        ("application".to_owned(), "tinyforge".to_owned()),
        ("folder".to_owned(), named.folder.display().to_string()),
    ]);
    attributes.extend(named.check.map(|check| ("check".to_owned(), check.to_owned())));
    attributes
}

fn pick<'a>(from: &'a HashMap<String, String>, keys: &[&'static str]) -> HashMap<&'static str, &'a str> {
    keys.iter().filter_map(|key| Some((*key, from.get(*key)?.as_str()))).collect()
}
