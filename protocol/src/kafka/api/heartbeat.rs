//! Heartbeat: a member lives, and hears whether its group rebalances.

use super::super::{ErrorCode, Text};

message! {
    pub struct Request {
        group_id: Text = 0..;
        generation_id: i32 = 0..;
        member_id: Text = 0..;
        group_instance_id: Option<Text> = 3..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 1..;
        error_code: ErrorCode = 0..;
    }
}
