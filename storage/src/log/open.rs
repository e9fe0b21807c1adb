//! Opening a log: new, or as a checkpoint left it.
//!
//! A checkpoint names the end up to which everything is on the disk. What lies above is never
//! trusted: for a log with a journal in front it is written again in place, so its files and
//! their allocation stay; a log without one is read on from there, batch by batch
//! ([`Log::open_written`]).
//!
//! Nothing is read here but the directory, the manifest and a few pages of the active segment.
//! What an earlier run wrote is read whole before it is first served. Damage keeps no log from
//! opening: the offsets it took are quarantined. A disk that fails does, and then the log is
//! [`closed`](Log::closed).

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::errors::OpenError;
use super::log::Log;
use super::opening::Opening;
use super::options::Options;
use super::published::End;
use super::reader::Reader;
use super::room::Room;
use super::shared::Shared;
use super::upkeep::Upkeep;
use super::walk::Flaw;
use crate::disk::Disk;
use crate::errors::{DiskError, Naming};

/// A log's four handles.
#[derive(Debug)]
pub struct Opened {
    pub log: Log,
    pub reader: Reader,
    pub room: Room,
    pub upkeep: Upkeep,
}

impl Log {
    /// Opens a log that no checkpoint names: a new one, whose directory is made where it is
    /// missing (and the one above it), or one that was made since. No segment's file is made
    /// before the first growth.
    ///
    /// # Errors
    /// Those of [`Log::open`].
    pub fn create(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
    ) -> Result<Opened, OpenError> {
        make_directories(&*disk, directory)?;
        Opening::new(disk, directory, options, End::default())?.finish()
    }

    /// Opens a log whose journal is replayed next: sets it back to `at`, the end that the
    /// checkpoint names.
    ///
    /// # Errors
    /// The disk fails, or a later version wrote the log: no segment of it was changed.
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
        at: End,
    ) -> Result<Opened, OpenError> {
        if at.position == 0 {
            // Nothing was ever in it, and so its name may not have been made durable.
            make_directories(&*disk, directory)?;
        }
        let mut opening = Opening::new(disk, directory, options, at)?;
        if 0 < at.position {
            opening.go_on_in(at.segment, at.position, at.offset)?;
        }
        opening.finish()
    }

    /// A log that could not be opened, with a checkpoint's end at `at`: it serves nothing, takes
    /// nothing and changes nothing on the disk before the next start.
    pub fn closed(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
        at: End,
        why: &OpenError,
    ) -> Opened {
        let why = Flaw::Said(why.to_string().into());
        options.alarm.ring();
        let directory = directory.to_owned();
        Opened::over(Arc::new(Shared::closed(disk, directory, options, &at, why)), at)
    }
}

impl Opened {
    /// Of a log that is empty, closed or at rest.
    pub(super) fn over(shared: Arc<Shared>, end: End) -> Self {
        Self {
            reader: Reader::new(Arc::clone(&shared)),
            room: Room::new(Arc::clone(&shared)),
            upkeep: Upkeep::new(Arc::clone(&shared)),
            log: Log::new(shared, end),
        }
    }
}

/// Makes a log's directory, and the one above it that its topic's logs share.
pub(super) fn make_directories(disk: &dyn Disk, directory: &Path) -> Result<(), DiskError> {
    let topic = directory.parent().into_iter();
    for directory in topic.chain([directory]) {
        match disk.create_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.naming("make", directory)?,
        }
    }
    Ok(())
}
