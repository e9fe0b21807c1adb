//! A sealed segment: a file that nobody writes any more, mapped when somebody reads it.
//!
//! Holds no descriptor and, unread, no map. What is open at once is bounded for each log; a slice
//! keeps its mapping beyond that, so a bound never breaks a reader.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use weir_protocol::checksum::crc32c;

use super::errors::ReadError;
use super::file_name;
use super::indexes::{Indexer, Indexes};
use super::manifest::{IndexFacts, SealedFacts};
use super::options::Options;
use super::trust::Trust;
use super::vetting;
use super::walk::Flaw;
use super::whole_file;
use super::{offset_index, time_index};
use crate::disk::{Disk, Open};
use crate::errors::{DiskError, Naming};
use crate::map::{self, ReaderMap};
use crate::offset::Offset;

/// A segment that is sealed.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) facts: SealedFacts,
    pub(super) trust: Trust,
}

impl Sealed {
    pub(super) fn path(&self, directory: &Path) -> PathBuf {
        directory.join(file_name::segment(self.facts.base))
    }
}

/// A sealed segment in memory.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) map: ReaderMap,
    indexes: Indexes,
}

impl Mapped {
    /// Maps a segment's file; the first time in a run that anyone does, all of it is read.
    fn open(
        disk: &dyn Disk,
        directory: &Path,
        options: &Options,
        sealed: &Sealed,
    ) -> Result<Self, ReadError> {
        let facts = &sealed.facts;
        let path = sealed.path(directory);
        let map = match map_file(disk, &path, facts)? {
            Ok(map) => map,
            Err(flaw) => return Err(quarantined(path, facts, flaw)),
        };
        let vetted = sealed.trust.settle(|| vetting::vet_sealed(&map, facts));
        if let Err(flaw) = vetted.naming("read", &path)? {
            return Err(quarantined(path, facts, flaw));
        }
        let indexes = match read_indexes(disk, directory, facts)? {
            Some(indexes) => indexes,
            None => {
                vetting::bring_in(&map, 0..facts.bytes).naming("read", &path)?;
                let rebuilt = rebuild_indexes(&map, facts, options);
                rebuilt.map_err(|flaw| quarantined(path, facts, flaw))?
            }
        };
        Ok(Self { map, indexes })
    }

    /// The position of a batch that is not above `relative` to the base, nor far below it.
    pub(super) fn near(&self, relative: u64) -> u64 {
        let entry = offset_index::at_or_below(&self.indexes.offsets, relative);
        entry.map_or(0, |entry| u64::from(entry.position))
    }

    /// The relative offset of a batch below which no record has `timestamp` or a later one.
    pub(super) fn not_before(&self, timestamp: i64) -> u64 {
        let entry = time_index::at_or_below(&self.indexes.times, timestamp);
        entry.map_or(0, |entry| u64::from(entry.last))
    }
}

fn map_file(
    disk: &dyn Disk,
    path: &Path,
    facts: &SealedFacts,
) -> Result<Result<ReaderMap, Flaw>, DiskError> {
    let file = match disk.open(path, Open::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err(Flaw::Missing)),
        opened => opened.naming("open", path)?,
    };
    let bytes = file.len().naming("measure", path)?;
    if bytes != facts.bytes {
        return Ok(Err(Flaw::Length { bytes, expected: facts.bytes }));
    }
    let map = map::map_sealed(&*file, bytes as usize).naming("map", path)?;
    Ok(Ok(map))
}

/// The indexes beside a segment, if both are what they were.
fn read_indexes(
    disk: &dyn Disk,
    directory: &Path,
    facts: &SealedFacts,
) -> Result<Option<Indexes>, DiskError> {
    let read = |name: String, facts: IndexFacts| {
        let bytes = whole_file::read(disk, &directory.join(name))?;
        Ok(bytes.filter(|b| b.len() == facts.bytes as usize && crc32c(b) == facts.crc))
    };
    let offsets = read(file_name::offset_index(facts.base), facts.offset_index)?;
    let times = read(file_name::time_index(facts.base), facts.time_index)?;
    Ok(offsets.zip(times).map(|(offsets, times)| Indexes { offsets, times }))
}

fn rebuild_indexes(
    map: &ReaderMap,
    facts: &SealedFacts,
    options: &Options,
) -> Result<Indexes, Flaw> {
    let mut indexes = Indexes::default();
    let interval_bytes = options.index_interval_bytes;
    let segment = map.bytes(0..facts.bytes);
    let mut indexer = Indexer::resume(facts.base, interval_bytes, &mut indexes, segment)?;
    indexes.push(&indexer.finish());
    Ok(indexes)
}

pub(super) fn quarantined(path: PathBuf, facts: &SealedFacts, flaw: Flaw) -> ReadError {
    ReadError::Quarantined { path, span: facts.base..facts.next, flaw }
}

/// The sealed segments of one log that are in memory, the one used last at the end.
#[derive(Debug, Default)]
pub(super) struct OpenMaps {
    open: Mutex<Vec<(Offset, Arc<Mapped>)>>,
}

impl OpenMaps {
    /// The segment in memory, brought there if it is not.
    pub(super) fn open(
        &self,
        disk: &dyn Disk,
        directory: &Path,
        options: &Options,
        sealed: &Sealed,
    ) -> Result<Arc<Mapped>, ReadError> {
        let base = sealed.facts.base;
        if let Some(mapped) = self.find(base) {
            return Ok(mapped);
        }
        // Opened without the lock: who reads other segments does not wait for this one.
        let mapped = Arc::new(Mapped::open(disk, directory, options, sealed)?);
        let mut open = self.open.lock();
        open.retain(|(other, _)| *other != base);
        if open.len() == SEALED_MAPS_MAX {
            open.remove(0);
        }
        open.push((base, Arc::clone(&mapped)));
        Ok(mapped)
    }

    /// Closes those that begin below `base`.
    pub(super) fn close_below(&self, base: Offset) {
        self.open.lock().retain(|(open, _)| base <= *open);
    }

    fn find(&self, base: Offset) -> Option<Arc<Mapped>> {
        let mut open = self.open.lock();
        let at = open.iter().position(|(open, _)| *open == base)?;
        let found = open.remove(at);
        let mapped = Arc::clone(&found.1);
        open.push(found);
        Some(mapped)
    }
}

/// Sealed segments of one log that are mapped at once, beyond those that slices hold.
const SEALED_MAPS_MAX: usize = 8;
