//! Live readers that come back to much of which each wants little: they share the way through it.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use weir_tests::Place;

use super::Web;
use super::events::Events;

const READERS: u64 = 40;
const RECORDS: u64 = 2_400;

/// Records with these numbers; reader `number % READERS` wants it.
fn padded(numbers: std::ops::Range<u64>) -> String {
    let pad = "x".repeat(4_000);
    let of = |number: u64| {
        let key = format!("reader.{}", number % READERS);
        json!({"partition": number % 2, "key": key, "value": [number, pad]})
    };
    Value::from(numbers.map(of).collect::<Vec<_>>()).to_string()
}

fn metric(web: &Web, name: &str) -> u64 {
    let metrics = web.broker.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.expect("it is counted").parse().unwrap()
}

/// All records that a reader gets from the beginning, and then from the ring.
async fn followed(web: Arc<Web>, reader: u64, told: tokio::sync::mpsc::Sender<()>) {
    let path = format!("/v1/topics/t/live?from=earliest&match=reader.{reader}");
    let mut events = Events::open(&web, &path, None).await;
    let mut next = [reader, reader];
    for had in 0..RECORDS / READERS + 1 {
        let data = loop {
            let event = events.next().await.expect("the stream goes on");
            if event.name == "message" {
                break event.data;
            }
            assert_eq!(event.name, "position", "{}", event.data);
        };
        // READERS is even, so all of a reader's records are in one partition.
        let partition = data["partition"].as_u64().unwrap() as usize;
        assert_eq!(
            (data["value"][0].as_u64(), partition as u64),
            (Some(next[partition]), reader % 2)
        );
        next[partition] += READERS;
        if had + 1 == RECORDS / READERS {
            told.send(()).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_come_back_together_share_the_walks_of_the_log() {
    let place = Place::real().configured("[limits]\nlive_ring_bytes_max = 65536\n");
    let web = Arc::new(Web::of(place.start().await));
    web.create("t", 2).await;
    for from in (0..RECORDS).step_by(100) {
        web.publish("t", padded(from..from + 100)).await;
    }
    let log_bytes = metric(&web, "weir_produced_bytes_total");
    let (told, mut caught_up) = tokio::sync::mpsc::channel(READERS as usize);
    let mut readers = JoinSet::new();
    for reader in 0..READERS {
        readers.spawn(followed(Arc::clone(&web), reader, told.clone()));
    }
    for _ in 0..READERS {
        caught_up.recv().await.unwrap();
    }
    // Each walked by itself would be READERS times; two are what is promised to those who come
    // during one sweep, and a slow machine lets some come later.
    let walked = metric(&web, "weir_live_walked_bytes_total");
    assert!(log_bytes <= walked && walked <= 4 * log_bytes, "{walked} walked of {log_bytes}");
    web.publish("t", padded(RECORDS..RECORDS + READERS)).await;
    readers.join_all().await;
    Arc::into_inner(web).expect("all readers left").broker.stop().await;
}
