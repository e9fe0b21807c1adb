//! The queues for those who ask of them: each call goes to the shard of its partition. Cheap to
//! clone.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use weir_protocol::id::{QueueId, TopicId};
use weir_storage::directory::partition_shard;
use weir_storage::offset::Offset;

use super::refusal::QueueError;
use super::request::{
    Call, Definition, Dying, Log, Outcome, PartitionFacts, Receipt, Reply, Take, Taken, Verb, Wish,
    WorkerId,
};
use crate::core::partition::Handle;
use crate::core::partition::parking::Parking;
use crate::core::wake::Signals;

/// The queues.
#[derive(Clone, Debug)]
pub(crate) struct Queues {
    /// Of shards 1 and up, in their order.
    shards: Arc<[mpsc::Sender<Call>]>,
}

impl Queues {
    pub(crate) fn new(shards: Vec<mpsc::Sender<Call>>) -> Self {
        Self { shards: shards.into() }
    }

    /// There is such a queue, or it has changed, or its topic has more partitions: `partitions`
    /// are all of the topic's. What is asked of it behind this finds it.
    pub(crate) async fn is(&self, definition: &Arc<Definition>, partitions: &[Handle]) {
        let mut parts = vec![Vec::new(); self.shards.len()];
        for (number, partition) in (0..).zip(partitions) {
            parts[place(definition, number)].push((number, partition.clone()));
        }
        for (shard, part) in self.shards.iter().zip(parts) {
            if !part.is_empty() {
                let _ = shard.send(Call::Is(Arc::clone(definition), part)).await;
            }
        }
    }

    /// These are all the queues there are: what is kept of others is forgotten. Once, at start.
    pub(crate) async fn are_all(&self, queues: Vec<QueueId>) {
        let queues: Arc<[QueueId]> = queues.into();
        for shard in &*self.shards {
            let _ = shard.send(Call::All(Arc::clone(&queues))).await;
        }
    }

    /// Forgets a queue that was deleted; answered once that is committed everywhere.
    ///
    /// # Errors
    /// Where a shard cannot keep it; it is forgotten at the next start then.
    pub(crate) async fn gone(&self, queue: QueueId) -> Result<(), QueueError> {
        for shard in &*self.shards {
            ask(shard, |reply| Call::Gone(queue, reply)).await?;
        }
        Ok(())
    }

