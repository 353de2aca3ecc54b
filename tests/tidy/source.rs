//! Rust as far as the rules need it: code apart from comments and texts, and every path the code names.

/// A Rust file, its comments and texts blanked in `code`, every line in its place.
pub struct Source {
    pub code: String,
    /// The texts (string literals) and the lines they begin in.
    pub texts: Vec<(usize, String)>,
}

/// A path named in code, as written, with `use` trees spelled out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub line: usize,
    pub segments: Vec<String>,
    /// Written in a `use`.
    pub imported: bool,
}

impl Source {
    /// All of the file.
    pub fn whole(text: &str) -> Self {
        let (code, texts) = separate(text);
        Self { code, texts }
    }

    /// Without the modules that are compiled for tests only.
    pub fn without_tests(text: &str) -> Self {
        let Self { code, texts } = Self::whole(text);
        let spans = test_modules(&code);
        let line_of = |at: usize| 1 + code[..at].matches('\n').count();
        let lines: Vec<(usize, usize)> =
            spans.iter().map(|&(from, to)| (line_of(from), line_of(to))).collect();
        let code = code
            .char_indices()
            .map(|(i, c)| if c != '\n' && spans.iter().any(|&(a, b)| (a..b).contains(&i)) { ' ' } else { c })
            .collect();
        let texts =
            texts.into_iter().filter(|(l, _)| !lines.iter().any(|&(a, b)| (a..=b).contains(l))).collect();
        Self { code, texts }
    }

    /// The lines whose code holds the words, as written.
    pub fn lines_with<'a>(&'a self, words: &'a str) -> impl Iterator<Item = usize> + 'a {
        self.code.lines().enumerate().filter(move |(_, line)| has_word(line, words)).map(|(i, _)| i + 1)
    }

    pub fn paths(&self) -> Vec<Named> {
        let tokens = tokens(&self.code);
        let mut found = Vec::new();
        let mut i = 0;
        while i < tokens.len() {
            let (line, token) = tokens[i];
            if token == "use" && (i == 0 || tokens[i - 1].1 != "$") {
                i = use_tree(&tokens, i + 1, &[], &mut found);
            } else if is_name(token) && tokens.get(i + 1).is_some_and(|t| t.1 == "::") {
                let mut segments = vec![token.to_owned()];
                while tokens.get(i + 1).is_some_and(|t| t.1 == "::")
                    && tokens.get(i + 2).is_some_and(|t| is_name(t.1))
                {
                    segments.push(tokens[i + 2].1.to_owned());
                    i += 2;
                }
                found.push(Named { line, segments, imported: false });
                i += 1;
            } else {
                i += 1;
            }
        }
        found
    }
}

/// The words stand in the line, and not as a part of longer ones.
pub fn has_word(line: &str, words: &str) -> bool {
    let in_a_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(words).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + words.len()..]);
        let goes_on_left = words.starts_with(in_a_name) && before.ends_with(in_a_name);
        let goes_on_right = words.ends_with(in_a_name) && after.starts_with(in_a_name);
        !goes_on_left && !goes_on_right
    })
}

/// One branch of a `use`; returns where the reading goes on.
fn use_tree(tokens: &[(usize, &str)], mut i: usize, before: &[String], found: &mut Vec<Named>) -> usize {
    let mut path = before.to_vec();
    let line = tokens.get(i).map_or(0, |t| t.0);
    while let Some(&(_, token)) = tokens.get(i) {
        match token {
            "::" => i += 1,
            "{" => {
                i += 1;
                while tokens.get(i).is_some_and(|t| t.1 != "}") {
                    let end = use_tree(tokens, i, &path, found);
                    let at_comma = tokens.get(end).is_some_and(|t| t.1 == ",");
                    // What is no `use` tree after all must not be read for ever.
                    i = if at_comma || end == i { end + 1 } else { end };
                }
                return i + 1;
            }
            "as" => i += 2,
            "," | "}" | ";" => break,
            _ => {
                path.push(token.to_owned());
                i += 1;
            }
        }
    }
    if path.len() > before.len() {
        found.push(Named { line, segments: path, imported: true });
    }
    if before.is_empty() { i + 1 } else { i }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Names, `::`, and single marks, each with its line.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (i, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if first.is_alphanumeric() || first == '_' {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            found.push((i + 1, &rest[..length]));
            rest = rest[length..].trim_start();
        }
    }
    found
}

/// From `#[cfg(test)]` to the closing brace of the module it stands before.
fn test_modules(code: &str) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    for (at, mark) in code.match_indices("#[cfg(test)]") {
        let item = code[at + mark.len()..].trim_start();
        let begin = code.len() - item.len();
        if !(item.starts_with("mod ") || item.starts_with("pub(crate) mod ") || item.starts_with("pub mod "))
        {
            continue;
        }
        let Some(open) = item.find(['{', ';']).filter(|&i| item.as_bytes()[i] == b'{') else { continue };
        let mut depth = 0usize;
        for (i, c) in item[open..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                spans.push((at, begin + open + i + 1));
                break;
            }
        }
    }
    spans
}

