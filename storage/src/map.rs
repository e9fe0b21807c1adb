//! Memory-mapped segments: one writer, many readers, and the watermark between them.
//!
//! This file and its guard hold all of weir's `unsafe`. They know bytes and positions; they know
//! nothing of batches, offsets or what a file is for.
//!
//! ```text
//!   0                      readable                     allocated            len
//!   ├──── never changes ──────┼──── the writer's alone ────┼──── no file yet ───┤
//!        readers' slices       WriterMap::write, or pwrite      touched: SIGBUS
//! ```
//!
//! Invariant: bytes below `readable` are never written again; readers never look at or above it.
//! Both ends are asserted here, so no caller can break it. What is left is the world outside the
//! process: the data directory is locked and for its owner alone, and a file is never cut below a
//! slice that is held. Where a page is lost all the same, or the disk fails, [`guard`] puts zeros
//! there, and whoever looked asks [`ReaderMap::check`] before it believes them.

#![allow(unsafe_code, reason = "mapped memory and one system call that rustix lacks")]

mod guard;
mod watermark;

use std::fmt;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::Arc;

use bytes::Bytes;
use memmap2::{Advice, Mmap, MmapOptions, MmapRaw};

use self::guard::{Access, Guard};
pub(crate) use self::watermark::Watermark;
use crate::disk::File;

/// Maps `len` bytes of a file for its one writer and for its readers; `readable` bytes are
/// already there for readers.
pub(crate) fn map_pair(
    file: &dyn File,
    len: usize,
    readable: u64,
) -> io::Result<(WriterMap, ReaderMap)> {
    let watermark = Arc::new(Watermark::at(readable));
    let fd = file.as_fd().as_raw_fd();
    let map = MmapOptions::new().len(len).map_raw(fd)?;
    let guard = Guard::over(addresses(map.as_ptr(), map.len()), Access::Write)?;
    let pages = Arc::new(Pages { guard, map });
    let writer = WriterMap { pages, readable: Arc::clone(&watermark) };
    Ok((writer, map_reader_below(file, len, watermark)?))
}

/// Maps the first `len` bytes of a file that nobody writes any more.
pub(crate) fn map_sealed(file: &dyn File, len: usize) -> io::Result<ReaderMap> {
    map_reader_below(file, len, Arc::new(Watermark::at(len as u64)))
}

/// Maps a file for readers, with the watermark in the caller's hands: for a writer that does not
/// write through a map.
pub(crate) fn map_reader_below(
    file: &dyn File,
    len: usize,
    readable: Arc<Watermark>,
) -> io::Result<ReaderMap> {
    // SAFETY: the map is shared and read-only. Its bytes below `readable` never change (the
    // invariant above) and no reference to a byte at or above it is ever made.
    let map = unsafe { MmapOptions::new().len(len).map(file.as_fd().as_raw_fd())? };
    let guard = Guard::over(addresses(map.as_ptr(), map.len()), Access::Read)?;
    Ok(ReaderMap { view: Arc::new(View { guard, map, readable }) })
}

fn addresses(first: *const u8, len: usize) -> Range<usize> {
    first.addr()..first.addr() + len
}

/// What the reader or writer of a lost page is told: as a call to the disk would have.
fn lost() -> io::Error {
    io::Error::from_raw_os_error(libc::EIO)
}

/// Asks the kernel to begin writing dirty pages of `range` out, and returns at once.
pub(crate) fn start_writeback(fd: BorrowedFd<'_>, range: Range<u64>) -> io::Result<()> {
    let (Ok(start), Ok(end)) = (i64::try_from(range.start), i64::try_from(range.end)) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // SAFETY: the call takes numbers only, touches no memory of ours, and the descriptor is
    // borrowed, hence open.
    let answer = unsafe {
        libc::sync_file_range(fd.as_raw_fd(), start, end - start, libc::SYNC_FILE_RANGE_WRITE)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The one writable view of an active segment.
pub(crate) struct WriterMap {
    pages: Arc<Pages>,
    readable: Arc<Watermark>,
}

/// What is written through. The guard goes first, the map behind it.
struct Pages {
    guard: Guard,
    map: MmapRaw,
}

impl WriterMap {
    /// Copies `bytes` to `position`. The caller has allocated the file beneath.
    ///
    /// # Errors
    /// Where a page of this map was lost, now or before: what is written may be nowhere.
    ///
    /// # Panics
    /// Below the watermark or past the end of the map.
    pub(crate) fn write(&mut self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let map = &self.pages.map;
        assert!(self.readable.written() <= position, "a readable byte is final");
        let end = position.checked_add(bytes.len() as u64).expect("positions fit a file");
        assert!(end <= map.len() as u64, "a write stays within its map");
        // SAFETY: the range lies inside the mapping (asserted above), `&mut self` makes this the
        // only writer, and no reader looks at or above `readable`, which is at most `position`.
        unsafe {
            let target = map.as_mut_ptr().add(position as usize);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len());
        }
        if self.pages.guard.has_lost_pages() { Err(lost()) } else { Ok(()) }
    }

    /// Whether bytes from `position` on may be written to the file past this map.
    ///
    /// # Errors
    /// Where a page of this map was lost: what was written through it may be nowhere.
    ///
    /// # Panics
    /// Below the watermark.
    pub(crate) fn check_from(&self, position: u64) -> io::Result<()> {
        assert!(self.readable.written() <= position, "a readable byte is final");
        if self.pages.guard.has_lost_pages() { Err(lost()) } else { Ok(()) }
    }

    /// Lets readers see all bytes below `position`.
    ///
    /// # Panics
    /// If readers already see more, or past the end of the map.
    pub(crate) fn publish(&mut self, position: u64) {
        assert!(position <= self.pages.map.len() as u64, "the watermark stays within its map");
        self.readable.publish(position);
    }

    pub(crate) fn populator(&self) -> Populator {
        Populator { pages: Arc::clone(&self.pages) }
    }
}

impl fmt::Debug for WriterMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let readable = self.readable.written();
        write!(f, "WriterMap({readable} of {})", self.pages.map.len())
    }
}

