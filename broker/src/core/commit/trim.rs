//! A log's new start on its way to the thread that owns the log.
//!
//! For a log behind the journal the entry itself is on its way: it is committed with what stands
//! around it and applied in its place. The owner of a `written` log gets the start when the entry
//! is committed.

use bytes::Bytes;
use tokio::sync::oneshot;
use weir_storage::offset::Offset;

use super::append::Slot;
use crate::core::wake::AppendError;

/// The start, with who waits for it.
#[derive(Debug)]
pub(crate) struct Trim {
    pub(crate) slot: Slot,
    pub(crate) start: Offset,
    /// The LogStart entry; empty where the journal has it already.
    pub(crate) body: Bytes,
    pub(crate) waiter: Option<TrimWaiter>,
}

/// Who is told where the log begins now.
pub(crate) type TrimWaiter = oneshot::Sender<Result<Offset, TrimError>>;

/// Why a log's start was not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TrimError {
    #[error("offset {asked} is beyond the partition, which has {start} to {tail}")]
    Beyond { asked: Offset, start: Offset, tail: Offset },
    #[error("the journal is full; it is being checkpointed, try again")]
    JournalFull,
    #[error(transparent)]
    NotDone(#[from] AppendError),
}

/// Tells who waits, if somebody does.
pub(crate) fn tell(waiter: Option<TrimWaiter>, outcome: Result<Offset, TrimError>) {
    if let Some(waiter) = waiter {
        let _ = waiter.send(outcome);
    }
}

impl Trim {
    /// The log begins at its start now.
    pub(super) fn answer(&mut self) {
        tell(self.waiter.take(), Ok(self.start));
    }

    /// Tells who waits that it was not done.
    pub(super) fn refuse(&mut self, error: AppendError) {
        tell(self.waiter.take(), Err(TrimError::NotDone(error)));
    }
}
