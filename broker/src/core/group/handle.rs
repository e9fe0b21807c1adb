//! The groups for those who ask of them: each group's calls go to its shard. Cheap to clone.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use weir_protocol::id::TopicId;
use weir_protocol::name::GroupName;
use weir_storage::directory::group_shard;

use super::member::MemberId;
use super::policy::Policy;
use super::refusal::GroupError;
use super::request::{Call, Listed, Reply, Request, Wish};
use crate::clock::Randomness;

/// The groups.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Of shards 1 and up, in their order.
    shards: Vec<mpsc::Sender<Call>>,
    randomness: Randomness,
    policy: Policy,
}

impl Groups {
    pub(crate) fn new(
        shards: Vec<mpsc::Sender<Call>>,
        randomness: Randomness,
        policy: Policy,
    ) -> Self {
        Self { shared: Arc::new(Shared { shards, randomness, policy }) }
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.shared.policy
    }

    /// An id for a member that has none.
    pub(crate) fn fresh_member(&self, named: &str) -> MemberId {
        MemberId::fresh(named, self.shared.randomness.uuid())
    }

    /// Asks of a group, and waits for the answer: however long a rebalance takes.
    pub(crate) async fn ask<T>(
        &self,
        group: GroupName,
        wish: impl FnOnce(Reply<T>) -> Wish,
    ) -> Result<T, GroupError> {
        let (reply, wait) = oneshot::channel();
        let shard = self.shard(&group);
        let call = Call::Of(Request { group, wish: wish(reply) });
        shard.send(call).await.map_err(|_| GroupError::ShuttingDown)?;
        // The answer that does not come is one to what was proposed when writes stopped.
        wait.await.unwrap_or(Err(GroupError::OutcomeUnknown))
    }

    /// Tells a group's shard without waiting; where its inbox is full, nothing happens.
    pub(crate) fn tell(&self, group: GroupName, wish: Wish) {
        let _ = self.shard(&group).try_send(Call::Of(Request { group, wish }));
    }

    /// All groups, in no order.
    pub(crate) async fn list(&self) -> Result<Vec<Listed>, GroupError> {
        let mut all = Vec::new();
        for shard in &self.shared.shards {
            let (reply, wait) = oneshot::channel();
            shard.send(Call::List(reply)).await.map_err(|_| GroupError::ShuttingDown)?;
            all.extend(wait.await.map_err(|_| GroupError::ShuttingDown)?);
        }
        Ok(all)
    }

    /// A topic has more partitions now: its readers share them out.
    pub(crate) async fn topic_has(&self, topic: TopicId, partitions: u32) {
        for shard in &self.shared.shards {
            let _ = shard.send(Call::TopicHas(topic, partitions)).await;
        }
    }

    fn shard(&self, group: &GroupName) -> &mpsc::Sender<Call> {
        &self.shared.shards[usize::from(group_shard(group.as_str()) - 1)]
    }
}
