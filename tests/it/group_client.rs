//! Members of groups by the Rust client: several topics, what stays a member's over a rebalance,
//! and going on elsewhere.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::timeout;
use weir_client::{
    Client, Code, Commit, Error, GroupConsumer, Record, RequestError, Start, TopicName,
    TopicPartition,
};
use weir_protocol::native::TopicDescription;
use weir_tests::TestBroker;
use weir_tests::wire::{Wire, batch};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

async fn begin() -> (TestBroker, Client, Wire) {
    let broker = TestBroker::start().await;
    let client = Client::connect(broker.native().to_string()).await.unwrap();
    let (wire, _) = Wire::greeted(broker.native()).await;
    (broker, client, wire)
}

/// Stores batches of `each` records in every partition.
async fn fill(wire: &mut Wire, topic: &TopicDescription, batches: usize, each: usize) {
    let values = vec![&b"landed"[..]; each];
    for partition in 0..topic.partitions.len() {
        for _ in 0..batches {
            wire.produce(topic, partition as u32, batch(&values)).await.unwrap();
        }
    }
}

async fn next(consumer: &mut GroupConsumer) -> Record {
    let next = timeout(PATIENCE, consumer.next()).await.expect("a record comes");
    next.expect("the consumer goes on").unwrap()
}

fn place(record: &Record) -> (String, u32, u64) {
    (record.topic.to_string(), record.partition, record.offset)
}

