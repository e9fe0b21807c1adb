//! Opening a log: new, or as a checkpoint left it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::epochs::Epochs;
use super::errors::OpenError;
use super::live::Active;
use super::log::Log;
use super::options::Options;
use super::published::End;
use super::reader::Reader;
use super::room::Room;
use super::segments::Segments;
use super::shared::Shared;
use super::upkeep::{Keeping, Upkeep};
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
    /// Makes a new, empty log in `directory`, which is made where it is missing. No segment's
    /// file is there before the first growth.
    pub fn create(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
    ) -> Result<Opened, OpenError> {
        options.check();
        create_directories(&*disk, directory)?;
        Ok(assemble(disk, directory.to_owned(), options, End::default(), Found::default()))
    }
}

/// What an earlier run left that is worth something.
#[derive(Debug, Default)]
struct Found {
    segments: Segments,
    epochs: Epochs,
    keeping: Keeping,
    active: Option<Active>,
}

fn assemble(
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    options: Options,
    end: End,
    found: Found,
) -> Opened {
    let Found { segments, epochs, keeping, active } = found;
    let shared = Shared::new(disk, directory, options, &end, epochs, segments, keeping);
    let shared = Arc::new(shared);
    Opened {
        reader: Reader::new(Arc::clone(&shared)),
        room: Room::new(Arc::clone(&shared)),
        upkeep: Upkeep::new(Arc::clone(&shared)),
        log: Log::new(shared, active, end),
    }
}

fn create_directories(disk: &dyn Disk, directory: &Path) -> Result<(), DiskError> {
    match disk.create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = directory.parent().ok_or(error).naming("make", directory)?;
            create_directories(disk, parent)?;
            disk.create_dir(directory).naming("make", directory)
        }
        made => made.naming("make", directory),
    }
}
