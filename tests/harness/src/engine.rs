//! A real engine of a test's own: its daemon, its folders, its bridge, its addresses, gone when the guard is.
//!
//! The binaries were unpacked by `scripts/engine.sh`; nothing is installed and no engine of the user's is touched.
//! Every process of the engine carries [`MARK`] in its environment and every container runs below a control group of
//! the engine's name, so that all of it can be found and ended also after the daemon was killed. What a test that was
//! killed itself left behind is swept by the next start.
//!
//! Everything here blocks. An async test that also runs tasks of its own needs a runtime with several threads.

mod podman;
mod skill;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tinyforge_core::docker::SharedEngine;
use tinyforge_core::docker::bollard::DockerEngine;
use tinyforge_core::docker::endpoint::Endpoint;
use tinyforge_core::rules::ids::ContainerId;

pub use skill::Skill;

/// The environment variable that every process of such an engine carries; its value is the engine's folder.
const MARK: &str = "TINYFORGE_TEST_ENGINE";

/// The image that every engine has: a shell, the usual commands, `/serve` (answers HTTP on 8080 with its `VERSION`,
/// ends tidily on SIGTERM) as its command.
pub const IMAGE: &str = "tf/box:1";

/// How long a daemon may take to answer on a busy machine; about one second on an idle one.
const UP: Duration = Duration::from_secs(60);

/// Which of the unpacked engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The machine's own release's.
    Own,
    /// The one after it.
    Next,
    /// The service of the machine's own release's Podman, which is started and ends; no story of a restart is told of it.
    Podman,
}

/// How long what was killed may take to be gone on a busy machine; some hundred milliseconds on an idle one.
const GONE: Duration = Duration::from_secs(60);

pub struct RealEngine {
    release: Release,
    number: u8,
    folder: PathBuf,
    binaries: PathBuf,
    daemon: Mutex<Option<Child>>,
}

/// What a command of Docker's command line did.
#[derive(Debug, Clone)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Standard output of a command that must succeed.
    #[allow(clippy::must_use_candidate, reason = "many are called only for what they assert")]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "a command that must succeed failed: {}{}", self.stdout, self.stderr);
        self.stdout
    }
}

impl RealEngine {
    /// An engine of the machine's own release, up and with [`IMAGE`].
    ///
    /// # Panics
    /// Where the tests do not run as root, where the binaries are not unpacked, where the daemon does not come up:
    /// each says what to do.
    #[must_use]
    pub fn start() -> Self {
        Self::start_release(Release::Own)
    }