    /// Leases what is ready, and never waits for more: a worker that comes away empty is told
    /// `Ready(token)` once when there may be something.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub(crate) async fn take(
        &self,
        queue: &Definition,
        partition: u32,
        take: Take,
    ) -> Result<Taken, QueueError> {
        self.ask(queue, partition, |reply| Wish::Take(take, reply)).await
    }

    /// Takes a worker's words, and says what became of each once that is committed.
    ///
    /// # Errors
    /// See [`QueueError`]; behind any but `OutcomeUnknown` nothing was stored.
    pub(crate) async fn settle(
        &self,
        queue: &Definition,
        partition: u32,
        items: Vec<(Receipt, Verb)>,
    ) -> Result<Vec<Outcome>, QueueError> {
        self.begin_settle(queue, partition, items).await?.outcome().await
    }

    /// The same, where the words are the shard's on return, behind all that it was asked before,
    /// and what became of them is heard later.
    ///
    /// # Errors
    /// `ShuttingDown`.
    pub(crate) async fn begin_settle(
        &self,
        queue: &Definition,
        partition: u32,
        items: Vec<(Receipt, Verb)>,
    ) -> Result<Begun<Vec<Outcome>>, QueueError> {
        let shard = &self.shards[place(queue, partition)];
        let call = |reply| Call::Of(queue.id, partition, Wish::Settle(items, reply));
        begin(shard, call).await
    }

    /// Takes back leases whose records were never sent, as if they had not been.
    pub(crate) async fn give_back(
        &self,
        queue: &Definition,
        partition: u32,
        receipts: Vec<Receipt>,
    ) {
        self.tell(queue, partition, Wish::GiveBack(receipts)).await;
    }

    /// A worker was rung and cannot take: whoever else waits is rung.
    pub(crate) async fn pass(&self, queue: &Definition, partition: u32) {
        self.tell(queue, partition, Wish::Pass).await;
    }

    /// A worker is lost: what it held is tried again, as the queue's settings have it.
    pub(crate) async fn worker_gone(&self, queue: QueueId, worker: WorkerId) {
        for shard in &*self.shards {
            let _ = shard.send(Call::WorkerGone(queue, worker)).await;
        }
    }

    /// How a queue stands in a partition.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub(crate) async fn facts(
        &self,
        queue: &Definition,
        partition: u32,
    ) -> Result<PartitionFacts, QueueError> {
        self.ask(queue, partition, Wish::Facts).await
    }

    /// The same of a queue that is known by its topic.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub(crate) async fn facts_of(
        &self,
        queue: QueueId,
        topic: TopicId,
        partition: u32,
    ) -> Result<PartitionFacts, QueueError> {
        let shard = &self.shards[usize::from(partition_shard(topic, partition) - 1)];
        ask(shard, |reply| Call::Of(queue, partition, Wish::Facts(reply))).await
    }

    /// Goes on from an offset: all below is resolved and nothing from there on. What is leased
    /// stays leased; failures count from nought again, deliveries from the most that there were.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub(crate) async fn seek(
        &self,
        queue: &Definition,
        partition: u32,
        floor: Offset,
    ) -> Result<(), QueueError> {
        self.ask(queue, partition, |reply| Wish::Seek(floor, reply)).await
    }

    /// Resolves all that there is.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub(crate) async fn purge(&self, queue: &Definition, partition: u32) -> Result<(), QueueError> {
        self.ask(queue, partition, Wish::Purge).await
    }

    /// Records below an offset were deleted: what was put aside of them is forgotten too.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub(crate) async fn forget(
        &self,
        queue: &Definition,
        partition: u32,
        below: Offset,
    ) -> Result<(), QueueError> {
        self.ask(queue, partition, |reply| Wish::Forget(below, reply)).await
    }

    /// What goes to the dead letter, the same until it is said to have been moved; where there is
    /// nothing, `signals` hears `Ready(token)` when there is.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub(crate) async fn dying(
        &self,
        queue: &Definition,
        partition: u32,
        max: u32,
        signals: Signals,
        token: u64,
    ) -> Result<Vec<Dying>, QueueError> {
        self.ask(queue, partition, |reply| Wish::Dying { max, signals, token, reply }).await
    }

    /// These stand in the dead letter now: they are resolved, and that is committed on return.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub(crate) async fn moved(
        &self,
        queue: &Definition,
        partition: u32,
        moved: Vec<(Log, Offset)>,
    ) -> Result<(), QueueError> {
        self.ask(queue, partition, |reply| Wish::Moved(moved, reply)).await
    }

    /// The log wants to lose all below an offset: how many records have to be put aside first.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub(crate) async fn clear(
        &self,
        queue: &Definition,
        partition: u32,
        below: Offset,
    ) -> Result<u64, QueueError> {
        self.ask(queue, partition, |reply| Wish::Clear(below, reply)).await
    }

    /// What is to be put aside, each once until the log is to be cleared again; where there is
    /// nothing, `signals` hears `Ready(token)` when there is.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub(crate) async fn to_park(
        &self,
        queue: &Definition,
        partition: u32,
        max: u32,
        signals: Signals,
        token: u64,
    ) -> Result<Vec<Parking>, QueueError> {
        self.ask(queue, partition, |reply| Wish::ToPark { max, signals, token, reply }).await
    }

    async fn ask<T>(
        &self,
        queue: &Definition,
        partition: u32,
        wish: impl FnOnce(Reply<T>) -> Wish,
    ) -> Result<T, QueueError> {
        let shard = &self.shards[place(queue, partition)];
        ask(shard, |reply| Call::Of(queue.id, partition, wish(reply))).await
    }

    async fn tell(&self, queue: &Definition, partition: u32, wish: Wish) {
        let shard = &self.shards[place(queue, partition)];
        let _ = shard.send(Call::Of(queue.id, partition, wish)).await;
    }
}

/// The place of a partition's shard among those with partitions.
fn place(queue: &Definition, partition: u32) -> usize {
    usize::from(partition_shard(queue.topic, partition) - 1)
}

/// Something that a shard was asked, and has not answered yet.
#[derive(Debug)]
pub(crate) struct Begun<T> {
    answer: oneshot::Receiver<Result<T, QueueError>>,
}

impl<T> Begun<T> {
    /// The answer, once it is there.
    pub(crate) async fn outcome(self) -> Result<T, QueueError> {
        // The answer that does not come is one to what was proposed when writes stopped.
        self.answer.await.unwrap_or(Err(QueueError::OutcomeUnknown))
    }
}

async fn begin<T>(
    shard: &mpsc::Sender<Call>,
    call: impl FnOnce(Reply<T>) -> Call,
) -> Result<Begun<T>, QueueError> {
    let (reply, answer) = oneshot::channel();
    shard.send(call(reply)).await.map_err(|_| QueueError::ShuttingDown)?;
    Ok(Begun { answer })
}

async fn ask<T>(
    shard: &mpsc::Sender<Call>,
    call: impl FnOnce(Reply<T>) -> Call,
) -> Result<T, QueueError> {
    begin(shard, call).await?.outcome().await
}
