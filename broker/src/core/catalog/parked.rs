//! The topics of what queues have put aside: made when a queue needs one, never by anybody else,
//! and deleted with their queue.
//!
//! Its id is chosen so that each of its partitions is in the shard of the queue's partition of the
//! same number: a copy and what the queue keeps of it stand in one frame of the journal.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_protocol::id::{QueueId, TopicId};
use weir_storage::directory::partition_shard;

use super::actor::{Actor, CatalogError};
use super::queue::Queue;
use super::queue_changes::QueueError;
use super::settings::{Durability, Limit, SettingError, Wanted, WorkedOff};
use super::table::Entry;
use super::topic::Topic;

/// Its segments are small, so that they go soon.
const SEGMENT_BYTES: u64 = 16 << 20;

impl Actor {
    /// The parked topic of a queue, with as many partitions as the queue's own: made, or given
    /// more, where it is not so.
    pub(super) async fn park(&mut self, queue: QueueId) -> Result<Arc<Topic>, CatalogError> {
        self.check_writes_go_on()?;
        let queue = self.table.queues().find(|known| known.id == queue).cloned();
        let queue = queue.ok_or(CatalogError::ShuttingDown)?;
        let source = self.table.topic(queue.topic).expect("a queue ends with its topic");
        let partitions = source.partitions;
        let name = queue.name.parked();
        self.end_stray(&queue).await?;
        match self.table.named(&name) {
            None => {
                let id = self.beside(queue.topic);
                let wanted = Wanted {
                    durability: Some(Durability::Synced),
                    retention_ms: Some(Limit::None),
                    retention_bytes: Some(Limit::None),
                    segment_bytes: Some(SEGMENT_BYTES),
                    message_id_window_ms: Some(Limit::None),
                    worked_off: Some(WorkedOff::Parked),
                    ..Wanted::default()
                };
                self.create_as(id, name, partitions, &wanted).await
            }
            Some((_, entry)) if entry.settings.worked_off != WorkedOff::Parked => {
                Err(QueueError::ParkedTaken { queue: queue.name, topic: name }.into())
            }
            Some((id, entry)) if entry.partitions < partitions => {
                let settings = entry.settings.clone();
                self.extend(id, partitions, settings).await
            }
            Some((id, _)) => match self.topics.by_id(id) {
                Some(topic) => Ok(topic),
                None => Err(CatalogError::Unknown(name)),
            },
        }
    }

    /// An id whose partitions share the shards of a topic's.
    fn beside(&self, topic: TopicId) -> TopicId {
        let shard = partition_shard(topic, 0);
        loop {
            let id = TopicId::from_bytes(self.randomness.uuid());
            if partition_shard(id, 0) == shard {
                return id;
            }
        }
    }

    /// Ends a parked topic that an earlier queue of the same name left, where its partitions are
    /// not in the shards of this one's.
    async fn end_stray(&mut self, queue: &Queue) -> Result<(), CatalogError> {
        match self.parked_of(queue) {
            Some(id) if partition_shard(id, 0) != partition_shard(queue.topic, 0) => {
                self.end(id).await
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Parked topics whose queues are gone: a stop came between the two.
    pub(super) fn strays(&self) -> Vec<TopicId> {
        let parked =
            self.table.topics().filter(|(_, entry)| entry.settings.worked_off == WorkedOff::Parked);
        let owned: BTreeSet<_> =
            self.table.queues().filter_map(|queue| self.parked_of(queue)).collect();
        parked.map(|(id, _)| id).filter(|id| !owned.contains(id)).collect()
    }

    /// The parked topic of a queue, where there is one.
    pub(super) fn parked_of(&self, queue: &Queue) -> Option<TopicId> {
        let (id, entry) = self.table.named(&queue.name.parked())?;
        (entry.settings.worked_off == WorkedOff::Parked).then_some(id)
    }
}

/// Refuses to change a topic that is a queue's own.
pub(super) fn check_is_not_parked(entry: &Entry) -> Result<(), CatalogError> {
    match entry.settings.worked_off {
        WorkedOff::Parked => Err(SettingError::OfQueue.into()),
        WorkedOff::Keep | WorkedOff::Delete => Ok(()),
    }
}