    #[must_use]
    pub fn start_release(release: Release) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "an engine of the tests' own needs root: run `make test` as root"
        );
        let binaries = unpacked(release);
        sweep();
        let (number, folder) = claim_number();
        let engine = Self { release, number, folder, binaries, daemon: Mutex::new(None) };
        for name in ["data", "exec", "config/cli-plugins", "image"] {
            fs::create_dir_all(engine.folder.join(name)).expect("the engine's folders are made");
        }
        // The machine's own daemon.json is none of this engine's business.
        fs::write(engine.folder.join("daemon.json"), "{}").expect("its configuration is written");
        let plugin = engine.folder.join("config/cli-plugins/docker-compose");
        std::os::unix::fs::symlink(engine.binaries.join("cli-plugins/docker-compose"), plugin)
            .expect("Compose is linked");
        let bridge = engine.bridge();
        system("ip", &["addr", "add", &format!("{}.0.1/24", engine.addresses()), "dev", &bridge]);
        system("ip", &["link", "set", &bridge, "up"]);
        engine.launch();
        engine.import(IMAGE, &[r#"CMD ["/serve"]"#, "EXPOSE 8080"]);
        engine
    }

    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("docker.sock")
    }

    /// As `DOCKER_HOST` says it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::Unix(self.socket())
    }

    /// The product's own door to it.
    #[must_use]
    pub fn door(&self) -> SharedEngine {
        Arc::new(DockerEngine::new(&self.endpoint()).expect("a socket can be addressed"))
    }

    /// A folder for a test's own files; it goes with the engine.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        let path = self.folder.join("scratch");
        fs::create_dir_all(&path).expect("a scratch folder is made");
        path
    }

    // ---- its command line -------------------------------------------------------------------------------------

    /// Docker's command line, pointed at this engine and at no configuration of the user's.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.binaries.join("bin/docker"));
        command.args(args).env("DOCKER_HOST", self.host()).env("DOCKER_CONFIG", self.folder.join("config"));
        command.env_remove("DOCKER_CONTEXT").env_remove("DOCKER_TLS_VERIFY").stdin(Stdio::null());
        command
    }

    pub fn docker(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().expect("docker is started"))
    }

    /// `docker run -d …` of something that must start.
    pub fn run(&self, args: &[&str]) -> ContainerId {
        ContainerId::new(self.docker(&[&["run", "-d"], args].concat()).ok())
    }

    /// `docker create …`
    pub fn create(&self, args: &[&str]) -> ContainerId {
        ContainerId::new(self.docker(&[&["create"], args].concat()).ok())
    }

    /// What the engine answers to a request that Docker's command line does not know.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn get(&self, path: &str) -> String {
        ask(&self.socket(), "GET", path).expect("the engine answers")
    }

    /// Runs a container's health check now, where the engine does not do so by the clock.
    pub fn check_health(&self, id: &ContainerId) {
        if self.release.lacks(Skill::ChecksByTheClock) {
            self.get(&format!("/v4.0.0/libpod/containers/{id}/healthcheck"));
        }
    }

    #[must_use]
    pub fn release(&self) -> Release {
        self.release
    }

    /// `docker compose …` in a folder.
    pub fn compose(&self, folder: &Path, args: &[&str]) -> Ran {
        let mut command = self.command(&[&["compose"], args].concat());
        Ran::of(command.current_dir(folder).output().expect("docker compose is started"))
    }

    /// Makes an image of the machine's own static busybox, without a network. `changes` are lines of a Dockerfile.
    pub fn import(&self, name: &str, changes: &[&str]) {
        let root = self.folder.join("image/root");
        if !root.exists() {
            lay_out(&root);
        }
        let mut tar = Command::new("tar")
            .args(["-C", &root.display().to_string(), "-c", "."])
            .stdout(Stdio::piped())
            .spawn()
            .expect("tar is started");
        let mut args = vec!["import"];
        for change in changes {
            args.extend(["--change", change]);
        }
        args.extend(["-", name]);
        let layers = tar.stdout.take().expect("tar's output is piped");
        let output = self.command(&args).stdin(Stdio::from(layers)).output().expect("docker is started");
        assert!(tar.wait().expect("tar ends").success(), "the image's files are packed");
        Ran::of(output).ok();
    }

    // ---- what befalls it --------------------------------------------------------------------------------------

    /// SIGTERM, as `systemctl stop docker` does, until it has ended. Containers are stopped first.
    pub fn stop_term(&self) {
        self.signal(Signal::TERM);
        self.wait_until_it_ended();
    }

    /// SIGKILL. Its containers live on until the next start ends them.
    pub fn kill9(&self) {
        self.signal(Signal::KILL);
        self.wait_until_it_ended();
    }

    /// SIGSTOP: it accepts connections and answers none.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Starts the daemon again after [`RealEngine::stop_term`] or [`RealEngine::kill9`], until it answers.
    pub fn start_again(&self) {
        assert!(self.daemon().is_none(), "it runs already");
        self.launch();
    }

    /// SIGTERM and a new start, as `systemctl restart docker` does.
    pub fn restart(&self) {
        self.stop_term();
        self.start_again();
    }

    /// The daemon's process, for measuring its load.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.daemon().as_ref().map(Child::id)
    }

    /// What the daemon has written.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// What would stay behind if nothing more were done: processes, mounts, networks, control groups, the folder.
    #[must_use]
    pub fn traces(&self) -> Traces {
        Traces { number: self.number, folder: self.folder.clone() }
    }

    // ---- below ------------------------------------------------------------------------------------------------

    fn daemon(&self) -> MutexGuard<'_, Option<Child>> {
        self.daemon.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bridge(&self) -> String {
        format!("tfe{}", self.number)
    }

    /// The first two numbers of all its addresses.
    fn addresses(&self) -> String {
        format!("10.{}", 192 + self.number)
    }

    fn launch(&self) {
        // A containerd that was killed with its daemon stays a zombie where nobody reaps it, and seems alive.
        let _ = fs::remove_file(self.folder.join("exec/containerd/containerd.pid"));
        let _ = fs::remove_file(self.socket());
        let path = format!(
            "{}:{}:/usr/sbin:/sbin",
            self.binaries.join("bin").display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .expect("its log opens");
        let mut command = match self.release {
            Release::Own | Release::Next => self.dockerd(),
            Release::Podman => podman::service(&self.folder, &self.binaries, &self.host()),
        };
        command
            .env("PATH", path)
            .env(MARK, &self.folder)
            .env_remove("DOCKER_HOST")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("its log opens twice"))
            .stderr(log);
        let daemon = command.spawn().expect("the daemon is started");
        *self.daemon() = Some(daemon);
        self.wait_until_it_answers();
    }

    fn dockerd(&self) -> Command {
        let at = |name: &str| self.folder.join(name).display().to_string();
        let bin = self.binaries.join("bin");
        let mut command = Command::new(bin.join("dockerd"));
        command
            .args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("docker.pid")])
            .args([
                "--host",
                &self.host(),
                "--bridge",
                &self.bridge(),
                "--cgroup-parent",
                &format!("/{}", self.bridge()),
            ])
            .args(["--default-address-pool", &format!("base={}.128.0/17,size=24", self.addresses())])
            .args(["--iptables=false", "--ip6tables=false", "--ip-masq=false", "--ip-forward=false"])
            .args(["--userland-proxy-path", &bin.join("docker-proxy").display().to_string()])
            .args(["--init-path", &bin.join("docker-init").display().to_string()])
            .args(["--config-file", &at("daemon.json"), "--log-level", "warn"]);
        command
    }

    fn wait_until_it_answers(&self) {
        let deadline = Instant::now() + UP;
        while !answers(&self.socket()) {
            let ended = self.daemon().as_mut().and_then(|d| d.try_wait().ok().flatten());
            assert!(ended.is_none(), "the daemon ended: {ended:?}\n{}", self.log());
            assert!(Instant::now() < deadline, "the daemon does not answer within {UP:?}\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(daemon) = self.daemon().as_ref() {
            send(daemon.id(), signal);
        }
    }

    fn wait_until_it_ended(&self) {
        if let Some(mut daemon) = self.daemon().take() {
            let _ = daemon.wait();
        }
    }
}

