//! DeleteTopics: topics go, by name or from version 6 on by id.

use super::super::{ErrorCode, Text, Uuid};

message! {
    pub struct Request {
        topics: Vec<Topic> = 6..;
        topic_names: Vec<Text> = 1..=5;
        timeout_ms: i32 = 1..;
    }

    pub struct Topic {
        /// Null: the id says which.
        name: Option<Text> = 6..;
        topic_id: Uuid = 6..;
    }

    pub struct Response {
        throttle_time_ms: i32 = 1..;
        responses: Vec<Deleted> = 1..;
    }

    pub struct Deleted {
        /// Null where it was asked for by an id that no topic has.
        name: Option<Text> = 1.., null 6..;
        topic_id: Uuid = 6..;
        error_code: ErrorCode = 1..;
        error_message: Option<Text> = 5..;
    }
}
