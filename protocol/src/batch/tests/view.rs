//! Walks of sound batches, and of batches that lie.

use proptest::prelude::*;

use super::{Sample, batch_around, batch_of, forge};
use crate::batch::*;

/// A record of no key, value `v` and no headers, at offset delta 0.
const RECORD: [u8; 8] = [14, 0, 0, 0, 1, 2, b'v', 0];

#[test]
fn offsets_and_timestamps_are_those_of_the_batch_plus_the_difference() {
    let mut batch = batch_of(&["a", "b"]);
    let rebuilt = prefix(1_000, batch.len(), 5);
    batch[..PREFIX_BYTES].copy_from_slice(&rebuilt);
    let view = View::parse(&batch).unwrap();
    let places: Vec<_> =
        view.records().map(|r| r.unwrap()).map(|r| (r.offset, r.timestamp)).collect();
    assert_eq!(places, [(1_000, 7), (1_001, 7)]);
}

#[test]
fn records_of_log_append_time_all_have_the_batchs_timestamp() {
    let batch = forge(&batch_of(&["a", "b"]), |header| {
        header.attributes = Attributes::from_bits(1 << 3);
        header.max_timestamp = 99;
    });
    let view = View::parse(&batch).unwrap();
    assert!(view.records().all(|record| record.unwrap().timestamp == 99));
}

#[test]
fn holes_that_compaction_left_are_walked_over() {
    let mut records = [RECORD, RECORD].concat();
    records[3] = 4;
    records[8 + 3] = 10;
    let batch = batch_around(&records, 2, 7);
    let offsets: Vec<_> =
        View::parse(&batch).unwrap().records().map(|r| r.unwrap().offset).collect();
    assert_eq!(offsets, [2, 5]);
}

#[test]
fn a_batch_that_is_cut_or_compressed_has_no_view() {
    let batch = batch_of(&["a"]);
    let (batch_bytes, bytes) = (batch.len(), batch.len() - 1);
    let refused = |batch: &[u8]| View::parse(batch).unwrap_err();
    assert_eq!(refused(&batch[..bytes]), ViewError::Incomplete { batch_bytes, bytes });
    assert_eq!(refused(&[]), HeaderError::TooShort { bytes: 0 }.into());
    let with_codec = |bits| forge(&batch, |h| h.attributes = Attributes::from_bits(bits));
    assert_eq!(refused(&with_codec(4)), ViewError::Compressed { compression: Compression::Zstd });
    assert_eq!(refused(&with_codec(5)), UnknownCompression { number: 5 }.into());
}

#[test]
fn a_count_that_lies_is_found_out() {
    check_walk(&batch_around(&RECORD, 0, 0), 0, RecordError::Count { records: 0 });
    check_walk(&batch_around(&RECORD, 2, 1), 1, RecordError::Cut { index: 1 });
    let records = [&RECORD[..], &[14, 0, 0, 2, 1, 2, b'v', 0]].concat();
    check_walk(&batch_around(&records, 1, 0), 1, RecordError::Count { records: 1 });
    check_walk(&batch_around(&records, 3, 2), 2, RecordError::Cut { index: 2 });
}

#[test]
fn offsets_that_stand_still_or_leave_the_batch_are_found_out() {
    let at = |deltas: [u8; 2]| {
        let mut records = [RECORD, RECORD].concat();
        records[3] = deltas[0];
        records[8 + 3] = deltas[1];
        batch_around(&records, 2, 3)
    };
    let wrong = |index, delta, expected_from| RecordError::OffsetDelta {
        index,
        delta,
        expected_from,
        expected_to: 3,
    };
    check_walk(&at([0, 0]), 1, wrong(1, 0, 1));
    check_walk(&at([4, 2]), 1, wrong(1, 1, 3));
    check_walk(&at([1, 2]), 0, wrong(0, -1, 0));
    check_walk(&at([0, 8]), 1, wrong(1, 4, 1));
    check_walk(&at([6, 8]), 1, wrong(1, 4, 4));
}

