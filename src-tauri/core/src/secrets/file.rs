//! The key in a file of the data folder that only its owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::SecretsError;
use super::cipher::Key;

const NAME: &str = "secrets.key";

/// More than a key has; what is longer is no key.
const MOST_BYTES: u64 = 256;

pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

pub(super) async fn read(folder: &Path) -> Result<Option<Key>, SecretsError> {
    let path = path(folder);
    blocking(path.clone(), move || {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        close_to_others(&file)?;
        let mut text = String::new();
        file.take(MOST_BYTES).read_to_string(&mut text)?;
        Key::parse(&text).map(Some).ok_or_else(|| io::Error::other("it is no key"))
    })
    .await
}

/// Where there is none yet. Written beside and renamed: there is a whole key, or none.
pub(super) async fn keep(folder: &Path, key: &Key) -> Result<(), SecretsError> {
    let (path, text) = (path(folder), key.text());
    let folder = folder.to_owned();
    blocking(path.clone(), move || {
        if path.exists() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is one already"));
        }
        let beside = path.with_extension("key.new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        close_to_others(&file)?;
        writeln!(file, "{}", text.reveal())?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        // The name must be as durable as what will be sealed with it.
        #[cfg(unix)]
        File::open(&folder)?.sync_all()?;
        let _ = folder;
        Ok(())
    })
    .await
}

/// A copy that somebody put back may have got other permissions on its way.
#[cfg(unix)]
fn close_to_others(file: &File) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let facts = file.metadata()?;
    if facts.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    if facts.mode() & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn close_to_others(_file: &File) -> io::Result<()> {
    Ok(())
}

async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, SecretsError> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|died| Err(io::Error::other(died)));
    done.map_err(|error| SecretsError::KeyUnusable {
        place: path.display().to_string(),
        reason: error.to_string(),
    })
}
