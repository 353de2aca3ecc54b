//! Standard output that is closed, full, or not a terminal.

use std::fs::OpenOptions;
use std::io::Read;
use std::process::Stdio;

use harness::sandbox::Sandbox;

/// Commands that write something, however little there is.
const SPEAKING: &[&[&str]] = &[
    &["status"],
    &["status", "--json"],
    &["ps"],
    &["settings"],
    &["doctor", "--json"],
    &["completions", "bash"],
    &["--help"],
];

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let sandbox = Sandbox::new();
    for args in SPEAKING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = sandbox.command(args).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        let code = child.wait().unwrap().code();
        assert!(!told.contains("panic") && !told.contains("Broken pipe"), "{args:?}: {told}");
        let expected = if args.contains(&"doctor") { Some(1) } else { Some(0) };
        assert_eq!(code, expected, "{args:?}: {told}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_that_is_full_is_an_error() {
    let sandbox = Sandbox::new();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = sandbox.command(&["status"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output cannot be written"));
}

#[test]
fn nothing_that_steers_a_terminal_goes_where_there_is_none() {
    let sandbox = Sandbox::new();
    for args in SPEAKING {
        let ran = sandbox.run(args);
        assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'), "{ran:?}");
    }
}
