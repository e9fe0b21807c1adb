//! Checkpoints: what was flushed and snapshotted, so that the journal below is not needed.
//!
//! Knows marks of logs and opaque tables; taking them is the broker's. One file each, written
//! whole or not at all; the newest two are kept, and the journal from the older one on, so that a
//! damaged newest costs a longer replay and nothing else.
//!
//! ```text
//!   checkpoint/00000000000000000041      the older: the journal is kept from its journal_from
//!              00000000000000000042      the newest: replay starts at its journal_from
//!              00000000000000000043.new  left by a crash; overwritten
//! ```
//!
//! Invariant: a checkpoint that has its name is synced; what it names was synced before.

mod codec;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::IoSlice;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use thiserror::Error;
use weir_protocol::id::TopicId;

use self::codec::Unreadable;
use super::recovery::Vouched;
use crate::directory::CHECKPOINTS;
use crate::disk::{Disk, Open, read_exact_at, remove_if_there};
use crate::errors::{DiskError, Naming};
use crate::log::End;
use crate::offset::{Epoch, Index, JournalPos, Offset, Term};

/// What was certain at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Consecutive; the newest has the highest.
    pub number: u64,
    /// Everything below is reflected in the logs and tables; replay starts here.
    pub journal_from: JournalPos,
    /// The run it was taken in.
    pub run: u32,
    pub before: Before,
    /// The uuid of the data directory it belongs to.
    pub directory: [u8; 16],
    pub logs: Vec<LogMark>,
    pub tables: Vec<Table>,
}

/// What a checkpoint says of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// They and the journal from their places on are as good as ever.
    Kept,
    /// They and the journal below this one's place were given up, knowingly.
    GivenUp,
}

/// Up to where one partition's log was flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogMark {
    pub topic: TopicId,
    pub partition: u32,
    /// The first offset of the log's last segment, and the end in its file.
    pub segment: Offset,
    pub position: u64,
    /// The offset behind the last flushed record.
    pub offset: Offset,
    pub epoch: Epoch,
    /// The first offset that is not deleted.
    pub start: Offset,
    /// The last index of its shard that it reflects.
    pub index: Index,
}

impl LogMark {
    /// The log's end that it names.
    pub fn end(&self) -> End {
        let Self { segment, position, offset, epoch, start, .. } = *self;
        End { segment, position, offset, epoch, start }
    }
}

/// One shard's state, snapshotted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub shard: u16,
    /// The last index that it reflects.
    pub index: Index,
    pub term: Term,
    pub bytes: Bytes,
}

impl Checkpoint {
    /// Writes the checkpoint into `directory` and removes all but the two newest. On return it is
    /// durable, and the journal below the older one's `journal_from` is not needed any more.
    pub fn write(&self, disk: &dyn Disk, directory: &Path) -> Result<(), DiskError> {
        let path = directory.join(file_name(self.number));
        let new = path.with_extension(NEW);
        remove_if_there(disk, &new).naming("remove", &new)?;
        let file = disk.open(&new, Open::Create).naming("create", &new)?;
        let mut position = 0;
        for piece in self.encode() {
            file.write_at(&[IoSlice::new(&piece)], position).naming("write", &new)?;
            position += piece.len() as u64;
        }
        file.sync_data().naming("sync", &new)?;
        disk.rename(&new, &path).naming("create", &path)?;
        disk.sync_dir(directory).naming("sync", directory)?;
        for number in numbers(disk, directory)?.into_iter().rev().skip(CHECKPOINTS_KEPT) {
            let path = directory.join(file_name(number));
            remove_if_there(disk, &path).naming("remove", &path)?;
        }
        Ok(())
    }

    /// Removes all checkpoints but this one, durably: what came before it was given up.
    pub fn stand_alone(&self, disk: &dyn Disk, directory: &Path) -> Result<(), DiskError> {
        for number in numbers(disk, directory)? {
            if number != self.number {
                let path = directory.join(file_name(number));
                remove_if_there(disk, &path).naming("remove", &path)?;
            }
        }
        disk.sync_dir(directory).naming("sync", directory)
    }

    /// The files of all checkpoints there are, the oldest first.
    pub fn files(disk: &dyn Disk, directory: &Path) -> Result<Vec<PathBuf>, DiskError> {
        let numbers = numbers(disk, directory)?.into_iter();
        Ok(numbers.map(|number| directory.join(file_name(number))).collect())
    }

    /// The number of the next checkpoint that is written into `directory`, whatever lies there.
    pub fn next_number(disk: &dyn Disk, directory: &Path) -> Result<u64, DiskError> {
        Ok(numbers(disk, directory)?.last().map_or(1, |last| last + 1))
    }