impl Drop for RealEngine {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        self.wait_until_it_ended();
        self.traces().wipe();
        if self.release == Release::Podman {
            podman::remove_empty_control_groups();
        }
    }
}

/// Everything by which an engine is known to the system. Outlives the engine, so that a test can look after it.
#[derive(Debug, Clone)]
pub struct Traces {
    number: u8,
    folder: PathBuf,
}

impl Traces {
    /// What is there of it; empty when all is gone.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let mut found: Vec<String> =
            self.processes().into_iter().map(|pid| format!("process {pid}")).collect();
        found.extend(self.mounts().into_iter().map(|at| format!("mount {at}")));
        found.extend(self.interfaces().into_iter().map(|name| format!("network interface {name}")));
        found.extend(self.control_groups().into_iter().map(|at| format!("control group {}", at.display())));
        found.extend(self.folder.exists().then(|| format!("folder {}", self.folder.display())));
        found
    }

    /// Ends and removes all of it. What a first round only sets in motion (a process that dies, the control group that
    /// it leaves) the next one finds done.
    fn wipe(&self) {
        let sockets = self.shim_sockets();
        let deadline = Instant::now() + GONE;
        while !self.leftovers().is_empty() && Instant::now() < deadline {
            for at in self.control_groups() {
                thaw(&at);
            }
            for pid in self.processes() {
                send(pid, Signal::KILL);
            }
            for at in self.mounts().iter().rev() {
                let _ = Command::new("umount").args(["-l", at]).stderr(Stdio::null()).status();
            }
            for name in self.interfaces() {
                let _ = Command::new("ip").args(["link", "del", &name]).stderr(Stdio::null()).status();
            }
            for at in self.control_groups() {
                remove_control_group(&at);
            }
            if self.processes().is_empty() && self.mounts().is_empty() {
                let _ = fs::remove_dir_all(&self.folder);
            }
            if !self.leftovers().is_empty() {
                sleep(Duration::from_millis(20));
            }
        }
        for socket in sockets {
            let _ = fs::remove_file(socket);
        }
    }

    /// Its daemons by their mark, its containers' programs by their control group. Zombies are nobody's any more.
    fn processes(&self) -> Vec<u32> {
        let mark = format!("{MARK}={}", self.folder.display());
        let groups: Vec<String> = self.group_names().iter().map(|name| format!("/{name}/")).collect();
        let is_ours = |pid: u32| {
            let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            read("environ").split(|b| *b == 0).any(|entry| entry == mark.as_bytes())
                || String::from_utf8_lossy(&read("cgroup"))
                    .lines()
                    .any(|line| groups.iter().any(|group| format!("{line}/").contains(group)))
        };
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| *pid != std::process::id() && is_ours(*pid) && !is_zombie(*pid)).collect()
    }

    fn mounts(&self) -> Vec<String> {
        let below = format!("{}/", self.folder.display());
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let points = table.lines().filter_map(|line| line.split(' ').nth(4));
        points.filter(|at| at.starts_with(&below)).map(str::to_owned).collect()
    }

    /// Its bridge, and the bridges of its networks by their addresses.
    fn interfaces(&self) -> Vec<String> {
        let prefix = format!("10.{}.", 192 + self.number);
        let own = format!("tfe{}", self.number);
        let Ok(output) = Command::new("ip").args(["-o", "-4", "addr"]).output() else { return Vec::new() };
        let text = String::from_utf8_lossy(&output.stdout);
        // A line reads: number, name, `inet`, address.
        let named = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            let (name, _, address) = (words.next()?, words.next()?, words.next()?);
            address.starts_with(&prefix).then(|| name.to_owned())
        });
        let mut names: Vec<String> = named.collect();
        if Path::new("/sys/class/net").join(&own).exists() && !names.contains(&own) {
            names.push(own);
        }
        names
    }

    fn control_groups(&self) -> Vec<PathBuf> {
        self.group_names().iter().flat_map(|name| control_groups_called(name)).collect()
    }

    /// Its own group, and those that Podman made for its containers.
    fn group_names(&self) -> Vec<String> {
        let mut names = podman::control_groups(&self.folder);
        names.push(format!("tfe{}", self.number));
        names
    }

    /// The sockets that containers' shims keep in a folder common to all engines; each shim's own folder names its.
    fn shim_sockets(&self) -> Vec<PathBuf> {
        let mut sockets = Vec::new();
        let mut folders = vec![self.folder.join("exec/containerd/daemon")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let is_folder = entry.file_type().is_ok_and(|t| t.is_dir());
                if is_folder && entry.file_name() != "rootfs" {
                    folders.push(entry.path());
                } else if entry.file_name() == "address" {
                    let address = fs::read_to_string(entry.path()).unwrap_or_default();
                    sockets.extend(address.trim().strip_prefix("unix://").map(PathBuf::from));
                }
            }
        }
        sockets
    }
}

