//! The way through a slice of a log, record by record, from an offset on.
//!
//! Whoever is shown records one by one gets each of them or is told which are missing: what cannot
//! be shown comes as [`Skipped`], never as silence. Transactions' markers are no records, and
//! offsets that compaction emptied are no loss; both are passed over.
//!
//! Compressed batches are inflated on the way ([`Opened`]). A walk that inflated as much as the
//! largest plain batch has pauses before the next compressed one.
//!
//! Invariant: items come in the order of their offsets, and [`Walk::next_offset`] is behind the
//! last one that came.

use weir_protocol::batch::{self, Batches, Header, InflateError, Record, Records, View};
use weir_protocol::limits::BATCH_BYTES_MAX;

use super::opened::{Opened, is_compressed};

/// A walk through one slice.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    opened: &'a Opened,
    batches: Batches<'a>,
    /// The compressed batches it came to.
    compressed: usize,
    inflated_bytes: usize,
    is_paused: bool,
    /// The batch that is being walked.
    inside: Option<(Header, Records<'a>)>,
    next: u64,
    end: u64,
}

/// What a walk comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Record(Record<'a>),
    Skipped(Skipped),
}

/// Offsets whose records are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) from: u64,
    /// The first offset behind them.
    pub(crate) to: u64,
    pub(crate) reason: Reason,
}

/// Why records are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// They are compressed, and would be more than the largest plain batch.
    Compressed,
    /// Their batch contradicts itself. Whoever produced it has a fault.
    Malformed,
    /// Retention deleted them before they were read.
    Expired,
    /// The broker's last stop was no clean one: what they were is lost, if they were ever used.
    Lost,
}

impl<'a> Walk<'a> {
    /// The records of `opened` at and above `from`.
    pub(crate) fn new(opened: &'a Opened, from: u64) -> Self {
        let slice = opened.slice();
        Self {
            opened,
            batches: batch::batches(&slice.bytes),
            compressed: 0,
            inflated_bytes: 0,
            is_paused: false,
            inside: None,
            next: from.max(slice.span.start.get()),
            end: slice.span.end.get(),
        }
    }

    /// Where to go on.
    pub(crate) fn next_offset(&self) -> u64 {
        self.next
    }

    /// Whether it ended before the slice does, because it inflated enough; another walk goes on.
    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// The compressed batch it came to last, by number; those before it are done with.
    pub(crate) fn compressed_last(&self) -> usize {
        self.compressed.saturating_sub(1)
    }

    fn step(&mut self) -> Option<Step<'a>> {
        if let Some((header, records)) = &mut self.inside {
            let end = header.next_offset();
            return Some(match records.next() {
                Some(Ok(record)) => Step::Record(record),
                Some(Err(_)) => {
                    self.inside = None;
                    Step::Skip(end, Reason::Malformed)
                }
                None => {
                    self.inside = None;
                    Step::Pass(end)
                }
            });
        }
        let Ok((header, bytes)) = self.batches.next()? else {
            return Some(Step::Skip(self.end, Reason::Malformed));
        };
        let is_compressed = is_compressed(&header);
        self.compressed += usize::from(is_compressed);
        if header.next_offset() <= self.next {
            return Some(Step::Pass(self.next));
        }
        if header.attributes.is_control() {
            return Some(Step::Pass(header.next_offset()));
        }
        if is_compressed && BATCH_BYTES_MAX <= self.inflated_bytes {
            self.is_paused = true;
            return None;
        }
        Some(match self.view(bytes, is_compressed) {
            Ok(view) => {
                self.inside = Some((header, view.records()));
                Step::Pass(self.next)
            }
            Err(reason) => Step::Skip(header.next_offset(), reason),
        })
    }

    fn view(&mut self, batch: &'a [u8], is_compressed: bool) -> Result<View<'a>, Reason> {
        if !is_compressed {
            return View::parse(batch).map_err(|_| Reason::Malformed);
        }
        match self.opened.plain(self.compressed - 1, batch).ok_or(Reason::Malformed)? {
            Ok(plain) => {
                self.inflated_bytes += plain.records().len();
                Ok(plain.view())
            }
            Err(InflateError::TooLarge { .. }) => Err(Reason::Compressed),
            Err(InflateError::Malformed { .. } | InflateError::View(_)) => Err(Reason::Malformed),
        }
    }
}

