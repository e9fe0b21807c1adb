//! The rules about the shape of one file: lengths, module docs, names, `unsafe`, unfinished work.
//!
//! It knows how each rule is applied; limits and lists come from `tidy.rs`.

use super::tree::Source;
use super::violation::{Rule, Violation};

/// Lines of a file, unit tests not counted.
pub(crate) fn file_length(source: &Source, lines_max: usize) -> Vec<Violation> {
    if source.is_unit_tests() {
        return Vec::new();
    }
    let tests: usize = source.test_lines().iter().map(ExactSizeIterator::len).sum();
    let lines = source.text.lines().count() - tests;
    let says = || format!("{lines} lines without tests, {lines_max} allowed; a noun is missing");
    (lines_max < lines)
        .then(|| violation(source, Rule::FileLength, 1, says()))
        .into_iter()
        .collect()
}

pub(crate) fn line_length(source: &Source, columns_max: usize) -> Vec<Violation> {
    let long = |line: &str| columns_max < line.chars().count();
    numbered(&source.text)
        .filter(|(_, line)| long(line))
        .map(|(number, line)| {
            let says = format!("{} columns, {columns_max} allowed", line.chars().count());
            violation(source, Rule::LineLength, number, says)
        })
        .collect()
}

/// The first line of a file says what it is; a file of unit tests is explained by its neighbour.
pub(crate) fn module_docs(source: &Source) -> Vec<Violation> {
    let has_docs = source.text.lines().next().is_some_and(|line| line.starts_with("//! "));
    let says = "begins without `//!`: say what this file is and what it does not know";
    (!has_docs && !source.is_unit_tests())
        .then(|| violation(source, Rule::ModuleDocs, 1, says.to_owned()))
        .into_iter()
        .collect()
}

/// Names that say nothing: of files and folders, and as the last word of a type.
pub(crate) fn names(source: &Source, banned: &[&str]) -> Vec<Violation> {
    let says = |name: &str| format!("`{name}` names no noun; what is it about?");
    let of_path = source
        .file
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| is_banned(part.rsplit(['_', '-']).next().unwrap_or(part), banned))
        .map(|part| violation(source, Rule::Name, 1, says(part)));
    let of_types = source
        .tokens
        .windows(2)
        .filter(|pair| {
            matches!(pair[0].text.as_str(), "struct" | "enum" | "trait" | "union" | "type")
                && pair[1].is_word()
        })
        .map(|pair| &pair[1])
        .filter(|name| is_banned(last_camel_word(&name.text), banned))
        .map(|name| violation(source, Rule::Name, name.line, says(&name.text)));
    of_path.chain(of_types).collect()
}

pub(crate) fn unsafe_code(source: &Source, allowed_in: &[&str]) -> Vec<Violation> {
    if allowed_in.contains(&source.file.as_str()) {
        return Vec::new();
    }
    source
        .tokens
        .iter()
        .filter(|token| token.text == "unsafe")
        .map(|token| {
            let says = format!("`unsafe` belongs in {} only", allowed_in.join(", "));
            violation(source, Rule::Unsafe, token.line, says)
        })
        .collect()
}

/// Marks of work left for later, and tests that are skipped or wait for time to pass.
pub(crate) fn unfinished(source: &Source, marks: &[&str]) -> Vec<Violation> {
    let marked = numbered(&source.text)
        .filter_map(|(number, line)| {
            Some((number, *marks.iter().find(|mark| has_word(line, mark))?))
        })
        .map(|(number, mark)| (number, format!("`{mark}`: finish it, or file it as an issue")));
    let skipped = numbered(&source.code)
        .filter(|(_, line)| line.contains("#[ignore"))
        .map(|(number, _)| (number, "a skipped test proves nothing".to_owned()));
    let time_is_real = !source.code.contains("start_paused = true");
    let sleeps = numbered(&source.code)
        .filter(|_| time_is_real)
        .filter(|(number, line)| line.contains("sleep(") && source.is_test_line(*number))
        .map(|(number, _)| (number, "a test waits for an event, never for time".to_owned()));
    marked
        .chain(skipped)
        .chain(sleeps)
        .map(|(number, says)| violation(source, Rule::Unfinished, number, says))
        .collect()
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric()).any(|part| part == word)
}

fn is_banned(word: &str, banned: &[&str]) -> bool {
    let word = word.to_lowercase();
    let singular = word.strip_suffix('s').unwrap_or(&word);
    banned.iter().any(|banned| word == *banned || singular == *banned)
}

/// `TopicInfo` → `Info`.
fn last_camel_word(name: &str) -> &str {
    let start = name.rfind(|c: char| c.is_uppercase()).unwrap_or(0);
    &name[start..]
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

fn violation(source: &Source, rule: Rule, line: usize, says: String) -> Violation {
    Violation { rule, file: source.file.clone(), line, says }
}
