//! Every field at its place, and headers that are none.

use crate::batch::layout::*;

const HEADER: Header = Header {
    base_offset: 0x0102_0304_0506_0708,
    batch_bytes: 61 + 0x0a0b,
    leader_epoch: 0x1112_1314,
    crc: 0x2122_2324,
    attributes: Attributes::from_bits(0x0003),
    last_offset_delta: 0x3132_3334,
    base_timestamp: -2,
    max_timestamp: 0x4142_4344_4546_4748,
    producer_id: 0x5152_5354_5556_5758,
    producer_epoch: 0x6162,
    base_sequence: 0x7172_7374,
    records: 0x0182_8384,
};

const BYTES: [u8; HEADER_BYTES] = *b"\x01\x02\x03\x04\x05\x06\x07\x08\
    \x00\x00\x0a\x3c\x11\x12\x13\x14\x02\x21\x22\x23\x24\x00\x03\x31\x32\x33\x34\
    \xff\xff\xff\xff\xff\xff\xff\xfe\x41\x42\x43\x44\x45\x46\x47\x48\
    \x51\x52\x53\x54\x55\x56\x57\x58\x61\x62\x71\x72\x73\x74\x01\x82\x83\x84";

#[test]
fn every_field_lies_where_the_table_says() {
    assert_eq!(HEADER.to_bytes(), BYTES);
    assert_eq!(Header::parse(&BYTES), Ok(HEADER));
    assert_eq!(batch_bytes(&BYTES), Some(HEADER.batch_bytes));
    assert_eq!(prefix(HEADER.base_offset, HEADER.batch_bytes, 0x1112_1314), BYTES[..16]);
    assert_eq!(HEADER.last_offset(), 0x0102_0304_0506_0708 + 0x3132_3334);
    assert_eq!(HEADER.next_offset(), HEADER.last_offset() + 1);
}

#[test]
fn what_no_header_can_say_is_refused() {
    check_refusal(&[], |_| {}, HeaderError::TooShort { bytes: 0 });
    check_refusal(&BYTES[..60], |_| {}, HeaderError::TooShort { bytes: 60 });
    check_refusal(&BYTES, |b| b[16] = 1, HeaderError::Magic { magic: 1 });
    check_refusal(
        &BYTES,
        |b| b[8..12].copy_from_slice(&48_i32.to_be_bytes()),
        HeaderError::Length { length: 48 },
    );
    check_refusal(&BYTES, |b| b[8] = 0x80, HeaderError::Length { length: -0x7fff_f5c4 });
    check_refusal(&BYTES, |b| b[8] = 0x7f, HeaderError::Length { length: 0x7f00_0a3c });
    let negative = |field, value| HeaderError::Negative { field, value };
    check_refusal(&BYTES, |b| b[..8].fill(0xff), negative("base offset", -1));
    check_refusal(&BYTES, |b| b[23..27].fill(0xff), negative("last offset delta", -1));
    check_refusal(&BYTES, |b| b[57..].fill(0xff), negative("count of records", -1));
}

#[test]
fn a_length_is_peeked_only_from_enough_bytes_that_make_sense() {
    assert_eq!(batch_bytes(&BYTES[..11]), None);
    assert_eq!(batch_bytes(&BYTES[..12]), Some(HEADER.batch_bytes));
    assert_eq!(batch_bytes(&[0xff; 12]), None);
    assert_eq!(batch_bytes(&[0; 12]), None);
}

#[test]
fn each_attribute_is_one_of_kafkas_bits() {
    let attributes = |bits| Attributes::from_bits(bits);
    assert_eq!(attributes(0).compression(), Ok(Compression::None));
    assert_eq!(attributes(1).compression(), Ok(Compression::Gzip));
    assert_eq!(attributes(2).compression(), Ok(Compression::Snappy));
    assert_eq!(attributes(3).compression(), Ok(Compression::Lz4));
    assert_eq!(attributes(4).compression(), Ok(Compression::Zstd));
    assert_eq!(attributes(5).compression(), Err(UnknownCompression { number: 5 }));
    assert_eq!(attributes(!8).timestamp_type(), TimestampType::CreateTime);
    assert_eq!(attributes(8).timestamp_type(), TimestampType::LogAppendTime);
    assert!(attributes(16).is_transactional() && !attributes(!16).is_transactional());
    assert!(attributes(32).is_control() && !attributes(!32).is_control());
    assert!(attributes(64).has_delete_horizon() && !attributes(!64).has_delete_horizon());
    assert_eq!(attributes(0xffff).unknown_bits(), 0xff80);
}

fn check_refusal(bytes: &[u8], spoil: impl Fn(&mut [u8]), expected: HeaderError) {
    let mut bytes = bytes.to_vec();
    spoil(&mut bytes);
    assert_eq!(Header::parse(&bytes), Err(expected));
}