/// One step of a walk.
enum Step<'a> {
    Record(Record<'a>),
    Skip(u64, Reason),
    /// There is nothing below this offset any more.
    Pass(u64),
}

impl<'a> Iterator for Walk<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        while !self.is_paused {
            match self.step()? {
                Step::Record(record) if record.offset < self.next => {}
                Step::Record(record) => {
                    self.next = record.offset + 1;
                    return Some(Item::Record(record));
                }
                Step::Skip(to, reason) => {
                    let from = self.next;
                    if from < to {
                        self.next = to;
                        return Some(Item::Skipped(Skipped { from, to, reason }));
                    }
                }
                Step::Pass(to) => self.next = self.next.max(to),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use bytes::Bytes;
    use weir_protocol::batch::{Attributes, Builder, HEADER_BYTES, PREFIX_BYTES};

    use super::*;
    use crate::core::read::{Offset, Slice};

    /// Fifty records of a Kafka client.
    const IN_ZSTD: &[u8] = include_bytes!("../../../../tests/golden/batch/java/zstd.batch");

    /// Batches of three records each; what `spoil` does to a batch's header and bytes is done.
    fn slice(batches: u64, spoil: impl Fn(u64, &mut Header, &mut Vec<u8>)) -> Slice {
        let mut run = Vec::new();
        for number in 0..batches {
            let mut builder = Builder::new();
            for _ in 0..3 {
                builder.push(0, None, Some(b"1"), []).unwrap();
            }
            let mut bytes = builder.finish(None).to_vec();
            let mut header = Header::parse(&bytes).unwrap();
            header.base_offset = 10 + number * 3;
            spoil(number, &mut header, &mut bytes);
            bytes[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
            run.extend(bytes);
        }
        slice_of(run, 10..10 + batches * 3)
    }

    fn slice_of(run: Vec<u8>, span: Range<u64>) -> Slice {
        let messages = span.end - span.start;
        let span = Offset::new(span.start)..Offset::new(span.end);
        Slice { bytes: Bytes::from(run), messages, span }
    }

    fn walked(slice: &Slice, from: u64) -> Vec<(u64, Option<Reason>)> {
        let opened = Opened::new(slice.clone());
        let mut walk = Walk::new(&opened, from);
        let items = (&mut walk).map(|item| match item {
            Item::Record(record) => (record.offset, None),
            Item::Skipped(skipped) => (skipped.to, Some(skipped.reason)),
        });
        let items = items.collect();
        assert_eq!(walk.next_offset(), slice.span.end.get());
        items
    }

    #[test]
    fn records_come_from_the_offset_on_across_batches() {
        let slice = slice(2, |_, _, _| {});
        assert_eq!(walked(&slice, 0).len(), 6);
        assert_eq!(walked(&slice, 11)[..3], [(11, None), (12, None), (13, None)]);
        assert_eq!(walked(&slice, 15), [(15, None)]);
        assert_eq!(walked(&slice, 16), []);
        let opened = Opened::new(slice);
        let mut walk = Walk::new(&opened, 12);
        assert!(walk.next().is_some());
        assert_eq!(walk.next_offset(), 13);
    }

    #[test]
    fn compressed_batches_are_walked_among_others() {
        let plain = slice(2, |_, _, _| {});
        let mut run = plain.bytes[..plain.bytes.len() / 2].to_vec();
        let mut packed = IN_ZSTD.to_vec();
        packed[..8].copy_from_slice(&13_u64.to_be_bytes());
        run.extend(packed);
        let slice = slice_of(run, 10..63);
        let walked = walked(&slice, 12);
        assert_eq!(walked.len(), 51);
        assert_eq!(walked[..2], [(12, None), (13, None)]);
        assert_eq!(walked[50], (62, None));
    }

    #[test]
    fn what_is_no_compression_or_inflates_too_far_is_told() {
        let spoil = |number, header: &mut Header, bytes: &mut Vec<u8>| match number {
            0 => header.attributes = Attributes::from_bits(4),
            1 => inflating_to(BATCH_BYTES_MAX + 1, header, bytes),
            _ => header.attributes = Attributes::from_bits(7),
        };
        let malformed = Some(Reason::Malformed);
        let too_large = Some(Reason::Compressed);
        assert_eq!(
            walked(&slice(3, spoil), 11),
            [(13, malformed), (16, too_large), (19, malformed)]
        );
    }

    #[test]
    fn a_walk_that_inflated_enough_pauses_and_another_goes_on() {
        let half = BATCH_BYTES_MAX / 2;
        let mut opened =
            Opened::new(slice(5, |_, header, bytes| inflating_to(half, header, bytes)));
        let mut walk = Walk::new(&opened, 0);
        // What they inflate to are no records.
        assert_eq!((&mut walk).count(), 2);
        assert_eq!((walk.next_offset(), walk.is_paused()), (16, true));
        assert_eq!(walk.next(), None);
        let last = walk.compressed_last();
        opened.close_before(last);
        let mut walk = Walk::new(&opened, 16);
        assert_eq!((&mut walk).count(), 2);
        assert_eq!((walk.next_offset(), walk.is_paused()), (22, true));
        let mut walk = Walk::new(&opened, 22);
        assert_eq!((&mut walk).count(), 1);
        assert_eq!((walk.next_offset(), walk.is_paused()), (25, false));
    }

    /// Makes a batch's records so many equal bytes, in snappy: one, and copies of 64.
    fn inflating_to(inflated_bytes: usize, header: &mut Header, bytes: &mut Vec<u8>) {
        header.attributes = Attributes::from_bits(2);
        bytes.truncate(HEADER_BYTES);
        let mut left = inflated_bytes;
        while 0x80 <= left {
            bytes.push(left as u8 | 0x80);
            left >>= 7;
        }
        bytes.extend([left as u8, 0, 0xff]);
        let copies = inflated_bytes - 1;
        for _ in 0..copies / 64 {
            bytes.extend([63 << 2 | 2, 1, 0]);
        }
        if let Some(last) = (copies % 64).checked_sub(1) {
            bytes.extend([(last as u8) << 2 | 2, 1, 0]);
        }
        header.batch_bytes = bytes.len();
    }

    #[test]
    fn a_batch_that_lies_is_told_from_where_it_lies() {
        let slice = slice(2, |number, _, bytes| {
            let records = &mut bytes[HEADER_BYTES..];
            if number == 0 {
                // The offset delta of the second record.
                let second = records.len() / 3;
                records[second + 3] = 0;
            }
        });
        let malformed = (13, Some(Reason::Malformed));
        let rest = [(13, None), (14, None), (15, None)];
        assert_eq!(walked(&slice, 0), [[(10, None), malformed].as_slice(), &rest].concat());
    }

    #[test]
    fn markers_of_transactions_are_no_records() {
        let slice = slice(1, |_, header, _| header.attributes = Attributes::from_bits(1 << 5));
        assert_eq!(walked(&slice, 0), []);
    }

    #[test]
    fn bytes_that_are_no_batch_end_the_walk_behind_them() {
        let mut slice = slice(1, |_, _, _| {});
        slice.bytes = slice.bytes.slice(..PREFIX_BYTES);
        assert_eq!(walked(&slice, 0), [(13, Some(Reason::Malformed))]);
    }
}
