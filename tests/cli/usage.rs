//! Wrong usage: code 2, a hint on standard error, nothing on standard output, nothing done.

use harness::sandbox::Sandbox;

#[test]
fn what_is_not_understood_exits_2_with_a_hint() {
    let sandbox = Sandbox::new();
    let cases: &[(&[&str], &str)] = &[
        (&[], "Usage:"),
        (&["statsu"], "'status'"),
        (&["ps", "--jsn"], "'--json'"),
        (&["ps", "--kind", "projekt"], "'project'"),
        (&["ps", "--state", "runing"], "'running'"),
        (&["history"], "<CONTAINER>"),
        (&["history", ""], "a container's name or id is needed"),
        (&["stop"], "<CONTAINER>"),
        (&["at"], "<TIME>"),
        (&["at", "yesterdy"], "2h ago"),
        (&["at", "2999-01-01"], "future"),
        (&["stale", "web"], "'web'"),
        (&["stale", "--days", "soon"], "'soon'"),
        (&["stale", "snooze", "web", "later"], "14d"),
        (&["stale", "snooze", "web", "0d"], "over already"),
        (&["stale", "threshold", "shop", "often"], "`default`"),
        (&["settings", "put"], "'put'"),
        (&["settings", "get", "no_such_key"], "stale_threshold_days"),
        (&["settings", "set", "no_such_key", "1"], "no_such_key"),
        (&["settings", "set", "stale_threshold_days", "many"], "many"),
        (&["settings", "set", "stale_threshold_days", "-1"], "-1"),
        (&["backup"], "Usage:"),
        (&["completions", "basch"], "'bash'"),
        (&["serve", "--deamon"], "--deamon"),
    ];
    for (args, hint) in cases {
        sandbox.run(args).exits(2).says_nothing().tells(hint);
    }
}

#[test]
fn nowhere_to_keep_data_is_said() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["status"]);
    let output = command.env_remove("TINYFORGE_HOME").env_remove("HOME").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("set TINYFORGE_HOME"));
}

#[test]
fn help_and_version_go_to_standard_output() {
    let sandbox = Sandbox::new();
    for word in [
        "serve",
        "status",
        "verify",
        "doctor",
        "ps",
        "history",
        "at",
        "events",
        "stale",
        "backup",
        "completions",
    ] {
        sandbox.run(&["--help"]).exits(0).says(word).tells_nothing();
        sandbox.run(&[word, "--help"]).exits(0).says("Usage:").tells_nothing();
        sandbox.run(&["help", word]).exits(0).says("Usage:").tells_nothing();
    }
    sandbox.run(&["--version"]).exits(0).says(env!("CARGO_PKG_VERSION")).tells_nothing();
}

#[test]
fn every_shell_gets_its_completions() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        sandbox.run(&["completions", shell]).exits(0).says("tinyforge").says("history").tells_nothing();
    }
    assert!(!sandbox.home().exists());
}
