//! Queues: what there are, and their making, changing and deleting.

use std::sync::Arc;

use weir_protocol::id::QueueId;
use weir_protocol::name::{QueueName, TopicName};

use super::standing::Standing;
use super::{QueueSettings, QueueWanted, Refusal, Session};
use crate::auth::{Action, Resource};
use crate::core::catalog::actor::Request;
use crate::core::catalog::queue::Queue;
use crate::core::catalog::queue_changes::{self, Create, QueueError};

/// A queue that somebody wants.
#[derive(Clone, Debug)]
pub(crate) struct NewQueue {
    pub(crate) name: QueueName,
    /// The topic it is to read; `None`: the one of its own name. Made where it is not there.
    pub(crate) topic: Option<TopicName>,
    /// Of that topic.
    pub(crate) partitions: Option<u32>,
    pub(crate) wanted: QueueWanted,
}

/// A queue as it was made and set.
#[derive(Clone, Debug)]
pub(crate) struct QueueFacts {
    pub(crate) id: QueueId,
    pub(crate) name: QueueName,
    /// The topic it reads.
    pub(crate) topic: TopicName,
    /// Of that topic.
    pub(crate) partitions: u32,
    pub(crate) created_ms: i64,
    pub(crate) settings: QueueSettings,
    /// `None`: its records die no second time.
    pub(crate) dead_letter: Option<TopicName>,
}

impl Session {
    pub(crate) async fn create_queue(&self, queue: NewQueue) -> Result<QueueFacts, Refusal> {
        let NewQueue { name, topic, partitions, wanted } = queue;
        self.allow_queue(Action::ManageQueue, &name)?;
        let topic = topic.unwrap_or_else(|| name.topic());
        let action = match self.topic_named(&topic) {
            Ok(_) => Action::Consume,
            Err(_) => Action::CreateTopic,
        };
        self.allow_name(action, &topic)?;
        let create = Create { name, topic, partitions, wanted };
        let create = |reply| Request::Queue(queue_changes::Request::Create { create, reply });
        let made: Arc<Queue> = self.ask(create).await?;
        Ok(QueueFacts::of(&self.standing(made)?))
    }

    pub(crate) async fn alter_queue(
        &self,
        name: QueueName,
        wanted: QueueWanted,
    ) -> Result<QueueFacts, Refusal> {
        self.allow_queue(Action::ManageQueue, &name)?;
        let alter = |reply| Request::Queue(queue_changes::Request::Alter { name, wanted, reply });
        let altered: Arc<Queue> = self.ask(alter).await?;
        Ok(QueueFacts::of(&self.standing(altered)?))
    }

    /// Deletes a queue: how far it was is forgotten, its topic stays.
    pub(crate) async fn delete_queue(&self, name: QueueName) -> Result<(), Refusal> {
        self.allow_queue(Action::ManageQueue, &name)?;
        self.ask(|reply| Request::Queue(queue_changes::Request::Delete { name, reply })).await
    }

    pub(crate) fn describe_queue(&self, name: &QueueName) -> Result<QueueFacts, Refusal> {
        self.allow_queue(Action::DescribeQueue, name)?;
        Ok(QueueFacts::of(&self.queue_named(name)?))
    }

    /// Up to `limit` queues that this session may see, in the order of their names, from behind
    /// `after` on.
    pub(crate) fn list_queues(&self, after: Option<&QueueName>, limit: usize) -> Vec<QueueFacts> {
        let page = self.door.queues.page(after, limit).into_iter();
        let may = |queue: &Arc<Queue>| self.allow_queue(Action::DescribeQueue, &queue.name).is_ok();
        // One whose topic was deleted while the page was read is gone with it.
        let standing = page.filter(may).filter_map(|queue| self.standing(queue).ok());
        standing.map(|queue| QueueFacts::of(&queue)).collect()
    }

    /// Whether a queue would be the same if it were altered so.
    pub(crate) fn is_queue_as(
        &self,
        facts: &QueueFacts,
        wanted: &QueueWanted,
    ) -> Result<bool, Refusal> {
        let settings = wanted.over(&facts.settings).map_err(QueueError::Setting)?;
        // Named or not, the dead letter is the one that it is.
        let dead_letter = settings.dead_letter.clone().or_else(|| facts.dead_letter.clone());
        let told = QueueSettings { dead_letter: None, ..facts.settings.clone() };
        let same = QueueSettings { dead_letter: None, ..settings } == told;
        Ok(same && dead_letter == facts.dead_letter)
    }

    pub(super) fn allow_queue(&self, action: Action, name: &QueueName) -> Result<(), Refusal> {
        Ok(self.door.gate.allows(&self.identity, action, &Resource::Queue(name))?)
    }
}

impl QueueFacts {
    fn of(standing: &Standing) -> Self {
        let Standing { queue, topic, definition } = standing;
        Self {
            id: queue.id,
            name: queue.name.clone(),
            topic: topic.name.clone(),
            partitions: definition.partitions,
            created_ms: queue.created_ms,
            settings: queue.settings.clone(),
            dead_letter: definition.dead_letter.clone(),
        }
    }
}