/// Brings pages of a writer's map into memory ahead of it, from another thread.
#[derive(Clone)]
pub(crate) struct Populator {
    pages: Arc<Pages>,
}

impl Populator {
    /// Faults the pages of `range` in for writing; the file beneath them must be allocated.
    ///
    /// # Errors
    /// Where the file has no such bytes (`EFAULT`) or no memory is left: never a signal.
    pub(crate) fn populate(&self, range: Range<u64>) -> io::Result<()> {
        let map = &self.pages.map;
        assert!(range.end <= map.len() as u64, "population stays within its map");
        let count = (range.end - range.start) as usize;
        map.advise_range(Advice::PopulateWrite, range.start as usize, count)
    }
}

impl fmt::Debug for Populator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Populator({})", self.pages.map.len())
    }
}

/// The readers' view of a segment. The mapping lives while a clone or a slice of it does.
#[derive(Clone)]
pub(crate) struct ReaderMap {
    view: Arc<View>,
}

/// The guard goes first, the map behind it.
struct View {
    guard: Guard,
    map: Mmap,
    readable: Arc<Watermark>,
}

impl ReaderMap {
    /// How many bytes readers may see.
    pub(crate) fn readable(&self) -> u64 {
        self.view.readable.readable()
    }

    /// How many bytes are mapped, readable or not.
    pub(crate) fn mapped(&self) -> u64 {
        self.view.map.len() as u64
    }

    /// The bytes of `range`, for as long as the view is borrowed.
    ///
    /// # Panics
    /// At or above the watermark.
    pub(crate) fn bytes(&self, range: Range<u64>) -> &[u8] {
        assert!(range.start <= range.end, "a range is not inverted");
        assert!(range.end <= self.readable(), "readers stay below the watermark");
        // SAFETY: the range lies below `readable`, hence inside the mapping and inside the file,
        // and its bytes never change again.
        unsafe {
            let first = self.view.map.as_ptr().add(range.start as usize);
            std::slice::from_raw_parts(first, (range.end - range.start) as usize)
        }
    }

    /// The bytes of `range` as a value that keeps the mapping alive.
    ///
    /// # Panics
    /// At or above the watermark.
    pub(crate) fn slice(&self, range: Range<u64>) -> Bytes {
        assert!(range.end <= self.readable(), "readers stay below the watermark");
        Bytes::from_owner(Held { map: self.clone(), range })
    }

    /// Faults the pages of `range` in for reading.
    ///
    /// # Errors
    /// Where the file lost those bytes or the disk fails: never a signal.
    pub(crate) fn populate(&self, range: Range<u64>) -> io::Result<()> {
        let count = (range.end - range.start) as usize;
        self.view.map.advise_range(Advice::PopulateRead, range.start as usize, count)
    }

    /// Whether what was looked at here can be believed.
    ///
    /// # Errors
    /// Where a page was lost since it was mapped: zeros may have been seen in its place.
    pub(crate) fn check(&self) -> io::Result<()> {
        if self.view.guard.has_lost_pages() { Err(lost()) } else { Ok(()) }
    }

    /// Whether all pages of `range` are in memory, so that reading them waits for no disk. Of a
    /// range too long to ask about, no.
    pub(crate) fn is_in_memory(&self, range: Range<u64>) -> bool {
        let first = range.start / PAGE_BYTES * PAGE_BYTES;
        let pages = range.end.saturating_sub(first).div_ceil(PAGE_BYTES) as usize;
        let mut states = [0; PAGES_ASKED_MAX];
        if PAGES_ASKED_MAX < pages || self.mapped() < range.end {
            return false;
        }
        // SAFETY: the range is rounded to pages and lies inside the mapping (checked above);
        // `states` has a byte for each of them.
        let answer = unsafe {
            let start = self.view.map.as_ptr().add(first as usize);
            libc::mincore(start.cast_mut().cast(), pages * PAGE_BYTES as usize, states.as_mut_ptr())
        };
        answer == 0 && states[..pages].iter().all(|state| state & 1 == 1)
    }
}

impl fmt::Debug for ReaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReaderMap({} of {})", self.readable(), self.view.map.len())
    }
}

/// What a slice owns: the mapping and its part of it.
struct Held {
    map: ReaderMap,
    range: Range<u64>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.map.bytes(self.range.clone())
    }
}

/// Pages that are asked about at once: 256 KiB, wherever they begin.
const PAGES_ASKED_MAX: usize = 65;

/// What the kernel maps at once, everywhere weir runs.
const PAGE_BYTES: u64 = 4096;