fn of(topic: &str, partition: u32) -> TopicPartition {
    TopicPartition::new(TopicName::parse(topic).unwrap(), partition)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_reads_several_topics_and_shares_each_with_those_who_read_it() {
    let (broker, client, mut wire) = begin().await;
    let (flights, hotels) = (wire.create("flights", 2).await, wire.create("hotels", 2).await);
    fill(&mut wire, &flights, 5, 2).await;
    fill(&mut wire, &hotels, 5, 2).await;
    let both = client.consumer("flights").group("billing").topic("hotels").from(Start::Earliest);
    let mut both = both.build().await.unwrap();
    let mut seen = BTreeSet::new();
    while seen.len() < 30 {
        assert!(seen.insert(place(&next(&mut both).await)), "a record came twice");
    }
    let hotels_alone = client.consumer("hotels").group("billing").from(Start::Earliest);
    let mut hotels_alone = hotels_alone.build().await.unwrap();
    fill(&mut wire, &flights, 5, 2).await;
    fill(&mut wire, &hotels, 5, 2).await;
    let mut of_hotels = 0;
    while seen.len() < 80 {
        let record = tokio::select! {
            record = next(&mut both) => record,
            record = next(&mut hotels_alone) => {
                assert_eq!(record.topic.as_str(), "hotels");
                of_hotels += 1;
                record
            }
        };
        assert!(seen.insert(place(&record)), "a record came twice");
    }
    assert!(0 < of_hotels, "each of both has a partition of it");
    let mut assigned = both.assigned();
    assigned.retain(|partition| partition.topic.as_str() == "flights");
    assert_eq!(assigned, [of("flights", 0), of("flights", 1)]);
    both.close().await.unwrap();
    hotels_alone.close().await.unwrap();
    for topic in [&flights, &hotels] {
        let committed = client.group_offsets("billing", topic.id).await.unwrap();
        assert!(committed.len() == 2 && committed.iter().all(|at| at.offset == 20));
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_dropped_and_made_again_loses_no_record() {
    let (broker, client, mut wire) = begin().await;
    let flights = wire.create("flights", 2).await;
    let builder = client.consumer("flights").group("billing").from(Start::Earliest);
    let mut consumer = builder.commit(Commit::Manual).build().await.unwrap();
    let mut seen = BTreeSet::new();
    for _ in 0..4 {
        // Nothing is there yet: it is dropped while it asks.
        let asked = timeout(Duration::ZERO, consumer.stream().next()).await;
        assert!(asked.is_err(), "{asked:?}");
        fill(&mut wire, &flights, 1, 3).await;
        let mut records = consumer.stream().take(6);
        while let Some(record) = timeout(PATIENCE, records.next()).await.expect("all come") {
            assert!(seen.insert(place(&record.unwrap())), "a record came twice");
        }
        drop(records);
        consumer.commit().await.unwrap();
    }
    let committed = client.group_offsets("billing", flights.id).await.unwrap();
    assert_eq!(committed.iter().map(|of| of.offset).collect::<Vec<_>>(), [12, 12]);
    consumer.close().await.unwrap();
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stays_a_members_over_a_rebalance_is_not_read_again() {
    let (broker, client, mut wire) = begin().await;
    let flights = wire.create("flights", 2).await;
    fill(&mut wire, &flights, 4, 25).await;
    let consumer = || client.consumer("flights").group("billing").from(Start::Earliest);
    let mut one = consumer().build().await.unwrap();
    let mut seen = BTreeSet::from([place(&next(&mut one).await)]);
    broker.metric_is("weir_delivered_records_total", 200.0).await;
    let mut two = consumer().build().await.unwrap();
    while seen.len() < 200 {
        let record = tokio::select! {
            record = next(&mut one) => record,
            record = next(&mut two) => record,
        };
        assert!(seen.insert(place(&record)), "a record came twice");
    }
    assert_eq!((one.assigned().len(), two.assigned().len()), (1, 1));
    // What went to the other is sent to it, and nothing else again.
    let delivered = broker.metric("weir_delivered_records_total");
    assert!(delivered <= 300.0, "{delivered} records were sent");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seek_beyond_the_tail_ends_the_consumer_and_says_why() {
    let (broker, client, mut wire) = begin().await;
    let flights = wire.create("flights", 1).await;
    fill(&mut wire, &flights, 1, 3).await;
    let mut one = client.consumer("flights").group("billing").from(Start::Earliest);
    one = one.commit(Commit::Manual);
    let mut one = one.build().await.unwrap();
    assert_eq!(next(&mut one).await.offset, 0);
    one.seek(&of("flights", 0), 2);
    assert_eq!(next(&mut one).await.offset, 2);
    one.seek(&of("flights", 7), 9);
    one.seek(&of("hotels", 0), 9);
    one.seek(&of("flights", 0), 4);
    let error = timeout(PATIENCE, one.next()).await.unwrap().unwrap().unwrap_err();
    let Error::Request(RequestError::Refused(refusal)) = &error else { panic!("{error:?}") };
    assert_eq!(refusal.code, Code::OffsetOutOfRange);
    assert!(refusal.message.contains('4') && refusal.message.contains('3'), "{error}");
    assert!(one.next().await.is_none(), "it was the last");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_is_paused_stays_the_members_and_goes_on_where_it_was() {
    let (broker, client, mut wire) = begin().await;
    let flights = wire.create("flights", 2).await;
    fill(&mut wire, &flights, 3, 2).await;
    let mut one = client.consumer("flights").group("billing").from(Start::Earliest);
    one = one.commit(Commit::Manual);
    let mut one = one.build().await.unwrap();
    let mut seen = BTreeSet::from([place(&next(&mut one).await)]);
    let paused = of("flights", 0);
    one.pause([&paused]);
    while seen.iter().filter(|(_, partition, _)| *partition == 1).count() < 6 {
        let record = next(&mut one).await;
        assert_eq!(record.partition, 1);
        assert!(seen.insert(place(&record)));
    }
    assert_eq!((one.lag(), one.is_caught_up()), (0, false));
    assert_eq!(one.assigned(), [paused.clone(), of("flights", 1)]);
    one.resume([&paused]);
    while seen.len() < 12 {
        assert!(seen.insert(place(&next(&mut one).await)), "a record came twice");
    }
    assert_eq!((one.lag(), one.is_caught_up()), (0, true));
    let places = one.places();
    assert!(places.iter().all(|(_, place)| (place.cursor, place.tail) == (6, 6)), "{places:?}");
    assert_eq!(client.group_offsets("billing", flights.id).await.unwrap(), []);
    one.commit().await.unwrap();
    let committed = client.group_offsets("billing", flights.id).await.unwrap();
    assert_eq!(committed.iter().map(|at| at.offset).collect::<Vec<_>>(), [6, 6]);
    broker.stop().await;
}
