//! Fetch: record batches from an offset on, of any number of partitions.

use super::super::{ErrorCode, Records, Text, Uuid};
use super::{CurrentLeader, NodeEndpoint};

message! {
    pub struct Request {
        cluster_id: Option<Text> = 12.., tag 0;
        /// −1: a consumer. Brokers that follow a leader say who they are.
        replica_id: i32 = 0..=14, default -1;
        replica_state: ReplicaState = 15.., tag 1;
        max_wait_ms: i32 = 0..;
        min_bytes: i32 = 0..;
        max_bytes: i32 = 3.., default i32::MAX;
        /// 0: all records; 1: those of committed transactions.
        isolation_level: i8 = 4..;
        session_id: i32 = 7..;
        /// −1: a fetch without a session; 0: begins one.
        session_epoch: i32 = 7.., default -1;
        topics: Vec<RequestTopic> = 0..;
        forgotten_topics_data: Vec<ForgottenTopic> = 7..;
        rack_id: Text = 11..;
    }

    pub struct ReplicaState {
        replica_id: i32 = 15.., default -1;
        replica_epoch: i64 = 15.., default -1;
    }

    pub struct RequestTopic {
        topic: Text = 0..=12;
        topic_id: Uuid = 13..;
        partitions: Vec<RequestPartition> = 0..;
    }

    pub struct RequestPartition {
        partition: i32 = 0..;
        current_leader_epoch: i32 = 9.., default -1;
        fetch_offset: i64 = 0..;
        last_fetched_epoch: i32 = 12.., default -1;
        log_start_offset: i64 = 5.., default -1;
        partition_max_bytes: i32 = 0..;
        replica_directory_id: Uuid = 17.., tag 0;
        high_watermark: i64 = 18.., tag 1, default i64::MAX;
    }

    /// Partitions that leave the session.
    pub struct ForgottenTopic {
        topic: Text = 7..=12;
        topic_id: Uuid = 13..;
        partitions: Vec<i32> = 7..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 1..;
        error_code: ErrorCode = 7..;
        /// 0: there is no session, the next fetch names all its partitions again.
        session_id: i32 = 7..;
        responses: Vec<ResponseTopic> = 0..;
        node_endpoints: Vec<NodeEndpoint> = 16.., tag 0;
    }

    pub struct ResponseTopic {
        topic: Text = 0..=12;
        topic_id: Uuid = 13..;
        partitions: Vec<ResponsePartition> = 0..;
    }

    pub struct ResponsePartition {
        partition_index: i32 = 0..;
        error_code: ErrorCode = 0..;
        high_watermark: i64 = 0..;
        last_stable_offset: i64 = 4.., default -1;
        log_start_offset: i64 = 5.., default -1;
        diverging_epoch: EpochEndOffset = 12.., tag 0;
        current_leader: CurrentLeader = 12.., tag 1;
        snapshot_id: SnapshotId = 12.., tag 2;
        aborted_transactions: Option<Vec<AbortedTransaction>> = 4..;
        preferred_read_replica: i32 = 11.., default -1;
        /// Whole batches, the first of which may begin below the offset that was asked for.
        records: Option<Records> = 0..;
    }

    pub struct EpochEndOffset {
        epoch: i32 = 12.., default -1;
        end_offset: i64 = 12.., default -1;
    }

    pub struct SnapshotId {
        end_offset: i64 = 0.., default -1;
        epoch: i32 = 0.., default -1;
    }

    pub struct AbortedTransaction {
        producer_id: i64 = 4..;
        first_offset: i64 = 4..;
    }
}
