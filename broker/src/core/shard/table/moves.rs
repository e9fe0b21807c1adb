//! The moves that the partitions of a shard remember, in a checkpoint and until they are open.
//!
//! ```text
//!   of each partition that remembers any:   topic 16 | partition u32
//!     | moves u32, of each: queue 16, partition u32, log u8, offset u64, its offset here u64
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
use crate::core::partition::moves::Moves;

/// The moves by the partitions that they came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    partitions: BTreeMap<(TopicId, u32), Moves>,
}

impl Moved {
    pub(super) fn of(&mut self, partition: (TopicId, u32)) -> &mut Moves {
        self.partitions.entry(partition).or_default()
    }

    /// What a partition remembers, which from now on it keeps itself.
    pub(super) fn take(&mut self, partition: (TopicId, u32)) -> Moves {
        self.partitions.remove(&partition).unwrap_or_default()
    }

    pub(super) fn cut(&mut self, partition: (TopicId, u32), end: Offset) {
        if let Some(moves) = self.partitions.get_mut(&partition) {
            moves.cut(end);
        }
    }

    pub(super) fn forget(&mut self, topic: TopicId) {
        self.partitions.retain(|(of, _), _| *of != topic);
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Result<Self, TableError> {
        let malformed = TableError::Malformed { kind: Kind::Moves, bytes: bytes.len() };
        let mut moved = Self::default();
        while bytes.has_remaining() {
            let (key, moves) = partition(&mut bytes).ok_or(malformed)?;
            moved.partitions.insert(key, moves);
        }
        Ok(moved)
    }
}

fn partition(bytes: &mut &[u8]) -> Option<((TopicId, u32), Moves)> {
    let mut topic = [0; 16];
    bytes.try_copy_to_slice(&mut topic).ok()?;
    let number = bytes.try_get_u32_le().ok()?;
    Some(((TopicId::from_bytes(topic), number), Moves::decode(bytes)?))
}

pub(super) fn encode(open: &[&Partition], bytes: &mut BytesMut) {
    for partition in open.iter().filter(|partition| !partition.moves.is_empty()) {
        bytes.put_slice(partition.topic.as_bytes());
        bytes.put_u32_le(partition.number);
        partition.moves.encode(bytes);
    }
}
