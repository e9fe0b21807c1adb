//! A disk that fills up and is freed: what is refused, what goes on, and that it recovers.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use tokio::time::timeout;
use weir_broker::clock::Clock;
use weir_broker::shutdown::Stopped;
use weir_protocol::code::Code;
use weir_protocol::native::{Request, Settings, TopicDescription};
use weir_tests::wire::{Wire, batch};
use weir_tests::{Place, SMALL_JOURNAL, TestBroker};

use crate::delete_records::until_logs;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// After which a log that found the disk full may ask it again.
const PAUSE: Duration = Duration::from_secs(1);

/// Small marks, as settings.
const MARKS: &str = "[disk]\nlow_bytes = 4_000_000\nhard_bytes = 2_000_000\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_the_hard_mark_publishes_are_refused_on_every_face_and_all_else_goes_on() {
    let place = Place::crashing().configured(&format!("{SMALL_JOURNAL}{MARKS}"));
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("kept", 1).await;
    let doomed = wire.create("doomed", 1).await;
    for topic in [&topic, &doomed] {
        assert_eq!(wire.produce(topic, 0, batch(&[b"before"])).await, Ok(0));
    }
    assert_eq!(ready(&broker).await, (StatusCode::OK, "ready\n".to_owned()));
    place.leave_room(1_000_000);
    broker.metric_is("weir_disk_fill", 2.0).await;
    let refused = wire.produce(&topic, 0, batch(&[b"refused"])).await.unwrap_err();
    assert_eq!(refused.code, Code::DiskFull);
    assert!(refused.message.contains("free some space"), "{}", refused.message);
    let web = publish(&broker, "kept").await;
    assert_eq!(web.status(), StatusCode::INSUFFICIENT_STORAGE);
    assert!(web.headers().contains_key("retry-after"));
    assert!(web.text().await.unwrap().contains("DISK_FULL"));
    assert_eq!(ready(&broker).await, (StatusCode::SERVICE_UNAVAILABLE, "disk_full\n".to_owned()));
    assert_eq!(wire.stored(&topic, 0).await, [(0, b"before".to_vec())]);
    let delete = Request::DeleteTopic { name: doomed.name.clone() };
    assert!(wire.ask(delete).await.is_ok());
    assert!(place.until_removed(&doomed).await, "a checkpoint was made, and files were removed");
    // As long as not a quarter more than the mark is free, it is full.
    place.leave_room(2_300_000);
    for _ in 0..3 {
        let refused = wire.produce(&topic, 0, batch(&[b"refused"])).await.unwrap_err();
        assert_eq!(refused.code, Code::DiskFull);
    }
    place.leave_room(3_000_000);
    broker.metric_is("weir_disk_fill", 1.0).await;
    assert_eq!(wire.produce(&topic, 0, batch(&[b"again"])).await, Ok(1));
    assert_eq!(publish(&broker, "kept").await.status(), StatusCode::OK);
    place.crash_disk().set_capacity(None);
    broker.metric_is("weir_disk_fill", 0.0).await;
    assert_eq!(ready(&broker).await, (StatusCode::OK, "ready\n".to_owned()));
    assert_eq!(broker.stop().await.1, Stopped::Cleanly);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_times_full_and_free_nothing_is_lost() {
    let marks = "[disk]\nlow_bytes = 400_000\nhard_bytes = 200_000\n";
    let place = Place::crashing().configured(&format!("{SMALL_JOURNAL}{marks}"));
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    // Small segments: a disk in memory syncs a mapped file whole.
    let settings = Settings {
        segment_bytes: Some(1 << 20),
        batch_bytes_max: Some(1 << 20),
        ..Settings::default()
    };
    let topic = wire.create_with("filling", 1, settings).await;
    let mut taken = 0;
    for cycle in 0..100 {
        let doomed = wire.create(&format!("doomed-{cycle}"), 1).await;
        // Now the mark is met first, now the end of the disk.
        place.leave_room(if cycle % 2 == 0 { 150_000 } else { 600_000 });
        taken += fill(&mut wire, &topic, taken).await;
        assert_eq!(tail(&mut wire, &topic).await, taken, "cycle {cycle}");
        let delete = Request::DeleteTopic { name: doomed.name.clone() };
        assert!(wire.ask(delete).await.is_ok(), "cycle {cycle}");
        place.crash_disk().set_capacity(None);
        while let Err(refused) = wire.produce(&topic, 0, batch(&[b"room again"])).await {
            assert_eq!(refused.code, Code::DiskFull, "cycle {cycle}: {}", refused.message);
        }
        taken += 1;
    }
    assert_eq!(broker.metric("weir_writes_stopped"), 0.0);
    let place = broker.cut_power(7);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let stored = wire.stored(&topic, 0).await;
    assert!(stored.iter().map(|(offset, _)| *offset).eq(0..taken));
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn below_the_low_mark_what_is_beyond_its_retention_goes_before_the_next_sweep() {
    let marks = "[disk]\nlow_bytes = 4_000_000\nhard_bytes = 0\n";
    let seldom = "[retention]\nsweep_interval_ms = 86_400_000\n";
    let place = Place::crashing().configured(&format!("{SMALL_JOURNAL}{marks}{seldom}"));
    let broker = place.start().await;
    broker.metric_is("weir_retention_sweeps_total", 1.0).await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let settings = Settings {
        retention_bytes: Some(1_000_000),
        segment_bytes: Some(1 << 20),
        batch_bytes_max: Some(200_000),
        ..Settings::default()
    };
    let topic = wire.create_with("filling", 1, settings).await;
    let value = vec![3; 100_000];
    for offset in 0..44 {
        assert_eq!(wire.produce(&topic, 0, batch(&[&value])).await, Ok(offset));
    }
    until_logs(&place, &topic, &[0, 10, 20, 30, 40]).await;
    assert_eq!(broker.metric("weir_retention_sweeps_total"), 1.0);
    place.leave_room(3_000_000);
    until_logs(&place, &topic, &[30, 40]).await;
    // With the files that went there is room again, and retention keeps to its interval.
    broker.metric_is("weir_disk_fill", 0.0).await;
    assert_eq!(wire.produce(&topic, 0, batch(&[&value])).await, Ok(44));
    assert_eq!(broker.stop().await.1, Stopped::Cleanly);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_a_full_disk_refuses_do_not_ask_it_again_until_it_has_room_or_a_while_passed()
{
    let (clock, hand) = Clock::fake();
    let place = Place::crashing().timed(&clock);
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let settings = Settings {
        segment_bytes: Some(1 << 20),
        batch_bytes_max: Some(1 << 20),
        ..Settings::default()
    };
    let topic = wire.create_with("filling", 1, settings).await;
    let value = vec![3; 100_000];
    for by_time in [false, true] {
        place.crash_disk().set_full_for(Some("/topics/"));
        let next = tail(&mut wire, &topic).await;
        fill(&mut wire, &topic, next).await;
        let asked = || place.crash_disk().counts().allocations;
        let before = asked();
        for _ in 0..300 {
            let refused = wire.produce(&topic, 0, batch(&[&value])).await.unwrap_err();
            assert_eq!(refused.code, Code::DiskFull);
        }
        assert!(asked() - before <= 6, "{} calls for 300 batches", asked() - before);
        place.crash_disk().set_full_for(None);
        match by_time {
            false => place.crash_disk().set_capacity(Some(2 << 40)),
            true => hand.advance(PAUSE),
        }
        let again = async {
            while let Err(refused) = wire.produce(&topic, 0, batch(&[&value])).await {
                assert_eq!(refused.code, Code::DiskFull, "{}", refused.message);
            }
        };
        timeout(PATIENCE, again).await.expect("a disk that was freed is noticed");
    }
    assert_eq!(broker.stop().await.1, Stopped::Cleanly);
}

/// Produces until the disk is full; how many batches were taken.
async fn fill(wire: &mut Wire, topic: &TopicDescription, next: u64) -> u64 {
    let value = vec![3; 100_000];
    for taken in 0.. {
        match wire.produce(topic, 0, batch(&[&value])).await {
            Ok(offset) => assert_eq!(offset, next + taken),
            Err(refused) => {
                assert_eq!(refused.code, Code::DiskFull, "{}", refused.message);
                return taken;
            }
        }
    }
    unreachable!("a disk has an end")
}

/// Where a partition ends, as one who reads its last record finds.
async fn tail(wire: &mut Wire, topic: &TopicDescription) -> u64 {
    let topics = wire.topics().await;
    let topic = topics.into_iter().find(|found| found.id == topic.id).unwrap();
    topic.partitions[0].tail
}

async fn publish(broker: &TestBroker, topic: &str) -> reqwest::Response {
    let url = format!("{}/v1/topics/{topic}/records", broker.http());
    let publish = Client::new().post(url).header("content-type", "application/json");
    publish.body("[{\"value\": 1}]").send().await.unwrap()
}

async fn ready(broker: &TestBroker) -> (StatusCode, String) {
    let answer = reqwest::get(format!("{}/readyz", broker.http())).await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}
