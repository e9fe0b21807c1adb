//! A Kafka broker's bytes: never a panic; and what was understood, said again in the same version,
//! is understood the same.
#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use weir_protocol::kafka::{Api, encode_response, read_response};

fuzz_target!(|bytes: &[u8]| {
    let [api, version, frame @ ..] = bytes else { return };
    let api = Api::ALL[usize::from(*api) % Api::ALL.len()];
    let versions = api.served();
    let count = versions.end() - versions.start() + 1;
    let version = versions.start() + i16::from(*version) % count;
    let frame = Bytes::copy_from_slice(frame);
    let Ok((correlation, response)) = read_response(api, version, frame) else { return };
    let said = encode_response(version, correlation, &response, &mut BytesMut::new());
    assert_eq!(said.bytes(), said.to_bytes().len());
    let again = read_response(api, version, said.to_bytes().slice(4..));
    assert_eq!(again, Ok((correlation, response)));
});
