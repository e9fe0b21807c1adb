//! Rust source as tokens, just exactly enough to find paths, names and blocks.
//!
//! It knows comments, strings, characters and lifetimes, because those hide or imitate code; it
//! knows nothing of grammar, types or macros. [`mask`] blanks what is not code and keeps every line
//! where it was, so that a line number in the masked text is a line number in the file.
//!
//! Called by `tree` for each file that is read, and by the planted tests.

/// One word or mark of code, and the line it stands on (counted from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphabetic() || first == '_')
    }
}

/// The code with every comment, string and character literal blanked out.
pub(crate) fn mask(text: &str) -> String {
    let source: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < source.len() {
        let end = at + hidden_length(&source, at);
        if end == at {
            code.push(source[at]);
            at += 1;
            continue;
        }
        code.extend(source[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    code
}

/// Splits masked code into words, `::` and single marks.
pub(crate) fn tokens(code: &str) -> Vec<Token> {
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = if is_word_part(first) {
                rest.find(|c| !is_word_part(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            found.push(Token { text: rest[..length].to_owned(), line: number + 1 });
            rest = rest[length..].trim_start();
        }
    }
    found
}

fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How many characters from `at` belong to one comment or literal; 0 where code stands.
fn hidden_length(source: &[char], at: usize) -> usize {
    let next = source.get(at + 1).copied();
    match source[at] {
        '/' if next == Some('/') => line_comment_length(&source[at..]),
        '/' if next == Some('*') => block_comment_length(&source[at..]),
        '"' => string_length(&source[at..]),
        'r' if starts_a_word(source, at) => raw_string_length(&source[at..]),
        '\'' => character_length(&source[at..]),
        _ => 0,
    }
}

/// An `r` opens a raw string only as a prefix of its own (`r"`), or behind `b` or `c` (`br"`).
fn starts_a_word(source: &[char], at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else { return true };
    if matches!(source[before], 'b' | 'c') {
        return before == 0 || !is_word_part(source[before - 1]);
    }
    !is_word_part(source[before])
}

fn line_comment_length(rest: &[char]) -> usize {
    rest.iter().position(|&c| c == '\n').unwrap_or(rest.len())
}

/// Block comments nest.
fn block_comment_length(rest: &[char]) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at + 1 < rest.len() {
        match (rest[at], rest[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

fn string_length(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string_length(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|&&c| c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let mut at = 2 + hashes;
    while at < rest.len() {
        let closes = rest[at] == '"'
            && rest.len() - at > hashes
            && rest[at + 1..=at + hashes].iter().all(|&c| c == '#');
        if closes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    rest.len()
}

/// A character literal closes after one character or an escape; anything else is a lifetime.
fn character_length(rest: &[char]) -> usize {
    match rest.get(1) {
        Some('\\') => {
            rest.iter().skip(3).position(|&c| c == '\'').map_or(rest.len(), |found| found + 4)
        }
        Some(_) if rest.get(2) == Some(&'\'') => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{mask, tokens};

    #[test]
    fn masking_blanks_what_is_not_code_and_keeps_every_line() {
        let masked = mask("a // crate::x\n/* b /* c */\n */ d \"e\\\"::\nf\" g r#\"h\"i\"# 'j' 'k");
        let words: Vec<String> = tokens(&masked).into_iter().map(|token| token.text).collect();
        assert_eq!(words, ["a", "d", "g", "'", "k"]);
        assert_eq!(masked.lines().count(), 4);
    }

    #[test]
    fn escaped_characters_and_lifetimes_are_told_apart() {
        let words: Vec<String> = tokens(&mask(r"'\'' x '\u{41}' y &'a z '{' b'q' "))
            .into_iter()
            .map(|token| token.text)
            .collect();
        assert_eq!(words, ["x", "y", "&", "'", "a", "z", "b"]);
    }

    #[test]
    fn raw_identifiers_are_code() {
        let words: Vec<String> =
            tokens(&mask("r#type attr br\"x\"")).into_iter().map(|token| token.text).collect();
        assert_eq!(words, ["r", "#", "type", "attr", "b"]);
    }
}