    /// The data directories that the checkpoints of the one at `path` say they belong to, as far as
    /// they can be read; each once.
    ///
    /// # Errors
    /// The disk failed.
    pub fn named_directories(disk: &dyn Disk, path: &Path) -> Result<Vec<[u8; 16]>, DiskError> {
        let mut named = BTreeSet::new();
        for file in Self::files(disk, &path.join(CHECKPOINTS))? {
            named.extend(Self::decode(&read_whole(disk, &file)?).map(|found| found.directory));
        }
        Ok(named.into_iter().collect())
    }

    /// Reads the newest checkpoint and the one before it.
    ///
    /// # Errors
    /// If there are checkpoints and none is as it was written, or one is of a newer format or of
    /// another data directory than the one that is `owner`.
    pub fn load(disk: &dyn Disk, directory: &Path, owner: &[u8; 16]) -> Result<Loaded, LoadError> {
        let mut loaded = Loaded { newest: None, older: None, damaged: Vec::new() };
        for number in numbers(disk, directory)?.into_iter().rev().take(CHECKPOINTS_KEPT) {
            let path = directory.join(file_name(number));
            let bytes = read_whole(disk, &path)?;
            match Self::decode(&bytes) {
                Ok(found) if found.number != number => loaded.damaged.push(path),
                Ok(found) if found.directory != *owner => {
                    let directory = found.directory;
                    return Err(LoadError::OtherDirectory { file: path, directory });
                }
                Ok(found) if loaded.newest.is_none() => loaded.newest = Some(found),
                Ok(found) => loaded.older = Some(found),
                Err(Unreadable::Damaged) => loaded.damaged.push(path),
                Err(Unreadable::NewerFormat(version)) => {
                    return Err(LoadError::NewerFormat { file: path, version });
                }
            }
        }
        match loaded.damaged.first() {
            Some(file) if loaded.newest.is_none() => Err(LoadError::Damaged { file: file.clone() }),
            _ => Ok(loaded),
        }
    }
}

/// The checkpoints of a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The newest that is as it was written; none in a new directory.
    pub newest: Option<Checkpoint>,
    /// The one before it.
    pub older: Option<Checkpoint>,
    /// Files that are not as they were written. A start goes on without them, and says so.
    pub damaged: Vec<PathBuf>,
}

impl Loaded {
    /// What the journal is verified against; `clean_end` is where a clean stop left it.
    pub fn vouched(&self, directory: [u8; 16], clean_end: Option<JournalPos>) -> Vouched {
        let Some(newest) = &self.newest else {
            return Vouched { directory, clean_end, ..Vouched::default() };
        };
        let older = self.older.as_ref().filter(|_| newest.before == Before::Kept);
        let kept = older.unwrap_or(newest);
        Vouched {
            kept_from: kept.journal_from,
            run: kept.run,
            replay_from: newest.journal_from,
            indexes: newest.tables.iter().map(|table| (table.shard, table.index)).collect(),
            clean_end,
            directory,
        }
    }
}

/// Why there is no checkpoint to start from.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error(
        "no checkpoint is as it was written, the newest is {}: what topics there are is not known \
         without one. Nothing was changed. Restore one of them from a copy", file.display()
    )]
    Damaged { file: PathBuf },
    #[error(
        "{} has format version {version}; a newer weir wrote it, start that one", file.display()
    )]
    NewerFormat { file: PathBuf, version: u16 },
    #[error(
        "{} belongs to data directory {}, not to this one: put back the files that were here",
        file.display(), TopicId::from_bytes(*directory)
    )]
    OtherDirectory { file: PathBuf, directory: [u8; 16] },
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl LoadError {
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::Damaged { file }
            | Self::NewerFormat { file, .. }
            | Self::OtherDirectory { file, .. } => Some(file),
            Self::Disk(_) => None,
        }
    }
}

/// The numbers of the checkpoints there are, in order.
fn numbers(disk: &dyn Disk, directory: &Path) -> Result<Vec<u64>, DiskError> {
    let names = disk.list(directory).naming("list", directory)?;
    Ok(names.iter().filter_map(|name| number(name)).collect())
}

fn number(name: &OsStr) -> Option<u64> {
    name.to_str().filter(|name| name.len() == NAME_BYTES)?.parse().ok()
}

fn file_name(number: u64) -> String {
    format!("{number:0NAME_BYTES$}")
}

fn read_whole(disk: &dyn Disk, path: &Path) -> Result<Bytes, DiskError> {
    let file = disk.open(path, Open::Read).naming("open", path)?;
    let len = file.len().naming("read", path)?;
    let mut bytes = vec![0; len as usize];
    read_exact_at(&*file, &mut bytes, 0).naming("read", path)?;
    Ok(bytes.into())
}

/// Checkpoints on the disk: the newest, and what a start goes back to where that is damaged.
pub const CHECKPOINTS_KEPT: usize = 2;

const NEW: &str = "new";
const NAME_BYTES: usize = 20;
