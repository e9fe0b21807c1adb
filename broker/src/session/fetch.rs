//! Reading once from a place: what is there, or what comes within a while.

use std::time::Duration;

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
    /// Reads a partition from a place on, waiting up to `wait` for the first record.
    pub(crate) async fn fetch(
        &self,
        topic: &TopicName,
        start: Start,
        limits: &ReadLimits,
        wait: Duration,
    ) -> Result<Fetched, Refusal> {
        let mut subscription = self.subscribe_named(topic, start)?;
        let from = subscription.offset();
        let reading = self.first(&mut subscription, limits);
        let slice = match tokio::time::timeout(wait, reading).await {
            Ok(slice) => slice?,
            Err(_) => None,
        };
        let (next_offset, start) = (subscription.offset(), subscription.start());
        Ok(Fetched { slice, from, next_offset, start, tail: subscription.tail() })
    }

    async fn first(
        &self,
        subscription: &mut Subscription,
        limits: &ReadLimits,
    ) -> Result<Option<Slice>, Refusal> {
        loop {
            match subscription.next(limits)? {
                Step::Slice(slice) => return Ok(Some(slice)),
                Step::Gap(_) => {}
                Step::NoRoom => return Ok(None),
                Step::AtTail => {
                    self.signals.wait().await;
                    self.signals.take(&mut Vec::new());
                    subscription.signalled();
                }
            }
        }
    }
}
