//! A way to the engine that can be closed while the engine goes on.

use std::path::{Path, PathBuf};

use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

pub struct Relay {
    socket: PathBuf,
    engine: PathBuf,
    passing: JoinSet<()>,
}

impl Relay {
    pub fn to(engine: &Path, socket: PathBuf) -> Self {
        let mut relay = Self { socket, engine: engine.to_owned(), passing: JoinSet::new() };
        relay.open();
        relay
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn open(&mut self) {
        let listener = UnixListener::bind(&self.socket).unwrap();
        let engine = self.engine.clone();
        self.passing.spawn(async move {
            let mut callers = JoinSet::new();
            while let Ok((mut caller, _)) = listener.accept().await {
                let engine = engine.clone();
                callers.spawn(async move {
                    let mut beyond = UnixStream::connect(engine).await.unwrap();
                    let _ = copy_bidirectional(&mut caller, &mut beyond).await;
                });
            }
        });
    }

    /// Whoever has come through is cut off, and nobody finds the way any more.
    pub async fn close(&mut self) {
        self.passing.shutdown().await;
        std::fs::remove_file(&self.socket).unwrap();
    }
}
