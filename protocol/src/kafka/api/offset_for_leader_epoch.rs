//! OffsetForLeaderEpoch: where a leader's epoch ended, by which a client sees that its log was cut.

use super::super::{ErrorCode, Text};

message! {
    pub struct Request {
        /// −1: a consumer; −2: one that does not say.
        replica_id: i32 = 3.., default -2;
        topics: Vec<RequestTopic> = 0..;
    }

    pub struct RequestTopic {
        topic: Text = 0..;
        partitions: Vec<RequestPartition> = 0..;
    }

    pub struct RequestPartition {
        partition: i32 = 0..;
        current_leader_epoch: i32 = 2.., default -1;
        leader_epoch: i32 = 0..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 2..;
        topics: Vec<ResponseTopic> = 0..;
    }

    pub struct ResponseTopic {
        topic: Text = 0..;
        partitions: Vec<ResponsePartition> = 0..;
    }

    pub struct ResponsePartition {
        error_code: ErrorCode = 0..;
        partition: i32 = 0..;
        /// The highest epoch that is not above the one that was asked for.
        leader_epoch: i32 = 1.., default -1;
        /// Behind that epoch's last record.
        end_offset: i64 = 0.., default -1;
    }
}
