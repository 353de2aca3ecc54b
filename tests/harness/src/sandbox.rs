//! A data folder, a runtime folder and an environment of a test's own, and the program run in them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant, SystemTime};

use crate::engine::RealEngine;
use crate::ssh::SshServer;
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before the test is lost; a loaded machine takes its time.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at what is waited for.
pub const GLANCE: Duration = Duration::from_millis(10);

/// Nothing of the machine's own is seen in here: neither its engine nor its user's folders.
pub struct Sandbox {
    temp: TempDir,
    engine: String,
    /// Programs that are found before the machine's own.
    programs: Option<PathBuf>,
    /// The data folder, where it is not the sandbox's own.
    home: Option<PathBuf>,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// Without a data folder, and with an engine that is not there.
    #[must_use]
    pub fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("user")).unwrap();
        std::fs::create_dir(temp.path().join("run")).unwrap();
        let engine = format!("unix://{}", temp.path().join("no-engine.sock").display());
        Self { temp, engine, programs: None, home: None }
    }

    /// Without a data folder, on this engine.
    pub fn on(engine: &RealEngine) -> Self {
        Self::facing(&engine.host())
    }

    /// Without a data folder, on the engine at this address, as `DOCKER_HOST` says it.
    pub fn facing(host: &str) -> Self {
        Self { engine: host.to_owned(), ..Self::new() }
    }

    /// Without a data folder, on the engine that is behind this server.
    pub fn through(server: &SshServer) -> Self {
        Self { engine: server.host(), programs: Some(server.bin()), ..Self::new() }
    }

    /// With a data folder that has been worked in: a setting that was changed, and a copy of the database.
    pub fn used() -> Self {
        let sandbox = Self::new();
        sandbox.run(&["settings", "set", "stale_threshold_days", "9"]).exits(0);
        sandbox.run(&["backup", "create"]).exits(0);
        sandbox
    }

    /// The same sandbox seen with the data folder that a daemon chose.
    pub fn in_folder(mut self, home: &Path) -> Self {
        self.home = Some(home.to_owned());
        self
    }

    pub fn home(&self) -> PathBuf {
        self.home.clone().unwrap_or_else(|| self.temp.path().join("data"))
    }

    pub fn path(&self) -> &Path {
        self.temp.path()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        self.within(Command::new(program()), args)
    }

    /// The program run by another one, which is given the program's path after its own arguments.
    pub fn command_under(&self, mut other: Command, args: &[&str]) -> Command {
        other.arg(program());
        self.within(other, args)
    }

    fn within(&self, mut command: Command, args: &[&str]) -> Command {
        let own = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(self.programs.iter().cloned().chain(std::env::split_paths(&own)));
        command
            .args(args)
            .env_clear()
            .env("PATH", path.unwrap())
            .env("HOME", self.temp.path().join("user"))
            .env("TMPDIR", self.temp.path())
            .env("TINYFORGE_HOME", self.home())
            .env("XDG_RUNTIME_DIR", self.temp.path().join("run"))
            .env("DOCKER_HOST", &self.engine)
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args), args)
    }

    /// `tinyforge serve`, once it says that it works.
    pub fn serve(&self, args: &[&str]) -> Running {
        let mut running = Running::start(self.command(&[&["serve"], args].concat()));
        running.greeting = running.line();
        running
    }

    /// Every file and folder below the data folder: its bytes, its mode, and when it last changed.
    pub fn files(&self) -> BTreeMap<PathBuf, (Vec<u8>, u32, SystemTime)> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.home()];
        while let Some(folder) = folders.pop() {
            note(&folder, &mut found);
            for entry in std::fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { note(&path, &mut found) }
            }
        }
        found
    }
}

fn note(path: &Path, found: &mut BTreeMap<PathBuf, (Vec<u8>, u32, SystemTime)>) {
    let Ok(facts) = std::fs::symlink_metadata(path) else { return };
    let bytes = if facts.is_file() { std::fs::read(path).unwrap() } else { Vec::new() };
    found.insert(path.to_owned(), (bytes, facts.mode(), facts.modified().unwrap()));
}

/// The program beside this test: `target/<profile>/tinyforge`.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).expect("tests lie in target/<profile>/deps");
    let program = profile.join("tinyforge");
    assert!(
        program.is_file(),
        "{} is not there; build it first: cargo build -p tinyforge-cli",
        program.display()
    );
    program
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ran {
    /// What it was asked, for the messages of assertions.
    pub args: Vec<String>,
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    fn of(mut command: Command, args: &[&str]) -> Self {
        let begun = Instant::now();
        let Output { status, stdout, stderr } = command.output().unwrap();
        Self {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
            took: begun.elapsed(),
        }
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "tinyforge {}: {self:#?}", self.args.join(" "));
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no {text:?} on standard output of {self:#?}");
        self
    }

    #[track_caller]
    pub fn tells(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} on standard error of {self:#?}");
        self
    }

    #[track_caller]
    pub fn says_nothing(self) -> Self {
        assert!(self.stdout.is_empty(), "{self:#?}");
        self
    }

    #[track_caller]
    pub fn tells_nothing(self) -> Self {
        assert!(self.stderr.is_empty(), "{self:#?}");
        self
    }

    /// Standard output as the one document that it must be.
    #[track_caller]
    pub fn json(&self) -> Value {
        self.read()
    }

    #[track_caller]
    pub fn read<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }
}

/// A program that runs until it is told to stop; killed when the test ends otherwise.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    /// The first line it said, where it was waited for.
    pub greeting: String,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, greeting: String::new() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its standard output.
    #[track_caller]
    pub fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(error) => {
                let _ = self.child.kill();
                panic!("no further line ({error}); standard error: {}", self.stderr());
            }
        }
    }

    /// The next line of its standard output; `None` where it ends without one.
    #[track_caller]
    pub fn line_or_end(&mut self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("it neither says a line nor ends"),
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Whether it has ended, and then as [`Running::ends`].
    pub fn ended(&mut self) -> Option<Option<i32>> {
        self.child.try_wait().unwrap().map(|status| status.code())
    }

    /// Its exit code; `None` where a signal ended it.
    #[track_caller]
    pub fn ends(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(GLANCE);
        }
    }

    pub fn stderr(&mut self) -> String {
        let mut text = String::new();
        if let Some(stderr) = self.child.stderr.as_mut() {
            let _ = stderr.read_to_string(&mut text);
        }
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
