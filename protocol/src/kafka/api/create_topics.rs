//! CreateTopics: topics with their partitions and settings.

use super::super::{ErrorCode, Text, Uuid};

message! {
    pub struct Request {
        topics: Vec<NewTopic> = 0..;
        timeout_ms: i32 = 0.., default 60_000;
        /// Say what would happen, and do nothing.
        validate_only: bool = 1..;
    }

    pub struct NewTopic {
        name: Text = 0..;
        /// −1: as the broker's settings say, or as `assignments` do.
        num_partitions: i32 = 0..;
        replication_factor: i16 = 0..;
        assignments: Vec<Assignment> = 0..;
        configs: Vec<NewConfig> = 0..;
    }

    /// Which brokers have a partition.
    pub struct Assignment {
        partition_index: i32 = 0..;
        broker_ids: Vec<i32> = 0..;
    }

    pub struct NewConfig {
        name: Text = 0..;
        value: Option<Text> = 0..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 2..;
        topics: Vec<Created> = 0..;
    }

    pub struct Created {
        name: Text = 0..;
        topic_id: Uuid = 7..;
        error_code: ErrorCode = 0..;
        error_message: Option<Text> = 1..;
        /// Why the configs below are left out.
        topic_config_error_code: ErrorCode = 5.., tag 0;
        num_partitions: i32 = 5.., default -1;
        replication_factor: i16 = 5.., default -1;
        configs: Option<Vec<Config>> = 5..;
    }

    pub struct Config {
        name: Text = 5..;
        value: Option<Text> = 5..;
        read_only: bool = 5..;
        config_source: i8 = 5.., default -1;
        is_sensitive: bool = 5..;
    }
}
