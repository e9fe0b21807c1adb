//! DeleteGroups: groups without members go, and their offsets with them.

use super::super::{ErrorCode, Text};

message! {
    pub struct Request {
        groups_names: Vec<Text> = 0..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 0..;
        results: Vec<Deleted> = 0..;
    }

    pub struct Deleted {
        group_id: Text = 0..;
        error_code: ErrorCode = 0..;
    }
}
