//! One data directory: whose it is, who holds it, and what lies where in it.
//!
//! Knows paths and the identity; what is in the files is their owners'.
//!
//! ```text
//!   <path>/identity                     who wrote this, in which format
//!          lock                         held while a server runs
//!          clean                        only between a clean stop and the next start
//!          reserve                      room for a checkpoint on a full disk, see `Reserve`
//!          journal/                     see `journal`
//!          checkpoint/                  see `journal::checkpoint`
//!          topics/<uuid>/<partition>/   one log each, see `log`
//! ```
//!
//! Invariant: nothing is written into a directory that is not weir's, and one server writes at a
//! time.

mod identity;
pub(crate) mod lost;
pub(crate) mod parts;
mod reserve;
mod restoring;
mod shards;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use weir_protocol::checksum::crc32c;
use weir_protocol::id::TopicId;

pub use self::identity::{FORMAT_VERSION, Identity, IdentityError, NewIdentity};
pub use self::reserve::{RESERVE_BYTES, Reserve};
pub use self::shards::{SHARD_HASH, SHARDS, group_shard, partition_shard};
use crate::disk::{Disk, Lock, NodeKind, Open, read_exact_at, remove_if_there};
use crate::errors::{DiskError, Naming};
use crate::offset::JournalPos;

/// A data directory, locked for as long as this lives.
#[derive(Debug)]
pub struct DataDir {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    identity: Identity,
    _lock: Lock,
}

impl DataDir {
    /// Opens the data directory at `path`; where there is none, or an empty one, makes it and
    /// gives it the `fresh` identity. On return its names and identity are durable.
    ///
    /// # Errors
    /// See [`OpenError`]; a directory that is not weir's is left as it is.
    pub fn open(disk: Arc<dyn Disk>, path: &Path, fresh: NewIdentity) -> Result<Self, OpenError> {
        parts::check_root(&*disk, path)?;
        make_directories(&*disk, path).map_err(not_writable)?;
        let known = refuse_foreign(&*disk, path)?;
        if let Known::Identity = known {
            parts::check(&*disk, path)?;
        }
        let lock = lock(&*disk, path)?;
        let identity = match known {
            Known::Identity => read_identity(&*disk, path)?,
            Known::Empty => {
                let identity = Identity::fresh(fresh);
                write_identity(&*disk, path, &identity).map_err(not_writable)?;
                identity
            }
        };
        let directory = Self { disk, path: path.to_owned(), identity, _lock: lock };
        for part in [directory.journal_dir(), directory.checkpoint_dir(), directory.topics_dir()] {
            make_directory(&*directory.disk, &part).map_err(not_writable)?;
        }
        directory.sync().map_err(not_writable)?;
        Ok(directory)
    }

    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether what the disk holds can be read past the page cache.
    pub fn reads_past_cache(&self) -> Result<bool, DiskError> {
        let path = self.path.join(IDENTITY);
        self.disk.reads_past_cache(&path).naming("open past the page cache", &path)
    }

    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    pub fn journal_dir(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    pub fn checkpoint_dir(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// Where a partition's log lies; [`crate::log`] makes the directory.
    pub fn log_dir(&self, topic: TopicId, partition: u32) -> PathBuf {
        self.topic_dir(topic).join(partition.to_string())
    }

    /// The topics that have a directory, in the order of their ids.
    pub fn topics(&self) -> Result<Vec<TopicId>, DiskError> {
        let names = self.disk.list(&self.topics_dir()).naming("list", &self.topics_dir())?;
        Ok(names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
    }

    /// Removes what a topic has on the disk, of so many partitions at a time, and says whether
    /// nothing is left, durably. One that has nothing is removed already.
    pub fn remove_topic(&self, topic: TopicId, partitions_max: usize) -> Result<bool, DiskError> {
        let topic_dir = self.topic_dir(topic);
        let mut partitions = list_if_there(&*self.disk, &topic_dir)?;
        let is_the_rest = partitions.len() <= partitions_max;
        partitions.truncate(partitions_max);
        for partition in partitions {
            let log_dir = topic_dir.join(partition);
            for name in list_if_there(&*self.disk, &log_dir)? {
                let file = log_dir.join(name);
                self.disk.remove_file(&file).naming("remove", &file)?;
            }
            self.disk.remove_dir(&log_dir).naming("remove", &log_dir)?;
        }
        if !is_the_rest {
            return Ok(false);
        }
        match self.disk.remove_dir(&topic_dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.naming("remove", &topic_dir)?,
        }
        self.disk.sync_dir(&self.topics_dir()).naming("sync", &self.topics_dir())?;
        Ok(true)
    }

    /// Says that everything is written and synced and the journal ends at `journal_end`: the last
    /// act of a clean stop.
    pub fn mark_clean(&self, journal_end: JournalPos) -> Result<(), DiskError> {
        let path = self.path.join(CLEAN);
        let text = CleanMark { journal_end }.to_text(&self.identity.directory);
        let file = self.disk.open(&path, Open::Create).naming("create", &path)?;
        file.write_at(&[IoSlice::new(text.as_bytes())], 0).naming("write", &path)?;
        file.sync_data().naming("sync", &path)?;
        self.sync()
    }

    /// The mark that a clean stop left.
    pub fn clean_mark(&self) -> Result<FoundClean, DiskError> {
        read_clean(&*self.disk, &self.path, &self.identity.directory)
    }

    /// Takes the mark of a clean stop away, whatever it says: durable before anything else of a
    /// start is written.
    pub fn take_clean(&self) -> Result<(), DiskError> {
        let path = self.path.join(CLEAN);
        match remove_if_there(&*self.disk, &path).naming("remove", &path)? {
            true => self.sync(),
            false => Ok(()),
        }
    }

    fn topics_dir(&self) -> PathBuf {
        self.path.join(TOPICS)
    }

    fn topic_dir(&self, topic: TopicId) -> PathBuf {
        self.topics_dir().join(topic.to_string())
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.disk.sync_dir(&self.path).naming("sync", &self.path)
    }
}

/// What a clean stop left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanMark {
    /// The journal has nothing at or above.
    pub journal_end: JournalPos,
}

/// What lies where a clean stop leaves its mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundClean {
    None,
    Mark(CleanMark),
    /// Not as it was written, or of another directory: the stop counts as unclean.
    Damaged,
}

impl FoundClean {
    /// The journal's end, if it is vouched for.
    pub fn journal_end(self) -> Option<JournalPos> {
        match self {
            Self::Mark(mark) => Some(mark.journal_end),
            Self::None | Self::Damaged => None,
        }
    }
}

impl CleanMark {
    fn to_text(self, directory: &[u8; 16]) -> String {
        let directory = TopicId::from_bytes(*directory);
        let text = format!("journal_end = {}\ndirectory = {directory}\n", self.journal_end);
        format!("{text}crc32c = {:08x}\n", crc32c(text.as_bytes()))
    }

