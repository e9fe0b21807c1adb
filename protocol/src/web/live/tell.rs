//! What the broker says.
//!
//! A reader passes over members and types that it does not know: brokers may learn to say more.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

/// A message of the broker's.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Tell<'a> {
    /// The first message.
    Welcome(Welcome<'a>),
    /// The subscription began, and stands here.
    Subscribed { sub: u32, bookmark: Cow<'a, str>, partitions: Vec<PartitionPlace> },
    /// A record. It takes one of the subscription's credit; no other message takes any.
    Record {
        sub: u32,
        /// Where a reader goes on behind it.
        bookmark: Cow<'a, str>,
        record: &'a RawValue,
    },
    /// Offsets that do not come.
    Gap { sub: u32, bookmark: Cow<'a, str>, gap: Gap<'a> },
    /// Where the reader stands now: records were passed over that its filters do not take.
    Position { sub: u32, bookmark: Cow<'a, str>, partitions: Vec<PartitionPlace> },
    /// The subscription ended as it was asked to; nothing of it comes any more.
    Unsubscribed { sub: u32 },
    /// The records are as durable as their topic promises.
    Published { id: u64, records: Vec<Placement> },
    /// A refusal: of a subscription, which is over, of a request, or, if of neither, of the
    /// connection, which ends.
    Error(Trouble<'a>),
    /// The answer to a ping.
    Pong { id: u64 },
    /// Nothing else was said for a while.
    Alive {},
    /// The connection ends soon: connect again, after this pause.
    Drain { reconnect_ms: u32, detail: Cow<'a, str> },
    /// What this version does not know.
    #[serde(skip)]
    Unknown,
}

/// What a connection may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome<'a> {
    #[serde(borrow)]
    pub protocol: Cow<'a, str>,
    /// So often at least something is said.
    pub alive_ms: u32,
    pub message_bytes_max: u32,
    pub subscriptions_max: u32,
    pub credit_max: u64,
    /// Publishes that may wait for their answer.
    pub publishes_max: u32,
}

/// Where a reader is in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionPlace {
    pub partition: u32,
    pub next_offset: u64,
}

/// Offsets of a partition that do not come, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap<'a> {
    pub partition: u32,
    /// Not known where a bookmark did not say where it was.
    pub from: Option<u64>,
    /// The first offset behind them.
    pub to: u64,
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    pub partition: u32,
    pub offset: u64,
}

/// Why something is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// A stable name: docs/protocol.md has them.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// `yes`, `later` or `never`.
    #[serde(borrow)]
    pub retry: Cow<'a, str>,
    pub detail: String,
    /// Where some records of a request were taken and others not: what became of each, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Outcome>,
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Outcome {
    Placed(Placement),
    Refused { code: String, retry: String, detail: String },
}

impl<'a> Tell<'a> {
    /// The message that `text` is.
    ///
    /// # Errors
    /// It is none of a broker's.
    pub fn parse(text: &'a str) -> Result<Self, NotTold> {
        let Kind { kind } = serde_json::from_str(text)?;
        Ok(match &*kind {
            "welcome" => Self::Welcome(serde_json::from_str(text)?),
            "subscribed" => {
                let Standing { sub, bookmark, partitions } = serde_json::from_str(text)?;
                Self::Subscribed { sub, bookmark, partitions }
            }
            "record" => {
                let OfRecord { sub, bookmark, record } = serde_json::from_str(text)?;
                Self::Record { sub, bookmark, record }
            }
            "gap" => {
                let OfGap { sub, bookmark, gap } = serde_json::from_str(text)?;
                Self::Gap { sub, bookmark, gap }
            }
            "position" => {
                let Standing { sub, bookmark, partitions } = serde_json::from_str(text)?;
                Self::Position { sub, bookmark, partitions }
            }
            "unsubscribed" => {
                let Sub { sub } = serde_json::from_str(text)?;
                Self::Unsubscribed { sub }
            }
            "published" => {
                let Published { id, records } = serde_json::from_str(text)?;
                Self::Published { id, records }
            }
            "error" => Self::Error(serde_json::from_str(text)?),
            "pong" => {
                let Id { id } = serde_json::from_str(text)?;
                Self::Pong { id }
            }
            "alive" => Self::Alive {},
            "drain" => {
                let Draining { reconnect_ms, detail } = serde_json::from_str(text)?;
                Self::Drain { reconnect_ms, detail }
            }
            _ => Self::Unknown,
        })
    }

    /// Writes the message's JSON behind what `target` has.
    pub fn push_to(&self, target: &mut Vec<u8>) {
        serde_json::to_writer(target, self).expect("a vector takes what is written to it");
    }
}

/// A text that no broker says.
#[derive(Debug, Error)]
#[error("not a message of weir.v1: {0}")]
pub struct NotTold(#[from] serde_json::Error);

#[derive(Debug, Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
struct Standing<'a> {
    sub: u32,
    #[serde(borrow)]
    bookmark: Cow<'a, str>,
    partitions: Vec<PartitionPlace>,
}

#[derive(Debug, Deserialize)]
struct OfRecord<'a> {
    sub: u32,
    #[serde(borrow)]
    bookmark: Cow<'a, str>,
    #[serde(borrow)]
    record: &'a RawValue,
}

#[derive(Debug, Deserialize)]
struct OfGap<'a> {
    sub: u32,
    #[serde(borrow)]
    bookmark: Cow<'a, str>,
    #[serde(borrow)]
    gap: Gap<'a>,
}

#[derive(Debug, Deserialize)]
struct Sub {
    sub: u32,
}

#[derive(Debug, Deserialize)]
struct Id {
    id: u64,
}

#[derive(Debug, Deserialize)]
struct Published {
    id: u64,
    records: Vec<Placement>,
}

#[derive(Debug, Deserialize)]
struct Draining<'a> {
    reconnect_ms: u32,
    #[serde(borrow)]
    detail: Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_passes_over_what_it_does_not_know() {
        assert!(matches!(Tell::parse(r#"{"type":"later","x":1}"#), Ok(Tell::Unknown)));
        let said = r#"{"type":"pong","id":3,"later":[1]}"#;
        assert!(matches!(Tell::parse(said), Ok(Tell::Pong { id: 3 })));
        for text in ["", "[]", "{}", r#"{"type":"pong"}"#, r#"{"type":"record","sub":1}"#] {
            assert!(Tell::parse(text).is_err(), "{text}");
        }
    }
}
