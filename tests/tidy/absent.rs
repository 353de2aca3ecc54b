//! What must not be there: loose ends, sleeps, labels outside their file, a table with two writers, raw HTML,
//! machine paths, foreign registries, commands that no face can reach, links that lead nowhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, has_word};
use crate::tree::{Tree, is_test_module};
use crate::{Breach, breach};

/// Where the house's Rust lies.
const RUST: [&str; 2] = ["src-tauri", "tests"];

fn rust(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    RUST.iter().flat_map(|folder| tree.below(folder, &[".rs"]))
}

const UNDONE: [&str; 6] = ["todo!", "unimplemented!", "dbg!", "#[ignore", "FIXME", "XXX"];
/// Marks of pages' tests that leave a test out, or all others.
const LEFT_OUT: [&str; 9] =
    [".skip(", ".only(", ".todo(", ".skipIf(", ".runIf(", ".fails(", "xit(", "xdescribe(", "fdescribe("];

fn nothing_is_left_undone(tree: &Tree) -> Vec<Breach> {
    let mut found = Vec::new();
    for (path, text) in rust(tree) {
        let source = Source::whole(text);
        for words in UNDONE {
            for line in source.lines_with(words) {
                found.push(breach(path, line, format!("`{words}`: no loose end lands")));
            }
        }
    }
    for folder in ["ui/src", "tests"] {
        for (path, text) in tree.below(folder, &[".ts", ".svelte", ".js", ".mjs"]) {
            for (i, line) in text.lines().enumerate() {
                if let Some(mark) = LEFT_OUT.iter().find(|mark| has_word(line, mark)) {
                    found.push(breach(path, i + 1, format!("`{mark}`: no test is left out")));
                }
            }
        }
    }
    found
}

/// Whose verbs wait: what each of them waits for is a suite's to say.
const WAITS: &str = "tests/harness/";
/// How many lines of a loop may stand above the pause between two looks.
const LOOP_REACH: usize = 24;

/// On the line above a sleep whose length is what the test is about: a lock that is held, a process that is frozen.
const SUBJECT: &str = "// The span itself is the subject";

/// A pause between two looks at a condition, in a file that knows deadlines, is waiting; any other is hoping.
fn is_between_two_looks(source: &Source, line: usize) -> bool {
    let deadline =
        ["timeout(", "deadline", "Instant", "elapsed("].iter().any(|words| has_word(&source.code, words));
    let above: Vec<&str> = source.code.lines().take(line).collect();
    let near = &above[above.len().saturating_sub(LOOP_REACH)..];
    let indent = |text: &str| text.len() - text.trim_start().len();
    let own = near.last().map_or(0, |text| indent(text));
    let opens = |text: &str| {
        has_word(text, "loop {") || has_word(text, "while") || text.trim_start().starts_with("for ")
    };
    deadline && near.iter().any(|text| opens(text) && indent(text) < own)
}

fn tests_do_not_sleep(tree: &Tree) -> Vec<Breach> {
    let mut found = Vec::new();
    for (path, text) in rust(tree).filter(|(path, _)| !path.starts_with(WAITS)) {
        let whole = Source::whole(text);
        // With the clock paused nothing is waited for: a sleep only says when.
        if has_word(text, "start_paused") || has_word(&whole.code, "time::pause") {
            continue;
        }
        let outside = Source::without_tests(text);
        let in_suite = path.starts_with("tests/") || is_test_module(path);
        let is_subject =
            |line: usize| line > 1 && text.lines().nth(line - 2).is_some_and(|l| l.contains(SUBJECT));
        let hoping = |line: &usize| !is_between_two_looks(&whole, *line) && !is_subject(*line);
        for line in whole.lines_with("sleep(").filter(hoping) {
            if in_suite || !outside.lines_with("sleep(").any(|l| l == line) {
                found.push(breach(
                    path,
                    line,
                    "a test waits for a condition with a deadline, never for a time",
                ));
            }
        }
    }
    found
}

const LABELS: &str = "src-tauri/core/src/rules/labels.rs";
const LABEL_NAMES: [&str; 8] = [
    "tinyforge.managed",
    "tinyforge.workload.",
    "tinyforge.role",
    "tinyforge.instance-id",
    "tinyforge.static-site",
    "tinyforge.project",
    "tinyforge.stage",
    "com.docker.compose.",
];

