//! The offsets that a shard's `written` partitions have reserved, and where its logs begin.
//!
//! ```text
//!   of each partition that has either:   topic 16 | partition u32 | reserved_end u64 | start u64
//! ```
//!
//! A log knows its start itself; it is kept here because the log of a `written` topic may hear of
//! it later than a checkpoint's table, which then is all that remembers it.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, BytesMut};
use weir_protocol::id::TopicId;
use weir_storage::offset::Offset;

use super::TableError;
use super::section::Kind;

/// The partitions of a shard that have something to remember.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Partitions {
    rows: BTreeMap<(TopicId, u32), Row>,
}

/// What is remembered of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) reserved_end: Offset,
    pub(super) start: Offset,
}

impl Partitions {
    pub(super) fn row(&self, topic: TopicId, partition: u32) -> Row {
        self.rows.get(&(topic, partition)).copied().unwrap_or_default()
    }

    pub(super) fn row_mut(&mut self, topic: TopicId, partition: u32) -> &mut Row {
        self.rows.entry((topic, partition)).or_default()
    }

    pub(super) fn forget(&mut self, topic: TopicId) {
        self.rows.retain(|(of, _), _| *of != topic);
    }

    pub(super) fn encode(&self, bytes: &mut BytesMut) {
        bytes.reserve(self.rows.len() * ROW_BYTES);
        for ((topic, partition), row) in &self.rows {
            bytes.put_slice(topic.as_bytes());
            bytes.put_u32_le(*partition);
            bytes.put_u64_le(row.reserved_end.get());
            bytes.put_u64_le(row.start.get());
        }
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Result<Self, TableError> {
        let mut partitions = Self::default();
        if !bytes.len().is_multiple_of(ROW_BYTES) {
            return Err(TableError::Malformed { kind: Kind::Partitions, bytes: bytes.len() });
        }
        while bytes.has_remaining() {
            let mut topic = [0; 16];
            bytes.copy_to_slice(&mut topic);
            let key = (TopicId::from_bytes(topic), bytes.get_u32_le());
            let reserved_end = Offset::new(bytes.get_u64_le());
            let start = Offset::new(bytes.get_u64_le());
            partitions.rows.insert(key, Row { reserved_end, start });
        }
        Ok(partitions)
    }
}

/// The length of a partition's row. Tables without sections are rows of this length.
pub(super) const ROW_BYTES: usize = 36;
