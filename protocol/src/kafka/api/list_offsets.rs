//! ListOffsets: the offset that a point in time has, in any number of partitions.

use super::super::{ErrorCode, Text};

/// As a request's timestamp: the offset that the next record gets.
pub const LATEST: i64 = -1;

/// As a request's timestamp: the first offset that is still there.
pub const EARLIEST: i64 = -2;

/// As a request's timestamp: the record with the highest timestamp.
pub const MAX_TIMESTAMP: i64 = -3;

/// As a request's timestamp: the first offset on the broker's own disk.
pub const EARLIEST_LOCAL: i64 = -4;

/// As a request's timestamp: the last offset that went to remote storage.
pub const LATEST_TIERED: i64 = -5;

/// As a request's timestamp: the first offset that has yet to go to remote storage.
pub const EARLIEST_PENDING_UPLOAD: i64 = -6;

message! {
    pub struct Request {
        /// −1: a consumer.
        replica_id: i32 = 0..;
        isolation_level: i8 = 2..;
        topics: Vec<RequestTopic> = 0..;
        timeout_ms: i32 = 10..;
    }

    pub struct RequestTopic {
        name: Text = 0..;
        partitions: Vec<RequestPartition> = 0..;
    }

    pub struct RequestPartition {
        partition_index: i32 = 0..;
        current_leader_epoch: i32 = 4.., default -1;
        /// Milliseconds since 1970, or one of the numbers above.
        timestamp: i64 = 0..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 2..;
        topics: Vec<ResponseTopic> = 0..;
    }

    pub struct ResponseTopic {
        name: Text = 0..;
        partitions: Vec<ResponsePartition> = 0..;
    }

    pub struct ResponsePartition {
        partition_index: i32 = 0..;
        error_code: ErrorCode = 0..;
        timestamp: i64 = 1.., default -1;
        offset: i64 = 1.., default -1;
        leader_epoch: i32 = 4.., default -1;
    }
}
