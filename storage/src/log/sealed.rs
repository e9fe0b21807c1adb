//! A segment that nobody writes, mapped when somebody reads it: a sealed one, or the active one of
//! a log at rest.
//!
//! Holds no descriptor and, unread, no map. What is open at once is bounded for all logs together
//! ([`OpenMaps`](super::open_maps::OpenMaps)); a slice keeps its mapping beyond that, so a bound
//! never breaks a reader.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use weir_protocol::checksum::crc32c;

use super::active_index;
use super::epochs::Epochs;
use super::errors::ReadError;
use super::file_name;
use super::indexes::{Indexer, Indexes};
use super::manifest::{IndexFacts, SealedFacts};
use super::options::Options;
use super::quarantine::{Quarantined, Remembered, Withheld};
use super::trust::Trust;
use super::vetting::{self, Stretch};
use super::walk::Flaw;
use super::whole_file;
use super::{offset_index, time_index};
use crate::disk::{Disk, Open};
use crate::errors::{DiskError, Naming};
use crate::map::{self, ReaderMap};
use crate::offset::{Offset, OffsetSpan};

/// A segment that nobody writes.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) facts: SealedFacts,
    pub(super) trust: Trust,
    /// What of it is not served for good. All that its digest says is about the rest.
    pub(super) withheld: Option<Withheld>,
    /// What an earlier run found wrong with it, until this one has read it.
    pub(super) suspected: Option<Flaw>,
    pub(super) until: Until,
}

/// For how long nobody writes a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// For ever: the manifest has its digest, and its indexes have files.
    Deleted,
    /// Until the log wakes. It has no digest, its file may go on behind its batches, and its
    /// indexes are where those of the active segment are put aside.
    Woken,
}

impl Sealed {
    /// A segment as a manifest has it.
    pub(super) fn listed(facts: SealedFacts, remembered: Option<&Remembered>) -> Self {
        let withheld = remembered.and_then(Remembered::as_withheld);
        let suspected = match (remembered, &withheld) {
            (Some(remembered), None) => Some(Flaw::Said(Arc::clone(&remembered.why))),
            _ => None,
        };
        Self { facts, trust: Trust::unread(), withheld, suspected, until: Until::Deleted }
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
        let until = Until::Deleted;
        Self { facts, trust: Trust::unread(), withheld, suspected: None, until }
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

/// Such a segment in memory.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) map: ReaderMap,
    indexes: Indexes,
}

impl Mapped {
    /// Maps a segment's file; the first time in a run that anyone does, all of it is read.
    pub(super) fn open(
        disk: &dyn Disk,
        directory: &Path,
        options: &Options,
        sealed: &Sealed,
        epochs: &Mutex<Epochs>,
    ) -> Result<Self, ReadError> {
        let facts = &sealed.facts;
        let path = sealed.path(directory);
        let damaged = |flaw: Flaw| {
            sealed.trust.condemn(flaw.clone());
            options.alarm.ring();
            sealed.quarantined(directory, flaw)
        };
        let map = map_file(disk, &path, sealed)?.map_err(damaged)?;
        let from = sealed.served_from();
        let vetted = sealed.trust.settle(|| match sealed.until {
            Until::Deleted => vetting::vet_sealed(&map, facts, from),
            Until::Woken => {
                let (position, offset) = from;
                let offsets = offset..facts.next;
                let stretch = Stretch { bytes: position..facts.bytes, offsets };
                vetting::vet(&map, &stretch, &epochs.lock().clone())
            }
        });
        vetted.naming("read", &path)?.map_err(damaged)?;
        let mut indexes = match sealed.until {
            Until::Woken => active_index::read(disk, directory, facts.base, facts.next, &map)?,
            Until::Deleted => match read_indexes(disk, directory, facts)? {
                Some(indexes) => return Ok(Self { map, indexes }),
                None => Indexes::default(),
            },
        };
        let unindexed = from.0.max(indexes.end())..facts.bytes;
        vetting::bring_in(&map, unindexed).naming("read", &path)?;
        complete(&mut indexes, &map, facts, options, from.0).map_err(damaged)?;
        Ok(Self { map, indexes })
    }

    /// What its indexes take of the heap.
    pub(super) fn index_bytes(&self) -> usize {
        self.indexes.offsets.len() + self.indexes.times.len()
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
    sealed: &Sealed,
) -> Result<Result<ReaderMap, Flaw>, DiskError> {
    let Sealed { facts, until, .. } = sealed;
    let file = match disk.open(path, Open::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err(Flaw::Missing)),
        opened => opened.naming("open", path)?,
    };
    let bytes = file.len().naming("measure", path)?;
    let is_whole = match until {
        Until::Deleted => bytes == facts.bytes,
        Until::Woken => facts.bytes <= bytes,
    };
    if !is_whole {
        return Ok(Err(Flaw::Length { bytes, expected: facts.bytes }));
    }
    let map = map::map_sealed(&*file, facts.bytes as usize).naming("map", path)?;
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

/// Completes indexes from the batches behind their last entry.
fn complete(
    indexes: &mut Indexes,
    map: &ReaderMap,
    facts: &SealedFacts,
    options: &Options,
    from: u64,
) -> Result<(), Flaw> {
    let interval_bytes = options.index_interval_bytes;
    let segment = map.bytes(0..facts.bytes);
    let mut indexer = Indexer::resume(facts.base, interval_bytes, indexes, segment, from)?;
    indexes.push(&indexer.finish());
    Ok(())
}
