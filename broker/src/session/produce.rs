//! Taking in a batch.

use bytes::Bytes;
use weir_protocol::batch::{self, InflateError, TimestampType};
use weir_protocol::code::Code;
use weir_protocol::id::TopicId;
use weir_protocol::limits::INFLATED_BYTES_MAX;

use super::{Durability, Refusal, Session};
use crate::auth::Action;
use crate::core::catalog::topic::Topic;
use crate::core::commit::append::{AckAt, Waiter, Waiters};
use crate::core::partition::Handle;
use crate::core::partition::message_id::{Ids, IdsError};
use crate::core::partition::request::Batch;
use crate::core::read::{INFLATED_AT_ONCE_BYTES_MAX, apart};

/// A batch for a partition.
#[derive(Debug)]
pub(crate) struct Produce {
    pub(crate) topic: TopicId,
    pub(crate) partition: u32,
    pub(crate) ack: Ack,
    /// One record batch.
    pub(crate) batch: Bytes,
    /// Comes back with the answer.
    pub(crate) token: u64,
}

/// When to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    /// Never.
    Nothing,
    /// When it survives a crash of the process.
    Written,
    /// When it survives a power cut.
    Synced,
    /// When the topic's own promise is kept.
    Topic,
}

impl Session {
    /// Takes a batch in. What becomes of it is signalled as `Done(token)`, unless nobody wants to
    /// know. Waits where the broker's memory is used up.
    pub(crate) async fn produce(&self, produce: Produce) -> Result<(), Refusal> {
        let outcome = self.try_produce(produce).await;
        if let Err(refusal) = &outcome {
            self.door.produce_metrics.refused(refusal.code.name());
        }
        outcome
    }

    async fn try_produce(&self, produce: Produce) -> Result<(), Refusal> {
        let Produce { topic, partition, ack, batch, token } = produce;
        let topic = self.topic(topic)?;
        self.allow(Action::Produce, &topic)?;
        let handle = partition_of(&topic, partition)?;
        let ack = ack_at(ack, topic.settings.durability)?;
        let header = batch::check(&batch, topic.settings.batch_bytes_max as usize)?;
        let ids = self.ids_of(&topic, &batch).await?;
        let taken = ids.as_ref().map_or(0, Ids::bytes);
        let permit = Some(self.door.quota.batch(batch.len() + taken).await);
        let metrics = &self.door.produce_metrics;
        metrics.batches.inc();
        metrics.records.inc_by(u64::from(header.records));
        metrics.bytes.inc_by(batch.len() as u64);
        let (header, batch, append_time) = match topic.settings.timestamp_type {
            TimestampType::CreateTime => (header, batch, None),
            TimestampType::LogAppendTime => {
                let now_ms = self.door.clock.wall_ms();
                let (header, batch) =
                    batch::put_append_time(&batch, now_ms).expect("the batch's header was checked");
                (header, batch, Some(now_ms))
            }
        };
        let waiters = match ack {
            None => Waiters::Nobody,
            Some(ack) => {
                let signals = self.signals.clone();
                Waiters::One(Waiter { signals, token, ack, append_time })
            }
        };
        let (in_journal, taken_at) = (false, None);
        let batch = Batch {
            header,
            bytes: batch,
            ids,
            origin: None,
            waiters,
            permit,
            in_journal,
            taken_at,
        };
        handle.append(batch).await;
        Ok(())
    }

    /// The message ids in a batch, where its topic keeps a window of them.
    async fn ids_of(&self, topic: &Topic, batch: &Bytes) -> Result<Option<Ids>, Refusal> {
        let Some(window) = topic.settings.message_id_window() else { return Ok(None) };
        let walk = |inflated_bytes_max| Ids::walk(topic.id, batch, window, inflated_bytes_max);
        if batch.len() <= INFLATED_AT_ONCE_BYTES_MAX {
            match walk(INFLATED_AT_ONCE_BYTES_MAX) {
                Err(IdsError::Inflate(InflateError::TooLarge { .. })) => {}
                walked => return Ok(Some(walked?)),
            }
        }
        let _permit = self.door.quota.inflating().await;
        Ok(Some(apart(|| walk(INFLATED_BYTES_MAX))?))
    }
}

/// A topic's partition by its number.
pub(super) fn partition_of(topic: &Topic, partition: u32) -> Result<&Handle, Refusal> {
    let unknown =
        || Refusal::unknown_partition(topic.name.as_str(), partition, topic.partitions.len());
    topic.partitions.get(partition as usize).ok_or_else(unknown)
}

/// The step behind which to answer, on a topic of this durability.
fn ack_at(ack: Ack, durability: Durability) -> Result<Option<AckAt>, Refusal> {
    match (ack, durability) {
        (Ack::Nothing, _) => Ok(None),
        (Ack::Written, Durability::Synced) => Ok(Some(AckAt::Journaled)),
        (Ack::Synced | Ack::Topic, Durability::Synced)
        | (Ack::Written | Ack::Topic, Durability::Written) => Ok(Some(AckAt::Applied)),
        (Ack::Synced, Durability::Written) => Err(Refusal::new(
            Code::AckNotOffered,
            "the topic is `written`: its records are not synced before they are acknowledged; \
             ask for `written`, or create the topic as `synced`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_is_answered_at_the_step_that_keeps_its_promise() {
        let (synced, written) = (Durability::Synced, Durability::Written);
        assert_eq!(ack_at(Ack::Nothing, synced), Ok(None));
        assert_eq!(ack_at(Ack::Written, synced), Ok(Some(AckAt::Journaled)));
        assert_eq!(ack_at(Ack::Topic, synced), Ok(Some(AckAt::Applied)));
        assert_eq!(ack_at(Ack::Topic, written), Ok(Some(AckAt::Applied)));
        assert_eq!(ack_at(Ack::Synced, written).unwrap_err().code, Code::AckNotOffered);
    }
}
