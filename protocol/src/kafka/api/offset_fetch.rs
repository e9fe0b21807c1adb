//! OffsetFetch: how far groups have come; from version 8 on several groups at once.

use super::super::{ErrorCode, Text, Uuid};

message! {
    pub struct Request {
        group_id: Text = 0..=7;
        /// Null: all that the group has committed.
        topics: Option<Vec<RequestTopic>> = 0..=7, null 2..;
        groups: Vec<RequestGroup> = 8..;
        /// Refuse, rather than answer what an open transaction may change.
        require_stable: bool = 7..;
    }

    pub struct RequestTopic {
        name: Text = 0..=7;
        partition_indexes: Vec<i32> = 0..=7;
    }

    pub struct RequestGroup {
        group_id: Text = 8..;
        member_id: Option<Text> = 9..;
        member_epoch: i32 = 9.., default -1;
        /// Null: all that the group has committed.
        topics: Option<Vec<RequestGroupTopic>> = 8..;
    }

    pub struct RequestGroupTopic {
        name: Text = 8..=9;
        topic_id: Uuid = 10..;
        partition_indexes: Vec<i32> = 8..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 3..;
        topics: Vec<ResponseTopic> = 0..=7;
        error_code: ErrorCode = 2..=7;
        groups: Vec<ResponseGroup> = 8..;
    }

    pub struct ResponseTopic {
        name: Text = 0..=7;
        partitions: Vec<Partition> = 0..=7;
    }

    pub struct ResponseGroup {
        group_id: Text = 8..;
        topics: Vec<ResponseGroupTopic> = 8..;
        error_code: ErrorCode = 8..;
    }

    pub struct ResponseGroupTopic {
        name: Text = 8..=9;
        topic_id: Uuid = 10..;
        partitions: Vec<Partition> = 8..;
    }

    /// Of a topic on its own, or of a group's.
    pub struct Partition {
        partition_index: i32 = 0..;
        /// −1: nothing is committed.
        committed_offset: i64 = 0..;
        committed_leader_epoch: i32 = 5.., default -1;
        metadata: Option<Text> = 0..;
        error_code: ErrorCode = 0..;
    }
}
