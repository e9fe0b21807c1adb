//! What reads.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;
use weir_compat::record::{Blob, Record};

use crate::config;

/// Prints all records of the topics, from their beginning to the end they have now.
pub(crate) fn consume(address: &str, topics: &[&str]) {
    let consumer: BaseConsumer = config(address)
        // It wants one, though it joins none.
        .set("group.id", "none")
        .set("enable.auto.commit", "false")
        .set("check.crcs", "true")
        .create()
        .unwrap();
    let mut ends = HashMap::new();
    let mut places = TopicPartitionList::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
        for partition in metadata.topics()[0].partitions() {
            let (first, end) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE).unwrap();
            if first < end {
                ends.insert(((*topic).to_owned(), partition.id()), end);
                places.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
            }
        }
    }
    consumer.assign(&places).unwrap();
    while !ends.is_empty() {
        let message = consumer.poll(PATIENCE).expect("there are more records").unwrap();
        println!("{}", record(&message).line());
        let place = (message.topic().to_owned(), message.partition());
        if ends.get(&place).is_some_and(|&end| end <= message.offset() + 1) {
            ends.remove(&place);
        }
    }
}

/// Prints the names of all topics.
pub(crate) fn topics(address: &str) {
    let consumer: BaseConsumer = config(address).create().unwrap();
    let metadata = consumer.fetch_metadata(None, PATIENCE).unwrap();
    for topic in metadata.topics() {
        println!("{}", topic.name());
    }
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.map(Blob::from)))
    });
    Record {
        topic: message.topic().to_owned(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().expect("each record has a time"),
        key: message.key().map(Blob::from),
        value: message.payload().map(Blob::from),
        headers: headers.into_iter().flatten().collect(),
    }
}

/// Reads as a member of a group until the input ends; says what it has read and committed.
pub(crate) fn group(address: &str, group: &str, topic: &str) {
    let consumer: BaseConsumer<Assignments> = config(address)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("partition.assignment.strategy", "range")
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "300")
        .create_with_context(Assignments)
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let input = std::thread::spawn(|| io::copy(&mut io::stdin(), &mut io::sink()));
    while !input.is_finished() {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message.unwrap();
        if consumer.commit_message(&message, CommitMode::Sync).is_ok() {
            let value = String::from_utf8_lossy(message.payload().unwrap_or_default());
            println!("read {} {} {value}", message.partition(), message.offset());
        }
    }
}

/// Says what this member is assigned.
struct Assignments;

impl ClientContext for Assignments {}

impl ConsumerContext for Assignments {
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance {
            let mut partitions: Vec<i32> =
                partitions.elements().iter().map(|element| element.partition()).collect();
            partitions.sort_unstable();
            let partitions: Vec<String> = partitions.iter().map(i32::to_string).collect();
            println!("assigned {}", partitions.join(" "));
        }
    }
}

const PATIENCE: Timeout = Timeout::After(Duration::from_secs(60));
