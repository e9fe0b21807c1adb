//! A partition's epochs: which one reigns, and where the records of an older one end, which a
//! client needs that was led by it.

use weir_protocol::id::TopicId;

use super::produce::partition_of;
use super::{Epoch, Offset, Refusal, Session};
use crate::auth::Action;

/// The end of an epoch in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpochEnd {
    /// The highest that is not above the one asked for.
    pub(crate) epoch: Epoch,
    /// Behind its last record.
    pub(crate) end: Offset,
}

impl Session {
    /// The epoch that reigns in a partition.
    pub(crate) fn epoch(&self, topic: TopicId, partition: u32) -> Result<Epoch, Refusal> {
        let topic = self.topic(topic)?;
        self.allow(Action::DescribeTopic, &topic)?;
        Ok(partition_of(&topic, partition)?.reader().epoch())
    }

    /// The epoch that reigned at an offset; `None` where that was forgotten.
    pub(crate) fn epoch_at(
        &self,
        topic: TopicId,
        partition: u32,
        offset: Offset,
    ) -> Result<Option<Epoch>, Refusal> {
        let topic = self.topic(topic)?;
        self.allow(Action::DescribeTopic, &topic)?;
        Ok(partition_of(&topic, partition)?.reader().epoch_at(offset))
    }

    /// The end of the highest epoch up to `epoch`; `None` where there is none, or where `epoch` is
    /// above all there were.
    pub(crate) fn epoch_end(
        &self,
        topic: TopicId,
        partition: u32,
        epoch: Epoch,
    ) -> Result<Option<EpochEnd>, Refusal> {
        let topic = self.topic(topic)?;
        self.allow(Action::DescribeTopic, &topic)?;
        let reader = partition_of(&topic, partition)?.reader();
        let (starts, tail) = (reader.epochs(), reader.tail());
        let above = starts.partition_point(|start| start.epoch <= epoch);
        // Before the first record there is the epoch that every log begins in.
        let first = (starts.is_empty() && epoch == Epoch::ZERO).then_some(Epoch::ZERO);
        let latest = starts.last().map(|last| last.epoch).or(first);
        if latest.is_none_or(|latest| latest < epoch) {
            return Ok(None);
        }
        let found = above.checked_sub(1).map(|at| starts[at].epoch).or(first);
        let end = starts.get(above).map_or(tail, |next| next.first);
        Ok(found.map(|epoch| EpochEnd { epoch, end }))
    }
}
