//! What a peer gets that speaks Kafka's protocol badly, and that nobody else notices.

use weir_protocol::kafka::api::api_versions;
use weir_protocol::kafka::{Api, ErrorCode, Response, read_response};
use weir_protocol::limits::KAFKA_FRAME_BYTES_MAX;
use weir_tests::TestBroker;
use weir_tests::dice::Dice;
use weir_tests::kafka::{KafkaWire, produce_request};
use weir_tests::wire::batch;

/// A frame of this API, version and body, behind a header without a client's name.
fn frame(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = i32::try_from(10 + body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(7_i32.to_be_bytes());
    frame.extend((-1_i16).to_be_bytes());
    frame.extend(body);
    frame
}

async fn goes_on(kafka: &mut KafkaWire) {
    kafka.produce("flights", batch(&[b"a"])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_not_served_is_told_what_is_or_ends_the_connection() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.send_raw(&frame(Api::ApiVersions.key(), 99, b"\0\x02x\x02y\0")).await;
    let answer = read_response(Api::ApiVersions, 0, kafka.next().await.unwrap()).unwrap();
    let (7, Response::ApiVersions(told)) = answer else { panic!("{answer:?}") };
    assert_eq!(told.error_code, ErrorCode::UnsupportedVersion);
    let range = |api: Api| {
        let of = |told: &&api_versions::ApiVersion| told.api_key == api.key();
        told.api_keys.iter().find(of).map(|told| (told.min_version, told.max_version))
    };
    assert_eq!(range(Api::ApiVersions), Some((0, 4)));
    assert_eq!(range(Api::Produce), Some((0, 13)), "librdkafka sends plain records otherwise");
    let software = |name: &str| api_versions::Request {
        client_software_name: name.into(),
        client_software_version: "1".into(),
        ..Default::default()
    };
    for (name, expected) in [("test", ErrorCode::None), ("not a word", ErrorCode::InvalidRequest)] {
        let Response::ApiVersions(told) = kafka.ask(3, software(name)).await else {
            panic!("it is answered");
        };
        assert_eq!(told.error_code, expected);
    }
    kafka.metadata(&["flights"]).await;
    for (key, version) in [(Api::Produce.key(), 2), (Api::Metadata.key(), 14), (4, 0), (999, 0)] {
        let mut stranger = KafkaWire::connect(broker.kafka()).await;
        stranger.send_raw(&frame(key, version, b"")).await;
        assert_eq!(stranger.next().await, None, "key {key}, version {version}");
    }
    goes_on(&mut kafka).await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_asked_before_nonsense_is_answered() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    let asked = kafka.send(9, produce_request("flights", -1, batch(&[b"a"]))).await;
    kafka.send_raw(&frame(999, 0, b"")).await;
    assert_eq!(kafka.produced(asked).await, Ok(0));
    assert_eq!(kafka.next().await, None);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lengths_and_counts_that_lie_cost_the_broker_nothing() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    // 25 bytes, a flexible one, that claim 77 million topics.
    let topics = [0, 0xc1, 0xdf, 0xdb, 0x24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let metadata = frame(Api::Metadata.key(), 12, &topics);
    assert_eq!(metadata.len() - 4, 25);
    let over = i32::try_from(KAFKA_FRAME_BYTES_MAX).unwrap();
    for bytes in [
        metadata,
        (-1_i32).to_be_bytes().to_vec(),
        over.to_be_bytes().to_vec(),
        i32::MAX.to_be_bytes().to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        frame(Api::Produce.key(), 9, b"\0"),
        vec![0; 4],
    ] {
        let mut stranger = KafkaWire::connect(broker.kafka()).await;
        stranger.try_send_raw(&bytes).await;
        assert_eq!(stranger.next().await, None, "{bytes:?}");
    }
    goes_on(&mut kafka).await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_by_chance_are_answered_or_end_their_connection() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    let mut dice = Dice::seeded(4);
    for round in 0..400 {
        let api = Api::ALL[dice.below(Api::ALL.len() as u64) as usize];
        let versions = api.served().count() as u64;
        let version = api.served().start() + dice.below(versions) as i16;
        let body: Vec<u8> = (0..dice.below(60)).map(|_| dice.below(5) as u8).collect();
        let mut stranger = KafkaWire::connect(broker.kafka()).await;
        // A fetch may be one that waits, and the last request is answered or not at all.
        stranger.try_send_raw(&frame(api.key(), version, &body)).await;
        stranger.try_send_raw(&frame(999, 0, b"")).await;
        while stranger.next().await.is_some() {}
        if round % 100 == 0 {
            goes_on(&mut kafka).await;
        }
    }
    broker.stop().await;
}
