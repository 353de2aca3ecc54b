//! A gate on the daemon's way to its engine. Shut, the daemon is not there for the engine: its connections are closed
//! and those that it opens are closed at once. So one and the same daemon, in whatever state it is, can be measured
//! with and without its weight, again and again.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::spawn;
use std::time::{Duration, Instant};

/// How long nothing must have passed for the gate to be called still.
const STILL: Duration = Duration::from_millis(300);
/// A daemon seeks its engine at least every two seconds, and has looked at a hundred containers soon after.
const OVERDUE: Duration = Duration::from_secs(30);

pub struct Gate {
    path: PathBuf,
    inner: Arc<Inner>,
}

struct Inner {
    engine: PathBuf,
    way: Mutex<Way>,
    /// Bytes that passed, either way.
    passed: AtomicU64,
}

struct Way {
    open: bool,
    /// Both ends of every connection that came through.
    lines: Vec<UnixStream>,
}

impl Gate {
    /// Open, on a socket at `path`.
    pub fn before(engine: &Path, path: PathBuf) -> Self {
        let listener = UnixListener::bind(&path).expect("a socket is bound");
        let inner = Arc::new(Inner {
            engine: engine.to_owned(),
            way: Mutex::new(Way { open: true, lines: vec![] }),
            passed: AtomicU64::new(0),
        });
        let keeper = Arc::clone(&inner);
        spawn(move || {
            for line in listener.incoming().map_while(Result::ok) {
                keeper.let_in(line).expect("the engine lets us in");
            }
        });
        Self { path, inner }
    }

    /// As `DOCKER_HOST` says it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    pub fn shut(&self) {
        let mut way = self.inner.way();
        way.open = false;
        for line in way.lines.drain(..) {
            // One that has ended by itself is as good as closed.
            let _ = line.shutdown(Shutdown::Both);
        }
    }

    /// Opens it, and returns once somebody came through and has done what he came for.
    pub fn open(&self) {
        let before = self.inner.passed.load(Ordering::SeqCst);
        self.inner.way().open = true;
        let deadline = Instant::now() + OVERDUE;
        let (mut passed, mut since) = (before, Instant::now());
        while passed == before || since.elapsed() < STILL {
            assert!(Instant::now() < deadline, "nobody came through the gate and grew still");
            std::thread::sleep(Duration::from_millis(10));
            let now = self.inner.passed.load(Ordering::SeqCst);
            if now != passed {
                (passed, since) = (now, Instant::now());
            }
        }
    }
}

impl Inner {
    fn let_in(self: &Arc<Self>, from: UnixStream) -> io::Result<()> {
        let mut way = self.way();
        if !way.open {
            return Ok(());
        }
        let to = UnixStream::connect(&self.engine)?;
        way.lines.extend([from.try_clone()?, to.try_clone()?]);
        let (back_from, back_to) = (to.try_clone()?, from.try_clone()?);
        let (there, back) = (Arc::clone(self), Arc::clone(self));
        spawn(move || there.carry(from, to));
        spawn(move || back.carry(back_from, back_to));
        Ok(())
    }

    fn carry(&self, mut from: UnixStream, mut to: UnixStream) {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(count) = io::Read::read(&mut from, &mut bytes) {
            self.passed.fetch_add(count as u64, Ordering::SeqCst);
            if count == 0 || io::Write::write_all(&mut to, &bytes[..count]).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Read), to.shutdown(Shutdown::Write));
    }

    fn way(&self) -> MutexGuard<'_, Way> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
