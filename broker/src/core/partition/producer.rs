//! One producer as one partition knows it: which of its batches are stored, and where.
//!
//! ```text
//!   sequences    0 ─── 40 ─── 55 ─── 90 ◄── the next batch begins here
//!   stored at  1000   1040   2007
//!              └─ run ──┘     └ run ┘      another producer's batches lie between
//! ```
//!
//! A run is a span of sequences at consecutive offsets, so a producer that has the partition to
//! itself has one run for all of its batches, and each run is one batch at least: the window
//! always holds the last [`PRODUCER_BATCHES_KEPT`] batches.
//!
//! Sequences count records, and go from the largest `i32` on to 0. The window spans fewer than
//! half of them, so one found in it is meant.
//!
//! Invariant: runs follow each other in their sequences and rise in their offsets; none is empty.

use std::collections::VecDeque;

use bytes::{Buf, BufMut, BytesMut};
use weir_protocol::limits::PRODUCER_BATCHES_KEPT;
use weir_storage::offset::Offset;

/// A producer in one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Producer {
    pub(super) epoch: i16,
    runs: VecDeque<Run>,
    /// Periods since its last batch.
    pub(super) idle: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    sequence: i32,
    records: u32,
    offset: Offset,
}

impl Producer {
    /// One whose first known batch has these records.
    pub(super) fn new(epoch: i16, sequence: i32, records: u32, offset: Offset) -> Self {
        let runs = VecDeque::from([Run { sequence, records, offset }]);
        Self { epoch, runs, idle: 0 }
    }

    /// The sequence of the record that follows.
    pub(super) fn next(&self) -> i32 {
        let last = self.last();
        after(last.sequence, last.records)
    }

    /// The offset behind its last record.
    pub(super) fn end(&self) -> Offset {
        self.last().end()
    }

    /// Where a batch was stored, if it is in the window.
    pub(super) fn find(&self, sequence: i32, records: u32) -> Option<Offset> {
        self.runs.iter().rev().find_map(|run| {
            let place = distance(run.sequence, sequence);
            let is_in = u64::from(place) + u64::from(records) <= u64::from(run.records);
            is_in.then(|| run.offset.plus(u64::from(place)))
        })
    }

    /// A batch was given its offset.
    pub(super) fn append(&mut self, sequence: i32, records: u32, offset: Offset) {
        self.idle = 0;
        if sequence != self.next() {
            // Somebody forgot it in between: what it sent before says nothing any more.
            self.runs.clear();
        }
        match self.runs.back_mut() {
            Some(last) if last.end() == offset && last.records + records <= RUN_RECORDS_MAX => {
                last.records += records;
            }
            _ => {
                if self.runs.len() == PRODUCER_BATCHES_KEPT {
                    self.runs.pop_front();
                }
                self.runs.push_back(Run { sequence, records, offset });
            }
        }
    }

    /// Forgets what lies at or above `end`; `None` where that is all.
    pub(super) fn below(mut self, end: Offset) -> Option<Self> {
        while self.runs.pop_back_if(|run| end <= run.offset).is_some() {}
        let last = self.runs.back_mut()?;
        if end < last.end() {
            last.records = u32::try_from(end.since(last.offset)).expect("less than the run has");
        }
        Some(self)
    }

    pub(super) fn encode(&self, bytes: &mut BytesMut) {
        bytes.put_i16_le(self.epoch);
        bytes.put_u16_le(u16::try_from(self.runs.len()).expect("runs are limited"));
        for Run { sequence, records, offset } in &self.runs {
            bytes.put_i32_le(*sequence);
            bytes.put_u32_le(*records);
            bytes.put_u64_le(offset.get());
        }
    }

    /// One that `encode` wrote.
    pub(super) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let epoch = bytes.try_get_i16_le().ok()?;
        let count = bytes.try_get_u16_le().ok()?;
        let mut runs = VecDeque::new();
        for _ in 0..count {
            let sequence = bytes.try_get_i32_le().ok().filter(|sequence| 0 <= *sequence)?;
            let records = bytes.try_get_u32_le().ok()?;
            let offset = Offset::new(bytes.try_get_u64_le().ok()?);
            (1..=RUN_RECORDS_MAX).contains(&records).then_some(())?;
            runs.push_back(Run { sequence, records, offset });
        }
        let is_whole = (1..=PRODUCER_BATCHES_KEPT).contains(&runs.len());
        is_whole.then_some(Self { epoch, runs, idle: 0 })
    }

    fn last(&self) -> &Run {
        self.runs.back().expect("a producer has a run")
    }
}

impl Run {
    fn end(&self) -> Offset {
        self.offset.plus(u64::from(self.records))
    }
}

/// The sequence `records` behind one.
fn after(sequence: i32, records: u32) -> i32 {
    (sequence.cast_unsigned().wrapping_add(records) & SEQUENCE_BITS).cast_signed()
}

/// How far `to` is ahead of `from`.
fn distance(from: i32, to: i32) -> u32 {
    to.cast_unsigned().wrapping_sub(from.cast_unsigned()) & SEQUENCE_BITS
}

const SEQUENCE_BITS: u32 = i32::MAX.cast_unsigned();

/// Records in a run: those of all runs together are half of all sequences.
const RUN_RECORDS_MAX: u32 = (1 << 30) / PRODUCER_BATCHES_KEPT as u32;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Offset {
        Offset::new(offset)
    }

    #[test]
    fn sequences_go_from_the_largest_on_to_zero_within_a_batch_too() {
        let mut producer = Producer::new(0, i32::MAX - 1, 5, at(10));
        assert_eq!(producer.next(), 3);
        producer.append(3, 2, at(15));
        assert_eq!(producer.runs.len(), 1);
        assert_eq!(producer.find(i32::MAX - 1, 5), Some(at(10)));
        assert_eq!(producer.find(3, 2), Some(at(15)));
        assert_eq!(producer.find(5, 1), None);
        assert_eq!(producer.find(i32::MAX - 2, 1), None);
    }

    #[test]
    fn the_window_holds_so_many_batches_whatever_lies_between_them() {
        let mut producer = Producer::new(0, 0, 1, at(0));
        let last = PRODUCER_BATCHES_KEPT as u64;
        for number in 1..=last {
            producer.append(number as i32, 1, at(2 * number));
        }
        assert_eq!(producer.find(0, 1), None);
        for number in 1..=last {
            assert_eq!(producer.find(number as i32, 1), Some(at(2 * number)));
        }
    }

    #[test]
    fn what_is_cut_off_is_forgotten_and_goes_on_where_it_was_cut() {
        let mut producer = Producer::new(0, 0, 10, at(100));
        producer.append(10, 5, at(200));
        let cut = producer.clone().below(at(203)).unwrap();
        assert_eq!((cut.next(), cut.end()), (13, at(203)));
        let cut = producer.clone().below(at(200)).unwrap();
        assert_eq!((cut.next(), cut.find(0, 10)), (10, Some(at(100))));
        assert_eq!(producer.below(at(100)), None);
    }
}
