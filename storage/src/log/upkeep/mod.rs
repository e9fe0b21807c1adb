//! Everything about a log that waits for a disk, for helper threads to do.
//!
//! Each call is safe beside appends and reads, and beside the others: growing never waits for a
//! flush, and where two would disturb each other one waits.
//!
//! A sync that fails stops this side of the log for good: nobody knows what is on the disk of what
//! it was to make certain, a second sync would prove nothing, and so nothing of it is served until
//! the log is opened again.

mod deletion;
mod flush;
mod grow;
mod rest;
mod scrub;
mod seal;
mod untaken;

use std::io;
use std::path::Path;
use std::sync::Arc;

pub use deletion::Deleted;
pub(super) use grow::Growth;
pub use rest::Left;
pub(super) use rest::at_rest;
pub use scrub::{Scrub, Scrubbed};

use super::errors::FlushError;
use super::manifest::Manifest;
use super::options::Options;
use super::published::End;
use super::shared::Shared;
use super::untaken::Untaken;
use crate::errors::DiskError;
use crate::offset::Offset;

/// A log, to be kept. Clones keep the same log.
#[derive(Clone, Debug)]
pub struct Upkeep {
    shared: Arc<Shared>,
}

impl Upkeep {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The log's files are there.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// Changes the size at which the next segment begins: at once where the active one is larger
    /// already, and with the next that is prepared where it is to be larger.
    ///
    /// # Panics
    /// On more than a log's options may say.
    pub fn set_segment_bytes(&self, bytes: u64) {
        let measures = Options { segment_bytes: bytes, ..self.shared.options.clone() };
        measures.check();
        self.shared.set_segment_bytes(bytes);
    }

    /// Does one of the things that only one helper at a time may do.
    fn keep<T>(
        &self,
        work: impl FnOnce(&mut Keeping) -> Result<T, FlushError>,
    ) -> Result<T, FlushError> {
        let mut keeping = self.shared.keeping.lock();
        if keeping.stopped {
            return Err(self.why_stopped());
        }
        work(&mut keeping).inspect_err(|error| {
            if matches!(error, FlushError::Sync(_)) {
                keeping.stopped = true;
                self.shared.stop_serving_from(keeping.flushed.offset);
            }
        })
    }

    fn why_stopped(&self) -> FlushError {
        match self.shared.why_closed() {
            None => FlushError::Stopped,
            Some(why) => {
                let directory = self.shared.directory.clone();
                FlushError::Closed { directory, why: why.clone() }
            }
        }
    }

    fn sync_directory(&self) -> Result<(), FlushError> {
        let Shared { disk, directory, .. } = &*self.shared;
        synced(disk.sync_dir(directory), directory)
    }

    fn replace_manifest(
        &self,
        keeping: &mut Keeping,
        manifest: Manifest,
    ) -> Result<(), FlushError> {
        let Shared { disk, directory, .. } = &*self.shared;
        manifest.write(&**disk, directory)?;
        self.sync_directory()?;
        keeping.manifest = Some(manifest);
        Ok(())
    }
}

/// What is known of the disk's side of a log; held by the one who changes it.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// As it is on the disk, if there is one yet.
    pub(super) manifest: Option<Manifest>,
    /// Everything below is on the disk.
    pub(super) flushed: End,
    /// The segment whose name is on the disk, and all before it.
    pub(super) named: Option<Offset>,
    /// How many bytes of the active segment's offset index were put aside, and whose.
    pub(super) indexed: Option<(Offset, usize)>,
    /// What is kept beside it, where it is closed.
    pub(super) untaken: Option<Untaken>,
    /// Files of what was kept while it was closed are there, and the log has all of it that lies
    /// below here.
    pub(super) taken_below: Option<Offset>,
    pub(super) stopped: bool,
}

fn synced(outcome: io::Result<()>, path: &Path) -> Result<(), FlushError> {
    outcome.map_err(|source| {
        FlushError::Sync(DiskError { doing: "sync", path: path.to_owned(), source })
    })
}
