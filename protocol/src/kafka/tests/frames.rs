//! Frames and headers, byte by byte; and records that stay where they lie.

use bytes::{Bytes, BytesMut};

use super::super::api::{api_versions, fetch, metadata, produce};
use super::super::{
    Api, DecodeError, ErrorCode, FrameError, Records, Request, RequestFrame, Response, Text,
    encode_request, encode_response, frame_bytes, read_response, take_frame,
};

#[test]
fn a_frame_is_taken_once_it_is_whole() {
    let mut buffer = BytesMut::from(&[0, 0, 0, 2, 7][..]);
    assert_eq!(frame_bytes(&buffer[..3], 100), Ok(None));
    assert_eq!(frame_bytes(&buffer, 100), Ok(Some(6)));
    assert_eq!(take_frame(&mut buffer, 100), Ok(None));
    buffer.extend_from_slice(&[8, 9]);
    assert_eq!(take_frame(&mut buffer, 100), Ok(Some(Bytes::from_static(&[7, 8]))));
    assert_eq!(buffer, [9][..]);
}

#[test]
fn a_length_that_is_too_large_or_none_is_refused() {
    assert_eq!(
        frame_bytes(&[0, 0, 1, 0], 259),
        Err(FrameError::TooLarge { bytes: 260, bytes_max: 259 })
    );
    assert_eq!(frame_bytes(&[0, 0, 1, 0], 260), Ok(Some(260)));
    assert_eq!(frame_bytes(&[0xff; 4], 100), Err(FrameError::Negative { length: -1 }));
}

#[test]
fn a_request_header_is_flexible_where_its_body_is_but_for_the_client_id() {
    let request = Request::from(metadata::Request::default());
    let me = Text::from("me");
    let plain = encode_request(8, 5, Some(&me), &request, &mut BytesMut::new()).to_bytes();
    assert_eq!(plain[..], *b"\0\0\0\x13\0\x03\0\x08\0\0\0\x05\0\x02me\xff\xff\xff\xff\x01\0\0");
    let flexible = encode_request(9, 5, Some(&me), &request, &mut BytesMut::new()).to_bytes();
    assert_eq!(flexible[..], *b"\0\0\0\x12\0\x03\0\x09\0\0\0\x05\0\x02me\0\0\x01\0\0\0");
    let read = RequestFrame::read(flexible.slice(4..)).unwrap();
    assert_eq!((read.header.correlation, read.header.client_id), (5, Some(me)));
}

#[test]
fn tags_of_a_header_are_kept() {
    let frame = Bytes::from_static(b"\0\x03\0\x09\0\0\0\x05\xff\xff\x01\x09\x02hi\0\x01\0\0\0");
    let read = RequestFrame::read(frame).unwrap();
    let tags: Vec<_> = read.header.unknown_tags.iter().collect();
    assert_eq!(tags, [(9, &Bytes::from_static(b"hi"))]);
    assert!(matches!(
        read.request(),
        Ok(Request::Metadata(metadata::Request { topics: None, .. }))
    ));
}

#[test]
fn the_answer_to_api_versions_never_has_a_flexible_header() {
    let response = Response::from(api_versions::Response::default());
    let frame = encode_response(4, 9, &response, &mut BytesMut::new()).to_bytes();
    assert_eq!(frame[..], *b"\0\0\0\x0c\0\0\0\x09\0\0\x01\0\0\0\0\0");
    let response = Response::from(metadata::Response::default());
    let frame = encode_response(9, 9, &response, &mut BytesMut::new()).to_bytes();
    assert_eq!(frame[4..9], *b"\0\0\0\x09\0");
}

#[test]
fn an_unknown_version_of_api_versions_can_be_answered() {
    let frame = Bytes::from_static(b"\0\x12\0\x63\0\0\0\x05\xff\xffany bytes");
    let unsupported =
        DecodeError::UnsupportedVersion { api: Api::ApiVersions, version: 99, correlation: 5 };
    assert_eq!(RequestFrame::read(frame), Err(unsupported));
    let response = api_versions::Response::unsupported_version();
    let frame = encode_response(0, 5, &response.into(), &mut BytesMut::new()).to_bytes();
    let (_, Response::ApiVersions(read)) =
        read_response(Api::ApiVersions, 0, frame.slice(4..)).unwrap()
    else {
        panic!("another API's answer");
    };
    assert_eq!(read.error_code, ErrorCode::UnsupportedVersion);
    assert!(read.api_keys.iter().any(|served| served.api_key == Api::ApiVersions.key()));
}

