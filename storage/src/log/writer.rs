//! The one writer of an active segment, by whichever way suits its file system and its batches.
//!
//! ```text
//!   mapped:  batches below CALLED_BYTES_MIN ── copied ──► pages brought in ahead of the writer
//!            larger ones ───────────── pwrite ──► pages that the call makes, many at once
//!   pwrite:  all of them
//! ```
//!
//! A small batch costs a copy where its pages are there, and a call would cost ten times that. For
//! a large one the pages are what costs: each is brought in by itself, filled with zeros first, and
//! found again when it is written out. A call makes them in one go and knows what comes into them.
//! Readers see both ways' bytes in the same pages.
//!
//! It may only write into room that was allocated, and readers see nothing before it is published.

use std::io::{self, IoSlice};
use std::sync::Arc;

use super::options::WriterKind;
use crate::disk::File;
use crate::map::{self, Populator, ReaderMap, Watermark, WriterMap};

/// Puts batches into a segment.
#[derive(Debug)]
pub(super) enum Writer {
    Mapped { map: WriterMap, file: Arc<dyn File> },
    Pwrite { file: Arc<dyn File>, readable: Arc<Watermark> },
}

impl Writer {
    /// Opens `file` for its writer and its readers, over `len` bytes of address space; `readable`
    /// bytes are there already.
    pub(super) fn open(
        kind: WriterKind,
        file: &Arc<dyn File>,
        len: u64,
        readable: u64,
    ) -> io::Result<(Self, ReaderMap)> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
        match kind {
            WriterKind::Mapped => {
                let (writer, reader) = map::map_pair(&**file, len, readable)?;
                Ok((Self::Mapped { map: writer, file: Arc::clone(file) }, reader))
            }
            WriterKind::Pwrite => {
                let readable = Arc::new(Watermark::at(readable));
                let reader = map::map_reader_below(&**file, len, Arc::clone(&readable))?;
                Ok((Self::Pwrite { file: Arc::clone(file), readable }, reader))
            }
        }
    }

    /// Writes both parts of a batch, one behind the other.
    ///
    /// # Errors
    /// Where a page of the map was lost, or the disk fails.
    pub(super) fn write(&mut self, position: u64, head: &[u8], rest: &[u8]) -> io::Result<()> {
        match self {
            Self::Mapped { map, .. } if is_copied(head.len() + rest.len()) => {
                map.write(position, head)?;
                map.write(position + head.len() as u64, rest)
            }
            Self::Mapped { map, file } => {
                map.check_from(position)?;
                file.write_at(&[IoSlice::new(head), IoSlice::new(rest)], position)
            }
            Self::Pwrite { file, .. } => {
                file.write_at(&[IoSlice::new(head), IoSlice::new(rest)], position)
            }
        }
    }

    /// Lets readers see all bytes below `position`.
    pub(super) fn publish(&mut self, position: u64) {
        match self {
            Self::Mapped { map, .. } => map.publish(position),
            Self::Pwrite { readable, .. } => readable.publish(position),
        }
    }

    /// Who brings pages in ahead of this writer, if it writes to pages.
    pub(super) fn populator(&self) -> Option<Populator> {
        match self {
            Self::Mapped { map, .. } => Some(map.populator()),
            Self::Pwrite { .. } => None,
        }
    }
}

/// Whether a batch of so many bytes is copied into pages, which are then worth bringing in ahead.
pub(super) fn is_copied(batch_bytes: usize) -> bool {
    batch_bytes < CALLED_BYTES_MIN
}

/// From so many bytes on a batch is written by a call, wherever it could be copied.
const CALLED_BYTES_MIN: usize = 16 << 10;
