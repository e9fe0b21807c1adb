//! Reading once from a place: what is there, or what comes within a while.

use std::pin::pin;
use std::time::Duration;

use tokio::select;
use tokio::time::sleep;
use weir_protocol::name::TopicName;

use super::{Offset, ReadLimits, Refusal, Session, Slice, Start, Step, Subscription};

/// What was read.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// Whole batches, the first of which may begin below the offset asked for; nothing where
    /// nothing came.
    pub(crate) slice: Option<Slice>,
    /// The offset that was asked for, whatever words said it.
    pub(crate) from: Offset,
    /// Where to read next.
    pub(crate) next_offset: Offset,
    pub(crate) start: Offset,
    pub(crate) tail: Offset,
}

impl Session {
    /// Reads a partition from a place on. At its tail it waits up to `wait` for a first record;
    /// what has to be brought in from the disk takes the time it takes.
    pub(crate) async fn fetch(
        &self,
        topic: &TopicName,
        start: Start,
        limits: &ReadLimits,
        wait: Duration,
    ) -> Result<Fetched, Refusal> {
        let mut subscription = self.subscribe_named(topic, start).await?;
        let from = subscription.offset();
        let slice = self.first(&mut subscription, limits, wait).await?;
        let (next_offset, start) = (subscription.offset(), subscription.start());
        Ok(Fetched { slice, from, next_offset, start, tail: subscription.tail() })
    }

    async fn first(
        &self,
        subscription: &mut Subscription,
        limits: &ReadLimits,
        wait: Duration,
    ) -> Result<Option<Slice>, Refusal> {
        let mut too_late = pin!(sleep(wait));
        loop {
            match subscription.next(limits)? {
                Step::Slice(slice) => return Ok(Some(slice)),
                Step::Gap(_) => {}
                Step::NoRoom => return Ok(None),
                Step::UnderWay => self.heard(subscription).await,
                Step::AtTail => select! {
                    biased;
                    () = self.heard(subscription) => {}
                    () = &mut too_late => return Ok(None),
                },
            }
        }
    }

    /// Waits until the subscription, the only one of this session, is signalled.
    async fn heard(&self, subscription: &mut Subscription) {
        self.signals.wait().await;
        let mut signals = Vec::new();
        self.signals.take(&mut signals);
        for _ in signals {
            subscription.signalled();
        }
    }
}
