//! Logs of several segments, journals that are used again, many partitions: what many bytes do.

use weir_broker::shutdown::Stopped;
use weir_protocol::native::{
    AlterTopic, Durability, Request, Response, Settings, TopicDescription,
};
use weir_storage::disk::Disk;
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, TestBroker};

/// Checkpoints as often as they may be.
const BUSY_JOURNAL: &str =
    "[journal]\nsegment_bytes = 16777216\nbytes_max = 67108864\ncheckpoint_bytes = 1048576\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_of_several_segments_come_back_whole_from_stops_and_power_cuts() {
    for durability in [Durability::Synced, Durability::Written] {
        let mut place = Place::crashing().configured(BUSY_JOURNAL);
        let settings = Settings {
            durability: Some(durability),
            segment_bytes: Some(1 << 20),
            batch_bytes_max: Some(200_000),
            ..Settings::default()
        };
        let mut expected: Vec<(u64, Vec<u8>)> = Vec::new();
        for run in 0..4_u8 {
            let broker = place.start().await;
            let (mut wire, _) = Wire::greeted(broker.native()).await;
            let topic = match wire.topics().await.pop() {
                Some(topic) => topic,
                None => wire.create_with("rolling", 1, settings).await,
            };
            let stored = wire.stored(&topic, 0).await;
            survived(durability, &expected, &stored);
            expected = stored;
            for number in 0..24_u8 {
                let value = vec![run * 24 + number; 100_000];
                let offset = wire.produce(&topic, 0, batch(&[&value])).await.unwrap();
                expected.push((offset, value));
            }
            assert_eq!(wire.stored(&topic, 0).await, expected, "{durability:?}, run {run}");
            if durability == Durability::Synced {
                checkpointed(&broker).await;
            }
            place = match run % 2 {
                0 => broker.cut_power(run.into()),
                _ => {
                    let (place, stopped) = broker.stop().await;
                    assert_eq!(stopped, Stopped::Cleanly);
                    place
                }
            };
        }
    }
}

/// What is there behind a start: all that was acknowledged of a synced topic; of a written one
/// a part, from the beginning on.
fn survived(durability: Durability, expected: &[(u64, Vec<u8>)], stored: &[(u64, Vec<u8>)]) {
    match durability {
        Durability::Synced => assert_eq!(stored, expected),
        _ => assert_eq!(stored, &expected[..stored.len()]),
    }
}

