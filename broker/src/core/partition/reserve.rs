//! Blocks of offsets for partitions whose batches do not pass the journal.
//!
//! A `written` partition gives out only offsets that it reserved in the journal before, so that
//! after an unclean stop, when nobody knows how much of its tail was lost, no offset is ever used
//! twice: it goes on at the reserved end. The next block is asked for when half of this one is
//! used, so that producers do not wait for the journal.
//!
//! ```text
//!     next            end          proposed_end
//!   ───┼───────────────┼────────────────┼────►
//!      may be given out  asked for, not yet committed
//! ```
//!
//! Invariant: `next ≤ end ≤ proposed_end`.

use weir_storage::offset::Offset;

/// The smallest block, for a partition that is seldom written.
pub(crate) const BLOCK_OFFSETS_MIN: u64 = 1 << 10;

/// The largest block.
pub(crate) const BLOCK_OFFSETS_MAX: u64 = 1 << 20;

/// A block that lasted less than this is followed by a larger one.
const BLOCK_MS: i64 = 1000;

/// The reservation of one partition.
#[derive(Debug)]
pub(crate) struct Reservation {
    end: Offset,
    proposed_end: Offset,
    block_offsets: u64,
    proposed_at_ms: i64,
}

impl Reservation {
    /// A partition that may give out offsets below `end`.
    pub(crate) fn new(end: Offset) -> Self {
        Self { end, proposed_end: end, block_offsets: BLOCK_OFFSETS_MIN, proposed_at_ms: i64::MIN }
    }

    /// Whether offsets below `next` may be given out.
    pub(crate) fn covers(&self, next: Offset) -> bool {
        next <= self.end
    }

    /// Whether it is time to propose the next block, now that offsets below `next` are wanted.
    pub(crate) fn is_due(&self, next: Offset) -> bool {
        self.proposed_end == self.end && self.end < next.plus(self.block_offsets / 2)
    }

    /// The end of the next block, which the caller proposes.
    pub(crate) fn propose(&mut self, next: Offset, now_ms: i64) -> Offset {
        if now_ms.saturating_sub(self.proposed_at_ms) < BLOCK_MS {
            self.block_offsets = (self.block_offsets * 4).min(BLOCK_OFFSETS_MAX);
        } else {
            self.block_offsets = (self.block_offsets / 2).max(BLOCK_OFFSETS_MIN);
        }
        self.proposed_at_ms = now_ms;
        self.proposed_end = next.max(self.end).plus(self.block_offsets);
        self.proposed_end
    }

    /// The journal has the reservation up to `end`.
    pub(crate) fn committed(&mut self, end: Offset) {
        assert!(end <= self.proposed_end, "only what was proposed is committed");
        self.end = self.end.max(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Offset {
        Offset::new(offset)
    }

    #[test]
    fn the_next_block_is_asked_for_at_half_and_only_once() {
        let mut reservation = Reservation::new(at(0));
        assert!(!reservation.covers(at(1)) && reservation.is_due(at(1)));
        let first = reservation.propose(at(1), 0);
        assert!(!reservation.covers(at(1)) && !reservation.is_due(at(1)));
        reservation.committed(first);
        assert!(reservation.covers(first) && !reservation.is_due(at(2)));
        assert!(reservation.is_due(at(first.get() - 100)));
    }

    #[test]
    fn a_fast_partition_reserves_more_and_more_but_never_past_the_limit() {
        let mut reservation = Reservation::new(at(0));
        let (mut next, mut largest) = (0, 0);
        for now_ms in 0..40 {
            let end = reservation.propose(at(next), now_ms);
            largest = largest.max(end.get() - next);
            reservation.committed(end);
            next = end.get();
        }
        assert_eq!(largest, BLOCK_OFFSETS_MAX);
    }
}
