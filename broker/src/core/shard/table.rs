//! What a shard remembers besides its logs.
//!
//! Applied from committed entries only, in their order, and written into checkpoints. No clock,
//! no randomness, no order of a hash map: the same entries make the same bytes.
//!
//! Each kind of thing that is remembered has a section of the bytes, and a file here.

mod message_ids;
mod moves;
mod partitions;
mod producers;
mod section;

use bytes::Bytes;
use weir_protocol::id::TopicId;
use weir_storage::offset::Offset;

use self::message_ids::Remembered;
use self::moves::Moved;
use self::partitions::Partitions;
use self::producers::Known;
use self::section::{Kind, Writer};
use super::entries::Change;
use crate::core::partition::admission::Partition;
use crate::core::partition::message_ids::MessageIds;
use crate::core::partition::moves::Moves;
use crate::core::partition::producers::Producers;
use crate::core::{group, queue};

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    partitions: Partitions,
    groups: group::Table,
    queues: queue::Table,
    /// While a start rebuilds it; then the open partitions have them, ahead of what is applied.
    producers: Known,
    /// The same of message ids.
    message_ids: Remembered,
    moves: Moved,
}

/// A checkpointed table that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TableError {
    #[error(
        "a shard's table has a section of kind {kind}, which this version does not know: a newer \
         weir wrote it, start that one"
    )]
    UnknownSection { kind: u16 },
    #[error("the {kind:?} section of {bytes} bytes in a shard's table is not one weir writes")]
    Malformed { kind: Kind, bytes: usize },
    #[error("the last {bytes} bytes of a shard's table are no section")]
    Torn { bytes: usize },
}

impl Table {
    pub(crate) fn apply(&mut self, change: &Change) {
        match change {
            Change::Reserve { topic, partition, end } => {
                self.partitions.row_mut(*topic, *partition).reserved_end = *end;
            }
            Change::Start { topic, partition, start } => {
                let row = self.partitions.row_mut(*topic, *partition);
                row.start = row.start.max(*start);
                self.message_ids.begin_at((*topic, *partition), *start);
            }
            // The log itself remembers its gaps.
            Change::Gap { .. } => {}
            Change::Forget { topic, partition, below } => {
                self.producers.of((*topic, *partition)).forget(*below);
            }
            Change::MessageIds { topic, partition, identified } => {
                self.message_ids.of((*topic, *partition)).apply(identified);
            }
            Change::Move { topic, partition, entry } => {
                self.moves.of((*topic, *partition)).apply(entry);
            }
            Change::Gone { topic } => {
                self.partitions.forget(*topic);
                self.producers.forget(*topic);
                self.message_ids.forget(*topic);
                self.moves.forget(*topic);
                self.groups.topic_gone(*topic);
            }
            Change::Group(entry) => self.groups.apply(entry),
            Change::Queue(entry) => self.queues.apply(entry),
        }
    }

    /// Below which offset a partition may have given out all.
    pub(crate) fn reserved_end(&self, topic: TopicId, partition: u32) -> Offset {
        self.partitions.row(topic, partition).reserved_end
    }

    /// Below which offset a partition's records are deleted.
    pub(crate) fn start(&self, topic: TopicId, partition: u32) -> Offset {
        self.partitions.row(topic, partition).start
    }

    pub(crate) fn groups(&self) -> &group::Table {
        &self.groups
    }

    pub(crate) fn queues(&self) -> &queue::Table {
        &self.queues
    }

    /// What a partition knows of its producers, while a start rebuilds it.
    pub(crate) fn producers(&mut self, topic: TopicId, partition: u32) -> &mut Producers {
        self.producers.of((topic, partition))
    }

    /// What a checkpoint's table knows of a log's batches from `end` on is cut off.
    pub(crate) fn cut(&mut self, topic: TopicId, partition: u32, end: Offset) {
        self.producers.of((topic, partition)).cut(end);
        self.message_ids.cut((topic, partition), end);
        self.moves.cut((topic, partition), end);
    }

    /// The message ids that a partition remembers, which takes them over.
    pub(crate) fn take_message_ids(&mut self, topic: TopicId, partition: u32) -> MessageIds {
        self.message_ids.take((topic, partition))
    }

    /// The moves that a partition remembers, which takes them over.
    pub(crate) fn take_moves(&mut self, topic: TopicId, partition: u32) -> Moves {
        self.moves.take((topic, partition))
    }

    /// The table of a shard whose partitions have taken over what it knew of their batches.
    pub(crate) fn without_batches(self) -> Self {
        let (producers, message_ids, moves) = Default::default();
        Self { producers, message_ids, moves, ..self }
    }