#[test]
fn a_record_that_leaves_its_own_bytes_is_found_out() {
    let with = |at: usize, byte| {
        let mut record = RECORD;
        record[at] = byte;
        batch_around(&record, 1, 0)
    };
    let cut = RecordError::Cut { index: 0 };
    check_walk(&with(0, 16), 0, cut);
    check_walk(&with(0, 12), 0, cut);
    check_walk(&with(0, 1), 0, cut);
    check_walk(&with(4, 3), 0, cut);
    check_walk(&with(5, 4), 0, cut);
    check_walk(&with(7, 1), 0, cut);
    check_walk(&with(7, 2), 0, cut);
    check_walk(&with(5, 0), 0, cut);
    let one_byte_more = [16, 0, 0, 0, 1, 2, b'v', 0, 0];
    check_walk(&batch_around(&one_byte_more, 1, 0), 0, RecordError::Surplus { index: 0 });
    let header_without_key = [20, 0, 0, 0, 1, 2, b'v', 2, 1, 0, 0];
    check_walk(&batch_around(&header_without_key, 1, 0), 0, cut);
}

#[test]
fn a_timestamp_beyond_all_time_is_found_out() {
    let mut record = RECORD;
    record[2] = 2;
    let batch = forge(&batch_around(&record, 1, 0), |header| header.base_timestamp = i64::MAX);
    check_walk(&batch, 0, RecordError::Timestamp { index: 0 });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes_are_walked_without_panic(
        records: Vec<u8>,
        count in 0..20_u32,
        bits in 0..128_u16,
    ) {
        let _ = View::parse(&records).map(|view| view.records().count());
        let batch = forge(&batch_around(&records, count, count), |header| {
            header.attributes = Attributes::from_bits(bits);
            header.base_timestamp = i64::MAX - 5;
        });
        if let Ok(view) = View::parse(&batch) {
            walk_all(&view);
        }
    }

    #[test]
    fn a_spoiled_record_never_leads_out_of_its_batch(
        samples in prop::collection::vec(super::builder::sample(), 1..6),
        spoil: prop::sample::Index,
        byte: u8,
    ) {
        let mut builder = Builder::new();
        for sample in &samples {
            sample.push_to(&mut builder);
        }
        let mut batch = builder.finish(None).to_vec();
        let at = HEADER_BYTES + spoil.index(batch.len() - HEADER_BYTES);
        batch[at] = byte;
        walk_all(&View::parse(&batch).unwrap());
    }

    #[test]
    fn a_wrong_count_is_always_found_out(length in 1..20_usize, claimed in 0..40_u32) {
        prop_assume!(claimed as usize != length);
        let batch = batch_of(&vec!["value"; length]);
        let lie = forge(&batch, |header| {
            header.records = claimed;
            header.last_offset_delta = claimed.saturating_sub(1);
        });
        let walked: Vec<_> = View::parse(&lie).unwrap().records().collect();
        prop_assert!(walked.last().unwrap().is_err());
        prop_assert_eq!(walked.iter().filter(|record| record.is_err()).count(), 1);
    }
}

/// Walks to the end and everything in it; what is yielded keeps what the walk promises.
fn walk_all(view: &View<'_>) {
    let header = view.header();
    let mut offset_min = header.base_offset;
    let mut walk = view.records();
    for record in walk.by_ref().map_while(Result::ok) {
        assert!(offset_min <= record.offset && record.offset <= header.last_offset());
        offset_min = record.offset + 1;
        assert_eq!(Sample::of_record(&record).headers.len(), record.headers().len());
    }
    assert_eq!(walk.next(), None);
}

fn check_walk(batch: &[u8], sound: usize, expected: RecordError) {
    let walked: Vec<_> = View::parse(batch).unwrap().records().collect();
    assert_eq!(walked.len(), sound + 1);
    assert!(walked[..sound].iter().all(Result::is_ok));
    assert_eq!(walked[sound], Err(expected));
}
