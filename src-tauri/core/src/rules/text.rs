//! Texts of others, cut to a size. What they say is not touched: they are made harmless where they are shown.

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

#[cfg(test)]
mod tests {
    use super::*;

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
