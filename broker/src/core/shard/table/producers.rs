//! What the partitions of a shard know of their producers, in a checkpoint and until they are open.
//!
//! ```text
//!   of each partition that knows one:   topic 16 | partition u32 | producers u32
//!     and of each producer:   id i64 | epoch i16 | runs u16
//!       and of each run:   first sequence i32 | records u32 | first offset u64
//! ```
//!
//! It is ahead of the checkpoint's marks: what lies at or above its log's mark is cut off by who
//! restores it, and read again from the journal or from the log.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, BytesMut};
use weir_protocol::id::TopicId;

use super::TableError;
use super::section::Kind;
use crate::core::partition::admission::Partition;
use crate::core::partition::producers::Producers;

/// The producers by their partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    partitions: BTreeMap<(TopicId, u32), Producers>,
}

impl Known {
    pub(super) fn of(&mut self, partition: (TopicId, u32)) -> &mut Producers {
        self.partitions.entry(partition).or_default()
    }

    pub(super) fn forget(&mut self, topic: TopicId) {
        self.partitions.retain(|(of, _), _| *of != topic);
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Result<Self, TableError> {
        let malformed = TableError::Malformed { kind: Kind::Producers, bytes: bytes.len() };
        let mut known = Self::default();
        while bytes.has_remaining() {
            let (key, producers) = partition(&mut bytes).ok_or(malformed)?;
            known.partitions.insert(key, producers);
        }
        Ok(known)
    }
}

fn partition(bytes: &mut &[u8]) -> Option<((TopicId, u32), Producers)> {
    let mut topic = [0; 16];
    bytes.try_copy_to_slice(&mut topic).ok()?;
    let number = bytes.try_get_u32_le().ok()?;
    Some(((TopicId::from_bytes(topic), number), Producers::decode(bytes)?))
}

pub(super) fn encode(open: &[&Partition], bytes: &mut BytesMut) {
    for partition in open.iter().filter(|partition| !partition.producers.is_empty()) {
        bytes.put_slice(partition.topic.as_bytes());
        bytes.put_u32_le(partition.number);
        partition.producers.encode(bytes);
    }
}
