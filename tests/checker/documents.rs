//! The rules about what is written beside the code: links lead somewhere, a dependency has a
//! reason, a documented command is the one that CI runs.
//!
//! It reads text it is handed and asks whether a path exists; it knows no document by name.

use super::violation::{Rule, Violation};

/// One Markdown document, by its path from the root.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
}

/// Relative links that lead nowhere.
pub(crate) fn links(document: &Document<'_>, exists: impl Fn(&str) -> bool) -> Vec<Violation> {
    let folder = document.file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut found = Vec::new();
    for (number, line) in prose(document.text) {
        for target in link_targets(line) {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            if !exists(&resolved(folder, path)) {
                found.push(violation(document, number, format!("links to {target}: not there")));
            }
        }
    }
    found
}

/// Paths in backticks below one of `folders` that are not in the tree.
pub(crate) fn paths(
    document: &Document<'_>,
    folders: &[&str],
    exists: impl Fn(&str) -> bool,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for (number, line) in document.text.lines().enumerate() {
        for quoted in line.split('`').skip(1).step_by(2) {
            let path = quoted.trim_end_matches('/');
            let is_path = folders.iter().any(|folder| path.starts_with(folder))
                && !path.contains([' ', '<', '{', '*', '…']);
            if is_path && !exists(path) {
                found.push(violation(document, number + 1, format!("names {path}: not there")));
            }
        }
    }
    found
}

/// Dependencies of the manifest that no line of `document` begins with, and lines for none.
pub(crate) fn dependencies(document: &Document<'_>, manifest: &str) -> Vec<Violation> {
    let wanted: Vec<&str> = workspace_dependencies(manifest);
    let explained: Vec<(usize, &str)> = document
        .text
        .lines()
        .enumerate()
        .filter_map(|(at, line)| Some((at + 1, line.strip_prefix("| `")?.split_once("` |")?.0)))
        .collect();
    let missing = wanted
        .iter()
        .filter(|name| !explained.iter().any(|(_, explained)| explained == *name))
        .map(|name| violation(document, 1, format!("dependency {name} has no line saying why")));
    let stale = explained
        .iter()
        .filter(|(_, name)| !wanted.contains(name))
        .map(|(line, name)| violation(document, *line, format!("{name} is no dependency")));
    missing.chain(stale).collect()
}

/// Lines that `document` must hold, as they stand.
pub(crate) fn says(document: &Document<'_>, wanted: &[&str]) -> Vec<Violation> {
    wanted
        .iter()
        .filter(|wanted| !document.text.contains(*wanted))
        .map(|wanted| violation(document, 1, format!("does not say `{wanted}`")))
        .collect()
}

/// The names in `[workspace.dependencies]`, our own packages left out.
fn workspace_dependencies(manifest: &str) -> Vec<&str> {
    manifest
        .lines()
        .skip_while(|line| *line != "[workspace.dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('=').map(|(name, _)| name.trim()))
        .filter(|name| !name.starts_with("weir-") && !name.starts_with('#'))
        .collect()
}

/// The lines outside fenced blocks, numbered from 1.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push((at + 1, line));
        }
    }
    lines
}

fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

/// `docs` and `../README.md` → `README.md`.
fn resolved(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

fn violation(document: &Document<'_>, line: usize, says: String) -> Violation {
    Violation { rule: Rule::Document, file: document.file.to_owned(), line, says }
}
