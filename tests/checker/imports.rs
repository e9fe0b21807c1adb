//! The rules about who may name what: floors, crates, and the words of plain files.
//!
//! It knows how a table is applied and no row of any table; the rows are in `tidy.rs`. A module's
//! floor is the longest row above it, and a row always holds its own subtree. A door (a `mod.rs` or
//! `lib.rs` over several floors) is a row for that one file: what lies below needs rows of its own,
//! so a new part of the broker cannot stand outside the table.

use super::paths::{Named, named};
use super::tree::Source;
use super::violation::{Rule, Violation};

/// One row of the floors table.
#[derive(Debug)]
pub(crate) struct Floor {
    pub(crate) who: &'static str,
    pub(crate) covers: Covers,
    /// Modules it may name, with all they hold; `*` is everything.
    pub(crate) may: &'static [&'static [&'static str]],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Covers {
    Subtree,
    DoorOnly,
}

/// Something from outside the workspace that only some modules may name.
#[derive(Debug)]
pub(crate) struct Confined {
    /// A crate, or a path in std.
    pub(crate) what: &'static str,
    pub(crate) to: &'static [&'static str],
}

/// Something from outside the workspace that a package lives without.
#[derive(Debug)]
pub(crate) struct Without {
    pub(crate) who: &'static str,
    pub(crate) what: &'static [&'static str],
}

/// Files of plain decisions, by module, and the words they do without.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) modules: &'static [&'static str],
    pub(crate) words: &'static [&'static str],
}

/// Imports that the floors do not allow.
pub(crate) fn floors(source: &Source, table: &[Floor]) -> Vec<Violation> {
    let who = source.module.join("::");
    let Some(floor) = floor_of(&who, table) else {
        let says = format!("{who} stands on no floor; give it a row in tests/tidy.rs");
        return vec![violation(source, Rule::Floor, 1, says)];
    };
    let allowed = |path: &str| {
        is_under(path, floor.who)
            || floor.may.iter().copied().flatten().any(|may| is_under(path, may))
    };
    named(&source.tokens, &source.module)
        .iter()
        .filter(|named| named.path[0] != "extern" && !allowed(&named.text()))
        .map(|named| {
            let says = format!("{} may not import {}", floor.who, named.text());
            violation(source, Rule::Floor, named.line, says)
        })
        .collect()
}

/// Crates and std modules used outside the places they are confined to.
pub(crate) fn crates(
    source: &Source,
    confined: &[Confined],
    without: &[Without],
) -> Vec<Violation> {
    let who = source.module.join("::");
    let reaches_out = |named: &Named, what: &str| {
        is_under(&named.text(), &format!("extern::{what}")) && !source.is_test_line(named.line)
    };
    let mut found = Vec::new();
    for named in named(&source.tokens, &source.module) {
        for Confined { what, to } in confined {
            if reaches_out(&named, what) && !to.iter().any(|to| is_under(&who, to)) {
                let says = format!("{what} is for {} only", to.join(", "));
                found.push(violation(source, Rule::Crate, named.line, says));
            }
        }
        for Without { who: package, what } in without.iter().filter(|row| is_under(&who, row.who)) {
            if let Some(what) = what.iter().find(|what| reaches_out(&named, what)) {
                let says = format!("{package} lives without {what}");
                found.push(violation(source, Rule::Crate, named.line, says));
            }
        }
    }
    found
}

/// Words that a file of plain decisions does without: it takes input and `now`, and returns.
pub(crate) fn plain(source: &Source, plain: &Plain) -> Vec<Violation> {
    let who = source.module.join("::");
    if !plain.modules.contains(&who.as_str()) {
        return Vec::new();
    }
    source
        .tokens
        .iter()
        .filter(|token| plain.words.contains(&token.text.as_str()))
        .filter(|token| !source.is_test_line(token.line))
        .map(|token| {
            let says = format!("{who} only decides; `{}` belongs in its loop's file", token.text);
            violation(source, Rule::Plain, token.line, says)
        })
        .collect()
}

fn floor_of<'a>(who: &str, table: &'a [Floor]) -> Option<&'a Floor> {
    table
        .iter()
        .filter(|floor| match floor.covers {
            Covers::Subtree => is_under(who, floor.who),
            Covers::DoorOnly => who == floor.who,
        })
        .max_by_key(|floor| floor.who.len())
}

fn is_under(path: &str, above: &str) -> bool {
    above == "*"
        || path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn violation(source: &Source, rule: Rule, line: usize, says: String) -> Violation {
    Violation { rule, file: source.file.clone(), line, says }
}