async fn checkpointed(broker: &TestBroker) {
    while broker.metric("weir_checkpoints_total") == 0.0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_with_smaller_segments_than_it_has_comes_back_whole() {
    for seed in 0..2 {
        let place = Place::crashing();
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let settings = Settings { batch_bytes_max: Some(1 << 20), ..Settings::default() };
        let topic = wire.create_with("shrinking", 1, settings).await;
        let value = vec![4; 500_000];
        for offset in 0..6 {
            assert_eq!(wire.produce(&topic, 0, batch(&[&value])).await, Ok(offset));
        }
        shrink(&mut wire, &topic, 1 << 20).await;
        let place = if seed == 0 { broker.stop().await.0 } else { broker.cut_power(seed) };
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        assert_eq!(wire.stored(&topic, 0).await.len(), 6, "seed {seed}");
        for offset in 6..12 {
            assert_eq!(wire.produce(&topic, 0, batch(&[&value])).await, Ok(offset));
        }
        let place = broker.cut_power(seed);
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        assert_eq!(wire.stored(&topic, 0).await.len(), 12, "seed {seed}");
        broker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_altered_segment_size_holds_for_open_partitions_and_over_a_power_cut() {
    for durability in [Durability::Synced, Durability::Written] {
        let place = Place::crashing();
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let small = Settings {
            durability: Some(durability),
            segment_bytes: Some(1 << 20),
            batch_bytes_max: Some(1 << 20),
            ..Settings::default()
        };
        let topic = wire.create_with("altered", 1, small).await;
        let some = batch(&[&[1; 300_000]]);
        for offset in 0..3 {
            assert_eq!(wire.produce(&topic, 0, some.clone()).await, Ok(offset));
        }
        let large = Settings {
            segment_bytes: Some(4 << 20),
            batch_bytes_max: Some(3 << 20),
            ..Settings::default()
        };
        alter(&mut wire, &topic, large).await;
        assert_eq!(wire.produce(&topic, 0, batch(&[&vec![2; 2_000_000]])).await, Ok(3));
        alter(&mut wire, &topic, Settings { durability: None, ..small }).await;
        for offset in 4..8 {
            assert_eq!(wire.produce(&topic, 0, some.clone()).await, Ok(offset));
        }
        let stored = wire.stored(&topic, 0).await;
        assert_eq!(stored.len(), 8);
        // All is flushed, and each segment has its name.
        let (place, stopped) = broker.stop().await;
        assert_eq!(stopped, Stopped::Cleanly);
        let directory = place.directory().join(format!("topics/{}/0", topic.id));
        let mut bases: Vec<u64> = Vec::new();
        for name in place.crash_disk().list(&directory).unwrap() {
            let base = name.to_str().and_then(|name| name.strip_suffix(".log"));
            bases.extend(base.map(|base| base.parse::<u64>().unwrap()));
        }
        assert_eq!(bases, [0, 3, 4, 7], "{durability:?}");
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        assert_eq!(wire.stored(&topic, 0).await, stored);
        assert_eq!(wire.produce(&topic, 0, some).await, Ok(8));
        let stored = wire.stored(&topic, 0).await;
        let broker = broker.cut_power(3).start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        survived(durability, &stored, &wire.stored(&topic, 0).await);
        broker.stop().await;
    }
}

async fn shrink(wire: &mut Wire, topic: &TopicDescription, segment_bytes: u64) {
    let settings = Settings { segment_bytes: Some(segment_bytes), ..Settings::default() };
    alter(wire, topic, settings).await;
}

async fn alter(wire: &mut Wire, topic: &TopicDescription, settings: Settings) {
    let segment_bytes = settings.segment_bytes.unwrap_or_default();
    let alter = AlterTopic { name: topic.name.clone(), partitions: None, settings };
    match wire.ask(Request::AlterTopic(alter)).await {
        Ok(Response::Topic(altered)) => assert_eq!(altered.settings.segment_bytes, segment_bytes),
        other => panic!("an altered topic is answered by it, not {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_goes_through_a_journal_than_it_holds() {
    let place = Place::real().configured(weir_tests::SMALL_JOURNAL);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("through", 4).await;
    // Below half of the producer's credit, which is announced anew at the latest then.
    let (rounds, in_flight) = (26, 8);
    let value = vec![6; 900_000];
    let through = batch(&[&value]);
    // 187 MB, almost three times what the journal may have.
    for _ in 0..rounds {
        let mut sent = Vec::new();
        for number in 0..in_flight {
            sent.push(wire.begin_produce(&topic, number % 4, through.clone()).await);
        }
        wire.produced_all(&sent).await;
    }
    let (place, stopped) = broker.stop().await;
    assert_eq!(stopped, Stopped::Cleanly);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    for partition in 0..4 {
        let stored = wire.stored(&topic, partition).await;
        let offsets: Vec<_> = stored.iter().map(|(offset, _)| *offset).collect();
        assert_eq!(offsets, (0..52).collect::<Vec<_>>());
        assert!(stored.iter().all(|(_, stored)| *stored == value));
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_partitions_come_back_with_all_they_had() {
    let (place, partitions) = (Place::real(), 300);
    let mut place = place.configured(weir_tests::SMALL_JOURNAL);
    for run in 0..3_u64 {
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let topic = match wire.topics().await.pop() {
            Some(topic) => topic,
            None => wire.create("many", partitions).await,
        };
        let tails: Vec<_> = topic.partitions.iter().map(|partition| partition.tail).collect();
        assert_eq!(tails, vec![run; partitions as usize]);
        let mut sent = Vec::new();
        for partition in 0..partitions {
            let value = batch(&[&partition.to_le_bytes()]);
            sent.push(wire.begin_produce(&topic, partition, value).await);
        }
        assert_eq!(wire.produced_all(&sent).await, vec![run; partitions as usize]);
        for partition in [0_u32, 1, 150, 299] {
            let value = partition.to_le_bytes().to_vec();
            let all: Vec<_> = (0..=run).map(|offset| (offset, value.clone())).collect();
            assert_eq!(wire.stored(&topic, partition).await, all);
        }
        place = broker.stop().await.0;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_partitions_come_back_from_a_power_cut() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("many", 100).await;
    for partition in 0..100_u32 {
        let value = batch(&[&partition.to_le_bytes()]);
        assert_eq!(wire.produce(&topic, partition, value).await, Ok(0));
    }
    let place = broker.cut_power(7);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    for partition in 0..100_u32 {
        let value = partition.to_le_bytes().to_vec();
        assert_eq!(wire.stored(&topic, partition).await, [(0, value)]);
    }
    broker.stop().await;
}
