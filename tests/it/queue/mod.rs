//! Work queues at their doors: the native protocol, HTTP and the Rust client.

mod catalog;
mod client;
mod damage;
mod faults;
mod jobs;
mod parking;
mod times;
mod work;

use weir_protocol::name::{QueueName, TopicName};

fn name(name: &str) -> QueueName {
    QueueName::parse(name).unwrap()
}

fn topic_name(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}
