//! What a session tells of the broker and its topics.

use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;

use super::Settings;
use crate::core::catalog::topic::Topic;
use crate::core::read::{Epoch, Offset};

/// The broker, for its clients.
#[derive(Clone, Debug)]
pub(crate) struct BrokerFacts {
    pub(crate) cluster: [u8; 16],
    pub(crate) node: [u8; 16],
    pub(crate) version: &'static str,
}

/// A topic as it is now.
#[derive(Clone, Debug)]
pub(crate) struct TopicFacts {
    pub(crate) id: TopicId,
    pub(crate) name: TopicName,
    pub(crate) settings: Settings,
    pub(crate) created_ms: i64,
    pub(crate) partitions: Vec<PartitionFacts>,
}

/// A partition as it is now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartitionFacts {
    /// The first offset that is kept.
    pub(crate) start: Offset,
    /// The first that is not visible yet.
    pub(crate) tail: Offset,
    pub(crate) epoch: Epoch,
}

impl TopicFacts {
    pub(super) fn of(topic: &Topic) -> Self {
        let partitions = topic.partitions.iter().map(|partition| {
            let reader = partition.reader();
            let epoch = reader.epochs().last().map(|last| last.epoch).unwrap_or_default();
            PartitionFacts { start: reader.start(), tail: reader.tail(), epoch }
        });
        Self {
            id: topic.id,
            name: topic.name.clone(),
            settings: topic.settings.clone(),
            created_ms: topic.created_ms,
            partitions: partitions.collect(),
        }
    }
}
