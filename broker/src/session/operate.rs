//! Topics, and what a client needs before it can begin.

use std::sync::Arc;

use tokio::sync::oneshot;
use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;

use super::produce::partition_of;
use super::{From, Offset, Refusal, Session, TopicFacts, Wanted};
use crate::auth::{Action, Resource};
use crate::core::catalog::actor::{Reply, Request};
use crate::core::catalog::topic::Topic;
use crate::core::partition::Handle;

impl Session {
    pub(crate) async fn create_topic(
        &self,
        name: TopicName,
        partitions: Option<u32>,
        wanted: Wanted,
    ) -> Result<TopicFacts, Refusal> {
        self.allow_name(Action::CreateTopic, &name)?;
        let create = |reply| Request::Create { name, partitions, wanted, reply };
        let topic: Arc<Topic> = self.ask(create).await?;
        Ok(TopicFacts::of(&topic))
    }

    pub(crate) async fn alter_topic(
        &self,
        name: TopicName,
        partitions: Option<u32>,
        wanted: Wanted,
    ) -> Result<TopicFacts, Refusal> {
        self.allow_name(Action::AlterTopic, &name)?;
        let alter = |reply| Request::Alter { name, partitions, wanted, reply };
        let topic: Arc<Topic> = self.ask(alter).await?;
        let partitions = u32::try_from(topic.partitions.len()).expect("partitions are limited");
        self.door.groups.topic_has(topic.id, partitions).await;
        // Who keeps less from now on need not wait for it.
        self.door.retention.sweep_now();
        Ok(TopicFacts::of(&topic))
    }

    pub(crate) async fn delete_topic(&self, name: TopicName) -> Result<(), Refusal> {
        self.allow_name(Action::DeleteTopic, &name)?;
        self.ask(|reply| Request::Delete { name, reply }).await
    }

    pub(crate) fn describe_topic(&self, name: &TopicName) -> Result<TopicFacts, Refusal> {
        let topic = self.topic_named(name)?;
        self.allow(Action::DescribeTopic, &topic)?;
        Ok(TopicFacts::of(&topic))
    }

    pub(crate) fn describe_topic_by_id(&self, id: TopicId) -> Result<TopicFacts, Refusal> {
        let topic = self.topic(id)?;
        self.allow(Action::DescribeTopic, &topic)?;
        Ok(TopicFacts::of(&topic))
    }

    /// How many bytes each partition of a topic keeps.
    pub(crate) fn partition_bytes(&self, name: &TopicName) -> Result<Vec<u64>, Refusal> {
        let topic = self.topic_named(name)?;
        self.allow(Action::DescribeTopic, &topic)?;
        let bytes = |partition: &Handle| {
            let extents = partition.reader().extents();
            extents.ended.iter().chain(&extents.active).map(|extent| extent.bytes).sum()
        };
        Ok(topic.partitions.iter().map(bytes).collect())
    }

    /// The id of the topic that has this name now.
    pub(crate) fn topic_id(&self, name: &TopicName) -> Result<TopicId, Refusal> {
        let topic = self.topic_named(name)?;
        self.allow(Action::DescribeTopic, &topic)?;
        Ok(topic.id)
    }

    /// Up to `limit` topics that this session may see, in the order of their names, from behind
    /// `after` on.
    pub(crate) fn list_topics(&self, after: Option<&TopicName>, limit: usize) -> Vec<TopicFacts> {
        let page = self.door.topics.page(after, limit);
        let visible = page.iter().filter(|topic| self.allow(Action::DescribeTopic, topic).is_ok());
        visible.map(|topic| TopicFacts::of(topic)).collect()
    }

    /// Whether this session may watch and steer the broker itself.
    pub(crate) fn may_operate(&self) -> Result<(), Refusal> {
        Ok(self.door.gate.allows(&self.identity, Action::Operate, &Resource::Broker)?)
    }

    /// The offset that a place means now, and the time of its record where the place is a time
    /// that has one.
    pub(crate) async fn offset(
        &self,
        topic: TopicId,
        partition: u32,
        from: From,
    ) -> Result<(Offset, Option<i64>), Refusal> {
        let topic = self.topic(topic)?;
        self.allow(Action::DescribeTopic, &topic)?;
        let handle = partition_of(&topic, partition)?;
        Ok(self.door.cold_reads.find(handle.reader(), from).await?)
    }

    pub(super) fn topic(&self, id: TopicId) -> Result<Arc<Topic>, Refusal> {
        self.door.topics.by_id(id).ok_or_else(|| Refusal::unknown_topic(&id))
    }

    pub(super) fn topic_named(&self, name: &TopicName) -> Result<Arc<Topic>, Refusal> {
        self.door.topics.by_name(name).ok_or_else(|| Refusal::unknown_topic(name))
    }

    pub(super) fn allow_name(&self, action: Action, name: &TopicName) -> Result<(), Refusal> {
        Ok(self.door.gate.allows(&self.identity, action, &Resource::Topic(name))?)
    }

    pub(super) async fn ask<T>(
        &self,
        request: impl FnOnce(Reply<T>) -> Request,
    ) -> Result<T, Refusal> {
        let (reply, wait) = oneshot::channel();
        let sent = self.door.catalog.send(request(reply)).await;
        sent.map_err(|_| Refusal::shutting_down())?;
        Ok(wait.await.map_err(|_| Refusal::shutting_down())??)
    }
}
