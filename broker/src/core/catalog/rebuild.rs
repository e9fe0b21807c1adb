//! The tables of all shards while a start rebuilds them, and where a checkpoint gets them.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use weir_protocol::batch::Header;
use weir_protocol::id::TopicId;
use weir_storage::directory::{SHARDS, partition_shard};
use weir_storage::journal::Kind;
use weir_storage::journal::checkpoint::Table as Stored;
use weir_storage::log;
use weir_storage::offset::{Epoch, Index, Offset, OffsetSpan};

use super::actor;
use super::command::Command;
use super::settings::Durability;
use super::table::Table;
use crate::core::commit::checkpoint::{Asked, Tables};
use crate::core::commit::group_commit::TERM;
use crate::core::commit::replay::{Effect, Ends, PartitionFacts, PathKind, Rebuild, TableError};
use crate::core::commit::seam::CATALOG_SHARD;
use crate::core::partition::moves::MoveEntry;
use crate::core::partition::producers::Producers;
use crate::core::partition::request;
use crate::core::shard::entries::Change;
use crate::core::shard::table;

/// Tables being rebuilt.
#[derive(Debug)]
pub(crate) struct Rebuilding {
    pub(crate) catalog: Table,
    /// Of shards 1 and up, in their order.
    pub(crate) shards: Vec<table::Table>,
    pub(crate) log_options: log::Options,
}

impl Rebuilding {
    pub(crate) fn new(log_options: log::Options) -> Self {
        let shards = (1..SHARDS).map(|_| table::Table::default()).collect();
        Self { catalog: Table::default(), shards, log_options }
    }

    /// The tables as a checkpoint has them, each at its shard's index; what partitions know of
    /// their batches is not in them.
    pub(crate) fn stored(&self, applied: &BTreeMap<u16, Index>) -> Vec<Stored> {
        let stored = |shard: u16, bytes| {
            let index = applied.get(&shard).copied().unwrap_or_default();
            Stored { shard, index, term: TERM, bytes }
        };
        let shards = (1..).zip(&self.shards).map(|(shard, table)| stored(shard, table.encode(&[])));
        [stored(CATALOG_SHARD, self.catalog.encode())].into_iter().chain(shards).collect()
    }

    fn shard(&mut self, shard: u16) -> Result<&mut table::Table, TableError> {
        let place = usize::from(shard.wrapping_sub(1));
        let unknown = || TableError(format!("there is no shard {shard}").into());
        self.shards.get_mut(place).ok_or_else(unknown)
    }
}

impl Rebuilding {
    fn producers(&mut self, topic: TopicId, partition: u32) -> &mut Producers {
        let place = usize::from(partition_shard(topic, partition) - 1);
        self.shards[place].producers(topic, partition)
    }
}

impl Rebuild for Rebuilding {
    fn restore(&mut self, stored: &Stored) -> Result<(), TableError> {
        if stored.shard == CATALOG_SHARD {
            self.catalog = Table::decode(&stored.bytes).map_err(TableError::new)?;
        } else {
            *self.shard(stored.shard)? =
                table::Table::decode(&stored.bytes).map_err(TableError::new)?;
        }
        Ok(())
    }

    fn apply(&mut self, shard: u16, kind: Kind, body: &Bytes) -> Result<Effect, TableError> {
        if shard == CATALOG_SHARD && kind == Kind::MetaCommand {
            self.catalog.apply(Command::decode(body).map_err(TableError::new)?);
            return Ok(Effect::None);
        }
        let change = Change::decode(kind, body).map_err(TableError::new)?;
        self.shard(shard)?.apply(&change);
        Ok(match change {
            Change::Gap { topic, partition, span, epoch } => {
                Effect::Gap { topic, partition, span, epoch }
            }
            Change::Reserve { .. }
            | Change::Start { .. }
            | Change::Forget { .. }
            | Change::MessageIds { .. }
            | Change::Move { .. }
            | Change::Gone { .. }
            | Change::Queue(_)
            | Change::Group(_) => Effect::None,
        })
    }

