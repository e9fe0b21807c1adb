//! Looks at a whole data directory and tells what is in it, and what is not as it was written.
//!
//! Reads only: makes, cuts, renames and takes away nothing, and asks for no more than the right to
//! read. It keeps a broker out by a shared lock while it looks, and is kept out by one that runs.
//! What a finding means for the next start is what that start does, because the same code decides.
//!
//! ```text
//!   names, kinds, owners ─► identity, clean mark ─► checkpoints ─► journal ─► logs
//!                                                   │ tables        │ frames    ▲
//!                                                   └─► Watcher ◄───┘  logs() ──┘
//! ```
//!
//! Memory: one window of a file, one frame or batch, the names of one directory.
//!
//! Called by `weir check`, and by those who test that damage is found.

mod finding;
mod telling;
mod tree;
mod watcher;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use weir_protocol::id::TopicId;

pub use self::finding::{About, Effect, Finding, Severity};
pub(crate) use self::telling::Telling;
pub use self::watcher::{CheckedFile, ExpectedLog, LogSource, Part, Watcher};
use crate::directory::parts::missing;
use crate::directory::{self, CHECKPOINTS, FoundClean, IDENTITY, JOURNAL, LOCK, TOPICS};
use crate::disk::{Disk, Lock, NodeKind};
use crate::errors::{DiskError, Naming};
use crate::journal::audit;
use crate::journal::checkpoint::Loaded;
use crate::log::audit::Audit;

/// Looks at the data directory at `path`, and tells `watcher` all of it.
///
/// # Errors
/// See [`VerifyError`]; what is found wrong in the directory is no error, but a finding.
pub fn verify(
    disk: &Arc<dyn Disk>,
    path: &Path,
    watcher: &mut dyn Watcher,
) -> Result<(), VerifyError> {
    let facts = disk.facts(path).naming("look at", path)?;
    if facts.kind != NodeKind::Directory {
        return Err(VerifyError::NoDirectory { path: path.to_owned(), found: facts.kind });
    }
    let _lock = keep_brokers_out(&**disk, path)?;
    let mut telling = Telling::new(path, watcher);
    let telling = &mut telling;
    telling.begin(tree::measure(&**disk, path)?);
    tree::look(&**disk, path, telling)?;
    let Some(owner) = identity(&**disk, path, telling)? else { return Ok(()) };
    match missing(&**disk, path) {
        Ok(Some(part)) => {
            let what = format!("'{part}' is missing, or empty: this is a part of a data directory");
            telling.finding(&path.join(part), Finding::new(Severity::Damage, Effect::Stops, what));
        }
        Ok(None) => {}
        Err(error) => unreadable(&error, telling),
    }
    let clean = directory::read_clean(&**disk, path, &owner)?;
    if clean == FoundClean::Damaged {
        let what = "the mark of a clean stop is not as it was written, or of another directory: \
                    the stop counts as a crash";
        let finding = Finding::new(Severity::Damage, Effect::Ignores, what);
        telling.finding(&path.join(directory::CLEAN), finding);
    }
    let part = |part: &str| Some(path.join(part)).filter(|part| disk.list(part).is_ok());
    let loaded = match part(CHECKPOINTS) {
        Some(part) => audit::checkpoints(&**disk, &part, &owner, telling)?,
        None => None,
    };
    let Some(loaded) = loaded else { return Ok(()) };
    let newest = loaded.newest.iter();
    newest.flat_map(|newest| &newest.tables).for_each(|table| telling.table(table));
    if let Some(part) = part(JOURNAL) {
        let vouched = loaded.vouched(owner, clean.journal_end());
        if let Err(error) = audit::journal(disk, &part, &vouched, telling) {
            unreadable(&error, telling);
        }
    }
    match part(TOPICS) {
        Some(part) => logs(&**disk, &part, &loaded, telling),
        None => Ok(()),
    }
}

/// What lies behind a file that cannot be read is looked at all the same.
fn unreadable(error: &DiskError, telling: &mut Telling<'_>) {
    let finding = Finding::new(Severity::Damage, Effect::Stops, error.to_string());
    telling.finding(&error.path, finding);
}

/// Why a directory was not looked at.
#[derive(Debug, Error)]
pub enum VerifyError {
    #[error("a broker holds the data directory {}; stop it first", path.display())]
    InUse { path: PathBuf },
    #[error("{} is {found}, not a directory", path.display())]
    NoDirectory { path: PathBuf, found: NodeKind },
    #[error(transparent)]
    Disk(#[from] DiskError),
}

fn keep_brokers_out(disk: &dyn Disk, path: &Path) -> Result<Option<Lock>, VerifyError> {
    let lock = path.join(LOCK);
    match disk.lock_shared(&lock) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(VerifyError::InUse { path: path.to_owned() })
        }
        held => Ok(Some(held.naming("lock", &lock)?)),
    }
}

/// The directory's own uuid, if it can be told.
fn identity(
    disk: &dyn Disk,
    path: &Path,
    telling: &mut Telling<'_>,
) -> Result<Option<[u8; 16]>, DiskError> {
    let stops = |what: String| Finding::new(Severity::Damage, Effect::Stops, what);
    let file = path.join(IDENTITY);
    match directory::read_identity(disk, path) {
        Ok(identity) => return Ok(Some(identity.directory)),
        Err(directory::OpenError::Disk(error))
            if error.source.kind() == io::ErrorKind::NotFound =>
        {
            let what = "there is no identity: this is no data directory of weir, or a part of one";
            telling.finding(&file, stops(what.to_owned()));
        }
        Err(directory::OpenError::Disk(error)) => return Err(error),
        Err(directory::OpenError::Identity { error, .. }) => {
            let what = format!("{error}; nothing else was looked at");
            telling.finding(&file, stops(what));
        }
        Err(other) => telling.finding(&file, stops(other.to_string())),
    }
    Ok(None)
}

fn logs(
    disk: &dyn Disk,
    topics: &Path,
    loaded: &Loaded,
    telling: &mut Telling<'_>,
) -> Result<(), VerifyError> {
    let Some(expected) = telling.logs() else { return Ok(()) };
    let expected: BTreeMap<_, _> =
        expected.iter().map(|log| ((log.topic, log.partition), log.source)).collect();
    let marks: BTreeMap<_, _> = loaded
        .newest
        .iter()
        .flat_map(|newest| &newest.logs)
        .map(|mark| ((mark.topic, mark.partition), mark.end()))
        .collect();
    unexpected(disk, topics, &expected, telling)?;
    for ((topic, partition), source) in expected {
        let directory = &topics.join(topic.to_string()).join(partition.to_string());
        let mark = marks.get(&(topic, partition)).copied().unwrap_or_default();
        let audit = Audit { disk, directory, topic, partition, source, mark, telling };
        if let Err(error) = audit.run() {
            unreadable(&error, telling);
        }
    }
    Ok(())
}

/// Logs that no catalogue speaks of.
fn unexpected(
    disk: &dyn Disk,
    topics: &Path,
    expected: &BTreeMap<(TopicId, u32), LogSource>,
    telling: &mut Telling<'_>,
) -> Result<(), VerifyError> {
    for name in disk.list(topics).naming("list", topics)? {
        let Some(topic) = name.to_str().and_then(|name| name.parse::<TopicId>().ok()) else {
            continue;
        };
        if expected.range((topic, 0)..=(topic, u32::MAX)).next().is_none() {
            let what = "no topic has this id: it was deleted, or is of another data directory";
            let finding = Finding::new(Severity::Leftover, Effect::Ignores, what);
            telling.finding(&topics.join(name), finding);
        }
    }
    Ok(())
}
