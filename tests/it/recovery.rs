//! What is there again after a stop, a crash, a power cut.

use std::collections::BTreeMap;

use weir_broker::shutdown::Stopped;
use weir_protocol::native::{Durability, Settings, TopicDescription};
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, TestBroker};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_keeps_everything_and_the_next_start_goes_on() {
    let place = Place::real();
    let mut expected = Vec::new();
    for run in 0..3_u64 {
        let broker = place.start().await;
        let (mut wire, _) = Wire::greeted(broker.native()).await;
        let topics = wire.topics().await;
        let topics = if run == 0 { make_topics(&mut wire).await } else { topics };
        for topic in &topics {
            assert_eq!(wire.stored(topic, 0).await, expected, "{} run {run}", topic.name);
        }
        let value = run.to_le_bytes();
        for topic in &topics {
            assert_eq!(wire.produce(topic, 0, batch(&[&value])).await, Ok(run));
        }
        expected.push((run, value.to_vec()));
        let (_, stopped) = broker.stop().await;
        assert_eq!(stopped, Stopped::Cleanly);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_as_synced_survives_any_power_cut() {
    for seed in 0..12 {
        let mut place = Place::crashing();
        let mut expected: Vec<(u64, Vec<u8>)> = Vec::new();
        for run in 0..3_u64 {
            let broker = place.start().await;
            let (mut wire, _) = Wire::greeted(broker.native()).await;
            let topics = wire.topics().await;
            let topic = match topics.into_iter().next() {
                Some(topic) => topic,
                None => wire.create("synced", 1).await,
            };
            assert_eq!(wire.stored(&topic, 0).await, expected, "seed {seed}, run {run}");
            for number in 0..=(seed + run) % 7 {
                let value = vec![u8::try_from(number).unwrap(); 1000];
                let offset = wire.produce(&topic, 0, batch(&[&value])).await.unwrap();
                expected.push((offset, value));
            }
            place = broker.cut_power(seed * 10 + run);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_offset_of_a_written_topic_is_given_twice_across_power_cuts() {
    for seed in 0..8 {
        let mut place = Place::crashing();
        let mut given = BTreeMap::new();
        for run in 0..3_u8 {
            let broker = place.start().await;
            let (mut wire, _) = Wire::greeted(broker.native()).await;
            let topic = match wire.topics().await.into_iter().next() {
                Some(topic) => topic,
                None => make_topic(&mut wire, Durability::Written).await,
            };
            for (offset, value) in wire.stored(&topic, 0).await {
                assert_eq!(given.get(&offset), Some(&value), "seed {seed}, run {run}");
            }
            for _ in 0..3 {
                let offset = wire.produce(&topic, 0, batch(&[&[run; 100]])).await.unwrap();
                let before = given.insert(offset, vec![run; 100]);
                assert_eq!(before, None, "offset {offset} twice: seed {seed}, run {run}");
            }
            place = broker.cut_power(seed * 10 + u64::from(run));
        }
    }
}

async fn make_topic(wire: &mut Wire, durability: Durability) -> TopicDescription {
    let settings = Settings { durability: Some(durability), ..Settings::default() };
    wire.create_with(durability.name(), 1, settings).await
}

async fn make_topics(wire: &mut Wire) -> Vec<TopicDescription> {
    vec![make_topic(wire, Durability::Synced).await, make_topic(wire, Durability::Written).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_broker_on_the_same_directory_is_refused() {
    let broker = TestBroker::start().await;
    let refused = broker.place().try_start().await.unwrap_err();
    assert!(refused.to_string().contains("another"), "{refused}");
    broker.stop().await;
}
