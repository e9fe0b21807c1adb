//! A peer's bytes, a client's or a broker's, in whatever pieces they come: never a panic, never a
//! wish for more bytes than a frame may have; and what was understood, said again, is understood
//! the same.
#![no_main]

use std::fmt::Debug;

use arbitrary::Arbitrary;
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use weir_protocol::limits::FRAME_BYTES_MAX;
use weir_protocol::native::{
    DecodeError, Decoder, RequestFrame, ResponseFrame, encode_request, encode_response,
};

/// Who speaks.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Peer {
    Client,
    Broker,
}

fuzz_target!(|input: (Peer, Vec<&[u8]>)| {
    let (peer, pieces) = input;
    match peer {
        Peer::Client => hear(Decoder::server, &pieces, |frame: &RequestFrame, said| {
            encode_request(frame.correlation, &frame.request, said);
        }),
        Peer::Broker => hear(Decoder::client, &pieces, |frame: &ResponseFrame, said| {
            encode_response(frame.correlation, &frame.response, said);
        }),
    }
});

fn hear<F: Debug + PartialEq>(
    ear: fn() -> Decoder<F>,
    pieces: &[&[u8]],
    say: impl Fn(&F, &mut BytesMut),
) {
    let (mut decoder, mut buffer, mut frames) = (ear(), BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        read(&mut decoder, &mut buffer, &mut frames);
    }
    let (mut said, mut understood) = (BytesMut::new(), Vec::new());
    for frame in &frames {
        say(frame, &mut said);
    }
    read(&mut ear(), &mut said, &mut understood);
    assert_eq!(understood, frames);
}

fn read<F>(decoder: &mut Decoder<F>, buffer: &mut BytesMut, frames: &mut Vec<F>) {
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
