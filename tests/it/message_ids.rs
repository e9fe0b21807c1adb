//! Records with a message id, on topics that remember them: each is stored once, however often it
//! is sent, on every face and across whatever stops the broker.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use weir_broker::clock::Clock;
use weir_protocol::batch::{
    Builder, HEADER_BYTES, Header, MESSAGE_ID_HEADER, ProducerStamp, prefix,
};
use weir_protocol::checksum::crc32c;
use weir_protocol::code::Code;
use weir_protocol::kafka::ErrorCode;
use weir_protocol::limits::MESSAGE_ID_BYTES_MAX;
use weir_protocol::native::{
    AlterTopic, Durability, ErrorReply, Request, Response, Settings, TopicDescription,
};
use weir_protocol::partitioner::partition_of;
use weir_tests::dice::Dice;
use weir_tests::gate::Call;
use weir_tests::kafka::KafkaWire;
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, SMALL_JOURNAL, TestBroker};

const MINUTE_MS: u64 = 60_000;

const REMEMBERS: Settings = Settings {
    durability: None,
    retention_ms: None,
    retention_bytes: None,
    segment_bytes: None,
    batch_bytes_max: None,
    timestamp_type: None,
    message_id_window_ms: Some(2 * MINUTE_MS),
    message_id_window_records: None,
    retention_work: None,
};

/// A batch of records whose values are their ids.
fn named(ids: &[&[u8]]) -> Bytes {
    let mut builder = Builder::new();
    for id in ids {
        let headers = [(MESSAGE_ID_HEADER, Some(*id))];
        builder.push(1_700_000_000_000, None, Some(id), headers).unwrap();
    }
    builder.finish(None)
}

async fn values(wire: &mut Wire, topic: &TopicDescription) -> Vec<Vec<u8>> {
    wire.stored(topic, 0).await.into_iter().map(|(_, value)| value).collect()
}