fn labels_are_spelled_in_one_file(tree: &Tree) -> Vec<Breach> {
    let mut found = Vec::new();
    for (path, text) in tree.below("src-tauri", &[".rs"]) {
        if path == LABELS || is_test_module(path) {
            continue;
        }
        for (line, text) in Source::without_tests(text).texts {
            if let Some(name) = LABEL_NAMES.iter().find(|name| text.contains(*name)) {
                found.push(breach(path, line, format!("the label `{name}` is spelled in {LABELS} only")));
            }
        }
    }
    for (path, text) in tree.below("ui/src", &[".ts", ".svelte"]).filter(|(path, _)| !path.contains(".test."))
    {
        for (i, line) in text.lines().enumerate() {
            if let Some(name) = LABEL_NAMES.iter().find(|name| line.contains(*name)) {
                found.push(breach(path, i + 1, format!("the window knows no label: `{name}`")));
            }
        }
    }
    found
}

const STORE: &str = "src-tauri/core/src/store/";

/// The tables that a text of SQL writes.
fn written_tables(sql: &str) -> BTreeSet<String> {
    let words: Vec<String> = sql
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    let is = |i: usize, word: &str| words.get(i).is_some_and(|w| w == word);
    let mut found = BTreeSet::new();
    for i in 0..words.len() {
        let table = if is(i, "INTO") && i > 0 || is(i, "DELETE") && is(i + 1, "FROM") {
            words.get(if is(i, "DELETE") { i + 2 } else { i + 1 })
        } else if is(i, "UPDATE") && !is(i.wrapping_sub(1), "DO") && !is(i.wrapping_sub(1), "ON") {
            words.get(i + 1)
        } else {
            None
        };
        found.extend(
            table.filter(|t| t.chars().all(|c| c.is_lowercase() || c.is_numeric() || c == '_')).cloned(),
        );
    }
    // `VACUUM INTO` names a file.
    if words.first().is_some_and(|w| w == "VACUUM") { BTreeSet::new() } else { found }
}

fn each_table_has_one_writer(tree: &Tree) -> Vec<Breach> {
    let mut found = Vec::new();
    let mut writers: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for (path, text) in tree.below("src-tauri", &[".rs"]).filter(|(path, _)| !is_test_module(path)) {
        for (line, text) in Source::without_tests(text).texts {
            for table in written_tables(&text) {
                if path.starts_with(STORE) {
                    writers.entry(table).or_default().entry(path.to_owned()).or_insert(line);
                } else {
                    found.push(breach(path, line, format!("`{table}` is written here: SQL stays in store/")));
                }
            }
        }
    }
    for (table, places) in writers.into_iter().filter(|(_, places)| places.len() > 1) {
        let all: Vec<String> = places.keys().cloned().collect();
        for (path, line) in &places {
            found.push(breach(
                path,
                *line,
                format!("`{table}` has more than one writing module: {}", all.join(", ")),
            ));
        }
    }
    found
}

/// What no file of this house says. The second word is why.
const NOWHERE: [(&str, &str); 4] = [
    ("{@html", "raw HTML: names and logs come from strangers"),
    ("/tmp/", "temporary folders come from the system"),
    ("/home/", "a machine's path"),
    ("/root/", "a machine's path"),
];

fn no_raw_html_and_no_machine_paths(tree: &Tree) -> Vec<Breach> {
    let endings = [
        ".rs", ".ts", ".js", ".mjs", ".svelte", ".sh", ".html", ".json", ".toml", ".yml", "Makefile", "/run",
    ];
    let mut found = Vec::new();
    for (path, text) in tree.all().filter(|(path, _)| endings.iter().any(|ending| path.ends_with(ending))) {
        // Examples in comments and in tests of parsers are no paths that are used.
        let shown = if path.ends_with(".rs") { Source::without_tests(text).texts } else { numbered(text) };
        for (line, text) in shown.iter().filter(|_| !is_test_module(path)) {
            for (words, why) in NOWHERE {
                // Tests show paths to parsers and to shells inside containers; theirs is one that begins so.
                let example = path.starts_with("tests/") || path.contains("/fake");
                // What runs against an engine speaks of folders inside containers.
                let own = words == "/tmp/" && text.starts_with(words) && !path.starts_with("tests/docker/");
                let said = if example { own } else { text.contains(words) };
                if said {
                    found.push(breach(path, *line, format!("`{words}`: {why}")));
                }
            }
        }
    }
    found
}

