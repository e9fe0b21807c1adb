//! Every reason to refuse a batch, and that damage is always one.

use proptest::prelude::*;

use super::{batch_around, batch_of, forge};
use crate::batch::layout::*;
use crate::batch::*;
use crate::limits::RECORDS_PER_BATCH_MAX;

#[test]
fn a_sound_batch_passes_with_its_header() {
    let batch = batch_of(&["a", "b", "c"]);
    let header = check(&batch, batch.len()).unwrap();
    assert_eq!(header, Header::parse(&batch).unwrap());
    assert_eq!((header.records, header.last_offset_delta), (3, 2));
    assert_eq!(header.batch_bytes, batch.len());
}

#[test]
fn a_compressed_batch_passes_as_its_records_are_not_looked_at() {
    for codec in 1..=4 {
        let batch = forge(&batch_of(&["a"]), |h| h.attributes = Attributes::from_bits(codec));
        assert!(check(&batch, batch.len()).is_ok());
    }
}

#[test]
fn bytes_that_are_not_exactly_one_batch_are_refused() {
    let batch = batch_of(&["a", "b"]);
    let batch_bytes = batch.len();
    let refused = |bytes: &[u8], bytes_max| check(bytes, bytes_max).unwrap_err();
    assert_eq!(
        refused(&batch, batch_bytes - 1),
        CheckError::TooLarge { batch_bytes, bytes_max: batch_bytes - 1 }
    );
    assert_eq!(
        refused(&batch[..batch_bytes - 1], 1_000),
        CheckError::Incomplete { batch_bytes, bytes: batch_bytes - 1 }
    );
    let twice = [&batch[..], &batch].concat();
    assert_eq!(refused(&twice, 1_000), CheckError::Surplus { batch_bytes, surplus: batch_bytes });
    assert_eq!(refused(&[], 1_000), HeaderError::TooShort { bytes: 0 }.into());
}

#[test]
fn what_a_producer_may_not_say_is_refused() {
    let bits = |bits| move |header: &mut Header| header.attributes = Attributes::from_bits(bits);
    check_refusal(bits(1 << 3), CheckError::LogAppendTime);
    check_refusal(bits(1 << 4), CheckError::Transactional);
    check_refusal(bits(1 << 5), CheckError::Control);
    check_refusal(bits(1 << 6), CheckError::Attributes { bits: 1 << 6 });
    check_refusal(bits(1 << 15), CheckError::Attributes { bits: 1 << 15 });
    check_refusal(bits(7), UnknownCompression { number: 7 }.into());
}

#[test]
fn counts_that_contradict_each_other_or_the_length_are_refused() {
    let counts = |records, last_offset_delta| {
        move |header: &mut Header| {
            header.records = records;
            header.last_offset_delta = last_offset_delta;
        }
    };
    check_refusal(counts(0, 0), CheckError::Empty);
    check_refusal(counts(3, 1), CheckError::Count { records: 3, last_offset_delta: 1 });
    check_refusal(counts(2, 2), CheckError::Count { records: 2, last_offset_delta: 2 });
    let batch_bytes = batch_of(&["a", "b"]).len();
    check_refusal(counts(9, 8), CheckError::TooMany { records: 9, batch_bytes });

    let most = RECORDS_PER_BATCH_MAX;
    let compressed = |records| {
        forge(&batch_of(&["a", "b"]), |header| {
            header.attributes = Attributes::from_bits(4);
            counts(records, records - 1)(header);
        })
    };
    assert!(check(&compressed(most), 1_000).is_ok());
    let too_many = CheckError::TooMany { records: most + 1, batch_bytes };
    assert_eq!(check(&compressed(most + 1), 1_000), Err(too_many));
}

#[test]
fn a_producer_without_epoch_or_sequence_is_refused() {
    let stamp = |producer_id, producer_epoch, base_sequence| {
        forge(&batch_of(&["a"]), |header| {
            header.producer_id = producer_id;
            header.producer_epoch = producer_epoch;
            header.base_sequence = base_sequence;
        })
    };
    assert!(check(&stamp(0, 0, 0), 1_000).is_ok());
    assert!(check(&stamp(-1, -1, -1), 1_000).is_ok());
    for (epoch, sequence) in [(-1, 0), (0, -1)] {
        let (producer_epoch, base_sequence) = (epoch, sequence);
        let refused = CheckError::Sequence { producer_id: 9, producer_epoch, base_sequence };
        assert_eq!(check(&stamp(9, epoch, sequence), 1_000), Err(refused));
    }
}

#[test]
fn stored_batches_are_verified_with_others_behind_them_and_whatever_they_hold() {
    let control = forge(&batch_around(&[], 0, 4), |h| h.attributes = Attributes::from_bits(0x38));
    let mut run = [&control[..], &batch_of(&["a"])].concat();
    assert_eq!(verify_crc(&run), Header::parse(&control).map_err(CheckError::from));

    let cut = verify_crc(&run[..60]).unwrap_err();
    assert_eq!(cut, HeaderError::TooShort { bytes: 60 }.into());
    run[30] ^= 1;
    assert!(matches!(verify_crc(&run), Err(CheckError::Crc { .. })));
}

#[test]
fn the_prefix_may_be_rebuilt_without_touching_the_checksum() {
    let mut batch = batch_of(&["a", "b"]);
    let rebuilt = prefix(4_711, batch.len(), 3);
    batch[..PREFIX_BYTES].copy_from_slice(&rebuilt);
    let header = verify_crc(&batch).unwrap();
    assert_eq!((header.base_offset, header.leader_epoch), (4_711, 3));
    assert_eq!(header.next_offset(), 4_713);
}

proptest! {
    #[test]
    fn one_bit_flipped_anywhere_behind_the_prefix_is_refused(
        values in prop::collection::vec(".{0,40}", 1..8),
        flip: prop::sample::Index,
    ) {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let mut batch = batch_of(&values);
        let bit = flip.index((batch.len() - PREFIX_BYTES) * 8);
        batch[PREFIX_BYTES + bit / 8] ^= 1 << (bit % 8);
        prop_assert!(check(&batch, batch.len()).is_err());
        prop_assert!(verify_crc(&batch).is_err());
    }

    #[test]
    fn a_batch_cut_anywhere_is_refused(cut: prop::sample::Index) {
        let batch = batch_of(&["some", "records", "more"]);
        let cut = cut.index(batch.len());
        prop_assert!(check(&batch[..cut], batch.len()).is_err());
    }

    #[test]
    fn any_bytes_are_checked_without_panic(
        head in prop::array::uniform16(any::<u8>()),
        rest: Vec<u8>,
        count: u32,
    ) {
        let anything = [&head[..], &rest].concat();
        let _ = check(&anything, anything.len());
        let _ = verify_crc(&anything);
        // The same, far enough like a batch to get past the checksum.
        let forged = batch_around(&rest, count >> 1, count >> 1);
        let _ = check(&forged, forged.len());
    }
}

fn check_refusal(rewrite: impl FnOnce(&mut Header), expected: CheckError) {
    let batch = forge(&batch_of(&["a", "b"]), rewrite);
    assert_eq!(check(&batch, batch.len()), Err(expected));
}
