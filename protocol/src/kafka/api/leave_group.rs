//! LeaveGroup: members go; from version 3 on several at once, which an administrator may ask for.

use super::super::{ErrorCode, Text};

message! {
    pub struct Request {
        group_id: Text = 0..;
        member_id: Text = 0..=2;
        members: Vec<RequestMember> = 3..;
    }

    pub struct RequestMember {
        member_id: Text = 3..;
        group_instance_id: Option<Text> = 3..;
        reason: Option<Text> = 5..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 1..;
        error_code: ErrorCode = 0..;
        members: Vec<ResponseMember> = 3..;
    }

    pub struct ResponseMember {
        member_id: Text = 3..;
        group_instance_id: Option<Text> = 3..;
        error_code: ErrorCode = 3..;
    }
}
