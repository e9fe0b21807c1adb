//! Reading back what an earlier run wrote, before any of it is served.
//!
//! Brings the pages in before it looks at them, so that a disk that fails is an error here and not
//! a signal.

use std::io;
use std::ops::Range;

use crc_fast::{CrcAlgorithm, Digest};

use super::manifest::SealedFacts;
use super::walk::{Chain, Flaw, Walk};
use crate::map::ReaderMap;
use crate::offset::{Epoch, Offset};

/// Reads the first `end` bytes of a segment that begins at `base` and was written up to `next`.
pub(super) fn vet(
    map: &ReaderMap,
    base: Offset,
    next: Offset,
    end: u64,
) -> io::Result<Result<(), Flaw>> {
    bring_in(map, 0..end)?;
    Ok(follow(map.bytes(0..end), base, next))
}

/// Reads a sealed segment and compares it with what its manifest says.
pub(super) fn vet_sealed(map: &ReaderMap, facts: &SealedFacts) -> io::Result<Result<(), Flaw>> {
    let digest = digest(map, facts.bytes)?;
    if digest != facts.digest {
        return Ok(Err(Flaw::Digest { digest, expected: facts.digest }));
    }
    Ok(follow(map.bytes(0..facts.bytes), facts.base, facts.next))
}

/// The digest of a segment's first `end` bytes.
pub(super) fn digest(map: &ReaderMap, end: u64) -> io::Result<u64> {
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    for piece in pieces(0..end) {
        map.populate(piece.clone())?;
        digest.update(map.bytes(piece));
    }
    Ok(digest.finalize())
}

/// Brings the pages of `range` into memory.
pub(super) fn bring_in(map: &ReaderMap, range: Range<u64>) -> io::Result<()> {
    pieces(range).try_for_each(|piece| map.populate(piece))
}

fn follow(segment: &[u8], base: Offset, next: Offset) -> Result<(), Flaw> {
    let mut chain = Chain::new(base, Epoch::ZERO);
    let mut walk = Walk::new(segment, 0);
    while let Some(batch) = walk.next() {
        let batch = batch?;
        chain.follow(&batch, walk.bytes_of(&batch))?;
    }
    if next < chain.next() {
        return Err(Flaw::Past { ends: chain.next(), next });
    }
    Ok(())
}

fn pieces(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let end = range.end;
    range.step_by(PIECE_BYTES as usize).map(move |start| start..end.min(start + PIECE_BYTES))
}

/// So much is brought in at once: enough for the disk to read in one go.
const PIECE_BYTES: u64 = 1 << 20;
