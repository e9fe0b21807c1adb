//! The way through a slice of a log, record by record, from an offset on.
//!
//! Whoever asks for records by HTTP gets each of them or is told which are missing: what cannot
//! be shown comes as [`Skipped`], never as silence. Transactions' markers are no records, and
//! offsets that compaction emptied are no loss; both are passed over.
//!
//! Invariant: items come in the order of their offsets, and [`Walk::next_offset`] is behind the
//! last one that came.

use serde::Serialize;
use utoipa::ToSchema;
use weir_protocol::batch::{self, Batches, Header, Record, Records, View, ViewError};

use crate::session::Slice;

/// A walk through one slice.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    batches: Batches<'a>,
    /// The batch that is being walked.
    inside: Option<(Header, Records<'a>)>,
    next: u64,
    end: u64,
}

/// What a walk comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Record(Record<'a>),
    Skipped(Skipped),
}

/// Offsets whose records are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Skipped {
    pub(super) from: u64,
    /// The first offset behind them.
    pub(super) to: u64,
    pub(super) reason: Reason,
}

/// Why records are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Reason {
    /// They are compressed; HTTP does not decompress them yet, other readers can.
    Compressed,
    /// Their batch contradicts itself. Whoever produced it has a fault.
    Malformed,
    /// Retention deleted them before they were read.
    Expired,
    /// The broker's last stop was no clean one: what they were is lost, if they were ever used.
    Lost,
}

impl<'a> Walk<'a> {
    /// The records of `slice` at and above `from`.
    pub(super) fn new(slice: &'a Slice, from: u64) -> Self {
        let batches = batch::batches(&slice.bytes);
        let next = from.max(slice.span.start.get());
        Self { batches, inside: None, next, end: slice.span.end.get() }
    }

    /// Where to go on.
    pub(super) fn next_offset(&self) -> u64 {
        self.next
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
        Some(match self.batches.next()? {
            Err(_) => Step::Skip(self.end, Reason::Malformed),
            Ok((header, _)) if header.next_offset() <= self.next => Step::Pass(self.next),
            Ok((header, _)) if header.attributes.is_control() => Step::Pass(header.next_offset()),
            Ok((header, bytes)) => match View::parse(bytes) {
                Ok(view) => {
                    self.inside = Some((header, view.records()));
                    Step::Pass(self.next)
                }
                Err(ViewError::Compressed { .. }) => {
                    Step::Skip(header.next_offset(), Reason::Compressed)
                }
                Err(_) => Step::Skip(header.next_offset(), Reason::Malformed),
            },
        })
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
        loop {
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
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use weir_protocol::batch::{Attributes, Builder, HEADER_BYTES, PREFIX_BYTES};

    use super::*;
    use crate::session::Offset;

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
        let span = Offset::new(10)..Offset::new(10 + batches * 3);
        Slice { bytes: Bytes::from(run), messages: batches * 3, span }
    }

    fn walked(slice: &Slice, from: u64) -> Vec<(u64, Option<Reason>)> {
        let mut walk = Walk::new(slice, from);
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
        let mut walk = Walk::new(&slice, 12);
        assert!(walk.next().is_some());
        assert_eq!(walk.next_offset(), 13);
    }

    #[test]
    fn compressed_batches_are_told_and_passed() {
        let slice = slice(2, |number, header, _| {
            if number == 0 {
                header.attributes = Attributes::from_bits(4);
            }
        });
        let skipped = (13, Some(Reason::Compressed));
        assert_eq!(walked(&slice, 11), [skipped, (13, None), (14, None), (15, None)]);
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
