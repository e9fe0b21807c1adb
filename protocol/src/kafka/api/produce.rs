//! Produce: record batches to be stored, for any number of partitions.

use bytes::Bytes;

use super::super::{ErrorCode, Text, Uuid};
use super::{CurrentLeader, NodeEndpoint};

message! {
    pub struct Request {
        transactional_id: Option<Text> = 3..;
        /// 0: do not answer; 1: once written; −1: once as safe as the topic makes it.
        acks: i16 = 0..;
        timeout_ms: i32 = 0..;
        topic_data: Vec<RequestTopic> = 0..;
    }

    pub struct RequestTopic {
        name: Text = 0..=12;
        topic_id: Uuid = 13..;
        partition_data: Vec<RequestPartition> = 0..;
    }

    pub struct RequestPartition {
        index: i32 = 0..;
        /// One record batch, not yet checked: a view of the received bytes.
        records: Option<Bytes> = 0..;
    }

    pub struct Response {
        responses: Vec<ResponseTopic> = 0..;
        throttle_time_ms: i32 = 1..;
        node_endpoints: Vec<NodeEndpoint> = 10.., tag 0;
    }

    pub struct ResponseTopic {
        name: Text = 0..=12;
        topic_id: Uuid = 13..;
        partition_responses: Vec<ResponsePartition> = 0..;
    }

    pub struct ResponsePartition {
        index: i32 = 0..;
        error_code: ErrorCode = 0..;
        base_offset: i64 = 0..;
        /// The broker's time where the topic takes that; −1 where records keep their own.
        log_append_time_ms: i64 = 2.., default -1;
        log_start_offset: i64 = 5.., default -1;
        /// Which records of the batch are at fault.
        record_errors: Vec<RecordError> = 8..;
        error_message: Option<Text> = 8..;
        current_leader: CurrentLeader = 10.., tag 0;
    }

    pub struct RecordError {
        batch_index: i32 = 8..;
        batch_index_error_message: Option<Text> = 8..;
    }
}
