//! Topics: made, listed, changed, deleted; offsets by time; ids of producers.

use std::collections::BTreeSet;

use weir_protocol::code::Code;
use weir_protocol::name::TopicName;
use weir_protocol::native::{
    AlterTopic, CreateTopic, Durability, ErrorReply, FoundOffset, ListOffsets, ListTopics,
    OffsetAt, RETENTION_UNLIMITED, Request, Response, Settings, TIMESTAMP_NONE, TopicDescription,
    TopicPage,
};
use weir_tests::gate::Call;
use weir_tests::wire::{Wire, batch, batch_at};
use weir_tests::{Place, SMALL_JOURNAL, TestBroker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_described_as_it_was_made_and_its_name_is_taken() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let settings = Settings {
        durability: Some(Durability::Written),
        retention_ms: Some(3_000_000_000_000),
        retention_bytes: Some(RETENTION_UNLIMITED),
        segment_bytes: Some(1 << 20),
        batch_bytes_max: Some(4096),
        timestamp_type: None,
        message_id_window_ms: None,
        message_id_window_records: Some(7),
        retention_work: Some(true),
    };
    let made = wire.create_with("Flights.2024_x-1", 3, settings).await;
    assert_eq!(made.settings.durability, Durability::Written);
    assert_eq!(made.settings.retention_ms, 3_000_000_000_000);
    assert_eq!(made.settings.retention_bytes, RETENTION_UNLIMITED);
    assert_eq!((made.settings.segment_bytes, made.settings.batch_bytes_max), (1 << 20, 4096));
    assert_eq!(made.settings.message_id_window_records, 7);
    assert!(made.settings.retention_work);
    let again = create(&mut wire, "Flights.2024_x-1", 3, Settings::default()).await.unwrap_err();
    assert_eq!(again.code, Code::TopicExists);
    wire.produce(&made, 2, batch(&[b"a", b"b"])).await.unwrap();
    let described = describe(&mut wire, "Flights.2024_x-1").await.unwrap();
    assert_eq!((described.id, described.settings), (made.id, made.settings));
    let tails: Vec<_> = described.partitions.iter().map(|one| (one.start, one.tail)).collect();
    assert_eq!(tails, [(0, 0), (0, 0), (0, 2)]);
    let (place, _) = broker.stop().await;
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    assert_eq!(describe(&mut wire, "Flights.2024_x-1").await, Ok(described));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_cannot_be_is_refused_and_not_made() {
    let limits = "[topics]\npartitions_max = 5\ntopics_max = 2\n";
    let place = Place::crashing().configured(&format!("{SMALL_JOURNAL}{limits}"));
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let none = Settings::default();
    let segment = |bytes| Settings { segment_bytes: Some(bytes), ..none };
    let batch_max = |bytes| Settings { batch_bytes_max: Some(bytes), ..none };
    let ephemeral = Settings { durability: Some(Durability::Ephemeral), ..none };
    for (partitions, settings, code) in [
        (0, none, Code::InvalidSetting),
        (10_001, none, Code::InvalidSetting),
        (6, none, Code::TooManyPartitions),
        (1, segment((1 << 20) - 1), Code::InvalidSetting),
        (1, segment(1 << 31), Code::InvalidSetting),
        (1, batch_max(1023), Code::InvalidSetting),
        (1, batch_max(u64::MAX), Code::InvalidSetting),
        (1, Settings { segment_bytes: Some(1 << 20), ..batch_max(2 << 20) }, Code::InvalidSetting),
        (1, ephemeral, Code::DurabilityNotOffered),
    ] {
        let refused = create(&mut wire, "refused", partitions, settings).await.unwrap_err();
        assert_eq!(refused.code, code, "{partitions} {settings:?}: {}", refused.message);
    }
    assert_eq!(wire.topics().await, []);
    wire.create("one", 2).await;
    wire.create("two", 2).await;
    let third = create(&mut wire, "three", 1, none).await.unwrap_err();
    assert_eq!(third.code, Code::TooManyTopics);
    let grown = alter(&mut wire, "one", Some(4), none).await.unwrap_err();
    assert_eq!(grown.code, Code::TooManyPartitions);
    // What is deleted makes room.
    delete(&mut wire, "two").await.unwrap();
    create(&mut wire, "three", 3, none).await.unwrap();
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_show_every_topic_once_in_the_order_of_names() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    for name in ["delta", "alpha", "Zulu", "echo", "bravo"] {
        wire.create(name, 1).await;
    }
    let all = ["Zulu", "alpha", "bravo", "delta", "echo"];
    for limit in [0, 1, 2, 5, 6, u32::MAX] {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let TopicPage { topics, more } = page(&mut wire, after.take(), limit).await;
            assert!(topics.len() <= limit.max(1) as usize, "limit {limit}");
            names.extend(topics.into_iter().map(|topic| topic.name));
            after = names.last().cloned();
            if !more {
                break;
            }
        }
        let names: Vec<_> = names.iter().map(TopicName::as_str).collect();
        assert_eq!(names, all, "limit {limit}");
    }
    // A page goes on behind a name that is gone.
    delete(&mut wire, "bravo").await.unwrap();
    let behind = page(&mut wire, Some(TopicName::parse("bravo").unwrap()), 1).await;
    assert_eq!((behind.topics[0].name.as_str(), behind.more), ("delta", true));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_altered_topic_has_more_partitions_and_other_settings_from_then_on() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 1).await;
    wire.produce(&topic, 0, batch(&[b"first"])).await.unwrap();
    let more = Settings {
        batch_bytes_max: Some(1024),
        retention_ms: Some(3_000_000_000_000),
        ..Settings::default()
    };
    let altered = alter(&mut wire, "flights", Some(3), more).await.unwrap();
    assert_eq!((altered.id, altered.partitions.len()), (topic.id, 3));
    assert_eq!(
        (altered.settings.batch_bytes_max, altered.settings.retention_ms),
        (1024, 3_000_000_000_000)
    );
    let none = Settings::default();
    for (partitions, settings) in [
        (Some(2), none),
        (Some(20_000), none),
        (None, Settings { durability: Some(Durability::Written), ..none }),
        (None, Settings { segment_bytes: Some(5), ..none }),
    ] {
        let refused = alter(&mut wire, "flights", partitions, settings).await.unwrap_err();
        assert_eq!(refused.code, Code::InvalidSetting, "{}", refused.message);
    }
    let unknown = alter(&mut wire, "nowhere", None, none).await.unwrap_err();
    assert_eq!(unknown.code, Code::UnknownTopic);
    let large = wire.produce(&topic, 1, batch(&[&[0; 2000]])).await.unwrap_err();
    assert_eq!(large.code, Code::BatchTooLarge);
    for partition in [1, 2] {
        assert_eq!(wire.produce(&topic, partition, batch(&[b"new"])).await, Ok(0));
    }
    let place = broker.cut_power(1);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let described = describe(&mut wire, "flights").await.unwrap();
    assert_eq!(described.settings, altered.settings);
    let tails: Vec<_> = described.partitions.iter().map(|partition| partition.tail).collect();
    assert_eq!(tails, [1, 1, 1]);
    assert_eq!(wire.stored(&described, 0).await, [(0, b"first".to_vec())]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_could_not_be_made_are_made_by_the_next_change() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 1).await;
    // The topic's directory, partition 1's, the topic's again, partition 2's.
    place.gate().fail_after(3, Call::CreateDir);
    let failed = alter(&mut wire, "flights", Some(3), Settings::default()).await.unwrap_err();
    assert_eq!(failed.code, Code::Internal, "{}", failed.message);
    let altered = alter(&mut wire, "flights", Some(4), Settings::default()).await.unwrap();
    assert_eq!((altered.id, altered.partitions.len()), (topic.id, 4));
    for partition in 0..4_u32 {
        let value = batch(&[&partition.to_le_bytes()]);
        assert_eq!(wire.produce(&topic, partition, value).await, Ok(0));
    }
    let place = broker.cut_power(2);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    for partition in 0..4_u32 {
        let value = partition.to_le_bytes().to_vec();
        assert_eq!(wire.stored(&topic, partition).await, [(0, value)]);
    }
    // A topic that cannot be made whole is not made at all.
    place.gate().fail_after(3, Call::CreateDir);
    let failed = create(&mut wire, "halved", 3, Settings::default()).await.unwrap_err();
    assert_eq!(failed.code, Code::Internal, "{}", failed.message);
    assert_eq!(wire.topics().await.len(), 1);
    create(&mut wire, "halved", 3, Settings::default()).await.unwrap();
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_made_again_has_another_id_and_nothing_of_the_first() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let first = wire.create("flights", 2).await;
    for partition in [0, 1] {
        wire.produce(&first, partition, batch(&[b"old"])).await.unwrap();
    }
    delete(&mut wire, "flights").await.unwrap();
    let gone = delete(&mut wire, "flights").await.unwrap_err();
    assert_eq!(gone.code, Code::UnknownTopic);
    let second = wire.create("flights", 2).await;
    assert_ne!(first.id, second.id);
    let stale = wire.produce(&first, 0, batch(&[b"stale"])).await.unwrap_err();
    assert_eq!(stale.code, Code::UnknownTopic);
    assert_eq!(wire.produce(&second, 1, batch(&[b"new"])).await, Ok(0));
    // A deletion has a checkpoint of its own; behind it the files are gone.
    place.until_removed(&first).await;
    let place = broker.cut_power(5);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let again = describe(&mut wire, "flights").await.unwrap();
    assert_eq!(again.id, second.id);
    assert_eq!(wire.stored(&again, 0).await, []);
    assert_eq!(wire.stored(&again, 1).await, [(0, b"new".to_vec())]);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_survives_a_power_cut_at_any_step() {
    let mut steps_of_all = 0;
    for steps in (0..).step_by(5) {
        let place = Place::crashing();
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let doomed = wire.create("doomed", 2).await;
        let kept = wire.create("kept", 1).await;
        wire.produce(&doomed, 0, batch(&[b"doomed"])).await.unwrap();
        wire.produce(&kept, 0, batch(&[b"kept"])).await.unwrap();
        place.crash_disk().switch_off_after(steps);
        let deleted = delete(&mut wire, "doomed").await;
        let is_through = deleted.is_ok() && place.until_removed(&doomed).await;
        let place = broker.cut_power(steps);
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        match describe(&mut wire, "doomed").await {
            Ok(found) => {
                assert!(deleted.is_err(), "it was said to be deleted, step {steps}");
                assert_eq!(wire.stored(&found, 0).await, [(0, b"doomed".to_vec())]);
                delete(&mut wire, "doomed").await.unwrap();
            }
            Err(error) => assert_eq!(error.code, Code::UnknownTopic, "step {steps}"),
        }
        assert_eq!(wire.stored(&kept, 0).await, [(0, b"kept".to_vec())], "step {steps}");
        let again = wire.create("doomed", 1).await;
        assert_eq!(wire.stored(&again, 0).await, [], "step {steps}");
        place.until_removed(&doomed).await;
        broker.stop().await;
        steps_of_all = steps;
        if is_through {
            break;
        }
    }
    assert!(10 < steps_of_all, "a deletion takes some steps");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_are_found_by_time_and_at_both_ends() {
    let broker = TestBroker::start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("timed", 1).await;
    assert_eq!(at(&mut wire, &topic, OffsetAt::Time(0)).await, (0, TIMESTAMP_NONE));
    for (offset, timestamp) in [(0, 1000), (2, 3000), (4, 2000), (6, 5000)] {
        let two = batch_at(timestamp, &[b"a", b"b"]);
        assert_eq!(wire.produce(&topic, 0, two).await, Ok(offset));
    }
    for (time, found) in [
        (i64::MIN, (0, 1000)),
        (-1, (0, 1000)),
        (1000, (0, 1000)),
        (1001, (2, 3000)),
        // Time goes back once: the first record at or after it counts, not the nearest.
        (2000, (2, 3000)),
        (3001, (6, 5000)),
        (5000, (6, 5000)),
        (5001, (8, TIMESTAMP_NONE)),
        (i64::MAX, (8, TIMESTAMP_NONE)),
    ] {
        assert_eq!(at(&mut wire, &topic, OffsetAt::Time(time)).await, found, "{time}");
    }
    assert_eq!(at(&mut wire, &topic, OffsetAt::Earliest).await, (0, TIMESTAMP_NONE));
    assert_eq!(at(&mut wire, &topic, OffsetAt::Latest).await, (8, TIMESTAMP_NONE));
    let list = ListOffsets { topic: topic.id, partition: 1, at: OffsetAt::Latest };
    let refused = wire.ask(Request::ListOffsets(list)).await.unwrap_err();
    assert_eq!(refused.code, Code::UnknownPartition);
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_producer_id_is_given_twice_across_stops_and_power_cuts() {
    let mut place = Place::crashing();
    let mut given = BTreeSet::new();
    for run in 0..6_u64 {
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        // One run goes through more than a block of ids.
        for _ in 0..if run == 1 { 1100 } else { 3 } {
            let Ok(Response::Producer(producer)) = wire.ask(Request::InitProducer).await else {
                panic!("a producer gets an id");
            };
            assert!(0 <= producer.producer_id && producer.producer_epoch == 0);
            assert!(
                given.insert(producer.producer_id),
                "{} twice, run {run}",
                producer.producer_id
            );
        }
        place = if run % 2 == 0 { broker.cut_power(run) } else { broker.stop().await.0 };
    }
}

async fn create(
    wire: &mut Wire,
    name: &str,
    partitions: u32,
    settings: Settings,
) -> Result<TopicDescription, ErrorReply> {
    let name = TopicName::parse(name).unwrap();
    topic(wire, Request::CreateTopic(CreateTopic { name, partitions, settings })).await
}

async fn alter(
    wire: &mut Wire,
    name: &str,
    partitions: Option<u32>,
    settings: Settings,
) -> Result<TopicDescription, ErrorReply> {
    let name = TopicName::parse(name).unwrap();
    topic(wire, Request::AlterTopic(AlterTopic { name, partitions, settings })).await
}

async fn describe(wire: &mut Wire, name: &str) -> Result<TopicDescription, ErrorReply> {
    topic(wire, Request::DescribeTopic { name: TopicName::parse(name).unwrap() }).await
}

async fn topic(wire: &mut Wire, request: Request) -> Result<TopicDescription, ErrorReply> {
    match wire.ask(request).await? {
        Response::Topic(topic) => Ok(topic),
        other => panic!("a topic is answered, not {other:?}"),
    }
}

async fn delete(wire: &mut Wire, name: &str) -> Result<(), ErrorReply> {
    let name = TopicName::parse(name).unwrap();
    let deleted = wire.ask(Request::DeleteTopic { name }).await?;
    assert_eq!(deleted, Response::Deleted);
    Ok(())
}

async fn page(wire: &mut Wire, after: Option<TopicName>, limit: u32) -> TopicPage {
    match wire.ask(Request::ListTopics(ListTopics { after, limit })).await {
        Ok(Response::Topics(page)) => page,
        other => panic!("a listing is answered by topics, not {other:?}"),
    }
}

async fn at(wire: &mut Wire, topic: &TopicDescription, at: OffsetAt) -> (u64, i64) {
    let list = ListOffsets { topic: topic.id, partition: 0, at };
    match wire.ask(Request::ListOffsets(list)).await {
        Ok(Response::Offset(FoundOffset { offset, timestamp })) => (offset, timestamp),
        other => panic!("an offset is answered, not {other:?}"),
    }
}