/// The files of [`IMAGE`].
fn lay_out(root: &Path) {
    fs::create_dir_all(root.join("bin")).expect("the image's folders are made");
    for name in ["tmp", "proc", "sys", "dev", "etc"] {
        fs::create_dir_all(root.join(name)).expect("the image's folders are made");
    }
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].into_iter().find(|path| Path::new(path).exists());
    let busybox = busybox.expect("a static busybox is there: `make test` installs busybox-static");
    fs::copy(busybox, root.join("bin/busybox")).expect("busybox is copied");
    let applets = [
        "sh", "sleep", "httpd", "true", "false", "cat", "echo", "test", "touch", "rm", "kill", "dd", "ls",
        "mkdir", "wget", "tail", "head",
    ];
    for applet in applets {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(applet)).expect("an applet is linked");
    }
    let serve = "#!/bin/sh\ntrap 'exit 0' TERM\nmkdir -p /tmp/www\necho \"${VERSION:-v1}\" >/tmp/www/index.html\n\
                 httpd -p 8080 -h /tmp/www\nwhile :; do sleep 3600 & wait $!; done\n";
    fs::write(root.join("serve"), serve).expect("the server is written");
    let all = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    fs::set_permissions(root.join("serve"), all).expect("the server can be executed");
}

/// Docker's command line of a release, pointed at a host and at no configuration of the user's. It needs no engine of
/// its own.
#[must_use]
pub fn command_line(release: Release, host: &str, args: &[&str]) -> Ran {
    let config = tempfile::tempdir().expect("an empty configuration is made");
    let mut command = Command::new(unpacked(release).join("bin/docker"));
    command.args(args).env("DOCKER_HOST", host).env("DOCKER_CONFIG", config.path());
    command.env_remove("DOCKER_CONTEXT").env_remove("DOCKER_TLS_VERIFY").stdin(Stdio::null());
    Ran::of(command.output().expect("docker is started"))
}

