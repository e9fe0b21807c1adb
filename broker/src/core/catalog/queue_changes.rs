//! Changes of queues: decided by the catalogue's task, as those of topics.
//!
//! A queue ends with its topic: one command of the journal ends both.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_protocol::id::{QueueId, TopicId};
use weir_protocol::name::{QueueName, TopicName};

use super::actor::{Actor, CatalogError, Reply};
use super::command::Command;
use super::queue::Queue;
use super::queue_settings::Wanted;
use super::settings;
use super::table::Table;
use super::topic::Topic;
use crate::core::queue::Settings;

/// What the catalogue is asked about queues.
#[derive(Debug)]
pub(crate) enum Request {
    Create {
        create: Create,
        reply: Reply<Arc<Queue>>,
    },
    Alter {
        name: QueueName,
        wanted: Wanted,
        reply: Reply<Arc<Queue>>,
    },
    Delete {
        name: QueueName,
        reply: Reply<()>,
    },
    /// The topic of what a queue puts aside, made where it is not there.
    Park {
        queue: QueueId,
        reply: Reply<Arc<Topic>>,
    },
}

/// A queue that is to be made.
#[derive(Clone, Debug)]
pub(crate) struct Create {
    pub(crate) name: QueueName,
    /// Made where it is not there.
    pub(crate) topic: TopicName,
    /// Of the topic: where it is made, as many; where it is there, it must have as many.
    pub(crate) partitions: Option<u32>,
    pub(crate) wanted: Wanted,
}

/// Why a queue was not made or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueError {
    #[error("there is a queue {0} already")]
    Exists(QueueName),
    #[error("there is no queue {0}: create it, or check its name")]
    Unknown(QueueName),
    #[error("the broker has {now} queues and takes {max} at most")]
    TooMany { now: u64, max: u64 },
    #[error("{0}")]
    Setting(#[from] crate::core::queue::SettingError),
    #[error("a queue's order is fixed when it is created; create another queue on the topic")]
    OrderFixed,
    #[error(
        "topic {topic} is there and has {now} partitions, not {wanted}: leave the number out, or \
         alter the topic"
    )]
    Partitions { topic: TopicName, now: u32, wanted: u32 },
    #[error(
        "queue {queue} has records to put aside, and topic {topic}, where they would go, is \
         another's: delete it"
    )]
    ParkedTaken { queue: QueueName, topic: TopicName },
    #[error(
        "dead letters of queue {queue} would go to topic {dead_letter}, and from there back to \
         {topic}: name another dead_letter"
    )]
    DeadLetterCycle { queue: QueueName, dead_letter: TopicName, topic: TopicName },
}

impl Actor {
    pub(super) async fn change_queues(&mut self, request: Request) {
        match request {
            Request::Create { create, reply } => {
                let _ = reply.send(self.create_queue(create).await);
            }
            Request::Alter { name, wanted, reply } => {
                let _ = reply.send(self.alter_queue(&name, &wanted).await);
            }
            Request::Delete { name, reply } => {
                let _ = reply.send(self.delete_queue(&name).await);
            }
            Request::Park { queue, reply } => {
                let _ = reply.send(self.park(queue).await);
            }
        }
    }

    async fn create_queue(&mut self, create: Create) -> Result<Arc<Queue>, CatalogError> {
        self.check_writes_go_on()?;
        let Create { name, topic, partitions, wanted } = create;
        if self.table.queue_named(&name).is_some() {
            return Err(QueueError::Exists(name).into());
        }
        let (now, max) = (self.table.queues().count() as u64, self.policy.queues_max);
        if max <= now {
            return Err(QueueError::TooMany { now, max }.into());
        }
        let settings = wanted.over(&Settings::DEFAULT).map_err(QueueError::Setting)?;
        check_dead_letter(&self.table, &name, &topic, &settings)?;
        let topic = self.topic_of_queue(topic, partitions).await?;
        let id = QueueId::from_bytes(self.randomness.uuid());
        let secret = self.randomness.uuid();
        let created_ms = self.clock.wall_ms();
        let queue = Queue { id, name, topic, secret, settings, created_ms };
        self.commit(Command::QueueCreate(queue.clone())).await?;
        Ok(self.publish_queue(queue).await)
    }

