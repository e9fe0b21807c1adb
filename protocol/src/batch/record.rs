//! One record, borrowed from its batch.
//!
//! Knows the record's bytes and what its batch lends it (base offset and timestamp); the order of
//! records and their count are the walk's affair ([`Records`](super::Records)).
//!
//! ```text
//! length         varint   bytes behind it
//! attributes     1 byte   unused
//! timestamp      varint   minus the batch's base timestamp
//! offset         varint   minus the batch's base offset
//! key length     varint   −1: null            key
//! value length   varint   −1: null            value
//! headers        varint   count, then for each:
//!     key length     varint                   key
//!     value length   varint   −1: null        value
//! ```
//!
//! Nothing is decoded further: keys, values and header keys are bytes, in any encoding or none,
//! and header keys may repeat.
//!
//! Invariant of a [`Record`]: its headers were walked once, so walking them again cannot fail.

use thiserror::Error;

use super::varint::{take_i32, take_i64};

/// A header's key, and its value if it is not null.
pub type RecordHeader<'a> = (&'a [u8], Option<&'a [u8]>);

/// A record, borrowed from its batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub offset: u64,
    /// Milliseconds since 1970, of the producer or of the broker as the batch says.
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    headers: Headers<'a>,
}

impl<'a> Record<'a> {
    /// The headers, in the order they were sent.
    pub fn headers(&self) -> Headers<'a> {
        self.headers.clone()
    }
}

/// The headers of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    left: usize,
    rest: &'a [u8],
}

impl<'a> Iterator for Headers<'a> {
    type Item = RecordHeader<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(take_header(&mut self.rest).expect("the headers were walked when the record was read"))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// Why records cannot be read. Whatever it is, the batch lies and will not get better: skip it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    #[error("record {index} does not fit its batch or its own length")]
    Cut { index: u32 },
    #[error("record {index} has bytes behind its last header")]
    Surplus { index: u32 },
    #[error("record {index} has offset delta {delta}; {expected_from} to {expected_to} fit here")]
    OffsetDelta { index: u32, delta: i32, expected_from: u32, expected_to: u32 },
    #[error("record {index} has a timestamp beyond all time")]
    Timestamp { index: u32 },
    #[error("the batch says {records} records and has bytes behind the last of them")]
    Count { records: u32 },
}

/// A record as it lies in the batch, with its differences yet to be added up.
#[derive(Debug)]
pub(super) struct RawRecord<'a> {
    pub(super) timestamp_delta: i64,
    pub(super) offset_delta: i32,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Headers<'a>,
}

impl<'a> RawRecord<'a> {
    /// Takes the record at the front of `rest`, which stays behind it.
    #[inline]
    pub(super) fn take(rest: &mut &'a [u8], index: u32) -> Result<Self, RecordError> {
        let mut inside = take_bytes(rest).ok_or(RecordError::Cut { index })?;
        let record = Self::take_fields(&mut inside).ok_or(RecordError::Cut { index })?;
        if !inside.is_empty() {
            return Err(RecordError::Surplus { index });
        }
        Ok(record)
    }

    #[inline]
    fn take_fields(inside: &mut &'a [u8]) -> Option<Self> {
        inside.split_off_first()?;
        let timestamp_delta = take_i64(inside)?;
        let offset_delta = take_i32(inside)?;
        let key = take_nullable(inside)?;
        let value = take_nullable(inside)?;
        let headers = take_headers(inside)?;
        Some(Self { timestamp_delta, offset_delta, key, value, headers })
    }

    #[inline]
    pub(super) fn at(self, offset: u64, timestamp: i64) -> Record<'a> {
        Record { offset, timestamp, key: self.key, value: self.value, headers: self.headers }
    }
}

#[inline]
fn take_headers<'a>(inside: &mut &'a [u8]) -> Option<Headers<'a>> {
    let count = usize::try_from(take_i32(inside)?).ok()?;
    let headers = Headers { left: count, rest: inside };
    for _ in 0..count {
        take_header(inside)?;
    }
    Some(headers)
}

fn take_header<'a>(rest: &mut &'a [u8]) -> Option<RecordHeader<'a>> {
    Some((take_bytes(rest)?, take_nullable(rest)?))
}

#[inline]
fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_i32(rest)?).ok()?;
    rest.split_off(..length)
}

#[inline]
fn take_nullable<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    match take_i32(rest)? {
        -1 => Some(None),
        length => rest.split_off(..usize::try_from(length).ok()?).map(Some),
    }
}
