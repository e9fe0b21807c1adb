//! Makes segments ahead of the journal: new files, files to be used again, zeros.
//!
//! A helper thread owns the maker and steps it; the journal takes what is ready and never waits
//! for a step. Knows no frame.
//!
//! ```text
//!   retired by the journal ─┐
//!   found at the start ─────┼─► spares ──header, sync──► ready ──► the journal's active segment
//!   new files ──────────────┘                               zeros run ahead of its writer
//! ```
//!
//! Invariants: a segment is ready once its header is synced; bases follow each other without a
//! gap; no two files ever carry the same base, so a spare that still carries the next base is the
//! one that is used for it. After a crash, what was not ready is a spare again.

use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use thiserror::Error;

use super::options::Options;
use super::room::Counts;
use super::segment::{Header, Segment, Zeroed, create_file, file_name, note_zeroed};
use super::zeroing::{ChunkOutcome, ZEROED_FIRST_BYTES, Zeroing, write_zeros};
use crate::disk::{Disk, File, Open};
use crate::errors::{DiskError, Naming};
use crate::offset::JournalPos;

/// Makes segments ahead of the journal.
pub struct Maker {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    options: Options,
    fresh_uuid: Box<dyn FnMut() -> [u8; 16] + Send>,
    shared: Arc<Shared>,
    spares: Vec<Spare>,
    unzeroed: VecDeque<Unzeroed>,
    /// Where the next segment begins, and the uuid of the one before it.
    next_base: JournalPos,
    before: [u8; 16],
    /// The uuid of the data directory, for every header.
    data_directory: [u8; 16],
    next_number: u64,
    files: u64,
    failed: bool,
}

impl Maker {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        directory: &Path,
        options: Options,
        fresh_uuid: Box<dyn FnMut() -> [u8; 16] + Send>,
        shared: &Arc<Shared>,
        start: Start,
    ) -> Self {
        Self {
            disk,
            directory: directory.to_owned(),
            options,
            fresh_uuid,
            shared: Arc::clone(shared),
            spares: start.spares,
            unzeroed: VecDeque::new(),
            next_base: start.next_base,
            before: start.before,
            data_directory: start.data_directory,
            next_number: start.next_number,
            files: start.files,
            failed: false,
        }
    }

    /// Does one piece of work: makes a segment, or zeroes and syncs a chunk of one.
    ///
    /// # Errors
    /// - [`MakeError::Passing`]: nothing was made; step again when there is room.
    /// - [`MakeError::Failed`], and from then on always: the journal can use what is ready and
    ///   will then be full.
    pub fn step(&mut self) -> Result<MakerStep, MakeError> {
        if self.failed {
            return Err(MakeError::Stopped);
        }
        let retired = std::mem::take(&mut *self.shared.retired.lock());
        self.spares.extend(retired.iter().map(|segment| Spare::from_retired(segment)));
        let end = JournalPos::new(self.shared.counts.end.load(Ordering::Acquire));
        self.unzeroed.retain(|unzeroed| end < unzeroed.segment.end() && !unzeroed.is_done());
        let due = self.make_due_at();
        if due <= end {
            self.make()?;
            return Ok(MakerStep::Worked);
        }
        if let Some(first) = self.unzeroed.front()
            && first.due_at() <= end
        {
            first.zero_chunk().map_err(|error| self.fail(error))?;
            return Ok(MakerStep::Worked);
        }
        let zeroes_due = self.unzeroed.front().map_or(NEVER, Unzeroed::due_at);
        self.shared.counts.maker_wanted_at.store(due.min(zeroes_due).get(), Ordering::Release);
        Ok(MakerStep::Idle)
    }

    /// The end of the journal at which another segment should be made: while there is a ready one
    /// and room for some frames before it, or half a segment if that is more.
    fn make_due_at(&self) -> JournalPos {
        if self.spares.is_empty() && self.options.segments_max() <= self.files {
            return NEVER;
        }
        let frames = 2 * self.options.frame_bytes_max() as u64 + self.options.reserve_bytes();
        let segment = self.options.segment_bytes;
        let ahead = segment + frames.max(segment / 2);
        JournalPos::new(self.next_base.get().saturating_sub(ahead))
    }

    /// Makes the next segment ready.
    pub(super) fn make(&mut self) -> Result<(), MakeError> {
        let segment = self.make_first()?;
        self.shared.counts.add(segment.room(segment.start()));
        self.shared.ready.lock().push_back(segment);
        Ok(())
    }

    /// Makes the next segment, for the journal to begin with.
    pub(super) fn make_first(&mut self) -> Result<Arc<Segment>, MakeError> {
        let header = Header {
            uuid: (self.fresh_uuid)(),
            before: self.before,
            base: self.next_base,
            len: self.options.segment_bytes,
            directory: self.data_directory,
        };
        let spare = match self.take_spare() {
            Some(spare) => spare,
            None => self.create()?,
        };
        let segment = self.begin(&spare, header).map_err(|error| self.fail(error))?;
        self.zero_ahead(&segment, spare.file);
        self.next_base = self.next_base.plus(header.len);
        self.before = header.uuid;
        Ok(segment)
    }

    /// Zeroes the rest of the segment that a start goes on in.
    pub(super) fn zero_rest(&mut self, active: &Arc<Segment>) -> Result<(), DiskError> {
        let file = self.disk.open(&active.path, Open::Write).naming("open", &active.path)?;
        self.zero_ahead(active, file);
        Ok(())
    }

    fn zero_ahead(&mut self, segment: &Arc<Segment>, file: Arc<dyn File>) {
        let known = self.unzeroed.iter().any(|known| Arc::ptr_eq(&known.segment, segment));
        if !segment.zeroing.is_done() && !known {
            self.unzeroed.push_back(Unzeroed { segment: Arc::clone(segment), file });
        }
    }

    fn take_spare(&mut self) -> Option<Spare> {
        let same = self.spares.iter().position(|spare| spare.base == Some(self.next_base));
        let below = |base: JournalPos| base < self.next_base;
        let any = || self.spares.iter().position(|spare| spare.base.is_none_or(below));
        let index = same.or_else(any)?;
        Some(self.spares.swap_remove(index))
    }

    fn create(&mut self) -> Result<Spare, MakeError> {
        let path = self.directory.join(file_name(self.next_number));
        match create_file(&*self.disk, &path, self.options.segment_bytes) {
            Ok(file) => {
                self.next_number += 1;
                self.files += 1;
                let named = self.disk.sync_dir(&self.directory).naming("sync", &self.directory);
                named.map_err(|error| self.fail(error))?;
                Ok(Spare { path, file, zeroed: Zeroed::InPart, base: None })
            }
            Err(error) => {
                // It has no header, so nothing is lost if it stays; the next try needs the name.
                let _ = self.disk.remove_file(&path);
                Err(if error.is_passing() { MakeError::Passing(error) } else { self.fail(error) })
            }
        }
    }

    /// Gives a file, whose name is durable, its place in the journal. On return that is too.
    fn begin(&self, spare: &Spare, header: Header) -> Result<Arc<Segment>, DiskError> {
        let path = &spare.path;
        let page = header.encode(spare.zeroed);
        spare.file.write_at(&[IoSlice::new(&page)], 0).naming("write", path)?;
        spare.file.sync_data().naming("sync", path)?;
        // The journal's own handle: each sees the failed writes of both.
        let file = self.disk.open(path, Open::Write).naming("open", path)?;
        let zeroed_to = match spare.zeroed {
            Zeroed::Wholly => header.len,
            Zeroed::InPart => ZEROED_FIRST_BYTES.min(header.len),
        };
        let zeroing = Zeroing::new(zeroed_to, header.len);
        Ok(Arc::new(Segment { path: path.clone(), file, header, zeroing }))
    }

    fn fail(&mut self, error: DiskError) -> MakeError {
        self.failed = true;
        MakeError::Failed(error)
    }
}

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Maker({} files, next at {})", self.files, self.next_base)
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MakerStep {
    /// There may be more to do.
    Worked,
    /// Nothing to do until the journal wants more: [`super::Journal::wants_making`].
    Idle,
}

