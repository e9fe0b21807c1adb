//! What clients hear when the disk fails, and what the broker keeps of it.

use std::time::Duration;

use tokio::time::timeout;
use weir_broker::shutdown::Stopped;
use weir_protocol::code::Code;
use weir_protocol::native::{AlterTopic, Request, Settings};
use weir_tests::Place;
use weir_tests::wire::{Wire, batch};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_failed_sync_everybody_is_answered_and_the_broker_can_stop() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    let topic = wire.create("flights", 4).await;
    assert_eq!(wire.produce(&topic, 0, batch(&[b"before"])).await, Ok(0));
    place.crash_disk().fail_sync_after(0);
    let failed = wire.produce(&topic, 0, batch(&[b"while"])).await.unwrap_err();
    assert_eq!(failed.code, Code::OutcomeUnknown);
    for partition in [0, 0, 1, 2, 3] {
        let refused = wire.produce(&topic, partition, batch(&[b"behind"])).await.unwrap_err();
        assert_eq!(refused.code, Code::WritesStopped, "partition {partition}");
    }
    let delete = Request::DeleteTopic { name: topic.name.clone() };
    assert_eq!(wire.ask(delete).await.unwrap_err().code, Code::WritesStopped);
    let (_, stopped) = timeout(PATIENCE, broker.stop()).await.expect("the broker stops");
    assert_eq!(stopped, Stopped::Unclean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_are_refused_take_no_room_in_the_journal() {
    let place = Place::crashing();
    let broker = place.start().await;
    let (mut wire, _) = Wire::greeted(broker.native()).await;
    // The log that is open keeps its measure, so larger batches are refused behind the journal.
    let small = Settings {
        segment_bytes: Some(1 << 20),
        batch_bytes_max: Some(1 << 20),
        ..Settings::default()
    };
    let topic = wire.create_with("flights", 1, small).await;
    let large = Settings {
        segment_bytes: Some(64 << 20),
        batch_bytes_max: Some(8 << 20),
        ..Settings::default()
    };
    let alter = AlterTopic { name: topic.name.clone(), partitions: None, settings: large };
    wire.ask(Request::AlterTopic(alter)).await.unwrap();
    let value = vec![0; 7 << 20];
    for _ in 0..20 {
        let refused = wire.produce(&topic, 0, batch(&[&value])).await.unwrap_err();
        assert_eq!(refused.code, Code::BatchTooLarge);
    }
    assert_eq!(wire.produce(&topic, 0, batch(&[b"small"])).await, Ok(0));
    broker.stop().await;
}
