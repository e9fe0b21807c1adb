//! What the four handles of one log share.
//!
//! Nothing here waits for a disk but what is in [`Growth`] and [`Keeping`], which only helper
//! threads lock.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::ahead::Ahead;
use super::epochs::Epochs;
use super::options::Options;
use super::published::{End, Published};
use super::sealed::OpenMaps;
use super::segments::Segments;
use super::upkeep::{Growth, Keeping};
use crate::disk::Disk;
use crate::offset::Offset;

/// One log, as its handles see it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) directory: PathBuf,
    pub(super) options: Options,
    pub(super) published: Published,
    pub(super) segments: Segments,
    pub(super) maps: OpenMaps,
    pub(super) epochs: Mutex<Epochs>,
    pub(super) ahead: Ahead,
    pub(super) growth: Mutex<Growth>,
    pub(super) keeping: Mutex<Keeping>,
    /// Offsets from here on are not served: `u64::MAX`, until a flush fails.
    served_below: AtomicU64,
}

impl Shared {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        options: Options,
        end: &End,
        epochs: Epochs,
        segments: Segments,
        keeping: Keeping,
    ) -> Self {
        Self {
            disk,
            directory,
            published: Published::new(end),
            segments,
            maps: OpenMaps::default(),
            epochs: Mutex::new(epochs),
            ahead: Ahead::default(),
            growth: Mutex::new(Growth::new(&options)),
            keeping: Mutex::new(keeping),
            served_below: AtomicU64::new(u64::MAX),
            options,
        }
    }

    pub(super) fn served_below(&self) -> Offset {
        Offset::new(self.served_below.load(Ordering::Relaxed))
    }

    /// A flush failed: nothing at or above `flushed` is certain to be on the disk, now or ever.
    pub(super) fn stop_serving_from(&self, flushed: Offset) {
        self.served_below.fetch_min(flushed.get(), Ordering::Relaxed);
    }
}
