//! The two indexes of a segment that is being written, and who gets an entry.
//!
//! Entries follow Apache Kafka's rule to the byte: a batch gets one when more than an interval of
//! bytes lies between it and the last that got one. The rule needs only the last entry and the
//! batches behind it, so indexes cut anywhere grow again as if they had never been cut.

use super::offset_index;
use super::time_index::{self, NO_TIMESTAMP};
use super::walk::{Flaw, Placed, Walk};
use crate::offset::Offset;

/// The entries so far, as their files will hold them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes {
    pub(super) offsets: Vec<u8>,
    pub(super) times: Vec<u8>,
}

impl Indexes {
    pub(super) fn push(&mut self, entries: &Entries) {
        if let Some(entry) = entries.offset {
            self.offsets.extend_from_slice(&entry.to_bytes());
        }
        if let Some(entry) = entries.time {
            self.times.extend_from_slice(&entry.to_bytes());
        }
    }

    /// The position of the batch with the last entry; 0 if there is none.
    pub(super) fn end(&self) -> u64 {
        offset_index::last(&self.offsets).map_or(0, |entry| u64::from(entry.position))
    }

    /// Cuts what does not lie below `position` and, relative to the base, the offset `relative`;
    /// and whatever makes no sense. Times that no offset vouches for go too: who resumes finds them
    /// again.
    pub(super) fn cut(&mut self, position: u64, relative: u64) {
        self.offsets.truncate(offset_index::sane_bytes(&self.offsets, position));
        let last = offset_index::last(&self.offsets);
        let indexed = last.map_or(0, |entry| u64::from(entry.last) + 1);
        self.times.truncate(time_index::sane_bytes(&self.times, relative.min(indexed)));
    }

    /// Whether the batch of the last entry lies in `segment` where the entry says.
    pub(super) fn agree_with(&self, base: Offset, segment: &[u8]) -> bool {
        offset_index::last(&self.offsets).is_none_or(|entry| {
            let last = base.plus(entry.last.into());
            let batch = Walk::new(segment, entry.position.into()).next();
            batch.is_some_and(|batch| batch.is_ok_and(|batch| batch.last() == last))
        })
    }
}

/// What a batch adds to the indexes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entries {
    offset: Option<offset_index::Entry>,
    time: Option<time_index::Entry>,
}

/// Decides which batches get entries. The writer's own: no lock is between it and the next batch.
#[derive(Clone, Debug)]
pub(super) struct Indexer {
    base: Offset,
    interval_bytes: u64,
    /// Where the batch of the last entry lies; 0 before the first entry.
    indexed: u64,
    /// The largest timestamp so far and the batch that first had it.
    newest: time_index::Entry,
    /// The timestamp of the time index's last entry.
    timed: i64,
}

impl Indexer {
    pub(super) fn new(base: Offset, interval_bytes: u32) -> Self {
        Self {
            base,
            interval_bytes: u64::from(interval_bytes),
            indexed: 0,
            newest: time_index::Entry { timestamp: NO_TIMESTAMP, last: 0 },
            timed: NO_TIMESTAMP,
        }
    }

    /// Goes on where `indexes` end, and completes them from the batches of `segment`, its bytes
    /// from the beginning; below `from` none of them is looked at.
    pub(super) fn resume(
        base: Offset,
        interval_bytes: u32,
        indexes: &mut Indexes,
        segment: &[u8],
        from: u64,
    ) -> Result<Self, Flaw> {
        let mut indexer = Self::new(base, interval_bytes);
        indexer.indexed = indexes.end().max(from);
        if let Some(entry) = time_index::last(&indexes.times) {
            indexer.newest = entry;
            indexer.timed = entry.timestamp;
        }
        for batch in Walk::new(segment, indexer.indexed) {
            let batch = batch?;
            if !indexer.spans(&batch) {
                let Placed { position, .. } = batch;
                return Err(Flaw::Order { position, base: batch.base(), next: base });
            }
            if let Some(entries) = indexer.note(&batch) {
                indexes.push(&entries);
            }
        }
        Ok(indexer)
    }

    /// Takes the next batch in; what it adds to the indexes, if anything.
    pub(super) fn note(&mut self, batch: &Placed) -> Option<Entries> {
        assert!(self.spans(batch), "a segment spans fewer than 2^31 offsets");
        let last = (batch.header.last_offset() - self.base.get()) as u32;
        if self.newest.timestamp < batch.header.max_timestamp {
            self.newest = time_index::Entry { timestamp: batch.header.max_timestamp, last };
        }
        if batch.position - self.indexed <= self.interval_bytes {
            return None;
        }
        self.indexed = batch.position;
        let offset = offset_index::Entry { last, position: batch.position as u32 };
        Some(Entries { offset: Some(offset), time: self.time_entry() })
    }

    /// What the end of the segment adds: its largest timestamp, if no entry has it yet.
    pub(super) fn finish(&mut self) -> Entries {
        Entries { offset: None, time: self.time_entry() }
    }

    /// The largest timestamp of the segment's batches; −1 if none has any.
    pub(super) fn newest_timestamp(&self) -> i64 {
        self.newest.timestamp
    }

    /// Whether entries can say where `batch` is.
    fn spans(&self, batch: &Placed) -> bool {
        let last = Offset::new(batch.header.last_offset());
        self.base <= batch.base() && last.since(self.base) <= i32::MAX as u64
    }

    fn time_entry(&mut self) -> Option<time_index::Entry> {
        let rises = self.timed < self.newest.timestamp;
        self.timed = self.newest.timestamp;
        rises.then_some(self.newest)
    }
}
