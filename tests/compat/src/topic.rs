//! Topics made by librdkafka's admin client.

use std::net::SocketAddr;
use std::time::Duration;

use futures_executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

/// Makes topics with as many partitions, and waits until the broker says that they are there.
///
/// # Panics
/// If it does not.
pub fn create(address: SocketAddr, topics: &[String], partitions: u32) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", address.to_string())
        .create()
        .expect("these settings are valid");
    let partitions = partitions.try_into().expect("a topic has few partitions");
    let topics: Vec<NewTopic<'_>> = topics
        .iter()
        .map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(1)))
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(Duration::from_secs(60)))
        .operation_timeout(Some(Duration::from_secs(60)));
    let made = block_on(admin.create_topics(&topics, &options)).expect("the broker answers");
    for topic in made {
        topic.expect("a topic is made");
    }
}
