//! Round trips, hostile bytes and unlucky cuts, for every message there is.

mod credit;
mod strategy;

use bytes::{BufMut, Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::batch::TimestampType;
use crate::code::Code;
use crate::id::TopicId;
use crate::limits::{CLIENT_NAME_BYTES_MAX, FRAME_BYTES_MAX, FRAME_BYTES_MAX_BEFORE_HELLO};
use crate::name::TopicName;

proptest! {
    #[test]
    fn every_request_reads_back_as_it_was_written(frame in strategy::request_frame()) {
        let mut decoder = match frame.request {
            Request::Hello(_) => Decoder::server(),
            _ => greeted_server(),
        };
        let mut bytes = request_bytes(&frame);
        prop_assert_eq!(decoder.next(&mut bytes), Ok(Some(frame)));
        prop_assert!(bytes.is_empty());
    }

    #[test]
    fn every_response_reads_back_as_it_was_written(frame in strategy::response_frame()) {
        let mut decoder = match frame.response {
            Response::Hello(_) => Decoder::client(),
            _ => greeted_client(),
        };
        let mut bytes = response_bytes(&frame);
        prop_assert_eq!(decoder.next(&mut bytes), Ok(Some(frame)));
        prop_assert!(bytes.is_empty());
    }

    #[test]
    fn requests_are_the_same_wherever_the_network_cuts_them(
        frames in vec(strategy::request_frame(), 1..5),
    ) {
        let frames: Vec<_> = frames.into_iter().filter(is_no_hello).collect();
        let mut bytes = hello_bytes();
        for frame in &frames {
            bytes.extend_from_slice(&request_bytes(frame));
        }
        for cut in 0..=bytes.len() {
            let mut decoder = Decoder::server();
            let mut buffer = BytesMut::from(&bytes[..cut]);
            let mut yielded = drain(&mut decoder, &mut buffer);
            buffer.extend_from_slice(&bytes[cut..]);
            yielded.extend(drain(&mut decoder, &mut buffer));
            prop_assert_eq!(&yielded[0].request, &Request::Hello(plain_hello()));
            prop_assert_eq!(&yielded[1..], &frames[..]);
        }
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        exhaust(&mut Decoder::server(), &bytes);
        exhaust(&mut greeted_server(), &bytes);
        exhaust(&mut Decoder::client(), &bytes);
        exhaust(&mut greeted_client(), &bytes);
    }

    #[test]
    fn an_arbitrary_body_of_any_kind_is_read_or_refused(
        kind in any_kind(),
        correlation in 0..2_u32,
        body in vec(any::<u8>(), 0..200),
    ) {
        let bytes = frame_of(kind, correlation, &body);
        exhaust(&mut Decoder::server(), &bytes);
        exhaust(&mut greeted_server(), &bytes);
        exhaust(&mut Decoder::client(), &bytes);
        exhaust(&mut greeted_client(), &bytes);
    }

    #[test]
    fn a_request_with_one_byte_changed_is_read_or_refused(
        frame in strategy::request_frame(),
        at: prop::sample::Index,
        byte: u8,
    ) {
        let mut bytes = request_bytes(&frame);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        exhaust(&mut Decoder::server(), &bytes);
        exhaust(&mut greeted_server(), &bytes);
    }

    #[test]
    fn a_body_cut_short_is_refused(frame in strategy::request_frame(), cut: prop::sample::Index) {
        let body = request_bytes(&frame).split_off(HEAD_BYTES);
        let payload_bytes = match &frame.request {
            Request::Produce(produce) => produce.batch.len(),
            _ => 0,
        };
        prop_assume!(payload_bytes < body.len());
        let body = &body[..cut.index(body.len() - payload_bytes)];
        let kind = frame.request.kind().number();
        let mut decoder = match frame.request {
            Request::Hello(_) => Decoder::server(),
            _ => greeted_server(),
        };
        let mut bytes = frame_of(kind, frame.correlation, body);
        prop_assert!(decoder.next(&mut bytes).is_err());
    }

    #[test]
    fn what_a_decoder_wants_completes_a_frame_and_nothing_more(
        frame in strategy::request_frame(),
        cut: prop::sample::Index,
    ) {
        prop_assume!(is_no_hello(&frame));
        let bytes = request_bytes(&frame);
        let mut decoder = greeted_server();
        let mut buffer = BytesMut::from(&bytes[..cut.index(bytes.len())]);
        while buffer.len() < bytes.len() {
            prop_assert_eq!(decoder.next(&mut buffer), Ok(None));
            let wanted = decoder.wanted(&buffer);
            prop_assert_ne!(wanted, 0);
            buffer.extend_from_slice(&bytes[buffer.len()..buffer.len() + wanted]);
        }
        prop_assert_eq!(decoder.wanted(&buffer), 0);
        prop_assert_eq!(decoder.next(&mut buffer), Ok(Some(frame)));
    }
}

#[test]
fn a_frame_of_a_gibibyte_is_refused_from_its_first_four_bytes_with_nothing_reserved() {
    let announced = (1_u32 << 30).to_le_bytes();
    for mut decoder in [Decoder::server(), greeted_server()] {
        let mut buffer = BytesMut::from(&announced[..]);
        let capacity = buffer.capacity();
        let error = decoder.next(&mut buffer).unwrap_err();
        assert_eq!(error.reply().code, Code::FrameTooLarge);
        assert!(matches!(error, DecodeError::Broken { correlation: 0, .. }));
        assert_eq!(decoder.wanted(&buffer), 0);
        assert_eq!(buffer.capacity(), capacity);
    }
}

#[test]
fn frames_may_be_larger_once_hello_is_done_with() {
    let produce = RequestFrame {
        correlation: 2,
        request: Request::Produce(Produce {
            topic: TopicId::from_bytes([1; 16]),
            partition: 0,
            ack: Ack::Written,
            batch: Bytes::from(vec![7; FRAME_BYTES_MAX_BEFORE_HELLO]),
        }),
    };
    let mut buffer = hello_bytes();
    buffer.extend_from_slice(&request_bytes(&produce));
    let mut decoder = Decoder::server();
    decoder.next(&mut buffer).unwrap().unwrap();

    let mut early = buffer.clone();
    let mut decoder_of_early = Decoder::server();
    decoder_of_early.next(&mut hello_bytes()).unwrap().unwrap();
    let refused = decoder_of_early.next(&mut early).unwrap_err();
    assert_eq!(refused.reply().code, Code::FrameTooLarge);

    decoder.hello_done(FRAME_BYTES_MAX);
    assert_eq!(decoder.next(&mut buffer), Ok(Some(produce)));
}

#[test]
fn the_longest_frame_is_taken_and_one_byte_more_is_not() {
    let decoder = greeted_server();
    let bytes = (FRAME_BYTES_MAX - HEAD_BYTES) as u32 + 8;
    let buffer = BytesMut::from(&bytes.to_le_bytes()[..]);
    assert_eq!(decoder.wanted(&buffer), FRAME_BYTES_MAX - 4);
    let mut buffer = BytesMut::from(&(bytes + 1).to_le_bytes()[..]);
    assert_eq!(code_of(greeted_server().next(&mut buffer)), Code::FrameTooLarge);
}

#[test]
fn a_batch_is_a_view_of_the_received_bytes() {
    let produce = Request::Produce(Produce {
        topic: TopicId::from_bytes([1; 16]),
        partition: 0,
        ack: Ack::Topic,
        batch: Bytes::from_static(b"a batch"),
    });
    let mut buffer = BytesMut::new();
    encode_request(1, &produce, &mut buffer);
    let received = buffer.as_ptr_range();
    let frame = greeted_server().next(&mut buffer).unwrap().unwrap();
    let Request::Produce(Produce { batch, .. }) = frame.request else { panic!("{frame:?}") };
    assert!(received.contains(&batch.as_ptr()));
    assert_eq!(received.end, batch.as_ptr_range().end);
}

#[test]
fn a_head_and_its_payload_are_the_frame_that_encoding_makes() {
    let topic = TopicId::from_bytes([9; 16]);
    let batch = Bytes::from_static(b"a batch");
    for (correlation, ack) in [(7, Ack::Synced), (0, Ack::None)] {
        let mut apart = BytesMut::new();
        produce_head(correlation, topic, 3, ack, batch.len(), &mut apart);
        apart.put_slice(&batch);
        let mut whole = BytesMut::new();
        let produce = Produce { topic, partition: 3, ack, batch: batch.clone() };
        encode_request(correlation, &Request::Produce(produce), &mut whole);
        assert_eq!(apart, whole);
    }

    let mut apart = BytesMut::new();
    deliver_head(5, 99, batch.len(), &mut apart);
    apart.put_slice(&batch);
    let mut whole = BytesMut::new();
    let deliver = Deliver { subscription: 5, tail: 99, batches: batch };
    encode_response(0, &Response::Deliver(deliver), &mut whole);
    assert_eq!(apart, whole);

    let run = LeaseRun { offset: 3, count: 2, deliveries: 1, failures: 0 };
    let deliver = DeliverLeases {
        subscription: 5,
        partition: 1,
        epoch: 9,
        lease_ms: 30_000,
        leases: vec![run],
        batches: Bytes::from_static(b"a batch"),
    };
    let mut apart = BytesMut::new();
    lease_head(&deliver, deliver.batches.len(), &mut apart);
    apart.put_slice(&deliver.batches);
    let mut whole = BytesMut::new();
    encode_response(0, &Response::DeliverLeases(deliver), &mut whole);
    assert_eq!(apart, whole);
}

#[test]
fn anything_before_hello_is_refused_for_good() {
    for kind in [RequestKind::Ping.number(), 0x7777, 0x8000] {
        let mut decoder = Decoder::server();
        let mut buffer = frame_of(kind, 4, &[]);
        buffer.extend_from_slice(&hello_bytes());
        for _ in 0..2 {
            let error = decoder.next(&mut buffer).unwrap_err();
            let fault = Fault::HelloRequired { kind };
            assert_eq!(error, DecodeError::Broken { correlation: 4, fault });
            assert_eq!(error.reply().code, Code::HelloRequired);
        }
    }
}

#[test]
fn a_client_takes_a_refusal_in_the_place_of_an_answer_to_hello_and_nothing_else() {
    let refusal = ErrorReply::new(Code::UnsupportedVersion, "update");
    let mut bytes = BytesMut::new();
    encode_response(1, &Response::Error(refusal.clone()), &mut bytes);
    let frame = Decoder::client().next(&mut bytes).unwrap().unwrap();
    assert_eq!(frame.response, Response::Error(refusal));
    let mut bytes = frame_of(ResponseKind::Pong.number(), 1, &[]);
    assert_eq!(code_of(Decoder::client().next(&mut bytes)), Code::HelloRequired);
}

#[test]
fn frames_that_break_the_layout_close_the_connection() {
    let ping = RequestKind::Ping.number();
    let describe = RequestKind::DescribeTopic.number();
    let subscribe = RequestKind::Subscribe.number();
    let mut flagged = frame_of(ping, 1, &[]);
    flagged[6] = 1;
    let cases = [
        (flagged, Fault::Flags { flags: 1 }),
        (frame_of(ping, 1, &[0, 0]), Fault::Trailing { bytes: 2 }),
        (frame_of(ping, 0, &[]), Fault::Correlation { kind: ping, correlation: 0 }),
        (frame_of(describe, 1, &[2, 0, 0xc3, 0x28]), Fault::NotUtf8 { field: "name" }),
        (frame_of(describe, 1, &[9, 0, b'a']), Fault::Short { field: "name" }),
        (frame_of(subscribe, 1, &[0; 3]), Fault::Short { field: "subscription" }),
        (hello_bytes(), Fault::HelloAgain),
    ];
    for (mut bytes, fault) in cases {
        let mut decoder = greeted_server();
        let error = decoder.next(&mut bytes).unwrap_err();
        assert_eq!(error.fault(), &fault);
        assert_eq!(error.reply().code, Code::MalformedFrame);
        let mut next = frame_of(ping, 2, &[]);
        assert_eq!(decoder.next(&mut next), Err(error), "{fault:?} should close the connection");
    }
    let mut short = BytesMut::from(&[7, 0, 0, 0][..]);
    let error = greeted_server().next(&mut short).unwrap_err();
    assert_eq!(error.fault(), &Fault::TooShort { bytes: 7 });
}

#[test]
fn requests_for_what_does_not_exist_are_refused_alone() {
    let describe = RequestKind::DescribeTopic.number();
    let create = RequestKind::CreateTopic.number();
    let settings = |entries: &[(u16, u64)]| {
        let mut body = BytesMut::from(&b"\x01\x00t\x01\x00\x00\x00"[..]);
        body.put_u32_le(entries.len() as u32);
        for &(key, value) in entries {
            body.put_u16_le(key);
            body.put_u64_le(value);
        }
        frame_of(create, 8, &body)
    };
    let cases = [
        (frame_of(0x7fff, 8, b"whatever"), Code::UnknownRequest),
        (frame_of(describe, 8, &[1, 0, b'/']), Code::InvalidName),
        (frame_of(describe, 8, &[0, 0]), Code::InvalidName),
        (settings(&[(99, 0)]), Code::InvalidSetting),
        (settings(&[(2, 5), (2, 5)]), Code::InvalidSetting),
        (settings(&[(1, 1), (1, 1)]), Code::InvalidSetting),
        (settings(&[(1, 77)]), Code::InvalidSetting),
    ];
    for (mut bytes, code) in cases {
        bytes.extend_from_slice(&frame_of(RequestKind::Ping.number(), 9, &[]));
        let mut decoder = greeted_server();
        let error = decoder.next(&mut bytes).unwrap_err();
        assert!(matches!(error, DecodeError::Refused { correlation: 8, .. }), "{error}");
        assert_eq!(error.reply().code, code);
        let ping = RequestFrame { correlation: 9, request: Request::Ping };
        assert_eq!(decoder.next(&mut bytes), Ok(Some(ping)));
    }
}

#[test]
fn a_refusal_that_no_request_could_be_told_of_closes_the_connection() {
    for mut bytes in
        [frame_of(0x7fff, 0, &[]), frame_of(RequestKind::DescribeTopic.number(), 0, &[0, 0])]
    {
        let error = greeted_server().next(&mut bytes).unwrap_err();
        assert!(matches!(error, DecodeError::Broken { correlation: 0, .. }), "{error}");
    }
}

#[test]
fn counts_that_the_frame_cannot_hold_are_refused_before_anything_is_reserved() {
    let mut body = BytesMut::new();
    body.put_u8(0);
    body.put_u32_le(u32::MAX);
    let mut bytes = frame_of(ResponseKind::Topics.number(), 1, &body);
    let error = greeted_client().next(&mut bytes).unwrap_err();
    let fault = Fault::Count { field: "topics", count: u64::from(u32::MAX) };
    assert_eq!(error.fault(), &fault);
}

#[test]
fn versions_meet_at_the_newest_that_both_sides_speak() {
    let hello = |version_min, version_max| Hello { version_min, version_max, ..plain_hello() };
    assert_eq!(hello(1, 1).agree(), Ok(1));
    assert_eq!(hello(0, 9).agree(), Ok(VERSION));
    for (version_min, version_max) in [(2, 9), (0, 0)] {
        let refused = hello(version_min, version_max).agree().unwrap_err();
        assert_eq!(refused.code, Code::UnsupportedVersion);
        assert!(refused.message.contains("versions 1 to 1"), "{}", refused.message);
    }
}

#[test]
fn a_hello_that_contradicts_itself_or_takes_too_little_is_refused() {
    let backwards = Hello { version_min: 2, version_max: 1, ..plain_hello() };
    let tiny = Hello { frame_bytes_max: 1_000, ..plain_hello() };
    for hello in [backwards, tiny] {
        let mut bytes = BytesMut::new();
        encode_request(1, &Request::Hello(hello), &mut bytes);
        assert_eq!(code_of(Decoder::server().next(&mut bytes)), Code::MalformedFrame);
    }
}

#[test]
fn texts_longer_than_their_limit_are_cut_between_characters_when_sent() {
    let client_name = "é".repeat(CLIENT_NAME_BYTES_MAX);
    let hello = Hello { client_name, ..plain_hello() };
    let mut bytes = BytesMut::new();
    encode_request(1, &Request::Hello(hello), &mut bytes);
    let frame = Decoder::server().next(&mut bytes).unwrap().unwrap();
    let Request::Hello(received) = frame.request else { panic!("{frame:?}") };
    assert_eq!(received.client_name, "é".repeat(CLIENT_NAME_BYTES_MAX / 2));
}

#[test]
fn a_code_of_a_newer_broker_keeps_its_retry_and_number() {
    let mut body = BytesMut::new();
    body.put_u16_le(9_999);
    body.put_u8(crate::code::Retry::Never.number());
    body.put_slice(b"\x03\x00new");
    let mut bytes = frame_of(ResponseKind::Error.number(), 3, &body);
    let frame = greeted_client().next(&mut bytes).unwrap().unwrap();
    let Response::Error(error) = frame.response else { panic!("{frame:?}") };
    assert_eq!((error.code, error.retry), (Code::Internal, crate::code::Retry::Never));
    assert!(error.message.contains("9999") && error.message.ends_with("new"), "{error:?}");
}

#[test]
fn a_setting_of_a_newer_broker_is_passed_over_in_a_description() {
    let topic = described_topic("t", 2);
    let mut bytes = BytesMut::new();
    encode_response(1, &Response::Topic(topic.clone()), &mut bytes);
    let mut body = bytes.split_off(HEAD_BYTES);
    let settings_at = 2 + 1 + 16;
    let mut rest = body.split_off(settings_at);
    let count = rest.split_to(4)[0];
    body.put_u32_le(u32::from(count) + 1);
    body.put_u16_le(999);
    body.put_u64_le(1);
    body.unsplit(rest);
    let mut bytes = frame_of(ResponseKind::Topic.number(), 1, &body);
    let frame = greeted_client().next(&mut bytes).unwrap().unwrap();
    assert_eq!(frame.response, Response::Topic(topic));
}

#[test]
fn a_page_ends_at_its_limit_and_at_the_peers_largest_frame() {
    let topics: Vec<_> = ["a", "bb", "ccc"].map(|name| described_topic(name, 3)).into();
    let gather = |limit, bytes| TopicPage::gather(topics.clone(), limit, bytes);
    let whole = gather(10, FRAME_BYTES_MAX);
    assert_eq!(whole, TopicPage { topics: topics.clone(), more: false });
    assert_eq!(gather(3, FRAME_BYTES_MAX), whole);
    let two = TopicPage { topics: topics[..2].into(), more: true };
    assert_eq!(gather(2, FRAME_BYTES_MAX), two);

    let mut frame = BytesMut::new();
    encode_response(1, &Response::Topics(whole.clone()), &mut frame);
    assert_eq!(gather(10, frame.len()), whole);
    assert_eq!(gather(10, frame.len() - 1), two);
}

#[test]
fn kinds_are_told_apart_and_read_back_from_their_numbers() {
    for kind in RequestKind::ALL {
        assert_eq!(RequestKind::from_number(kind.number()), Some(kind));
        assert!(kind.number() < 0x8000);
    }
    for kind in ResponseKind::ALL {
        assert_eq!(ResponseKind::from_number(kind.number()), Some(kind));
        assert!(0x8000 <= kind.number());
    }
}

fn greeted_server() -> Decoder<RequestFrame> {
    let mut decoder = Decoder::server();
    decoder.next(&mut hello_bytes()).unwrap().unwrap();
    decoder.hello_done(FRAME_BYTES_MAX);
    decoder
}

fn greeted_client() -> Decoder<ResponseFrame> {
    let reply = HelloReply {
        version: VERSION,
        features: 0,
        limits: Limits {
            frame_bytes_max: FRAME_BYTES_MAX as u32,
            batch_bytes_max: 1 << 20,
            subscriptions_max: 1,
            in_flight_max: 1,
        },
        server_name: "weir".into(),
        server_version: "0.1.0".into(),
        cluster: [1; 16],
        node: [2; 16],
        producer_credit_bytes: 1 << 20,
    };
    let frame = ResponseFrame { correlation: 1, response: Response::Hello(reply) };
    let mut decoder = Decoder::client();
    decoder.next(&mut response_bytes(&frame)).unwrap().unwrap();
    decoder.hello_done(FRAME_BYTES_MAX);
    decoder
}

fn plain_hello() -> Hello {
    Hello {
        version_min: VERSION_OLDEST,
        version_max: VERSION,
        features: 0,
        frame_bytes_max: FRAME_BYTES_MAX as u32,
        client_name: "test".into(),
    }
}

fn hello_bytes() -> BytesMut {
    request_bytes(&RequestFrame { correlation: 1, request: Request::Hello(plain_hello()) })
}

fn request_bytes(frame: &RequestFrame) -> BytesMut {
    let mut bytes = BytesMut::new();
    encode_request(frame.correlation, &frame.request, &mut bytes);
    bytes
}

fn response_bytes(frame: &ResponseFrame) -> BytesMut {
    let mut bytes = BytesMut::new();
    encode_response(frame.correlation, &frame.response, &mut bytes);
    bytes
}

fn frame_of(kind: u16, correlation: u32, body: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    bytes.put_u32_le(8 + body.len() as u32);
    bytes.put_u16_le(kind);
    bytes.put_u16_le(0);
    bytes.put_u32_le(correlation);
    bytes.put_slice(body);
    bytes
}

fn described_topic(name: &str, partitions: usize) -> TopicDescription {
    TopicDescription {
        name: TopicName::parse(name).unwrap(),
        id: TopicId::from_bytes([5; 16]),
        settings: ResolvedSettings {
            durability: Durability::Synced,
            retention_ms: RETENTION_UNLIMITED,
            retention_bytes: RETENTION_UNLIMITED,
            segment_bytes: 128 << 20,
            batch_bytes_max: 1 << 20,
            timestamp_type: TimestampType::CreateTime,
            message_id_window_ms: 0,
            message_id_window_records: 0,
            retention_work: false,
        },
        partitions: vec![PartitionDescription { start: 0, tail: 7, epoch: 1 }; partitions],
        quarantined: Vec::new(),
    }
}

fn any_kind() -> impl Strategy<Value = u16> {
    let requests = RequestKind::ALL.map(RequestKind::number);
    let responses = ResponseKind::ALL.map(ResponseKind::number);
    prop::sample::select([&requests[..], &responses[..]].concat())
}

fn is_no_hello(frame: &RequestFrame) -> bool {
    !matches!(frame.request, Request::Hello(_))
}

fn code_of<F: std::fmt::Debug>(yielded: Result<Option<F>, DecodeError>) -> Code {
    yielded.unwrap_err().reply().code
}

/// Takes every whole frame off `buffer`.
fn drain(decoder: &mut Decoder<RequestFrame>, buffer: &mut BytesMut) -> Vec<RequestFrame> {
    std::iter::from_fn(|| decoder.next(buffer).unwrap()).collect()
}

/// Decodes until the bytes run out or the decoder gives up; every step must take something.
fn exhaust<F>(decoder: &mut Decoder<F>, bytes: &[u8]) {
    let mut buffer = BytesMut::from(bytes);
    loop {
        let before = buffer.len();
        match decoder.next(&mut buffer) {
            Ok(Some(_)) | Err(DecodeError::Refused { .. }) => assert!(buffer.len() < before),
            Ok(None) | Err(DecodeError::Broken { .. }) => return,
        }
    }
}
