//! Following a partition.

use weir_protocol::id::TopicId;
use weir_protocol::name::TopicName;

use super::produce::partition_of;
use super::{From, Offset, OffsetSpan, ReadLimits, Refusal, Session, Slice, TopicFacts};
use crate::auth::Action;
use crate::core::catalog::topic::Topic;
use crate::core::read::{self, Feed};
use crate::metrics;

/// A place to follow a partition from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) partition: u32,
    pub(crate) from: From,
    /// Comes back with the signal that there is more.
    pub(crate) token: u64,
}

/// A partition that is being followed.
#[derive(Debug)]
pub(crate) struct Subscription {
    feed: Feed,
    metrics: metrics::Deliver,
}

/// What comes next of a subscription.
#[derive(Debug)]
pub(crate) enum Step {
    /// Whole batches; the first may begin below the cursor.
    Slice(Slice),
    /// Offsets that will never have records.
    Gap(OffsetSpan),
    /// Nothing until `Ready(token)` is signalled.
    AtTail,
    /// Nothing yet: it is brought into memory. `Ready(token)` is signalled then.
    UnderWay,
    /// The next batch is larger than the limits.
    NoRoom,
}

impl Session {
    /// A topic as those who may follow it see it.
    pub(crate) fn topic_to_follow(&self, name: &TopicName) -> Result<TopicFacts, Refusal> {
        let topic = self.topic_named(name)?;
        self.allow(Action::Consume, &topic)?;
        Ok(TopicFacts::of(&topic))
    }

    /// Follows a partition of a topic by its id. Where it is to begin at a time, a thread looks
    /// for that.
    pub(crate) async fn subscribe(
        &self,
        topic: TopicId,
        start: Start,
    ) -> Result<Subscription, Refusal> {
        self.follow(&*self.topic(topic)?, start).await
    }

    /// Follows a partition of a topic by its name.
    pub(crate) async fn subscribe_named(
        &self,
        topic: &TopicName,
        start: Start,
    ) -> Result<Subscription, Refusal> {
        self.follow(&*self.topic_named(topic)?, start).await
    }

    pub(super) async fn follow(
        &self,
        topic: &Topic,
        start: Start,
    ) -> Result<Subscription, Refusal> {
        self.allow(Action::Consume, topic)?;
        let handle = partition_of(topic, start.partition)?;
        let cold_reads = self.door.cold_reads.clone();
        let (from, _) = cold_reads.find(handle.reader(), start.from).await?;
        let (handle, signals) = (handle.clone(), self.signals.clone());
        let feed = Feed::new(handle, from, cold_reads, signals, start.token);
        let metrics = self.door.deliver_metrics.clone();
        metrics.subscriptions.inc();
        Ok(Subscription { feed, metrics })
    }
}

impl Subscription {
    /// The first offset that is kept.
    pub(crate) fn start(&self) -> Offset {
        self.feed.partition().reader().start()
    }

    /// The first offset that is not visible yet.
    pub(crate) fn tail(&self) -> Offset {
        self.feed.partition().reader().tail()
    }

    /// What is read next.
    pub(crate) fn offset(&self) -> Offset {
        self.feed.offset()
    }

    /// `Ready` was signalled for it, once.
    pub(crate) fn signalled(&mut self) {
        self.feed.signalled();
    }

    /// What comes next, within `limits`.
    pub(crate) fn next(&mut self, limits: &ReadLimits) -> Result<Step, Refusal> {
        Ok(match self.feed.next(limits)? {
            read::Step::Slice(slice) => {
                self.metrics.batches.inc();
                self.metrics.records.inc_by(slice.messages);
                self.metrics.bytes.inc_by(slice.bytes.len() as u64);
                Step::Slice(slice)
            }
            read::Step::Gap(span) => Step::Gap(span),
            read::Step::AtTail => Step::AtTail,
            read::Step::UnderWay => Step::UnderWay,
            read::Step::NoRoom => Step::NoRoom,
        })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.metrics.subscriptions.dec();
    }
}
