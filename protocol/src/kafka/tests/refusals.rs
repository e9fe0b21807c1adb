//! Bytes that lie: lengths, counts, nulls, texts, tags.

use bytes::Bytes;

use super::super::{Api, Fault, Request, TEXT_BYTES_MAX};
use crate::limits::KAFKA_ELEMENTS_MAX;

#[test]
fn a_count_beyond_the_bytes_left_is_refused_before_anything_is_reserved() {
    // 25 bytes that claim 77 million topics: a body of Metadata version 12.
    let mut body = vec![0xc1, 0xda, 0xdb, 0x24];
    body.resize(25, 0);
    assert_eq!(metadata(12, &body), Err(Fault::Count { field: "topics", count: 77_000_000 }));
    assert_eq!(
        metadata(1, &[0x7f, 0xff, 0xff, 0xff, 0, 0]),
        Err(Fault::Count { field: "topics", count: i32::MAX as usize })
    );
    assert_eq!(
        metadata(12, &[0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        Err(Fault::Count { field: "tagged fields", count: u32::MAX as usize })
    );
}

#[test]
fn an_element_counts_with_the_bytes_it_takes_at_least() {
    // A topic of version 12 takes an id of 16 bytes, a name and tags: 18 together.
    let body = |topics: u8, bytes: usize| [&[topics + 1][..], &vec![0; bytes]].concat();
    assert_eq!(metadata(12, &body(2, 35)), Err(Fault::Count { field: "topics", count: 2 }));
    assert!(metadata(12, &body(2, 2 * 18 + 3)).is_ok());
}

#[test]
fn a_message_has_a_limited_number_of_elements() {
    let count = KAFKA_ELEMENTS_MAX + 1;
    let mut body = (count as u32).to_be_bytes().to_vec();
    body.resize(4 + 2 * count, 0);
    assert_eq!(metadata(1, &body), Err(Fault::Elements { field: "topics" }));
    let most = (KAFKA_ELEMENTS_MAX as u32).to_be_bytes();
    body[..4].copy_from_slice(&most);
    assert_eq!(metadata(1, &body[..body.len() - 2]).map(|_| ()), Ok(()));
}

#[test]
fn null_is_refused_in_versions_that_take_none() {
    assert_eq!(metadata(0, &[0xff; 4]), Err(Fault::Null { field: "topics" }));
    assert!(metadata(1, &[0xff; 4]).is_ok());
    // A name may be null from version 10 on.
    assert_eq!(metadata(9, &[2, 0, 0, 1, 0, 0, 0]), Err(Fault::Null { field: "name" }));
}

#[test]
fn lengths_below_null_are_refused() {
    assert_eq!(
        metadata(1, &[0xff, 0xff, 0xff, 0xfe]),
        Err(Fault::Length { field: "topics", length: -2 })
    );
    assert_eq!(
        metadata(1, &[0, 0, 0, 1, 0x80, 0]),
        Err(Fault::Length { field: "name", length: i32::from(i16::MIN) })
    );
}

#[test]
fn a_text_that_is_no_utf8_or_too_long_is_refused() {
    assert_eq!(metadata(1, b"\0\0\0\x01\0\x02\xc3\x28"), Err(Fault::NotUtf8 { field: "name" }));
    // Two bytes of length cannot say it, three bytes of varint can.
    let mut body = vec![2, 0x81, 0x80, 0x02];
    body.resize(60_000, b'a');
    let bytes = TEXT_BYTES_MAX + 1;
    assert_eq!(metadata(9, &body), Err(Fault::TextTooLong { field: "name", bytes }));
}

#[test]
fn a_varint_beyond_32_bits_is_refused() {
    let refused = Err(Fault::Varint { field: "topics" });
    assert_eq!(metadata(9, &[0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0]), refused);
    assert_eq!(metadata(9, &[0x80, 0x80, 0x80, 0x80, 0x80, 0, 0]), refused);
}

#[test]
fn tags_ascend_and_end_where_they_say() {
    let tagged = |tags: &[u8]| metadata(9, &[&[0, 1, 0, 0][..], tags].concat());
    assert!(tagged(&[2, 5, 0, 6, 0]).is_ok());
    assert_eq!(tagged(&[2, 6, 0, 6, 0]), Err(Fault::TagOrder { tag: 6 }));
    assert_eq!(tagged(&[2, 6, 0, 5, 0]), Err(Fault::TagOrder { tag: 5 }));
    assert_eq!(tagged(&[1, 6, 9, 5]), Err(Fault::Short { field: "tagged fields" }));
    // Fetch knows tag 0, the cluster's id.
    let fetch = |tags: &[u8]| {
        let fields = [&[0; 4 + 4 + 4 + 4 + 1 + 4 + 4][..], &[1, 1, 1], tags].concat();
        Request::read(Api::Fetch, 12, fields.into())
    };
    assert!(fetch(&[1, 0, 2, 2, b'c']).is_ok());
    assert_eq!(fetch(&[1, 0, 3, 2, b'c', 0]), Err(Fault::TagTrailing { tag: 0, bytes: 1 }));
}

/// The body that librdkafka 2.12 sends for all topics: null, two settings, no tags, and three bytes
/// left of the count that it had kept room for.
#[test]
fn a_request_for_all_topics_may_have_more_behind_it() {
    let all = metadata(13, &[0, 0, 0, 0]).unwrap();
    assert_eq!(metadata(13, &[0, 0, 0, 0, 1, 0, 0]), Ok(all));
}

fn metadata(version: i16, body: &[u8]) -> Result<Request, Fault> {
    Request::read(Api::Metadata, version, Bytes::copy_from_slice(body))
}
