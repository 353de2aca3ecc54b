//! A Unix socket that only its owner can open: by the folder's mode, its own mode, and the peer's user id.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::net::{UnixListener, UnixStream, unix};

pub type Listener = UnixListener;
pub type Connection = UnixStream;
pub type ReadHalf = unix::OwnedReadHalf;
pub type WriteHalf = unix::OwnedWriteHalf;

/// Binds the socket, taking the place of one that a killed daemon left. The caller holds the data folder's lock, so
/// that nobody else binds at the same time; a socket that answers is left alone all the same.
pub async fn bind(path: &Path) -> io::Result<Listener> {
    match UnixStream::connect(path).await {
        Ok(_) => {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                format!("somebody listens at {}", path.display()),
            ));
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

pub async fn connect(path: &Path) -> io::Result<Connection> {
    UnixStream::connect(path).await
}

/// Whether the process at the other end belongs to the user of this one.
#[must_use]
pub fn is_ours(connection: &Connection) -> bool {
    connection.peer_cred().is_ok_and(|peer| peer.uid() == rustix::process::geteuid().as_raw())
}

#[must_use]
pub fn split(connection: Connection) -> (ReadHalf, WriteHalf) {
    connection.into_split()
}