fn numbered(text: &str) -> Vec<(usize, String)> {
    text.lines().enumerate().map(|(i, line)| (i + 1, line.to_owned())).collect()
}

/// Settings that would bind the project to one workplace's mirrors.
fn nothing_names_a_mirror(tree: &Tree) -> Vec<Breach> {
    let mut found = Vec::new();
    for (path, text) in tree.all() {
        let name = path.rsplit('/').next().unwrap_or(path);
        let marks: &[&str] = match name {
            ".npmrc" => &["registry=", "_auth", "proxy="],
            "config.toml" | "config" if path.contains(".cargo/") => {
                &["[source", "[registries", "replace-with", "proxy"]
            }
            "Cargo.toml" => &["registry =", "registry-index"],
            "package.json" => &["\"registry\"", "git+ssh", "file:"],
            _ => continue,
        };
        for (line, text) in numbered(text) {
            if let Some(mark) = marks.iter().find(|mark| text.contains(**mark)) {
                found.push(breach(path, line, format!("`{mark}` binds the project to one place's mirror")));
            }
        }
    }
    found
}

/// What only a simulation needs, planted faults among it, is in no program.
fn only_the_tests_are_built_for_a_simulation(tree: &Tree) -> Vec<Breach> {
    let mut found = Vec::new();
    let built_by = |path: &str| path.ends_with("Cargo.toml") || path.starts_with("scripts/");
    for (path, text) in tree.all().filter(|(path, _)| built_by(path) && *path != "tests/Cargo.toml") {
        for (line, text) in numbered(text) {
            let asks = ["\"simulation\"", "/simulation", "features simulation", "--all-features"];
            if let Some(words) = asks.iter().find(|words| text.contains(**words)) {
                found.push(breach(path, line, format!("`{words}`: planted faults are for the tests alone")));
            }
        }
    }
    found
}

/// Every command that is declared stands in the list that faces are built from.
fn every_command_is_in_the_list(tree: &Tree) -> Vec<Breach> {
    const PATH: &str = "src-tauri/core/src/control/commands.rs";
    let code = Source::whole(tree.text(PATH).unwrap_or_default()).code;
    let listed: BTreeSet<&str> = code
        .split("macro_rules! every_command")
        .nth(1)
        .unwrap_or_default()
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .collect();
    let mut found = Vec::new();
    let mut declaring = false;
    for (i, line) in code.lines().enumerate() {
        declaring |= line.trim_start().starts_with("command!(");
        // The first line after the docs: `Name( , Nature) -> Answer`.
        let head = line.trim_start().trim_start_matches("command!(");
        let Some((name, _)) = head.split_once('(').filter(|_| declaring && head.contains("->")) else {
            continue;
        };
        declaring = false;
        if !listed.contains(name.trim()) {
            found.push(breach(
                PATH,
                i + 1,
                format!("`{}` is declared and not in every_command!", name.trim()),
            ));
        }
    }
    found
}

/// Links of the documents to files of the checkout, and the `make` targets they name.
fn documents_lead_somewhere(tree: &Tree) -> Vec<Breach> {
    let makefile = tree.text("Makefile").unwrap_or_default();
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|l| l.split_once(": ##").map(|(t, _)| t)).collect();
    let mut found = Vec::new();
    for (path, text) in tree.all().filter(|(path, _)| path.ends_with(".md") && !path.contains('/')) {
        for (i, line) in text.lines().enumerate() {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
                let inside = !target.is_empty() && !target.contains("://");
                let known = tree.text(target).is_some()
                    || tree.root().is_some_and(|root| root.join(target).exists())
                    || tree
                        .all()
                        .any(|(path, _)| path.starts_with(&format!("{}/", target.trim_end_matches('/'))));
                if inside && !known {
                    found.push(breach(path, i + 1, format!("the link to `{target}` leads nowhere")));
                }
            }
            for words in line.split('`').skip(1).step_by(2) {
                let Some(target) = words.strip_prefix("make ").and_then(|rest| rest.split(' ').next()) else {
                    continue;
                };
                if !targets.contains(target) {
                    found.push(breach(path, i + 1, format!("there is no `make {target}`")));
                }
            }
        }
    }
    found
}

