//! The house's order, read from the tree: who may know whom, and what must be absent.
//!
//! Reading order: [`people`] (who may know whom), [`absent`] (what must not be there), [`frozen`] (what must not
//! change). Below them [`tree`] reads the files and [`source`] separates code from comments and texts. Every rule is
//! a function from a tree to its breaches, so that a made-up tree proves beside each rule that it can fail.
//!
//! A rule that stands in the way of a better order is changed here, together with ARCHITECTURE.md.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

#[path = "tidy/absent.rs"]
mod absent;
#[path = "tidy/frozen.rs"]
mod frozen;
#[path = "tidy/people.rs"]
mod people;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;

use std::fmt;

use tree::Tree;

/// Where a rule is broken and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Breach {
    path: String,
    line: usize,
    why: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.why)
    }
}

fn breach(path: &str, line: usize, why: impl Into<String>) -> Breach {
    Breach { path: path.to_owned(), line, why: why.into() }
}

/// The tree as it is keeps the rule.
#[track_caller]
fn holds(rule: impl Fn(&Tree) -> Vec<Breach>) {
    let mut breaches = rule(&Tree::of_the_checkout());
    breaches.sort();
    let list: Vec<String> = breaches.iter().map(Breach::to_string).collect();
    assert!(list.is_empty(), "\n{}\n", list.join("\n"));
}

/// A made-up tree breaks the rule in exactly these places (`path:line`), and nowhere else.
#[track_caller]
fn breaks(rule: impl Fn(&Tree) -> Vec<Breach>, files: &[(&str, &str)], expected: &[&str]) {
    let mut places: Vec<String> =
        rule(&Tree::made_up(files)).iter().map(|b| format!("{}:{}", b.path, b.line)).collect();
    places.sort();
    assert_eq!(places, expected);
}
