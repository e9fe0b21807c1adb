//! ListGroups: which groups there are.

use super::super::{ErrorCode, Text};

message! {
    pub struct Request {
        /// None: groups in any state.
        states_filter: Vec<Text> = 4..;
        /// None: groups of any type.
        types_filter: Vec<Text> = 5..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 1..;
        error_code: ErrorCode = 0..;
        groups: Vec<Group> = 0..;
    }

    pub struct Group {
        group_id: Text = 0..;
        protocol_type: Text = 0..;
        group_state: Text = 4..;
        group_type: Text = 5..;
    }
}
