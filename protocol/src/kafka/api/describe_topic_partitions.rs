//! DescribeTopicPartitions: topics and their partitions, a page at a time.

use super::super::{ErrorCode, Text, Uuid};
use super::metadata::OPERATIONS_NOT_ASKED;

message! {
    pub struct Request {
        topics: Vec<RequestTopic> = 0..;
        response_partition_limit: i32 = 0.., default 2_000;
        /// Where the page begins; null: at the first topic.
        cursor: Option<Cursor> = 0..;
    }

    pub struct RequestTopic {
        name: Text = 0..;
    }

    pub struct Cursor {
        topic_name: Text = 0..;
        partition_index: i32 = 0..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 0..;
        topics: Vec<ResponseTopic> = 0..;
        /// Where the next page begins; null: there is none.
        next_cursor: Option<Cursor> = 0..;
    }

    pub struct ResponseTopic {
        error_code: ErrorCode = 0..;
        name: Option<Text> = 0..;
        topic_id: Uuid = 0..;
        is_internal: bool = 0..;
        partitions: Vec<Partition> = 0..;
        topic_authorized_operations: i32 = 0.., default OPERATIONS_NOT_ASKED;
    }

    pub struct Partition {
        error_code: ErrorCode = 0..;
        partition_index: i32 = 0..;
        leader_id: i32 = 0..;
        leader_epoch: i32 = 0.., default -1;
        replica_nodes: Vec<i32> = 0..;
        isr_nodes: Vec<i32> = 0..;
        eligible_leader_replicas: Option<Vec<i32>> = 0..;
        last_known_elr: Option<Vec<i32>> = 0..;
        offline_replicas: Vec<i32> = 0..;
    }
}
