//! One record of a log, read for its move.

use bytes::Bytes;
use weir_protocol::batch::{Plain, Record, batches};
use weir_protocol::limits::INFLATED_BYTES_MAX;
use weir_storage::log::{FirstBatch, ReadError, ReadLimits};
use weir_storage::offset::Offset;

use crate::core::partition::Handle;
use crate::core::read::{ColdReads, Feed, FeedError, Step};
use crate::core::wake::Signals;

/// What stands at an offset.
#[derive(Debug)]
pub(super) enum Found {
    /// A batch in which it is, or was.
    Batch(Plain),
    /// A batch that lies, or a damaged segment: nobody can read it.
    Unreadable,
    /// Nothing any more: it was deleted.
    Nothing,
}

/// Reads what stands at an offset; waits for the disk where it must.
///
/// # Errors
/// Where the log cannot be read there now.
pub(super) async fn read(
    source: &Handle,
    cold_reads: &ColdReads,
    offset: Offset,
) -> Result<Found, FeedError> {
    let signals = Signals::default();
    let mut feed = Feed::new(source.clone(), offset, cold_reads.clone(), signals.clone(), 0);
    loop {
        match feed.next(&LIMITS) {
            Ok(Step::Slice(slice)) => return Ok(found(&slice.bytes)),
            Ok(Step::Gap(_)) => return Ok(Found::Nothing),
            Ok(Step::AtTail | Step::UnderWay | Step::NoRoom) => {
                signals.wait().await;
                signals.take(&mut Vec::new());
                feed.signalled();
            }
            Err(FeedError::Read(ReadError::OutOfRange { asked, start, .. })) if asked < start => {
                return Ok(Found::Nothing);
            }
            // Where it was is said all the same; its bytes stay where they are.
            Err(FeedError::Read(ReadError::Quarantined { .. })) => return Ok(Found::Unreadable),
            Err(error) => return Err(error),
        }
    }
}

fn found(bytes: &Bytes) -> Found {
    match batches(bytes).next() {
        Some(Ok((_, batch))) => Plain::parse(&bytes.slice_ref(batch), INFLATED_BYTES_MAX)
            .map_or(Found::Unreadable, Found::Batch),
        Some(Err(_)) | None => Found::Unreadable,
    }
}

/// The record at an offset; `None` where the batch lies before it, or has none there.
pub(super) fn record(batch: &Plain, offset: Offset) -> Option<Record<'_>> {
    let mut records = batch.view().records().map_while(Result::ok);
    records.find(|record| record.offset == offset.get())
}

/// The batch alone.
const LIMITS: ReadLimits = ReadLimits { bytes_max: 1, messages_max: 1, first: FirstBatch::Always };
