//! Where everything lies in a batch, and its header as a value.
//!
//! Knows nothing of records, and does not say whether a batch may come in: that is
//! [`check`](super::check()).
//!
//! ```text
//! at  bytes  field                      notes
//!  0    8    base offset                ┐
//!  8    4    length: bytes behind it    ├ the prefix: rebuilt by the broker, outside the CRC
//! 12    4    leader epoch               ┘
//! 16    1    magic                      always 2
//! 17    4    CRC-32C                    of everything from 21 to the end
//! 21    2    attributes                 bits 0–2 compression, 3 timestamp type, 4 transactional,
//!                                       5 control, 6 delete horizon; the others unused
//! 23    4    last offset delta          last offset − base offset
//! 27    8    base timestamp             milliseconds; records hold the difference to it
//! 35    8    max timestamp
//! 43    8    producer id                −1: none
//! 51    2    producer epoch
//! 53    4    base sequence
//! 57    4    records
//! 61    …    the records, compressed as one if at all
//! ```
//!
//! Invariant of a [`Header`]: its counts are not negative and its length is one a batch can have,
//! so no sum of its fields overflows.

use bytes::{Buf, BufMut};
use thiserror::Error;

use crate::limits::BATCH_BYTES_MAX;

/// A batch's bytes before its records.
pub const HEADER_BYTES: usize = 61;

/// The first bytes of a batch, outside its CRC: base offset, length, leader epoch.
pub const PREFIX_BYTES: usize = 16;

/// The smallest record: one byte each of length, attributes, two deltas, the lengths of a key and
/// a value that are not there, and a count of no headers.
pub const RECORD_BYTES_MIN: usize = 7;

/// Where the bytes begin that the CRC covers.
pub(super) const CRC_COVERS_FROM: usize = 21;

/// What the length field does not count: the base offset and itself.
const LENGTH_COVERS_FROM: usize = 12;

const MAGIC: u8 = 2;

/// A batch's first bytes, made by [`prefix`].
pub type Prefix = [u8; PREFIX_BYTES];

/// A batch's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub base_offset: u64,
    /// The whole batch, header included.
    pub batch_bytes: usize,
    /// As it stands: a client that knows none sends `u32::MAX` (Kafka's −1) or 0.
    pub leader_epoch: u32,
    pub crc: u32,
    pub attributes: Attributes,
    pub last_offset_delta: u32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    /// −1: none; then epoch and sequence mean nothing.
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub records: u32,
}

impl Header {
    /// Reads the header at the start of `bytes`, which may end anywhere behind it.
    ///
    /// # Errors
    /// The bytes are too few, or not the header of a batch.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeaderError> {
        let head: &[u8; HEADER_BYTES] =
            bytes.first_chunk().ok_or(HeaderError::TooShort { bytes: bytes.len() })?;
        // `Buf` reads of an array of known size cannot run out; the layout's test holds the sum.
        let mut rest = head.as_slice();
        let base_offset = rest.get_i64();
        let length = rest.get_i32();
        let leader_epoch = rest.get_u32();
        let magic = rest.get_u8();
        if magic != MAGIC {
            return Err(HeaderError::Magic { magic });
        }
        let crc = rest.get_u32();
        let attributes = Attributes(rest.get_u16());
        let last_offset_delta = rest.get_i32();
        Ok(Self {
            base_offset: not_negative("base offset", base_offset)?,
            batch_bytes: whole_bytes(length).ok_or(HeaderError::Length { length })?,
            leader_epoch,
            crc,
            attributes,
            last_offset_delta: not_negative("last offset delta", last_offset_delta)?,
            base_timestamp: rest.get_i64(),
            max_timestamp: rest.get_i64(),
            producer_id: rest.get_i64(),
            producer_epoch: rest.get_i16(),
            base_sequence: rest.get_i32(),
            records: not_negative("count of records", rest.get_i32())?,
        })
    }

    /// The header as it lies in a batch.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let mut rest = bytes.as_mut_slice();
        rest.put_slice(&prefix(self.base_offset, self.batch_bytes, self.leader_epoch));
        rest.put_u8(MAGIC);
        rest.put_u32(self.crc);
        rest.put_u16(self.attributes.0);
        rest.put_u32(self.last_offset_delta);
        rest.put_i64(self.base_timestamp);
        rest.put_i64(self.max_timestamp);
        rest.put_i64(self.producer_id);
        rest.put_i16(self.producer_epoch);
        rest.put_i32(self.base_sequence);
        rest.put_u32(self.records);
        bytes
    }

    pub fn last_offset(&self) -> u64 {
        self.base_offset + u64::from(self.last_offset_delta)
    }

    /// The offset behind the last one.
    pub fn next_offset(&self) -> u64 {
        self.last_offset() + 1
    }
}

