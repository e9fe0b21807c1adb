//! What can be wrong with a frame of the Kafka protocol.
//!
//! The protocol has no way to say that bytes were not understood: its answers have the layout of
//! the request's version. So every fault closes the connection, save an ApiVersions request of an
//! unknown version, by which clients find out what there is.

use thiserror::Error;

use super::api::Api;
use crate::limits::KAFKA_ELEMENTS_MAX;

/// Why the bytes of a connection cannot be cut into frames: close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    #[error("a frame announces {bytes} bytes; this side takes at most {bytes_max}")]
    TooLarge { bytes: usize, bytes_max: usize },
    #[error("a frame announces {length} bytes, which is no length")]
    Negative { length: i32 },
}

/// Why a frame is no request that is served.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Close the connection, as Kafka does.
    #[error("API key {key} is not served; the ApiVersions answer lists those that are")]
    UnknownApi { key: i16 },
    /// ApiVersions is answered in version 0 with UNSUPPORTED_VERSION and the list of what is
    /// served (KIP-511); for any other API close the connection.
    #[error("version {version} of {api} is not served; {} to {} are", .api.served().start(),
        .api.served().end())]
    UnsupportedVersion { api: Api, version: i16, correlation: i32 },
    /// Close the connection.
    #[error("the header of a request of {api} version {version} is malformed: {fault}")]
    Header { api: Api, version: i16, fault: Fault },
    /// Close the connection.
    #[error("a frame of {bytes} bytes ends inside of its header")]
    Short { bytes: usize },
}

/// What is wrong with a header or a body, and in which field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    #[error("the bytes end inside of {field}")]
    Short { field: &'static str },
    #[error("{version} is no version")]
    Version { version: i16 },
    #[error("{bytes} bytes stand behind the last field")]
    Trailing { bytes: usize },
    #[error("{field} has a length of {length}")]
    Length { field: &'static str, length: i32 },
    #[error("{field} counts {count} elements, more than the bytes left can hold")]
    Count { field: &'static str, count: usize },
    #[error("with {field} the message has more than {KAFKA_ELEMENTS_MAX} elements")]
    Elements { field: &'static str },
    #[error("{field} is null, which this version does not take")]
    Null { field: &'static str },
    #[error("{field} is no UTF-8")]
    NotUtf8 { field: &'static str },
    #[error("{field} has {bytes} bytes of text, more than Kafka's texts may have")]
    TextTooLong { field: &'static str, bytes: usize },
    #[error("a number of variable length in {field} takes more than 32 bits")]
    Varint { field: &'static str },
    #[error("tag {tag} comes behind one that is not below it")]
    TagOrder { tag: u32 },
    #[error("tagged field {tag} has {bytes} bytes behind its value")]
    TagTrailing { tag: u32, bytes: usize },
}
