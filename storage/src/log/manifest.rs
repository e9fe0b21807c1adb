//! The manifest: which segments of a log are sealed, what they were when they were, and which
//! epoch began where.
//!
//! Replaced as a whole, and synced, before anyone relies on what it says. A segment that is not in
//! it is the active one, or worth nothing.
//!
//! ```text
//! at  bytes  field          little-endian
//!  0    8    magic          "weir-mft"
//!  8    4    version        1
//! 12    4    segments       n
//! 16    4    epochs         m
//! 20    4    zero
//! 24   56·n  segments       the oldest first
//!      16·m  epochs         the oldest first
//!       4    CRC-32C        of everything before
//!
//! a segment:                                      an epoch:
//!  0    8    base offset                           0    4    epoch
//!  8    8    next offset: of what follows it       4    4    zero
//! 16    8    bytes                                 8    8    first offset
//! 24    8    digest: CRC-64/NVME of its bytes
//! 32    8    newest timestamp, −1: none
//! 40    4    bytes of .index
//! 44    4    CRC-32C of .index
//! 48    4    bytes of .timeindex
//! 52    4    CRC-32C of .timeindex
//! ```

use std::path::Path;

use bytes::{Buf, BufMut};
use weir_protocol::checksum::crc32c;

use super::epochs::{EpochStart, Epochs};
use super::errors::OpenError;
use super::file_name::MANIFEST;
use super::whole_file::{self, Keep};
use crate::disk::Disk;
use crate::errors::DiskError;
use crate::offset::{Epoch, Offset};

/// What a log's manifest says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Manifest {
    /// The oldest first.
    pub(super) segments: Vec<SealedFacts>,
    pub(super) epochs: Epochs,
}

/// A segment as it was when it was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SealedFacts {
    pub(super) base: Offset,
    /// The base of the segment that follows.
    pub(super) next: Offset,
    pub(super) bytes: u64,
    pub(super) digest: u64,
    pub(super) newest_timestamp: i64,
    pub(super) offset_index: IndexFacts,
    pub(super) time_index: IndexFacts,
}

/// An index file as it was when it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexFacts {
    pub(super) bytes: u32,
    pub(super) crc: u32,
}

impl IndexFacts {
    pub(super) fn of(entries: &[u8]) -> Self {
        let bytes = u32::try_from(entries.len()).expect("an index is smaller than its segment");
        Self { bytes, crc: crc32c(entries) }
    }
}

impl Manifest {
    /// What the manifest in `directory` says, `None` where there is none.
    pub(super) fn read(disk: &dyn Disk, directory: &Path) -> Result<Option<Self>, OpenError> {
        let path = directory.join(MANIFEST);
        let Some(bytes) = whole_file::read(disk, &path)? else { return Ok(None) };
        let manifest = Self::parse(&bytes).map_err(|flaw| match flaw {
            ManifestFlaw::Damaged(what) => OpenError::Damaged { path, what: what.to_owned() },
            ManifestFlaw::Newer(version) => OpenError::Newer { path, version, newest: VERSION },
        })?;
        Ok(Some(manifest))
    }

