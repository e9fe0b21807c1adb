//! The producers of a partition: which batch is new, which was stored before, which may not come.
//!
//! ```text
//!   batch of a producer ─► follows its last one, or it is unknown  ─► append
//!                       ├► is in its window                        ─► the offset it has
//!                       ├► older epoch                             ─► fenced
//!                       └► anything else                           ─► out of order
//! ```
//!
//! An unknown producer may begin with any sequence: it may have been forgotten. A newer epoch
//! begins with 0. Pure: no clock, no randomness; a period is over when the owner says so.
//!
//! Bounded: at [`PER_PARTITION_MAX`] the quarter goes that was silent for longest. Refusing the
//! newcomer instead would let a crowd of dead producers stop all live ones. Which of two was
//! silent for longer their offsets tell, so *all below an offset* names whom to forget.
//!
//! Invariant: what it knows is what the batches at or above its partition's log would say, read
//! in their order, but for those that were forgotten.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, BytesMut};
use weir_protocol::batch::Header;
use weir_storage::offset::Offset;

use super::producer::Producer;
use crate::core::wake::AppendError;

/// Producers that a partition remembers. Memory: about 150 bytes each, and up to 1 KiB where the
/// batches of several take turns.
pub(crate) const PER_PARTITION_MAX: usize = 4096;

/// Periods of silence behind which a producer is forgotten.
pub(crate) const IDLE_PERIODS: u8 = 24;

/// The producers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    by_id: BTreeMap<i64, Producer>,
}

/// What a batch is, next to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    New,
    /// It is stored from this offset on.
    Stored(Offset),
    Refused(AppendError),
}

impl Producers {
    /// Judges a batch. One without a producer is always new.
    pub(crate) fn judge(&self, header: &Header) -> Verdict {
        let Header { producer_id, producer_epoch: epoch, base_sequence: sequence, .. } = *header;
        let is_stamped = 0 <= producer_id;
        let Some(known) = is_stamped.then(|| self.by_id.get(&producer_id)).flatten() else {
            return Verdict::New;
        };
        if epoch < known.epoch {
            return Verdict::Refused(AppendError::Fenced { epoch, reigning: known.epoch });
        }
        let next = if known.epoch < epoch { 0 } else { known.next() };
        if sequence == next {
            return Verdict::New;
        }
        let found = (epoch == known.epoch).then(|| known.find(sequence, header.records)).flatten();
        found.map_or(Verdict::Refused(AppendError::OutOfOrder { sequence, next }), Verdict::Stored)
    }

    /// A batch was given its offset.
    pub(crate) fn append(&mut self, header: &Header, offset: Offset) {
        let Header { producer_id, producer_epoch, base_sequence, records, .. } = *header;
        if producer_id < 0 {
            return;
        }
        match self.by_id.get_mut(&producer_id) {
            Some(known) if known.epoch == producer_epoch => {
                known.append(base_sequence, records, offset);
            }
            _ => {
                let producer = Producer::new(producer_epoch, base_sequence, records, offset);
                self.by_id.insert(producer_id, producer);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Forgets the producers whose last batch lies below an offset.
    pub(crate) fn forget(&mut self, below: Offset) {
        self.by_id.retain(|_, producer| below < producer.end());
    }

    /// Forgets what lies at or above an offset.
    pub(crate) fn cut(&mut self, end: Offset) {
        let all = std::mem::take(&mut self.by_id).into_iter();
        self.by_id = all.filter_map(|(id, producer)| Some((id, producer.below(end)?))).collect();
    }

    /// A period is over: the offset below which producers have been silent for too long.
    pub(crate) fn age(&mut self) -> Option<Offset> {
        for producer in self.by_id.values_mut() {
            producer.idle = producer.idle.saturating_add(1);
        }
        let mut silent = self.by_id.values().filter(|producer| IDLE_PERIODS < producer.idle);
        let first = silent.next()?.end();
        Some(silent.map(Producer::end).fold(first, Offset::max))
    }

    /// The offset below which the last batches of the most silent quarter lie.
    pub(crate) fn silent_quarter(&self) -> Option<Offset> {
        let mut ends: Vec<_> = self.by_id.values().map(Producer::end).collect();
        let quarter = (ends.len() / 4).checked_sub(1)?;
        Some(*ends.select_nth_unstable(quarter).1)
    }

    pub(crate) fn encode(&self, bytes: &mut BytesMut) {
        bytes.put_u32_le(u32::try_from(self.by_id.len()).expect("producers are limited"));
        for (id, producer) in &self.by_id {
            bytes.put_i64_le(*id);
            producer.encode(bytes);
        }
    }

    /// Those that `encode` wrote.
    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let count = bytes.try_get_u32_le().ok()?;
        let mut by_id = BTreeMap::new();
        for _ in 0..count {
            let id = bytes.try_get_i64_le().ok().filter(|id| 0 <= *id)?;
            by_id.insert(id, Producer::decode(bytes)?);
        }
        Some(Self { by_id })
    }
}

#[cfg(test)]
mod tests;
