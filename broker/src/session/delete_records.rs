//! Deleting a partition's oldest records.

use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;

use super::produce::partition_of;
use super::{Before, Offset, Refusal, Session};
use crate::auth::Action;
use crate::core::catalog::topic::Topic;

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
        Ok(partition_of(topic, partition)?.trim(before).await?)
    }
}
