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
use super::readable::Readable;
use super::segments::Segment;
use super::shared::Shared;
use super::walk::Placed;
use crate::offset::{Offset, OffsetSpan};

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

    /// Which epoch began where, the oldest first.
    pub fn epochs(&self) -> Vec<EpochStart> {
        self.shared.epochs.lock().starts().to_vec()
    }

    /// Reads whole batches from the one that holds the cursor's offset on, and moves the cursor
    /// behind what it returns.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] where the offset was deleted or lies above the tail; the others
    /// where this part of the log cannot be served. The cursor stays.
    pub fn read(&self, cursor: &mut Cursor, limits: &ReadLimits) -> Result<Read, ReadError> {
        let tail = self.tail();
        let (asked, start) = (cursor.offset, self.start());
        if asked < start || tail < asked {
            return Err(ReadError::OutOfRange { asked, start, tail });
        }
        if asked == tail {
            return Ok(Read::AtTail);
        }
        let served_below = self.shared.served_below();
        if served_below <= asked {
            return Err(ReadError::Unflushed { flushed: served_below });
        }
        let tail = tail.min(served_below);
        let found = self.find(cursor, tail).map_err(|error| match self.start() {
            // It was deleted meanwhile.
            start if asked < start => ReadError::OutOfRange { asked, start, tail },
            _ => error,
        });
        match found? {
            Some((segment, first)) if first.base() <= asked => {
                take(cursor, limits, tail, segment, &first)
            }
            Some((segment, first)) => {
                cursor.go_on(first.base(), Some((segment.base(), first.position)));
                Ok(Read::Gap(asked..first.base()))
            }
            None => {
                // The next batch may be in a segment that is not the next to be begun.
                cursor.go_on(tail, None);
                Ok(Read::Gap(asked..tail))
            }
        }
    }

    /// Whether reading here may wait for a disk: what lies below the active segment, or was
    /// written by an earlier run and nobody has read yet. Such reads belong on a thread of their
    /// own.
    pub fn is_cold(&self, cursor: &Cursor) -> bool {
        let segments = &self.shared.segments;
        match cursor.place.and_then(|(base, _)| segments.at(base)) {
            None => segments.around(cursor.offset).is_some_and(|s| self.is_far(&s, cursor)),
            Some(segment) => self.is_far(&segment, cursor),
        }
    }

    fn is_far(&self, segment: &Segment, cursor: &Cursor) -> bool {
        match segment {
            Segment::Sealed(_) => true,
            Segment::Live(live) => {
                let is_vetted = live.recovered.trust.found().is_some();
                !is_vetted && cursor.offset < live.recovered.offset
            }
        }
    }

    /// The first batch below `tail` that reaches the cursor's offset or lies above it.
    fn find(
        &self,
        cursor: &Cursor,
        tail: Offset,
    ) -> Result<Option<(Readable<'_>, Placed)>, ReadError> {
        let mut next = self.locate(cursor);
        while let Some((segment, position)) = next {
            let base = segment.base();
            if !segment.ends_below(cursor.offset) {
                // Whatever lies below the tail is there now, or in a later segment.
                let mut readable = Readable::open(&self.shared, segment)?;
                let mut position = position.unwrap_or_else(|| readable.near(cursor.offset));
                while let Some(batch) = readable.batch_at(position)? {
                    if tail <= batch.base() {
                        return Ok(None);
                    }
                    if cursor.offset < batch.next() {
                        return Ok(Some((readable, batch)));
                    }
                    position = batch.end();
                }
            }
            next = self.shared.segments.behind(base).map(|segment| (segment, Some(0)));
        }
        Ok(None)
    }

    /// The segment to look in, and a position not above the cursor's offset if one is known.
    fn locate(&self, cursor: &Cursor) -> Option<(Segment, Option<u64>)> {
        let segments = &self.shared.segments;
        match cursor.place.and_then(|(base, at)| Some((segments.at(base)?, Some(at)))) {
            None => Some((segments.around(cursor.offset)?, None)),
            known => known,
        }
    }
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
    offset: Offset,
    /// The segment's base and a position in it that is not above the offset.
    place: Option<(Offset, u64)>,
}

impl Cursor {
    pub fn at(offset: Offset) -> Self {
        Self { offset, place: None }
    }

    /// What is read next.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    fn go_on(&mut self, offset: Offset, place: Option<(Offset, u64)>) {
        *self = Self { offset, place };
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