#[test]
fn no_loose_end_and_no_test_left_out() {
    crate::holds(nothing_is_left_undone);
}

#[test]
fn a_loose_end_is_found() {
    crate::breaks(
        nothing_is_left_undone,
        &[
            (
                "src-tauri/core/src/a.rs",
                "fn f() { todo!() }\n// todo!() in a comment is a thought\nlet x = v.iter().skip(1);\n",
            ),
            ("tests/scenarios/b.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}\n"),
            (
                "ui/src/lib/c.test.ts",
                "it('works', () => {});\nit.skip('later', () => {});\ndescribe.only('this', () => {});\n",
            ),
            ("tests/window/d.mjs", "test.todo('one day');\n"),
        ],
        &[
            "src-tauri/core/src/a.rs:1",
            "tests/scenarios/b.rs:2",
            "tests/window/d.mjs:1",
            "ui/src/lib/c.test.ts:2",
            "ui/src/lib/c.test.ts:3",
        ],
    );
}

#[test]
fn tests_wait_for_conditions() {
    crate::holds(tests_do_not_sleep);
}

#[test]
fn a_sleeping_test_is_found() {
    crate::breaks(
        tests_do_not_sleep,
        &[
            (
                "src-tauri/core/src/a.rs",
                "fn f() { thread::sleep(d) }\n#[cfg(test)]\nmod tests {\n fn g() { thread::sleep(d) }\n}\n",
            ),
            (
                "tests/scenarios/b.rs",
                "async fn f() {\n tokio::time::sleep(d).await;\n // The span itself is the subject: a lock is held.\n tokio::time::sleep(d).await;\n}\n",
            ),
            (
                "tests/scenarios/paused.rs",
                "#[tokio::test(start_paused = true)]\nasync fn f() { tokio::time::sleep(d).await; }\n",
            ),
            (
                "tests/docker/wait.rs",
                "fn f() {\n loop {\n  if t.elapsed() > d { panic!() }\n  thread::sleep(LOOK_AGAIN);\n }\n}\nfn g() {\n thread::sleep(LUCK);\n}\n",
            ),
        ],
        &["src-tauri/core/src/a.rs:4", "tests/docker/wait.rs:8", "tests/scenarios/b.rs:2"],
    );
}

#[test]
fn every_label_is_spelled_in_one_file() {
    crate::holds(labels_are_spelled_in_one_file);
}

#[test]
fn a_label_elsewhere_is_found() {
    crate::breaks(
        labels_are_spelled_in_one_file,
        &[
            (LABELS, "pub const ROLE: &str = \"tinyforge.role\";\n"),
            (
                "src-tauri/core/src/docker/x.rs",
                "// \"tinyforge.role\"\nlet f = \"tinyforge.managed=true\";\nlet db = \"tinyforge.db\";\n",
            ),
            (
                "src-tauri/cli/src/x.rs",
                "#[cfg(test)]\nmod tests {\n const A: &str = \"tinyforge.role\";\n}\nconst B: &str = \"com.docker.compose.project\";\n",
            ),
            ("ui/src/lib/x.ts", "const x = labels['com.docker.compose.service'];\n"),
        ],
        &["src-tauri/cli/src/x.rs:5", "src-tauri/core/src/docker/x.rs:2", "ui/src/lib/x.ts:1"],
    );
}

#[test]
fn every_table_has_one_writing_module() {
    crate::holds(each_table_has_one_writer);
}

#[test]
fn a_second_writer_is_found() {
    crate::breaks(
        each_table_has_one_writer,
        &[
            (
                "src-tauri/core/src/store/gaps.rs",
                "const A: &str = \"INSERT INTO gaps (a) VALUES (?1)\";\nconst B: &str = \"SELECT a FROM settings\";\n",
            ),
            (
                "src-tauri/core/src/store/settings.rs",
                "const A: &str = \"INSERT INTO settings (k) VALUES (?1) ON CONFLICT DO UPDATE SET k = 1\";\nconst B: &str = \"DELETE\n FROM gaps\";\nconst C: &str = \"VACUUM INTO ?1\";\n",
            ),
            (
                "src-tauri/core/src/reconcile/mod.rs",
                "const A: &str = \"UPDATE containers SET state = 1\";\nlet say = \"update containers\";\n",
            ),
        ],
        &[
            "src-tauri/core/src/reconcile/mod.rs:1",
            "src-tauri/core/src/store/gaps.rs:1",
            "src-tauri/core/src/store/settings.rs:2",
        ],
    );
}