    fn partitions(&self) -> Vec<PartitionFacts> {
        let topics = self.catalog.topics();
        let partitions = topics.flat_map(|(topic, entry)| {
            let path = match entry.settings.durability {
                Durability::Synced => PathKind::Journal,
                Durability::Written => PathKind::Log,
            };
            let segment_bytes = entry.settings.segment_bytes;
            let options = log::Options { segment_bytes, ..self.log_options.clone() };
            (0..entry.partitions).map(move |partition| PartitionFacts {
                topic,
                partition,
                shard: partition_shard(topic, partition),
                path,
                options: options.clone(),
            })
        });
        partitions.collect()
    }

    fn reserved_end(&self, topic: TopicId, partition: u32) -> Offset {
        let place = usize::from(partition_shard(topic, partition) - 1);
        self.shards[place].reserved_end(topic, partition)
    }

    fn start(&self, topic: TopicId, partition: u32) -> Offset {
        let place = usize::from(partition_shard(topic, partition) - 1);
        self.shards[place].start(topic, partition)
    }

    fn appended(&mut self, topic: TopicId, partition: u32, header: &Header) {
        let offset = Offset::new(header.base_offset);
        self.producers(topic, partition).append(header, offset);
    }

    fn cut(&mut self, topic: TopicId, partition: u32, end: Offset) {
        let place = usize::from(partition_shard(topic, partition) - 1);
        self.shards[place].cut(topic, partition, end);
    }

    fn beside(&mut self, kind: Kind, body: &Bytes, ends: Ends<'_>) -> Result<(), TableError> {
        let change = Change::decode(kind, body).map_err(TableError::new)?;
        let (topic, partition, base) = match &change {
            Change::MessageIds { topic, partition, identified } => {
                (*topic, *partition, identified.base)
            }
            Change::Move { topic, partition, entry: MoveEntry::Came(_, offset) } => {
                (*topic, *partition, *offset)
            }
            // It names what it ends, so that it may come again.
            Change::Move { topic, partition, entry: MoveEntry::Over(..) } => {
                (*topic, *partition, Offset::new(u64::MAX))
            }
            _ => return Ok(()),
        };
        if ends(topic, partition).is_some_and(|end| end <= base) {
            self.shard(partition_shard(topic, partition))?.apply(&change);
        }
        Ok(())
    }

    fn gap(
        &self,
        topic: TopicId,
        partition: u32,
        span: &OffsetSpan,
        epoch: Epoch,
    ) -> (Kind, Bytes) {
        Change::Gap { topic, partition, span: span.clone(), epoch }.encode()
    }
}

/// Asks the catalogue's and the shards' tasks for their tables.
#[derive(Debug)]
pub(crate) struct LiveTables {
    pub(crate) catalog: mpsc::WeakSender<actor::Request>,
    /// Of shards 1 and up, in their order.
    pub(crate) shards: Vec<mpsc::WeakSender<request::Request>>,
}

impl Tables for LiveTables {
    fn applied(&self) -> Asked<'_, Vec<(u16, Index)>> {
        Box::pin(async {
            let mut applied = Vec::with_capacity(self.shards.len());
            for (number, shard) in (1..).zip(&self.shards) {
                let (asker, wait) = oneshot::channel();
                shard.upgrade()?.send(request::Request::Applied(asker)).await.ok()?;
                applied.push((number, wait.await.ok()?));
            }
            Some(applied)
        })
    }

    fn snapshot(&self) -> Asked<'_, Vec<Stored>> {
        Box::pin(async {
            let stored =
                |shard, (index, bytes): (Index, Bytes)| Stored { shard, index, term: TERM, bytes };
            let (asker, wait) = oneshot::channel();
            self.catalog.upgrade()?.send(actor::Request::Snapshot(asker)).await.ok()?;
            let mut tables = vec![stored(CATALOG_SHARD, wait.await.ok()?)];
            for (number, shard) in (1..).zip(&self.shards) {
                let (asker, wait) = oneshot::channel();
                shard.upgrade()?.send(request::Request::Snapshot(asker)).await.ok()?;
                tables.push(stored(number, wait.await.ok()?));
            }
            Some(tables)
        })
    }
}
