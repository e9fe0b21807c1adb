//! What a topic, a queue and a group are called: parsed once, valid ever after.
//!
//! The rule for topics is Kafka's, so that every topic is reachable from every face: 1 to 249
//! bytes of `A-Z a-z 0-9 . _ -`, and neither `.` nor `..`. Names are for people and requests;
//! everything stored is keyed by [`TopicId`](crate::id::TopicId).
//!
//! Queues keep the same rule, and are a little shorter: a queue `jobs` has topics of its own, such
//! as `jobs.dead`, whose names must be names too.
//!
//! Groups may be called what they like, as in Kafka, but not longer than a limit and without
//! control characters, which would forge lines of a log or a listing.
//!
//! Invariant: a `TopicName`, `QueueName` or `GroupName` that exists keeps its rule.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::limits::{GROUP_NAME_BYTES_MAX, NAME_BYTES_MAX, QUEUE_NAME_BYTES_MAX};

/// A topic's name. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// Takes `name` if it keeps the rule.
    ///
    /// # Errors
    /// What breaks the rule; nothing but another name will do.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        check(name)?;
        Ok(Self(Arc::from(name)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TopicName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::parse(name)
    }
}

impl AsRef<str> for TopicName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicName({})", self.0)
    }
}

/// A queue's name. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(Arc<str>);

impl QueueName {
    /// Takes `name` if it keeps the rule.
    ///
    /// # Errors
    /// What breaks the rule; nothing but another name will do.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        check(name)?;
        if QUEUE_NAME_BYTES_MAX < name.len() {
            return Err(NameError::QueueTooLong { bytes: name.len() });
        }
        Ok(Self(Arc::from(name)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The topic that a queue reads where none is named.
    pub fn topic(&self) -> TopicName {
        TopicName(Arc::clone(&self.0))
    }

    /// The topic that its dead records go to where none is named.
    pub fn dead_letter(&self) -> TopicName {
        TopicName::parse(&format!("{}.dead", self.0)).expect("a queue's name leaves room for it")
    }

    /// The topic of what it has put aside.
    pub fn parked(&self) -> TopicName {
        TopicName::parse(&format!("{}.parked", self.0)).expect("a queue's name leaves room for it")
    }
}

impl FromStr for QueueName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::parse(name)
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QueueName({})", self.0)
    }
}

/// A consumer group's name. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// Takes `name` if it keeps the rule: 1 to 255 bytes of UTF-8 without control characters.
    ///
    /// # Errors
    /// What breaks the rule; nothing but another name will do.
    pub fn parse(name: &str) -> Result<Self, GroupNameError> {
        if name.is_empty() {
            return Err(GroupNameError::Empty);
        }
        if GROUP_NAME_BYTES_MAX < name.len() {
            return Err(GroupNameError::TooLong { bytes: name.len() });
        }
        match name.char_indices().find(|(_, character)| character.is_control()) {
            Some((at, _)) => Err(GroupNameError::Control { at }),
            None => Ok(Self(Arc::from(name))),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupName({})", self.0)
    }
}

/// Why a name is no group's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GroupNameError {
    #[error("a group's name is empty; it takes 1 to {GROUP_NAME_BYTES_MAX} bytes")]
    Empty,
    #[error("a group's name has {bytes} bytes; it may have at most {GROUP_NAME_BYTES_MAX}")]
    TooLong { bytes: usize },
    #[error("a group's name has a control character at position {at}; leave it out")]
    Control { at: usize },
}

/// Why a name is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    #[error("a name is empty; it takes 1 to {NAME_BYTES_MAX} bytes")]
    Empty,
    #[error("a name has {bytes} bytes; it may have at most {NAME_BYTES_MAX}")]
    TooLong { bytes: usize },
    #[error("a queue's name has {bytes} bytes; it may have at most {QUEUE_NAME_BYTES_MAX}")]
    QueueTooLong { bytes: usize },
    #[error(
        "a name has byte {byte:#04x} at position {at}; \
         use letters and digits of ASCII, '.', '_' and '-'"
    )]
    Character { at: usize, byte: u8 },
    #[error("'.' and '..' are no names, as they mean directories; choose another")]
    Dots,
}

fn check(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong { bytes: name.len() });
    }
    for (at, byte) in name.bytes().enumerate() {
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')) {
            return Err(NameError::Character { at, byte });
        }
    }
    if matches!(name, "." | "..") {
        return Err(NameError::Dots);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kafka_takes_are_taken_as_they_are() {
        let longest = "x".repeat(NAME_BYTES_MAX);
        for name in ["a", "flights", "Orders.eu-1_b", "...", "-", "__consumer_offsets", &longest] {
            assert_eq!(TopicName::parse(name).unwrap().as_str(), name);
            assert_eq!(name.parse::<TopicName>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn names_that_kafka_refuses_are_refused_with_the_reason() {
        let refused = |name: &str| TopicName::parse(name).unwrap_err();
        assert_eq!(refused(""), NameError::Empty);
        assert_eq!(refused(&"x".repeat(256)), NameError::TooLong { bytes: 256 });
        assert_eq!(refused("."), NameError::Dots);
        assert_eq!(refused(".."), NameError::Dots);
        assert_eq!(refused("a/b"), NameError::Character { at: 1, byte: b'/' });
        assert_eq!(refused("ab\0"), NameError::Character { at: 2, byte: 0 });
        assert_eq!(refused("ü"), NameError::Character { at: 0, byte: 0xc3 });
        assert_eq!(refused("a b"), NameError::Character { at: 1, byte: b' ' });
    }

    #[test]
    fn a_queue_is_called_like_a_topic_and_leaves_room_for_its_own_topics() {
        let longest = QueueName::parse(&"q".repeat(QUEUE_NAME_BYTES_MAX)).unwrap();
        assert_eq!(longest.topic().as_str(), longest.as_str());
        assert_eq!(longest.dead_letter().as_str(), format!("{longest}.dead"));
        assert_eq!(longest.parked().as_str(), format!("{longest}.parked"));
        let refused = |name: &str| QueueName::parse(name).unwrap_err();
        assert_eq!(refused(&"q".repeat(241)), NameError::QueueTooLong { bytes: 241 });
        assert_eq!(refused("a/b"), NameError::Character { at: 1, byte: b'/' });
        assert_eq!(refused(""), NameError::Empty);
    }

    #[test]
    fn a_group_is_called_what_it_likes_within_its_limit() {
        let longest = "ü".repeat(GROUP_NAME_BYTES_MAX / 2);
        for name in ["g", "billing / eu", "κατανάλωση", ".", &longest] {
            assert_eq!(GroupName::parse(name).unwrap().as_str(), name);
        }
        let refused = |name: &str| GroupName::parse(name).unwrap_err();
        assert_eq!(refused(""), GroupNameError::Empty);
        assert_eq!(refused(&"x".repeat(256)), GroupNameError::TooLong { bytes: 256 });
        assert_eq!(refused("a\nb"), GroupNameError::Control { at: 1 });
        assert_eq!(refused("a\u{9b}"), GroupNameError::Control { at: 1 });
    }

    #[test]
    fn a_name_is_padded_like_any_other_word_of_a_table() {
        assert_eq!(format!("{:>6}|", TopicName::parse("abc").unwrap()), "   abc|");
    }
}
