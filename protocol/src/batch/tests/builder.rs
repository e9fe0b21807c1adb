//! What is built reads back, and what does not fit is said before it is written.

use proptest::prelude::*;

use super::Sample;
use crate::batch::*;
use crate::limits::{BATCH_BYTES_MAX, HEADERS_PER_RECORD_MAX, RECORDS_PER_BATCH_MAX};

pub(super) fn sample() -> impl Strategy<Value = Sample> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..80);
    let nullable = || prop::option::of(bytes());
    let headers = prop::collection::vec((bytes(), nullable()), 0..4);
    let timestamp = prop_oneof![Just(0), -100..100_i64, -1 << 60..1_i64 << 60];
    (timestamp, nullable(), nullable(), headers)
        .prop_map(|(timestamp, key, value, headers)| Sample { timestamp, key, value, headers })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_built_passes_the_door_and_reads_back(
        parts in prop::collection::vec(prop::collection::vec(sample(), 1..12), 1..4),
        id in -1..3_i64,
    ) {
        let mut builder = Builder::new();
        let stamp = (0 <= id).then_some(ProducerStamp { id, epoch: 2, sequence: 3 });
        for samples in parts {
            for sample in &samples {
                let announced = announced_len(&builder, sample);
                sample.push_to(&mut builder);
                prop_assert_eq!(builder.len(), announced);
            }
            let batch = builder.finish(stamp);
            prop_assert_eq!((builder.is_empty(), builder.len()), (true, 0));

            let header = check(&batch, batch.len()).unwrap();
            prop_assert_eq!(header.producer_id, id);
            prop_assert_eq!(header.base_sequence, if 0 <= id { 3 } else { -1 });
            prop_assert_eq!(header.base_timestamp, samples[0].timestamp);
            let latest = samples.iter().map(|sample| sample.timestamp).max();
            prop_assert_eq!(Some(header.max_timestamp), latest);
            let view = View::parse(&batch).unwrap();
            let read: Vec<_> = view.records().map(|r| Sample::of_record(&r.unwrap())).collect();
            prop_assert_eq!(read, samples);
        }
    }
}

#[test]
fn a_full_batch_stays_as_it_was_and_the_next_one_takes_the_record() {
    let mut builder = Builder::with_bytes_max(100);
    builder.push(1, None, Some(&[1; 20]), []).unwrap();
    let before = builder.len();
    assert_eq!(builder.push(1, None, Some(&[2; 20]), []), Err(PushError::Full));
    assert_eq!((builder.len(), builder.records()), (before, 1));
    builder.finish(None);
    builder.push(1, None, Some(&[2; 20]), []).unwrap();
    let batch = builder.finish(None);
    let value = View::parse(&batch).unwrap().records().next().unwrap().unwrap().value;
    assert_eq!(value, Some(&[2; 20][..]));
}

#[test]
fn a_batch_is_filled_to_the_last_byte() {
    let mut builder = Builder::with_bytes_max(100);
    let fits = vec![0; 100 - HEADER_BYTES - RECORD_BYTES_MIN];
    builder.push(0, None, Some(&fits), []).unwrap();
    assert_eq!(builder.finish(None).len(), 100);
    let too_large = PushError::TooLarge { batch_bytes: 101, bytes_max: 100 };
    assert_eq!(builder.push(0, None, Some(&[&fits[..], &[0]].concat()), []), Err(too_large));
    assert!(builder.is_empty());
}

#[test]
fn no_setting_lifts_the_limit_of_all_batches() {
    let mut builder = Builder::with_bytes_max(usize::MAX);
    let value = vec![0; BATCH_BYTES_MAX];
    assert!(matches!(builder.push(0, None, Some(&value), []), Err(PushError::TooLarge { .. })));
}

#[test]
fn a_batch_of_the_most_records_is_full_and_passes_the_door() {
    let mut builder = Builder::new();
    while let Ok(()) = builder.push(5, None, None, []) {}
    assert_eq!(builder.push(5, None, None, []), Err(PushError::Full));
    let batch = builder.finish(None);
    let header = check(&batch, BATCH_BYTES_MAX).unwrap();
    assert_eq!(header.records, RECORDS_PER_BATCH_MAX);
}

#[test]
fn timestamps_too_far_apart_for_one_batch_go_into_two() {
    let mut builder = Builder::new();
    builder.push(i64::MIN, None, None, []).unwrap();
    assert_eq!(builder.push(i64::MAX, None, None, []), Err(PushError::Full));
    builder.finish(None);
    builder.push(i64::MAX, None, None, []).unwrap();
}

#[test]
fn a_record_of_too_many_headers_is_refused() {
    let mut builder = Builder::new();
    let header = (&b"k"[..], None);
    let most = vec![header; HEADERS_PER_RECORD_MAX];
    builder.push(0, None, None, most.iter().copied()).unwrap();
    let headers = HEADERS_PER_RECORD_MAX + 1;
    let more = vec![header; headers];
    let refused = builder.push(0, None, None, more.iter().copied());
    assert_eq!(refused, Err(PushError::TooManyHeaders { headers }));
    assert_eq!(builder.records(), 1);
}

#[test]
fn a_batch_says_nothing_of_a_producer_it_has_not() {
    let mut builder = Builder::default();
    builder.push(0, None, None, []).unwrap();
    let header = Header::parse(&builder.finish(None)).unwrap();
    assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (-1, -1, -1));
}

fn announced_len(builder: &Builder, sample: &Sample) -> usize {
    let headers = sample.headers.iter().map(|(key, value)| (&key[..], value.as_deref()));
    builder
        .len_with(sample.timestamp, sample.key.as_deref(), sample.value.as_deref(), headers)
        .unwrap()
}

#[test]
fn a_stamp_put_on_a_batch_is_the_one_it_could_have_been_finished_with() {
    let stamp = ProducerStamp { id: 7, epoch: 3, sequence: 41 };
    let finished = |stamp| {
        let mut builder = Builder::new();
        builder.push(5, Some(b"key"), Some(b"value"), []).unwrap();
        builder.finish(stamp)
    };
    assert_eq!(stamp.put_on(&finished(None)), Ok(finished(Some(stamp))));
    assert!(stamp.put_on(b"no batch").is_err());
}
