//! Topics as clients name them.

use weir_protocol::code::Code;
use weir_protocol::id::TopicId;
use weir_protocol::kafka::{ErrorCode, Text, Uuid};
use weir_protocol::name::TopicName;

use super::codes::error_code;
use crate::session::{Refusal, Session};

/// A topic's name.
pub(super) fn topic_name(text: &Text) -> Result<TopicName, Refusal> {
    TopicName::parse(text.as_str())
        .map_err(|error| Refusal::new(Code::InvalidName, error.to_string()))
}

/// The id of a topic that is named by its id, or by its name where that is nil.
pub(super) fn topic_id(session: &Session, name: &Text, id: Uuid) -> Result<TopicId, Refusal> {
    match id.topic() {
        Some(id) => Ok(id),
        None => session.topic_id(&topic_name(name)?),
    }
}

/// A partition's number.
pub(super) fn partition_number(index: i32) -> Result<u32, Refusal> {
    let negative = |_| Refusal::new(Code::UnknownPartition, "no partition's number is negative");
    u32::try_from(index).map_err(negative)
}

/// What a refusal is told as to who named a topic by this id, or by its name where that is nil.
pub(super) fn error_code_of(refusal: &Refusal, id: Uuid) -> ErrorCode {
    match error_code(refusal.code) {
        _ if refusal.code == Code::UnknownTopic && id != Uuid::NIL => ErrorCode::UnknownTopicId,
        code => code,
    }
}
