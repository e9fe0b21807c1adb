//! A Kafka client's bytes: never a panic; and what was understood, said again in the same version,
//! is understood the same.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use weir_protocol::kafka::{Api, Request, RequestFrame, encode_request, take_frame};
use weir_protocol::limits::KAFKA_FRAME_BYTES_MAX;

fuzz_target!(|bytes: &[u8]| {
    let mut buffer = BytesMut::from(bytes);
    while let Ok(Some(frame)) = take_frame(&mut buffer, KAFKA_FRAME_BYTES_MAX) {
        read(frame);
    }
    // Without the luck of a frame and a header: the first bytes choose what the others are.
    if let [api, version, body @ ..] = bytes {
        let api = Api::ALL[usize::from(*api) % Api::ALL.len()];
        let versions = api.served();
        let count = versions.end() - versions.start() + 1;
        let version = versions.start() + i16::from(*version) % count;
        if let Ok(request) = Request::read(api, version, Bytes::copy_from_slice(body)) {
            say_again(version, &request);
        }
    }
});

fn read(frame: Bytes) {
    let Ok(frame) = RequestFrame::read(frame) else { return };
    if let Ok(request) = frame.request() {
        say_again(frame.header.version, &request);
    }
}

fn say_again(version: i16, request: &Request) {
    let mut scratch = BytesMut::new();
    let said = encode_request(version, 7, None, request, &mut scratch).to_bytes();
    let frame = RequestFrame::read(said.slice(4..)).expect("a header of our own");
    assert_eq!(frame.request().as_ref(), Ok(request));
}
