//! Reading what is not in memory: it waits for the disk, and nobody waits for it.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use weir_protocol::code::Code;
use weir_protocol::name::TopicName;
use weir_protocol::native::{
    Amount, ListOffsets, OffsetAt, Request, Response, Settings, SubscribeFrom, TopicDescription,
};
use weir_tests::reading::{PLENTY, Seen, Then, records};
use weir_tests::wire::{Wire, batch, batch_at};
use weir_tests::{Place, TestBroker};

const EARLIEST: SubscribeFrom = SubscribeFrom::Earliest;

const TWO: Amount = Amount { messages: 2, ..PLENTY };

/// Batches of [`cold_topic`], in several segments.
const BATCHES: u64 = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_cold_read_that_waits_for_the_disk_delays_nobody_on_its_connection_or_its_thread() {
    let (broker, old) = cold_topic(Place::crashing()).await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let fresh = wire.create("fresh", 1).await;
    broker.place().gate().shut_for_reads();
    wire.subscribe(1, (&old, 0), EARLIEST, PLENTY).await.unwrap();
    broker.place().gate().until_held(1).await;
    wire.subscribe(2, (&fresh, 0), SubscribeFrom::Latest, PLENTY).await.unwrap();
    for number in 0..3_u8 {
        wire.produce(&fresh, 0, batch(&[&[number]])).await.unwrap();
        wire.ping().await;
    }
    let (mut other, _) = Wire::greeted(broker.native()).await;
    other.subscribe(1, (&fresh, 0), EARLIEST, PLENTY).await.unwrap();
    let mut seen = Seen::default();
    while seen.messages < 3 {
        other.delivered(&mut seen).await;
    }
    broker.place().gate().open();
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(wire.stored(&old, 0).await.len() as u64, BATCHES);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn places_in_time_are_looked_for_without_holding_anybody() {
    let (broker, old) = cold_topic(Place::crashing()).await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let (mut other, _) = Wire::greeted(broker.native()).await;
    broker.place().gate().shut_for_reads();
    let list = ListOffsets { topic: old.id, partition: 0, at: OffsetAt::Time(3) };
    let correlation = wire.send(&Request::ListOffsets(list)).await;
    broker.place().gate().until_held(1).await;
    other.ping().await;
    broker.place().gate().open();
    let Ok(Response::Offset(found)) = wire.answer(correlation).await else {
        panic!("the offset of a time is answered");
    };
    assert_eq!((found.offset, found.timestamp), (3, 3));
    let subscribed = wire.subscribe(1, (&old, 0), SubscribeFrom::Time(5), PLENTY).await.unwrap();
    assert_eq!(subscribed.from, 5);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_that_waits_for_no_record_waits_for_the_disk() {
    let (broker, _) = cold_topic(Place::crashing()).await;
    let url = format!("{}/v1/topics/old/records?limit=1&offset=2", broker.http());
    let page: serde_json::Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(page["records"][0]["offset"], 2, "{page}");
    assert_eq!(page["next_offset"], 3);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_during_a_cold_read_leaves_nothing_behind() {
    let (broker, old) = cold_topic(Place::crashing()).await;
    broker.place().gate().shut_for_reads();
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    for number in 0..5 {
        wire.subscribe(number, (&old, 0), EARLIEST, PLENTY).await.unwrap();
    }
    // Two threads are held in a read; the others stand in the line.
    broker.place().gate().until_held(2).await;
    broker.metric_is("weir_cold_reads_waiting", 3.0).await;
    drop(wire);
    broker.metric_is("weir_subscriptions", 0.0).await;
    broker.place().gate().open();
    broker.metric_is("weir_cold_reads_waiting", 0.0).await;
    assert_eq!(broker.metric("weir_cold_reads_total"), 2.0, "who left was read for");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_cold_subscriptions_all_come_to_their_end_on_two_threads() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("old", 1).await;
    for number in 0..3_u8 {
        wire.produce(&topic, 0, batch(&[&[number], &[number]])).await.unwrap();
    }
    let (place, _) = broker.stop().await;
    let broker = place.start().await;
    let mut wires = Vec::new();
    for _ in 0..4 {
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        for number in 0..250 {
            wire.subscribe(number, (&topic, 0), EARLIEST, Amount::ZERO).await.unwrap();
        }
        for number in 0..250 {
            // Little credit at a time: each is brought in once, and read in three turns.
            wire.flow(number, Seen::default(), TWO, Then::Nothing).await;
        }
        wires.push(wire);
    }
    for wire in &mut wires {
        let mut next = [0; 250];
        while next.iter().any(|next| *next < 6) {
            let Response::Deliver(deliver) = wire.event().await else { continue };
            let number = deliver.subscription;
            for (offset, _) in records(&deliver.batches) {
                assert_eq!(offset, next[number as usize]);
                next[number as usize] += 1;
            }
            let messages = next[number as usize];
            let seen = Seen { messages, bytes: messages / 2 * deliver.batches.len() as u64 };
            wire.flow(number, seen, TWO, Then::Nothing).await;
        }
    }
    assert_eq!(broker.metric("weir_cold_reads_total"), 1_000.0);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_deleted_during_a_cold_read_ends_its_readers() {
    let (broker, old) = cold_topic(Place::crashing()).await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    broker.place().gate().shut_for_reads();
    wire.subscribe(1, (&old, 0), EARLIEST, PLENTY).await.unwrap();
    broker.place().gate().until_held(1).await;
    let (mut other, _) = Wire::greeted(broker.native()).await;
    let name = TopicName::parse("old").unwrap();
    assert_eq!(other.ask(Request::DeleteTopic { name }).await, Ok(Response::Deleted));
    assert!(broker.place().until_removed(&old).await);
    broker.place().gate().open();
    assert_eq!(wire.ended(1).await.code, Code::UnknownTopic);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_connection_stands_back_while_it_replays_and_comes_back_at_its_tail() {
    let broker = Place::crashing().start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let old = wire.create("old", 1).await;
    for number in 0..60_u8 {
        wire.produce(&old, 0, batch(&[&[number; 100_000]])).await.unwrap();
    }
    let most = Amount { messages: 50, ..PLENTY };
    let mut seen = Seen::default();
    wire.subscribe(1, (&old, 0), EARLIEST, most).await.unwrap();
    while seen.messages < 50 {
        wire.delivered(&mut seen).await;
    }
    broker.metric_is("weir_replaying_connections", 1.0).await;
    wire.ping().await;
    wire.flow(1, seen, PLENTY, Then::Nothing).await;
    while seen.messages < 60 {
        wire.delivered(&mut seen).await;
    }
    broker.metric_is("weir_replaying_connections", 0.0).await;
    wire.produce(&old, 0, batch(&[b"fresh"])).await.unwrap();
    wire.delivered(&mut seen).await;
    assert_eq!((seen.messages, broker.metric("weir_replaying_connections")), (61, 0.0));
    // Who leaves during a replay replays no more.
    wire.subscribe(2, (&old, 0), EARLIEST, most).await.unwrap();
    broker.metric_is("weir_replaying_connections", 1.0).await;
    drop(wire);
    broker.metric_is("weir_replaying_connections", 0.0).await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_that_is_cut_under_its_readers_is_an_error_and_not_the_end() {
    let (broker, old) = cold_topic(Place::real()).await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(wire.stored(&old, 0).await.len() as u64, BATCHES);
    let segment = segments(broker.place().directory(), &old).remove(0);
    OpenOptions::new().write(true).open(segment).unwrap().set_len(4096).unwrap();
    wire.subscribe(1, (&old, 0), EARLIEST, PLENTY).await.unwrap();
    assert_eq!(wire.ended(1).await.code, Code::Internal);
    // The rest of it and of the broker goes on.
    let last = SubscribeFrom::Offset(BATCHES - 1);
    wire.subscribe(2, (&old, 0), last, PLENTY).await.unwrap();
    wire.delivered(&mut Seen::default()).await;
    wire.produce(&old, 0, batch(&[b"more"])).await.unwrap();
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_that_is_removed_under_a_slow_reader_is_told_of_and_does_not_come_back() {
    let (broker, old) = cold_topic(Place::real()).await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let (mut seen, mut read) = (Seen::default(), Vec::new());
    wire.subscribe(1, (&old, 0), EARLIEST, TWO).await.unwrap();
    while seen.messages < TWO.messages {
        read.extend(wire.delivered(&mut seen).await);
    }
    let removed = segments(broker.place().directory(), &old).remove(1);
    let base = removed.file_stem().and_then(|name| name.to_str()?.parse().ok()).unwrap();
    fs::remove_file(&removed).unwrap();
    wire.flow(1, seen, PLENTY, Then::Nothing).await;
    while (read.len() as u64) < base {
        read.extend(wire.delivered(&mut seen).await);
    }
    assert_eq!(read.len() as u64, base, "all of the segment before it, and nothing of it");
    let told = wire.ended(1).await;
    assert_eq!(told.code, Code::Quarantined, "{}", told.message);
    let next = 2 * base;
    assert!(told.message.contains(&format!("read on from offset {next}")), "{}", told.message);
    wire.produce(&old, 0, batch(&[b"more"])).await.unwrap();
    let (place, _) = broker.stop().await;
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    wire.subscribe(1, (&old, 0), SubscribeFrom::Offset(base), PLENTY).await.unwrap();
    assert_eq!(wire.ended(1).await.code, Code::Quarantined);
    wire.subscribe(2, (&old, 0), SubscribeFrom::Offset(next), PLENTY).await.unwrap();
    let mut seen = Seen::default();
    while seen.messages < BATCHES + 1 - next {
        wire.delivered(&mut seen).await;
    }
    assert!(!removed.exists());
    broker.stop().await;
}

/// A broker that has just started, with a topic of several segments that nobody has read yet.
async fn cold_topic(place: Place) -> (TestBroker, TopicDescription) {
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let settings = Settings {
        segment_bytes: Some(1 << 20),
        batch_bytes_max: Some(200_000),
        ..Settings::default()
    };
    let topic = wire.create_with("old", 1, settings).await;
    for number in 0..BATCHES {
        let value = [number as u8; 100_000];
        wire.produce(&topic, 0, batch_at(number as i64, &[&value])).await.unwrap();
    }
    let (place, _) = broker.stop().await;
    (place.start().await, topic)
}

/// The segments of a topic's only partition, the oldest first.
fn segments(data: &Path, topic: &TopicDescription) -> Vec<PathBuf> {
    let directory = data.join("topics").join(topic.id.to_string()).join("0");
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "log")).collect();
    segments.sort();
    segments
}
