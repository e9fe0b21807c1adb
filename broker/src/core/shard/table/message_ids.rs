//! What the partitions of a shard remember of message ids, in a checkpoint and until they are open.
//!
//! ```text
//!   of each partition that remembers any:   topic 16 | partition u32
//!     | ids u32, of each: offset u64, time i64, id u128
//!     | spans of duplicates u32, of each: start u64, end u64
//! ```
//!
//! It is ahead of the checkpoint's marks, as what is known of producers is: what lies at or above
//! its log's mark is cut off by who restores it, and read again from the journal.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, BytesMut};
use weir_protocol::id::TopicId;
use weir_storage::offset::Offset;

use super::TableError;
use super::section::Kind;
use crate::core::partition::admission::Partition;
use crate::core::partition::message_ids::MessageIds;

/// The message ids by their partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Remembered {
    partitions: BTreeMap<(TopicId, u32), MessageIds>,
}

impl Remembered {
    pub(super) fn of(&mut self, partition: (TopicId, u32)) -> &mut MessageIds {
        self.partitions.entry(partition).or_default()
    }

    /// What a partition remembers, which from now on it keeps itself.
    pub(super) fn take(&mut self, partition: (TopicId, u32)) -> MessageIds {
        self.partitions.remove(&partition).unwrap_or_default()
    }

    pub(super) fn cut(&mut self, partition: (TopicId, u32), end: Offset) {
        if let Some(ids) = self.partitions.get_mut(&partition) {
            ids.cut(end);
        }
    }

    pub(super) fn begin_at(&mut self, partition: (TopicId, u32), start: Offset) {
        if let Some(ids) = self.partitions.get_mut(&partition) {
            ids.begin_at(start);
        }
    }

    pub(super) fn forget(&mut self, topic: TopicId) {
        self.partitions.retain(|(of, _), _| *of != topic);
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Result<Self, TableError> {
        let malformed = TableError::Malformed { kind: Kind::MessageIds, bytes: bytes.len() };
        let mut remembered = Self::default();
        while bytes.has_remaining() {
            let (key, ids) = partition(&mut bytes).ok_or(malformed)?;
            remembered.partitions.insert(key, ids);
        }
        Ok(remembered)
    }
}

fn partition(bytes: &mut &[u8]) -> Option<((TopicId, u32), MessageIds)> {
    let mut topic = [0; 16];
    bytes.try_copy_to_slice(&mut topic).ok()?;
    let number = bytes.try_get_u32_le().ok()?;
    Some(((TopicId::from_bytes(topic), number), MessageIds::decode(bytes)?))
}

pub(super) fn encode(open: &[&Partition], bytes: &mut BytesMut) {
    for partition in open.iter().filter(|partition| !partition.message_ids.is_empty()) {
        bytes.put_slice(partition.topic.as_bytes());
        bytes.put_u32_le(partition.number);
        partition.message_ids.encode(bytes);
    }
}
