//! Topics whose records have the broker's time, on all faces.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use weir_broker::clock::{Clock, FakeClock};
use weir_protocol::batch::{Header, Plain, ProducerStamp, TimestampType, batches, verify_crc};
use weir_protocol::kafka::Response as KafkaResponse;
use weir_protocol::limits::INFLATED_BYTES_MAX;
use weir_protocol::native::{
    AlterTopic, FoundOffset, ListOffsets, OffsetAt, Request, Response, Settings, TopicDescription,
};
use weir_tests::kafka::{KafkaWire, bytes_of, produce_request};
use weir_tests::wire::{Wire, batch_at};
use weir_tests::{Place, TestBroker};

/// Nine thousand records of a Java client's, all as one with gzip.
const GZIP: &str = "golden/batch/java/gzip.batch";

const BY_BROKER: Settings = Settings {
    durability: None,
    retention_ms: None,
    retention_bytes: None,
    segment_bytes: None,
    batch_bytes_max: None,
    timestamp_type: Some(TimestampType::LogAppendTime),
    message_id_window_ms: None,
    message_id_window_records: None,
    retention_work: None,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_sends_them_records_have_the_time_at_which_the_broker_took_them() {
    let (broker, hand) = started_at(5_000).await;
    let (mut native, _) = Wire::greeted(broker.native()).await;
    let topic = native.create_with("t", 1, BY_BROKER).await;
    assert_eq!(topic.settings.timestamp_type, TimestampType::LogAppendTime);
    assert_eq!(native.produce(&topic, 0, batch_at(77, &[b"a", b"b"])).await, Ok(0));
    hand.advance(Duration::from_secs(1));
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(GZIP);
    let gzip: Bytes = std::fs::read(path).unwrap().into();
    let records = u64::from(Header::parse(&gzip).unwrap().records);
    assert_eq!(log_append_time(&mut kafka, gzip).await, (2, 6_000));
    hand.advance(Duration::from_secs(1));
    let url = format!("{}/v1/topics/t/records", broker.http());
    let body = reqwest::Client::new().post(url).header(CONTENT_TYPE, "application/json");
    assert!(body.body(r#"[{"value": 1}]"#).send().await.unwrap().status().is_success());
    let got = bytes_of(&kafka.fetch("t", 0).await);
    assert_eq!(times(&got), [(5_000, 2), (6_000, records), (7_000, 1)]);
    for (time, offset, timestamp) in
        [(0, 0, 5_000), (5_000, 0, 5_000), (5_001, 2, 6_000), (6_001, 2 + records, 7_000)]
    {
        let found = at_time(&mut native, &topic, time).await;
        assert_eq!(found, FoundOffset { offset, timestamp }, "{time}");
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_time_records_have_is_altered_and_outlasts_a_power_cut() {
    let (broker, hand) = started_at(5_000).await;
    let (mut native, _) = Wire::greeted(broker.native()).await;
    let topic = native.create("t", 1).await;
    native.produce(&topic, 0, batch_at(77, &[b"a"])).await.unwrap();
    alter(&mut native, &topic, TimestampType::LogAppendTime).await;
    native.produce(&topic, 0, batch_at(77, &[b"b"])).await.unwrap();
    let place = broker.cut_power(1);
    hand.advance(Duration::from_secs(1));
    let broker = place.start().await;
    let (mut native, _) = Wire::greeted(broker.native()).await;
    assert_eq!(native.topics().await[0].settings.timestamp_type, TimestampType::LogAppendTime);
    native.produce(&topic, 0, batch_at(77, &[b"c"])).await.unwrap();
    alter(&mut native, &topic, TimestampType::CreateTime).await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    assert_eq!(log_append_time(&mut kafka, batch_at(77, &[b"d"])).await, (3, -1));
    let got = bytes_of(&kafka.fetch("t", 0).await);
    assert_eq!(times(&got), [(77, 1), (5_000, 1), (6_000, 1), (77, 1)]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_numbered_batch_that_is_sent_again_is_found_whatever_time_it_is() {
    let (broker, hand) = started_at(5_000).await;
    let (mut native, _) = Wire::greeted(broker.native()).await;
    let topic = native.create_with("t", 1, BY_BROKER).await;
    let stamp = ProducerStamp { id: 9, epoch: 0, sequence: 0 };
    let numbered = stamp.put_on(&batch_at(77, &[b"a"])).unwrap();
    assert_eq!(native.produce(&topic, 0, numbered.clone()).await, Ok(0));
    hand.advance(Duration::from_secs(1));
    assert_eq!(native.produce(&topic, 0, numbered).await, Ok(0));
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    assert_eq!(times(&bytes_of(&kafka.fetch("t", 0).await)), [(5_000, 1)]);
    broker.stop().await;
}

async fn started_at(wall_ms: i64) -> (TestBroker, FakeClock) {
    let (clock, hand) = Clock::fake();
    hand.set_wall_ms(wall_ms);
    (Place::crashing().timed(&clock).start().await, hand)
}

async fn alter(native: &mut Wire, topic: &TopicDescription, to: TimestampType) {
    let settings = Settings { timestamp_type: Some(to), ..Settings::default() };
    let alter = AlterTopic { name: topic.name.clone(), partitions: None, settings };
    match native.ask(Request::AlterTopic(alter)).await {
        Ok(Response::Topic(altered)) => assert_eq!(altered.settings.timestamp_type, to),
        other => panic!("an altered topic is described, not {other:?}"),
    }
}

async fn at_time(native: &mut Wire, topic: &TopicDescription, time: i64) -> FoundOffset {
    let list = ListOffsets { topic: topic.id, partition: 0, at: OffsetAt::Time(time) };
    match native.ask(Request::ListOffsets(list)).await {
        Ok(Response::Offset(found)) => found,
        other => panic!("a time has an offset, not {other:?}"),
    }
}

/// The offset of a batch that is stored in topic `t`, and the time that its producer is told.
async fn log_append_time(kafka: &mut KafkaWire, batch: Bytes) -> (i64, i64) {
    match kafka.ask(9, produce_request("t", -1, batch)).await {
        KafkaResponse::Produce(answer) => {
            let partition = &answer.responses[0].partition_responses[0];
            (partition.base_offset, partition.log_append_time_ms)
        }
        other => panic!("a produce is answered by itself, not {other:?}"),
    }
}

/// Of each batch the one time that all its records have, and how many they are.
fn times(bytes: &Bytes) -> Vec<(i64, u64)> {
    let whole = batches(bytes).map(|batch| {
        let (_, batch) = batch.unwrap();
        verify_crc(batch).unwrap();
        let plain = Plain::parse(&Bytes::copy_from_slice(batch), INFLATED_BYTES_MAX).unwrap();
        let times: Vec<_> =
            plain.view().records().map(|record| record.unwrap().timestamp).collect();
        assert!(times.iter().all(|time| *time == times[0]), "a batch has one time: {times:?}");
        (times[0], times.len() as u64)
    });
    whole.collect()
}
