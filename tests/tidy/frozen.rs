//! A migration that landed is never edited.
//!
//! `migrations/checksums` records each with the standard `cksum` of its bytes. A file that differs from its record, is
//! missing, or has none is a breach, and where the checkout has a history, so is a record that was ever changed: the
//! file only grows. Editing a landed migration together with its record is therefore found as well.

use std::path::Path;
use std::process::Command;

use crate::tree::Tree;
use crate::{Breach, breach};

const RECORD: &str = "migrations/checksums";

fn migrations_are_as_recorded(tree: &Tree) -> Vec<Breach> {
    let mut found = Vec::new();
    let record = tree.text(RECORD).unwrap_or_default();
    let recorded: Vec<(usize, &str, &str)> = record
        .lines()
        .enumerate()
        .filter_map(|(i, line)| line.rsplit_once(' ').map(|(sum, name)| (i + 1, name, sum)))
        .collect();
    for &(line, name, sum) in &recorded {
        match tree.text(&format!("migrations/{name}")) {
            None => found.push(breach(RECORD, line, format!("{name} landed and is gone"))),
            Some(text) if cksum(text.as_bytes()) != sum => {
                let path = format!("migrations/{name}");
                found.push(breach(&path, 1, "it landed and was edited: undo that and write a new migration"));
            }
            Some(_) => {}
        }
    }
    for (path, text) in tree.below("migrations", &[".sql"]) {
        let name = path.rsplit('/').next().unwrap_or(path);
        if !recorded.iter().any(|(_, known, _)| *known == name) {
            let line = format!("{} {name}", cksum(text.as_bytes()));
            found.push(breach(path, 1, format!("add to the end of {RECORD} when it is final: {line}")));
        }
    }
    let names: Vec<&str> = recorded.iter().map(|(_, name, _)| *name).collect();
    if !names.is_sorted() {
        found.push(breach(RECORD, 1, "migrations are recorded in their order"));
    }
    found
}

/// What POSIX `cksum` prints for a file: the CRC and the number of bytes.
fn cksum(bytes: &[u8]) -> String {
    let mut length = bytes.len();
    let mut tail = Vec::new();
    while length > 0 {
        tail.push((length & 0xff) as u8);
        length >>= 8;
    }
    let crc = bytes.iter().chain(&tail).fold(0u32, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| {
            if crc & 0x8000_0000 == 0 { crc << 1 } else { (crc << 1) ^ 0x04c1_1db7 }
        })
    });
    format!("{} {}", !crc, bytes.len())
}

/// Lines that any commit before this one took out of the record. None where there is no history to ask.
fn lines_ever_removed(root: &Path) -> Option<Vec<String>> {
    let log = Command::new("git")
        .current_dir(root)
        // A checkout that belongs to another user (a container's mount) may be read all the same.
        .args([
            "-c",
            "safe.directory=*",
            "log",
            "--first-parent",
            "-m",
            "--format=",
            "-p",
            "--no-ext-diff",
            "--",
            RECORD,
        ])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(removed(&String::from_utf8_lossy(&log.stdout)))
}

fn removed(log: &str) -> Vec<String> {
    log.lines()
        .filter(|line| line.starts_with('-') && !line.starts_with("---"))
        .map(|line| line[1..].to_owned())
        .collect()
}

#[test]
fn a_migration_that_landed_is_never_edited() {
    crate::holds(migrations_are_as_recorded);
}

#[test]
fn a_record_is_never_changed() {
    let tree = Tree::of_the_checkout();
    let gone = tree.root().and_then(lines_ever_removed).unwrap_or_default();
    assert!(gone.is_empty(), "{RECORD} only grows; these lines were in it once: {gone:#?}");
}

#[test]
fn an_edited_lost_or_unrecorded_migration_is_found() {
    let (one, two) = ("CREATE TABLE a (b);\n", "CREATE TABLE c (d);\n");
    let record = format!(
        "{} 0001_a.sql\n{} 0002_b.sql\n{} 0003_c.sql\n",
        cksum(b"x"),
        cksum(two.as_bytes()),
        cksum(b"y")
    );
    crate::breaks(
        migrations_are_as_recorded,
        &[
            (RECORD, &record),
            ("migrations/0001_a.sql", one),
            ("migrations/0002_b.sql", two),
            ("migrations/0004_d.sql", two),
        ],
        &["migrations/0001_a.sql:1", "migrations/0004_d.sql:1", "migrations/checksums:3"],
    );
}

#[test]
fn a_changed_record_is_found() {
    let log = "diff --git a/migrations/checksums b/migrations/checksums\n--- a/migrations/checksums\n+++ b/migrations/checksums\n@@ -1 +1 @@\n-1 2 0001_a.sql\n+3 4 0001_a.sql\n";
    assert_eq!(removed(log), ["1 2 0001_a.sql"]);
}

#[test]
fn the_sum_is_that_of_the_standard_command() {
    assert_eq!(cksum(b""), "4294967295 0");
    assert_eq!(cksum(b"123456789"), "930766865 9");
}
