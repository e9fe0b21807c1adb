//! CreatePartitions: topics get more partitions.

use super::super::{ErrorCode, Text};

message! {
    pub struct Request {
        topics: Vec<Topic> = 0..;
        timeout_ms: i32 = 0..;
        /// Say what would happen, and do nothing.
        validate_only: bool = 0..;
    }

    pub struct Topic {
        name: Text = 0..;
        /// As many as there are then, the old ones with them.
        count: i32 = 0..;
        assignments: Option<Vec<Assignment>> = 0..;
    }

    /// Which brokers have a new partition.
    pub struct Assignment {
        broker_ids: Vec<i32> = 0..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 0..;
        results: Vec<Extended> = 0..;
    }

    pub struct Extended {
        name: Text = 0..;
        error_code: ErrorCode = 0..;
        error_message: Option<Text> = 0..;
    }
}
