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
use super::quarantine::{Quarantined, Remembered, Withheld};
use super::trust::Trust;
use super::vetting;
use super::walk::Flaw;
use super::whole_file;
use super::{offset_index, time_index};
use crate::disk::{Disk, Open};
use crate::errors::{DiskError, Naming};
use crate::map::{self, ReaderMap};
use crate::offset::{Offset, OffsetSpan};

/// A segment that is sealed.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) facts: SealedFacts,
    pub(super) trust: Trust,
    /// What of it is not served for good. All that its digest says is about the rest.
    pub(super) withheld: Option<Withheld>,
    /// What an earlier run found wrong with it, until this one has read it.
    pub(super) suspected: Option<Flaw>,
}

impl Sealed {
    /// A segment as a manifest has it.
    pub(super) fn listed(facts: SealedFacts, remembered: Option<&Remembered>) -> Self {
        let withheld = remembered.and_then(Remembered::as_withheld);
        let suspected = match (remembered, &withheld) {
            (Some(remembered), None) => Some(Flaw::Said(Arc::clone(&remembered.why))),
            _ => None,
        };
        Self { facts, trust: Trust::unread(), withheld, suspected }
    }

    /// Offsets whose segments nobody knows any more, nor how old they are.
    pub(super) fn lost(span: OffsetSpan, flaw: Flaw) -> Self {
        let (offset_index, time_index) = (IndexFacts::of(&[]), IndexFacts::of(&[]));
        let facts = SealedFacts {
            base: span.start,
            next: span.end,
            bytes: 0,
            digest: 0,
            newest_timestamp: i64::MAX,
            offset_index,
            time_index,
        };
        let withheld = Some(Withheld { position: 0, offset: span.end, flaw });
        Self { facts, trust: Trust::unread(), withheld, suspected: None }
    }

    /// The file that is missed or damaged where something is.
    pub(super) fn path(&self, directory: &Path) -> PathBuf {
        let is_listed = 0 < self.facts.bytes;
        let name = is_listed.then(|| file_name::segment(self.facts.base));
        directory.join(name.as_deref().unwrap_or(file_name::MANIFEST))
    }

    /// Where in the file, and at which offset, what is served begins.
    pub(super) fn served_from(&self) -> (u64, Offset) {
        let withheld = self.withheld.as_ref();
        withheld.map_or((0, self.facts.base), |withheld| (withheld.position, withheld.offset))
    }

    /// What of it is damaged, as far as anyone knows.
    pub(super) fn damage(&self) -> Option<(OffsetSpan, &Flaw)> {
        let base = self.facts.base;
        match (self.trust.found(), &self.withheld, &self.suspected) {
            (Some(Err(_)), ..) => self.trust.flaw().map(|flaw| (base..self.facts.next, flaw)),
            (None, _, Some(flaw)) => Some((base..self.facts.next, flaw)),
            (_, Some(withheld), _) => Some((base..withheld.offset, &withheld.flaw)),
            (_, None, _) => None,
        }
    }

    /// Whether a reader may look for `offset` here.
    ///
    /// # Errors
    /// [`ReadError::Quarantined`]: it lies in a damaged part.
    pub(super) fn check(&self, directory: &Path, offset: Offset) -> Result<(), ReadError> {
        let flaw = self.trust.flaw();
        let found = flaw.map(|flaw| (self.facts.base..self.facts.next, flaw));
        let withheld = self.withheld.as_ref().filter(|withheld| offset < withheld.offset);
        let withheld = withheld.map(|all| (self.facts.base..all.offset, &all.flaw));
        match found.or(withheld) {
            None => Ok(()),
            Some((span, flaw)) => {
                let path = self.path(directory);
                Err(Quarantined { path, span, flaw: flaw.clone() }.into())
            }
        }
    }

    pub(super) fn quarantined(&self, directory: &Path, flaw: Flaw) -> ReadError {
        let span = self.facts.base..self.facts.next;
        Quarantined { path: self.path(directory), span, flaw }.into()
    }

    /// What its manifest must remember.
    pub(super) fn remembered(&self) -> Option<Remembered> {
        let (span, flaw) = self.damage()?;
        match &self.withheld {
            // A digest that contradicts what lies behind is found again.
            Some(withheld) => Some(Remembered::withheld(self.facts.base, withheld)),
            None => Some(Remembered::suspected(span, flaw)),
        }
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
        let damaged = |flaw: Flaw| {
            sealed.trust.condemn(flaw.clone());
            options.alarm.ring();
            sealed.quarantined(directory, flaw)
        };
        let map = map_file(disk, &path, facts)?.map_err(damaged)?;
        let from = sealed.served_from();
        let vetted = sealed.trust.settle(|| vetting::vet_sealed(&map, facts, from));
        vetted.naming("read", &path)?.map_err(damaged)?;
        let indexes = match read_indexes(disk, directory, facts)? {
            Some(indexes) => indexes,
            None => {
                vetting::bring_in(&map, from.0..facts.bytes).naming("read", &path)?;
                rebuild_indexes(&map, facts, options, from.0).map_err(damaged)?
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
    from: u64,
) -> Result<Indexes, Flaw> {
    let mut indexes = Indexes::default();
    let interval_bytes = options.index_interval_bytes;
    let segment = map.bytes(0..facts.bytes);
    let mut indexer = Indexer::resume(facts.base, interval_bytes, &mut indexes, segment, from)?;
    indexes.push(&indexer.finish());
    Ok(indexes)
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
