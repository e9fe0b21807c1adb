//! The catalogue's table: what was committed of topics, queues and producer ids.
//!
//! Applied from committed commands only; the same commands make the same table and the same
//! bytes. A checkpoint holds the table as the commands that would make it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use weir_protocol::id::{QueueId, TopicId};
use weir_protocol::name::{QueueName, TopicName};

use super::command::{Command, CommandError};
use super::queue::Queue;
use super::settings::Settings;

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    topics: BTreeMap<TopicId, Entry>,
    names: BTreeMap<TopicName, TopicId>,
    queues: BTreeMap<QueueId, Queue>,
    queue_names: BTreeMap<QueueName, QueueId>,
    /// Deleted topics whose files may still be there.
    deleted: BTreeSet<TopicId>,
    producer_ids_below: u64,
    clock: Option<ClockRecord>,
}

/// What retention remembers of the clock across stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockRecord {
    pub(crate) wall_ms: i64,
    /// How far the ages of records were behind it.
    pub(crate) held_back_ms: i64,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: TopicName,
    pub(crate) partitions: u32,
    pub(crate) settings: Settings,
    pub(crate) created_ms: i64,
}

impl Table {
    pub(crate) fn apply(&mut self, command: Command) {
        match command {
            Command::Create { id, name, partitions, settings, created_ms } => {
                self.names.insert(name.clone(), id);
                self.topics.insert(id, Entry { name, partitions, settings, created_ms });
            }
            Command::Alter { id, partitions, settings } => {
                if let Some(entry) = self.topics.get_mut(&id) {
                    entry.partitions = partitions;
                    entry.settings = settings;
                }
            }
            Command::Delete { id } => {
                if let Some(entry) = self.topics.remove(&id) {
                    self.names.remove(&entry.name);
                    self.deleted.insert(id);
                    self.queues.retain(|_, queue| queue.topic != id);
                    self.queue_names.retain(|_, queue| self.queues.contains_key(queue));
                }
            }
            Command::Removed { id } => {
                self.deleted.remove(&id);
            }
            Command::QueueCreate(queue) => {
                self.queue_names.insert(queue.name.clone(), queue.id);
                self.queues.insert(queue.id, queue);
            }
            Command::QueueAlter { id, settings } => {
                if let Some(queue) = self.queues.get_mut(&id) {
                    queue.settings = settings;
                }
            }
            Command::QueueDelete { id } => {
                if let Some(queue) = self.queues.remove(&id) {
                    self.queue_names.remove(&queue.name);
                }
            }
            Command::ProducerIds { below } => self.producer_ids_below = below,
            Command::Clock { wall_ms, held_back_ms } => {
                self.clock = Some(ClockRecord { wall_ms, held_back_ms });
            }
        }
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = (TopicId, &Entry)> {
        self.topics.iter().map(|(id, entry)| (*id, entry))
    }

    pub(crate) fn topic(&self, id: TopicId) -> Option<&Entry> {
        self.topics.get(&id)
    }

    pub(crate) fn named(&self, name: &TopicName) -> Option<(TopicId, &Entry)> {
        let id = *self.names.get(name)?;
        Some((id, self.topics.get(&id)?))
    }

    pub(crate) fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.queues.values()
    }

    pub(crate) fn queue_named(&self, name: &QueueName) -> Option<&Queue> {
        self.queues.get(self.queue_names.get(name)?)
    }

    pub(crate) fn partitions(&self) -> u64 {
        self.topics.values().map(|entry| u64::from(entry.partitions)).sum()
    }

    pub(crate) fn deleted(&self) -> impl Iterator<Item = TopicId> {
        self.deleted.iter().copied()
    }

    pub(crate) fn producer_ids_below(&self) -> u64 {
        self.producer_ids_below
    }

    pub(crate) fn clock(&self) -> Option<ClockRecord> {
        self.clock
    }

