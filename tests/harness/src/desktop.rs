//! A desktop of a test's own: a screen, a session bus, a data folder, and the program on them. All of it is gone when
//! the guard is.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tinyforge_core::home::Home;

use crate::page::Page;
use crate::screen::Screen;

/// Every process of a desktop carries it in its environment; its value is the desktop's folder.
const MARK: &str = "TINYFORGE_TEST_DESKTOP";

/// Names the folder into which pictures of the screen are taken.
const PICTURES: &str = "TINYFORGE_PICTURES";

/// How long anything may take on a busy machine. Nothing here waits for a time, only for what it says.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub struct Desktop {
    folder: TempDir,
    docker_host: String,
    /// Variables of the program's own beside those that every desktop sets.
    variables: Vec<(&'static str, &'static str)>,
    display: String,
    bus: String,
    servers: Vec<Child>,
}

impl Desktop {
    /// `docker_host` is the engine that the program shall find.
    pub fn start(docker_host: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("tfw-").tempdir().expect("a folder is made");
        for name in ["home", "run"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).expect("a folder is made");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("a folder is closed");
        }
        let mut desktop = Self {
            folder,
            docker_host: docker_host.to_owned(),
            variables: Vec::new(),
            display: String::new(),
            bus: String::new(),
            servers: Vec::new(),
        };
        let screen = ["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp", "-noreset"];
        desktop.display = format!(":{}", desktop.serve("Xvfb", &screen));
        let address = format!("--address=unix:path={}", desktop.folder.path().join("bus").display());
        let bus = ["--session", "--nofork", "--nopidfile", "--print-address=1", &address];
        desktop.bus = desktop.serve("dbus-daemon", &bus);
        desktop
    }

    /// Whatever is started from now on finds that variable set.
    pub fn set(&mut self, name: &'static str, value: &'static str) {
        self.variables.push((name, value));
    }

    /// Takes a picture of the screen into the folder that the environment names; where it names none, nobody wants one.
    pub fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os(PICTURES) else { return };
        fs::create_dir_all(&folder).expect("the folder for pictures is made");
        let file = Path::new(&folder).join(format!("{}.png", name.replace(' ', "-")));
        // Named whole: another program of that name may shadow ImageMagick's.
        let taken = self.command("/usr/bin/import").args(["-window", "root"]).arg(&file).status();
        assert!(taken.is_ok_and(|status| status.success()), "a picture of {name} is taken");
    }

    /// Where the session bus listens.
    pub fn bus(&self) -> &str {
        &self.bus
    }

    pub fn screen(&self) -> Screen {
        Screen::open(&self.display)
    }

    /// The data folder of whatever runs here.
    pub fn home(&self) -> Home {
        Home::within(self.folder.path().join("data"), self.folder.path().join("run").join("tinyforge"))
    }

    /// A program of ours, as a user of this desktop would start it.
    pub fn program(&self, name: &str) -> Command {
        let mut command = self.command(&program(name).display().to_string());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The window's program, as a user starts it.
    pub fn start_window(&self) -> Running {
        Running { child: self.program("tinyforge-app").spawn().expect("the window's program starts") }
    }

    /// The daemon without a window, once it says that it works.
    pub fn start_daemon(&self) -> Running {
        let mut child =
            self.program("tinyforge").arg("serve").spawn().expect("the command line's program starts");
        first_line(&mut child);
        Running { child }
    }

    /// The window, driven through WebDriver.
    pub fn open_page(&mut self) -> Page {
        let port = free_port();
        let mut command = self.command("WebKitWebDriver");
        command.arg(format!("--port={port}")).env("TAURI_WEBVIEW_AUTOMATION", "true");
        self.servers.push(command.spawn().expect("WebKitWebDriver starts"));
        until("WebKitWebDriver listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        Page::open(port, &program("tinyforge-app"))
    }

    /// The processes of the window's program and of its web views.
    pub fn processes(&self, name: &str) -> Vec<u32> {
        marked(self.folder.path())
            .into_iter()
            .filter(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.ends_with(name)))
            .collect()
    }

    /// A server of the desktop; returns the first line that it says.
    fn serve(&mut self, name: &str, args: &[&str]) -> String {
        let mut command = self.command(name);
        let mut child = command
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start ({error}): `make test` installs it"));
        let line = first_line(&mut child);
        self.servers.push(child);
        line
    }

    fn command(&self, name: &str) -> Command {
        let at = |path: &str| self.folder.path().join(path);
        let mut command = Command::new(name);
        command
            .env(MARK, self.folder.path())
            .env("HOME", at("home"))
            .env("XDG_RUNTIME_DIR", at("run"))
            .env("TINYFORGE_HOME", at("data"))
            .env("DOCKER_HOST", &self.docker_host)
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            // No accessibility bus and no portal are started on this desktop.
            .env("NO_AT_BRIDGE", "1")
            .env("GTK_USE_PORTAL", "0")
            .env("GDK_BACKEND", "x11")
            .envs(self.variables.iter().copied());
        for user in
            ["WAYLAND_DISPLAY", "DOCKER_CONTEXT", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"]
        {
            command.env_remove(user);
        }
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        // The program first: it may still want its screen. What it started is found by the mark, also after it died.
        let deadline = Instant::now() + DEADLINE;
        let servers: Vec<u32> = self.servers.iter().map(Child::id).collect();
        loop {
            let alive: Vec<u32> =
                marked(self.folder.path()).into_iter().filter(|pid| !servers.contains(pid)).collect();
            if alive.is_empty() || Instant::now() > deadline {
                break;
            }
            alive.into_iter().for_each(|pid| send(pid, Signal::KILL));
            std::thread::sleep(Duration::from_millis(10));
        }
        for mut server in self.servers.drain(..).rev() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// A program that was started here; ended when dropped.
pub struct Running {
    child: Child,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stderr: String,
}

impl Running {
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_none()
    }

    /// SIGTERM.
    pub fn ask_to_stop(&self) {
        send(self.child.id(), Signal::TERM);
    }

    /// SIGKILL, and gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn ended(mut self) -> Ended {
        until("the program has ended", || !self.is_running());
        let mut stderr = String::new();
        if let Some(mut pipe) = self.child.stderr.take() {
            let _ = pipe.read_to_string(&mut stderr);
        }
        Ended { code: self.child.wait().expect("it has ended").code(), stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits for what is said.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "within {DEADLINE:?} it did not come true that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Beside the test's own program, where cargo puts all of them.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.parent().and_then(Path::parent).expect("tests lie in deps/");
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is not built: `make test` does, or cargo build --workspace --bins",
        path.display()
    );
    path
}

fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    let out = child.stdout.as_mut().expect("its output is piped");
    BufReader::new(out).read_line(&mut line).expect("its output is read");
    assert!(!line.is_empty(), "a server of the desktop ended before it said where it is");
    line.trim_end().to_owned()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

fn marked(folder: &Path) -> Vec<u32> {
    let mark = format!("{MARK}={}", folder.display());
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
        })
        .collect()
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
