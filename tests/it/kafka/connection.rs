//! What a connection may make the broker hold, and how it ends.

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use weir_broker::shutdown::Stopped;
use weir_protocol::kafka::api::metadata;
use weir_protocol::kafka::{ErrorCode, Text, encode_request};
use weir_tests::kafka::{KafkaWire, fetch_request, produce_request};
use weir_tests::wire::batch;
use weir_tests::{Place, TestBroker};

/// How long the broker may take nothing before a test says that it has stopped reading.
const PATIENCE: Duration = Duration::from_secs(2);

/// What two sockets of the loopback take of one who reads nothing, and more.
const SOCKETS_BYTES: usize = 16 << 20;

/// More than the sockets' buffers and the window of answers hold together.
const REQUESTS_BYTES: usize = 64 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_no_answers_is_not_read_either() {
    let broker = TestBroker::start().await;
    let mut stream = TcpStream::connect(broker.kafka()).await.unwrap();
    let request = metadata::Request { topics: Some(vec![]), ..Default::default() }.into();
    let name = Some(Text::from_static("test"));
    let request = encode_request(1, 1, name.as_ref(), &request, &mut BytesMut::new()).to_bytes();
    let requests = request.repeat(REQUESTS_BYTES / request.len());
    let mut sent = 0;
    while let Ok(taken) = timeout(PATIENCE, stream.write(&requests[sent..])).await {
        sent += taken.unwrap();
        assert!(sent < requests.len(), "the broker holds all answers to one that reads none");
    }
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    drop(stream);
    broker.stop().await;
}

/// Few answers, each large: their bytes are what counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_of_unread_answers_is_counted_in_bytes() {
    let settings = "[limits]\nconnection_window_bytes = 1048576\nconnection_in_flight_max = 1000";
    let broker = Place::real().configured(settings).start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    let sent = batch(&[&[7; 900_000]]);
    kafka.produce("flights", sent.clone()).await.unwrap();
    let mut mute = KafkaWire::connect(broker.kafka()).await;
    const FETCHES: usize = 60;
    for _ in 0..FETCHES {
        mute.send(11, fetch_request("flights", 0)).await;
    }
    // Whoever is served by the same two threads has its turn between all that can be done for it;
    // few turns, since one who takes nothing for long is let go.
    const TURNS: usize = 80;
    let mut delivered = 0.0;
    for _ in 0..TURNS {
        kafka.fetch("flights", 0).await;
        delivered = broker.metric("weir_delivered_bytes_total");
    }
    let own = (TURNS * sent.len()) as f64;
    let most = (1 << 20) + SOCKETS_BYTES + 2 * sent.len();
    assert!(delivered - own <= most as f64, "{} unread bytes", delivered - own);
    for _ in 0..FETCHES {
        assert!(mute.next().await.is_some(), "all are answered once they are read");
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_at_first_is_let_go() {
    let broker = Place::real().configured("[limits]\nhello_timeout_ms = 100").start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    assert_eq!(kafka.next().await, None);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_what_is_under_way_and_waits_for_no_fetch() {
    let broker = Place::crashing().start().await;
    let mut writer = KafkaWire::connect(broker.kafka()).await;
    let mut reader = KafkaWire::connect(broker.kafka()).await;
    writer.metadata(&["flights"]).await;
    let mut fetch = fetch_request("flights", 0);
    fetch.max_wait_ms = 60_000;
    reader.send(11, fetch).await;
    let gate = broker.place().gate().clone();
    gate.shut();
    let asked = writer.send(9, produce_request("flights", -1, batch(&[b"a"]))).await;
    broker.metric_is("weir_in_flight_bytes", batch(&[b"a"]).len() as f64).await;
    let stopping = tokio::spawn(broker.stop());
    gate.open();
    assert_eq!(writer.produced(asked).await, Ok(0));
    assert_eq!(writer.next().await, None);
    while reader.next().await.is_some() {}
    stopping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_in_the_midst_of_a_fetch_leaves_nothing_behind() {
    let broker = TestBroker::start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    let mut fetch = fetch_request("flights", 0);
    fetch.max_wait_ms = 60_000;
    kafka.send(11, fetch).await;
    // What is read ahead of the fetch does not hide that its client leaves.
    kafka.send(11, fetch_request("flights", 0)).await;
    broker.metric_is("weir_subscriptions", 1.0).await;
    drop(kafka);
    broker.metric_is("weir_subscriptions", 0.0).await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_produce_is_answered_in_the_time_it_gives_whatever_becomes_of_it() {
    let broker = Place::crashing().start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    let gate = broker.place().gate().clone();
    gate.shut();
    let mut hasty = produce_request("flights", -1, batch(&[b"a"]));
    hasty.timeout_ms = 50;
    let hasty = kafka.send(9, hasty).await;
    let patient = kafka.send(9, produce_request("flights", -1, batch(&[b"b"]))).await;
    assert_eq!(kafka.produced(hasty).await, Err(ErrorCode::RequestTimedOut));
    gate.open();
    assert_eq!(kafka.produced(patient).await, Ok(1), "the first was stored all the same");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_handed_in_by_who_wants_no_answer_outlasts_a_stop() {
    let place = Place::crashing();
    let broker = place.start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    kafka.metadata(&["flights"]).await;
    place.gate().shut();
    for _ in 0..5 {
        kafka.send(9, produce_request("flights", 0, batch(&[b"a"]))).await;
    }
    // The broker has read them: a later request is answered.
    kafka.metadata(&["flights"]).await;
    let stopping = tokio::spawn(broker.stop());
    assert_eq!(kafka.next().await, None);
    place.gate().open();
    let (place, stopped) = stopping.await.unwrap();
    assert_eq!(stopped, Stopped::Cleanly);
    let broker = place.start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    let got = kafka.fetch("flights", 0).await;
    assert_eq!((got.error_code, got.high_watermark), (ErrorCode::None, 5));
    broker.stop().await;
}
