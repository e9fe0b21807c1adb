//! The file under a segment that is written or will be, and how much of it is allocated.
//!
//! Nothing beyond the allocation is ever touched: in a mapped file on a full disk a hole is
//! `SIGBUS`, not an error. Knows nothing of batches.
//!
//! ```text
//!   0         proposed            allocated                      bytes_max
//!   ├─ written ──┼─ room, populated ──┼─ no file yet, mapped all the same ─┤
//! ```
//!
//! Invariant: `allocated` only rises while the segment is written; cutting comes after its last
//! batch, when nobody extends it any more.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use rustix::io::Errno;

use super::page_budget::{PageBudget, Share};
use crate::disk::{Disk, File};
use crate::errors::{DiskError, Naming};
use crate::map::Populator;

/// A segment's file with room in it.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) file: Arc<dyn File>,
    /// How far it is mapped, so that it never has more.
    pub(super) bytes_max: u64,
    /// Changes once at most: when a prepared segment gets its name.
    path: Mutex<PathBuf>,
    populator: Mutex<Option<Populator>>,
    pages: PageBudget,
    /// What was brought in last.
    populated: Mutex<Option<Share>>,
    allocated: Allocated,
}

/// How far a file has room for certain. Who looks at it does not hold the file.
#[derive(Clone, Debug)]
pub(super) struct Allocated {
    bytes: Arc<AtomicU64>,
}

impl Allocated {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }
}

impl Ground {
    pub(super) fn new(
        file: Arc<dyn File>,
        path: PathBuf,
        populator: Option<Populator>,
        pages: PageBudget,
        allocated: u64,
        bytes_max: u64,
    ) -> Self {
        Self {
            file,
            bytes_max,
            path: Mutex::new(path),
            populator: Mutex::new(populator),
            pages,
            populated: Mutex::new(None),
            allocated: Allocated { bytes: Arc::new(AtomicU64::new(allocated)) },
        }
    }

    /// How far the file has room for certain.
    pub(super) fn allocated(&self) -> u64 {
        self.allocated.bytes()
    }

    pub(super) fn allocation(&self) -> Allocated {
        self.allocated.clone()
    }

    /// Allocates up to `wanted`, or to `least` where the disk has no more, brings the new pages
    /// in, and only then says so.
    pub(super) fn extend(&self, wanted: u64, least: u64) -> Result<(), DiskError> {
        self.extend_to(wanted, least, |new| {
            self.populate(new).naming("bring in room of", &self.path())
        })
    }

    /// Allocates for a writer that makes its pages itself, or brings them in as it meets them.
    pub(super) fn extend_unpopulated(&self, wanted: u64, least: u64) -> Result<(), DiskError> {
        *self.populated.lock() = None;
        self.extend_to(wanted, least, |_| Ok(()))
    }

    fn extend_to(
        &self,
        wanted: u64,
        least: u64,
        prepare: impl Fn(Range<u64>) -> Result<(), DiskError>,
    ) -> Result<(), DiskError> {
        let start = self.allocated();
        let allocate = |end| {
            let new = start..end;
            if !new.is_empty() {
                self.allocate(new.clone()).naming("allocate room in", &self.path())?;
                prepare(new)?;
                self.allocated.bytes.store(end, Ordering::Release);
            }
            Ok(())
        };
        match allocate(wanted) {
            Err(error) if DiskError::is_full(&error) && least < wanted => allocate(least),
            allocated => allocated,
        }
    }

    /// Renames the file, unless it has the name already.
    pub(super) fn rename(&self, disk: &dyn Disk, target: PathBuf) -> Result<(), DiskError> {
        let mut path = self.path.lock();
        if *path != target {
            disk.rename(&path, &target).naming("rename", &path)?;
            *path = target;
        }
        Ok(())
    }

    pub(super) fn path(&self) -> PathBuf {
        self.path.lock().clone()
    }

    /// Nobody will write here through the map any more.
    pub(super) fn forget_populator(&self) {
        *self.populator.lock() = None;
        *self.populated.lock() = None;
    }

    fn allocate(&self, range: Range<u64>) -> io::Result<()> {
        let end = range.end;
        match self.file.allocate(range) {
            // A writer that does not write through a map survives a file system that can promise
            // no room: it is told when a write fails.
            Err(error) if error.kind() == io::ErrorKind::Unsupported && !self.is_mapped() => {
                self.file.set_len(end)
            }
            allocated => allocated,
        }
    }

    fn is_mapped(&self) -> bool {
        self.populator.lock().is_some()
    }

    fn populate(&self, range: Range<u64>) -> io::Result<()> {
        let Some(populator) = self.populator.lock().clone() else { return Ok(()) };
        let mut populated = self.populated.lock();
        // The writer is where the last share was brought in, or past it.
        *populated = None;
        let Some(share) = self.pages.take(range.end - range.start) else { return Ok(()) };
        *populated = Some(share);
        match populator.populate(range) {
            Err(error) if is_about_bytes(&error) => Err(error),
            // Kernels and sandboxes without this call, or without memory now: the writer will
            // bring pages in as it meets them.
            _ => Ok(()),
        }
    }
}

/// Whether a page could not come in because the file or the disk beneath it is broken.
pub(super) fn is_about_bytes(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| matches!(errno, Errno::FAULT | Errno::IO | Errno::HWPOISON))
}
