//! Reading a log, from any thread, beside its writer.
//!
//! A reader looks at the tail first and then only at what lies below it. It hands out bytes that
//! own the mapping: nothing is copied, and a segment that is sealed, cut or deleted meanwhile
//! stays readable in the slices that are held. It walks batches by their headers and never sees a
//! record.
//!
//! A [`Cursor`] remembers where in which segment it stands, so that going on needs no index.

use std::sync::Arc;

use bytes::Bytes;

use super::epochs::EpochStart;
use super::errors::ReadError;
use super::quarantine::Quarantined;
use super::readable::Readable;
use super::segments::Segment;
use super::shared::Shared;
use super::walk::Placed;
use crate::offset::{Epoch, Offset, OffsetSpan};

/// A log, to be read. Clones read the same log.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(super) shared: Arc<Shared>,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The first offset that can be asked for.
    pub fn start(&self) -> Offset {
        self.shared.published.start()
    }

    /// The first offset that is not there yet.
    pub fn tail(&self) -> Offset {
        self.shared.published.tail()
    }

    /// The epoch of the last record, or the one that every log begins in.
    pub fn epoch(&self) -> Epoch {
        self.shared.epochs.lock().starts().last().map_or(Epoch::ZERO, |last| last.epoch)
    }

    /// The epoch that reigned at `offset`; `None` where that was forgotten.
    pub fn epoch_at(&self, offset: Offset) -> Option<Epoch> {
        self.shared.epochs.lock().at(offset)
    }

    /// Which epoch began where, the oldest first.
    pub fn epochs(&self) -> Vec<EpochStart> {
        self.shared.epochs.lock().starts().to_vec()
    }

    /// Whether the log could not be opened: all reads are refused.
    pub fn is_closed(&self) -> bool {
        self.shared.why_closed().is_some()
    }

    /// What of the log is damaged, as far as anyone knows, the oldest first; what was deleted is
    /// not in it. Of a log that is closed all is.
    pub fn quarantined(&self) -> Vec<Quarantined> {
        self.shared.quarantined()
    }

    /// Reads whole batches from the one that holds the cursor's offset on, and moves the cursor
    /// behind what it returns. May wait for a disk; [`read_in_memory`](Self::read_in_memory) does
    /// not.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] where the offset was deleted or lies above the tail; the others
    /// where this part of the log cannot be served. The cursor stays.
    pub fn read(&self, cursor: &mut Cursor, limits: &ReadLimits) -> Result<Read, ReadError> {
        match self.visible(cursor)? {
            None => Ok(Read::AtTail),
            Some(tail) => self.read_at(self.locate(cursor), cursor, tail, limits),
        }
    }

    /// Where the bytes end that may be served, if that is behind the cursor's offset; `None` for a
    /// cursor at the tail, which remembers it.
    pub(super) fn visible(&self, cursor: &mut Cursor) -> Result<Option<Offset>, ReadError> {
        self.shared.check_open()?;
        let tail = self.tail();
        let (asked, start) = (cursor.offset, self.start());
        if asked < start || tail < asked {
            return Err(ReadError::OutOfRange { asked, start, tail });
        }
        if asked == tail {
            cursor.was_at_tail = true;
            return Ok(None);
        }
        let served_below = self.shared.served_below();
        if served_below <= asked {
            return Err(ReadError::Unflushed { flushed: served_below });
        }
        Ok(Some(tail.min(served_below)))
    }

    /// Reads what lies below `tail`, looking for it from `located` on.
    pub(super) fn read_at(
        &self,
        located: Option<Located>,
        cursor: &mut Cursor,
        tail: Offset,
        limits: &ReadLimits,
    ) -> Result<Read, ReadError> {
        let asked = cursor.offset;
        match self.find(located, asked, tail)? {
            Some((segment, first)) => take_or_pass(cursor, limits, tail, segment, &first),
            None => {
                // The next batch may be in a segment that is not the next to be begun.
                cursor.go_on(tail, None);
                Ok(Read::Gap(asked..tail))
            }
        }
    }

    /// The first batch below `tail` that reaches `asked` or lies above it.
    pub(super) fn find(
        &self,
        located: Option<Located>,
        asked: Offset,
        tail: Offset,
    ) -> Result<Option<(Readable<'_>, Placed)>, ReadError> {
        let found = self.walk_to(located, asked, tail);
        let is_there = matches!(&found, Ok(Some((_, first))) if first.base() <= asked);
        match self.start() {
            // It was deleted meanwhile.
            start if !is_there && asked < start => {
                Err(ReadError::OutOfRange { asked, start, tail })
            }
            _ => found,
        }
    }

    fn walk_to(
        &self,
        mut located: Option<Located>,
        asked: Offset,
        tail: Offset,
    ) -> Result<Option<(Readable<'_>, Placed)>, ReadError> {
        while let Some(Located { segment, position }) = located {
            let base = segment.base();
            if !segment.ends_below(asked) {
                // Whatever lies below the tail is there now, or in a later segment.
                let mut readable = Readable::open(&self.shared, segment, asked)?;
                let mut position = position.unwrap_or_else(|| readable.near(asked));
                position = position.max(readable.served_from());
                while let Some(batch) = readable.batch_at(position)? {
                    if tail <= batch.base() {
                        return Ok(None);
                    }
                    if asked < batch.next() {
                        return Ok(Some((readable, batch)));
                    }
                    position = batch.end();
                }
            }
            located = self.behind(base);
        }
        Ok(None)
    }

    /// The first segment that can hold the cursor's offset.
    pub(super) fn locate(&self, cursor: &Cursor) -> Option<Located> {
        let segments = &self.shared.segments;
        let known = cursor.place.and_then(|(base, position)| {
            Some(Located { segment: segments.at(base)?, position: Some(position) })
        });
        let around = || Some(Located { segment: segments.around(cursor.offset)?, position: None });
        let mut located = known.or_else(around);
        while let Some(ended) = located.take_if(|l| l.segment.ends_below(cursor.offset)) {
            located = self.behind(ended.segment.base());
        }
        located
    }

    fn behind(&self, base: Offset) -> Option<Located> {
        let segment = self.shared.segments.behind(base)?;
        Some(Located { segment, position: Some(0) })
    }
}

