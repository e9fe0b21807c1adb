//! The files of the repository, read once: what each holds and which module it is.
//!
//! A [`Source`] is one Rust file with its code masked and cut into tokens. Its module is read off
//! its path (`broker/src/core/read/fetch.rs` is `broker::core::read::fetch`), so a file lies where
//! its floor says. It knows no rule.
//!
//! Called by the tests in `tidy.rs` and by the planted ones.

use std::fs;
use std::path::{Path, PathBuf};

use super::lexer::{Token, mask, tokens};

/// Where each package's modules begin, and the first word of their paths.
const ROOTS: &[(&str, &str)] = &[
    ("protocol/src/", "protocol"),
    ("storage/src/", "storage"),
    ("broker/src/", "broker"),
    ("clients/rust/src/", "client"),
    ("clients/rust/", "client"),
    ("clients/cli/src/", "cli"),
    ("clients/cli/", "cli"),
    ("protocol/", "protocol"),
    ("storage/", "storage"),
    ("broker/", "broker"),
    ("tests/", "tests"),
    ("benches/", "benches"),
];

/// Directories that hold nothing of ours.
const NOT_OURS: &[&str] = &["target", ".git", "node_modules", "weir-data"];

/// One Rust file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the root of the repository, with `/`.
    pub(crate) file: String,
    pub(crate) text: String,
    /// The text with comments and literals blanked.
    pub(crate) code: String,
    pub(crate) tokens: Vec<Token>,
    pub(crate) module: Vec<String>,
}

impl Source {
    pub(crate) fn new(file: &str, text: &str) -> Source {
        let code = mask(text);
        Source {
            file: file.to_owned(),
            text: text.to_owned(),
            tokens: tokens(&code),
            code,
            module: module(file),
        }
    }

    /// True for a file of unit tests: `tests.rs`, or one in a folder `tests`, beside its code.
    pub(crate) fn is_unit_tests(&self) -> bool {
        self.file.contains("/src/") && self.is_tests()
    }

    /// True for a file of tests, of a package's insides or at its doors.
    fn is_tests(&self) -> bool {
        self.module.iter().any(|part| part == "tests")
    }

    /// The lines (counted from 1) that `#[cfg(test)]` modules cover, attribute to closing brace.
    pub(crate) fn test_lines(&self) -> Vec<std::ops::Range<usize>> {
        let mut spans: Vec<std::ops::Range<usize>> = Vec::new();
        for at in 0..self.tokens.len() {
            if let Some(end) = self.test_module_end(at) {
                spans.push(self.tokens[at].line..self.tokens[end].line + 1);
            }
        }
        spans
    }

    pub(crate) fn is_test_line(&self, line: usize) -> bool {
        self.is_tests() || self.test_lines().iter().any(|span| span.contains(&line))
    }

    /// Where the inline test module ends whose `#[cfg(test)]` begins at token `at`.
    fn test_module_end(&self, at: usize) -> Option<usize> {
        let words = |from: usize| self.tokens[from..].iter().map(|token| token.text.as_str());
        if !words(at).take(6).eq(["#", "[", "cfg", "(", "test", ")"]) {
            return None;
        }
        let block = at + words(at).position(|word| matches!(word, "{" | ";"))?;
        let opens_module = words(block - 2).take(1).eq(["mod"]) && words(block).next() == Some("{");
        if !opens_module {
            return None;
        }
        let mut depth = 0_usize;
        for (past, word) in words(block).enumerate() {
            match word {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Some(block + past);
            }
        }
        None
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file of the repository, in the order of their paths.
pub(crate) fn sources() -> Vec<Source> {
    files_ending(".rs").iter().map(|file| Source::new(file, &read(file))).collect()
}

/// Paths from the root of all our files whose names end so.
pub(crate) fn files_ending(end: &str) -> Vec<String> {
    let mut found = Vec::new();
    collect(&root(), "", end, &mut found);
    found.sort();
    found
}

pub(crate) fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("read {file}: {error}"))
}

pub(crate) fn exists(path: &str) -> bool {
    root().join(path).exists()
}

fn collect(directory: &Path, prefix: &str, end: &str, found: &mut Vec<String>) {
    let entries = fs::read_dir(directory).expect("a directory that was just listed can be read");
    for entry in entries {
        let entry = entry.expect("an entry of a directory being listed can be read");
        let name = entry.file_name().into_string().expect("our file names are UTF-8");
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().expect("an entry's type can be read");
        if kind.is_dir() && !NOT_OURS.contains(&name.as_str()) {
            collect(&entry.path(), &format!("{path}/"), end, found);
        } else if kind.is_file() && path.ends_with(end) {
            found.push(path);
        }
    }
}

fn module(file: &str) -> Vec<String> {
    let (root, package) =
        ROOTS.iter().find(|(root, _)| file.starts_with(root)).unwrap_or_else(|| {
            panic!("{file} lies in no package: add its root to tests/checker/tree.rs")
        });
    let inside = file[root.len()..].trim_end_matches(".rs");
    let inside = inside.trim_end_matches("/mod");
    let words = inside.split('/').filter(|word| !matches!(*word, "lib" | "mod"));
    std::iter::once(*package).chain(words).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn a_module_is_read_off_its_path() {
        let check = |file: &str, expected: &str| {
            assert_eq!(Source::new(file, "").module.join("::"), expected);
        };
        check("broker/src/core/read/fetch.rs", "broker::core::read::fetch");
        check("broker/src/core/mod.rs", "broker::core");
        check("broker/src/main.rs", "broker::main");
        check("broker/src/lib.rs", "broker");
        check("clients/rust/examples/tail.rs", "client::examples::tail");
        check("tests/it/produce/mod.rs", "tests::it::produce");
    }

    #[test]
    fn test_lines_cover_inline_test_modules_only() {
        let source = Source::new(
            "storage/src/map.rs",
            "fn a() {}\n#[cfg(test)]\nuse b;\n#[cfg(test)]\nmod tests {\n fn c() {}\n}\nenum D {}",
        );
        assert!([3, 8].iter().all(|line| !source.is_test_line(*line)));
        assert!([4, 5, 7].iter().all(|line| source.is_test_line(*line)));
        let declared = Source::new("storage/src/map.rs", "#[cfg(test)]\nmod tests;\nfn a() {}\n");
        assert!(declared.test_lines().is_empty());
    }
}
