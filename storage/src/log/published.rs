//! Where a log ends, told by its one owner to everyone else without a lock.
//!
//! Readers need the tail alone, in one load. Whoever flushes needs all the numbers of one moment:
//! they lie between two steps of a turn counter, odd while the owner is writing, and who reads
//! tries again if the turn moved meanwhile.
//!
//! Invariant: a tail is published after the bytes below it.

use crate::offset::{Epoch, Offset};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use crate::sync::hint;

/// Where a log ends: what a checkpoint names, and where [`Log::open`](super::Log::open) goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The base offset, hence the name, of the segment that holds the last batch.
    pub segment: Offset,
    /// Where the next batch lies in it, if it still fits; 0 for a log without batches.
    pub position: u64,
    /// The tail: the offset of the next record.
    pub offset: Offset,
    /// The newest epoch, of the last batch or begun since.
    pub epoch: Epoch,
    /// The first offset that readers may ask for.
    pub start: Offset,
}

/// A log's [`End`], written by one thread and read by any.
#[derive(Debug, Default)]
pub(super) struct Published {
    turn: AtomicU64,
    segment: AtomicU64,
    position: AtomicU64,
    tail: AtomicU64,
    epoch: AtomicU32,
    start: AtomicU64,
}

impl Published {
    pub(super) fn new(end: &End) -> Self {
        let published = Self::default();
        published.store(end);
        published
    }

    /// Tells where the log ends now. Only the log's owner may call it.
    pub(super) fn store(&self, end: &End) {
        let turn = self.turn.load(Ordering::Relaxed);
        self.turn.store(turn + 1, Ordering::Relaxed);
        // The odd turn comes before the numbers for everyone who sees one of them.
        fence(Ordering::Release);
        self.segment.store(end.segment.get(), Ordering::Relaxed);
        self.position.store(end.position, Ordering::Relaxed);
        self.epoch.store(end.epoch.get(), Ordering::Relaxed);
        self.start.store(end.start.get(), Ordering::Relaxed);
        self.tail.store(end.offset.get(), Ordering::Release);
        self.turn.store(turn + 2, Ordering::Release);
    }

    pub(super) fn load(&self) -> End {
        loop {
            let before = self.turn.load(Ordering::Acquire);
            let end = End {
                segment: Offset::new(self.segment.load(Ordering::Relaxed)),
                position: self.position.load(Ordering::Relaxed),
                offset: self.tail(),
                epoch: Epoch::new(self.epoch.load(Ordering::Relaxed)),
                start: self.start(),
            };
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.turn.load(Ordering::Relaxed) == before {
                return end;
            }
            hint::spin_loop();
        }
    }

    /// The first offset that is not visible yet; all bytes below it are.
    pub(super) fn tail(&self) -> Offset {
        Offset::new(self.tail.load(Ordering::Acquire))
    }

    pub(super) fn start(&self) -> Offset {
        Offset::new(self.start.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn an_end_is_read_whole_while_it_is_written() {
        let of = |n: u64| End {
            segment: Offset::new(n),
            position: n,
            offset: Offset::new(n),
            epoch: Epoch::new(n as u32),
            start: Offset::new(n),
        };
        let published = Published::new(&of(0));
        let rounds = 20_000;
        thread::scope(|scope| {
            scope.spawn(|| (1..=rounds).for_each(|n| published.store(&of(n))));
            loop {
                let end = published.load();
                assert_eq!(end, of(end.position));
                if end.position == rounds {
                    break;
                }
            }
        });
    }
}
