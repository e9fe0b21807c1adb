//! What a consumer gives: records, and the batches they came in, both views of the bytes that came.

use std::ops::Range;

use bytes::Bytes;
use weir_protocol::batch::{self, Header, View, verify_crc};

use crate::errors::Unreadable;

/// A record, as it was stored. Key, value and headers are views of the memory it was received in,
/// which they keep alive: copy what is to be kept for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub partition: u32,
    pub offset: u64,
    /// Milliseconds since 1970, of the producer or of the broker as the topic says.
    pub timestamp_ms: i64,
    pub key: Option<Bytes>,
    /// `None` says that the key is gone.
    pub value: Option<Bytes>,
    /// In the order they were sent; keys may repeat.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

/// A batch of one partition, whole and as it was stored, and the offsets of it that are meant.
#[derive(Clone, Debug)]
pub struct RecordBatch {
    partition: u32,
    header: Header,
    bytes: Bytes,
    span: Range<u64>,
}

impl RecordBatch {
    pub(super) fn new(partition: u32, header: Header, bytes: Bytes, span: Range<u64>) -> Self {
        Self { partition, header, bytes, span }
    }

    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// What the batch says of itself as a whole.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The batch's bytes, which may hold records outside of [`offsets`](Self::offsets). A
    /// compressed batch can be decompressed from here.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The offsets that are given with this batch. Not each of them has a record: compaction leaves
    /// holes.
    pub fn offsets(&self) -> Range<u64> {
        self.span.clone()
    }

    /// Walks the records in place: borrowed, nothing is allocated.
    ///
    /// # Errors
    /// The batch was damaged, or is compressed. A record that cannot be read ends the walk with
    /// its error.
    pub fn records(
        &self,
    ) -> Result<impl Iterator<Item = Result<batch::Record<'_>, Unreadable>>, Unreadable> {
        verify_crc(&self.bytes)?;
        let span = self.offsets();
        let records = View::parse(&self.bytes)?.records();
        Ok(records.filter_map(move |record| match record {
            Ok(record) => span.contains(&record.offset).then_some(Ok(record)),
            Err(error) => Some(Err(error.into())),
        }))
    }

    /// The record as a value of its own, still without a copy.
    pub fn to_record(&self, record: &batch::Record<'_>) -> Record {
        let slice = |bytes: &[u8]| self.bytes.slice_ref(bytes);
        Record {
            partition: self.partition,
            offset: record.offset,
            timestamp_ms: record.timestamp,
            key: record.key.map(slice),
            value: record.value.map(slice),
            headers: record.headers().map(|(key, value)| (slice(key), value.map(slice))).collect(),
        }
    }

    /// The batch without the offsets below `from`.
    pub(super) fn skip_to(mut self, from: u64) -> Self {
        self.span.start = self.span.start.max(from);
        self
    }
}
