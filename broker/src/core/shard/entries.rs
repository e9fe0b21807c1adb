//! The table entries of a shard: what changes its tables, as bytes in the journal.
//!
//! ```text
//!   OffsetReserve   topic 16 | partition u32 | end u64
//!   Gap             topic 16 | partition u32 | start u64 | end u64 | epoch u32
//!   LogStart        topic 16 | partition u32 | start u64
//!   TopicGone       topic 16
//!   Producer        topic 16 | partition u32 | below u64
//!   MessageIds      topic 16 | partition u32 | see `core::partition::identified`
//!   Move            topic 16 | partition u32 | see `core::partition::moves`
//!   OffsetCommit    ┐
//!   GroupMeta       ┘ in `core::group::entries`
//!   QueueAck          in `core::queue::entries`
//! ```
//!
//! Little-endian. What an entry is for stands in its kind; a body of another length is refused.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use weir_protocol::id::TopicId;
use weir_storage::journal::Kind;
use weir_storage::offset::{Epoch, Offset, OffsetSpan};

use crate::core::partition::identified::{self, Identified};
use crate::core::partition::moves::{self, MoveEntry};
use crate::core::{group, queue};

/// The length of an OffsetReserve entry.
pub(crate) const RESERVE_BYTES: usize = 28;

/// The length of a LogStart entry.
pub(crate) const START_BYTES: usize = 28;

/// The length of a Producer entry.
pub(crate) const PRODUCERS_BYTES: usize = 28;

/// The length of a TopicGone entry.
pub(crate) const GONE_BYTES: usize = 16;

/// A change of a shard's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Offsets below `end` may be given out without the journal.
    Reserve { topic: TopicId, partition: u32, end: Offset },
    /// The offsets of `span` were lost in an unclean stop; the next batch has `epoch`.
    Gap { topic: TopicId, partition: u32, span: OffsetSpan, epoch: Epoch },
    /// Offsets below `start` are deleted.
    Start { topic: TopicId, partition: u32, start: Offset },
    /// The producers are forgotten whose last batch lies below an offset.
    Forget { topic: TopicId, partition: u32, below: Offset },
    /// What became of the message ids of a batch; beside its Append, in one frame.
    MessageIds { topic: TopicId, partition: u32, identified: Identified },
    /// What became of a record that was moved here.
    Move { topic: TopicId, partition: u32, entry: MoveEntry },
    /// The topic has ended: its partitions in this shard, and what groups committed of it.
    Gone { topic: TopicId },
    /// Something of a group.
    Group(group::Entry),
    /// Something of a queue.
    Queue(queue::Entry),
}

/// A table entry that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {kind:?} entry of {bytes} bytes is not one this version writes")]
pub(crate) struct EntryError {
    kind: Kind,
    bytes: usize,
}

impl Change {
    pub(crate) fn encode(&self) -> (Kind, Bytes) {
        let mut body = BytesMut::with_capacity(40);
        let kind = match self {
            Self::Reserve { topic, partition, end } => {
                body.put_slice(topic.as_bytes());
                body.put_u32_le(*partition);
                body.put_u64_le(end.get());
                Kind::OffsetReserve
            }
            Self::Gap { topic, partition, span, epoch } => {
                body.put_slice(topic.as_bytes());
                body.put_u32_le(*partition);
                body.put_u64_le(span.start.get());
                body.put_u64_le(span.end.get());
                body.put_u32_le(epoch.get());
                Kind::Gap
            }
            Self::Start { topic, partition, start } => {
                body.put_slice(topic.as_bytes());
                body.put_u32_le(*partition);
                body.put_u64_le(start.get());
                Kind::LogStart
            }
            Self::Forget { topic, partition, below } => {
                body.put_slice(topic.as_bytes());
                body.put_u32_le(*partition);
                body.put_u64_le(below.get());
                Kind::Producer
            }
            Self::MessageIds { topic, partition, identified } => {
                body.reserve(identified::entry_bytes(identified.ids.len()));
                body.put_slice(topic.as_bytes());
                body.put_u32_le(*partition);
                identified.encode(&mut body);
                Kind::MessageIds
            }
            Self::Move { topic, partition, entry } => {
                body.put_slice(topic.as_bytes());
                body.put_u32_le(*partition);
                entry.encode(&mut body);
                Kind::Move
            }
            Self::Gone { topic } => {
                body.put_slice(topic.as_bytes());
                Kind::TopicGone
            }
            Self::Group(entry) => return entry.encode(),
            Self::Queue(entry) => return (Kind::QueueAck, entry.encode()),
        };
        (kind, body.freeze())
    }

