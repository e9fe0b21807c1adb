//! The rule about manifests: a package names the dependencies that its code names, and no others.
//!
//! It reads `name.workspace = true` lines and looks for the name in the package's tokens; it does
//! not know which crate's code stands behind a name, or which feature.

use super::tree::Source;
use super::violation::{Rule, Violation};

/// Dependencies in `manifest` that no file of the package in `folder` names.
pub(crate) fn unused(
    file: &str,
    manifest: &str,
    folder: &str,
    sources: &[Source],
) -> Vec<Violation> {
    let names = |name: &str| {
        let word = name.replace('-', "_");
        sources
            .iter()
            .filter(|source| source.file.starts_with(folder))
            .any(|source| source.tokens.iter().any(|token| token.text == word))
    };
    dependencies(manifest)
        .filter(|(_, name)| !names(name))
        .map(|(line, name)| Violation {
            rule: Rule::Manifest,
            file: file.to_owned(),
            line,
            says: format!("no code here names {name}"),
        })
        .collect()
}

/// The names in a package's dependency tables, with their lines.
fn dependencies(manifest: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_table = false;
    manifest.lines().enumerate().filter_map(move |(at, line)| {
        if line.starts_with('[') {
            in_table = line.ends_with("dependencies]");
            return None;
        }
        let (name, _) = line.split_once(['.', ' ', '='])?;
        (in_table && !name.starts_with('#')).then_some((at + 1, name))
    })
}