/// Why a step made nothing.
#[derive(Debug, Error)]
pub enum MakeError {
    /// The disk is full, or the process has no descriptor left.
    #[error("there is no room for another journal segment now: {0}")]
    Passing(DiskError),
    #[error("the journal can get no more segments until a restart: {0}")]
    Failed(DiskError),
    #[error("the journal gets no more segments until a restart: an earlier one failed")]
    Stopped,
}

/// What journal and maker hand each other.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) counts: Arc<Counts>,
    pub(super) ready: Mutex<VecDeque<Arc<Segment>>>,
    pub(super) retired: Mutex<Vec<Arc<Segment>>>,
}

impl Shared {
    pub(super) fn new(options: &Options) -> Self {
        let counts = Arc::new(Counts::new(options));
        Self { counts, ready: Mutex::default(), retired: Mutex::default() }
    }
}

/// What a start found for the maker to go on from.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) spares: Vec<Spare>,
    pub(super) next_base: JournalPos,
    pub(super) before: [u8; 16],
    pub(super) data_directory: [u8; 16],
    pub(super) next_number: u64,
    pub(super) files: u64,
}

/// A file that holds nothing the journal needs.
#[derive(Debug)]
pub(super) struct Spare {
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
    pub(super) zeroed: Zeroed,
    /// The base its header names, from an earlier life.
    pub(super) base: Option<JournalPos>,
}

impl Spare {
    pub(super) fn from_retired(segment: &Segment) -> Self {
        Self {
            path: segment.path.clone(),
            file: Arc::clone(&segment.file),
            // It was written to its end.
            zeroed: Zeroed::Wholly,
            base: Some(segment.header.base),
        }
    }
}

/// A segment whose end has no real blocks yet, and a handle of the maker's own to give it some.
#[derive(Debug)]
struct Unzeroed {
    segment: Arc<Segment>,
    file: Arc<dyn File>,
}

impl Unzeroed {
    fn is_done(&self) -> bool {
        self.segment.zeroing.is_done()
    }

    /// The end of the journal at which more of it should be zeroed.
    fn due_at(&self) -> JournalPos {
        let zeroed_to = self.segment.header.base.get() + self.segment.zeroing.zeroed_to();
        JournalPos::new(zeroed_to.saturating_sub(ZEROED_AHEAD_BYTES))
    }

    fn zero_chunk(&self) -> Result<(), DiskError> {
        let zeroing = &self.segment.zeroing;
        if let Some(chunk) = zeroing.claim() {
            let zeroed = write_zeros(&*self.file, chunk).and_then(|()| self.file.sync_data());
            let outcome = if zeroed.is_ok() { ChunkOutcome::Zeroed } else { ChunkOutcome::Failed };
            zeroing.release(outcome);
            zeroed.naming("write zeros to", &self.segment.path)?;
        }
        if !zeroing.is_done() {
            return Ok(());
        }
        note_zeroed(&*self.file, &self.segment.header).naming("write", &self.segment.path)
    }
}

/// So far ahead of the writer segments have real blocks.
const ZEROED_AHEAD_BYTES: u64 = 16 << 20;
const NEVER: JournalPos = JournalPos::new(u64::MAX);
