//! Batches in, the same batches out.

use std::time::Duration;

use bytes::Bytes;
use weir_protocol::batch::{ProducerStamp, prefix};
use weir_protocol::checksum::crc32c;
use weir_protocol::kafka::api::list_offsets::{
    EARLIEST, LATEST, MAX_TIMESTAMP, Request, RequestPartition, RequestTopic,
};
use weir_protocol::kafka::api::{delete_records, init_producer_id};
use weir_protocol::kafka::{ErrorCode, Response};
use weir_tests::kafka::{KafkaWire, bytes_of, fetch_request, produce_request};
use weir_tests::wire::{Wire, batch, batch_at};
use weir_tests::{Place, TestBroker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_kafka_client_sent_is_read_byte_for_byte_by_both_faces() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    let mut expected = Vec::new();
    for (base, values) in [(0_u64, &[b"a" as &[u8], b"b"] as &[&[u8]]), (2, &[b"c"])] {
        let sent = batch(values);
        assert_eq!(kafka.produce("flights", sent.clone()).await, Ok(base.cast_signed()));
        expected.extend(prefix(base, sent.len(), 0));
        expected.extend(&sent[16..]);
    }
    let got = kafka.fetch("flights", 0).await;
    assert_eq!(rest(&bytes_of(&got)), rest(&expected));
    assert_eq!((got.high_watermark, got.log_start_offset), (3, 0));
    let (mut native, _) = Wire::greeted(broker.native()).await;
    let topic = native.topics().await.remove(0);
    let stored = native.stored(&topic, 0).await;
    assert_eq!(stored, [(0, b"a".to_vec()), (1, b"b".to_vec()), (2, b"c".to_vec())]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_that_replays_is_served_by_threads_that_stand_back() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    let sent = batch(&[&[7; 100_000]]);
    for _ in 0..40 {
        kafka.produce("flights", sent.clone()).await.unwrap();
    }
    let mut request = fetch_request("flights", 0);
    request.topics[0].partitions[0].partition_max_bytes = 500_000;
    for offset in (0..28).step_by(4) {
        request.topics[0].partitions[0].fetch_offset = offset;
        let got = kafka.fetched(request.clone()).await;
        assert_eq!(bytes_of(&got).len(), 4 * sent.len());
    }
    broker.metric_is("weir_replaying_connections", 1.0).await;
    let got = kafka.fetch("flights", 39).await;
    assert_eq!(bytes_of(&got).len(), sent.len());
    broker.metric_is("weir_replaying_connections", 0.0).await;
    broker.stop().await;
}

/// Bytes without their first batch's leader epoch, which is the broker's.
fn rest(bytes: &[u8]) -> (&[u8], &[u8]) {
    (&bytes[..12], &bytes[16..])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_within_a_batch_is_answered_by_the_whole_batch_whatever_the_limits() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    let sent = batch(&[b"a", b"b", b"c"]);
    kafka.produce("flights", sent.clone()).await.unwrap();
    kafka.produce("flights", sent.clone()).await.unwrap();
    let mut request = fetch_request("flights", 1);
    request.max_bytes = 1;
    request.topics[0].partitions[0].partition_max_bytes = 1;
    for _ in 0..2 {
        let got = kafka.fetched(request.clone()).await;
        assert_eq!(bytes_of(&got).len(), sent.len());
        assert_eq!(bytes_of(&got)[..8], [0; 8]);
    }
    for beyond in [7, i64::MAX, -1] {
        let refused = kafka.fetch("flights", beyond).await;
        assert_eq!(refused.error_code, ErrorCode::OffsetOutOfRange, "{beyond}");
    }
    assert_eq!(kafka.fetch("flights", 6).await.error_code, ErrorCode::None);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_waits_for_its_bytes_and_for_no_longer_than_it_said() {
    let broker = TestBroker::start().await;
    let mut reader = KafkaWire::connect(broker.kafka()).await;
    let mut writer = KafkaWire::connect(broker.kafka()).await;
    reader.metadata(&["flights"]).await;
    let sent = batch(&[b"a"]);
    let mut request = fetch_request("flights", 0);
    (request.max_wait_ms, request.min_bytes) = (60_000, 2 * sent.len() as i32);
    let asked = reader.send(11, request.clone()).await;
    for _ in 0..2 {
        writer.produce("flights", sent.clone()).await.unwrap();
    }
    let Response::Fetch(got) = reader.answer(asked).await else { panic!("a fetch is answered") };
    assert_eq!(bytes_of(&got.responses[0].partitions[0]).len(), 2 * sent.len());
    (request.max_wait_ms, request.topics[0].partitions[0].fetch_offset) = (30, 1);
    let before = std::time::Instant::now();
    let got = reader.fetched(request).await;
    assert_eq!(bytes_of(&got).len(), sent.len());
    assert!(Duration::from_millis(30) <= before.elapsed());
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_keep_the_order_of_requests_while_batches_wait_for_the_disk() {
    let broker = Place::crashing().start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    broker.place().gate().shut();
    let mut produced = Vec::new();
    let mut listed = Vec::new();
    for _ in 0..10 {
        produced.push(kafka.send(9, produce_request("flights", -1, batch(&[b"a"]))).await);
        listed.push(kafka.send(1, list("flights", LATEST)).await);
    }
    broker.place().gate().open();
    for (base, (produce, list)) in (0..).zip(produced.into_iter().zip(listed)) {
        assert_eq!(kafka.produced(produce).await, Ok(base));
        kafka.answer(list).await;
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acks_are_none_written_and_the_topics_own() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    kafka.send(9, produce_request("flights", 0, batch(&[b"a"]))).await;
    let asked = kafka.send(9, produce_request("flights", 1, batch(&[b"b"]))).await;
    assert_eq!(kafka.produced(asked).await, Ok(1));
    let asked = kafka.send(9, produce_request("flights", 2, batch(&[b"c"]))).await;
    assert_eq!(kafka.produced(asked).await, Err(ErrorCode::InvalidRequiredAcks));
    assert_eq!(kafka.produce("flights", batch(&[b"c"])).await, Ok(2));
    // Who wants no answer learns of a refusal by the end of the connection.
    kafka.send(9, produce_request("nowhere", 0, batch(&[b"a"]))).await;
    assert_eq!(kafka.next().await, None);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_cannot_be_stored_is_refused_by_its_number_and_takes_no_offset() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    let good = batch(&[b"a"]);
    let mut damaged = good.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    let unknown_codec = altered(&good, |batch| batch[22] |= 7);
    let transactional = altered(&good, |batch| batch[22] |= 16);
    let two = [&good[..], &good].concat();
    let mut magic = good.to_vec();
    magic[16] = 1;
    for (batch, refused) in [
        (damaged.into(), ErrorCode::CorruptMessage),
        (unknown_codec, ErrorCode::InvalidRecord),
        (transactional, ErrorCode::InvalidRecord),
        (two.into(), ErrorCode::InvalidRecord),
        (magic.into(), ErrorCode::InvalidRecord),
        (Bytes::new(), ErrorCode::InvalidRecord),
        (batch(&[&[7; 2 << 20]]), ErrorCode::MessageTooLarge),
    ] {
        assert_eq!(kafka.produce("flights", batch).await, Err(refused));
    }
    let unknown = kafka.produce("nowhere", good.clone()).await;
    assert_eq!(unknown, Err(ErrorCode::UnknownTopicOrPartition));
    assert_eq!(kafka.produce("flights", good).await, Ok(0));
    broker.stop().await;
}

/// A batch with other bytes, and the checksum they have.
fn altered(batch: &Bytes, alter: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut batch = batch.to_vec();
    alter(&mut batch);
    let crc = crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_its_producer_numbered_is_stored_once_and_in_its_turn() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let request = init_producer_id::Request::default();
        let Response::InitProducerId(told) = kafka.ask(4, request).await else {
            panic!("it is answered");
        };
        assert_eq!((told.error_code, told.producer_epoch), (ErrorCode::None, 0));
        ids.push(told.producer_id);
    }
    assert_ne!(ids[0], ids[1]);
    let numbered = |id, sequence| {
        ProducerStamp { id, epoch: 0, sequence }.put_on(&batch(&[b"a", b"b"])).unwrap()
    };
    for (id, sequence, expected) in [
        (ids[0], 0, Ok(0)),
        (ids[0], 0, Ok(0)),
        (ids[1], 0, Ok(2)),
        (ids[0], 2, Ok(4)),
        (ids[0], 9, Err(ErrorCode::OutOfOrderSequenceNumber)),
        (ids[0], 2, Ok(4)),
    ] {
        let produced = kafka.produce("flights", numbered(id, sequence)).await;
        assert_eq!(produced, expected, "{id} {sequence}");
    }
    let transactional =
        init_producer_id::Request { transactional_id: Some("mine".into()), ..Default::default() };
    let Response::InitProducerId(told) = kafka.ask(4, transactional).await else {
        panic!("it is answered");
    };
    assert_eq!((told.error_code, told.producer_id), (ErrorCode::UnsupportedVersion, -1));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn places_of_a_partition_have_offsets() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    for (time, refused) in [(LATEST, (0, -1)), (MAX_TIMESTAMP, (-1, -1)), (0, (-1, -1))] {
        assert_eq!(place(&mut kafka, "flights", time).await, refused);
    }
    for time in [10, 30, 20] {
        kafka.produce("flights", batch_at(time, &[b"a", b"b"])).await.unwrap();
    }
    for (time, expected) in [
        (EARLIEST, (0, -1)),
        (LATEST, (6, -1)),
        (MAX_TIMESTAMP, (2, 30)),
        (5, (0, 10)),
        (11, (2, 30)),
        (31, (-1, -1)),
    ] {
        assert_eq!(place(&mut kafka, "flights", time).await, expected, "{time}");
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_out_of_range_goes_on_at_the_first_or_the_last_offset() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    for _ in 0..3 {
        kafka.produce("flights", batch(&[b"a", b"b"])).await.unwrap();
    }
    let partition = delete_records::RequestPartition { offset: 3, ..Default::default() };
    let (name, partitions) = ("flights".into(), vec![partition]);
    let topic = delete_records::RequestTopic { name, partitions, ..Default::default() };
    kafka.ask(2, delete_records::Request { topics: vec![topic], ..Default::default() }).await;
    for (beyond, reset, expected) in [(2, EARLIEST, 3), (7, EARLIEST, 3), (2, LATEST, 6)] {
        let refused = kafka.fetch("flights", beyond).await;
        assert_eq!(refused.error_code, ErrorCode::OffsetOutOfRange, "{beyond}");
        assert_eq!(bytes_of(&refused).len(), 0);
        let (offset, _) = place(&mut kafka, "flights", reset).await;
        assert_eq!(offset, expected);
        let got = kafka.fetch("flights", offset).await;
        assert_eq!((got.error_code, got.log_start_offset), (ErrorCode::None, 3));
        assert_eq!(bytes_of(&got).is_empty(), reset == LATEST);
    }
    broker.stop().await;
}

fn list(topic: &str, timestamp: i64) -> Request {
    let partition = RequestPartition { timestamp, ..Default::default() };
    let topic =
        RequestTopic { name: topic.into(), partitions: vec![partition], ..Default::default() };
    Request { topics: vec![topic], ..Default::default() }
}

/// The offset and the timestamp of a place.
async fn place(kafka: &mut KafkaWire, topic: &str, timestamp: i64) -> (i64, i64) {
    match kafka.ask(7, list(topic, timestamp)).await {
        Response::ListOffsets(response) => {
            let found = &response.topics[0].partitions[0];
            assert_eq!(found.error_code, ErrorCode::None);
            (found.offset, found.timestamp)
        }
        other => panic!("offsets are answered, not {other:?}"),
    }
}
