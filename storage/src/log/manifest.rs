//! The manifest: which segments of a log are sealed, what they were when they were, and which
//! epoch began where.
//!
//! Replaced as a whole, and synced, before anyone relies on what it says. A segment that is not in
//! it is the active one, or worth nothing.
//!
//! ```text
//! at  bytes  field          little-endian
//!  0    8    magic          "weir-mft"
//!  8    4    version        1, or 2 where something is quarantined
//! 12    4    segments       n
//! 16    4    epochs         m
//! 20    4    quarantined    q
//! 24   56·n  segments       the oldest first
//!      16·m  epochs         the oldest first
//!       …    quarantined    q of them, as `quarantine` has them
//!       4    CRC-32C        of everything before
//!
//! a segment:                                      an epoch:
//!  0    8    base offset                           0    4    epoch
//!  8    8    next offset: of what follows it       4    4    zero
//! 16    8    bytes                                 8    8    first offset
//! 24    8    digest: CRC-64/NVME of its bytes, from where it is served
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
use super::quarantine::Remembered;
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
    /// What is known to be damaged, the oldest first.
    pub(super) quarantined: Vec<Remembered>,
}

/// What was found where a manifest should be.
#[derive(Debug)]
pub(super) enum Found {
    Nothing,
    Manifest(Manifest),
    /// Something, but not what was written.
    Damaged(&'static str),
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
    /// What the manifest in `directory` says.
    ///
    /// # Errors
    /// Where a later version wrote it, or the disk fails.
    pub(super) fn read(disk: &dyn Disk, directory: &Path) -> Result<Found, OpenError> {
        let path = directory.join(MANIFEST);
        let Some(bytes) = whole_file::read(disk, &path)? else { return Ok(Found::Nothing) };
        match Self::parse(&bytes) {
            Ok(manifest) => Ok(Found::Manifest(manifest)),
            Err(ManifestFlaw::Damaged(what)) => Ok(Found::Damaged(what)),
            Err(ManifestFlaw::Newer(version)) => {
                Err(OpenError::Newer { path, version, newest: VERSION_QUARANTINED })
            }
        }
    }

    /// Puts this in the place of what the manifest said; certain once the directory is synced.
    pub(super) fn write(&self, disk: &dyn Disk, directory: &Path) -> Result<(), DiskError> {
        whole_file::replace(disk, directory, MANIFEST, &self.to_bytes(), Keep::Certain)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let epochs = self.epochs.starts();
        let mut bytes = Vec::new();
        bytes.put_slice(MAGIC);
        let is_healthy = self.quarantined.is_empty();
        bytes.put_u32_le(if is_healthy { VERSION } else { VERSION_QUARANTINED });
        bytes.put_u32_le(self.segments.len() as u32);
        bytes.put_u32_le(epochs.len() as u32);
        bytes.put_u32_le(self.quarantined.len() as u32);
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
        self.quarantined.iter().for_each(|remembered| remembered.write(&mut bytes));
        whole_file::seal(bytes)
    }

    fn parse(bytes: &[u8]) -> Result<Self, ManifestFlaw> {
        let head = bytes.first_chunk::<HEAD_BYTES>();
        let mut head = &head.ok_or(ManifestFlaw::Damaged("it is too short"))?[..];
        if head.copy_to_bytes(MAGIC.len()) != MAGIC[..] {
            return Err(ManifestFlaw::Damaged("it does not begin as a manifest does"));
        }
        let version = head.get_u32_le();
        // A damaged version would look like a newer one: only what is whole says what it is.
        let sealed = whole_file::unseal(bytes);
        let mut rest = &sealed.ok_or(ManifestFlaw::Damaged("its checksum is wrong"))?[HEAD_BYTES..];
        if !(VERSION..=VERSION_QUARANTINED).contains(&version) {
            return Err(ManifestFlaw::Newer(version));
        }
        let (segments, epochs) = (head.get_u32_le() as usize, head.get_u32_le() as usize);
        let quarantined = if version == VERSION { 0 } else { head.get_u32_le() };
        if rest.len() < segments * SEGMENT_BYTES + epochs * EPOCH_BYTES {
            return Err(ManifestFlaw::Damaged("its length is wrong"));
        }
        let segments: Vec<_> = (0..segments).map(|_| take_segment(&mut rest)).collect();
        if !segments.is_sorted_by(|a, b| a.base < a.next && a.next <= b.base) {
            return Err(ManifestFlaw::Damaged("its segments do not follow each other"));
        }
        let epochs = (0..epochs).map(|_| take_epoch(&mut rest)).collect();
        let epochs = Epochs::new(epochs);
        let epochs = epochs.ok_or(ManifestFlaw::Damaged("its epochs do not rise"))?;
        let quarantined: Option<Vec<_>> =
            (0..quarantined).map(|_| Remembered::take(&mut rest)).collect();
        match quarantined {
            Some(quarantined) if rest.is_empty() => Ok(Self { segments, epochs, quarantined }),
            _ => Err(ManifestFlaw::Damaged("its length is wrong")),
        }
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
const VERSION_QUARANTINED: u32 = 2;
const HEAD_BYTES: usize = 24;
const SEGMENT_BYTES: usize = 56;
const EPOCH_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::quarantine::Extent;
    use crate::log::walk::Flaw;

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
            quarantined: Vec::new(),
        }
    }

    fn damaged() -> Manifest {
        let span = |start, end| Offset::new(start)..Offset::new(end);
        let extent = Extent::Withheld { position: 700 };
        let withheld = Remembered { span: span(0, 7), extent, why: "its file is missing".into() };
        let suspected = Remembered::suspected(span(10, 30), &Flaw::Missing);
        Manifest { quarantined: vec![withheld, suspected], ..manifest() }
    }

    #[test]
    fn a_manifest_reads_back_as_it_was_written() {
        for manifest in [manifest(), damaged(), Manifest::default()] {
            assert_eq!(Manifest::parse(&manifest.to_bytes()), Ok(manifest));
        }
    }

    #[test]
    fn only_a_manifest_of_damage_needs_a_version_that_knows_of_it() {
        let version = |manifest: Manifest| manifest.to_bytes()[8];
        assert_eq!([version(manifest()), version(damaged())], [1, 2]);
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        for bytes in [manifest().to_bytes(), damaged().to_bytes()] {
            for at in 0..bytes.len() {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << (at % 8);
                for damaged in [&flipped[..], &bytes[..at]] {
                    let parsed = Manifest::parse(damaged);
                    assert!(matches!(parsed, Err(ManifestFlaw::Damaged(_))), "{at}: {parsed:?}");
                }
            }
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
        bytes[8] = 3;
        bytes.truncate(bytes.len() - 4);
        assert_eq!(Manifest::parse(&whole_file::seal(bytes)), Err(ManifestFlaw::Newer(3)));
    }
}
