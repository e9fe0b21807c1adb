//! What a shard remembers besides its logs: the offsets its `written` partitions have reserved, and
//! where its logs begin.
//!
//! Applied from committed entries only, in their order, and written into checkpoints. No clock,
//! no randomness, no order of a hash map: the same entries make the same bytes.
//!
//! ```text
//!   of each partition that has either:   topic 16 | partition u32 | reserved_end u64 | start u64
//! ```
//!
//! A log knows its start itself; it is kept here because the log of a `written` topic may hear of
//! it later than a checkpoint's table, which then is all that remembers it.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use weir_protocol::id::TopicId;
use weir_storage::offset::Offset;

use super::entries::Change;

const ENTRY_BYTES: usize = 36;

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    partitions: BTreeMap<(TopicId, u32), Row>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    reserved_end: Offset,
    start: Offset,
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
                self.row(*topic, *partition).reserved_end = *end;
            }
            Change::Start { topic, partition, start } => {
                let row = self.row(*topic, *partition);
                row.start = row.start.max(*start);
            }
            // The log itself remembers its gaps.
            Change::Gap { .. } => {}
            Change::Gone { topic } => self.partitions.retain(|(of, _), _| of != topic),
        }
    }

    /// Below which offset a partition may have given out all.
    pub(crate) fn reserved_end(&self, topic: TopicId, partition: u32) -> Offset {
        self.partitions.get(&(topic, partition)).copied().unwrap_or_default().reserved_end
    }

    /// Below which offset a partition's records are deleted.
    pub(crate) fn start(&self, topic: TopicId, partition: u32) -> Offset {
        self.partitions.get(&(topic, partition)).copied().unwrap_or_default().start
    }

    fn row(&mut self, topic: TopicId, partition: u32) -> &mut Row {
        self.partitions.entry((topic, partition)).or_default()
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.partitions.len() * ENTRY_BYTES);
        for ((topic, partition), row) in &self.partitions {
            bytes.put_slice(topic.as_bytes());
            bytes.put_u32_le(*partition);
            bytes.put_u64_le(row.reserved_end.get());
            bytes.put_u64_le(row.start.get());
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
            let reserved_end = Offset::new(bytes.get_u64_le());
            let start = Offset::new(bytes.get_u64_le());
            table.partitions.insert(key, Row { reserved_end, start });
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
        let start =
            |start| Change::Start { topic: topic(2), partition: 0, start: Offset::new(start) };
        // A start never moves back.
        for at in [17, 5] {
            table.apply(&start(at));
        }
        assert_eq!(Table::decode(&table.encode()), Ok(table.clone()));
        table.apply(&Change::Gone { topic: topic(1) });
        assert_eq!(table.reserved_end(topic(1), 1), Offset::ZERO);
        assert_eq!(table.reserved_end(topic(2), 0), Offset::new(4096));
        assert_eq!(table.start(topic(2), 0), Offset::new(17));
        assert_eq!(Table::decode(&[0; 37]), Err(TableError { bytes: 37 }));
    }
}
