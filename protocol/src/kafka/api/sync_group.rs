//! SyncGroup: the leader hands in what each member gets, every member takes its own.

use bytes::Bytes;

use super::super::{ErrorCode, Text};

message! {
    pub struct Request {
        group_id: Text = 0..;
        generation_id: i32 = 0..;
        member_id: Text = 0..;
        group_instance_id: Option<Text> = 3..;
        protocol_type: Option<Text> = 5..;
        protocol_name: Option<Text> = 5..;
        /// From the leader alone.
        assignments: Vec<Assignment> = 0..;
    }

    pub struct Assignment {
        member_id: Text = 0..;
        assignment: Bytes = 0..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 1..;
        error_code: ErrorCode = 0..;
        protocol_type: Option<Text> = 5..;
        protocol_name: Option<Text> = 5..;
        assignment: Bytes = 0..;
    }
}
