//! Batches of each compression, bombs, and bytes that are no compression at all.

use std::io::Write;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::{
    Attributes, Builder, Compression, HEADER_BYTES, Header, InflateError, Plain,
    UnknownCompression, ViewError,
};
use crate::limits::INFLATED_BYTES_MAX;

const ALL: [Compression; 4] =
    [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

#[test]
fn records_of_each_compression_are_those_that_were_put_in() {
    let plain = batch(&[b"one", b"two", &[7; 10_000]]);
    for compression in ALL {
        let packed = packed(&plain, compression, &compress(compression, &plain[HEADER_BYTES..]));
        let inflated = Plain::parse(&packed, INFLATED_BYTES_MAX).unwrap();
        assert_eq!(inflated.header().attributes.compression(), Ok(compression));
        assert_eq!(values(&inflated), [b"one".to_vec(), b"two".to_vec(), vec![7; 10_000]]);
    }
}

#[test]
fn a_plain_batch_stays_where_it_lies() {
    let plain = batch(&[b"one"]);
    let parsed = Plain::parse(&plain, 0).unwrap();
    let record = parsed.view().records().next().unwrap().unwrap();
    assert!(plain.as_ptr_range().contains(&record.value.unwrap().as_ptr()));
}

#[test]
fn snappy_comes_in_java_frames_too() {
    let plain = batch(&[b"one", b"two"]);
    let mut framed = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    for half in [&plain[HEADER_BYTES..HEADER_BYTES + 5], &plain[HEADER_BYTES + 5..]] {
        let block = compress(Compression::Snappy, half);
        framed.extend((block.len() as u32).to_be_bytes());
        framed.extend(block);
    }
    let whole = packed(&plain, Compression::Snappy, &framed);
    let inflated = Plain::parse(&whole, INFLATED_BYTES_MAX).unwrap();
    assert_eq!(values(&inflated), [b"one", b"two"]);
    for cut in 8..framed.len() {
        let cut = packed(&plain, Compression::Snappy, &framed[..cut]);
        let records = Plain::parse(&cut, INFLATED_BYTES_MAX);
        let sound = records.is_ok_and(|plain| plain.view().records().all(|record| record.is_ok()));
        assert!(!sound);
    }
}

#[test]
fn what_inflates_beyond_the_limit_is_refused() {
    let plain = batch(&[&[0; 200_000]]);
    let records = plain.len() - HEADER_BYTES;
    for compression in ALL {
        let packed = packed(&plain, compression, &compress(compression, &plain[HEADER_BYTES..]));
        assert!(Plain::parse(&packed, records).is_ok());
        assert_eq!(
            Plain::parse(&packed, records - 1).unwrap_err(),
            InflateError::TooLarge { compression, inflated_bytes_max: records - 1 }
        );
    }
}

#[test]
fn a_snappy_block_cannot_announce_more_than_its_bytes_make() {
    // Ten bytes that announce 32 MiB.
    let block = [0x80, 0x80, 0x80, 0x10, 0, 0, 0, 0, 0, 0];
    let packed = packed(&batch(&[b"one"]), Compression::Snappy, &block);
    let refused = Plain::parse(&packed, INFLATED_BYTES_MAX).unwrap_err();
    assert!(refused.to_string().contains("10 bytes announce 33554432"), "{refused}");
}

#[test]
fn an_unknown_compression_is_told_by_its_number() {
    let plain = batch(&[b"one"]);
    let mut header = Header::parse(&plain).unwrap();
    header.attributes = Attributes::from_bits(5);
    let mut unknown = plain.to_vec();
    unknown[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    assert_eq!(
        Plain::parse(&unknown.into(), INFLATED_BYTES_MAX).unwrap_err(),
        InflateError::View(ViewError::Compression(UnknownCompression { number: 5 }))
    );
}

#[test]
fn records_that_are_not_what_their_batch_says_are_refused() {
    let plain = batch(&[b"one", b"two"]);
    for compression in ALL {
        let lies = packed(&plain, compression, b"\x04no compression");
        let refused = Plain::parse(&lies, INFLATED_BYTES_MAX).unwrap_err();
        assert!(matches!(refused, InflateError::Malformed { .. }), "{compression:?}: {refused}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_inflated_or_refused(bytes: Vec<u8>, which in 0..4_usize) {
        let lies = packed(&batch(&[b"one"]), ALL[which], &bytes);
        if let Ok(inflated) = Plain::parse(&lies, 100_000) {
            let _count = inflated.view().records().count();
        }
    }

    #[test]
    fn a_changed_byte_is_inflated_or_refused(
        place: prop::sample::Index, bits: u8, which in 0..4_usize,
    ) {
        let plain = batch(&[b"one", b"two", &[7; 1_000]]);
        let mut records = compress(ALL[which], &plain[HEADER_BYTES..]);
        let place = place.index(records.len());
        records[place] ^= bits;
        if let Ok(inflated) = Plain::parse(&packed(&plain, ALL[which], &records), 100_000) {
            let _count = inflated.view().records().count();
        }
    }
}

fn batch(values: &[&[u8]]) -> Bytes {
    let mut builder = Builder::new();
    for value in values {
        builder.push(0, None, Some(value), []).unwrap();
    }
    builder.finish(None)
}

fn values(plain: &Plain) -> Vec<Vec<u8>> {
    plain.view().records().map(|record| record.unwrap().value.unwrap().to_vec()).collect()
}

/// The batch with other records, which its header says are compressed.
fn packed(plain: &[u8], compression: Compression, records: &[u8]) -> Bytes {
    let mut header = Header::parse(plain).unwrap();
    header.attributes = Attributes::from_bits(match compression {
        Compression::None => 0,
        Compression::Gzip => 1,
        Compression::Snappy => 2,
        Compression::Lz4 => 3,
        Compression::Zstd => 4,
    });
    header.batch_bytes = HEADER_BYTES + records.len();
    [&header.to_bytes(), records].concat().into()
}

fn compress(compression: Compression, records: &[u8]) -> Vec<u8> {
    match compression {
        Compression::None => records.to_vec(),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
            encoder.write_all(records).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Snappy => snap::raw::Encoder::new().compress_vec(records).unwrap(),
        Compression::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(records).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => zstd::stream::encode_all(records, 3).unwrap(),
    }
}