    /// Puts this in the place of what the manifest said; certain once the directory is synced.
    pub(super) fn write(&self, disk: &dyn Disk, directory: &Path) -> Result<(), DiskError> {
        whole_file::replace(disk, directory, MANIFEST, &self.to_bytes(), Keep::Certain)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let epochs = self.epochs.starts();
        let mut bytes = Vec::new();
        bytes.put_slice(MAGIC);
        bytes.put_u32_le(VERSION);
        bytes.put_u32_le(self.segments.len() as u32);
        bytes.put_u32_le(epochs.len() as u32);
        bytes.put_u32_le(0);
        for facts in &self.segments {
            bytes.put_u64_le(facts.base.get());
            bytes.put_u64_le(facts.next.get());
            bytes.put_u64_le(facts.bytes);
            bytes.put_u64_le(facts.digest);
            bytes.put_i64_le(facts.newest_timestamp);
            for index in [facts.offset_index, facts.time_index] {
                bytes.put_u32_le(index.bytes);
                bytes.put_u32_le(index.crc);
            }
        }
        for start in epochs {
            bytes.put_u32_le(start.epoch.get());
            bytes.put_u32_le(0);
            bytes.put_u64_le(start.first.get());
        }
        whole_file::seal(bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self, ManifestFlaw> {
        let head = bytes.first_chunk::<HEAD_BYTES>();
        let mut head = &head.ok_or(ManifestFlaw::Damaged("it is too short"))?[..];
        if head.copy_to_bytes(MAGIC.len()) != MAGIC[..] {
            return Err(ManifestFlaw::Damaged("it does not begin as a manifest does"));
        }
        let version = head.get_u32_le();
        if version != VERSION {
            return Err(ManifestFlaw::Newer(version));
        }
        let (segments, epochs) = (head.get_u32_le() as usize, head.get_u32_le() as usize);
        let sealed = whole_file::unseal(bytes);
        let mut rest = &sealed.ok_or(ManifestFlaw::Damaged("its checksum is wrong"))?[HEAD_BYTES..];
        if rest.len() != segments * SEGMENT_BYTES + epochs * EPOCH_BYTES {
            return Err(ManifestFlaw::Damaged("its length is wrong"));
        }
        let segments: Vec<_> = (0..segments).map(|_| take_segment(&mut rest)).collect();
        if !segments.is_sorted_by(|a, b| a.base < a.next && a.next <= b.base) {
            return Err(ManifestFlaw::Damaged("its segments do not follow each other"));
        }
        let epochs = (0..epochs).map(|_| take_epoch(&mut rest)).collect();
        let epochs = Epochs::new(epochs);
        let epochs = epochs.ok_or(ManifestFlaw::Damaged("its epochs do not rise"))?;
        Ok(Self { segments, epochs })
    }
}

fn take_segment(rest: &mut &[u8]) -> SealedFacts {
    SealedFacts {
        base: Offset::new(rest.get_u64_le()),
        next: Offset::new(rest.get_u64_le()),
        bytes: rest.get_u64_le(),
        digest: rest.get_u64_le(),
        newest_timestamp: rest.get_i64_le(),
        offset_index: take_index(rest),
        time_index: take_index(rest),
    }
}

fn take_index(rest: &mut &[u8]) -> IndexFacts {
    IndexFacts { bytes: rest.get_u32_le(), crc: rest.get_u32_le() }
}

fn take_epoch(rest: &mut &[u8]) -> EpochStart {
    let epoch = Epoch::new(rest.get_u32_le());
    rest.advance(4);
    EpochStart { epoch, first: Offset::new(rest.get_u64_le()) }
}

/// Why bytes are no manifest of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ManifestFlaw {
    Damaged(&'static str),
    Newer(u32),
}

const MAGIC: &[u8; 8] = b"weir-mft";
const VERSION: u32 = 1;
const HEAD_BYTES: usize = 24;
const SEGMENT_BYTES: usize = 56;
const EPOCH_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let facts = |base, next| SealedFacts {
            base: Offset::new(base),
            next: Offset::new(next),
            bytes: 1000,
            digest: 0x0123_4567_89ab_cdef,
            newest_timestamp: -1,
            offset_index: IndexFacts { bytes: 16, crc: 17 },
            time_index: IndexFacts { bytes: 24, crc: 25 },
        };
        let start = |e, o| EpochStart { epoch: Epoch::new(e), first: Offset::new(o) };
        Manifest {
            segments: vec![facts(0, 10), facts(10, 30)],
            epochs: Epochs::new(vec![start(1, 0), start(4, 20)]).unwrap(),
        }
    }

    #[test]
    fn a_manifest_reads_back_as_it_was_written() {
        for manifest in [manifest(), Manifest::default()] {
            assert_eq!(Manifest::parse(&manifest.to_bytes()), Ok(manifest));
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = manifest().to_bytes();
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            assert!(Manifest::parse(&flipped).is_err(), "byte {at}");
            assert!(Manifest::parse(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn segments_that_overlap_are_damage() {
        let mut manifest = manifest();
        manifest.segments[0].next = Offset::new(11);
        let flaw = ManifestFlaw::Damaged("its segments do not follow each other");
        assert_eq!(Manifest::parse(&manifest.to_bytes()), Err(flaw));
    }

    #[test]
    fn a_newer_manifest_is_said_to_be_newer() {
        let mut bytes = manifest().to_bytes();
        bytes[8] = 2;
        assert_eq!(Manifest::parse(&bytes), Err(ManifestFlaw::Newer(2)));
    }
}
