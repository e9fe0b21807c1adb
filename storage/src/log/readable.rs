//! A segment opened for one read: its bytes, found whole, and the way from batch to batch.
//!
//! What may be far from memory is brought in before it is looked at, so that a failing disk is an
//! error and not a signal. The active segment's bytes were written in this run and are not.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use weir_protocol::batch::HEADER_BYTES;

use super::errors::ReadError;
use super::live::Live;
use super::quarantine::Withheld;
use super::sealed::{Mapped, Sealed};
use super::segments::Segment;
use super::shared::Shared;
use super::vetting;
use super::walk::{Flaw, Placed, Walk};
use crate::errors::{DiskError, Naming};
use crate::map::ReaderMap;
use crate::offset::Offset;

/// A segment that can be read.
pub(super) struct Readable<'a> {
    shared: &'a Shared,
    body: Body,
    /// How many bytes of it there are to read.
    end: u64,
    /// Bytes below this were brought in by this read.
    brought_in: u64,
}

/// A segment's bytes, held.
#[derive(Clone, Debug)]
pub(super) enum Body {
    Live(Arc<Live>),
    Sealed(Arc<Sealed>, Arc<Mapped>),
}

impl<'a> Readable<'a> {
    /// Opens a segment to look for `offset` in it and for what lies behind.
    pub(super) fn open(
        shared: &'a Shared,
        segment: Segment,
        offset: Offset,
    ) -> Result<Self, ReadError> {
        let body = match segment {
            Segment::Live(live) => {
                if let Some(withheld) = live.withheld()
                    && offset < withheld.offset
                {
                    let Withheld { offset, flaw, .. } = withheld;
                    let (path, span) = (live.ground.path(), live.base..offset);
                    return Err(ReadError::Quarantined { path, span, flaw });
                }
                Body::Live(live)
            }
            Segment::Sealed(sealed) => {
                let Shared { disk, directory, options, maps, epochs, .. } = shared;
                sealed.check(directory, offset)?;
                let mapped = maps.open(&**disk, directory, options, &sealed, epochs)?;
                Body::Sealed(sealed, mapped)
            }
        };
        let end = match &body {
            Body::Live(live) => live.map.readable(),
            Body::Sealed(sealed, _) => sealed.facts.bytes,
        };
        Ok(Self { shared, body, end, brought_in: 0 })
    }

    /// A segment of which the bytes below `end` were found whole and brought in by an earlier
    /// read.
    pub(super) fn warm(shared: &'a Shared, body: Body, end: u64) -> Self {
        Self { shared, body, end, brought_in: end }
    }

    pub(super) fn into_body(self) -> Body {
        self.body
    }

    /// How many bytes of it there are to read.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn base(&self) -> Offset {
        match &self.body {
            Body::Live(live) => live.base,
            Body::Sealed(sealed, _) => sealed.facts.base,
        }
    }

    /// The position of a batch that is not above `offset`, nor far below it.
    pub(super) fn near(&self, offset: Offset) -> u64 {
        let position = match &self.body {
            _ if offset <= self.base() => 0,
            Body::Live(live) => live.near(offset),
            Body::Sealed(sealed, mapped) => mapped.near(offset.since(sealed.facts.base)),
        };
        position.max(self.served_from())
    }

    /// Below this position nothing is served.
    pub(super) fn served_from(&self) -> u64 {
        match &self.body {
            Body::Live(live) => live.recovered().bytes.start,
            Body::Sealed(sealed, _) => sealed.served_from().0,
        }
    }

    /// An offset below which no record has `timestamp` or a later one.
    pub(super) fn not_before(&self, timestamp: i64) -> Offset {
        match &self.body {
            Body::Live(live) => live.not_before(timestamp),
            Body::Sealed(sealed, mapped) => sealed.facts.base.plus(mapped.not_before(timestamp)),
        }
    }

    /// The batch at `position`; `None` at the end.
    pub(super) fn batch_at(&mut self, position: u64) -> Result<Option<Placed>, ReadError> {
        if self.end <= position {
            return Ok(None);
        }
        if self.brought_in < self.end.min(position + HEADER_BYTES as u64) {
            self.bring_in(position..self.end.min(position + AHEAD_BYTES))?;
        }
        let walked = Walk::new(self.map().bytes(0..self.end), position).next().transpose();
        walked.map_err(|flaw| self.quarantined(flaw))
    }

    /// The bytes of `range`, for as long as anyone holds them.
    pub(super) fn slice(&mut self, range: Range<u64>) -> Result<Bytes, ReadError> {
        self.bring_in(range.clone())?;
        // What was walked up to here is believed from now on.
        match self.map().check() {
            Ok(()) => Ok(self.map().slice(range)),
            Err(lost) => Err(self.lost(lost)),
        }
    }

    /// Brings bytes in wherever they are, having read all of an earlier run's once.
    pub(super) fn populate(&mut self, range: Range<u64>) -> Result<(), ReadError> {
        if let Body::Live(live) = &self.body
            && range.start < live.recovered.end
        {
            self.vet(live)?;
        }
        let populated = vetting::bring_in(self.map(), range.clone());
        populated.naming("read", &self.path())?;
        self.brought_in = self.brought_in.max(range.end);
        Ok(())
    }

    /// Brings bytes in that may not be in memory, having read all of an earlier run's once.
    fn bring_in(&mut self, range: Range<u64>) -> Result<(), ReadError> {
        if let Body::Live(live) = &self.body {
            if live.recovered.end <= range.start {
                self.brought_in = self.end;
                return Ok(());
            }
            self.vet(live)?;
        }
        let start = range.start.max(self.brought_in);
        if start < range.end {
            let brought_in = vetting::bring_in(self.map(), start..range.end);
            brought_in.naming("read", &self.path())?;
            self.brought_in = range.end;
        }
        Ok(())
    }

    fn vet(&self, live: &Live) -> Result<(), ReadError> {
        let vetted = self.shared.vet(live).naming("read", &self.path())?;
        vetted.map_err(|flaw| self.quarantined(flaw))
    }

    fn quarantined(&self, flaw: Flaw) -> ReadError {
        if let Err(lost) = self.map().check() {
            return self.lost(lost);
        }
        match &self.body {
            Body::Live(live) => {
                let span = live.base..live.recovered.offset;
                ReadError::Quarantined { path: self.path(), span, flaw }
            }
            Body::Sealed(sealed, _) => sealed.quarantined(&self.shared.directory, flaw),
        }
    }

    fn lost(&self, source: io::Error) -> ReadError {
        DiskError { doing: "read", path: self.path(), source }.into()
    }

    fn path(&self) -> PathBuf {
        match &self.body {
            Body::Live(live) => live.ground.path(),
            Body::Sealed(sealed, _) => sealed.path(&self.shared.directory),
        }
    }

    fn map(&self) -> &ReaderMap {
        match &self.body {
            Body::Live(live) => &live.map,
            Body::Sealed(_, mapped) => &mapped.map,
        }
    }
}

/// So much is brought in ahead of a walk.
const AHEAD_BYTES: u64 = 64 << 10;
