use std::collections::BTreeMap;
use std::sync::Mutex as Lock;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::*;

/// What the database would hold.
#[derive(Default)]
struct Book(Lock<Option<KeyRecord>>);

#[async_trait]
impl Ledger for Book {
    async fn key_record(&self) -> Result<Option<KeyRecord>, String> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn record_key(&self, record: KeyRecord) -> Result<KeyRecord, String> {
        Ok(self.0.lock().unwrap().get_or_insert(record).clone())
    }
}

/// A keyring that can be locked.
#[derive(Default)]
struct Ring {
    locked: AtomicBool,
    entries: Lock<BTreeMap<String, Secret>>,
}

#[async_trait]
impl Keyring for Ring {
    async fn is_open(&self) -> bool {
        !self.locked.load(Ordering::Relaxed)
    }

    async fn look_up(&self, named: &Named<'_>) -> Result<Option<Secret>, KeyringError> {
        if self.locked.load(Ordering::Relaxed) {
            return Err(KeyringError("it is locked".to_owned()));
        }
        let entries = self.entries.lock().unwrap();
        Ok(match named.check {
            Some(check) => entries.get(check).cloned(),
            None => entries.values().next().cloned(),
        })
    }

    async fn keep(&self, named: &Named<'_>, secret: &Secret) -> Result<(), KeyringError> {
        self.entries.lock().unwrap().insert(named.check.unwrap_or_default().to_owned(), secret.clone());
        Ok(())
    }
}

struct Scene {
    folder: TempDir,
    book: Arc<Book>,
    ring: Arc<Ring>,
}

impl Scene {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), book: Arc::default(), ring: Arc::default() }
    }

    /// As a program that has just been started sees it.
    fn vault(&self, keyring: bool) -> Vault {
        let ring = keyring.then(|| Arc::clone(&self.ring) as Arc<dyn Keyring>);
        Vault::new(Arc::clone(&self.book) as Arc<dyn Ledger>, self.folder.path(), ring)
    }

    fn file(&self) -> PathBuf {
        file::path(self.folder.path())
    }

    fn recorded(&self) -> Option<KeyPlace> {
        self.book.0.lock().unwrap().as_ref().map(|record| record.place)
    }
}

const FOR: Purpose = Purpose::OutgoingSecret;

fn secret() -> Secret {
    Secret::new("canary")
}

