//! OffsetDelete: a group's offsets of some partitions go.

use super::super::{ErrorCode, Text};

message! {
    pub struct Request {
        group_id: Text = 0..;
        topics: Vec<RequestTopic> = 0..;
    }

    pub struct RequestTopic {
        name: Text = 0..;
        partitions: Vec<RequestPartition> = 0..;
    }

    pub struct RequestPartition {
        partition_index: i32 = 0..;
    }

    pub struct Response {
        error_code: ErrorCode = 0..;
        throttle_time_ms: i32 = 0..;
        topics: Vec<ResponseTopic> = 0..;
    }

    pub struct ResponseTopic {
        name: Text = 0..;
        partitions: Vec<ResponsePartition> = 0..;
    }

    pub struct ResponsePartition {
        partition_index: i32 = 0..;
        error_code: ErrorCode = 0..;
    }
}
