//! Podman's service as a test's own engine, in namespaces of its own: whatever it starts, mounts, routes or filters is
//! gone with its first process, and nothing of a user's Podman is seen or touched.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Below which Podman makes its control groups.
const PARENT: &str = "libpod_parent";

/// How long what was killed may keep its control group; a user's own Podman keeps them for good.
const DYING: Duration = Duration::from_secs(2);

/// Run by a shell in fresh network, mount and process namespaces: `/run` is empty there, and libraries are also found in
/// the engine's own folder.
const PREPARE: &str = r#"set -e
ip link set lo up
mount --bind "$TF_FOLDER/ld.so.cache" /etc/ld.so.cache
mount -t tmpfs run /run
exec docker-init -- podman --root "$TF_FOLDER/data" --runroot "$TF_FOLDER/exec" --log-level warn \
  system service --time=0 "$TF_HOST""#;

/// What starts the service: its process is the one that all of the engine's processes end with.
pub(super) fn service(folder: &Path, binaries: &Path, host: &str) -> Command {
    configure(folder, binaries);
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", PREPARE])
        .env("TF_FOLDER", folder)
        .env("TF_HOST", host)
        .env("HOME", folder.join("home"))
        .env("CONTAINERS_CONF", folder.join("containers.conf"))
        .env("CONTAINERS_STORAGE_CONF", folder.join("storage.conf"));
    command
}

/// The control groups of the containers that lie in an engine's folder. A paused one's programs outlive even the first
/// process of their namespace.
pub(super) fn control_groups(folder: &Path) -> Vec<String> {
    let containers = fs::read_dir(folder.join("data/vfs-containers")).into_iter().flatten().flatten();
    let ids = containers.filter_map(|entry| entry.file_name().into_string().ok());
    ids.filter(|id| id.len() == 64).map(|id| format!("{PARENT}/libpod-{id}")).collect()
}

/// The control groups that Podman makes outside of any namespace, below a name that all of its installations share: those
/// in which nothing runs. What has just been killed may still be in them.
pub(super) fn remove_empty_control_groups() {
    let deadline = Instant::now() + DYING;
    loop {
        let groups = super::control_groups_called(PARENT);
        groups.iter().for_each(|at| super::remove_control_group(at));
        if groups.is_empty() || Instant::now() > deadline {
            return;
        }
        sleep(Duration::from_millis(20));
    }
}

fn configure(folder: &Path, binaries: &Path) {
    let at = |name: &str| folder.join(name).display().to_string();
    let bin = binaries.join("bin").display().to_string();
    let write = |name: &str, text: String| {
        fs::write(folder.join(name), text).expect("the service's configuration is written");
    };
    // A machine without CAP_SYS_RESOURCE cannot raise a limit: hard is what soft is. The file log needs no journal.
    write(
        "containers.conf",
        format!(
            "[containers]\ndefault_ulimits = [\"nofile=4096:4096\", \"nproc=4096:4096\"]\n\
             [network]\nnetwork_backend = \"netavark\"\nnetwork_config_dir = \"{networks}\"\n\
             [engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nruntime = \"runc\"\n\
             conmon_path = [\"{bin}/conmon\"]\nhelper_binaries_dir = [\"{bin}\"]\ntmp_dir = \"{tmp}\"\n\
             volume_path = \"{volumes}\"\n[engine.runtimes]\nrunc = [\"{bin}/runc\"]\n",
            networks = at("networks"),
            tmp = at("tmp"),
            volumes = at("volumes"),
        ),
    );
    let (data, exec) = (at("data"), at("exec"));
    let storage = format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{data}\"\nrunroot = \"{exec}\"\n");
    write("storage.conf", storage);
    fs::create_dir_all(folder.join("home/.config/containers")).expect("the service's home is made");
    write(
        "home/.config/containers/policy.json",
        r#"{"default":[{"type":"insecureAcceptAnything"}]}"#.to_owned(),
    );
    write("ld.so.conf", format!("{}\ninclude /etc/ld.so.conf\n", binaries.join("lib").display()));
    let indexed = Command::new("ldconfig")
        .args(["-X", "-C", &at("ld.so.cache"), "-f", &at("ld.so.conf")])
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
        .stderr(Stdio::null())
        .status();
    assert!(indexed.expect("ldconfig is there").success(), "the service's libraries are indexed");
}
