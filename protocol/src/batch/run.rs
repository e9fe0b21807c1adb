//! A run of batches, one right behind the other, as a log holds them and a slice of it carries
//! them.
//!
//! Reads headers alone and hops from one to the next; checksums are [`verify_crc`]'s affair, and
//! records [`View`]'s.
//!
//! Called by whoever has a slice of a log: clients on what was delivered, storage on a segment.
//!
//! [`verify_crc`]: super::verify_crc
//! [`View`]: super::View

use thiserror::Error;

use super::layout::{Header, HeaderError};

/// The batches of `bytes`, each with its header. Ends at the end, or with an error at the first
/// bytes that are no whole batch.
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches { rest: bytes, position: 0 }
}

/// See [`batches`].
#[derive(Clone, Debug)]
pub struct Batches<'a> {
    rest: &'a [u8],
    position: usize,
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<(Header, &'a [u8]), RunError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let batch = self.take();
        if batch.is_err() {
            self.rest = &[];
        }
        Some(batch)
    }
}

impl<'a> Batches<'a> {
    fn take(&mut self) -> Result<(Header, &'a [u8]), RunError> {
        let position = self.position;
        let bytes = self.rest.len();
        let header = match Header::parse(self.rest) {
            Ok(header) => header,
            Err(HeaderError::TooShort { .. }) => return Err(RunError::Cut { position, bytes }),
            Err(source) => return Err(RunError::Header { position, source }),
        };
        let batch =
            self.rest.split_off(..header.batch_bytes).ok_or(RunError::Cut { position, bytes })?;
        self.position += header.batch_bytes;
        Ok((header, batch))
    }
}

/// Why a run of batches ends before its bytes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RunError {
    /// The slice was cut inside a batch: read on from `position`.
    #[error("the {bytes} bytes from position {position} are no whole batch; read more")]
    Cut { position: usize, bytes: usize },
    /// What lies there is no batch: nothing behind it can be found.
    #[error("at position {position}: {source}")]
    Header { position: usize, source: HeaderError },
}
