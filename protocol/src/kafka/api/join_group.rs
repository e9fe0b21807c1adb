//! JoinGroup: a member enters a group's next generation, or stays in it.

use bytes::Bytes;

use super::super::{ErrorCode, Text};

message! {
    pub struct Request {
        group_id: Text = 0..;
        session_timeout_ms: i32 = 0..;
        /// How long a rebalance waits for this member; version 0 takes the session's time for it.
        rebalance_timeout_ms: i32 = 1.., default -1;
        /// Empty: not a member yet.
        member_id: Text = 0..;
        /// The name of a static member, which it keeps over restarts.
        group_instance_id: Option<Text> = 5..;
        protocol_type: Text = 0..;
        /// The strategies that the member knows, the one it likes best first.
        protocols: Vec<Protocol> = 0..;
        reason: Option<Text> = 8..;
    }

    pub struct Protocol {
        name: Text = 0..;
        metadata: Bytes = 0..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 2..;
        error_code: ErrorCode = 0..;
        generation_id: i32 = 0.., default -1;
        protocol_type: Option<Text> = 7..;
        protocol_name: Option<Text> = 0.., null 7..;
        leader: Text = 0..;
        skip_assignment: bool = 9..;
        member_id: Text = 0..;
        /// All members, for the leader alone.
        members: Vec<Member> = 0..;
    }

    pub struct Member {
        member_id: Text = 0..;
        group_instance_id: Option<Text> = 5..;
        metadata: Bytes = 0..;
    }
}
