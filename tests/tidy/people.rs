//! Who may know whom: the rooms of the core, the faces, the crates behind their doors, the window's pages.

use std::collections::BTreeSet;

use crate::source::{Named, Source, has_word};
use crate::tree::{Tree, is_test_module};
use crate::{Breach, breach};

/// What a room of the core is. Decide in one place, act in another, tell a third.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Decides; pure.
    Rules,
    /// Leads to the outside: the engine, the database, time, whoever listens, the user's folders.
    Door,
    /// Acts.
    Actor,
    /// Knows every part: `app` builds them, `control` lets faces ask.
    Front,
}

/// Every room there may be. A new one is entered here, where its kind decides whom it may know.
const ROOMS: [(&str, Kind); 18] = [
    ("rules", Kind::Rules),
    ("docker", Kind::Door),
    ("store", Kind::Door),
    ("clock", Kind::Door),
    ("events", Kind::Door),
    ("home", Kind::Door),
    ("secrets", Kind::Door),
    ("reconcile", Kind::Actor),
    ("deploy", Kind::Actor),
    ("proxy", Kind::Actor),
    ("stacks", Kind::Actor),
    ("sites", Kind::Actor),
    ("dns", Kind::Actor),
    ("jobs", Kind::Actor),
    ("webhook", Kind::Actor),
    ("notify", Kind::Actor),
    ("app", Kind::Front),
    ("control", Kind::Front),
];

fn kind(room: &str) -> Option<Kind> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, kind)| *kind)
}

fn may_know(from: &str, to: &str) -> bool {
    let (Some(own), Some(other)) = (kind(from), kind(to)) else { return false };
    from == to
        || match (own, other) {
            (Kind::Front, _) | (Kind::Door | Kind::Actor, Kind::Rules) | (Kind::Actor, Kind::Door) => true,
            // What the store has committed, it announces.
            (Kind::Door, Kind::Door) => (from, to) == ("store", "events"),
            (Kind::Rules, _)
            | (Kind::Actor, Kind::Actor)
            | (Kind::Door | Kind::Actor, Kind::Front | Kind::Actor) => false,
        }
}

const CORE: &str = "src-tauri/core/src";

/// The module a file of the core is: `store/containers.rs` is `store::containers`. The crate's root is empty.
fn module(path: &str) -> Vec<&str> {
    let inside = path.strip_prefix("src-tauri/core/src/").unwrap_or(path).trim_end_matches(".rs");
    inside.split('/').filter(|part| !matches!(*part, "mod" | "lib")).collect()
}

/// The path from the crate's root, or nothing for one that leads out of the crate.
fn from_root(named: &Named, module: &[&str]) -> Option<Vec<String>> {
    let mut at: Vec<String> = module.iter().map(|part| (*part).to_owned()).collect();
    let mut rest = named.segments.as_slice();
    match rest.first()?.as_str() {
        "crate" => at.clear(),
        "self" => {}
        "super" => {
            while rest.first().is_some_and(|s| s == "super") {
                at.pop();
                rest = &rest[1..];
            }
            at.extend_from_slice(rest);
            return Some(at);
        }
        _ => return None,
    }
    at.extend_from_slice(&rest[1..]);
    Some(at)
}

fn rooms_know_only_whom_they_may(tree: &Tree) -> Vec<Breach> {
    let mut found = Vec::new();
    for (path, text) in tree.below(CORE, &[".rs"]).filter(|(path, _)| !is_test_module(path)) {
        let module = module(path);
        let Some(&room) = module.first() else { continue };
        if kind(room).is_none() {
            found.push(breach(
                path,
                1,
                format!("`{room}` is no known room: enter it in tests/tidy/people.rs"),
            ));
            continue;
        }
        for named in Source::without_tests(text).paths() {
            let Some(to) = from_root(&named, &module) else { continue };
            let Some(other) = to.first().filter(|other| kind(other).is_some()) else { continue };
            if !may_know(room, other) {
                found.push(breach(path, named.line, format!("`{room}` may not know `{other}`")));
            }
        }
    }
    found
}

/// What the rules may use beside the standard library: shapes of data, never a means to act.
const RULES_MAY_USE: [&str; 8] =
    ["std", "core", "alloc", "serde", "jiff", "specta", "thiserror", "serde_json"];
const RULES_MAY_NOT_SAY: [&str; 15] = [
    "async",
    "std::fs",
    "std::net",
    "std::env",
    "std::io",
    "std::process",
    "std::thread",
    "std::sync::Mutex",
    "Instant",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "println!",
    "eprintln!",
    "unsafe",
];

