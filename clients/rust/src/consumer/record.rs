//! What a consumer gives: records, and the batches they came in, both views of the bytes that came.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::Bytes;
use weir_protocol::batch::{self, Header, InflateError, Plain, View, ViewError, verify_crc};
use weir_protocol::limits::INFLATED_BYTES_MAX;
use weir_protocol::name::TopicName;

use crate::errors::Unreadable;

/// A record, as it was stored. Key, value and headers are views of the memory it was received or
/// inflated in, which they keep alive: copy what is to be kept for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub topic: TopicName,
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
    topic: TopicName,
    partition: u32,
    header: Header,
    bytes: Bytes,
    span: Range<u64>,
    /// A compressed batch without its compression, once its records were asked for.
    inflated: OnceLock<Box<Result<Plain, InflateError>>>,
}

impl RecordBatch {
    pub(crate) fn new(
        (topic, partition): (TopicName, u32),
        header: Header,
        bytes: Bytes,
        span: Range<u64>,
    ) -> Self {
        Self { topic, partition, header, bytes, span, inflated: OnceLock::new() }
    }

    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    pub fn partition(&self) -> u32 {
        self.partition
    }

    /// What the batch says of itself as a whole.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The batch's bytes as they were stored, compressed if they were. They may hold records
    /// outside of [`offsets`](Self::offsets).
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The offsets that are given with this batch. Not each of them has a record: compaction leaves
    /// holes.
    pub fn offsets(&self) -> Range<u64> {
        self.span.clone()
    }

    /// Walks the records in place: borrowed, nothing is allocated. Compressed ones are inflated
    /// first, once.
    ///
    /// # Errors
    /// The batch was damaged, or cannot be inflated. A record that cannot be read ends the walk
    /// with its error.
    pub fn records(
        &self,
    ) -> Result<impl Iterator<Item = Result<batch::Record<'_>, Unreadable>>, Unreadable> {
        verify_crc(&self.bytes)?;
        let span = self.offsets();
        let records = self.view()?.records();
        Ok(records.filter_map(move |record| match record {
            Ok(record) => span.contains(&record.offset).then_some(Ok(record)),
            Err(error) => Some(Err(error.into())),
        }))
    }

    /// The record as a value of its own, still without a copy.
    pub fn to_record(&self, record: &batch::Record<'_>) -> Record {
        let memory = match self.inflated.get().map(Box::as_ref) {
            Some(Ok(plain)) => plain.records(),
            _ => &self.bytes,
        };
        let slice = |bytes: &[u8]| memory.slice_ref(bytes);
        Record {
            topic: self.topic.clone(),
            partition: self.partition,
            offset: record.offset,
            timestamp_ms: record.timestamp,
            key: record.key.map(slice),
            value: record.value.map(slice),
            headers: record.headers().map(|(key, value)| (slice(key), value.map(slice))).collect(),
        }
    }

    fn view(&self) -> Result<View<'_>, InflateError> {
        match View::parse(&self.bytes) {
            Err(ViewError::Compressed { .. }) => {
                let inflate = || Box::new(Plain::parse(&self.bytes, INFLATED_BYTES_MAX));
                match self.inflated.get_or_init(inflate).as_ref() {
                    Ok(plain) => Ok(plain.view()),
                    Err(error) => Err(error.clone()),
                }
            }
            plain => Ok(plain?),
        }
    }

    /// The batch without the offsets below `from`.
    pub(super) fn skip_to(mut self, from: u64) -> Self {
        self.span.start = self.span.start.max(from);
        self
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::checksum::crc32c;

    use super::*;

    const IN_ZSTD: &[u8] = include_bytes!("../../../../tests/golden/batch/java/zstd.batch");

    fn topic() -> TopicName {
        TopicName::parse("t").unwrap()
    }

    #[test]
    fn records_of_a_compressed_batch_are_given_as_they_were_sent() {
        let header = Header::parse(IN_ZSTD).unwrap();
        let batch = RecordBatch::new((topic(), 3), header, Bytes::from_static(IN_ZSTD), 40..50);
        let records = batch.records().unwrap().map(|record| batch.to_record(&record.unwrap()));
        let records: Vec<_> = records.collect();
        assert_eq!(records.len(), 10);
        assert_eq!((records[0].partition, records[0].offset), (3, 40));
        assert!(records.iter().all(|record| record.value.as_deref() == Some(b"again and again")));
        assert_eq!(batch.bytes(), IN_ZSTD);
    }

    #[test]
    fn a_batch_that_cannot_be_inflated_is_refused_each_time() {
        let mut lies = IN_ZSTD.to_vec();
        // The last byte of the attributes: gzip, which it is not.
        lies[22] = 1;
        let crc = crc32c(&lies[21..]);
        lies[17..21].copy_from_slice(&crc.to_be_bytes());
        let batch =
            RecordBatch::new((topic(), 0), Header::parse(&lies).unwrap(), lies.into(), 0..50);
        for _ in 0..2 {
            let refused = batch.records().map(|_| ()).unwrap_err();
            assert!(matches!(refused, Unreadable::Inflate(InflateError::Malformed { .. })));
        }
    }
}
