//! The built program: the webhook set, tried, shown and turned off, and its secrets found nowhere.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::sandbox::{Ran, Sandbox};
use rustix::process::Signal;
use serde_json::Value;

use crate::receiver::{Receiver, Reply};

const WEBHOOK: [&str; 2] = ["notifications", "webhook"];

pub fn webhook<'a>(words: &[&'a str]) -> Vec<&'a str> {
    [&WEBHOOK[..], words].concat()
}

/// The program with something on its standard input.
fn told(mut command: Command, input: &str) -> Ran {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Ran {
        args: vec!["with standard input".to_owned()],
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        took: std::time::Duration::ZERO,
    }
}

#[test]
fn a_webhook_is_set_tried_shown_and_turned_off() {
    let (sandbox, receiver) = (Sandbox::new(), Receiver::replying([]));
    sandbox.run(&webhook(&[])).exits(0).says("no webhook is set");
    sandbox.run(&webhook(&["test"])).exits(1).tells("no webhook is set");

    let set = sandbox.run(&webhook(&["set", &receiver.url("/hooks/path-token"), "--json"])).exits(0);
    let set = set.tells("shown this once").json();
    let secret = set["secret"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 64, "{set:#}");
    assert_eq!(
        (&set["webhook"]["receiver"], &set["webhook"]["signed"]),
        (&receiver.url("").into(), &true.into())
    );

    let test = sandbox.run(&webhook(&["test", "--json"])).exits(0).json();
    assert_eq!((&test["delivered"], &test["status"]), (&true.into(), &200.into()), "{test:#}");
    assert!(test["latency_ms"].is_u64() && test["text"].is_string(), "{test:#}");
    let got = receiver.received();
    assert!(got[0].is_signed_with(&secret), "{:?}", got[0]);
    assert_eq!((got[0].json()["event"].as_str(), got[0].path.as_str()), (Some("test"), "/hooks/path-token"));

    let shown = sandbox.run(&webhook(&["--json"])).exits(0).json();
    assert_eq!((&shown["waiting"], &shown["last"]["state"]), (&0.into(), &"delivered".into()), "{shown:#}");
    let deliveries = sandbox.run(&webhook(&["deliveries", "--json"])).exits(0).json();
    assert_eq!(deliveries[0]["delivery_id"], got[0].json()["delivery"], "{deliveries:#}");
    sandbox.run(&webhook(&["deliveries"])).exits(0).says("delivered").says("1 delivery");
    sandbox.run(&webhook(&["off"])).exits(0).says("nothing is sent any more");
    sandbox.run(&webhook(&["--json"])).exits(0).says("null");
    sandbox.run(&webhook(&["off"])).exits(0).says("nothing was sent anyway");
}

#[test]
fn a_test_that_fails_says_why_and_what_to_do() {
    let elsewhere = Receiver::replying([]);
    let redirect = Reply::With(302, "Location", elsewhere.url("/login"));
    let receiver = Receiver::replying([Reply::Status(500), redirect, Reply::Status(401)]);
    let sandbox = Sandbox::new();
    sandbox.run(&webhook(&["set", &receiver.url("/"), "--unsigned"])).exits(0).says("unsigned");
    sandbox.run(&webhook(&["test"])).exits(1).says("answered 500").says("the receiver's own log");
    sandbox.run(&webhook(&["test"])).exits(1).says("redirects are not followed").says("Set the URL");
    sandbox.run(&webhook(&["test"])).exits(1).says("answered 401").says("the same secret");
    drop(receiver);
    let test = sandbox.run(&webhook(&["test", "--json"])).exits(1).json();
    assert_eq!((&test["delivered"], &test["status"]), (&false.into(), &Value::Null), "{test:#}");
    assert!(test["cure"].as_str().unwrap().contains("Check that the receiver runs"), "{test:#}");
    assert_eq!(elsewhere.connections(), 0);
}

#[test]
fn what_cannot_be_set_is_wrong_usage_and_nothing_is_changed() {
    let sandbox = Sandbox::new();
    for (url, hint) in [
        ("hooks.example.com", "no URL"),
        ("ftp://example.com", "only http and https"),
        ("http://169.254.169.254/latest/meta-data", "metadata"),
        ("http://[::ffff:a9fe:a9fe]/", "metadata"),
        ("http://2852039166/", "metadata"),
        ("http://metadata.google.internal/", "metadata"),
        ("https://user:pw@example.com/", "token into the path"),
    ] {
        sandbox.run(&webhook(&["set", url])).exits(2).says_nothing().tells(hint);
    }
    let short = sandbox.command(&webhook(&["set", "http://localhost:9/", "--secret-stdin"]));
    told(short, "short\n").exits(2).tells("16 to 512 bytes");
    let none = sandbox.command(&webhook(&["set", "http://localhost:9/", "--secret-stdin"]));
    told(none, "").exits(2).tells("expected on standard input");
    sandbox.run(&webhook(&["--json"])).exits(0).says("null");
    assert!(!sandbox.home().join("secrets.key").exists(), "what fails makes no key");
}

/// Every file below a folder that holds one of these texts.
fn holding(folder: &Path, texts: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, texts));
            continue;
        }
        // A socket cannot be read.
        let Ok(bytes) = fs::read(&path) else { continue };
        if texts.iter().any(|text| bytes.windows(text.len()).any(|window| window == text.as_bytes())) {
            found.push(path);
        }
    }
    found
}