fn unpacked(release: Release) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    let name = match release {
        Release::Own => "own",
        Release::Next => "next",
        Release::Podman => "podman",
    };
    let folder = target.join("engine").join(name);
    assert!(
        folder.join("ready").exists(),
        "there is no engine in {}: `make test` unpacks one, or run scripts/engine.sh {name}",
        folder.display()
    );
    fs::canonicalize(&folder).expect("the engine's folder is there")
}

/// Claims a number by making the bridge of its name, which only one can; the folder names it and this process.
fn claim_number() -> (u8, PathBuf) {
    let first = fastrand::u8(0..60);
    for number in (0..60).map(|n| (first + n) % 60) {
        let bridge = format!("tfe{number}");
        let made = Command::new("ip")
            .args(["link", "add", &bridge, "type", "bridge"])
            .stderr(Stdio::null())
            .status();
        if made.expect("`ip` is there: `make test` installs iproute2").success() {
            let folder = std::env::temp_dir().join(format!("tfe-{number}-{}", std::process::id()));
            fs::create_dir_all(&folder).expect("the engine's folder is made");
            return (number, folder);
        }
    }
    panic!("no number is left for an engine: sixty run already, or no bridge can be made here");
}

/// Wipes the engines of test processes that are no more.
fn sweep() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some((number, pid)) = name.to_str().and_then(|n| n.strip_prefix("tfe-")?.split_once('-')) else {
            continue;
        };
        let (Ok(number), Ok(pid)) = (number.parse(), pid.parse::<u32>()) else { continue };
        if !Path::new("/proc").join(pid.to_string()).exists() {
            Traces { number, folder: entry.path() }.wipe();
        }
    }
}

fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
}

/// The group of this name below the root, once for each controller that really has its own.
fn control_groups_called(name: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let controllers = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let candidates = std::iter::once(root.to_path_buf()).chain(controllers);
    let mut found: Vec<PathBuf> = candidates.map(|dir| dir.join(name)).filter(|dir| dir.is_dir()).collect();
    // One control group is there under each of its controllers' names.
    found.sort_by_key(|dir| fs::canonicalize(dir).unwrap_or_default());
    found.dedup_by_key(|dir| fs::canonicalize(dir).unwrap_or_default());
    found
}

/// Only what is empty can be removed.
fn remove_control_group(at: &Path) {
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            remove_control_group(&entry.path());
        }
    }
    let _ = fs::remove_dir(at);
}

/// A paused container's programs do not even die before they are thawed.
fn thaw(at: &Path) {
    let _ = fs::write(at.join("freezer.state"), "THAWED");
    for entry in fs::read_dir(at).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            thaw(&entry.path());
        }
    }
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

fn system(program: &str, args: &[&str]) {
    let output =
        Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program} is not there: {e}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn answers(socket: &Path) -> bool {
    ask(socket, "GET", "/_ping").is_ok_and(|answer| answer.contains(" 200 "))
}

/// Head and body of the answer to one request without a body: for those in a hurry, whom Docker's command line is too
/// slow for.
pub fn ask(socket: &Path, method: &str, path: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