    /// The table's bytes, with what the `open` partitions know of their batches, in their order.
    pub(crate) fn encode(&self, open: &[&Partition]) -> Bytes {
        let mut sections = Writer::new();
        sections.put(Kind::Partitions, |bytes| self.partitions.encode(bytes));
        sections.put(Kind::Producers, |bytes| producers::encode(open, bytes));
        sections.put(Kind::Groups, |bytes| self.groups.encode(bytes));
        sections.put(Kind::Queues, |bytes| self.queues.encode(bytes));
        sections.put(Kind::MessageIds, |bytes| message_ids::encode(open, bytes));
        sections.put(Kind::Moves, |bytes| moves::encode(open, bytes));
        sections.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, TableError> {
        let Some(sections) = section::read(bytes) else {
            return Ok(Self { partitions: Partitions::decode(bytes)?, ..Self::default() });
        };
        let mut table = Self::default();
        for section in sections {
            match section? {
                (Kind::Partitions, bytes) => table.partitions = Partitions::decode(bytes)?,
                (Kind::Producers, bytes) => table.producers = Known::decode(bytes)?,
                (Kind::Groups, bytes) => {
                    let malformed =
                        TableError::Malformed { kind: Kind::Groups, bytes: bytes.len() };
                    table.groups = group::Table::decode(bytes).ok_or(malformed)?;
                }
                (Kind::Queues, bytes) => {
                    let malformed =
                        TableError::Malformed { kind: Kind::Queues, bytes: bytes.len() };
                    table.queues = queue::Table::decode(bytes).ok_or(malformed)?;
                }
                (Kind::MessageIds, bytes) => table.message_ids = Remembered::decode(bytes)?,
                (Kind::Moves, bytes) => table.moves = Moved::decode(bytes)?,
                (Kind::Filler, _) => {}
            }
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};

    use super::*;

    fn topic(byte: u8) -> TopicId {
        TopicId::from_bytes([byte; 16])
    }

    fn with(rows: u32) -> Table {
        let mut table = Table::default();
        for partition in 0..rows {
            let end = Offset::new(1024);
            table.apply(&Change::Reserve { topic: topic(1), partition, end });
        }
        table
    }

    #[test]
    fn a_table_comes_back_and_a_gone_topic_leaves_it() {
        let mut table = with(2);
        let end = Offset::new(4096);
        table.apply(&Change::Reserve { topic: topic(2), partition: 0, end });
        let start =
            |start| Change::Start { topic: topic(2), partition: 0, start: Offset::new(start) };
        // A start never moves back.
        for at in [17, 5] {
            table.apply(&start(at));
        }
        assert_eq!(Table::decode(&table.encode(&[])), Ok(table.clone()));
        table.apply(&Change::Gone { topic: topic(1) });
        assert_eq!(table.reserved_end(topic(1), 1), Offset::ZERO);
        assert_eq!(table.reserved_end(topic(2), 0), Offset::new(4096));
        assert_eq!(table.start(topic(2), 0), Offset::new(17));
    }

    #[test]
    fn a_table_without_sections_is_still_read_and_one_with_them_is_never_taken_for_it() {
        let table = with(3);
        let mut rows = BytesMut::new();
        table.partitions.encode(&mut rows);
        assert_eq!(Table::decode(&rows), Ok(table));
        assert_eq!(Table::decode(&[]), Ok(Table::default()));
        let torn = TableError::Malformed { kind: Kind::Partitions, bytes: 37 };
        assert_eq!(Table::decode(&[0; 37]), Err(torn));
        for bytes in 0..100 {
            let mut sections = Writer::new();
            sections.put(Kind::Partitions, |section| section.put_bytes(0, bytes));
            assert!(!sections.finish().len().is_multiple_of(36), "{bytes}");
        }
    }

    #[test]
    fn a_section_that_is_unknown_doubled_or_torn_refuses_the_table() {
        let whole = with(1).encode(&[]);
        let behind = |section: &[u8]| {
            let mut bytes = BytesMut::from(&whole[..]);
            bytes.put_slice(section);
            Table::decode(&bytes)
        };
        let unknown = TableError::UnknownSection { kind: 0x1234 };
        assert_eq!(behind(&[0x34, 0x12, 0, 0, 0, 0]), Err(unknown));
        let doubled = TableError::Malformed { kind: Kind::Partitions, bytes: 36 };
        assert_eq!(behind(&whole[8..]), Err(doubled));
        for kept in 9..whole.len() {
            let bytes = kept - 8;
            assert_eq!(Table::decode(&whole[..kept]), Err(TableError::Torn { bytes }));
        }
    }
}
