//! What is measured: how many records a second are sent and read, and how long each takes at a
//! fixed rate.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;

use crate::config;

/// Sends records of one size; prints the rate they were acknowledged at, and p50, p99 and p99.9 of
/// how long that took, in microseconds from when each was due. At a rate of 0 all are due at once.
pub(crate) fn produce(address: &str, topic: &str, acks: &str, [count, bytes, rate]: [usize; 3]) {
    let linger_ms = if rate == 0 { "5" } else { "0" };
    let producer: ThreadedProducer<Acknowledged> = config(address)
        .set("acks", acks)
        .set("linger.ms", linger_ms)
        .create_with_context(Acknowledged::default())
        .unwrap();
    // Topic and connection are known before the clock starts.
    producer.client().fetch_metadata(Some(topic), PATIENCE).unwrap();
    let payload: Vec<u8> = (0..bytes).map(|at| (at * 31 % 251) as u8).collect();
    let started = Instant::now();
    producer.context().begin(started);
    for number in 0..count {
        let due_us = (number * 1_000_000).checked_div(rate).unwrap_or(0);
        let due = started + Duration::from_micros(due_us as u64);
        while let Some(left) = due.checked_duration_since(Instant::now()) {
            thread::park_timeout(left);
        }
        let mut record =
            BaseRecord::<(), [u8], usize>::with_opaque_to(topic, due_us).payload(&payload);
        while let Err((error, again)) = producer.send(record) {
            let is_full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            assert_eq!(error, is_full);
            record = again;
            producer.poll(Duration::from_millis(1));
        }
    }
    producer.flush(PATIENCE).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let mut waits_us = producer.context().waits_us();
    assert_eq!(waits_us.len(), count, "each is acknowledged");
    waits_us.sort_unstable();
    let quantile = |of: f64| waits_us[((count - 1) as f64 * of) as usize];
    let (p50, p99, p999) = (quantile(0.5), quantile(0.99), quantile(0.999));
    println!("{:.0} {p50} {p99} {p999}", count as f64 / seconds);
}

/// Reads all records of a topic; prints the rate.
pub(crate) fn fetch(address: &str, topic: &str) {
    let consumer: BaseConsumer = config(address)
        .set("group.id", "none")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let (mut left, mut places) = (0, TopicPartitionList::new());
    for partition in metadata.topics()[0].partitions() {
        let (first, end) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE).unwrap();
        left += end - first;
        places.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
    }
    let (count, started) = (left, Instant::now());
    consumer.assign(&places).unwrap();
    while 0 < left {
        consumer.poll(PATIENCE).expect("there are more records").unwrap();
        left -= 1;
    }
    println!("{:.0}", count as f64 / started.elapsed().as_secs_f64());
}

/// When the clock started, and how long each record took.
#[derive(Default)]
struct Acknowledged(Mutex<(Option<Instant>, Vec<u32>)>);

impl Acknowledged {
    fn begin(&self, started: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = Some(started);
    }

    fn waits_us(&self) -> Vec<u32> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner).1)
    }
}

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, due_us: usize) {
        if let Err((error, _)) = result {
            eprintln!("not delivered: {error}");
            std::process::exit(1);
        }
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let started = noted.0.expect("the clock was started");
        noted.1.push((started.elapsed().as_micros() as usize - due_us) as u32);
    }
}

const PATIENCE: Timeout = Timeout::After(Duration::from_secs(120));