/// What a batch says about its records as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(u16);

impl Attributes {
    const COMPRESSION: u16 = 0b111;
    const LOG_APPEND_TIME: u16 = 1 << 3;
    const TRANSACTIONAL: u16 = 1 << 4;
    const CONTROL: u16 = 1 << 5;
    const DELETE_HORIZON: u16 = 1 << 6;

    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    pub const fn bits(self) -> u16 {
        self.0
    }

    /// How the records are compressed.
    ///
    /// # Errors
    /// The batch names a compression that Kafka has not.
    pub const fn compression(self) -> Result<Compression, UnknownCompression> {
        match self.0 & Self::COMPRESSION {
            0 => Ok(Compression::None),
            1 => Ok(Compression::Gzip),
            2 => Ok(Compression::Snappy),
            3 => Ok(Compression::Lz4),
            4 => Ok(Compression::Zstd),
            number => Err(UnknownCompression { number }),
        }
    }

    /// Who set the records' timestamps.
    pub const fn timestamp_type(self) -> TimestampType {
        if self.0 & Self::LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// The same of a batch whose time the broker set.
    pub(super) const fn with_append_time(self) -> Self {
        Self(self.0 | Self::LOG_APPEND_TIME)
    }

    pub const fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// The records are a transaction's marker, not a user's.
    pub const fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// The base timestamp is the time until which compaction keeps tombstones.
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// Bits that mean nothing yet.
    pub const fn unknown_bits(self) -> u16 {
        let known = Self::COMPRESSION
            | Self::LOG_APPEND_TIME
            | Self::TRANSACTIONAL
            | Self::CONTROL
            | Self::DELETE_HORIZON;
        self.0 & !known
    }
}

/// How the records of a batch are compressed, all as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// Who set the timestamps of a batch's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimestampType {
    /// The producer: each record has its own.
    CreateTime,
    /// The broker: all have the batch's largest.
    LogAppendTime,
}

impl TimestampType {
    pub const ALL: [Self; 2] = [Self::CreateTime, Self::LogAppendTime];

    /// As a topic's setting.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateTime => "create",
            Self::LogAppendTime => "append",
        }
    }
}

/// A compression that Kafka has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("compression {number} is unknown; use none, gzip (1), snappy (2), lz4 (3) or zstd (4)")]
pub struct UnknownCompression {
    pub number: u16,
}

/// Why bytes are no batch's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    #[error("{bytes} bytes are no batch; a header has {HEADER_BYTES}")]
    TooShort { bytes: usize },
    #[error("the batch has format {magic}; only format {MAGIC} is spoken, of Kafka 0.11 and later")]
    Magic { magic: u8 },
    #[error(
        "the batch announces {length} bytes behind its length; \
         a batch has {HEADER_BYTES} to {BATCH_BYTES_MAX} bytes in all"
    )]
    Length { length: i32 },
    #[error("the batch's {field} is {value}; it cannot be negative")]
    Negative { field: &'static str, value: i64 },
}

/// The length of the batch that begins with `first`: all of it, header included.
///
/// `None` if `first` has fewer than 12 bytes, or announces what no batch can have.
pub fn batch_bytes(first: &[u8]) -> Option<usize> {
    let first: &[u8; LENGTH_COVERS_FROM] = first.first_chunk()?;
    let [.., a, b, c, d] = *first;
    whole_bytes(i32::from_be_bytes([a, b, c, d]))
}

/// The first bytes of a batch as the broker rebuilds them.
///
/// # Panics
/// Never for the offset and length of a batch: the one fits Kafka's `i64`, the other
/// [`BATCH_BYTES_MAX`].
pub fn prefix(base_offset: u64, batch_bytes: usize, leader_epoch: u32) -> Prefix {
    assert!(base_offset <= i64::MAX as u64, "offsets of a log fit an i64");
    assert!((HEADER_BYTES..=BATCH_BYTES_MAX).contains(&batch_bytes), "a batch has such a length");
    let mut bytes = [0; PREFIX_BYTES];
    let mut rest = bytes.as_mut_slice();
    rest.put_u64(base_offset);
    rest.put_u32((batch_bytes - LENGTH_COVERS_FROM) as u32);
    rest.put_u32(leader_epoch);
    bytes
}

fn whole_bytes(length: i32) -> Option<usize> {
    let whole = usize::try_from(length).ok()?.checked_add(LENGTH_COVERS_FROM)?;
    (HEADER_BYTES..=BATCH_BYTES_MAX).contains(&whole).then_some(whole)
}

fn not_negative<S, T>(field: &'static str, value: S) -> Result<T, HeaderError>
where
    S: Copy + Into<i64>,
    T: TryFrom<S>,
{
    T::try_from(value).map_err(|_| HeaderError::Negative { field, value: value.into() })
}
