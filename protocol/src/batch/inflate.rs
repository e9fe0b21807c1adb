//! Compressed records, inflated for those who walk them.
//!
//! The broker takes, keeps and sends a batch as it was compressed; only who needs its records comes
//! here, and nothing that is inflated here goes back into a log. All records of a batch are
//! compressed as one:
//!
//! | compression | the records are |
//! |---|---|
//! | gzip | members of gzip |
//! | snappy | one raw block; or blocks as snappy-java frames them, which Java and others send |
//! | lz4 | frames of LZ4 |
//! | zstd | frames of Zstandard |
//!
//! ```text
//! snappy-java:  0x82 "SNAPPY" 0 | version i32 | compatible i32 | length i32, block | ...
//! ```
//!
//! What peers sent may inflate to anything, so there is a limit, and memory grows with what comes
//! out, never with what a length announces.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use thiserror::Error;

use super::layout::{Compression, Header};
use super::view::{View, ViewError, split};

/// A batch whose records are plain: a view of what came, or inflated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain {
    header: Header,
    records: Bytes,
}

impl Plain {
    /// Inflates the batch at the start of `bytes`, if it is compressed, to at most
    /// `inflated_bytes_max` bytes of records; what follows it is left alone.
    ///
    /// # Errors
    /// There is no whole batch, its compression is unknown, its records are no such compression or
    /// inflate to more than the limit.
    pub fn parse(bytes: &Bytes, inflated_bytes_max: usize) -> Result<Self, InflateError> {
        let (header, records) = split(bytes)?;
        let compression = header.attributes.compression().map_err(ViewError::from)?;
        let inflated = match compression {
            Compression::None => return Ok(Self { header, records: bytes.slice_ref(records) }),
            Compression::Gzip => {
                read_all(flate2::bufread::MultiGzDecoder::new(records), inflated_bytes_max)
            }
            Compression::Snappy => snappy(records, inflated_bytes_max),
            Compression::Lz4 => {
                read_all(lz4_flex::frame::FrameDecoder::new(records), inflated_bytes_max)
            }
            Compression::Zstd => zstd::stream::read::Decoder::with_buffer(records)
                .map_err(Flaw::from)
                .and_then(|decoder| read_all(decoder, inflated_bytes_max)),
        };
        match inflated {
            Ok(records) => Ok(Self { header, records: records.into() }),
            Err(Flaw::Large) => Err(InflateError::TooLarge { compression, inflated_bytes_max }),
            Err(Flaw::Malformed(reason)) => Err(InflateError::Malformed { compression, reason }),
        }
    }

    /// The header as it came, compression and all.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The bytes of all records.
    pub fn records(&self) -> &Bytes {
        &self.records
    }

    /// The way through the records.
    pub fn view(&self) -> View<'_> {
        View::of_plain(self.header, &self.records)
    }
}

/// Why the records of a batch cannot be had. Whatever it is, it stays so: skip the batch.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InflateError {
    #[error(transparent)]
    View(#[from] ViewError),
    #[error(
        "the records, compressed with {compression:?}, inflate beyond {inflated_bytes_max} bytes"
    )]
    TooLarge { compression: Compression, inflated_bytes_max: usize },
    #[error("the records are no {compression:?}, which their batch says they are: {reason}")]
    Malformed { compression: Compression, reason: String },
}

/// The same, before it is known of what.
#[derive(Debug)]
enum Flaw {
    Large,
    Malformed(String),
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<snap::Error> for Flaw {
    fn from(error: snap::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

fn read_all(decoder: impl Read, bytes_max: usize) -> Result<Vec<u8>, Flaw> {
    let mut inflated = Vec::new();
    // One byte beyond the limit tells that there are more.
    decoder.take(bytes_max as u64 + 1).read_to_end(&mut inflated)?;
    if bytes_max < inflated.len() {
        return Err(Flaw::Large);
    }
    Ok(inflated)
}

fn snappy(records: &[u8], bytes_max: usize) -> Result<Vec<u8>, Flaw> {
    let mut inflated = Vec::new();
    let Some(mut framed) = records.strip_prefix(SNAPPY_JAVA_MAGIC) else {
        snappy_block(records, bytes_max, &mut inflated)?;
        return Ok(inflated);
    };
    let cut = |_| Flaw::Malformed("it ends inside of a frame".to_owned());
    framed.try_get_u64().map_err(cut)?;
    while !framed.is_empty() {
        let length = framed.try_get_u32().map_err(cut)? as usize;
        let block = framed.split_off(..length);
        let block = block.ok_or_else(|| Flaw::Malformed("a block is cut".to_owned()))?;
        snappy_block(block, bytes_max, &mut inflated)?;
    }
    Ok(inflated)
}

fn snappy_block(block: &[u8], bytes_max: usize, inflated: &mut Vec<u8>) -> Result<(), Flaw> {
    let bytes = snap::raw::decompress_len(block)?;
    if block.len().saturating_mul(SNAPPY_RATIO_MAX) < bytes {
        return Err(Flaw::Malformed(format!("{} bytes announce {bytes}", block.len())));
    }
    let before = inflated.len();
    if bytes_max - before < bytes {
        return Err(Flaw::Large);
    }
    inflated.resize(before + bytes, 0);
    let room = inflated.get_mut(before..).expect("the room was made");
    snap::raw::Decoder::new().decompress(block, room)?;
    Ok(())
}

/// What snappy-java puts first: its name, then its version and the oldest that can read it.
const SNAPPY_JAVA_MAGIC: &[u8] = b"\x82SNAPPY\0";

/// No snappy inflates further: a copy of 64 bytes takes three.
const SNAPPY_RATIO_MAX: usize = 22;
