//! Reading back what an earlier run wrote, before any of it is served.
//!
//! Brings the pages in before it looks at them, so that a disk that fails is an error here and not
//! a signal.

use std::io;
use std::ops::Range;

use crc_fast::{CrcAlgorithm, Digest};

use super::epochs::Epochs;
pub(super) use super::ground::is_about_bytes;
use super::manifest::SealedFacts;
use super::walk::{Chain, Flaw, Placed, Walk};
use crate::map::ReaderMap;
use crate::offset::{Epoch, Offset};

/// Whether bytes are what was written. The error is one of the process, not of the bytes: no
/// memory, say, and nothing is known then.
pub(super) type Vetted = io::Result<Result<(), Flaw>>;

/// Bytes of a segment, from one batch's beginning to another's end.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub(super) bytes: Range<u64>,
    pub(super) offsets: Range<Offset>,
}

/// Reads batches that were written under these epochs.
pub(super) fn vet(map: &ReaderMap, stretch: &Stretch, epochs: &Epochs) -> Vetted {
    match bring_in(map, stretch.bytes.clone()) {
        Ok(()) => believed(map, follow(map.bytes(0..stretch.bytes.end), stretch, Some(epochs))),
        Err(error) => unread(error),
    }
}

/// Reads a sealed segment from `from` on and compares it with what its manifest says.
pub(super) fn vet_sealed(map: &ReaderMap, facts: &SealedFacts, from: (u64, Offset)) -> Vetted {
    let (position, offset) = from;
    let digest = match digest(map, position..facts.bytes) {
        Ok(digest) => digest,
        Err(error) => return unread(error),
    };
    if digest != facts.digest {
        return Ok(Err(Flaw::Digest { digest, expected: facts.digest }));
    }
    let stretch = Stretch { bytes: position..facts.bytes, offsets: offset..facts.next };
    believed(map, follow(map.bytes(0..facts.bytes), &stretch, None))
}

/// The digest of a part of a segment.
pub(super) fn digest(map: &ReaderMap, range: Range<u64>) -> io::Result<u64> {
    let mut digest = new_digest();
    for piece in pieces(range) {
        map.populate(piece.clone())?;
        digest.update(map.bytes(piece));
    }
    map.check().map(|()| digest.finalize())
}

pub(super) fn new_digest() -> Digest {
    Digest::new(CrcAlgorithm::Crc64Nvme)
}

/// Brings the pages of `range` into memory.
pub(super) fn bring_in(map: &ReaderMap, range: Range<u64>) -> io::Result<()> {
    pieces(range).try_for_each(|piece| map.populate(piece))
}

/// What was found, unless zeros in the place of a lost page were looked at.
fn believed(map: &ReaderMap, found: Result<(), Flaw>) -> Vetted {
    map.check().map_or_else(unread, |()| Ok(found))
}

/// What it means that bytes cannot be read.
fn unread(error: io::Error) -> Vetted {
    if is_about_bytes(&error) { Ok(Err(Flaw::unreadable(&error))) } else { Err(error) }
}

fn follow(segment: &[u8], stretch: &Stretch, epochs: Option<&Epochs>) -> Result<(), Flaw> {
    let mut chain = Chain::new(stretch.offsets.start, Epoch::ZERO);
    let mut walk = Walk::new(segment, stretch.bytes.start);
    while let Some(batch) = walk.next() {
        let batch = batch?;
        chain.follow(&batch, walk.bytes_of(&batch))?;
        if let Some(epochs) = epochs {
            check_epoch(epochs, &batch)?;
        }
    }
    if stretch.offsets.end < chain.next() {
        return Err(Flaw::Past { ends: chain.next(), next: stretch.offsets.end });
    }
    Ok(())
}

/// Whether a batch has the epoch that reigned where it begins: no checksum covers it.
pub(super) fn check_epoch(epochs: &Epochs, batch: &Placed) -> Result<(), Flaw> {
    let reigned = epochs.at(batch.base());
    match reigned.filter(|expected| *expected != batch.epoch()) {
        Some(expected) => {
            let (position, epoch) = (batch.position, batch.epoch());
            Err(Flaw::Epoch { position, epoch, expected })
        }
        None => Ok(()),
    }
}

fn pieces(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let end = range.end;
    range.step_by(PIECE_BYTES as usize).map(move |start| start..end.min(start + PIECE_BYTES))
}

/// So much is brought in at once: enough for the disk to read in one go.
const PIECE_BYTES: u64 = 1 << 20;