fn refused(answer: Result<u64, ErrorReply>) -> (Code, String) {
    let error = answer.unwrap_err();
    (error.code, error.message)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_sent_again_alone_is_answered_with_the_offset_it_has() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create_with("t", 1, REMEMBERS).await;
    assert_eq!(topic.settings.message_id_window_ms, 2 * MINUTE_MS);
    let plain = wire.create("plain", 1).await;
    let not_utf8: &[u8] = b"\xff\xfe\0";
    for _ in 0..2 {
        assert_eq!(wire.produce(&topic, 0, named(&[b"a"])).await, Ok(0));
        assert_eq!(wire.produce(&topic, 0, named(&[not_utf8])).await, Ok(1));
    }
    assert_eq!(wire.produce(&topic, 0, batch(&[b"x"])).await, Ok(2));
    // In batches of several they stay, so that nobody's numbers have a gap.
    assert_eq!(wire.produce(&topic, 0, named(&[b"a", b"b"])).await, Ok(3));
    assert_eq!(wire.produce(&topic, 0, named(&[b"b"])).await, Ok(4));
    assert_eq!(values(&mut wire, &topic).await, [&b"a"[..], not_utf8, b"x", b"a", b"b"]);
    for offset in 0..2 {
        assert_eq!(wire.produce(&plain, 0, named(&[b"a"])).await, Ok(offset));
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_numbered_batch_is_taken_whatever_its_ids_and_its_next_one_follows_it() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create_with("t", 1, REMEMBERS).await;
    assert_eq!(wire.produce(&topic, 0, named(&[b"a"])).await, Ok(0));
    let numbered = |sequence, ids: &[&[u8]]| {
        ProducerStamp { id: 900, epoch: 0, sequence }.put_on(&named(ids)).unwrap()
    };
    assert_eq!(wire.produce(&topic, 0, numbered(0, &[b"a"])).await, Ok(1));
    assert_eq!(wire.produce(&topic, 0, numbered(1, &[b"a", b"b"])).await, Ok(2));
    assert_eq!(wire.produce(&topic, 0, numbered(1, &[b"a", b"b"])).await, Ok(2));
    assert_eq!(wire.produce(&topic, 0, named(&[b"b"])).await, Ok(3));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_ends_by_time_and_by_count_and_is_taken_away() {
    let (clock, hand) = Clock::fake();
    let broker = Place::crashing().timed(&clock).start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let few = Settings { message_id_window_records: Some(2), ..REMEMBERS };
    let topic = wire.create_with("t", 1, few).await;
    for (id, offset) in [(b"a", 0), (b"b", 1), (b"c", 2), (b"b", 1), (b"a", 3)] {
        assert_eq!(wire.produce(&topic, 0, named(&[id])).await, Ok(offset));
    }
    hand.advance(Duration::from_millis(2 * MINUTE_MS - 1));
    assert_eq!(wire.produce(&topic, 0, named(&[b"a"])).await, Ok(3));
    hand.advance(Duration::from_millis(1));
    assert_eq!(wire.produce(&topic, 0, named(&[b"a"])).await, Ok(4));
    let window = |ms| Settings { message_id_window_ms: Some(ms), ..Settings::default() };
    assert_eq!(alter(&mut wire, &topic, window(0)).await.message_id_window_ms, 0);
    for offset in [5, 6] {
        assert_eq!(wire.produce(&topic, 0, named(&[b"a"])).await, Ok(offset));
    }
    // What came before it was turned on again is not remembered.
    alter(&mut wire, &topic, window(MINUTE_MS)).await;
    for offset in [7, 7] {
        assert_eq!(wire.produce(&topic, 0, named(&[b"a"])).await, Ok(offset));
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_remembers_all_it_may_forgets_the_oldest_early_and_counts_them() {
    // A sixteenth of it in each shard: 1,024.
    let few = format!("{SMALL_JOURNAL}[limits]\nmessage_ids_max = 16384\n");
    let broker = Place::crashing().configured(&few).start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create_with("t", 1, REMEMBERS).await;
    let ids: Vec<_> = (0..1_200_u32).map(|id| id.to_le_bytes()).collect();
    for half in ids.chunks(600) {
        let half: Vec<&[u8]> = half.iter().map(|id| &id[..]).collect();
        wire.produce(&topic, 0, named(&half)).await.unwrap();
    }
    assert_eq!(broker.metric("weir_message_ids"), 1_024.0);
    assert_eq!(broker.metric("weir_message_ids_forgotten_early_total"), 176.0);
    assert_eq!(wire.produce(&topic, 0, named(&[&ids[176]])).await, Ok(176), "it is known");
    assert_eq!(wire.produce(&topic, 0, named(&[&ids[175]])).await, Ok(1_200), "it is not");
    assert_eq!(wire.produce(&topic, 0, named(&[&ids[175]])).await, Ok(1_200));
    assert_eq!(broker.metric("weir_message_ids"), 1_024.0);
    let place = broker.cut_power(3);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(broker.metric("weir_message_ids"), 1_024.0, "no more are known behind a crash");
    wire.ask(Request::DeleteTopic { name: topic.name.clone() }).await.unwrap();
    broker.metric_is("weir_message_ids", 0.0).await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_cannot_be_and_batches_that_lie_are_refused_where_ids_are_looked_at() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create_with("t", 1, REMEMBERS).await;
    let plain = wire.create("plain", 1).await;
    let long = vec![b'x'; MESSAGE_ID_BYTES_MAX + 1];
    let mut lying = BytesMut::from(&named(&[b"a"])[..]);
    lying[HEADER_BYTES] += 2;
    // Gzip, it says.
    let mut packed = BytesMut::from(&named(&[b"a"])[..]);
    packed[22] |= 1;
    for (sent, why) in [
        (named(&[b"a", &long]), "record 1: the message id has 257 bytes; it may have 256"),
        (named(&[b""]), "record 0: the message id is empty"),
        (resealed(&lying), "record 0 does not fit"),
        (resealed(&packed), "the records are no Gzip"),
    ] {
        let (code, message) = refused(wire.produce(&topic, 0, sent.clone()).await);
        assert_eq!(code, Code::InvalidBatch);
        assert!(message.contains(why), "{message}");
        wire.produce(&plain, 0, sent).await.unwrap();
    }
    let longest = vec![b'x'; MESSAGE_ID_BYTES_MAX];
    assert_eq!(wire.produce(&topic, 0, named(&[&longest])).await, Ok(0));
    let written = Settings { durability: Some(Durability::Written), ..REMEMBERS };
    let create = weir_protocol::native::CreateTopic {
        name: weir_protocol::name::TopicName::parse("written").unwrap(),
        partitions: 1,
        settings: written,
    };
    let error = wire.ask(Request::CreateTopic(create)).await.unwrap_err();
    assert_eq!(error.code, Code::InvalidSetting);
    assert!(error.message.contains("synced"), "{}", error.message);
    broker.stop().await;
}

/// The same batch with a checksum that is right.
fn resealed(batch: &BytesMut) -> Bytes {
    let mut bytes = batch.clone();
    let crc = crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.freeze()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_what_is_under_way_waits_for_it_and_shares_its_fate() {
    for fails in [false, true] {
        let place = Place::crashing();
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let topic = wire.create_with("t", 1, REMEMBERS).await;
        place.gate().shut();
        let mut waiting = Vec::new();
        for _ in 0..3 {
            waiting.push(wire.begin_produce(&topic, 0, named(&[b"once"])).await);
        }
        wire.ping().await;
        if fails {
            place.gate().fail_next(Call::Sync);
        }
        place.gate().open();
        if fails {
            for correlation in waiting {
                let (code, _) = refused(wire.produced(correlation).await);
                assert_eq!(code, Code::OutcomeUnknown);
            }
        } else {
            assert_eq!(wire.produced_all(&waiting).await, [0, 0, 0]);
        }
        broker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_named_is_stored_twice_across_stops_power_cuts_and_checkpoints() {
    for seed in 0..4 {
        let mut dice = Dice::seeded(seed);
        let mut place = Place::crashing().configured(EAGER);
        // Of each id that was acknowledged, where.
        let mut places: Vec<(Vec<u8>, u64)> = Vec::new();
        for run in 0..4_u64 {
            let broker = place.start().await;
            let (mut wire, _) = Wire::greeted(broker.native()).await;
            let topic = match wire.topics().await.into_iter().next() {
                Some(topic) => topic,
                None => wire.create_with("t", 1, REMEMBERS).await,
            };
            for (id, offset) in &places {
                let again = wire.produce(&topic, 0, named(&[id])).await;
                assert_eq!(again, Ok(*offset), "seed {seed}, run {run}");
            }
            for number in 0..20 {
                // Enough that some runs go through a checkpoint.
                let id = format!("{run}-{number}").into_bytes();
                let payload = vec![7; 60_000];
                let mut builder = Builder::new();
                let headers = [(MESSAGE_ID_HEADER, Some(&id[..]))];
                builder.push(0, None, Some(&payload), headers).unwrap();
                let offset = wire.produce(&topic, 0, builder.finish(None)).await.unwrap();
                places.push((id, offset));
            }
            place = if dice.roll().is_multiple_of(2) {
                broker.cut_power(seed * 10 + run)
            } else {
                broker.stop().await.0
            };
        }
    }
}

/// A journal that is checkpointed after little.
const EAGER: &str = "[journal]\nsegment_bytes = 16777216\nbytes_max = 67108864\n\
                     checkpoint_bytes = 1048576\n[disk]\nlow_bytes = 0\nhard_bytes = 0\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kafka_clients_send_again_is_found_in_compressed_batches_too() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    wire.create_with("t", 1, REMEMBERS).await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["t"]).await;
    assert_eq!(kafka.produce("t", named(&[b"a"])).await, Ok(0));
    assert_eq!(kafka.produce("t", zstd(&named(&[b"a"]))).await, Ok(0));
    assert_eq!(kafka.produce("t", zstd(&named(&[b"b"]))).await, Ok(1));
    assert_eq!(kafka.produce("t", named(&[b"b"])).await, Ok(1));
    assert_eq!(kafka.produce("t", named(&[b""])).await, Err(ErrorCode::InvalidRecord));
    let mut builder = Builder::new();
    let (long, id) = (vec![0; 300 << 10], [(MESSAGE_ID_HEADER, Some(&b"c"[..]))]);
    builder.push(1_700_000_000_000, None, Some(&long), id).unwrap();
    let (plain, packed) = (builder.finish(None), 10 << 10);
    assert!(zstd(&plain).len() < packed, "it inflates to thirty times as much");
    assert_eq!(kafka.produce("t", zstd(&plain)).await, Ok(2));
    assert_eq!(kafka.produce("t", plain).await, Ok(2));
    assert_eq!(wire.topics().await[0].partitions[0].tail, 3);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_each_record_of_a_request_is_judged_by_itself() {
    let web = Web::start().await;
    web.create(1).await;
    assert_eq!(web.publish(json!([named_json("a"), {"value": 1}])).await, [(0, 0), (0, 1)]);
    let mixed = json!([{"value": 2}, named_json("a"), named_json("b"), named_json("b")]);
    assert_eq!(web.publish(mixed).await, [(0, 2), (0, 0), (0, 3), (0, 3)]);
    assert_eq!(web.publish(json!([named_json("b"), named_json("a")])).await, [(0, 3), (0, 0)]);
    let (status, problem) = web.post(json!([{"value": 1}, named_json("")]), None).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("record 1: the message id is empty"), "{detail}");
    web.broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idempotency_key_is_the_message_id_of_a_requests_one_record() {
    let web = Web::start().await;
    web.create(8).await;
    let one = || json!([{"value": 1}]);
    let expected = partition_of(b"order-1", 8);
    for key in ["order-1", "\"order-1\"", "order-1"] {
        let (status, answer) = web.post(one(), Some(key)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(answer["records"], json!([{"partition": expected, "offset": 0}]));
    }
    let (_, again) = web.post(json!([named_json("order-1")]), None).await;
    assert_eq!(again["records"], json!([{"partition": expected, "offset": 0}]));
    for (records, key, why) in [
        (json!([{"value": 1}, {"value": 2}]), "k", "names one record and the request has 2"),
        (json!([named_json("k")]), "k", "give one"),
        (one(), "", "the message id is empty"),
        (one(), "\"\"", "the message id is empty"),
    ] {
        let (status, problem) = web.post(records, Some(key)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
    web.broker.stop().await;
}

fn named_json(id: &str) -> Value {
    json!({"value": id, "headers": {"weir-message-id": id}})
}

/// A batch compressed as a Kafka client does it.
fn zstd(plain: &Bytes) -> Bytes {
    let packed = zstd_frame(&plain[HEADER_BYTES..]);
    let mut bytes = BytesMut::from(&plain[..HEADER_BYTES]);
    bytes[22] |= 4;
    bytes.put_slice(&packed);
    let length = bytes.len();
    bytes[..16].copy_from_slice(&prefix(0, length, 0));
    let sealed = resealed(&bytes);
    assert_eq!(Header::parse(&sealed).unwrap().batch_bytes, sealed.len());
    sealed
}

/// A frame of Zstandard with blocks that are raw, or one byte again and again.
fn zstd_frame(content: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0xA0];
    frame.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
    let mut blocks = content.chunks(4096).peekable();
    while let Some(block) = blocks.next() {
        let is_last = u32::from(blocks.peek().is_none());
        let repeats = block.iter().all(|byte| *byte == block[0]);
        let (kind, bytes) = if repeats { (1, &block[..1]) } else { (0, block) };
        let head = (block.len() as u32) << 3 | kind << 1 | is_last;
        frame.extend(&head.to_le_bytes()[..3]);
        frame.extend(bytes);
    }
    frame
}

async fn alter(
    wire: &mut Wire,
    topic: &TopicDescription,
    settings: Settings,
) -> weir_protocol::native::ResolvedSettings {
    let alter = AlterTopic { name: topic.name.clone(), partitions: None, settings };
    match wire.ask(Request::AlterTopic(alter)).await {
        Ok(Response::Topic(altered)) => altered.settings,
        other => panic!("an altered topic is described, not {other:?}"),
    }
}

/// A broker over HTTP, with a topic that remembers ids.
struct Web {
    broker: TestBroker,
    client: reqwest::Client,
}

impl Web {
    async fn start() -> Self {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { broker: TestBroker::start().await, client }
    }

    async fn create(&self, partitions: u32) {
        let url = format!("{}/v1/topics/t", self.broker.http());
        let body = json!({"partitions": partitions, "message_id_window_ms": 60_000});
        let made = self.client.put(url).json(&body).send().await.unwrap();
        let made: Value = made.json().await.unwrap();
        assert_eq!(made["message_id_window_ms"], 60_000, "{made}");
        assert_eq!(made["message_id_window_records"], Value::Null);
    }

    async fn post(&self, records: Value, key: Option<&str>) -> (StatusCode, Value) {
        let url = format!("{}/v1/topics/t/records", self.broker.http());
        let mut request = self.client.post(url).header(CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.body(records.to_string()).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn publish(&self, records: Value) -> Vec<(u64, u64)> {
        let (status, answer) = self.post(records, None).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let number = |place: &Value, name| place[name].as_u64().unwrap();
        let places = answer["records"].as_array().unwrap().iter();
        places.map(|place| (number(place, "partition"), number(place, "offset"))).collect()
    }
}
