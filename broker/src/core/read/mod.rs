//! Reading a partition: from a place on, at the reader's pace.
//!
//! What is in memory is read by who asks. What is not is brought in by the threads of `cold`, so
//! that no task ever waits for a disk. What was read is whole batches; `walk` is the way through
//! them for who wants records.

mod ahead;
mod cold;
mod feed;
mod from;
mod opened;
mod walk;

pub(crate) use cold::ColdReads;
pub(crate) use feed::{Feed, FeedError, Step};
pub(crate) use from::{From, FromError};
pub(crate) use opened::{INFLATED_AT_ONCE_BYTES_MAX, Opened, apart};
pub(crate) use walk::{Item, Reason, Skipped, Walk};
pub(crate) use weir_storage::log::{FirstBatch, Quarantined, ReadError, ReadLimits, Slice};
pub(crate) use weir_storage::offset::{Epoch, Offset, OffsetSpan};