#[test]
fn produce_is_advertised_from_0_and_served_from_3() {
    let advertised = api_versions::ApiVersion::from(Api::Produce);
    assert_eq!((advertised.min_version, advertised.max_version), (0, 13));
    let frame = Bytes::from_static(b"\0\0\0\x02\0\0\0\x05\xff\xff");
    assert_eq!(
        RequestFrame::read(frame),
        Err(DecodeError::UnsupportedVersion { api: Api::Produce, version: 2, correlation: 5 })
    );
}

#[test]
fn other_keys_and_cut_headers_are_refused() {
    let read = |frame: &'static [u8]| RequestFrame::read(Bytes::from_static(frame)).unwrap_err();
    assert_eq!(read(b"\x03\xe7\0\0\0\0\0\x01\xff\xff"), DecodeError::UnknownApi { key: 999 });
    assert_eq!(read(b"\0\x03\0\x09\0\0"), DecodeError::Short { bytes: 6 });
    assert!(matches!(read(b"\0\x03\0\x09\0\0\0\x05"), DecodeError::Header { version: 9, .. }));
    assert!(matches!(read(b"\0\x03\0\x09\0\0\0\x05\0\x09me"), DecodeError::Header { .. }));
}

#[test]
fn produced_records_are_views_of_the_read_buffer() {
    let request = produce::Request {
        topic_data: vec![produce::RequestTopic {
            partition_data: vec![produce::RequestPartition {
                records: Some(Bytes::from_static(b"batch")),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    };
    for version in Api::Produce.served() {
        let sent = encode_request(version, 1, None, &request.clone().into(), &mut BytesMut::new());
        let buffer = sent.to_bytes();
        let Ok(Request::Produce(read)) = RequestFrame::read(buffer.slice(4..)).unwrap().request()
        else {
            panic!("another API's request");
        };
        let records = read.topic_data[0].partition_data[0].records.clone().unwrap();
        assert_eq!(records, b"batch"[..]);
        assert!(buffer.as_ptr_range().contains(&records.as_ptr()));
    }
}

#[test]
fn fetched_records_are_sent_from_where_they_lie() {
    let slices = [Bytes::from_static(b"first"), Bytes::from_static(b"second")];
    let partition = |slices: &[Bytes]| fetch::ResponsePartition {
        records: Some(Records::from_iter(slices.iter().cloned())),
        ..Default::default()
    };
    let response = Response::from(fetch::Response {
        responses: vec![fetch::ResponseTopic {
            partitions: vec![partition(&slices), partition(&[]), partition(&slices[..1])],
            ..Default::default()
        }],
        ..Default::default()
    });
    for version in Api::Fetch.served() {
        let mut scratch = BytesMut::new();
        let frame = encode_response(version, 1, &response, &mut scratch);
        assert!(scratch.is_empty());
        let at: Vec<_> = frame.pieces().iter().map(|piece| piece.as_ptr()).collect();
        assert_eq!(at[1..3], [slices[0].as_ptr(), slices[1].as_ptr()]);
        assert_eq!(at[4], slices[0].as_ptr());
        assert_eq!(frame.bytes(), frame.pieces().iter().map(Bytes::len).sum::<usize>());
        assert!(frame.pieces().iter().all(|piece| !piece.is_empty()));
        let (_, Response::Fetch(read)) =
            read_response(Api::Fetch, version, frame.to_bytes().slice(4..)).unwrap()
        else {
            panic!("another API's answer");
        };
        let records: Vec<_> = read.responses[0]
            .partitions
            .iter()
            .map(|partition| partition.records.as_ref().unwrap().slices().concat())
            .collect();
        assert_eq!(records, [&b"firstsecond"[..], b"", b"first"]);
    }
}
