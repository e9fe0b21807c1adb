//! Metadata: brokers, topics, partitions and who leads them.

use super::super::{ErrorCode, Text, Uuid};

/// As authorized operations: they were not asked for.
pub const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

message! {
    pub struct Request {
        /// Null: all topics. Version 0 cannot say null and means all by none.
        topics: Option<Vec<RequestTopic>> = 0.., null 1..;
        /// Versions that lack it make topics.
        allow_auto_topic_creation: bool = 4.., default true;
        include_cluster_authorized_operations: bool = 8..=10;
        include_topic_authorized_operations: bool = 8..;
    }

    pub struct RequestTopic {
        topic_id: Uuid = 10..;
        /// Null where the id alone is known.
        name: Option<Text> = 0.., null 10..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 3..;
        brokers: Vec<Broker> = 0..;
        cluster_id: Option<Text> = 2..;
        controller_id: i32 = 1.., default -1;
        topics: Vec<ResponseTopic> = 0..;
        cluster_authorized_operations: i32 = 8..=10, default OPERATIONS_NOT_ASKED;
        error_code: ErrorCode = 13..;
    }

    pub struct Broker {
        node_id: i32 = 0..;
        host: Text = 0..;
        port: i32 = 0..;
        rack: Option<Text> = 1..;
    }

    pub struct ResponseTopic {
        error_code: ErrorCode = 0..;
        /// Null where it was asked for by an id that no topic has.
        name: Option<Text> = 0.., null 12..;
        topic_id: Uuid = 10..;
        is_internal: bool = 1..;
        partitions: Vec<Partition> = 0..;
        topic_authorized_operations: i32 = 8.., default OPERATIONS_NOT_ASKED;
    }

    pub struct Partition {
        error_code: ErrorCode = 0..;
        partition_index: i32 = 0..;
        leader_id: i32 = 0..;
        leader_epoch: i32 = 7.., default -1;
        replica_nodes: Vec<i32> = 0..;
        isr_nodes: Vec<i32> = 0..;
        offline_replicas: Vec<i32> = 5..;
    }
}
