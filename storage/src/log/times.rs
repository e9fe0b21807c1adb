//! From a timestamp to an offset.
//!
//! The time index leads near, batches' headers nearer, and only the batch that must hold the
//! answer is looked into. Timestamps are the producers' and need not rise, so the answer is the
//! lowest offset whose record is not earlier, whatever lies behind it.

use bytes::Bytes;
use weir_protocol::batch::{InflateError, Plain};
use weir_protocol::limits::INFLATED_BYTES_MAX;

use super::errors::ReadError;
use super::readable::Readable;
use super::reader::Reader;
use super::segments::Segment;
use super::walk::Placed;
use crate::offset::Offset;

impl Reader {
    /// The first record whose timestamp is `timestamp` or later, and its timestamp; `None` if
    /// there is none yet. Of a compressed batch that cannot be inflated it is the first offset and
    /// the largest timestamp. May wait for a disk.
    ///
    /// # Errors
    /// Where the part of the log that should hold the answer cannot be served.
    pub fn offset_for_time(&self, timestamp: i64) -> Result<Option<(Offset, i64)>, ReadError> {
        self.shared.check_open()?;
        let span = self.start()..self.tail().min(self.shared.served_below());
        for segment in self.shared.segments.all() {
            let may_hold = timestamp <= segment.newest_timestamp();
            if may_hold && !segment.ends_below(span.start) {
                let found = self.search(segment, timestamp, span.start, span.end)?;
                if found.is_some() {
                    return Ok(found);
                }
            }
        }
        Ok(None)
    }

    /// The first record of the largest timestamp that any has which is kept, and that timestamp;
    /// `None` where none has any. May wait for a disk.
    ///
    /// # Errors
    /// Where the part of the log that should hold the answer cannot be served.
    pub fn newest(&self) -> Result<Option<(Offset, i64)>, ReadError> {
        self.shared.check_open()?;
        let start = self.start();
        let mut newest = -1;
        for segment in self.shared.segments.all() {
            let may_be_newer = newest < segment.newest_timestamp();
            if may_be_newer && !segment.ends_below(start) {
                newest = newest.max(match segment.base() < start {
                    true => self.newest_from(segment, start)?,
                    false => segment.newest_timestamp(),
                });
            }
        }
        if newest < 0 { Ok(None) } else { self.offset_for_time(newest) }
    }

    /// The largest timestamp of a segment's records from `start` on; −1 if none has any.
    fn newest_from(&self, segment: Segment, start: Offset) -> Result<i64, ReadError> {
        let mut segment = Readable::open(&self.shared, segment, start)?;
        let (mut position, mut newest) = (segment.near(start), -1);
        while let Some(batch) = segment.batch_at(position)? {
            if start <= batch.base() {
                newest = newest.max(batch.header.max_timestamp);
            } else if start < batch.next() {
                let bytes = segment.slice(batch.position..batch.end())?;
                newest = newest.max(newest_record(&batch, &bytes, start));
            }
            position = batch.end();
        }
        Ok(newest)
    }

    fn search(
        &self,
        segment: Segment,
        timestamp: i64,
        start: Offset,
        tail: Offset,
    ) -> Result<Option<(Offset, i64)>, ReadError> {
        let first = start.max(segment.base());
        let mut segment = Readable::open(&self.shared, segment, first)?;
        let from = segment.not_before(timestamp).max(start);
        let mut position = segment.near(from);
        while let Some(batch) = segment.batch_at(position)?
            && batch.base() < tail
        {
            if start < batch.next() && timestamp <= batch.header.max_timestamp {
                let bytes = segment.slice(batch.position..batch.end())?;
                if let Some(found) = first_record(&batch, &bytes, timestamp, start) {
                    return Ok(Some(found));
                }
            }
            position = batch.end();
        }
        Ok(None)
    }
}

/// The largest timestamp of a batch's records from `start` on, as far as they can be read.
fn newest_record(batch: &Placed, bytes: &Bytes, start: Offset) -> i64 {
    let Ok(plain) = Plain::parse(bytes, INFLATED_BYTES_MAX) else {
        return batch.header.max_timestamp;
    };
    let records = plain.view().records().map_while(Result::ok);
    let kept = records.filter(|record| start.get() <= record.offset);
    kept.map(|record| record.timestamp).max().unwrap_or(-1)
}

/// The first record of a batch that is neither earlier than `timestamp` nor below `start`.
fn first_record(
    batch: &Placed,
    bytes: &Bytes,
    timestamp: i64,
    start: Offset,
) -> Option<(Offset, i64)> {
    let plain = match Plain::parse(bytes, INFLATED_BYTES_MAX) {
        Ok(plain) => plain,
        Err(InflateError::TooLarge { .. } | InflateError::Malformed { .. }) => {
            return Some((batch.base().max(start), batch.header.max_timestamp));
        }
        Err(InflateError::View(_)) => return None,
    };
    // A batch whose records contradict its header is read up to there.
    let mut records = plain.view().records().map_while(Result::ok);
    let found = records.find(|r| start.get() <= r.offset && timestamp <= r.timestamp)?;
    Some((Offset::new(found.offset), found.timestamp))
}
