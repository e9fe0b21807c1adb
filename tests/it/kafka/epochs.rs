//! Leader epochs: who names one that reigns no more is told so, and finds out where it ended.

use weir_protocol::kafka::api::list_offsets::{self, EARLIEST, LATEST};
use weir_protocol::kafka::api::offset_for_leader_epoch;
use weir_protocol::kafka::{ErrorCode, Response};
use weir_protocol::native::{Durability, Settings};
use weir_tests::kafka::{KafkaWire, bytes_of, fetch_request};
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, TestBroker};

/// A `written` topic of two epochs: offsets 0 and 1 outlast the power cut that ends the first.
async fn of_two_epochs() -> (TestBroker, KafkaWire, i64) {
    let broker = Place::crashing().start().await;
    let (mut native, _) = Wire::greeted(broker.native()).await;
    let settings = Settings { durability: Some(Durability::Written), ..Settings::default() };
    let topic = native.create_with("flights", 1, settings).await;
    native.produce(&topic, 0, batch(&[b"1", b"2"])).await.unwrap();
    let (place, _) = broker.stop().await;
    let broker = place.cut_power(1).start().await;
    let (mut native, _) = Wire::greeted(broker.native()).await;
    native.produce(&topic, 0, batch(&[b"lost"])).await.unwrap();
    let broker = broker.cut_power(2).start().await;
    let mut kafka = KafkaWire::connect(broker.kafka()).await;
    let first = kafka.produce("flights", batch(&[b"3"])).await.unwrap();
    (broker, kafka, first)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_ends_where_the_next_begins() {
    let (broker, mut kafka, first) = of_two_epochs().await;
    let told = kafka.metadata(&["flights"]).await;
    assert_eq!(told.topics[0].partitions[0].leader_epoch, 1);
    assert!(2 < first, "offsets of what was lost are not given out again");
    for (current, asked, expected) in [
        (-1, 0, (ErrorCode::None, 0, 2)),
        (1, 0, (ErrorCode::None, 0, 2)),
        (1, 1, (ErrorCode::None, 1, first + 1)),
        (1, 2, (ErrorCode::None, -1, -1)),
        (0, 0, (ErrorCode::FencedLeaderEpoch, -1, -1)),
        (2, 0, (ErrorCode::UnknownLeaderEpoch, -1, -1)),
    ] {
        let told = end_of(&mut kafka, current, asked).await;
        assert_eq!(told, expected, "{asked}, by who is led by {current}");
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_names_an_epoch_that_does_not_reign_reads_nothing_and_is_told() {
    let (broker, mut kafka, first) = of_two_epochs().await;
    for (named, expected) in [
        (-1, ErrorCode::None),
        (0, ErrorCode::FencedLeaderEpoch),
        (1, ErrorCode::None),
        (2, ErrorCode::UnknownLeaderEpoch),
    ] {
        let mut request = fetch_request("flights", 0);
        request.topics[0].partitions[0].current_leader_epoch = named;
        let got = kafka.fetched(request).await;
        assert_eq!(got.error_code, expected, "{named}");
        assert_eq!(bytes_of(&got).is_empty(), expected != ErrorCode::None, "{named}");
        assert_eq!(place(&mut kafka, named, LATEST).await.error_code, expected, "{named}");
    }
    let earliest = place(&mut kafka, 1, EARLIEST).await;
    assert_eq!((earliest.offset, earliest.leader_epoch), (0, 0));
    let latest = place(&mut kafka, 1, LATEST).await;
    assert_eq!((latest.offset, latest.leader_epoch), (first + 1, 1));
    broker.stop().await;
}

/// How an epoch ends for a client that is led by another, with the epoch that is meant.
async fn end_of(kafka: &mut KafkaWire, current: i32, asked: i32) -> (ErrorCode, i32, i64) {
    let partition = offset_for_leader_epoch::RequestPartition {
        leader_epoch: asked,
        current_leader_epoch: current,
        ..Default::default()
    };
    let topic = offset_for_leader_epoch::RequestTopic {
        topic: "flights".into(),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = offset_for_leader_epoch::Request { topics: vec![topic], ..Default::default() };
    match kafka.ask(4, request).await {
        Response::OffsetForLeaderEpoch(told) => {
            let told = &told.topics[0].partitions[0];
            (told.error_code, told.leader_epoch, told.end_offset)
        }
        other => panic!("an epoch is answered by its end, not {other:?}"),
    }
}

async fn place(
    kafka: &mut KafkaWire,
    current_leader_epoch: i32,
    timestamp: i64,
) -> list_offsets::ResponsePartition {
    let partition =
        list_offsets::RequestPartition { current_leader_epoch, timestamp, ..Default::default() };
    let topic = list_offsets::RequestTopic {
        name: "flights".into(),
        partitions: vec![partition],
        ..Default::default()
    };
    let request = list_offsets::Request { topics: vec![topic], ..Default::default() };
    match kafka.ask(7, request).await {
        Response::ListOffsets(mut told) => told.topics.remove(0).partitions.remove(0),
        other => panic!("a place is answered by its offset, not {other:?}"),
    }
}
