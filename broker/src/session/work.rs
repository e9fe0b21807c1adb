//! Leased records as they travel: whole batches as they rest, or small ones made of a large one of
//! which little is leased.
//!
//! ```text
//!   slice    [ batch | batch | batch | batch | batch ]
//!   leases      ··     ·······          · ·
//!   parts    [ batch | batch ]       [small][small]       with their leases beside them
//! ```
//!
//! Invariant: every lease is in exactly one part, and its record in that part's bytes, under its
//! own offset.

use bytes::{Bytes, BytesMut};
use weir_protocol::batch::{self, Builder, Compression, Header, View};
use weir_protocol::limits::BATCH_BYTES_MAX;

use super::{Leased, Slice};

/// Leased records and the batches they are in, of one partition and log.
#[derive(Clone, Debug)]
pub(crate) struct LeasedBatches {
    /// With rising offsets.
    pub(crate) leases: Vec<Leased>,
    /// One or more, whole.
    pub(crate) batches: Bytes,
}

/// Of a batch of which less than one in so many records is leased, small batches are made.
const SPARSE: u64 = 4;

/// The parts of a slice that hold `leases`, which lie all in it and rise.
pub(super) fn parts(slice: &Slice, mut leases: &[Leased]) -> Vec<LeasedBatches> {
    let mut parts: Vec<LeasedBatches> = Vec::new();
    // Where the last part of the slice itself ends, so that the next batch may be put to it.
    let mut open: Option<(usize, usize)> = None;
    let mut position = 0;
    for (header, bytes) in batch::batches(&slice.bytes).map_while(Result::ok) {
        let (start, end) = (position, position + bytes.len());
        position = end;
        let within = leases.partition_point(|lease| lease.offset.get() < header.next_offset());
        let (of_batch, rest) = leases.split_at(within);
        leases = rest;
        if of_batch.is_empty() {
            open = None;
            continue;
        }
        if let Some(small) = narrowed(&header, bytes, of_batch) {
            parts.extend(small);
            open = None;
            continue;
        }
        match (open, parts.last_mut()) {
            (Some((from, to)), Some(last)) if to == start => {
                last.leases.extend_from_slice(of_batch);
                last.batches = slice.bytes.slice(from..end);
                open = Some((from, end));
            }
            _ => {
                let batches = slice.bytes.slice(start..end);
                parts.push(LeasedBatches { leases: of_batch.to_vec(), batches });
                open = Some((start, end));
            }
        }
        if leases.is_empty() {
            break;
        }
    }
    parts
}

/// The copy of a record that was put aside, under the record's own offset.
pub(super) fn of_copy(slice: &Slice, lease: Leased) -> LeasedBatches {
    let first = batch::batches(&slice.bytes).find_map(Result::ok);
    let mut bytes = BytesMut::from(first.map_or(&[][..], |(_, batch)| batch));
    // As in `Building`: no checksum is over it.
    if let Some(base) = bytes.get_mut(..8) {
        base.copy_from_slice(&lease.offset.get().to_be_bytes());
    }
    LeasedBatches { leases: vec![lease], batches: bytes.freeze() }
}

/// Small batches of the leased records of a large one, a batch for each run of offsets; `None`
/// where the batch goes as it is.
fn narrowed(header: &Header, bytes: &[u8], leases: &[Leased]) -> Option<Vec<LeasedBatches>> {
    if u64::from(header.records) < SPARSE * leases.len() as u64
        || header.attributes.compression() != Ok(Compression::None)
    {
        return None;
    }
    let view = View::parse(bytes).ok()?;
    let mut wanted = leases.iter().copied().peekable();
    let (mut small, mut building): (Vec<LeasedBatches>, Option<Building>) = (Vec::new(), None);
    for record in view.records() {
        // What lies is told by whoever reads it.
        let record = record.ok()?;
        let Some(lease) = wanted.peek().copied() else { break };
        if record.offset < lease.offset.get() {
            continue;
        }
        wanted.next();
        if record.offset != lease.offset.get() {
            return None;
        }
        if building.as_ref().is_some_and(|building| building.next != record.offset) {
            small.extend(building.take().map(Building::finish));
        }
        let building = building.get_or_insert_with(|| Building::new(record.offset));
        let headers = record.headers();
        building.builder.push(record.timestamp, record.key, record.value, headers).ok()?;
        building.leases.push(lease);
        building.next += 1;
    }
    small.extend(building.map(Building::finish));
    let small_bytes: usize = small.iter().map(|part| part.batches.len()).sum();
    // Many headers of their own may weigh more than the records that stay out.
    (wanted.next().is_none() && small_bytes < bytes.len()).then_some(small)
}

