//! The model: what was applied, in a list, and what follows from it.

use weir_protocol::batch::{Header, PREFIX_BYTES, Prefix, View};
use weir_storage::log::{EpochStart, Place};
use weir_storage::offset::{Epoch, Offset, OffsetSpan};

/// What was applied to a log.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Batch(Stored),
    Gap { span: OffsetSpan, epoch: Epoch },
    Start(Offset),
    Epoch(Epoch),
}

/// A batch, its bytes as they lie in the log.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) place: Place,
    pub(crate) bytes: Vec<u8>,
}

impl Stored {
    pub(crate) fn header(&self) -> Header {
        Header::parse(&self.bytes).unwrap()
    }

    pub(crate) fn prefix(&self) -> &Prefix {
        self.bytes.first_chunk().unwrap()
    }

    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[PREFIX_BYTES..]
    }

    pub(crate) fn span(&self) -> OffsetSpan {
        let header = self.header();
        Offset::new(header.base_offset)..Offset::new(header.next_offset())
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Plain {
    pub(crate) entries: Vec<Entry>,
    pub(crate) start: Offset,
    pub(crate) tail: Offset,
    pub(crate) epoch: Epoch,
    pub(crate) epochs: Vec<EpochStart>,
}

impl Plain {
    pub(crate) fn apply(&mut self, entry: Entry) {
        match &entry {
            Entry::Batch(stored) => self.tail = stored.span().end,
            Entry::Gap { span, epoch } => {
                self.begin(*epoch);
                self.tail = span.end;
            }
            Entry::Start(start) => self.start = *start,
            Entry::Epoch(epoch) => self.begin(*epoch),
        }
        self.entries.push(entry);
    }

    fn begin(&mut self, epoch: Epoch) {
        self.epoch = epoch;
        if self.epochs.is_empty() {
            self.epochs.push(EpochStart { epoch: Epoch::ZERO, first: Offset::ZERO });
        }
        self.epochs.retain(|start| start.first < self.tail);
        self.epochs.push(EpochStart { epoch, first: self.tail });
    }

    pub(crate) fn batches(&self) -> impl Iterator<Item = &Stored> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Batch(stored) => Some(stored),
            _ => None,
        })
    }

    /// The batch that holds `offset`, or the next one above it.
    pub(crate) fn batch_from(&self, offset: Offset) -> Option<&Stored> {
        self.batches().find(|stored| offset < stored.span().end)
    }

    /// The first record that is not earlier than `timestamp`.
    pub(crate) fn first_not_before(&self, timestamp: i64) -> Option<(Offset, i64)> {
        let is_sought = |offset, time| self.start.get() <= offset && timestamp <= time;
        self.batches().find_map(|stored| {
            let view = View::parse(&stored.bytes).unwrap();
            let mut records = view.records().map(Result::unwrap);
            let sought = records.find(|r| is_sought(r.offset, r.timestamp))?;
            Some((Offset::new(sought.offset), sought.timestamp))
        })
    }
}

/// Epochs without those that ended at or below `start`: a log may or may not remember them.
pub(crate) fn epochs_from(start: Offset, epochs: &[EpochStart]) -> &[EpochStart] {
    let ended = epochs.iter().skip(1).take_while(|next| next.first <= start).count();
    &epochs[ended..]
}
