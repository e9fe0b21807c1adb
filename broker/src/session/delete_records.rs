//! Deleting a partition's oldest records, with the copies that queues have put aside of them.
//!
//! A crash between the two leaves copies that are still handed out; who asked was not answered, and
//! asks again.

use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;

use super::produce::partition_of;
use super::{Before, Offset, Refusal, Session};
use crate::auth::Action;
use crate::core::catalog::topic::Topic;
use crate::core::queue::{Definition, QueueError};

impl Session {
    /// Deletes the oldest records of a partition; the first offset that is left, once no crash
    /// brings the others back.
    pub(crate) async fn delete_records(
        &self,
        topic: TopicId,
        partition: u32,
        before: Before,
    ) -> Result<Offset, Refusal> {
        self.trim(&*self.topic(topic)?, partition, before).await
    }

    /// The same of a topic by its name.
    pub(crate) async fn delete_records_named(
        &self,
        topic: &TopicName,
        partition: u32,
        before: Before,
    ) -> Result<Offset, Refusal> {
        self.trim(&*self.topic_named(topic)?, partition, before).await
    }

    async fn trim(&self, topic: &Topic, partition: u32, before: Before) -> Result<Offset, Refusal> {
        self.allow(Action::DeleteRecords, topic)?;
        let start = partition_of(topic, partition)?.trim(before).await?;
        let below = match before {
            Before::Offset(asked) => asked,
            Before::Tail | Before::TailStill(_) => start,
        };
        for queue in self.door.queues.all() {
            if queue.topic == topic.id {
                let queue = queue.definition(topic);
                self.forget(&queue, partition, below).await?;
            }
        }
        Ok(start)
    }

    async fn forget(
        &self,
        queue: &Definition,
        partition: u32,
        below: Offset,
    ) -> Result<(), Refusal> {
        match self.door.work.forget(queue, partition, below).await {
            // With the queue went what it had put aside.
            Ok(()) | Err(QueueError::Gone) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
