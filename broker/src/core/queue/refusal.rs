//! Why something asked of a queue was not done.

use weir_storage::offset::Offset;

/// Each variant is another decision for who asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueueError {
    #[error("the queue was deleted")]
    Gone,
    #[error("offset {asked} lies behind the end of the partition, which is {tail}")]
    Beyond { asked: Offset, tail: Offset },
    #[error("the journal is full until its next checkpoint: nothing was stored, send again later")]
    JournalFull,
    #[error("writes are stopped since the disk failed: see to it, then restart the broker")]
    WritesStopped,
    #[error("the write or its sync failed: it may be stored or not")]
    OutcomeUnknown,
    #[error("the broker is shutting down")]
    ShuttingDown,
}
