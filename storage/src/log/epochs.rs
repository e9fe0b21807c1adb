//! Which epoch began where: a log's short history of its leaders and losses.
//!
//! An epoch ends where the next begins. It answers a client that was led by an older epoch where
//! that one's records end, and a log that comes back after a loss where the new part begins.
//!
//! Invariant: epochs and their first offsets both rise; an epoch without records is forgotten as
//! soon as a newer one begins at its offset.

use crate::offset::{Epoch, Offset};

/// An epoch and the offset of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    pub epoch: Epoch,
    pub first: Offset,
}

/// A log's epochs, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Epochs {
    starts: Vec<EpochStart>,
}

impl Epochs {
    pub(super) fn new(starts: Vec<EpochStart>) -> Option<Self> {
        let rising = starts.is_sorted_by(|a, b| a.epoch < b.epoch && a.first < b.first);
        rising.then_some(Self { starts })
    }

    /// Begins `epoch` at `first`; nothing changes if it or a newer one began before. What lies
    /// below the first that begins is of the epoch that every log begins in.
    pub(super) fn start(&mut self, epoch: Epoch, first: Offset) {
        if self.starts.is_empty() && Epoch::ZERO < epoch {
            self.put(Epoch::ZERO, Offset::ZERO);
        }
        self.put(epoch, first);
    }

    fn put(&mut self, epoch: Epoch, first: Offset) {
        if self.starts.last().is_some_and(|last| epoch <= last.epoch) {
            return;
        }
        while self.starts.last().is_some_and(|last| first <= last.first) {
            self.starts.pop();
        }
        self.starts.push(EpochStart { epoch, first });
    }

    /// Notes that `epoch` reigned at `offset` at the latest, unless it is the one that every log
    /// begins in. Which reigned below is not known.
    pub(super) fn start_unless_first(&mut self, epoch: Epoch, offset: Offset) {
        if Epoch::ZERO < epoch {
            self.put(epoch, offset);
        }
    }

    /// Forgets what began above `epoch`, or above `end`.
    pub(super) fn cut(&mut self, epoch: Epoch, end: Offset) {
        self.starts.retain(|start| start.epoch <= epoch && start.first <= end);
    }

    /// Forgets epochs that ended at or below `start`.
    pub(super) fn forget_below(&mut self, start: Offset) {
        let ended = self.starts.iter().skip(1).take_while(|next| next.first <= start).count();
        self.starts.drain(..ended);
    }

    /// The epoch that reigned at `offset`; `None` where that was forgotten.
    pub(super) fn at(&self, offset: Offset) -> Option<Epoch> {
        match self.starts.partition_point(|start| start.first <= offset) {
            0 if self.starts.is_empty() => Some(Epoch::ZERO),
            0 => None,
            above => Some(self.starts[above - 1].epoch),
        }
    }

    pub(super) fn starts(&self) -> &[EpochStart] {
        &self.starts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(starts: &[(u32, u64)], expected: &[(u32, u64)], change: impl FnOnce(&mut Epochs)) {
        let list = |pairs: &[(u32, u64)]| -> Vec<EpochStart> {
            let start = |&(e, o)| EpochStart { epoch: Epoch::new(e), first: Offset::new(o) };
            pairs.iter().map(start).collect()
        };
        let mut epochs = Epochs::new(list(starts)).unwrap();
        change(&mut epochs);
        assert_eq!(epochs.starts(), list(expected));
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        check(&[(1, 0)], &[(1, 0), (3, 10)], |e| e.start(Epoch::new(3), Offset::new(10)));
        check(&[(1, 0), (3, 10)], &[(1, 0), (3, 10)], |e| {
            e.start(Epoch::new(3), Offset::new(20));
            e.start(Epoch::new(2), Offset::new(20));
        });
    }

    #[test]
    fn what_lies_below_the_first_that_begins_is_known_where_all_of_it_is() {
        check(&[], &[(0, 0), (2, 10)], |e| e.start(Epoch::new(2), Offset::new(10)));
        check(&[], &[(2, 0)], |e| e.start(Epoch::new(2), Offset::ZERO));
        check(&[], &[(2, 10)], |e| e.start_unless_first(Epoch::new(2), Offset::new(10)));
    }

    #[test]
    fn an_epoch_without_records_is_forgotten() {
        check(&[(1, 0), (2, 10)], &[(1, 0), (3, 10)], |e| {
            e.start(Epoch::new(3), Offset::new(10));
        });
    }

    #[test]
    fn what_a_log_lost_or_deleted_is_forgotten() {
        check(&[(1, 0), (2, 10), (3, 20)], &[(1, 0), (2, 10)], |e| {
            e.cut(Epoch::new(3), Offset::new(19));
        });
        check(&[(1, 0), (2, 10), (3, 20)], &[(1, 0)], |e| e.cut(Epoch::new(1), Offset::new(99)));
        check(&[(1, 0), (2, 10), (3, 20)], &[(2, 10), (3, 20)], |e| {
            e.forget_below(Offset::new(15));
        });
        check(&[(1, 0), (2, 10)], &[(2, 10)], |e| e.forget_below(Offset::new(10)));
    }

    #[test]
    fn a_history_that_falls_is_none() {
        let start = |e, o| EpochStart { epoch: Epoch::new(e), first: Offset::new(o) };
        assert_eq!(Epochs::new(vec![start(2, 0), start(1, 5)]), None);
        assert_eq!(Epochs::new(vec![start(1, 5), start(2, 5)]), None);
    }
}