    /// The topic of a new queue, made where it is not there.
    async fn topic_of_queue(
        &mut self,
        name: TopicName,
        partitions: Option<u32>,
    ) -> Result<TopicId, CatalogError> {
        let Some((id, entry)) = self.table.named(&name) else {
            let wanted = settings::Wanted::default();
            return Ok(self.create(name, partitions, &wanted).await?.id);
        };
        match partitions {
            Some(wanted) if wanted != entry.partitions => {
                Err(QueueError::Partitions { topic: name, now: entry.partitions, wanted }.into())
            }
            _ => Ok(id),
        }
    }

    async fn alter_queue(
        &mut self,
        name: &QueueName,
        wanted: &Wanted,
    ) -> Result<Arc<Queue>, CatalogError> {
        self.check_writes_go_on()?;
        let unknown = || QueueError::Unknown(name.clone());
        let mut queue = self.table.queue_named(name).ok_or_else(unknown)?.clone();
        let settings = wanted.over(&queue.settings).map_err(QueueError::Setting)?;
        if settings.order != queue.settings.order {
            return Err(QueueError::OrderFixed.into());
        }
        let topic = self.table.topic(queue.topic).expect("a queue ends with its topic");
        check_dead_letter(&self.table, name, &topic.name, &settings)?;
        self.commit(Command::QueueAlter { id: queue.id, settings: settings.clone() }).await?;
        queue.settings = settings;
        Ok(self.publish_queue(queue).await)
    }

    async fn delete_queue(&mut self, name: &QueueName) -> Result<(), CatalogError> {
        self.check_writes_go_on()?;
        let unknown = || QueueError::Unknown(name.clone());
        let queue = self.table.queue_named(name).ok_or_else(unknown)?;
        let (id, parked) = (queue.id, self.parked_of(queue));
        self.commit(Command::QueueDelete { id }).await?;
        self.withdraw_queue(id).await;
        match parked {
            Some(parked) => self.end(parked).await,
            None => Ok(()),
        }
    }

    /// Whoever finds the queue finds it with its shards too.
    async fn publish_queue(&self, queue: Queue) -> Arc<Queue> {
        let queue = Arc::new(queue);
        self.tell_shards(&queue).await;
        self.queues.publish(Arc::clone(&queue));
        queue
    }

    /// Nobody finds a queue any more, and its workers find out. Where a shard cannot keep that, the
    /// next start has it forgotten.
    pub(super) async fn withdraw_queue(&self, id: QueueId) {
        self.queues.withdraw(id);
        if let Err(error) = self.work.gone(id).await {
            tracing::warn!(queue = %id, %error, "what is kept of a deleted queue goes later");
        }
    }

    /// A topic has more partitions, or was made again: its queues read them too.
    pub(super) async fn tell_readers(&self, topic: &Topic) {
        for queue in self.table.queues().filter(|queue| queue.topic == topic.id) {
            self.work.is(&queue.definition(topic), &topic.partitions).await;
        }
        self.queues.extended();
    }

    async fn tell_shards(&self, queue: &Queue) {
        if let Some(topic) = self.topics.by_id(queue.topic) {
            self.work.is(&queue.definition(&topic), &topic.partitions).await;
        }
    }
}

/// Refuses dead letters that would come back to the topic they died of, over however many queues.
fn check_dead_letter(
    table: &Table,
    queue: &QueueName,
    topic: &TopicName,
    settings: &Settings,
) -> Result<(), QueueError> {
    let dead_letter = settings.dead_letter.clone().unwrap_or_else(|| queue.dead_letter());
    let mut reached = BTreeSet::new();
    let mut next = vec![dead_letter.clone()];
    while let Some(name) = next.pop() {
        if name == *topic {
            let (queue, topic) = (queue.clone(), topic.clone());
            return Err(QueueError::DeadLetterCycle { queue, dead_letter, topic });
        }
        if let Some((id, _)) = table.named(&name)
            && reached.insert(id)
        {
            let readers = table.queues().filter(|reader| reader.topic == id);
            next.extend(readers.filter(|reader| reader.name != *queue).map(Queue::dead_letter));
        }
    }
    Ok(())
}
