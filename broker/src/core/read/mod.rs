//! Reading a partition: from a place on, at the reader's pace.

mod feed;
mod from;

pub(crate) use feed::{Feed, FeedError, Step};
pub(crate) use from::{From, FromError, resolve};
pub(crate) use weir_storage::log::{FirstBatch, ReadError, ReadLimits, Slice};
pub(crate) use weir_storage::offset::{Epoch, Offset, OffsetSpan};
