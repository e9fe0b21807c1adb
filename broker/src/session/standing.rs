//! A queue as a session works with it: as the catalogue and as its shards know it.

use std::sync::Arc;

use weir_protocol::id::QueueId;
use weir_protocol::name::QueueName;

use super::{Refusal, Session};
use crate::core::catalog::queue::Queue;
use crate::core::catalog::queue_changes::QueueError;
use crate::core::catalog::topic::Topic;
use crate::core::queue::Definition;

/// A queue that stands.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) queue: Arc<Queue>,
    pub(super) topic: Arc<Topic>,
    pub(super) definition: Arc<Definition>,
}

impl Standing {
    pub(super) fn of(queue: Arc<Queue>, topic: Arc<Topic>) -> Self {
        let definition = queue.definition(&topic);
        Self { queue, topic, definition }
    }

    /// Whether neither the queue nor its topic has changed.
    pub(super) fn is_of(&self, queue: &Arc<Queue>, topic: &Arc<Topic>) -> bool {
        Arc::ptr_eq(&self.queue, queue) && Arc::ptr_eq(&self.topic, topic)
    }
}

impl Session {
    pub(super) fn queue_named(&self, name: &QueueName) -> Result<Standing, Refusal> {
        let unknown = || QueueError::Unknown(name.clone());
        self.standing(self.door.queues.by_name(name).ok_or_else(unknown)?)
    }

    pub(super) fn queue_by_id(&self, id: QueueId) -> Result<Standing, Refusal> {
        let unknown = || Refusal::unknown_queue(&id);
        self.standing(self.door.queues.by_id(id).ok_or_else(unknown)?)
    }

    /// A queue that was found; unknown, where its topic was deleted meanwhile, and it with that.
    pub(super) fn standing(&self, queue: Arc<Queue>) -> Result<Standing, Refusal> {
        let unknown = || QueueError::Unknown(queue.name.clone());
        let topic = self.door.topics.by_id(queue.topic).ok_or_else(unknown)?;
        Ok(Standing::of(queue, topic))
    }
}
