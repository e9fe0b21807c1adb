//! OffsetCommit: how far a group has come in each partition.

use super::super::{ErrorCode, Text, Uuid};

message! {
    pub struct Request {
        group_id: Text = 0..;
        /// −1: from outside of any generation.
        generation_id_or_member_epoch: i32 = 1.., default -1;
        member_id: Text = 1..;
        group_instance_id: Option<Text> = 7..;
        /// −1: as long as the broker keeps offsets.
        retention_time_ms: i64 = 2..=4, default -1;
        topics: Vec<RequestTopic> = 0..;
    }

    pub struct RequestTopic {
        name: Text = 0..=9;
        topic_id: Uuid = 10..;
        partitions: Vec<RequestPartition> = 0..;
    }

    pub struct RequestPartition {
        partition_index: i32 = 0..;
        /// The next offset to be read.
        committed_offset: i64 = 0..;
        committed_leader_epoch: i32 = 6.., default -1;
        committed_metadata: Option<Text> = 0..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 3..;
        topics: Vec<ResponseTopic> = 0..;
    }

    pub struct ResponseTopic {
        name: Text = 0..=9;
        topic_id: Uuid = 10..;
        partitions: Vec<ResponsePartition> = 0..;
    }

    pub struct ResponsePartition {
        partition_index: i32 = 0..;
        error_code: ErrorCode = 0..;
    }
}