    pub(crate) fn decode(kind: Kind, mut body: &[u8]) -> Result<Self, EntryError> {
        let bytes = body.len();
        let change = match (kind, bytes) {
            (Kind::OffsetReserve, RESERVE_BYTES) => Self::Reserve {
                topic: topic(&mut body),
                partition: body.get_u32_le(),
                end: Offset::new(body.get_u64_le()),
            },
            (Kind::Gap, 40) => Self::Gap {
                topic: topic(&mut body),
                partition: body.get_u32_le(),
                span: Offset::new(body.get_u64_le())..Offset::new(body.get_u64_le()),
                epoch: Epoch::new(body.get_u32_le()),
            },
            (Kind::LogStart, START_BYTES) => Self::Start {
                topic: topic(&mut body),
                partition: body.get_u32_le(),
                start: Offset::new(body.get_u64_le()),
            },
            (Kind::Producer, PRODUCERS_BYTES) => Self::Forget {
                topic: topic(&mut body),
                partition: body.get_u32_le(),
                below: Offset::new(body.get_u64_le()),
            },
            (Kind::MessageIds, 20..) => {
                let (topic, partition) = (topic(&mut body), body.get_u32_le());
                let identified = Identified::decode(body).ok_or(EntryError { kind, bytes })?;
                Self::MessageIds { topic, partition, identified }
            }
            (Kind::Move, moves::ENTRY_BYTES) => {
                let (topic, partition) = (topic(&mut body), body.get_u32_le());
                let entry = MoveEntry::decode(body).ok_or(EntryError { kind, bytes })?;
                Self::Move { topic, partition, entry }
            }
            (Kind::TopicGone, GONE_BYTES) => Self::Gone { topic: topic(&mut body) },
            (Kind::OffsetCommit | Kind::GroupMeta, _) => {
                let entry = group::Entry::decode(kind, body);
                Self::Group(entry.ok_or(EntryError { kind, bytes })?)
            }
            (Kind::QueueAck, _) => {
                let entry = queue::Entry::decode(body);
                Self::Queue(entry.ok_or(EntryError { kind, bytes })?)
            }
            _ => return Err(EntryError { kind, bytes }),
        };
        Ok(change)
    }
}

fn topic(body: &mut &[u8]) -> TopicId {
    let mut bytes = [0; 16];
    body.copy_to_slice(&mut bytes);
    TopicId::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back_as_they_were_and_nothing_else_does() {
        let topic = TopicId::from_bytes([7; 16]);
        let span = Offset::new(3)..Offset::new(1024);
        for change in [
            Change::Reserve { topic, partition: 2, end: Offset::new(1024) },
            Change::Gap { topic, partition: 2, span, epoch: Epoch::new(4) },
            Change::Start { topic, partition: 2, start: Offset::new(7) },
            Change::Forget { topic, partition: 2, below: Offset::new(9) },
            Change::MessageIds {
                topic,
                partition: 2,
                identified: Identified {
                    base: Offset::new(5),
                    at_ms: 9,
                    kept_from: Offset::new(3),
                    ids: Vec::new(),
                },
            },
            Change::Gone { topic },
        ] {
            let (kind, body) = change.encode();
            assert_eq!(Change::decode(kind, &body), Ok(change));
            let cut = Change::decode(kind, &body[1..]);
            assert_eq!(cut, Err(EntryError { kind, bytes: body.len() - 1 }));
        }
    }
}
