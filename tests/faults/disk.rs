//! A disk that is full, and one that can only be read: a small ext4 of the test's own as the data folder's.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use harness::engine::{IMAGE, RealEngine};
use harness::sandbox::Sandbox;

use super::beside;
use super::ground::{
    HEALED, ends_in_order, ends_whole, is_equal, is_intact, nothing_panicked, serves_equal, state_of, status,
    trouble, until, within,
};

#[test]
fn a_full_disk_is_said_and_survived_and_what_was_missed_is_written_when_there_is_space() {
    let _machine = beside();
    let engine = RealEngine::start();
    let disk = SmallDisk::new();
    let sandbox = Sandbox::on(&engine).in_folder(&disk.folder());
    engine.run(&["--name", "web", IMAGE]);
    engine.create(&["--name", "old", IMAGE]);
    let mut daemon = serves_equal(&sandbox);

    disk.fill();
    let mut made = 0;
    until("a full disk is said", || {
        engine.create(&["--name", &format!("unwritten-{made}"), IMAGE]);
        made += 1;
        trouble(&sandbox).is_some_and(|note| note.contains("no space"))
    });
    engine.docker(&["stop", "web"]).ok();
    engine.docker(&["rm", "old"]).ok();
    let doctor = sandbox.run(&["doctor"]);
    assert!(doctor.stdout.contains("no space is left") && doctor.code == Some(1), "{doctor:?}");
    let before = status(&sandbox)["index"]["events"].as_u64().unwrap();
    engine.docker(&["start", "web"]).ok();
    until("events are read on", || status(&sandbox)["index"]["events"].as_u64().unwrap() > before);
    sandbox.run(&["settings", "set", "backup_keep", "3"]).exits(1).tells("no space");
    sandbox.run(&["backup", "create"]).exits(1);
    sandbox.run(&["ps", "--all"]).exits(0).tells("no space").tells("as it was last written");
    sandbox.run(&["history", "web"]).exits(0);
    sandbox.run(&["verify"]).exits(1);

    disk.free();
    let took = within(HEALED, "equal once there is space", || is_equal(&sandbox));
    eprintln!("equal {} ms after there was space again", took.as_millis());
    assert_eq!(trouble(&sandbox), None);
    assert_eq!(state_of(&sandbox, "web").as_deref(), Some("running"));
    assert_eq!(state_of(&sandbox, "old"), None);
    sandbox.run(&["settings", "set", "backup_keep", "3"]).exits(0);
    ends_whole(&sandbox, &mut daemon);
}

#[test]
fn a_start_on_a_full_disk_says_so_and_harms_nothing() {
    let _machine = beside();
    let engine = RealEngine::start();
    let disk = SmallDisk::new();
    let sandbox = Sandbox::on(&engine).in_folder(&disk.folder());
    engine.create(&["--name", "web", IMAGE]);
    let mut daemon = serves_equal(&sandbox);
    ends_in_order(&mut daemon);
    disk.fill();
    sandbox.run(&["serve"]).exits(1).says_nothing().tells("space");
    sandbox.run(&["ps", "--all"]).exits(0).says("web");
    sandbox.run(&["verify"]).exits(0);
    disk.free();
    let mut daemon = serves_equal(&sandbox);
    sandbox.run(&["doctor"]).exits(0).says("no page is damaged");
    ends_whole(&sandbox, &mut daemon);
}

/// As Linux does to a disk on which it found an error: nothing can be written from one moment to the next.
#[test]
fn a_disk_that_turns_read_only_is_said_and_the_next_start_mends_the_index() {
    let _machine = beside();
    let engine = RealEngine::start();
    let disk = SmallDisk::new();
    let sandbox = Sandbox::on(&engine).in_folder(&disk.folder());
    engine.run(&["--name", "web", IMAGE]);
    let mut daemon = serves_equal(&sandbox);

    disk.fail();
    engine.docker(&["stop", "web"]).ok();
    until("that nothing can be written is said", || trouble(&sandbox).is_some());
    let note = trouble(&sandbox).unwrap();
    assert!(note.contains("; check"), "with its cure: {note}");
    let doctor = sandbox.run(&["doctor"]);
    assert!(doctor.stdout.contains(&note) && doctor.code == Some(1), "{doctor:?}");
    sandbox.run(&["ps", "--all"]).exits(0).says("web").tells("as it was last written");
    sandbox.run(&["settings", "set", "backup_keep", "3"]).exits(1).tells("check");
    ends_in_order(&mut daemon);
    nothing_panicked(&sandbox.home(), &daemon.stderr());

    disk.mend();
    is_intact(&sandbox.home());
    let mut daemon = serves_equal(&sandbox);
    assert_eq!(state_of(&sandbox, "web").as_deref(), Some("stopped"));
    ends_in_order(&mut daemon);
}

