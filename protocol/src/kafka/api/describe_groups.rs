//! DescribeGroups: the state of groups and their members.

use bytes::Bytes;

use super::super::{ErrorCode, Text};
use super::metadata::OPERATIONS_NOT_ASKED;

message! {
    pub struct Request {
        groups: Vec<Text> = 0..;
        include_authorized_operations: bool = 3..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 1..;
        groups: Vec<Group> = 0..;
    }

    pub struct Group {
        error_code: ErrorCode = 0..;
        error_message: Option<Text> = 6..;
        group_id: Text = 0..;
        group_state: Text = 0..;
        protocol_type: Text = 0..;
        /// The strategy that was chosen, by name.
        protocol_data: Text = 0..;
        members: Vec<Member> = 0..;
        authorized_operations: i32 = 3.., default OPERATIONS_NOT_ASKED;
    }

    pub struct Member {
        member_id: Text = 0..;
        group_instance_id: Option<Text> = 4..;
        client_id: Text = 0..;
        client_host: Text = 0..;
        member_metadata: Bytes = 0..;
        member_assignment: Bytes = 0..;
    }
}