#[test]
fn its_secrets_are_found_in_no_file_no_log_and_no_answer() {
    const TOKEN: &str = "canary-path-7f3a";
    const SECRET: &str = "canary-secret-91c2-long-enough";
    let canaries = [TOKEN, SECRET];
    let sandbox = Sandbox::new();
    let redirect = Reply::With(307, "Location", format!("http://localhost:1/{TOKEN}"));
    let receiver = Receiver::replying([Reply::Status(200), redirect, Reply::Closes]);
    let mut daemon = sandbox.serve(&[]);
    let set = sandbox.command(&webhook(&["set", "-", "--secret-stdin"]));
    let ran = told(set, &format!("{}\n{SECRET}\n", receiver.url(&format!("/{TOKEN}")))).exits(0);
    let mut said = vec![ran];
    let asked: &[&[&str]] = &[
        &["notifications", "webhook", "test"],
        &["notifications", "webhook", "test", "--json"],
        &["notifications", "webhook", "test"],
        &["notifications", "webhook"],
        &["notifications", "webhook", "--json"],
        &["notifications", "webhook", "deliveries"],
        &["notifications", "webhook", "deliveries", "--json"],
        &["settings", "--json"],
        &["status", "--json"],
        &["doctor", "--json"],
        &["events", "--json"],
        &["backup", "create"],
    ];
    said.extend(asked.iter().map(|args| sandbox.run(args)));
    let got = receiver.received();
    assert!(got[0].is_signed_with(SECRET) && got[0].path.ends_with(TOKEN), "it was sent: {got:?}");
    let found = || holding(sandbox.path(), &canaries);
    assert!(found().is_empty(), "while the daemon runs: {:?}", found());
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ends(), Some(0));
    assert!(found().is_empty(), "after it has ended: {:?}", found());
    for canary in canaries {
        for ran in &said {
            assert!(!ran.stdout.contains(canary) && !ran.stderr.contains(canary), "{canary} in {ran:#?}");
        }
        assert!(!daemon.stderr().contains(canary));
    }
    // That the search finds what is there.
    fs::write(sandbox.home().join("planted"), format!("x{TOKEN}y")).unwrap();
    assert_eq!(found().len(), 1);
}

#[test]
fn the_key_is_its_owners_and_a_restored_copy_of_the_database_opens_with_it() {
    let (sandbox, receiver) = (Sandbox::new(), Receiver::replying([]));
    sandbox.run(&webhook(&["set", &receiver.url("/first"), "--unsigned"])).exits(0);
    let key = sandbox.home().join("secrets.key");
    assert_eq!(fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
    sandbox.run(&webhook(&[])).says("in the data folder (secrets.key)");
    let backup = sandbox.run(&["backup", "create", "--json"]).exits(0).json();
    let same = fs::read(&key).unwrap();
    sandbox.run(&webhook(&["set", &receiver.url("/second"), "--unsigned"])).exits(0);
    sandbox.run(&["backup", "restore", backup["name"].as_str().unwrap()]).exits(0);
    sandbox.run(&webhook(&["test"])).exits(0);
    assert_eq!(receiver.received()[0].path, "/first");
    assert_eq!(fs::read(&key).unwrap(), same, "one key for all of it");
}

#[test]
fn without_its_key_secrets_are_unavailable_and_no_other_is_made() {
    let (sandbox, receiver) = (Sandbox::new(), Receiver::replying([]));
    sandbox.run(&webhook(&["set", &receiver.url("/"), "--unsigned"])).exits(0);
    let key = sandbox.home().join("secrets.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    sandbox.run(&webhook(&["test"])).exits(1).says("secrets.key").says("put it back");
    sandbox.run(&webhook(&["set", &receiver.url("/new")])).exits(1).says_nothing().tells("put it back");
    assert!(!key.exists());
    fs::write(&key, "f".repeat(64)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.run(&webhook(&["set", &receiver.url("/new")])).exits(1).tells("is not the key");
    assert_eq!(fs::read_to_string(&key).unwrap(), "f".repeat(64));
    assert_eq!(receiver.connections(), 0);
    fs::write(&key, kept).unwrap();
    sandbox.run(&webhook(&["test"])).exits(0);
}

#[test]
fn over_tls_only_a_receiver_whose_certificate_is_trusted_gets_anything() {
    let (sandbox, receiver) = (Sandbox::new(), Receiver::encrypted());
    sandbox.run(&webhook(&["set", &receiver.url("/")])).exits(0);
    let authority = sandbox.path().join("authority.pem");
    fs::write(&authority, include_bytes!("receiver.crt")).unwrap();
    let test = |trusted: &Path| {
        let mut command = sandbox.command(&webhook(&["test"]));
        command.env("SSL_CERT_FILE", trusted);
        told(command, "")
    };
    test(&authority).exits(0).says("answered 200");
    let nobody = sandbox.path().join("nobody.pem");
    fs::write(&nobody, "").unwrap();
    test(&nobody).exits(1).says("no certificates of authorities");
    sandbox.run(&webhook(&["test"])).exits(1).says("no trusted connection").says("store of certificates");
    // The certificate is of another name.
    let other = receiver.url("/").replace("127.0.0.1", "localhost");
    sandbox.run(&webhook(&["set", &other])).exits(0);
    test(&authority).exits(1).says("no trusted connection");
    assert_eq!(receiver.received().len(), 1, "nothing but the first");
}