#[test]
fn a_folder_that_can_only_be_read_is_read_and_a_start_says_why_it_cannot_work() {
    let _machine = beside();
    let engine = RealEngine::start();
    let disk = SmallDisk::new();
    let sandbox = Sandbox::on(&engine).in_folder(&disk.folder());
    engine.create(&["--name", "web", IMAGE]);
    let mut daemon = serves_equal(&sandbox);
    ends_in_order(&mut daemon);
    engine.create(&["--name", "later", IMAGE]);

    disk.only_read();
    let before = sandbox.files();
    let refused = sandbox.run(&["serve"]).exits(1).says_nothing().tells("Read-only");
    assert!(refused.stderr.contains(&disk.folder().display().to_string()), "{refused:?}");
    sandbox.run(&["settings", "set", "backup_keep", "3"]).exits(1);
    sandbox.run(&["start", "web"]).exits(1).tells("Read-only");
    assert_eq!(engine.docker(&["inspect", "-f", "{{.State.Status}}", "web"]).ok(), "created");
    sandbox.run(&["ps", "--all"]).exits(0).says("web").says("later");
    sandbox.run(&["status"]).exits(0);
    sandbox.run(&["verify"]).exits(1).tells("no daemon keeps the index now");
    sandbox.run(&["doctor"]).exits(0);
    assert_eq!(before, sandbox.files());

    disk.mend();
    let mut daemon = serves_equal(&sandbox);
    ends_in_order(&mut daemon);
}

/// A file with an ext4 in it, mounted; gone when dropped.
struct SmallDisk {
    at: PathBuf,
}

/// Room for the database, its log and a few copies, and quickly filled.
const BYTES: u64 = 16 << 20;

const PREFIX: &str = "tfd-";

impl SmallDisk {
    fn new() -> Self {
        sweep();
        let number = fastrand::u32(..);
        let at = std::env::temp_dir().join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir_all(at.join("mount")).unwrap();
        File::create(at.join("image")).unwrap().set_len(BYTES).unwrap();
        let disk = Self { at };
        system("mkfs.ext4", &["-q", "-F", "-m", "0", &disk.image()]);
        disk.mount("loop,errors=remount-ro");
        fs::create_dir(disk.folder()).unwrap();
        disk
    }

    /// The data folder on it.
    fn folder(&self) -> PathBuf {
        self.mounted().join("data")
    }

    /// Until not a byte more can be written.
    fn fill(&self) {
        let mut ballast = File::create(self.mounted().join("ballast")).unwrap();
        for size in [1 << 16, 1 << 12, 1 << 8] {
            let bytes = vec![0xA5; size];
            let full = loop {
                if let Err(error) = ballast.write_all(&bytes).and_then(|()| ballast.sync_data()) {
                    break error;
                }
            };
            assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
        }
    }

    fn free(&self) {
        fs::remove_file(self.mounted().join("ballast")).unwrap();
    }

    /// The system finds an error on it, and lets nobody write from then on.
    fn fail(&self) {
        let trigger = Path::new("/sys/fs/ext4").join(self.device()).join("trigger_fs_error");
        fs::write(&trigger, "by a test").expect("the system lets an error be found");
    }

    fn only_read(&self) {
        self.unmount();
        self.mount("loop,ro");
    }

    /// Checked and mounted anew.
    fn mend(&self) {
        self.unmount();
        // 1 says that it mended something.
        let mended = |checked: &Output| matches!(checked.status.code(), Some(0 | 1));
        until("checked", || mended(&ran("e2fsck", &["-f", "-y", &self.image()])));
        self.mount("loop,errors=remount-ro");
    }

    fn mount(&self, options: &str) {
        let args = ["-o", options, &self.image(), &self.mounted().display().to_string()];
        until("mounted", || ran("mount", &args).status.success());
    }

    /// Until the system has let go of it. A container that is being made beside this test has a view of all mounts for a
    /// moment, and what is mounted while it looks is the disk as it was.
    fn unmount(&self) {
        until("unmounted", || ran("umount", &[&self.mounted().display().to_string()]).status.success());
        let image = self.image();
        let backs = |device: fs::DirEntry| {
            let file = fs::read_to_string(device.path().join("loop/backing_file"));
            file.is_ok_and(|file| file.trim() == image)
        };
        until("let go of", || !fs::read_dir("/sys/block").unwrap().flatten().any(backs));
    }

    fn image(&self) -> String {
        self.at.join("image").display().to_string()
    }

    fn mounted(&self) -> PathBuf {
        self.at.join("mount")
    }

    /// Its name as the system calls it: `loop0`.
    fn device(&self) -> String {
        let table = fs::read_to_string("/proc/self/mounts").unwrap();
        let at = self.mounted().display().to_string();
        let mut lines = table.lines().filter_map(|line| line.split_once(' '));
        let (device, _) = lines.find(|(_, rest)| rest.starts_with(&at)).expect("it is mounted");
        device.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        remove(&self.at);
    }
}

fn remove(at: &Path) {
    let mount = at.join("mount");
    let _ = Command::new("umount").arg("-l").arg(mount).stderr(Stdio::null()).status();
    let _ = fs::remove_dir_all(at);
}

/// Removes what test processes that are no more left behind.
fn sweep() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        if let Some((pid, _)) = pid
            && !Path::new("/proc").join(pid).exists()
        {
            remove(&entry.path());
        }
    }
}

fn system(program: &str, args: &[&str]) {
    let ran = ran(program, args);
    assert!(ran.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

fn ran(program: &str, args: &[&str]) -> Output {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(program).args(args).env("PATH", path).output();
    output.unwrap_or_else(|error| panic!("{program} is not there: {error}"))
}
