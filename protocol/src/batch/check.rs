//! The door: may this batch come in? And, for what is stored: is it still what was written?
//!
//! Looks at the header and at the checksum of the rest, never at a record, so its cost is that of
//! one pass over the bytes. A batch whose records contradict its header passes here and is found
//! out by whoever walks it ([`View`](super::View)).
//!
//! Called by every face before a batch goes further ([`check()`]), and by storage on what it reads
//! back ([`verify_crc`]).

use thiserror::Error;

use super::layout::{
    CRC_COVERS_FROM, Compression, HEADER_BYTES, Header, HeaderError, RECORD_BYTES_MIN,
    TimestampType, UnknownCompression,
};
use crate::checksum::crc32c;
use crate::limits::RECORDS_PER_BATCH_MAX;

/// Whether a producer's `bytes` are exactly one batch that may be stored, of at most `bytes_max`.
///
/// # Errors
/// What is wrong with it. [`CheckError::TooLarge`] is cured by smaller batches, the checksum by
/// sending again; the others say that the producer is broken or asks for what is not offered.
pub fn check(bytes: &[u8], bytes_max: usize) -> Result<Header, CheckError> {
    let header = Header::parse(bytes)?;
    if bytes_max < header.batch_bytes {
        return Err(CheckError::TooLarge { batch_bytes: header.batch_bytes, bytes_max });
    }
    if header.batch_bytes < bytes.len() {
        let surplus = bytes.len() - header.batch_bytes;
        return Err(CheckError::Surplus { batch_bytes: header.batch_bytes, surplus });
    }
    // The checksum first: what follows would blame the producer for a bit that fell over.
    check_crc(&header, bytes)?;
    check_attributes(&header)?;
    check_counts(&header)?;
    Ok(header)
}

/// Whether `bytes` begin with a whole batch whose checksum is right; more may follow it.
///
/// Says nothing about whether a producer may send it.
///
/// # Errors
/// Only [`CheckError::Header`], [`CheckError::Incomplete`] and [`CheckError::Crc`].
pub fn verify_crc(bytes: &[u8]) -> Result<Header, CheckError> {
    let header = Header::parse(bytes)?;
    check_crc(&header, bytes)?;
    Ok(header)
}

/// Why a batch may not come in, or is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CheckError {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("the batch has {batch_bytes} bytes, the topic takes {bytes_max}; send smaller batches")]
    TooLarge { batch_bytes: usize, bytes_max: usize },
    #[error("the batch announces {batch_bytes} bytes and ends after {bytes}; send all of it")]
    Incomplete { batch_bytes: usize, bytes: usize },
    #[error(
        "{surplus} bytes follow the batch of {batch_bytes}; \
         send one batch for each partition and request"
    )]
    Surplus { batch_bytes: usize, surplus: usize },
    #[error(
        "the batch's CRC-32C is {computed:#010x} and it says {announced:#010x}; \
         it was damaged on its way, send it again"
    )]
    Crc { announced: u32, computed: u32 },
    #[error(transparent)]
    Compression(#[from] UnknownCompression),
    #[error("the batch sets attribute bits {bits:#06x}, which are not a producer's to set")]
    Attributes { bits: u16 },
    #[error("the batch says LogAppendTime, which only the broker sets; send CreateTime")]
    LogAppendTime,
    #[error("the batch is part of a transaction; transactions are not offered")]
    Transactional,
    #[error("the batch is a control batch, which only a broker makes")]
    Control,
    #[error("the batch says it has no records; send at least one")]
    Empty,
    #[error(
        "the batch says it has {records} records, more than can be in its {batch_bytes} bytes \
         or than {RECORDS_PER_BATCH_MAX}; send smaller batches"
    )]
    TooMany { records: u32, batch_bytes: usize },
    #[error(
        "the batch says it has {records} records and a last offset delta of \
         {last_offset_delta}; the delta must be one less"
    )]
    Count { records: u32, last_offset_delta: u32 },
    #[error(
        "the batch of producer {producer_id} has epoch {producer_epoch} and sequence \
         {base_sequence}; neither can be negative"
    )]
    Sequence { producer_id: i64, producer_epoch: i16, base_sequence: i32 },
}

fn check_attributes(header: &Header) -> Result<(), CheckError> {
    let attributes = header.attributes;
    if attributes.is_control() {
        return Err(CheckError::Control);
    }
    if attributes.is_transactional() {
        return Err(CheckError::Transactional);
    }
    if attributes.timestamp_type() == TimestampType::LogAppendTime {
        return Err(CheckError::LogAppendTime);
    }
    if attributes.has_delete_horizon() || attributes.unknown_bits() != 0 {
        return Err(CheckError::Attributes { bits: attributes.bits() });
    }
    attributes.compression()?;
    Ok(())
}

fn check_counts(header: &Header) -> Result<(), CheckError> {
    let &Header { records, last_offset_delta, batch_bytes, .. } = header;
    if records == 0 {
        return Err(CheckError::Empty);
    }
    if last_offset_delta != records - 1 {
        return Err(CheckError::Count { records, last_offset_delta });
    }
    if records_max(header) < records {
        return Err(CheckError::TooMany { records, batch_bytes });
    }
    let &Header { producer_id, producer_epoch, base_sequence, .. } = header;
    if 0 <= producer_id && (producer_epoch < 0 || base_sequence < 0) {
        return Err(CheckError::Sequence { producer_id, producer_epoch, base_sequence });
    }
    Ok(())
}

/// The most records that a batch of this length can hold.
fn records_max(header: &Header) -> u32 {
    match header.attributes.compression() {
        Ok(Compression::None) => {
            let fit = (header.batch_bytes - HEADER_BYTES) / RECORD_BYTES_MIN;
            RECORDS_PER_BATCH_MAX.min(fit as u32)
        }
        _ => RECORDS_PER_BATCH_MAX,
    }
}

fn check_crc(header: &Header, bytes: &[u8]) -> Result<(), CheckError> {
    let batch_bytes = header.batch_bytes;
    let covered = bytes
        .get(CRC_COVERS_FROM..batch_bytes)
        .ok_or(CheckError::Incomplete { batch_bytes, bytes: bytes.len() })?;
    let computed = crc32c(covered);
    if computed != header.crc {
        return Err(CheckError::Crc { announced: header.crc, computed });
    }
    Ok(())
}
