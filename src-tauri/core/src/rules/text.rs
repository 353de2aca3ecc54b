//! Texts of others, cut to a size, and made harmless where they are to be shown outside our own faces.

/// The beginning, of at most so many bytes, whole characters only.
#[must_use]
pub fn head(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

/// The end, of at most so many bytes, whole characters only.
#[must_use]
pub fn tail(text: &str, bytes: usize) -> &str {
    let from = text.len().saturating_sub(bytes);
    text.get(text.ceil_char_boundary(from)..).unwrap_or(text)
}

/// The first line that says anything, for a sentence.
#[must_use]
pub fn first_line(text: &str, bytes: usize) -> &str {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    head(line, bytes)
}

/// One line of plain text, for places that we do not draw ourselves: a desktop's notifications, a chat. What steers a
/// terminal is taken out whole, what turns the reading direction or is not seen is taken out too, and every break or
/// other control becomes a space. Markup stays as it is: whoever has a format escapes for it.
#[must_use]
pub fn inert(text: &str) -> String {
    let mut said = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\x1b' => skip_escape(&mut rest),
            '\u{9b}' => skip_sequence(&mut rest),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut rest),
            hidden if is_hidden(hidden) => {}
            gap if gap.is_control() || gap.is_whitespace() || matches!(gap, '\u{2028}' | '\u{2029}') => {
                said.push(' ')
            }
            plain => said.push(plain),
        }
    }
    said.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// What follows an escape character and belongs to it.
fn skip_escape(rest: &mut Rest<'_>) {
    match rest.next_if(|next| !next.is_control()) {
        Some('[') => skip_sequence(rest),
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(rest),
        Some(' '..='/') => {
            while rest.next_if(|next| matches!(next, ' '..='~')).is_some_and(|end| end < '0') {}
        }
        Some(_) | None => {}
    }
}

/// Parameters, and the letter that ends them.
fn skip_sequence(rest: &mut Rest<'_>) {
    while rest.next_if(|next| matches!(next, ' '..='?')).is_some() {}
    rest.next_if(|next| matches!(next, '@'..='~'));
}

/// A title, a link, a picture: up to a bell or the string's end. Where neither comes it was none: the rest of a log is
/// not to be lost to one stray character.
fn skip_string(rest: &mut Rest<'_>) {
    let mut ahead = rest.clone();
    while let Some(next) = ahead.next() {
        let ends = match next {
            '\x07' | '\u{9c}' => true,
            '\x1b' => ahead.next_if_eq(&'\\').is_some(),
            _ => false,
        };
        if ends {
            *rest = ahead;
            return;
        }
    }
}

/// Marks, embeddings and isolates of direction, joiners, fillers, tags: what is not seen and changes what is.
fn is_hidden(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_steers_nothing_and_hides_nothing() {
        let cases = [
            ("shop-web_1", "shop-web_1"),
            ("größe 日本 👋", "größe 日本 👋"),
            ("\x1b[1;31mred\x1b[0m and plain", "red and plain"),
            ("\x1b]0;title\x07after", "after"),
            ("\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\ here", "click here"),
            ("\u{9b}31mred\u{9d}0;t\u{9c}x", "redx"),
            ("\x1b(Bascii\x1b=", "ascii"),
            ("\x1b]an osc that never ends", "an osc that never ends"),
            ("ends with\x1b", "ends with"),
            ("one\r\ntwo\n\n\tthree\u{2028}four\0five", "one two three four five"),
            ("abc\u{202e}fed\u{2066}x\u{2069}", "abcfedx"),
            ("in\u{200b}vis\u{ad}i\u{feff}ble\u{e0041}", "invisible"),
            ("<b>&amp;</b> '; DROP TABLE notices; --", "<b>&amp;</b> '; DROP TABLE notices; --"),
            (" \x07 ", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(inert(text), expected, "{text:?}");
        }
        for character in (0..=0x10_ffff).filter_map(char::from_u32) {
            let said = inert(&format!("a{character}b"));
            assert!(said.chars().all(|c| !c.is_control() && !is_hidden(c)), "{character:?}: {said:?}");
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(head("größe", 4), "grö");
        assert_eq!(head("größe", 3), "gr");
        assert_eq!(head("größe", 99), "größe");
        assert_eq!(tail("größe", 3), "ße");
        assert_eq!(tail("größe", 2), "e", "not half of a letter");
        assert_eq!(tail("größe", 99), "größe");
        assert_eq!((head("", 0), tail("", 0), head("a", 0), tail("a", 0)), ("", "", "", ""));
    }

    #[test]
    fn a_sentence_takes_the_first_line_that_says_anything() {
        assert_eq!(first_line("\n  \n exec failed \nmore", 99), "exec failed");
        assert_eq!(first_line("exec failed", 4), "exec");
        assert_eq!(first_line(" \n", 99), "");
    }
}