fn rules_are_pure(tree: &Tree) -> Vec<Breach> {
    let mut found = Vec::new();
    let crates = dependencies(tree, "src-tauri/core/Cargo.toml");
    for (path, text) in
        tree.below("src-tauri/core/src/rules", &[".rs"]).filter(|(path, _)| !is_test_module(path))
    {
        let source = Source::without_tests(text);
        for named in source.paths() {
            let first = named.segments[0].as_str();
            if crates.contains(first) && !RULES_MAY_USE.contains(&first) {
                found.push(breach(path, named.line, format!("a rule decides and has no use for `{first}`")));
            }
        }
        for words in RULES_MAY_NOT_SAY {
            for line in source.lines_with(words) {
                found.push(breach(
                    path,
                    line,
                    format!("`{words}`: facts and `now` come into a rule as parameters"),
                ));
            }
        }
    }
    found
}

/// The crates a manifest depends on, as code names them.
fn dependencies(tree: &Tree, manifest: &str) -> BTreeSet<String> {
    let mut section = String::new();
    let mut found = BTreeSet::new();
    for line in tree.text(manifest).unwrap_or_default().lines().map(str::trim) {
        if line.starts_with('[') {
            line.clone_into(&mut section);
        } else if section.ends_with("dependencies]") {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            if !name.is_empty() && !name.starts_with('#') {
                found.insert(name.replace('-', "_"));
            }
        }
    }
    found
}

/// A crate, and the only place that may name it.
const BEHIND_DOORS: [(&str, &[&str]); 6] = [
    ("bollard", &["src-tauri/core/src/docker/bollard"]),
    ("rusqlite", &["src-tauri/core/src/store/"]),
    ("tauri", &["src-tauri/src/", "src-tauri/build.rs"]),
    ("clap", &["src-tauri/cli/"]),
    ("ring", &["src-tauri/core/src/secrets/"]),
    ("rustls", &["src-tauri/core/src/notify/"]),
];

fn crates_stay_behind_their_doors(tree: &Tree) -> Vec<Breach> {
    let mut found = Vec::new();
    for (path, text) in tree.below("src-tauri", &[".rs"]) {
        let source = Source::whole(text);
        for named in source.paths() {
            let first = named.segments[0].as_str();
            for (name, places) in BEHIND_DOORS {
                let is_it =
                    first == name || first.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
                if is_it && !places.iter().any(|place| path.starts_with(place)) {
                    found.push(breach(
                        path,
                        named.line,
                        format!("`{first}` is named only in {}", places.join(", ")),
                    ));
                }
            }
        }
    }
    for manifest in ["src-tauri/core/Cargo.toml", "src-tauri/cli/Cargo.toml"] {
        for name in dependencies(tree, manifest) {
            if name.starts_with("tauri") {
                found.push(breach(
                    manifest,
                    1,
                    format!("`{name}`: the core and the command line link no Tauri"),
                ));
            }
        }
    }
    found
}

/// The rooms of the core a face may know: it asks `app` and `control`, reads types of `rules`, hears `events`, finds
/// its folders through `home`.
const FACES_MAY_KNOW: [&str; 5] = ["app", "control", "rules", "events", "home"];

fn faces_know_only_the_front(tree: &Tree) -> Vec<Breach> {
    let mut found = Vec::new();
    for folder in ["src-tauri/src", "src-tauri/cli/src"] {
        for (path, text) in tree.below(folder, &[".rs"]).filter(|(path, _)| !is_test_module(path)) {
            for named in Source::without_tests(text).paths() {
                let first = named.segments[0].as_str();
                let own = if folder == "src-tauri/src" { "tinyforge_app" } else { "tinyforge_cli" };
                if matches!(first, "tinyforge_app" | "tinyforge_cli") && first != own {
                    found.push(breach(path, named.line, "the faces never know each other"));
                }
                let room = named.segments.get(1).map(String::as_str);
                let closed = room.filter(|room| kind(room).is_some() && !FACES_MAY_KNOW.contains(room));
                if let Some(room) = closed.filter(|_| first == "tinyforge_core") {
                    found.push(breach(path, named.line, format!("a face may not know the core's `{room}`")));
                }
            }
        }
    }
    found
}

/// A file of the window's pages, and what it may import by folder below `ui/src`.
fn pages_know_only_what_is_below(tree: &Tree) -> Vec<Breach> {
    let mut found = Vec::new();
    for (path, text) in tree.below("ui/src", &[".ts", ".svelte", ".js"]) {
        let own = path.strip_prefix("ui/src/").unwrap_or(path);
        if own == "lib/api/bindings.ts" {
            continue;
        }
        for (line, target) in imports(text) {
            let Some(to) = resolve(own, &target) else {
                let is_api = own.starts_with("lib/api/") || is_page_test(own);
                if target.starts_with("@tauri-apps/") && !is_api {
                    found.push(breach(path, line, "only lib/api/ speaks to the shell"));
                }
                continue;
            };
            if let Some(why) = page_breach(own, &to) {
                found.push(breach(path, line, why));
            }
        }
    }
    found
}

