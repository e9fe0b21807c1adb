//! What must lie where before anything in a data directory is believed.
//!
//! Looks at names, kinds and owners, and opens nothing. It tells a directory that was copied in
//! part, or in which something else stands in the place of ours, from a new one: where a start
//! would find nothing it must not make a beginning.
//!
//! Called by a start, before it locks or changes anything.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::{CHECKPOINTS, CLEAN, IDENTITY, JOURNAL, LOCK, OpenError, TOPICS};
use crate::disk::{Disk, NodeKind, Owner};
use crate::errors::{DiskError, Naming};

/// Refuses `path` if it is there and is no directory.
pub(super) fn check_root(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    check_kind(disk, path, NodeKind::Directory)
}

/// Looks at a directory that has an identity.
pub(super) fn check(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    for file in [IDENTITY, LOCK, CLEAN] {
        check_kind(disk, &path.join(file), NodeKind::File)?;
    }
    for folder in [JOURNAL, CHECKPOINTS, TOPICS] {
        check_kind(disk, &path.join(folder), NodeKind::Directory)?;
    }
    let identity = path.join(IDENTITY);
    let facts = disk.facts(&identity).naming("look at", &identity)?;
    if let Owner::Other { owner, us } = facts.owner {
        return Err(OpenError::OtherOwner { path: path.to_owned(), owner, us });
    }
    match missing(disk, path)? {
        Some(missing) => Err(OpenError::Incomplete { path: path.to_owned(), missing }),
        None => Ok(()),
    }
}

/// The part without which the others make no sense, if it is not there.
pub(crate) fn missing(disk: &dyn Disk, path: &Path) -> Result<Option<&'static str>, DiskError> {
    let names = |folder: &str| names(disk, &path.join(folder));
    let (journal, checkpoints, topics) = (names(JOURNAL)?, names(CHECKPOINTS)?, names(TOPICS)?);
    // A first start makes the folders before the journal's first file, and nothing else before it.
    let has_files = |part: &Option<Vec<OsString>>| part.as_ref().is_some_and(|of| !of.is_empty());
    Ok(match (&journal, &checkpoints, &topics) {
        (journal, ..) if !has_files(journal) => {
            (has_files(&checkpoints) || has_files(&topics)).then_some(JOURNAL)
        }
        (_, None, _) => Some(CHECKPOINTS),
        (_, _, None) => Some(TOPICS),
        _ => None,
    })
}

fn check_kind(disk: &dyn Disk, path: &Path, wanted: NodeKind) -> Result<(), OpenError> {
    match disk.facts(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // What lies above it is told when it is to be made.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(()),
        facts => {
            let found = facts.naming("look at", path)?.kind;
            if found == wanted {
                return Ok(());
            }
            Err(OpenError::Misplaced { path: path.to_owned(), found, wanted })
        }
    }
}

fn names(disk: &dyn Disk, folder: &Path) -> Result<Option<Vec<OsString>>, DiskError> {
    match disk.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        listed => listed.naming("list", folder).map(Some),
    }
}