/// A small batch.
struct Building {
    builder: Builder,
    leases: Vec<Leased>,
    base: u64,
    next: u64,
}

impl Building {
    fn new(base: u64) -> Self {
        let builder = Builder::with_bytes_max(BATCH_BYTES_MAX);
        Self { builder, leases: Vec::new(), base, next: base }
    }

    fn finish(mut self) -> LeasedBatches {
        let mut bytes = BytesMut::from(&self.builder.finish(None)[..]);
        // The base offset stands in front of what the checksum is over.
        bytes[..8].copy_from_slice(&self.base.to_be_bytes());
        LeasedBatches { leases: self.leases, batches: bytes.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::queue::Log;
    use crate::core::read::Offset;

    fn lease(offset: u64) -> Leased {
        let offset = Offset::new(offset);
        Leased { log: Log::Main, offset, copy: None, deliveries: 1, failures: 0 }
    }

    /// Batches of so many records each, from offset 100 on.
    fn slice(sizes: &[u64]) -> Slice {
        let (mut bytes, mut offset) = (BytesMut::new(), 100);
        for size in sizes {
            let mut builder = Builder::new();
            for record in offset..offset + size {
                let value = record.to_string();
                builder.push(7, None, Some(value.as_bytes()), []).unwrap();
            }
            let mut batch = builder.finish(None).to_vec();
            batch[..8].copy_from_slice(&u64::to_be_bytes(offset));
            bytes.extend_from_slice(&batch);
            offset += size;
        }
        let (messages, span) = (offset - 100, Offset::new(100)..Offset::new(offset));
        Slice { bytes: bytes.freeze(), messages, span }
    }

    /// The leased offsets of each part, and the values of all records in its bytes.
    fn check(sizes: &[u64], leases: &[u64], expected: &[(&[u64], &[u64])]) {
        let slice = slice(sizes);
        let leases: Vec<_> = leases.iter().copied().map(lease).collect();
        let offsets = |part: &LeasedBatches| -> Vec<u64> {
            part.leases.iter().map(|lease| lease.offset.get()).collect()
        };
        let records = |part: &LeasedBatches| -> Vec<u64> {
            let mut all = Vec::new();
            for found in batch::batches(&part.batches) {
                let (_, bytes) = found.unwrap();
                for record in View::parse(bytes).unwrap().records() {
                    let record = record.unwrap();
                    let value = std::str::from_utf8(record.value.unwrap()).unwrap();
                    assert_eq!(value.parse(), Ok(record.offset));
                    all.push(record.offset);
                }
            }
            all
        };
        let found: Vec<_> =
            parts(&slice, &leases).iter().map(|part| (offsets(part), records(part))).collect();
        let expected: Vec<_> =
            expected.iter().map(|(leases, records)| (leases.to_vec(), records.to_vec())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn batches_go_as_they_lie_and_those_without_leases_stay_out() {
        check(&[2, 2, 1, 2], &[100, 101], &[(&[100, 101], &[100, 101])]);
        check(
            &[2, 2, 1, 2],
            &[101, 102, 105],
            &[(&[101, 102], &[100, 101, 102, 103]), (&[105], &[105, 106])],
        );
        check(&[2], &[], &[]);
    }

    #[test]
    fn of_a_large_batch_of_which_little_is_leased_small_ones_are_made() {
        check(
            &[1, 20, 1],
            &[100, 105, 106, 118, 121],
            &[(&[100], &[100]), (&[105, 106], &[105, 106]), (&[118], &[118]), (&[121], &[121])],
        );
        let most: Vec<u64> = (101..107).collect();
        check(&[1, 20], &most, &[(&most, &(101..121).collect::<Vec<_>>())]);
    }

    #[test]
    fn a_small_batch_passes_every_check_of_a_whole_one() {
        let found = parts(&slice(&[20]), &[lease(110)]);
        let bytes = &found[0].batches;
        let header = batch::check(bytes, BATCH_BYTES_MAX).unwrap();
        assert_eq!((header.base_offset, header.records), (110, 1));
    }
}
