//! Windows has no daemon yet: a named pipe closed to other users belongs here.

use std::io;
use std::path::Path;

use tokio::io::{DuplexStream, ReadHalf as HalfToRead, WriteHalf as HalfToWrite};

pub type Connection = DuplexStream;
pub type ReadHalf = HalfToRead<Connection>;
pub type WriteHalf = HalfToWrite<Connection>;

/// Cannot be made, so that nothing ever waits on it.
#[derive(Debug)]
pub enum Listener {}

impl Listener {
    pub async fn accept(&self) -> io::Result<(Connection, ())> {
        match *self {}
    }
}

pub async fn bind(_path: &Path) -> io::Result<Listener> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "tinyforge cannot serve other processes on Windows yet; use the window or the command line alone",
    ))
}

/// Nobody can be listening.
pub async fn connect(_path: &Path) -> io::Result<Connection> {
    Err(io::ErrorKind::NotFound.into())
}

#[must_use]
pub fn is_ours(_connection: &Connection) -> bool {
    true
}

#[must_use]
pub fn split(connection: Connection) -> (ReadHalf, WriteHalf) {
    tokio::io::split(connection)
}
