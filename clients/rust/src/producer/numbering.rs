//! The numbers of one partition's batches, by which the broker knows one that it has already.
//!
//! ```text
//!   epoch 0: 0 ── 40 ── 55 ──✗ lost at the broker, or given up here
//!   epoch 1:                 0 ── 35 ──►
//! ```
//!
//! Batches are numbered when they are closed, and keep their numbers however often they are sent.
//! Where a number is missing for good, those behind it are numbered again in a new epoch, which
//! ends the one before: what is still on its way with its numbers is refused.

use weir_protocol::batch::ProducerStamp;
use weir_protocol::native::ProducerIdentity;

#[derive(Clone, Copy, Debug)]
pub(super) struct Numbering {
    next: ProducerStamp,
}

impl Numbering {
    pub(super) fn new(producer: ProducerIdentity) -> Self {
        let ProducerIdentity { producer_id: id, producer_epoch: epoch } = producer;
        Self { next: ProducerStamp { id, epoch, sequence: 0 } }
    }

    /// The numbers of the next batch.
    pub(super) fn take(&mut self, records: u32) -> ProducerStamp {
        let stamp = self.next;
        self.next.sequence = sequence_after(stamp.sequence, records);
        stamp
    }

    /// Begins a new epoch; `None` behind the last there is.
    pub(super) fn next_epoch(&self) -> Option<Self> {
        let ProducerStamp { id, epoch, .. } = self.next;
        let epoch = epoch.checked_add(1)?;
        Some(Self { next: ProducerStamp { id, epoch, sequence: 0 } })
    }
}

/// Sequences go from the largest `i32` on to 0, as Kafka's do.
fn sequence_after(sequence: i32, records: u32) -> i32 {
    let next = (i64::from(sequence) + i64::from(records)) & i64::from(i32::MAX);
    i32::try_from(next).expect("what is left has 31 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_each_other_past_the_largest_and_begin_anew_with_an_epoch() {
        let mut numbering = Numbering::new(ProducerIdentity { producer_id: 7, producer_epoch: 0 });
        assert_eq!(numbering.take(5).sequence, 0);
        numbering.next.sequence = i32::MAX - 1;
        assert_eq!(numbering.take(3).sequence, i32::MAX - 1);
        assert_eq!(numbering.take(1).sequence, 1);
        let mut anew = numbering.next_epoch().unwrap();
        assert_eq!(anew.take(1), ProducerStamp { id: 7, epoch: 1, sequence: 0 });
        anew.next.epoch = i16::MAX;
        assert!(anew.next_epoch().is_none());
    }
}
