//! DescribeLogDirs: what lies in the broker's directories, and how much room is left there.

use super::super::{ErrorCode, Text};

message! {
    pub struct Request {
        /// Null: all topics.
        topics: Option<Vec<RequestTopic>> = 0..;
    }

    pub struct RequestTopic {
        topic: Text = 0..;
        partitions: Vec<i32> = 0..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 0..;
        error_code: ErrorCode = 3..;
        results: Vec<LogDir> = 0..;
    }

    pub struct LogDir {
        error_code: ErrorCode = 0..;
        log_dir: Text = 0..;
        topics: Vec<ResponseTopic> = 0..;
        total_bytes: i64 = 4.., default -1;
        usable_bytes: i64 = 4.., default -1;
    }

    pub struct ResponseTopic {
        name: Text = 0..;
        partitions: Vec<Partition> = 0..;
    }

    pub struct Partition {
        partition_index: i32 = 0..;
        /// Bytes of all its segments.
        partition_size: i64 = 0..;
        offset_lag: i64 = 0..;
        is_future_key: bool = 0..;
    }
}