/// A segment to look in, and a position not above what is looked for, if one is known.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) segment: Segment,
    pub(super) position: Option<u64>,
}

/// Takes batches from `first` on, or passes the gap before it.
pub(super) fn take_or_pass(
    cursor: &mut Cursor,
    limits: &ReadLimits,
    tail: Offset,
    segment: Readable<'_>,
    first: &Placed,
) -> Result<Read, ReadError> {
    let asked = cursor.offset;
    if first.base() <= asked {
        return take(cursor, limits, tail, segment, first);
    }
    cursor.go_on(first.base(), Some((segment.base(), first.position)));
    Ok(Read::Gap(asked..first.base()))
}

/// Takes batches from `first` on, as many as follow each other within the limits.
fn take(
    cursor: &mut Cursor,
    limits: &ReadLimits,
    tail: Offset,
    mut segment: Readable<'_>,
    first: &Placed,
) -> Result<Read, ReadError> {
    let messages = u64::from(first.header.records);
    let fits = limits.hold(first.end() - first.position, messages);
    if limits.first == FirstBatch::IfItFits && !fits {
        return Ok(Read::NoRoom);
    }
    let mut taken = Taken { end: first.end(), next: first.next(), messages };
    // Nothing is looked at that could not be taken.
    while taken.end - first.position < limits.bytes_max && taken.messages < limits.messages_max {
        // What is wrong with the next batch is told to whoever reads on from here.
        let Ok(Some(batch)) = segment.batch_at(taken.end) else { break };
        let messages = taken.messages + u64::from(batch.header.records);
        let follows = batch.base() == taken.next && batch.base() < tail;
        if !follows || !limits.hold(batch.end() - first.position, messages) {
            break;
        }
        taken = Taken { end: batch.end(), next: batch.next(), messages };
    }
    cursor.go_on(taken.next, Some((segment.base(), taken.end)));
    Ok(Read::Slice(Slice {
        bytes: segment.slice(first.position..taken.end)?,
        messages: taken.messages,
        span: first.base()..taken.next,
    }))
}

/// Where a slice ends so far.
struct Taken {
    end: u64,
    next: Offset,
    messages: u64,
}

/// A reader's place in one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) offset: Offset,
    /// The segment's base and a position in it that is not above the offset.
    pub(super) place: Option<(Offset, u64)>,
    /// Whether the tail was here when it was last read from.
    pub(super) was_at_tail: bool,
}

impl Cursor {
    pub fn at(offset: Offset) -> Self {
        Self { offset, place: None, was_at_tail: false }
    }

    /// What is read next.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    fn go_on(&mut self, offset: Offset, place: Option<(Offset, u64)>) {
        *self = Self { offset, place, was_at_tail: false };
    }
}

/// How much to read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    pub bytes_max: u64,
    pub messages_max: u64,
    pub first: FirstBatch,
}

impl ReadLimits {
    fn hold(&self, bytes: u64, messages: u64) -> bool {
        bytes <= self.bytes_max && messages <= self.messages_max
    }
}

/// What happens to a first batch beyond the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstBatch {
    /// It is returned all the same, alone: a reader with nothing in flight must get on.
    Always,
    /// [`Read::NoRoom`].
    IfItFits,
}

/// What is at a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    Slice(Slice),
    /// Offsets that never had records, or no longer: the cursor is behind them.
    Gap(OffsetSpan),
    /// Nothing yet.
    AtTail,
    /// Something, but the first batch is beyond the limits.
    NoRoom,
}

/// Whole batches that follow each other, as they lie in the segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    pub bytes: Bytes,
    /// The records of all its batches. Those of a first batch that begins below the asked offset
    /// count too.
    pub messages: u64,
    /// From the first batch's base offset to the one behind the last record.
    pub span: OffsetSpan,
}
