//! Where dead letters go: a topic, made where it is not there, and a queue on it.
//!
//! It is `synced`: the letter and the memory of its move stand in one frame of the journal.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use weir_protocol::name::{QueueName, TopicName};
use weir_storage::directory::partition_shard;

use super::Mover;
use super::post::Stuck;
use super::source::{Found, read};
use crate::core::catalog::actor::{CatalogError, Reply, Request};
use crate::core::catalog::queue_changes::{Create, QueueError, Request as QueueRequest};
use crate::core::catalog::queue_settings;
use crate::core::catalog::settings::{Durability, Wanted, WorkedOff};
use crate::core::catalog::topic::Topic;
use crate::core::partition::Handle;
use crate::core::queue::{Definition, Dying};
use crate::core::read::FeedError;

impl Mover {
    /// The topic that a queue's dead letters go to.
    pub(super) async fn target(
        &self,
        queue: &Definition,
        name: &TopicName,
    ) -> Result<Arc<Topic>, Stuck> {
        let topic = match self.topics.by_name(name) {
            Some(topic) => topic,
            None => self.make(queue, name).await?,
        };
        if topic.settings.durability == Durability::Synced {
            return Ok(topic);
        }
        let why = format!("topic {name} is not `synced`: name another dead letter, or delete it");
        Err(Stuck::Later(why))
    }

    /// The topic of what a queue puts aside.
    pub(super) async fn parked(&self, queue: &Definition) -> Result<Arc<Topic>, Stuck> {
        let there = self.topics.by_name(&queue.name.parked());
        let is_whole = |topic: &Arc<Topic>| {
            let partitions = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
            topic.settings.worked_off == WorkedOff::Parked && queue.partitions <= partitions
        };
        if let Some(topic) = there.filter(is_whole)
            && partition_shard(topic.id, 0) == partition_shard(queue.topic, 0)
        {
            return Ok(topic);
        }
        let park = |reply| Request::Queue(QueueRequest::Park { queue: queue.id, reply });
        self.ask(park).await.map_err(later)
    }

    /// Reads a record that is dying, wherever its bytes are.
    pub(super) async fn read(
        &self,
        queue: &Definition,
        partition: u32,
        source: &Handle,
        dying: &Dying,
    ) -> Result<Found, FeedError> {
        let Some(copy) = dying.copy else {
            return read(source, &self.cold_reads, dying.offset).await;
        };
        let parked = self.topics.by_name(&queue.name.parked());
        match parked.as_ref().and_then(|topic| topic.partitions.get(partition as usize)) {
            Some(parked) => read(parked, &self.cold_reads, copy).await,
            None => Ok(Found::Nothing),
        }
    }

    async fn make(&self, queue: &Definition, name: &TopicName) -> Result<Arc<Topic>, Stuck> {
        let wanted = Wanted { durability: Some(Durability::Synced), ..Wanted::default() };
        let (partitions, topic) = (Some(queue.partitions), name.clone());
        let create = |reply| Request::Create { name: topic, partitions, wanted, reply };
        let made = match self.ask(create).await {
            Err(CatalogError::Exists(_)) => self.topics.by_name(name),
            made => Some(made.map_err(later)?),
        };
        if *name == queue.name.dead_letter() {
            self.make_queue(name).await?;
        }
        tracing::info!(queue = %queue.name, topic = %name, "made the queue's dead letter");
        made.ok_or_else(|| Stuck::Later(format!("topic {name} was deleted meanwhile")))
    }

    async fn make_queue(&self, name: &TopicName) -> Result<(), Stuck> {
        let queue = QueueName::parse(name.as_str()).map_err(later)?;
        let wanted = queue_settings::Wanted::default();
        let create = Create { name: queue, topic: name.clone(), partitions: None, wanted };
        let create = |reply| Request::Queue(QueueRequest::Create { create, reply });
        match self.ask(create).await {
            Ok(_) | Err(CatalogError::Queue(QueueError::Exists(_))) => Ok(()),
            Err(error) => Err(later(error)),
        }
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, CatalogError> {
        let (reply, wait) = oneshot::channel();
        let catalog: Option<mpsc::Sender<_>> = self.catalog.upgrade();
        let catalog = catalog.ok_or(CatalogError::ShuttingDown)?;
        catalog.send(request(reply)).await.map_err(|_| CatalogError::ShuttingDown)?;
        wait.await.unwrap_or(Err(CatalogError::ShuttingDown))
    }
}

fn later(error: impl std::fmt::Display) -> Stuck {
    Stuck::Later(error.to_string())
}
