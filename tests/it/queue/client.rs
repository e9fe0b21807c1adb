//! Working by the Rust client.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use weir_client::{
    Client, Code, Durability, Letters, QueueSettings, QueueSource, QueueWorker, Settings,
    SettleError, WorkError,
};
use weir_tests::{Place, TestBroker};

async fn jobs(settings: QueueSettings) -> (TestBroker, Client) {
    let broker = Place::crashing().start().await;
    let client = Client::connect(broker.native().to_string()).await.unwrap();
    let source = QueueSource { topic: None, partitions: Some(2) };
    client.create_queue("jobs", source, settings).await.unwrap();
    (broker, client)
}

async fn publish(client: &Client, values: std::ops::Range<u32>) {
    let producer = client.producer("jobs").build().await.unwrap();
    for value in values {
        let text = value.to_string();
        producer.send((text.as_str(), text.as_str())).await.unwrap();
    }
    producer.flush().await.unwrap();
}

async fn next(worker: &mut QueueWorker) -> weir_client::LeasedRecord {
    let next = tokio::time::timeout(Duration::from_secs(20), worker.next()).await;
    next.expect("a record comes").expect("the worker goes on").unwrap()
}

fn value(leased: &weir_client::LeasedRecord) -> u32 {
    let value = leased.record().value.clone().unwrap();
    std::str::from_utf8(&value).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_share_all_records_and_each_is_acked_once() {
    let (broker, client) = jobs(QueueSettings::default()).await;
    let mut one = client.queue("jobs").prefetch_records(20).concurrency(20).build().await.unwrap();
    let mut two = client.queue("jobs").prefetch_records(20).concurrency(20).build().await.unwrap();
    publish(&client, 0..200).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 200 {
        let leased = tokio::select! {
            leased = next(&mut one) => leased,
            leased = next(&mut two) => leased,
        };
        assert_eq!((leased.deliveries(), leased.failures()), (1, 0));
        assert!(seen.insert(value(&leased)), "a record came twice");
        leased.ack().await.unwrap();
    }
    one.drain().await;
    two.drain().await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_kept_for_as_long_as_its_worker_works() {
    let settings = QueueSettings { lease_ms: Some(150), ..QueueSettings::default() };
    let (broker, client) = jobs(settings).await;
    publish(&client, 0..1).await;
    let mut worker = client.queue("jobs").build().await.unwrap();
    let leased = next(&mut worker).await;
    // Far longer than the lease: another worker would have it by now.
    let mut other = client.queue("jobs").build().await.unwrap();
    let nothing = tokio::time::timeout(Duration::from_millis(700), other.next()).await;
    assert!(nothing.is_err(), "the lease went on");
    leased.ack().await.unwrap();
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_word_of_a_worker_is_taken() {
    let backoff_ms = Some(vec![0]);
    let (broker, client) = jobs(QueueSettings { backoff_ms, ..QueueSettings::default() }).await;
    publish(&client, 0..1).await;
    let mut worker = client.queue("jobs").build().await.unwrap();
    next(&mut worker).await.release().await.unwrap();
    let leased = next(&mut worker).await;
    assert_eq!((leased.deliveries(), leased.failures()), (2, 0));
    leased.retry("not now").await.unwrap();
    let leased = next(&mut worker).await;
    assert_eq!((leased.deliveries(), leased.failures()), (3, 1));
    drop(leased);
    let leased = next(&mut worker).await;
    assert_eq!((leased.deliveries(), leased.failures()), (4, 2), "what is dropped has failed");
    let past = leased.retry_at(SystemTime::UNIX_EPOCH).await.unwrap_err();
    assert!(matches!(past, SettleError::Request(_)), "{past:?}");
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_records_are_out_than_the_application_wants() {
    let (broker, client) = jobs(QueueSettings::default()).await;
    publish(&client, 0..10).await;
    let mut worker = client.queue("jobs").concurrency(2).build().await.unwrap();
    let (one, two) = (next(&mut worker).await, next(&mut worker).await);
    let third = tokio::time::timeout(Duration::from_millis(100), worker.next()).await;
    assert!(third.is_err(), "two are out");
    one.ack().await.unwrap();
    let third = next(&mut worker).await;
    for leased in [two, third] {
        leased.ack().await.unwrap();
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_drains_gives_back_what_it_has_not_begun() {
    let (broker, client) = jobs(QueueSettings::default()).await;
    publish(&client, 0..10).await;
    let mut worker = client.queue("jobs").build().await.unwrap();
    let begun = next(&mut worker).await;
    let drained = tokio::spawn(worker.drain());
    let done = value(&begun);
    begun.ack().await.unwrap();
    drained.await.unwrap();
    let mut other = client.queue("jobs").build().await.unwrap();
    let mut seen = BTreeSet::from([done]);
    while seen.len() < 10 {
        let leased = next(&mut other).await;
        assert_eq!(leased.failures(), 0, "what was given back has not failed");
        assert!(seen.insert(value(&leased)));
        leased.ack().await.unwrap();
    }
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_of_a_queue_that_is_gone_says_so_and_ends() {
    let (broker, client) = jobs(QueueSettings::default()).await;
    let mut worker = client.queue("jobs").build().await.unwrap();
    client.delete_queue("jobs").await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), worker.next()).await;
    assert!(matches!(ended.unwrap(), Some(Err(WorkError::Refused(_)))));
    assert!(client.queue("jobs").build().await.is_err());
    assert!(client.queue("a/b").build().await.is_err());
    let lease = client.queue("jobs").lease(Duration::ZERO).build().await;
    assert!(lease.is_err());
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_go_back_by_reason_and_key_and_are_worked_on_again() {
    let (broker, client) = jobs(QueueSettings::default()).await;
    let none = client.redrive("jobs", Letters::default()).await.unwrap_err();
    assert!(none.to_string().contains("there is no queue jobs.dead yet"), "{none}");
    publish(&client, 0..4).await;
    let mut worker = client.queue("jobs").build().await.unwrap();
    for _ in 0..4 {
        let leased = next(&mut worker).await;
        let reason = if value(&leased) < 3 { "no such order" } else { "no such customer" };
        leased.reject(reason).await.unwrap();
    }
    let (mut moved, mut looked_at) = (0, 0);
    // They come to the dead letter one by one.
    while moved < 3 {
        let of_order = Letters { reason: "order".to_owned(), ..Letters::default() };
        let Ok(redriven) = client.redrive("jobs", of_order).await else { continue };
        moved += redriven.moved;
        looked_at += redriven.passed_over;
    }
    assert!(moved == 3 && looked_at < 1_000);
    let mut back = BTreeSet::new();
    for _ in 0..3 {
        let leased = next(&mut worker).await;
        assert_eq!(leased.failures(), 0);
        back.insert(value(&leased));
        leased.ack().await.unwrap();
    }
    assert_eq!(back, BTreeSet::from([0, 1, 2]));
    let other = Letters { key: Some("2".into()), max: Some(1), ..Letters::default() };
    assert_eq!(client.redrive("jobs", other).await.unwrap().moved, 0);
    let too_many = Letters { max: Some(10_001), ..Letters::default() };
    assert!(client.redrive("jobs", too_many).await.is_err());
    worker.drain().await;
    broker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_do_not_go_back_to_a_topic_that_could_lose_or_double_them() {
    let broker = Place::crashing().start().await;
    let client = Client::connect(broker.native().to_string()).await.unwrap();
    let written = Settings { durability: Some(Durability::Written), ..Settings::default() };
    client.create_topic("jobs", 1, written).await.unwrap();
    client.create_queue("jobs", QueueSource::default(), QueueSettings::default()).await.unwrap();
    let refused = client.redrive("jobs", Letters::default()).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::DurabilityNotOffered), "{refused}");
    assert!(refused.to_string().contains("topic jobs is not `synced`"), "{refused}");
    broker.stop().await;
}
