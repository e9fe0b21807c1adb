//! The journal's writing end: frames are staged, written together, made durable by one sync.
//!
//! One thread owns it. It knows frames and segments; what the entries mean is their owners'. It
//! waits for nobody: room for a frame was promised by [`Room`](super::Room) before.
//!
//! ```text
//!   durable_to ─── sync ◄── journaled ─── write ◄── end ◄── stage
//! ```
//!
//! Invariant: `durable_to ≤ journaled ≤ end`. A write or sync that fails stops the journal: what
//! is above `durable_to` is unknown from then on, until a restart reads what there is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use thiserror::Error;

use super::frame::{
    EntryRef, FrameHead, Header, Kind, MARK_BYTES, MARK_SHARD, Purpose, RunBefore, frame_bytes,
};
use super::maker::Shared;
use super::recovery::Recovery;
use super::segment::Segment;
use super::staged::Staged;
use crate::errors::DiskError;
use crate::offset::{Index, JournalPos, Term};

/// The journal, open for writing.
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    run: u32,
    sealed: VecDeque<Arc<Segment>>,
    active: Arc<Segment>,
    /// The end that the room promised in the active segment is good for, at the least.
    counted_to: JournalPos,
    /// The last index of each shard that has any: what a start will demand, staging asserts.
    last_index: BTreeMap<u16, Index>,
    staged: Staged,
    unsynced: Vec<Arc<Segment>>,
    end: JournalPos,
    journaled: JournalPos,
    durable_to: JournalPos,
    mark: MarkRoom,
    stopped: bool,
}

impl Journal {
    /// Goes on behind what was recovered, all of which is durable.
    pub(super) fn new(
        shared: Arc<Shared>,
        sealed: VecDeque<Arc<Segment>>,
        active: Arc<Segment>,
        recovery: &Recovery,
    ) -> Self {
        let Recovery { run, end, .. } = *recovery;
        active.zeroing.pass(active.position_of(end));
        shared.counts.add(active.room(end));
        let counted = shared.counts.counted(active.room(end));
        let journal = Self {
            shared,
            run,
            sealed,
            active,
            counted_to: end.plus(counted),
            last_index: recovery.last_index.clone(),
            staged: Staged::default(),
            unsynced: Vec::new(),
            end,
            journaled: end,
            durable_to: end,
            mark: MarkRoom::None,
            stopped: false,
        };
        journal.show();
        journal
    }

