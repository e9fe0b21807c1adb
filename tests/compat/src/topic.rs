//! Topics made, and their records deleted, by librdkafka's admin client.

use std::net::SocketAddr;
use std::time::Duration;

use futures_executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// Deletes the records of a partition before an offset.
///
/// # Panics
/// If they are not.
pub fn delete_records(address: SocketAddr, topic: &str, partition: i32, before: i64) {
    let mut places = TopicPartitionList::new();
    let before = Offset::Offset(before);
    places.add_partition_offset(topic, partition, before).expect("an offset is one");
    let deleted = block_on(admin(address).delete_records(&places, &options()));
    for place in deleted.expect("the broker answers").elements() {
        place.error().expect("records are deleted");
    }
}

/// Makes topics with as many partitions, and waits until the broker says that they are there.
///
/// # Panics
/// If it does not.
pub fn create(address: SocketAddr, topics: &[String], partitions: u32) {
    let partitions = partitions.try_into().expect("a topic has few partitions");
    let topics: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(1)))
        .collect();
    let made = block_on(admin(address).create_topics(&topics, &options()));
    for topic in made.expect("the broker answers") {
        topic.expect("a topic is made");
    }
}

/// Makes a topic with these settings.
///
/// # Panics
/// If the broker refuses it.
pub fn create_with(address: SocketAddr, topic: &str, partitions: u32, settings: &[(&str, &str)]) {
    let partitions = partitions.try_into().expect("a topic has few partitions");
    let mut topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    for (name, value) in settings {
        topic = topic.set(name, value);
    }
    let made = block_on(admin(address).create_topics([&topic], &options()));
    for topic in made.expect("the broker answers") {
        topic.expect("a topic is made");
    }
}

fn admin(address: SocketAddr) -> AdminClient<DefaultClientContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address.to_string());
    config.create().expect("these settings are valid")
}

fn options() -> AdminOptions {
    let patience = Some(Duration::from_secs(60));
    AdminOptions::new().request_timeout(patience).operation_timeout(patience)
}