fn is_page_test(own: &str) -> bool {
    own.contains(".test.") || own.contains(".spec.")
}

fn page_breach(own: &str, to: &str) -> Option<String> {
    if to.starts_with("lib/api/bindings") {
        return (own != "lib/api/client.ts")
            .then(|| "only lib/api/client.ts imports the bindings".to_owned());
    }
    let feature = |path: &str| {
        path.strip_prefix("features/").and_then(|rest| rest.split('/').next().map(str::to_owned))
    };
    match (feature(own), feature(to)) {
        (Some(a), Some(b)) if a != b => return Some(format!("feature `{a}` may not import feature `{b}`")),
        (None, Some(_)) if own.starts_with("lib/") => return Some("lib/ knows no feature".to_owned()),
        _ => {}
    }
    if to.starts_with("views/") && (own.starts_with("lib/") || own.starts_with("features/")) {
        return Some("views compose features, never the other way".to_owned());
    }
    (own.starts_with("lib/format/") && to.starts_with("lib/state/"))
        .then(|| "what formats gets its values as parameters".to_owned())
}

/// The targets of `import … from 'x'`, `import 'x'`, `export … from 'x'` and `import('x')`.
fn imports(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (i, line) in text.lines().enumerate() {
        for opener in ["from ", "import ", "import(", "vi.mock("] {
            for (at, _) in
                line.match_indices(opener).filter(|_| has_word(line, opener.trim_end_matches([' ', '('])))
            {
                let rest = &line[at + opener.len()..];
                let Some(quote) = rest.chars().next().filter(|c| matches!(c, '\'' | '"')) else { continue };
                let target = rest[1..].split(quote).next().unwrap_or_default();
                found.push((i + 1, target.to_owned()));
            }
        }
    }
    found
}

/// Where an import leads, from `ui/src`; nothing for a package.
fn resolve(own: &str, target: &str) -> Option<String> {
    if let Some(inside) = target.strip_prefix("$lib/") {
        return Some(format!("lib/{inside}"));
    }
    if !target.starts_with('.') {
        return None;
    }
    let mut at: Vec<&str> = own.split('/').collect();
    at.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => {
                at.pop();
            }
            name => at.push(name),
        }
    }
    Some(at.join("/"))
}

#[test]
fn every_room_knows_only_whom_it_may() {
    crate::holds(rooms_know_only_whom_they_may);
}

#[test]
fn a_room_that_knows_too_much_is_found() {
    crate::breaks(
        rooms_know_only_whom_they_may,
        &[
            ("src-tauri/core/src/rules/stale.rs", "use super::ids::RowId;\nuse crate::store::Store;\n"),
            (
                "src-tauri/core/src/docker/mod.rs",
                "use crate::rules::{ids, labels};\nuse crate::{clock::Clock, events};\n",
            ),
            (
                "src-tauri/core/src/store/mod.rs",
                "use crate::events::Bus;\nfn f(e: &super::docker::Engine) {}\n",
            ),
            (
                "src-tauri/core/src/store/deep/row.rs",
                "use super::super::gaps;\nuse super::super::super::docker::X;\n",
            ),
            ("src-tauri/core/src/reconcile/mod.rs", "use crate::store::Store;\nuse crate::deploy::Deploy;\n"),
            (
                "src-tauri/core/src/jobs/mod.rs",
                "//! use crate::app;\nuse crate::control::shapes;\n#[cfg(test)]\nmod tests {\n use crate::deploy::X;\n}\n",
            ),
            ("src-tauri/core/src/app.rs", "use crate::reconcile::Loop;\nuse crate::control::Face;\n"),
            ("src-tauri/core/src/helpers.rs", "\n"),
        ],
        &[
            "src-tauri/core/src/docker/mod.rs:2",
            "src-tauri/core/src/docker/mod.rs:2",
            "src-tauri/core/src/helpers.rs:1",
            "src-tauri/core/src/jobs/mod.rs:2",
            "src-tauri/core/src/reconcile/mod.rs:2",
            "src-tauri/core/src/rules/stale.rs:2",
            "src-tauri/core/src/store/deep/row.rs:2",
            "src-tauri/core/src/store/mod.rs:2",
        ],
    );
}

#[test]
fn the_rules_are_pure() {
    crate::holds(rules_are_pure);
}

