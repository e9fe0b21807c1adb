//! What a shard remembers besides its logs: the offsets its `written` partitions have reserved.
//!
//! Applied from committed entries only, in their order, and written into checkpoints. No clock,
//! no randomness, no order of a hash map: the same entries make the same bytes.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use weir_protocol::id::TopicId;
use weir_storage::offset::Offset;

use super::entries::Change;

const ENTRY_BYTES: usize = 28;

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    reserved: BTreeMap<(TopicId, u32), Offset>,
}

/// A checkpointed table that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a shard's table of {bytes} bytes is not one this version writes")]
pub(crate) struct TableError {
    bytes: usize,
}

impl Table {
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Reserve { topic, partition, end } => {
                self.reserved.insert((*topic, *partition), *end);
            }
            // The log itself remembers its gaps.
            Change::Gap { .. } => {}
            Change::Gone { topic } => self.reserved.retain(|(of, _), _| of != topic),
        }
    }

    /// Below which offset a partition may have given out all.
    pub(crate) fn reserved_end(&self, topic: TopicId, partition: u32) -> Offset {
        self.reserved.get(&(topic, partition)).copied().unwrap_or_default()
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.reserved.len() * ENTRY_BYTES);
        for ((topic, partition), end) in &self.reserved {
            bytes.put_slice(topic.as_bytes());
            bytes.put_u32_le(*partition);
            bytes.put_u64_le(end.get());
        }
        bytes.freeze()
    }

    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Self, TableError> {
        let mut table = Self::default();
        if !bytes.len().is_multiple_of(ENTRY_BYTES) {
            return Err(TableError { bytes: bytes.len() });
        }
        while bytes.has_remaining() {
            let mut topic = [0; 16];
            bytes.copy_to_slice(&mut topic);
            let key = (TopicId::from_bytes(topic), bytes.get_u32_le());
            table.reserved.insert(key, Offset::new(bytes.get_u64_le()));
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_comes_back_and_a_gone_topic_leaves_it() {
        let topic = |byte| TopicId::from_bytes([byte; 16]);
        let mut table = Table::default();
        for (byte, partition, end) in [(1, 0, 1024), (1, 1, 2048), (2, 0, 4096)] {
            let end = Offset::new(end);
            table.apply(&Change::Reserve { topic: topic(byte), partition, end });
        }
        assert_eq!(Table::decode(&table.encode()), Ok(table.clone()));
        table.apply(&Change::Gone { topic: topic(1) });
        assert_eq!(table.reserved_end(topic(1), 1), Offset::ZERO);
        assert_eq!(table.reserved_end(topic(2), 0), Offset::new(4096));
        assert_eq!(Table::decode(&[0; 29]), Err(TableError { bytes: 29 }));
    }
}
