//! DeleteRecords: all records of a partition below an offset go.

use super::super::{ErrorCode, Text};

message! {
    pub struct Request {
        topics: Vec<RequestTopic> = 0..;
        timeout_ms: i32 = 0..;
    }

    pub struct RequestTopic {
        name: Text = 0..;
        partitions: Vec<RequestPartition> = 0..;
    }

    pub struct RequestPartition {
        partition_index: i32 = 0..;
        /// −1: all that is visible.
        offset: i64 = 0..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 0..;
        topics: Vec<ResponseTopic> = 0..;
    }

    pub struct ResponseTopic {
        name: Text = 0..;
        partitions: Vec<ResponsePartition> = 0..;
    }

    pub struct ResponsePartition {
        partition_index: i32 = 0..;
        /// The first offset that is still there.
        low_watermark: i64 = 0..;
        error_code: ErrorCode = 0..;
    }
}
