//! Makes batches: records go in one by one, finished bytes come out.
//!
//! Knows no topic and no partition, and does not compress. Base offset and leader epoch are 0; the
//! broker writes its own.
//!
//! The layout is that of Kafka's own producers, byte for byte: the base timestamp is that of the
//! first record, numbers are spelled shortest, a batch without a producer says −1 for all of it.
//!
//! Invariant: `buffer` holds a header's room and `records` records behind it, or nothing;
//! `buffer.len() <= bytes_max`.
//!
//! Called by clients, and by the server for records that come one by one over HTTP.

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::layout::{Attributes, HEADER_BYTES, Header};
use super::record::RecordHeader;
use super::stamp::{ProducerStamp, seal};
use super::varint;
use crate::limits::{BATCH_BYTES_MAX, HEADERS_PER_RECORD_MAX, RECORDS_PER_BATCH_MAX};

/// Makes one batch after another in one buffer; allocates once per batch at most, and never per
/// record once batches have reached their usual size.
#[derive(Debug)]
pub struct Builder {
    bytes_max: usize,
    buffer: BytesMut,
    records: u32,
    base_timestamp: i64,
    max_timestamp: i64,
    /// What the last batch took: the room to begin the next one with.
    last_bytes: usize,
}

impl Builder {
    /// Makes batches of up to [`BATCH_BYTES_MAX`].
    pub fn new() -> Self {
        Self::with_bytes_max(BATCH_BYTES_MAX)
    }

    /// Makes batches of up to `bytes_max`, or [`BATCH_BYTES_MAX`] if that is less.
    pub fn with_bytes_max(bytes_max: usize) -> Self {
        Self {
            bytes_max: bytes_max.min(BATCH_BYTES_MAX),
            buffer: BytesMut::new(),
            records: 0,
            base_timestamp: 0,
            max_timestamp: 0,
            last_bytes: HEADER_BYTES,
        }
    }