    fn from_text(text: &[u8], directory: &[u8; 16]) -> Option<Self> {
        let end = str::from_utf8(text).ok()?.strip_prefix("journal_end = ")?;
        let (digits, _) = end.split_once('\n')?;
        let mark = Self { journal_end: JournalPos::new(digits.parse().ok()?) };
        (mark.to_text(directory).as_bytes() == text).then_some(mark)
    }
}

/// The mark of a clean stop in the directory at `path`, whose identity names `directory`.
pub(crate) fn read_clean(
    disk: &dyn Disk,
    path: &Path,
    directory: &[u8; 16],
) -> Result<FoundClean, DiskError> {
    let path = path.join(CLEAN);
    let file = match disk.open(&path, Open::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(FoundClean::None),
        opened => opened.naming("open", &path)?,
    };
    let len = file.len().naming("read", &path)?.min(CLEAN_BYTES_MAX);
    let mut text = vec![0; len as usize];
    read_exact_at(&*file, &mut text, 0).naming("read", &path)?;
    Ok(CleanMark::from_text(&text, directory).map_or(FoundClean::Damaged, FoundClean::Mark))
}

/// Why a data directory was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("another server holds the data directory {}; stop it, or take another", path.display())]
    Locked { path: PathBuf },
    #[error("the data directory cannot be written: {0}")]
    NotWritable(DiskError),
    #[error(
        "{} holds {name:?} and is not a data directory of weir; take an empty directory",
        path.display()
    )]
    NotOurs { path: PathBuf, name: std::ffi::OsString },
    #[error(
        "{} is a part of a data directory: '{missing}' is missing, or empty; copy the whole of it",
        path.display()
    )]
    Incomplete { path: PathBuf, missing: &'static str },
    #[error(
        "{} is {found}, where {wanted} of weir's should be; put back what was there", path.display()
    )]
    Misplaced { path: PathBuf, found: NodeKind, wanted: NodeKind },
    #[error(
        "the data directory {} belongs to user {owner}, and this process is user {us}: run it as \
         that user, or hand the directory over (chown -R)", path.display()
    )]
    OtherOwner { path: PathBuf, owner: u32, us: u32 },
    #[error("{}: {error}", path.display())]
    Identity { path: PathBuf, error: IdentityError },
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Takes the directory at `path` for this process alone.
fn lock(disk: &dyn Disk, path: &Path) -> Result<Lock, OpenError> {
    match disk.lock(&path.join(LOCK)) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(OpenError::Locked { path: path.to_owned() })
        }
        lock => lock.naming("lock", path).map_err(not_writable),
    }
}

