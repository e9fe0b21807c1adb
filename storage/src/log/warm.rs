//! Reading without waiting for a disk: what is in memory at once, the rest once it was brought in.
//!
//! ```text
//!   sealed, or of an earlier run │ written in this run                       │ tail
//!   ─────────────────────────────┴───────────────────────────────────────────┤
//!   far: a reader thread brings  │ far, unless all of what is read next is   │ near: a reader
//!   in a Warm piece at a time    │ in memory                                 │ that was there
//! ```
//!
//! A task of a runtime calls [`Reader::read_in_memory`]. Where that has no answer, a thread calls
//! [`Reader::bring_in`] for the same cursor, and hands back what makes an answer: a [`Warm`] piece.
//! Pages can leave memory again before they are read, as all pages can; a piece is small and read
//! at once, so that they hardly do.
//!
//! Invariant: a `Warm` piece holds whole batches, which were found sound and in memory.

use std::ops::Range;

use super::errors::ReadError;
use super::readable::{Body, Readable};
use super::reader::{Cursor, Located, Read, ReadLimits, Reader, take_or_pass};
use super::segments::Segment;
use crate::offset::{Offset, OffsetSpan};

/// Batches of one segment that a thread brought in; holds its mapping.
#[derive(Clone, Debug)]
pub struct Warm {
    body: Body,
    base: Offset,
    positions: Range<u64>,
    /// From the offset it was brought in for to the one behind the last batch.
    offsets: OffsetSpan,
}

/// What there was to bring in.
#[derive(Debug)]
pub enum BroughtIn {
    Warm(Warm),
    /// Nothing: these offsets never had records, or have none any longer.
    Gap(OffsetSpan),
    /// Nothing: the tail is there.
    AtTail,
}

impl Warm {
    /// Whether what is read at the cursor is here.
    pub fn holds(&self, cursor: &Cursor) -> bool {
        self.offsets.contains(&cursor.offset)
    }

    /// The place behind it.
    pub fn behind(&self) -> Cursor {
        let mut behind = Cursor::at(self.offsets.end);
        behind.place = Some((self.base, self.positions.end));
        behind
    }

    /// Whether the cursor, which began here, is in the second half or behind.
    pub fn is_half_read(&self, cursor: &Cursor) -> bool {
        let half = self.positions.start.midpoint(self.positions.end);
        !self.holds(cursor) || half <= self.position(cursor)
    }

    /// A position not above the cursor's offset.
    fn position(&self, cursor: &Cursor) -> u64 {
        match cursor.place {
            Some((base, at)) if base == self.base && self.positions.contains(&at) => at,
            _ => self.positions.start,
        }
    }
}

impl Reader {
    /// Reads as [`read`](Self::read) does where that waits for no disk: at the tail, in memory, or
    /// in `warm`. `None` elsewhere: then a thread should bring in what is there.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn read_in_memory(
        &self,
        cursor: &mut Cursor,
        limits: &ReadLimits,
        warm: Option<&Warm>,
    ) -> Result<Option<Read>, ReadError> {
        let Some(tail) = self.visible(cursor)? else { return Ok(Some(Read::AtTail)) };
        if let Some(warm) = warm.filter(|warm| warm.holds(cursor)) {
            return self.read_warm(warm, cursor, tail, limits).map(Some);
        }
        let located = self.locate(cursor);
        if located.as_ref().is_some_and(|located| is_far(located, cursor, limits)) {
            return Ok(None);
        }
        self.read_at(located, cursor, tail, limits).map(Some)
    }

    /// Brings in whole batches from the cursor's offset on: the first, and as many behind it in
    /// its segment as `bytes` hold. Waits for the disk.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub fn bring_in(&self, cursor: &Cursor, bytes: u64) -> Result<BroughtIn, ReadError> {
        let (mut cursor, asked) = (*cursor, cursor.offset);
        let Some(tail) = self.visible(&mut cursor)? else { return Ok(BroughtIn::AtTail) };
        let Some((mut segment, first)) = self.find(self.locate(&cursor), asked, tail)? else {
            return Ok(BroughtIn::Gap(asked..tail));
        };
        let start = first.position;
        let wanted = start..first.end().max(segment.end().min(start + bytes));
        segment.populate(wanted.clone())?;
        let (mut end, mut next) = (first.end(), first.next());
        // What is wrong with the next batch is told to whoever reads on from there.
        while let Ok(Some(batch)) = segment.batch_at(end)
            && batch.end() <= wanted.end
            && batch.base() < tail
        {
            (end, next) = (batch.end(), batch.next());
        }
        let (base, positions) = (segment.base(), start..end);
        Ok(BroughtIn::Warm(Warm {
            body: segment.into_body(),
            base,
            positions,
            offsets: asked..next,
        }))
    }

    fn read_warm(
        &self,
        warm: &Warm,
        cursor: &mut Cursor,
        tail: Offset,
        limits: &ReadLimits,
    ) -> Result<Read, ReadError> {
        let mut segment = Readable::warm(&self.shared, warm.body.clone(), warm.positions.end);
        let mut position = warm.position(cursor);
        while let Some(batch) = segment.batch_at(position)? {
            if cursor.offset < batch.next() {
                return take_or_pass(cursor, limits, tail, segment, &batch);
            }
            position = batch.end();
        }
        unreachable!("a warm piece has batches up to its last offset")
    }
}

/// Whether reading there may wait for a disk.
fn is_far(located: &Located, cursor: &Cursor, limits: &ReadLimits) -> bool {
    let Segment::Live(live) = &located.segment else { return true };
    let position = match located.position {
        Some(position) => position,
        None if cursor.offset <= live.base => 0,
        None => live.near(cursor.offset),
    };
    if position < live.recovered.end {
        return true;
    }
    // What came since the tail was here is still in memory; the rest is asked for.
    if cursor.was_at_tail {
        return false;
    }
    let bytes = limits.bytes_max.clamp(ASKED_BYTES_MIN, ASKED_BYTES_MAX);
    !live.map.is_in_memory(position..live.map.readable().min(position + bytes))
}

/// Of so many bytes at least it is asked whether they are in memory: a batch may be larger than
/// the limits of a read.
const ASKED_BYTES_MIN: u64 = 64 << 10;

/// And of so many at most. What is read at once is seldom more.
const ASKED_BYTES_MAX: u64 = 256 << 10;