    /// The table as commands, each behind its length (`u32`).
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        let mut put = |command: &Command| {
            let command = command.encode();
            bytes.put_u32_le(u32::try_from(command.len()).expect("commands are short"));
            bytes.put_slice(&command);
        };
        put(&Command::ProducerIds { below: self.producer_ids_below });
        for (id, entry) in self.topics() {
            let Entry { name, partitions, settings, created_ms } = entry.clone();
            put(&Command::Create { id, name, partitions, settings, created_ms });
        }
        for queue in self.queues() {
            put(&Command::QueueCreate(queue.clone()));
        }
        if let Some(ClockRecord { wall_ms, held_back_ms }) = self.clock {
            put(&Command::Clock { wall_ms, held_back_ms });
        }
        for id in self.deleted() {
            put(&Command::Delete { id });
        }
        bytes.freeze()
    }

    /// The table that `encode` gave.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CommandError> {
        let malformed = CommandError::Malformed { bytes: bytes.len() };
        let (mut table, mut rest) = (Self::default(), bytes);
        while rest.has_remaining() {
            let len = rest.try_get_u32_le().map_err(|_| malformed)? as usize;
            let (command, after) = rest.split_at_checked(len).ok_or(malformed)?;
            match Command::decode(command)? {
                Command::Delete { id } => {
                    table.deleted.insert(id);
                }
                command => table.apply(command),
            }
            rest = after;
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use weir_protocol::batch::TimestampType;

    use super::*;
    use crate::core::catalog::settings::{Durability, WorkedOff};
    use crate::core::queue::Settings as QueueSettings;

    fn create(byte: u8, name: &str) -> Command {
        let settings = Settings {
            durability: Durability::Synced,
            retention_ms: None,
            retention_bytes: None,
            segment_bytes: 1 << 20,
            batch_bytes_max: 4096,
            timestamp_type: TimestampType::CreateTime,
            message_id_window_ms: None,
            message_id_window_records: None,
            worked_off: WorkedOff::Keep,
        };
        let (id, name) = (TopicId::from_bytes([byte; 16]), TopicName::parse(name).unwrap());
        Command::Create { id, name, partitions: 2, settings, created_ms: 0 }
    }

    #[test]
    fn a_table_comes_back_with_its_deleted_topics() {
        let mut table = Table::default();
        table.apply(create(1, "a"));
        table.apply(create(2, "b"));
        table.apply(Command::Delete { id: TopicId::from_bytes([1; 16]) });
        table.apply(create(3, "a"));
        table.apply(Command::ProducerIds { below: 2000 });
        table.apply(Command::Clock { wall_ms: 5, held_back_ms: 3 });
        assert_eq!(Table::decode(&table.encode()).as_ref(), Ok(&table));
        let (id, _) = table.named(&TopicName::parse("a").unwrap()).unwrap();
        assert_eq!(id, TopicId::from_bytes([3; 16]));
        assert_eq!((table.partitions(), table.deleted().count()), (4, 1));
        table.apply(Command::Removed { id: TopicId::from_bytes([1; 16]) });
        assert_eq!(table.deleted().count(), 0);
    }

    #[test]
    fn queues_come_back_and_end_with_their_topic() {
        let mut table = Table::default();
        let id = |byte| TopicId::from_bytes([byte; 16]);
        let queue = |byte, name: &str, topic| Queue {
            id: QueueId::from_bytes([byte; 16]),
            name: QueueName::parse(name).unwrap(),
            topic,
            secret: [0; 16],
            settings: QueueSettings::DEFAULT,
            created_ms: 0,
        };
        table.apply(create(1, "a"));
        table.apply(create(2, "b"));
        for queue in [queue(3, "a", id(1)), queue(4, "b", id(2)), queue(5, "more", id(1))] {
            table.apply(Command::QueueCreate(queue));
        }
        let settings = QueueSettings { max_failures: 2, ..QueueSettings::DEFAULT };
        table.apply(Command::QueueAlter { id: QueueId::from_bytes([4; 16]), settings });
        assert_eq!(Table::decode(&table.encode()).as_ref(), Ok(&table));
        let name = |name: &str| QueueName::parse(name).unwrap();
        assert_eq!(table.queue_named(&name("b")).unwrap().settings.max_failures, 2);
        table.apply(Command::Delete { id: id(1) });
        let left: Vec<_> = table.queues().map(|queue| queue.name.as_str()).collect();
        assert_eq!(left, ["b"]);
        assert_eq!(table.queue_named(&name("more")), None);
        table.apply(Command::QueueDelete { id: QueueId::from_bytes([4; 16]) });
        assert_eq!((table.queues().count(), table.queue_named(&name("b"))), (0, None));
    }
}
