//! What clients hear when the disk fails, and what the broker keeps of it.

use std::time::Duration;

use tokio::time::timeout;
use weir_broker::shutdown::Stopped;
use weir_protocol::code::Code;
use weir_protocol::native::Request;
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
