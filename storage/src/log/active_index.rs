//! The indexes of the active segment, put aside at a flush so that the next start need not walk
//! the whole segment.
//!
//! Only a saving: they are not synced, and indexes that are missing, torn, of another segment or
//! older than the flush grow again from the batches' headers. They may also tell of batches that a
//! crash took: where a later life put others in their place and ended before its own first flush,
//! the next finds these. Offsets are never used twice, so an entry whose batch is where it says,
//! with the offset it says, is of what is there now; entries rise, so the last one answers for all.
//!
//! ```text
//! at  bytes  field          little-endian
//!  0    8    magic          "weir-idx"
//!  8    4    version        1
//! 12    4    bytes of offset index, n
//! 16    8    base offset of the segment
//! 24    n    the offset index so far, as its file will hold it
//!       …    the time index so far
//!       4    CRC-32C        of everything before
//! ```

use std::path::Path;

use bytes::{Buf, BufMut};
use weir_protocol::batch::HEADER_BYTES;

use super::file_name::ACTIVE_INDEX;
use super::indexes::Indexes;
use super::vetting;
use super::whole_file::{self, Keep};
use crate::disk::Disk;
use crate::errors::DiskError;
use crate::map::ReaderMap;
use crate::offset::Offset;

/// Puts the indexes of the segment at `base` aside.
pub(super) fn write(
    disk: &dyn Disk,
    directory: &Path,
    base: Offset,
    indexes: &Indexes,
) -> Result<(), DiskError> {
    let bytes = to_bytes(base, indexes);
    whole_file::replace(disk, directory, ACTIVE_INDEX, &bytes, Keep::Likely)
}

/// The indexes that were put aside for the segment at `base`, whose batches end at `next` and fill
/// `map`; empty ones where none are of use.
pub(super) fn read(
    disk: &dyn Disk,
    directory: &Path,
    base: Offset,
    next: Offset,
    map: &ReaderMap,
) -> Result<Indexes, DiskError> {
    let bytes = whole_file::read(disk, &directory.join(ACTIVE_INDEX))?;
    let Some(mut indexes) = bytes.and_then(|bytes| parse(&bytes, base)) else {
        return Ok(Indexes::default());
    };
    let end = map.readable();
    indexes.cut(end, next.since(base));
    let at = indexes.end();
    // What cannot be read is found out by whoever reads the segment.
    let is_there = vetting::bring_in(map, at..end.min(at + HEADER_BYTES as u64)).is_ok()
        && indexes.agree_with(base, map.bytes(0..end));
    Ok(if is_there { indexes } else { Indexes::default() })
}

fn to_bytes(base: Offset, indexes: &Indexes) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_slice(MAGIC);
    bytes.put_u32_le(VERSION);
    bytes.put_u32_le(indexes.offsets.len() as u32);
    bytes.put_u64_le(base.get());
    bytes.put_slice(&indexes.offsets);
    bytes.put_slice(&indexes.times);
    whole_file::seal(bytes)
}

fn parse(bytes: &[u8], base: Offset) -> Option<Indexes> {
    let mut rest = whole_file::unseal(bytes)?.strip_prefix(MAGIC)?;
    if rest.try_get_u32_le().ok()? != VERSION {
        return None;
    }
    let offsets = rest.try_get_u32_le().ok()? as usize;
    if rest.try_get_u64_le().ok()? != base.get() {
        return None;
    }
    let (offsets, times) = rest.split_at_checked(offsets)?;
    Some(Indexes { offsets: offsets.to_vec(), times: times.to_vec() })
}

const MAGIC: &[u8; 8] = b"weir-idx";
const VERSION: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_read_back_for_their_segment_alone() {
        let base = Offset::new(7);
        let indexes = Indexes { offsets: vec![1; 16], times: vec![2; 24] };
        let bytes = to_bytes(base, &indexes);
        assert_eq!(parse(&bytes, base), Some(indexes));
        assert_eq!(parse(&bytes, Offset::new(8)), None);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert_eq!(parse(&flipped, base), None, "byte {at}");
            assert_eq!(parse(&bytes[..at], base), None, "cut at {at}");
        }
    }
}
