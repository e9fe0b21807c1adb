//! The module paths a file names: in `use` trees and anywhere else in its code.
//!
//! A path is resolved to an absolute one (`broker::core::commit::Seam`) as far as its first word
//! tells: `crate`, `self`, `super`, a workspace package, a dependency, or std. A path that starts
//! with any other word goes through a `use`, which is read by itself, or down into a child module,
//! which is always allowed; it needs no look here. Macros are read as the tokens they are.
//!
//! Called by the import rules.

use super::lexer::Token;

/// One path as it was resolved, and the line it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
}

impl Named {
    pub(crate) fn text(&self) -> String {
        self.path.join("::")
    }
}

/// Package names as code writes them, and the first word of their paths here.
const PACKAGES: &[(&str, &str)] = &[
    ("weir_protocol", "protocol"),
    ("weir_storage", "storage"),
    ("weir_broker", "broker"),
    ("weir_client", "client"),
    ("weir_cli", "cli"),
    ("weir_tests", "tests"),
    ("weir_benches", "benches"),
];

/// All paths that a file of module `module` names, `use` trees expanded, inline modules followed.
pub(crate) fn named(tokens: &[Token], module: &[String]) -> Vec<Named> {
    let mut reader =
        Reader { tokens, at: 0, module: module.to_vec(), blocks: Vec::new(), found: Vec::new() };
    reader.read();
    reader.found
}

#[derive(Debug)]
struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    /// The module at this token: the file's own, and inline modules below it.
    module: Vec<String>,
    /// For each open brace, whether it opened an inline module.
    blocks: Vec<bool>,
    found: Vec<Named>,
}

impl Reader<'_> {
    fn read(&mut self) {
        while self.at < self.tokens.len() {
            match self.word(0) {
                "{" => self.open(),
                "}" => self.close(),
                "use" if self.word(1) != "<" => self.use_tree(),
                "pub" if self.word(1) == "(" && self.word(2) == "in" => self.skip_visibility(),
                _ if self.starts_a_path() => self.inline_path(),
                _ => self.at += 1,
            }
        }
    }

    fn open(&mut self) {
        let before = |back: usize| self.at.checked_sub(back).map_or("", |at| &self.tokens[at].text);
        let is_module = before(2) == "mod";
        let name = before(1).to_owned();
        if is_module {
            self.module.push(name);
        }
        self.blocks.push(is_module);
        self.at += 1;
    }

    fn close(&mut self) {
        if self.blocks.pop() == Some(true) {
            self.module.pop();
        }
        self.at += 1;
    }

    fn use_tree(&mut self) {
        self.at += 1;
        self.tree(&[]);
    }

    fn tree(&mut self, prefix: &[String]) {
        let line = self.line();
        let mut path = prefix.to_vec();
        loop {
            match self.word(0) {
                "::" => self.at += 1,
                "{" => return self.branches(&path),
                "self" if !path.is_empty() => {
                    self.at += 1;
                    break;
                }
                _ if self.is_word(0) || self.word(0) == "*" => {
                    path.push(self.word(0).to_owned());
                    self.at += 1;
                    if self.word(0) != "::" {
                        break;
                    }
                }
                _ => break,
            }
        }
        if self.word(0) == "as" {
            self.at += 2;
        }
        self.keep(&path, line);
    }

    fn branches(&mut self, prefix: &[String]) {
        self.at += 1;
        while !matches!(self.word(0), "}" | "") {
            self.tree(prefix);
            if self.word(0) == "," {
                self.at += 1;
            }
        }
        self.at += 1;
    }

    /// `pub(in crate::core)` says who may look in, not what is imported.
    fn skip_visibility(&mut self) {
        while !matches!(self.word(0), ")" | "") {
            self.at += 1;
        }
    }

    fn starts_a_path(&self) -> bool {
        self.is_word(0) && self.word(1) == "::"
    }

    fn inline_path(&mut self) {
        let line = self.line();
        let mut path = vec![self.word(0).to_owned()];
        self.at += 1;
        while self.word(0) == "::" && self.is_word(1) {
            path.push(self.word(1).to_owned());
            self.at += 2;
        }
        if self.word(0) == "::" {
            self.at += 1;
        }
        self.keep(&path, line);
    }

    fn keep(&mut self, path: &[String], line: usize) {
        if let Some(path) = self.resolved(path) {
            self.found.push(Named { path, line });
        }
    }

    /// The absolute path, or `None` where the first word is a name of this file's own.
    fn resolved(&self, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        if let Some((_, package)) = PACKAGES.iter().find(|(written, _)| written == first) {
            return Some(joined(&[(*package).to_owned()], rest));
        }
        match first.as_str() {
            "crate" => Some(joined(&self.module[..1], rest)),
            "self" => Some(joined(&self.module, rest)),
            "super" => {
                let ups = path.iter().take_while(|word| *word == "super").count();
                let kept = self.module.len().saturating_sub(ups).max(1);
                Some(joined(&self.module[..kept], &path[ups..]))
            }
            _ => Some(joined(&["extern".to_owned(), first.clone()], rest)),
        }
    }

    fn word(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |token| &token.text)
    }

    fn is_word(&self, ahead: usize) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(Token::is_word)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |token| token.line)
    }
}

fn joined(start: &[String], rest: &[String]) -> Vec<String> {
    start.iter().chain(rest).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{mask, tokens};
    use super::named;

    /// The paths that `code`, standing in `broker::core::queue::lease`, names.
    fn check(code: &str, expected: &[&str]) {
        let module = ["broker", "core", "queue", "lease"].map(str::to_owned);
        let found: Vec<String> =
            named(&tokens(&mask(code)), &module).iter().map(super::Named::text).collect();
        assert_eq!(found, expected, "{code}");
    }

    #[test]
    fn a_use_tree_is_expanded_to_its_leaves() {
        check(
            "pub(crate) use crate::{auth, core::{read::{self, Slice as S}, group::*}};",
            &[
                "broker::auth",
                "broker::core::read",
                "broker::core::read::Slice",
                "broker::core::group::*",
            ],
        );
    }

    #[test]
    fn relative_paths_follow_inline_modules() {
        check("use super::x;", &["broker::core::queue::x"]);
        check("mod tests { use super::*; }", &["broker::core::queue::lease::*"]);
        check("mod a { } use super::super::live;", &["broker::core::live"]);
        check("fn f() { self::g::h() }", &["broker::core::queue::lease::g::h"]);
    }

    #[test]
    fn a_path_in_code_counts_as_much_as_a_use() {
        check(
            "fn f() -> Result<weir_storage::log::Log, E> { crate::session::open::<u8>(1) }",
            &["storage::log::Log", "broker::session::open"],
        );
        check("impl<'a> ::weir_client::Send for T {}", &["client::Send"]);
        check("let x = axum::Router::new();", &["extern::axum::Router::new"]);
    }

    #[test]
    fn visibility_names_no_import() {
        check("pub(in crate::core) fn f() {}", &[]);
        check("fn f<'a>() -> impl Fn() + use<'a> {}", &[]);
    }
}