#[test]
fn there_is_no_raw_html_and_no_machine_path() {
    crate::holds(no_raw_html_and_no_machine_paths);
}

#[test]
fn raw_html_and_machine_paths_are_found() {
    crate::breaks(
        no_raw_html_and_no_machine_paths,
        &[
            ("ui/src/features/log/Line.svelte", "<p>{line}</p>\n<p>{@html line}</p>\n"),
            ("scripts/x.sh", "touch /tmp/x\n"),
            (
                "src-tauri/core/src/a.rs",
                "// a file below /tmp/ is an example\nlet a = \"/home/somebody/x\";\n#[cfg(test)]\nmod tests {\n const A: &str = \"/home/u/x\";\n}\n",
            ),
            ("tests/scenarios/a.rs", "let home = \"/home/u\"; let a = \"/home/u/x\";\nlet b = \"/tmp/x\";\n"),
        ],
        &[
            "scripts/x.sh:1",
            "src-tauri/core/src/a.rs:2",
            "tests/scenarios/a.rs:2",
            "ui/src/features/log/Line.svelte:2",
        ],
    );
}

#[test]
fn no_setting_names_a_mirror() {
    crate::holds(nothing_names_a_mirror);
}

#[test]
fn a_mirror_is_found() {
    crate::breaks(
        nothing_names_a_mirror,
        &[
            ("ui/.npmrc", "save-exact=true\nregistry=https://mirror.example/npm\n"),
            (".cargo/config.toml", "[build]\njobs = 2\n[source.crates-io]\nreplace-with = \"mirror\"\n"),
            ("Cargo.toml", "[workspace]\n"),
        ],
        &[".cargo/config.toml:3", ".cargo/config.toml:4", "ui/.npmrc:2"],
    );
}

#[test]
fn no_program_has_planted_faults() {
    crate::holds(only_the_tests_are_built_for_a_simulation);
}

#[test]
fn a_program_with_planted_faults_is_found() {
    crate::breaks(
        only_the_tests_are_built_for_a_simulation,
        &[
            ("tests/Cargo.toml", "core = { workspace = true, features = [\"simulation\"] }"),
            ("src-tauri/core/Cargo.toml", "[features]\nsimulation = []"),
            ("src-tauri/cli/Cargo.toml", "core = { workspace = true, features = [\"simulation\"] }"),
            ("scripts/package.sh", "set -e\ncargo build --release --all-features"),
        ],
        &["scripts/package.sh:2", "src-tauri/cli/Cargo.toml:1"],
    );
}

#[test]
fn every_declared_command_is_reachable() {
    crate::holds(every_command_is_in_the_list);
}

#[test]
fn a_forgotten_command_is_found() {
    let commands = "command!(\n    /// Says hello.\n    Hello(\"hello\", Reads) -> Vec<String> {}\n);\ncommand!(\n    Bye(\"bye\", Acts) -> u8 { name: String }\n);\nmacro_rules! every_command {\n    ($use:ident) => { $use! { Hello } };\n}\n";
    crate::breaks(
        every_command_is_in_the_list,
        &[("src-tauri/core/src/control/commands.rs", commands)],
        &["src-tauri/core/src/control/commands.rs:6"],
    );
}

#[test]
fn the_documents_lead_somewhere() {
    crate::holds(documents_lead_somewhere);
}

#[test]
fn a_link_to_nowhere_is_found() {
    crate::breaks(
        documents_lead_somewhere,
        &[
            ("Makefile", "run: ## open\n\t@scripts/run.sh\n"),
            (
                "README.md",
                "[map](ARCHITECTURE.md) and [licence](LICENSE)\n`make run`, then `make tea`\n[site](https://example.com) [migrations](migrations)\n",
            ),
            ("ARCHITECTURE.md", "The map.\n"),
            ("migrations/0001_schema.sql", "\n"),
        ],
        &["README.md:1", "README.md:2"],
    );
}
