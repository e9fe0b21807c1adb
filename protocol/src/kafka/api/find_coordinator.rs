//! FindCoordinator: which broker keeps a group or a transaction.

use super::super::{ErrorCode, Text};

/// As a key's type: a consumer group.
pub const GROUP: i8 = 0;

/// As a key's type: a transactional id.
pub const TRANSACTION: i8 = 1;

/// As a key's type: a partition of a share group.
pub const SHARE: i8 = 2;

message! {
    pub struct Request {
        key: Text = 0..=3;
        key_type: i8 = 1..;
        coordinator_keys: Vec<Text> = 4..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 1..;
        error_code: ErrorCode = 0..=3;
        error_message: Option<Text> = 1..=3;
        node_id: i32 = 0..=3;
        host: Text = 0..=3;
        port: i32 = 0..=3;
        coordinators: Vec<Coordinator> = 4..;
    }

    pub struct Coordinator {
        key: Text = 4..;
        node_id: i32 = 4..;
        host: Text = 4..;
        port: i32 = 4..;
        error_code: ErrorCode = 4..;
        error_message: Option<Text> = 4..;
    }
}