/// Tells a disk that refuses to be written from one that fails.
fn not_writable(error: DiskError) -> OpenError {
    match error.source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::NotWritable(error)
        }
        _ => OpenError::Disk(error),
    }
}

enum Known {
    Identity,
    Empty,
}

fn refuse_foreign(disk: &dyn Disk, path: &Path) -> Result<Known, OpenError> {
    let names = disk.list(path).naming("list", path).map_err(not_writable)?;
    if names.iter().any(|name| name == IDENTITY) {
        return Ok(Known::Identity);
    }
    if names.iter().any(|name| [JOURNAL, CHECKPOINTS, TOPICS].iter().any(|part| name == *part)) {
        return Err(OpenError::Incomplete { path: path.to_owned(), missing: IDENTITY });
    }
    let ours = |name: &OsStr| [LOCK, IDENTITY_NEW, "lost+found"].iter().any(|own| name == *own);
    match names.into_iter().find(|name| !ours(name)) {
        Some(name) => Err(OpenError::NotOurs { path: path.to_owned(), name }),
        None => Ok(Known::Empty),
    }
}

pub(crate) fn read_identity(disk: &dyn Disk, directory: &Path) -> Result<Identity, OpenError> {
    let path = directory.join(IDENTITY);
    let file = disk.open(&path, Open::Read).naming("open", &path)?;
    let len = file.len().naming("read", &path)?.min(IDENTITY_BYTES_MAX);
    let mut text = vec![0; len as usize];
    read_exact_at(&*file, &mut text, 0).naming("read", &path)?;
    Identity::from_text(&text).map_err(|error| OpenError::Identity { path, error })
}

/// Writes the identity whole or not at all.
fn write_identity(disk: &dyn Disk, directory: &Path, identity: &Identity) -> Result<(), DiskError> {
    let new = directory.join(IDENTITY_NEW);
    match disk.remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).naming("remove", &new);
        }
        Ok(()) | Err(_) => {}
    }
    let file = disk.open(&new, Open::Create).naming("create", &new)?;
    let text = identity.to_text();
    file.write_at(&[IoSlice::new(text.as_bytes())], 0).naming("write", &new)?;
    file.sync_data().naming("sync", &new)?;
    let path = directory.join(IDENTITY);
    disk.rename(&new, &path).naming("create", &path)?;
    disk.sync_dir(directory).naming("sync", directory)
}

/// Makes a directory and those above it, as far as they are missing, each durably.
fn make_directories(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    match disk.list(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        listed => return listed.naming("list", path).map(drop),
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    if parent != path {
        make_directories(disk, parent)?;
    }
    make_directory(disk, path)?;
    disk.sync_dir(parent).naming("sync", parent)
}

fn make_directory(disk: &dyn Disk, path: &Path) -> Result<(), DiskError> {
    match disk.create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.naming("make", path),
    }
}

fn list_if_there(disk: &dyn Disk, path: &Path) -> Result<Vec<std::ffi::OsString>, DiskError> {
    match disk.list(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        listed => listed.naming("list", path),
    }
}

pub(crate) const LOCK: &str = "lock";
/// The file that names a data directory.
pub const IDENTITY: &str = "identity";
pub(crate) const IDENTITY_NEW: &str = "identity.new";
pub(crate) const CLEAN: &str = "clean";
pub(crate) const JOURNAL: &str = "journal";
pub(crate) const CHECKPOINTS: &str = "checkpoint";
pub(crate) const TOPICS: &str = "topics";
pub(crate) const RESERVE: &str = "reserve";
const IDENTITY_BYTES_MAX: u64 = 4096;
const CLEAN_BYTES_MAX: u64 = 4096;