#[tokio::test]
async fn without_a_keyring_the_key_is_a_file_of_its_owner_and_what_is_sealed_opens_after_a_restart() {
    let scene = Scene::new();
    let sealed = scene.vault(false).seal(&secret(), FOR).await.unwrap();
    assert_eq!(scene.recorded(), Some(KeyPlace::File));
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        assert_eq!(std::fs::metadata(scene.file()).unwrap().mode() & 0o777, 0o600);
    }
    // Also when a keyring has come meanwhile: the record says where to look.
    for keyring in [false, true] {
        assert_eq!(scene.vault(keyring).open(&sealed, FOR).await, Ok(secret()));
    }
    assert!(scene.ring.entries.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_open_keyring_gets_the_key_and_no_file_is_made() {
    let scene = Scene::new();
    let sealed = scene.vault(true).seal(&secret(), FOR).await.unwrap();
    assert_eq!(scene.recorded(), Some(KeyPlace::Keyring));
    assert!(!scene.file().exists());
    assert_eq!(scene.vault(true).open(&sealed, FOR).await, Ok(secret()));
}

#[tokio::test]
async fn a_locked_keyring_is_never_waited_for_or_prompted() {
    let scene = Scene::new();
    scene.ring.locked.store(true, Ordering::Relaxed);
    scene.vault(true).seal(&secret(), FOR).await.unwrap();
    assert_eq!(scene.recorded(), Some(KeyPlace::File));
}

#[tokio::test]
async fn where_the_recorded_key_is_not_to_be_had_nothing_is_made_in_its_place() {
    let scene = Scene::new();
    let sealed = scene.vault(true).seal(&secret(), FOR).await.unwrap();
    scene.ring.locked.store(true, Ordering::Relaxed);
    for vault in [scene.vault(true), scene.vault(false)] {
        assert!(matches!(vault.open(&sealed, FOR).await, Err(SecretsError::KeyringAway(_))));
        assert!(matches!(vault.seal(&secret(), FOR).await, Err(SecretsError::KeyringAway(_))));
    }
    assert!(!scene.file().exists(), "no second key");
    scene.ring.locked.store(false, Ordering::Relaxed);
    assert_eq!(scene.vault(true).open(&sealed, FOR).await, Ok(secret()), "and it opens when that is over");
    let kept = std::mem::take(&mut *scene.ring.entries.lock().unwrap());
    let error = scene.vault(true).seal(&secret(), FOR).await.unwrap_err();
    assert!(matches!(error, SecretsError::KeyGone { .. }), "{error}");
    assert!(scene.ring.entries.lock().unwrap().is_empty());
    *scene.ring.entries.lock().unwrap() = kept;
    assert_eq!(scene.vault(true).open(&sealed, FOR).await, Ok(secret()));
}

#[tokio::test]
async fn a_file_that_is_gone_or_another_is_told_and_left_as_it_is() {
    let scene = Scene::new();
    let sealed = scene.vault(false).seal(&secret(), FOR).await.unwrap();
    let right = std::fs::read(scene.file()).unwrap();
    std::fs::remove_file(scene.file()).unwrap();
    let gone = scene.vault(true).seal(&secret(), FOR).await.unwrap_err();
    assert!(matches!(gone, SecretsError::KeyGone { .. }), "{gone}");
    assert!(gone.to_string().contains("secrets.key"), "{gone}");
    assert!(!scene.file().exists());
    for (wrong, is_key) in [("0".repeat(64), true), ("hello".to_owned(), false), (String::new(), false)] {
        std::fs::write(scene.file(), &wrong).unwrap();
        let error = scene.vault(false).seal(&secret(), FOR).await.unwrap_err();
        assert_eq!(matches!(error, SecretsError::OtherKey { .. }), is_key, "{error}");
        assert_eq!(std::fs::read_to_string(scene.file()).unwrap(), wrong, "nothing is overwritten");
    }
    std::fs::write(scene.file(), right).unwrap();
    assert_eq!(scene.vault(false).open(&sealed, FOR).await, Ok(secret()));
}

#[tokio::test]
async fn a_key_that_was_kept_and_not_recorded_is_taken_and_no_other_is_made() {
    for keyring in [false, true] {
        let scene = Scene::new();
        let sealed = scene.vault(keyring).seal(&secret(), FOR).await.unwrap();
        // The machine stopped before the record was written; or a copy of before is back in the database's place.
        let before = scene.book.0.lock().unwrap().take();
        assert_eq!(scene.vault(keyring).open(&sealed, FOR).await, Ok(secret()));
        let another = scene.vault(true).seal(&secret(), FOR).await.unwrap();
        assert_eq!(*scene.book.0.lock().unwrap(), before, "the same key is recorded again");
        assert_eq!(scene.vault(keyring).open(&another, FOR).await, Ok(secret()));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_copy_that_was_put_back_with_open_permissions_is_closed() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let scene = Scene::new();
    let sealed = scene.vault(false).seal(&secret(), FOR).await.unwrap();
    std::fs::set_permissions(scene.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(scene.vault(false).open(&sealed, FOR).await, Ok(secret()));
    assert_eq!(std::fs::metadata(scene.file()).unwrap().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn two_that_seal_at_once_make_one_key() {
    let scene = Scene::new();
    let vault = scene.vault(false);
    let first = secret();
    let (a, b) = tokio::join!(vault.seal(&first, FOR), vault.seal(&first, FOR));
    let again = scene.vault(false);
    assert_eq!(again.open(&a.unwrap(), FOR).await, Ok(secret()));
    assert_eq!(again.open(&b.unwrap(), FOR).await, Ok(secret()));
}
