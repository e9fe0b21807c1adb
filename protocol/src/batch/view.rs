//! A batch seen from inside: its records, walked in place without allocating.
//!
//! Does not look at the checksum and does not decompress: a compressed batch answers
//! [`ViewError::Compressed`].
//!
//! The header was written by whoever wrote the records, so nothing of it is believed: a record
//! must lie inside its batch, offsets must increase and stay at or below the last one, and the
//! records must be as many as announced with nothing behind them. Offsets may have holes, which
//! compaction leaves. The walk ends at the first record that lies, with the reason.
//!
//! Called by live fan-out, queues, compaction and HTTP, which need records; and by clients.

use thiserror::Error;

use super::layout::{
    Compression, HEADER_BYTES, Header, HeaderError, TimestampType, UnknownCompression,
};
use super::record::{RawRecord, Record, RecordError};

/// One batch whose records can be walked.
#[derive(Clone, Debug)]
pub struct View<'a> {
    header: Header,
    records: &'a [u8],
}

impl<'a> View<'a> {
    /// Views the batch at the start of `bytes`; what follows it is left alone.
    ///
    /// # Errors
    /// There is no whole batch, or it must be decompressed first, by [`Plain`](super::Plain).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ViewError> {
        let (header, records) = split(bytes)?;
        match header.attributes.compression()? {
            Compression::None => Ok(Self { header, records }),
            compression => Err(ViewError::Compressed { compression }),
        }
    }

    /// Views the records of a batch that has this header, as they are without compression.
    pub(super) fn of_plain(header: Header, records: &'a [u8]) -> Self {
        Self { header, records }
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Walks the records from the first.
    pub fn records(&self) -> Records<'a> {
        Records { header: self.header, rest: self.records, index: 0, delta_min: 0, ended: false }
    }
}

/// The header of the batch at the start of `bytes`, and its records as they lie.
pub(super) fn split(bytes: &[u8]) -> Result<(Header, &[u8]), ViewError> {
    let header = Header::parse(bytes)?;
    let records = bytes
        .get(HEADER_BYTES..header.batch_bytes)
        .ok_or(ViewError::Incomplete { batch_bytes: header.batch_bytes, bytes: bytes.len() })?;
    Ok((header, records))
}

/// The records of a batch, in order; after an error, none.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    header: Header,
    rest: &'a [u8],
    index: u32,
    /// The smallest offset delta that the next record may have.
    delta_min: u32,
    ended: bool,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        if self.index == self.header.records {
            self.ended = true;
            let records = self.header.records;
            return (!self.rest.is_empty()).then_some(Err(RecordError::Count { records }));
        }
        let record = self.take();
        self.ended = record.is_err();
        Some(record)
    }
}

impl<'a> Records<'a> {
    #[inline]
    fn take(&mut self) -> Result<Record<'a>, RecordError> {
        let index = self.index;
        let raw = RawRecord::take(&mut self.rest, index)?;
        let delta = self.admit_delta(raw.offset_delta)?;
        let timestamp = match self.header.attributes.timestamp_type() {
            TimestampType::LogAppendTime => self.header.max_timestamp,
            TimestampType::CreateTime => self
                .header
                .base_timestamp
                .checked_add(raw.timestamp_delta)
                .ok_or(RecordError::Timestamp { index })?,
        };
        self.index += 1;
        self.delta_min = delta + 1;
        Ok(raw.at(self.header.base_offset + u64::from(delta), timestamp))
    }

    #[inline]
    fn admit_delta(&self, delta: i32) -> Result<u32, RecordError> {
        let expected = self.delta_min..=self.header.last_offset_delta;
        match u32::try_from(delta) {
            Ok(delta) if expected.contains(&delta) => Ok(delta),
            _ => Err(RecordError::OffsetDelta {
                index: self.index,
                delta,
                expected_from: self.delta_min,
                expected_to: self.header.last_offset_delta,
            }),
        }
    }
}

/// Why a batch cannot be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ViewError {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("the batch announces {batch_bytes} bytes and {bytes} are there; read on")]
    Incomplete { batch_bytes: usize, bytes: usize },
    #[error("the batch is compressed with {compression:?}; decompress its records first")]
    Compressed { compression: Compression },
    #[error(transparent)]
    Compression(#[from] UnknownCompression),
}
