//! From batch to batch, by their headers alone.
//!
//! Reads no record and, unless asked to, no checksum. Whoever walks bytes of an earlier run walks
//! them as if they were anybody's.

use std::io;
use std::sync::Arc;

use thiserror::Error;
use weir_protocol::batch::{self, CheckError, Header, HeaderError};

use crate::offset::{Epoch, Offset};

/// A batch and where it lies in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) position: u64,
    pub(super) header: Header,
}

impl Placed {
    /// The position behind it.
    pub(super) fn end(&self) -> u64 {
        self.position + self.header.batch_bytes as u64
    }

    pub(super) fn base(&self) -> Offset {
        Offset::new(self.header.base_offset)
    }

    /// The offset behind its last record.
    pub(super) fn last(&self) -> Offset {
        Offset::new(self.header.last_offset())
    }

    pub(super) fn next(&self) -> Offset {
        Offset::new(self.header.next_offset())
    }

    pub(super) fn epoch(&self) -> Epoch {
        Epoch::new(self.header.leader_epoch)
    }
}

/// The batches of a segment from a position on.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    /// The segment's bytes from its beginning.
    segment: &'a [u8],
    position: u64,
}

impl<'a> Walk<'a> {
    /// Walks the batches of `segment` from the one at `position` to its end.
    pub(super) fn new(segment: &'a [u8], position: u64) -> Self {
        assert!(position <= segment.len() as u64, "a walk begins in its segment");
        Self { segment, position }
    }

    /// The batch's bytes.
    pub(super) fn bytes_of(&self, batch: &Placed) -> &'a [u8] {
        &self.segment[batch.position as usize..batch.end() as usize]
    }

    fn read(&self) -> Result<Placed, Flaw> {
        let position = self.position;
        let rest = &self.segment[position as usize..];
        let header = Header::parse(rest).map_err(|why| Flaw::Header { position, why })?;
        if rest.len() < header.batch_bytes {
            return Err(Flaw::Incomplete { position });
        }
        Ok(Placed { position, header })
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Placed, Flaw>;

    /// Ends behind the last batch or the first flaw.
    fn next(&mut self) -> Option<Self::Item> {
        if self.position == self.segment.len() as u64 {
            return None;
        }
        let read = self.read();
        self.position = match &read {
            Ok(batch) => batch.end(),
            Err(_) => self.segment.len() as u64,
        };
        Some(read)
    }
}

/// Checks that batches follow each other as one writer wrote them.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    next: Offset,
    epoch: Epoch,
}

impl Chain {
    /// A chain whose next batch begins at `next`, or above it in a newer epoch than `epoch`.
    pub(super) fn new(next: Offset, epoch: Epoch) -> Self {
        Self { next, epoch }
    }

    /// Whether `batch`, whose bytes are `bytes`, is whole and follows.
    pub(super) fn follow(&mut self, batch: &Placed, bytes: &[u8]) -> Result<(), Flaw> {
        let position = batch.position;
        batch::verify_crc(bytes).map_err(|why| Flaw::Checksum { position, why })?;
        let (base, epoch) = (batch.base(), batch.epoch());
        let follows = base == self.next && self.epoch <= epoch;
        let begins_behind_a_gap = self.next < base && self.epoch < epoch;
        if !follows && !begins_behind_a_gap {
            return Err(Flaw::Order { position, base, next: self.next });
        }
        self.next = batch.next();
        self.epoch = epoch;
        Ok(())
    }

    pub(super) fn next(&self) -> Offset {
        self.next
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }
}

/// Why bytes of a segment are not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    #[error("no batch begins at byte {position}: {why}")]
    Header { position: u64, why: HeaderError },
    #[error("the batch at byte {position} goes past the segment's end")]
    Incomplete { position: u64 },
    #[error("the batch at byte {position} is damaged: {why}")]
    Checksum { position: u64, why: CheckError },
    #[error("the batch at byte {position} has offset {base} where {next} follows")]
    Order { position: u64, base: Offset, next: Offset },
    #[error("the batch at byte {position} has epoch {epoch} where {expected} reigned")]
    Epoch { position: u64, epoch: Epoch, expected: Epoch },
    #[error("the segment has {bytes} bytes, its manifest says {expected}")]
    Length { bytes: u64, expected: u64 },
    #[error("the segment has {bytes} bytes of {promised} that were written")]
    Short { bytes: u64, promised: u64 },
    #[error("the segment's digest is {digest:#018x}, its manifest says {expected:#018x}")]
    Digest { digest: u64, expected: u64 },
    #[error("the segment ends at offset {ends}, the next one begins at {next}")]
    Past { ends: Offset, next: Offset },
    #[error("the segment's file is missing")]
    Missing,
    #[error("the segment cannot be read: {0}")]
    Unreadable(Arc<str>),
    /// Which files hold these offsets is not known any more.
    #[error("the log's manifest is of no use: {0}")]
    Manifest(Arc<str>),
    /// As an earlier run said it, or whoever opened the log.
    #[error("{0}")]
    Said(Arc<str>),
}

impl Flaw {
    pub(super) fn unreadable(error: &io::Error) -> Self {
        Self::Unreadable(error.to_string().into())
    }
}