#[test]
fn a_rule_that_acts_is_found() {
    crate::breaks(
        rules_are_pure,
        &[
            (
                "src-tauri/core/Cargo.toml",
                "[dependencies]\ntokio.workspace = true\ntracing = \"0.1\"\njiff.workspace = true\n",
            ),
            (
                "src-tauri/core/src/rules/x.rs",
                "use jiff::Timestamp;\nuse tokio::time;\nfn f() { tracing::info!(\"x\"); }\nfn now() { Timestamp::now() }\nasync fn g() {}\nuse std::fs::File;\n// async comments are fine\nfn h(t: Instantaneous) {}\n",
            ),
        ],
        &[
            "src-tauri/core/src/rules/x.rs:2",
            "src-tauri/core/src/rules/x.rs:3",
            "src-tauri/core/src/rules/x.rs:4",
            "src-tauri/core/src/rules/x.rs:5",
            "src-tauri/core/src/rules/x.rs:6",
        ],
    );
}

#[test]
fn crates_are_named_only_behind_their_doors() {
    crate::holds(crates_stay_behind_their_doors);
}

#[test]
fn a_crate_outside_its_door_is_found() {
    crate::breaks(
        crates_stay_behind_their_doors,
        &[
            ("src-tauri/core/src/docker/bollard.rs", "use bollard::Docker;\n"),
            ("src-tauri/core/src/docker/bollard/wire.rs", "use bollard_stubs::models;\n"),
            ("src-tauri/core/src/docker/fake/mod.rs", "use bollard::models;\nuse super::bollard::connect;\n"),
            ("src-tauri/core/src/store/mod.rs", "use rusqlite::Connection;\n"),
            ("src-tauri/core/src/app.rs", "fn f(c: rusqlite::Connection) {}\n"),
            ("src-tauri/src/main.rs", "use tauri::Manager;\nuse tauri_specta::Builder;\n"),
            ("src-tauri/cli/src/main.rs", "use tauri::Manager;\nuse clap::Parser;\n"),
            ("src-tauri/cli/Cargo.toml", "[dependencies]\ntauri = \"2\"\n"),
        ],
        &[
            "src-tauri/cli/Cargo.toml:1",
            "src-tauri/cli/src/main.rs:1",
            "src-tauri/core/src/app.rs:1",
            "src-tauri/core/src/docker/fake/mod.rs:1",
        ],
    );
}

#[test]
fn the_faces_know_only_the_front() {
    crate::holds(faces_know_only_the_front);
}

#[test]
fn a_face_that_looks_behind_the_front_is_found() {
    crate::breaks(
        faces_know_only_the_front,
        &[
            (
                "src-tauri/src/commands/ps.rs",
                "use tinyforge_core::control::Ps;\nuse tinyforge_core::store::Store;\n",
            ),
            (
                "src-tauri/cli/src/main.rs",
                "use tinyforge_core::{events::Bus, docker::Engine};\nuse tinyforge_app::run;\n",
            ),
        ],
        &["src-tauri/cli/src/main.rs:1", "src-tauri/cli/src/main.rs:2", "src-tauri/src/commands/ps.rs:2"],
    );
}

#[test]
fn the_pages_know_only_what_is_below_them() {
    crate::holds(pages_know_only_what_is_below);
}

#[test]
fn a_page_that_reaches_too_far_is_found() {
    crate::breaks(
        pages_know_only_what_is_below,
        &[
            (
                "ui/src/lib/api/client.ts",
                "import { commands } from './bindings';\nimport { listen } from '@tauri-apps/api/event';\n",
            ),
            ("ui/src/lib/state/rows.svelte.ts", "import type { Container } from '../api/bindings';\n"),
            (
                "ui/src/features/container/Row.svelte",
                "import X from '../stale/Card.svelte';\nimport Mark from '$lib/design/Mark.svelte';\nimport V from '../../views/Home.svelte';\n",
            ),
            (
                "ui/src/lib/format/time.ts",
                "import { rows } from '$lib/state/rows.svelte';\nimport R from '../../features/container/Row.svelte';\n",
            ),
            (
                "ui/src/views/Home.svelte",
                "import Row from '../features/container/Row.svelte';\nimport { invoke } from '@tauri-apps/api/core';\nconst x = await import(\"../lib/api/bindings\");\n",
            ),
        ],
        &[
            "ui/src/features/container/Row.svelte:1",
            "ui/src/features/container/Row.svelte:3",
            "ui/src/lib/format/time.ts:1",
            "ui/src/lib/format/time.ts:2",
            "ui/src/lib/state/rows.svelte.ts:1",
            "ui/src/views/Home.svelte:2",
            "ui/src/views/Home.svelte:3",
        ],
    );
}
