//! A broker's bytes, in whatever pieces they come: never a panic, never a wish for more bytes than
//! a frame may have; and what was understood, said again, is understood the same.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use weir_protocol::limits::FRAME_BYTES_MAX;
use weir_protocol::native::{DecodeError, Decoder, ResponseFrame, encode_response};

fuzz_target!(|pieces: Vec<&[u8]>| {
    let mut frames = Vec::new();
    let mut decoder = Decoder::client();
    let mut buffer = BytesMut::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        read(&mut decoder, &mut buffer, &mut frames);
    }
    let mut again = BytesMut::new();
    for ResponseFrame { correlation, response } in &frames {
        encode_response(*correlation, response, &mut again);
    }
    let mut understood = Vec::new();
    read(&mut Decoder::client(), &mut again, &mut understood);
    assert_eq!(understood, frames);
});

fn read(
    decoder: &mut Decoder<ResponseFrame>,
    buffer: &mut BytesMut,
    frames: &mut Vec<ResponseFrame>,
) {
    loop {
        assert!(decoder.wanted(buffer) <= FRAME_BYTES_MAX);
        match decoder.next(buffer) {
            Ok(Some(frame)) => frames.push(frame),
            Ok(None) | Err(DecodeError::Broken { .. }) => return,
            Err(DecodeError::Refused { .. }) => {}
        }
        decoder.hello_done(FRAME_BYTES_MAX);
    }
}
