//! Queues on a log with a damaged segment.

use std::collections::BTreeSet;
use std::io::IoSlice;
use std::time::Duration;

use weir_client::{Client, QueueSettings, QueueSource, QueueWorker, Settings, TopicDescription};
use weir_storage::disk::{Disk, Open};
use weir_tests::{Place, TestBroker};

/// Three records to a segment.
const RECORD_BYTES: usize = 300_000;

async fn connect(broker: &TestBroker) -> Client {
    Client::connect(broker.native().to_string()).await.unwrap()
}

/// Flips a bit of the second segment, or flips it back.
fn flip(place: &Place, topic: &TopicDescription) {
    let directory = place.directory().join("topics").join(topic.id.to_string()).join("0");
    let file = directory.join("00000000000000000003.log");
    let file = place.crash_disk().open(&file, Open::Write).unwrap();
    let (mut byte, position) = ([0], 400_000);
    file.read_at(&mut byte, position).unwrap();
    file.write_at(&[IoSlice::new(&[byte[0] ^ 4])], position).unwrap();
}

async fn next(worker: &mut QueueWorker) -> u8 {
    let next = tokio::time::timeout(Duration::from_secs(30), worker.next()).await;
    let leased = next.expect("a record comes").expect("the worker goes on").unwrap();
    let value = leased.record().value.as_ref().unwrap()[0];
    leased.ack().await.unwrap();
    value
}

async fn until_why(client: &Client, words: &str) {
    let said = async {
        while !client.queue_state("jobs").await.unwrap().why.contains(words) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), said).await.expect("why says so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_goes_on_behind_damage_and_comes_back_to_it_once_it_is_mended() {
    let broker = Place::crashing().start().await;
    let client = connect(&broker).await;
    let settings = Settings {
        segment_bytes: Some(1 << 20),
        batch_bytes_max: Some(400_000),
        ..Settings::default()
    };
    let topic = client.create_topic("jobs", 1, settings).await.unwrap();
    client.create_queue("jobs", QueueSource::default(), QueueSettings::default()).await.unwrap();
    let producer = client.producer("jobs").build().await.unwrap();
    for number in 0..8_u8 {
        producer.send(&vec![number; RECORD_BYTES]).await.unwrap();
        producer.flush().await.unwrap();
    }
    let (place, _) = broker.stop().await;
    flip(&place, &topic);
    let broker = place.start().await;
    let client = connect(&broker).await;
    let mut worker = client.queue("jobs").build().await.unwrap();
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        seen.insert(next(&mut worker).await);
    }
    assert_eq!(seen, BTreeSet::from([0, 1, 2, 6, 7]));
    until_why(&client, "lie in damaged segments").await;
    assert_eq!(client.queue_state("jobs").await.unwrap().partitions[0].damaged, 3);
    drop(worker);
    let (place, _) = broker.stop().await;
    flip(&place, &topic);
    let broker = place.start().await;
    let client = connect(&broker).await;
    let mut worker = client.queue("jobs").build().await.unwrap();
    let mut seen = BTreeSet::new();
    for _ in 0..3 {
        seen.insert(next(&mut worker).await);
    }
    assert_eq!(seen, BTreeSet::from([3, 4, 5]));
    until_why(&client, "all records are worked off").await;
    worker.drain().await;
    broker.stop().await;
}
