//! Another machine, as ssh sees one: a server on loopback with keys of its own, behind which an engine's command line
//! answers. It lives in a mount namespace of its own, where the account it needs exists and the machine's does not change.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::engine::RealEngine;

pub struct SshServer {
    folder: TempDir,
    binaries: PathBuf,
    port: u16,
    daemon: Mutex<Option<Child>>,
}

impl SshServer {
    /// Before `engine`, and up.
    ///
    /// # Panics
    /// Where the programs are not unpacked or the server does not come up.
    #[must_use]
    pub fn before(engine: &RealEngine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The port is free again when this is dropped; nobody else here asks for it by number.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { folder, binaries: unpacked(), port, daemon: Mutex::default() };
        server.lay_out(engine);
        server.start();
        server
    }

    /// As `DOCKER_HOST` says it.
    #[must_use]
    pub fn host(&self) -> String {
        format!("ssh://root@127.0.0.1:{}", self.port)
    }

    /// For the front of `PATH`: the `ssh` in there knows this server and its key, and nothing of the user's.
    #[must_use]
    pub fn bin(&self) -> PathBuf {
        self.path("bin")
    }

    pub fn start(&self) {
        let mut server = Command::new("unshare");
        server.args(["--mount", "--propagation", "private", "sh", "-ec", ENTER]).arg(self.folder.path());
        server.arg(self.binaries.join("bin/sshd")).env("LD_LIBRARY_PATH", self.binaries.join("lib"));
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = server.spawn().expect("unshare is there");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        loop {
            let line =
                lines.next().unwrap_or_else(|| panic!("the ssh server did not come up: {said}")).unwrap();
            if line.starts_with("Server listening") {
                break;
            }
            said.push_str(&line);
        }
        // What it says later is read too: a full pipe would hold it up.
        std::thread::spawn(move || lines.count());
        *self.daemon.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    }

    /// Lets nobody in any more; who is in stays.
    pub fn stop(&self) {
        if let Some(mut child) = self.daemon.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// From now on the server knows no key.
    pub fn forget_keys(&self) {
        fs::write(self.path("authorized_keys"), "").unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn lay_out(&self, engine: &RealEngine) {
        for key in ["host_key", "key"] {
            let made = Command::new(self.binaries.join("bin/ssh-keygen"))
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(self.path(key))
                .status();
            assert!(made.expect("ssh-keygen is there").success(), "a key is made");
        }
        fs::copy(self.path("key.pub"), self.path("authorized_keys")).unwrap();
        let accounts = fs::read_to_string("/etc/passwd").unwrap();
        let accounts: Vec<&str> = accounts.lines().filter(|line| !line.starts_with("sshd:")).collect();
        let sshd = "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin";
        fs::write(self.path("passwd"), format!("{}\n{sshd}\n", accounts.join("\n"))).unwrap();

        fs::create_dir(self.path("bin")).unwrap();
        fs::create_dir(self.path("far")).unwrap();
        let docker = engine.command(&[]).get_program().to_owned();
        symlink(docker, self.path("far/docker")).unwrap();
        let at = |name: &str| self.path(name).display().to_string();
        let (host, far) = (engine.host(), at("far"));
        let server = [
            format!("ListenAddress 127.0.0.1:{}", self.port),
            format!("HostKey {}", at("host_key")),
            format!("AuthorizedKeysFile {}", at("authorized_keys")),
            format!("SetEnv DOCKER_HOST={host} PATH={far}:/usr/bin:/bin"),
            "PidFile none\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nStrictModes no".to_owned(),
        ];
        fs::write(self.path("sshd_config"), server.join("\n") + "\n").unwrap();
        let client = [
            format!("IdentityFile {}", at("key")),
            format!("UserKnownHostsFile {}", at("known_hosts")),
            "IdentitiesOnly yes\nIdentityAgent none\nGlobalKnownHostsFile none\nStrictHostKeyChecking accept-new".to_owned(),
        ];
        fs::write(self.path("ssh_config"), client.join("\n") + "\n").unwrap();
        let ssh = self.binaries.join("bin/ssh");
        let script = format!("#!/bin/sh\nexec {} -F {} \"$@\"\n", ssh.display(), at("ssh_config"));
        fs::write(self.path("bin/ssh"), script).unwrap();
        fs::set_permissions(self.path("bin/ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where the server's account and its folder exist: `$0` is the folder, `$1` the program.
const ENTER: &str = r#"mount --bind "$0/passwd" /etc/passwd
mount -t tmpfs none /run
mkdir /run/sshd
exec "$1" -D -e -f "$0/sshd_config""#;

fn unpacked() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    let folder = target.join("engine/ssh");
    let missing = "there is no ssh server: `make test` unpacks one, or run scripts/ssh.sh";
    assert!(folder.join("ready").exists(), "{}: {missing}", folder.display());
    fs::canonicalize(&folder).expect("the folder is there")
}
