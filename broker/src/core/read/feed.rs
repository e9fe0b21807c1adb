//! One reader's way through a partition: slices while there are any and it may have them, then
//! sleep until the tail moves.
//!
//! ```text
//!   in memory: read here and now ── far from it: a reader thread brings it in ── Ready(token) ─┐
//!      ▲                       └─── at the tail: registered with it ──────────── Ready(token) ─┤
//!      └───────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! It pushes nothing: whoever holds it asks for the next step, with the credit that is left. It
//! never waits for a disk, so that its holder may be a task.
//!
//! Invariant: `armed` exactly while the partition may still signal this feed, or its signal is on
//! the way; a feed that is dropped has the tail forget it, and its order is abandoned.

use weir_storage::log::{BroughtIn, Cursor, Read, ReadError, ReadLimits, Slice};
use weir_storage::offset::{Offset, OffsetSpan};

use super::ahead::Ahead;
use super::cold::ColdReads;
use crate::core::partition::Handle;
use crate::core::wake::Signals;

/// A reader's feed.
#[derive(Debug)]
pub(crate) struct Feed {
    partition: Handle,
    cursor: Cursor,
    signals: Signals,
    token: u64,
    armed: bool,
    ahead: Ahead,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Whole batches; the first may begin below the cursor.
    Slice(Slice),
    /// Offsets that will never have records.
    Gap(OffsetSpan),
    /// Nothing until the tail moves; the holder hears of it.
    AtTail,
    /// It is brought into memory; the holder hears of it.
    UnderWay,
    /// The next batch is larger than the limits.
    NoRoom,
}

/// Why a feed cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FeedError {
    #[error("the topic was deleted")]
    TopicGone,
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Feed {
    /// A feed from `from` on that signals `Ready(token)`.
    pub(crate) fn new(
        partition: Handle,
        from: Offset,
        cold_reads: ColdReads,
        signals: Signals,
        token: u64,
    ) -> Self {
        let (cursor, ahead) = (Cursor::at(from), Ahead::new(cold_reads));
        Self { partition, cursor, signals, token, armed: false, ahead }
    }

    pub(crate) fn partition(&self) -> &Handle {
        &self.partition
    }

    /// What is read next.
    pub(crate) fn offset(&self) -> Offset {
        self.cursor.offset()
    }

    /// The holder was signalled, once: by the tail, which has forgotten this feed, or by a reader
    /// thread. Both sign with one token; taking the thread's first is right, as the other comes.
    pub(crate) fn signalled(&mut self) {
        if !self.ahead.arrived() {
            self.armed = false;
        }
    }

    /// The next step within `limits`.
    pub(crate) fn next(&mut self, limits: &ReadLimits) -> Result<Step, FeedError> {
        let step = self.read(limits)?;
        if !matches!(step, Step::AtTail) || self.armed {
            return Ok(step);
        }
        self.armed = true;
        self.partition.tail().watch(&self.signals, self.token);
        // What came before the watch was heard of by nobody.
        self.read(limits)
    }

    fn read(&mut self, limits: &ReadLimits) -> Result<Step, FeedError> {
        if self.partition.is_gone() {
            return Err(FeedError::TopicGone);
        }
        let piece = self.ahead.piece(&self.cursor);
        let reader = self.partition.reader();
        Ok(match reader.read_in_memory(&mut self.cursor, limits, piece)? {
            Some(Read::Slice(slice)) => {
                self.ahead.read_on(reader, &self.cursor, &self.signals, self.token);
                Step::Slice(slice)
            }
            Some(Read::Gap(span)) => Step::Gap(span),
            Some(Read::AtTail) => Step::AtTail,
            Some(Read::NoRoom) => Step::NoRoom,
            None => return self.read_far(),
        })
    }

    /// What a reader thread found here, or an order for one.
    fn read_far(&mut self) -> Result<Step, FeedError> {
        match self.ahead.without(self.offset()) {
            Some(Ok(BroughtIn::Gap(span))) => {
                self.cursor = Cursor::at(span.end);
                return Ok(Step::Gap(span));
            }
            Some(Err(error)) => return Err(error.into()),
            // It was at the tail then.
            Some(Ok(_)) | None => {}
        }
        let reader = self.partition.reader();
        self.ahead.order(reader, self.cursor, &self.signals, self.token);
        Ok(Step::UnderWay)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if self.armed {
            self.partition.tail().forget(&self.signals, self.token);
        }
    }
}