    /// Encodes one frame behind all others and returns its end. Its room was reserved; nothing is
    /// written yet.
    ///
    /// # Panics
    /// For more bytes than were reserved, and for an index that does not follow its shard's last.
    pub fn stage(&mut self, head: &FrameHead, entries: &[EntryRef<'_>]) -> JournalPos {
        assert!(head.shard != MARK_SHARD, "a frame with entries belongs to a shard");
        let last_index = self.last_index.entry(head.shard).or_default();
        assert!(head.index == last_index.plus(1), "a shard's indexes are consecutive");
        *last_index = head.index;
        self.add(Purpose::Entries, head, entries);
        if std::mem::replace(&mut self.mark, MarkRoom::Paid) == MarkRoom::Paid {
            // One mark does for all frames since the last.
            self.shared.counts.give_back(MARK_BYTES);
        }
        self.end
    }

    /// Adds a mark, which carries `durable_to`, for the frames since the last one; without any,
    /// nothing.
    pub fn stage_mark(&mut self) {
        if std::mem::replace(&mut self.mark, MarkRoom::None) == MarkRoom::Paid {
            self.add(Purpose::Entries, &MARK_HEAD, &[]);
        }
    }

    /// Writes what is staged. On return it survives a crash of this process ("journaled").
    ///
    /// # Errors
    /// After any error of a write or sync, always: how much was written is unknown.
    pub fn write(&mut self) -> Result<JournalPos, WriteError> {
        if self.stopped {
            self.staged.clear();
            return Err(WriteError::Stopped);
        }
        if let Err(error) = self.staged.write(&mut self.unsynced) {
            self.stopped = true;
            self.staged.clear();
            return Err(WriteError::Disk(error));
        }
        self.journaled = self.end;
        Ok(self.journaled)
    }

    /// Makes what was written durable ("committed"). On return it survives a power cut.
    ///
    /// # Errors
    /// After any error of a write or sync, always: what is above [`Journal::durable_to`] is
    /// neither durable nor gone. A failed sync is never tried again, since the kernel would take
    /// the lost bytes for clean.
    pub fn sync(&mut self) -> Result<JournalPos, SyncError> {
        if self.stopped {
            return Err(SyncError::Stopped);
        }
        for segment in self.unsynced.drain(..) {
            if let Err(error) = segment.sync() {
                self.stopped = true;
                return Err(SyncError::Disk(error));
            }
        }
        self.durable_to = self.journaled;
        Ok(self.durable_to)
    }

    /// The end of all that was staged.
    pub fn end(&self) -> JournalPos {
        self.end
    }

    /// Everything below survives a power cut.
    pub fn durable_to(&self) -> JournalPos {
        self.durable_to
    }

    /// The number of this run, one more than that of the run before.
    pub fn run(&self) -> u32 {
        self.run
    }

    /// True when a step of the maker would do something; asked after each write.
    pub fn wants_making(&self) -> bool {
        self.shared.counts.maker_wanted_at.load(Ordering::Acquire) <= self.end.get()
    }

    /// Gives up the segments wholly below `position`, for which the older of two checkpoints
    /// vouches; their files are used again.
    ///
    /// # Panics
    /// Above `durable_to`.
    pub fn recycle_below(&mut self, position: JournalPos) {
        assert!(position <= self.durable_to, "a checkpoint vouches for what is durable");
        let count = self.sealed.partition_point(|segment| segment.end() <= position);
        if count != 0 {
            self.shared.retired.lock().extend(self.sealed.drain(..count));
            self.shared.counts.maker_wanted_at.store(0, Ordering::Release);
            self.show();
        }
    }

    /// Writes and syncs the first frame of this run.
    pub(super) fn start_run(&mut self, before: RunBefore) -> Result<(), DiskError> {
        let none = bytes::Bytes::new();
        let entry = EntryRef { kind: Kind::Mark, head: &before.encode(), body: &none };
        self.add(Purpose::RunStart, &MARK_HEAD, &[entry]);
        self.shared.counts.take_for_run_start();
        self.staged.write(&mut self.unsynced)?;
        for segment in self.unsynced.drain(..) {
            segment.sync()?;
        }
        (self.journaled, self.durable_to) = (self.end, self.end);
        Ok(())
    }

    fn add(&mut self, purpose: Purpose, head: &FrameHead, entries: &[EntryRef<'_>]) {
        let length = frame_bytes(entries.iter().map(EntryRef::payload_bytes)) as u64;
        if self.active.room(self.end) < length {
            self.roll();
        }
        self.add_frame(purpose, head, entries, length);
        if self.counted_to < self.end {
            self.shared.counts.add_unwasted(self.end.since(self.counted_to));
            self.counted_to = self.end;
        }
    }

    fn add_frame(
        &mut self,
        purpose: Purpose,
        head: &FrameHead,
        entries: &[EntryRef<'_>],
        length: u64,
    ) {
        if self.staged.is_empty() {
            self.staged.begin_span(&self.active, self.end);
        }
        let header = Header {
            length: u32::try_from(length).expect("a frame fits half a segment"),
            purpose,
            run: self.run,
            entries: u32::try_from(entries.len()).expect("entries of a frame fit its bytes"),
            head: *head,
            durable_to: self.durable_to,
        };
        self.staged.add_frame(&header, entries);
        self.end = self.end.plus(length);
        self.shared.counts.end.store(self.end.get(), Ordering::Release);
    }

    /// Ends the active segment and goes on in the next.
    fn roll(&mut self) {
        assert!(self.counted_to <= self.end, "a wasted tail is smaller than the largest frame");
        self.add_frame(Purpose::SegmentEnd, &MARK_HEAD, &[], MARK_BYTES);
        let next = self.shared.ready.lock().pop_front();
        let next = next.expect("room is promised in segments that are ready");
        self.end = next.start();
        self.counted_to = self.end.plus(self.shared.counts.counted(next.room(self.end)));
        self.staged.begin_span(&next, self.end);
        self.sealed.push_back(std::mem::replace(&mut self.active, next));
    }

    /// Shows where the journal begins and ends to those who share its counts.
    fn show(&self) {
        let oldest = self.sealed.front().unwrap_or(&self.active).header.base;
        self.shared.counts.oldest.store(oldest.get(), Ordering::Release);
        self.shared.counts.end.store(self.end.get(), Ordering::Release);
    }
}

/// Whether the frames since the last mark paid for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MarkRoom {
    None,
    Paid,
}

/// Why a write did not happen.
#[derive(Debug, Error)]
pub enum WriteError {
    #[error("the journal stopped, what was waiting is lost or not: {0}")]
    Disk(DiskError),
    #[error("the journal stopped when a write or sync failed; a restart reads what there is")]
    Stopped,
}

/// Why a sync made nothing durable.
#[derive(Debug, Error)]
pub enum SyncError {
    #[error("the journal stopped, what was written is durable or not: {0}")]
    Disk(DiskError),
    #[error("the journal stopped when a write or sync failed; a restart reads what there is")]
    Stopped,
}

const MARK_HEAD: FrameHead =
    FrameHead { shard: MARK_SHARD, term: Term::ZERO, index: Index::ZERO, timestamp: 0 };