    /// Records pushed since the last batch was finished.
    pub fn records(&self) -> u32 {
        self.records
    }

    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// The bytes of the batch if it were finished now; 0 if it has no records.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// The bytes of the batch if this record were pushed and then finished, or why it cannot be
    /// pushed.
    ///
    /// # Errors
    /// Those of [`push`](Self::push).
    pub fn len_with<'h, H>(
        &self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: H,
    ) -> Result<usize, PushError>
    where
        H: IntoIterator<Item = RecordHeader<'h>, IntoIter: Clone>,
    {
        self.measure(timestamp, key, value, headers.into_iter()).map(|room| room.batch_bytes)
    }

    /// Adds a record behind the others. The headers are walked twice: to measure and to write.
    ///
    /// # Errors
    /// The record did not go in and the batch is as it was. [`PushError::Full`]: finish the batch
    /// and push again. The others: no batch will take this record.
    pub fn push<'h, H>(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: H,
    ) -> Result<(), PushError>
    where
        H: IntoIterator<Item = RecordHeader<'h>, IntoIter: Clone>,
    {
        let headers = headers.into_iter();
        let room = self.measure(timestamp, key, value, headers.clone())?;
        if self.is_empty() {
            self.begin(timestamp, room.batch_bytes);
        }
        let target = &mut self.buffer;
        varint::put(target, room.record_bytes as i64);
        target.put_u8(0);
        varint::put(target, room.timestamp_delta);
        varint::put(target, i64::from(self.records));
        put_nullable(target, key);
        put_nullable(target, value);
        varint::put(target, room.headers as i64);
        for (key, value) in headers {
            put_nullable(target, Some(key));
            put_nullable(target, value);
        }
        assert!(self.buffer.len() == room.batch_bytes, "headers are the same when walked twice");
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.records += 1;
        Ok(())
    }

    /// The batch, ready to be sent; the builder is ready for the next one.
    ///
    /// # Panics
    /// If no record was pushed: there is no batch without one.
    pub fn finish(&mut self, producer: Option<ProducerStamp>) -> Bytes {
        assert!(!self.is_empty(), "a batch has at least one record");
        let stamp = producer.unwrap_or(ProducerStamp { id: -1, epoch: -1, sequence: -1 });
        let header = Header {
            base_offset: 0,
            batch_bytes: self.buffer.len(),
            leader_epoch: 0,
            crc: 0,
            attributes: Attributes::default(),
            last_offset_delta: self.records - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: stamp.id,
            producer_epoch: stamp.epoch,
            base_sequence: stamp.sequence,
            records: self.records,
        };
        seal(&mut self.buffer, header);
        self.records = 0;
        self.last_bytes = header.batch_bytes;
        self.buffer.split().freeze()
    }

    fn begin(&mut self, timestamp: i64, batch_bytes: usize) {
        self.buffer.reserve(batch_bytes.max(self.last_bytes));
        self.buffer.put_bytes(0, HEADER_BYTES);
        self.base_timestamp = timestamp;
        self.max_timestamp = timestamp;
    }

    fn measure<'h>(
        &self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl Iterator<Item = RecordHeader<'h>>,
    ) -> Result<Room, PushError> {
        let mut count = 0;
        let mut content_bytes = nullable_bytes(key) + nullable_bytes(value);
        for (key, value) in headers {
            count += 1;
            content_bytes += nullable_bytes(Some(key)) + nullable_bytes(value);
        }
        if HEADERS_PER_RECORD_MAX < count {
            return Err(PushError::TooManyHeaders { headers: count });
        }
        content_bytes += varint::bytes_of(count as i64);
        let alone = Room::after(HEADER_BYTES, content_bytes, 0, 0, count);
        if self.bytes_max < alone.batch_bytes {
            let (batch_bytes, bytes_max) = (alone.batch_bytes, self.bytes_max);
            return Err(PushError::TooLarge { batch_bytes, bytes_max });
        }
        if self.is_empty() {
            return Ok(alone);
        }
        let timestamp_delta = timestamp.checked_sub(self.base_timestamp).ok_or(PushError::Full)?;
        let room =
            Room::after(self.buffer.len(), content_bytes, timestamp_delta, self.records, count);
        if self.bytes_max < room.batch_bytes || self.records == RECORDS_PER_BATCH_MAX {
            return Err(PushError::Full);
        }
        Ok(room)
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a record did not go into the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PushError {
    #[error("the batch is full; finish it and push the record again")]
    Full,
    #[error(
        "the record makes a batch of {batch_bytes} bytes even alone, and {bytes_max} are allowed; \
         send less in one record, or raise the topic's batch_bytes_max"
    )]
    TooLarge { batch_bytes: usize, bytes_max: usize },
    #[error("the record has {headers} headers; it may have {HEADERS_PER_RECORD_MAX}")]
    TooManyHeaders { headers: usize },
}

/// What a record takes, measured before any of it is written.
struct Room {
    /// The record behind its own length.
    record_bytes: usize,
    /// The batch with the record.
    batch_bytes: usize,
    timestamp_delta: i64,
    headers: usize,
}

impl Room {
    fn after(
        batch_bytes: usize,
        content_bytes: usize,
        timestamp_delta: i64,
        offset_delta: u32,
        headers: usize,
    ) -> Self {
        let attributes_bytes = 1;
        let record_bytes = attributes_bytes
            + varint::bytes_of(timestamp_delta)
            + varint::bytes_of(i64::from(offset_delta))
            + content_bytes;
        let batch_bytes = batch_bytes + varint::bytes_of(record_bytes as i64) + record_bytes;
        Self { record_bytes, batch_bytes, timestamp_delta, headers }
    }
}

fn nullable_bytes(bytes: Option<&[u8]>) -> usize {
    match bytes {
        None => varint::bytes_of(-1),
        Some(bytes) => varint::bytes_of(bytes.len() as i64) + bytes.len(),
    }
}

#[inline]
fn put_nullable(target: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        None => varint::put(target, -1),
        Some(bytes) => {
            varint::put(target, bytes.len() as i64);
            target.put_slice(bytes);
        }
    }
}