fn separate(text: &str) -> (String, Vec<(usize, String)>) {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut texts = Vec::new();
    let (mut i, mut line) = (0, 1);
    let blank = |code: &mut String, line: &mut usize, c: char| {
        code.push(if c == '\n' { '\n' } else { ' ' });
        *line += usize::from(c == '\n');
    };
    while i < chars.len() {
        let c = chars[i];
        let next = chars.get(i + 1).copied();
        let after_name = i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_');
        if c == '/' && next == Some('/') {
            while i < chars.len() && chars[i] != '\n' {
                code.push(' ');
                i += 1;
            }
        } else if c == '/' && next == Some('*') {
            let mut depth = 0;
            while i < chars.len() {
                let pair = (chars[i], chars.get(i + 1).copied());
                let step = match pair {
                    ('/', Some('*')) => {
                        depth += 1;
                        2
                    }
                    ('*', Some('/')) => {
                        depth -= 1;
                        2
                    }
                    _ => 1,
                };
                for c in &chars[i..i + step] {
                    blank(&mut code, &mut line, *c);
                }
                i += step;
                if depth == 0 {
                    break;
                }
            }
        } else if let Some(hashes) = raw_text_at(&chars, i).filter(|_| !after_name) {
            let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            let open = i + chars[i..].iter().position(|c| *c == '"').expect("a raw text has a quote") + 1;
            let end = (open..chars.len()).find(|&e| chars[e..].starts_with(&closing)).unwrap_or(chars.len());
            texts.push((line, chars[open..end].iter().collect()));
            let after = (end + closing.len()).min(chars.len());
            for c in &chars[i..after] {
                blank(&mut code, &mut line, *c);
            }
            i = after;
        } else if c == '"' {
            let mut end = i + 1;
            while end < chars.len() && chars[end] != '"' {
                end += if chars[end] == '\\' { 2 } else { 1 };
            }
            let end = end.min(chars.len());
            texts.push((line, chars[i + 1..end].iter().collect()));
            for c in &chars[i..(end + 1).min(chars.len())] {
                blank(&mut code, &mut line, *c);
            }
            i = end + 1;
        } else if c == '\'' && (next == Some('\\') || chars.get(i + 2) == Some(&'\'')) {
            let mut end = i + if next == Some('\\') { 3 } else { 2 };
            while end < chars.len() && chars[end] != '\'' {
                end += 1;
            }
            code.push_str(&" ".repeat((end + 1).min(chars.len()) - i));
            i = end + 1;
        } else {
            code.push(c);
            line += usize::from(c == '\n');
            i += 1;
        }
    }
    (code, texts)
}

/// How many hashes a raw text that begins here has.
fn raw_text_at(chars: &[char], i: usize) -> Option<usize> {
    let mut at = i;
    if matches!(chars[at], 'b' | 'c') {
        at += 1;
    }
    if chars.get(at) != Some(&'r') {
        return None;
    }
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    (chars.get(at + 1 + hashes) == Some(&'"')).then_some(hashes)
}

#[test]
fn comments_and_texts_are_kept_apart_from_code() {
    let source = Source::whole(
        "let a = \"use bollard::x\"; // use tauri\n/* one /* two */ rusqlite */ let b = r#\"a \"b\" c\"#;\nlet c = '\"'; let d: &'static str = b\"e\\\"f\";",
    );
    assert_eq!(source.texts, [(1, "use bollard::x".into()), (2, "a \"b\" c".into()), (3, "e\\\"f".into())]);
    for word in ["bollard", "tauri", "rusqlite"] {
        assert!(!source.code.contains(word), "{}", source.code);
    }
    assert!(source.code.contains("let d: &'static str"));
    assert_eq!(source.code.lines().count(), 3);
}

#[test]
fn test_modules_are_left_out_and_the_rest_keeps_its_lines() {
    let source = Source::without_tests(
        "use a::b;\n#[cfg(test)]\nmod tests {\n    fn f() { x::y(\"t\") }\n}\nfn g() { z::w(\"u\") }\n#[cfg(test)]\nmod far;\n",
    );
    let names: Vec<_> = source.paths().into_iter().map(|n| (n.line, n.segments.join("::"))).collect();
    assert_eq!(names, [(1, "a::b".to_owned()), (6, "z::w".to_owned())]);
    assert_eq!(source.texts, [(6, "u".to_owned())]);
}

#[test]
fn use_trees_are_spelled_out() {
    let source = Source::whole(
        "pub use crate::{rules::{self, ids::RowId as Id}, store};\nuse ::std::fs::*;\nfn f(x: super::a::B<c::D>) -> e::F {}",
    );
    let names: Vec<_> = source.paths().into_iter().map(|n| n.segments.join("::")).collect();
    assert_eq!(
        names,
        [
            "crate::rules::self",
            "crate::rules::ids::RowId",
            "crate::store",
            "std::fs::*",
            "super::a::B",
            "c::D",
            "e::F"
        ]
    );
}
