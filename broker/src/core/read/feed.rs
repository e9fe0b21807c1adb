//! One reader's way through a partition: slices while there are any and it may have them, then
//! sleep until the tail moves.
//!
//! It pushes nothing: whoever holds it asks for the next step, with the credit that is left. At
//! the tail it registers once with the partition, and its holder hears `Ready(token)`.
//!
//! Invariant: `armed` exactly while the partition may still signal this feed; a feed that is
//! dropped is never signalled again.

use weir_storage::log::{Cursor, Read, ReadError, ReadLimits, Slice};
use weir_storage::offset::{Offset, OffsetSpan};

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
    pub(crate) fn new(partition: Handle, from: Offset, signals: Signals, token: u64) -> Self {
        Self { partition, cursor: Cursor::at(from), signals, token, armed: false }
    }

    pub(crate) fn partition(&self) -> &Handle {
        &self.partition
    }

    /// What is read next.
    pub(crate) fn offset(&self) -> Offset {
        self.cursor.offset()
    }

    /// The holder was signalled: the partition has forgotten this feed.
    pub(crate) fn signalled(&mut self) {
        self.armed = false;
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
        Ok(match self.partition.reader().read(&mut self.cursor, limits)? {
            Read::Slice(slice) => Step::Slice(slice),
            Read::Gap(span) => Step::Gap(span),
            Read::AtTail => Step::AtTail,
            Read::NoRoom => Step::NoRoom,
        })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if self.armed {
            self.partition.tail().forget(&self.signals, self.token);
        }
    }
}
